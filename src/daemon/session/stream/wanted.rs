//! Tells the worker which rungs somebody watches.

use std::sync::Arc;

use super::Stream;
use crate::daemon::origin::RungDemand;
use crate::wire::protocol::ToWorker;

impl Stream {
    /// Tells the worker which rungs it is to make, if they are others than before.
    pub(super) fn want(&mut self) {
        if !self.setup.spec.rungs_on_demand || self.link.is_none() {
            return;
        }
        if let Some(wanted) = self.distribution.want() {
            if let Some(inbox) = self.inbox() {
                inbox.push(ToWorker::Wanted(wanted));
            }
            self.news = true;
        }
    }

    /// The requests for the rungs, where they matter.
    pub(super) fn rung_demand(&self) -> Option<Arc<RungDemand>> {
        let demand = self.distribution.demand();
        demand.filter(|_| self.setup.spec.rungs_on_demand).cloned()
    }
}
