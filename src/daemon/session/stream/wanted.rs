//! What follows from somebody watching, or nobody: whether the stream runs, and which rungs are made.

use std::sync::Arc;

use super::Stream;
use crate::daemon::origin::RungDemand;
use crate::wire::protocol::ToWorker;

impl Stream {
    /// A viewer has started the stream.
    pub(super) fn tell_watched(&self) {
        tracing::info!(
            stream = self.name(),
            source = %self.setup.spec.source,
            cause = "a viewer asked for it",
            "stream starts on demand"
        );
    }

    /// The stream ends because its viewers are gone.
    pub(super) fn tell_unwatched(&self) {
        tracing::info!(
            stream = self.name(),
            source = %self.setup.spec.source,
            cause = "nobody has asked for it any more",
            next = "the next viewer starts it again",
            "stream stops on demand"
        );
    }

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
