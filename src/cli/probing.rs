//! Tests which encoders work, in the background.

use tokio::task::JoinHandle;

use crate::daemon::session::{Catalog, Registry, Tested};
use crate::daemon::supervisor::orders::Orders;
use crate::daemon::supervisor::probe;
use crate::model::encoder::Family;
use crate::wire::probe::Outcome;

/// The latest test of the encoders, running or done.
#[derive(Default)]
pub(super) struct Probing {
    order: Vec<Family>,
    task: Option<JoinHandle<()>>,
}

impl Probing {
    /// Whether `order` has changed since the latest test, or no encoder passed that test.
    pub(super) fn is_needed(&self, order: &[Family], registry: &Registry) -> bool {
        let runs = self.task.as_ref().is_some_and(|task| !task.is_finished());
        self.order != order || (!runs && !registry.ready())
    }

    /// Tests the encoders of the families in `order`. The outcome of an earlier test is discarded.
    pub(super) fn start(&mut self, order: &[Family], orders: Orders, registry: Registry) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.order = order.to_vec();
        let order = order.to_vec();
        self.task = Some(tokio::spawn(async move {
            let probing = move || probe::encoders(&order, &orders);
            let probed = tokio::task::spawn_blocking(probing).await;
            match probed.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(outcomes) => registry.set_encoders(working(outcomes)),
                Err(error) => {
                    tracing::error!(%error, "encoders cannot be tested; restart weir");
                    registry.set_encoders(Vec::new());
                }
            }
        }));
    }

    /// Returns once the probe can no longer update the registry.
    pub(super) async fn stop(self) {
        if let Some(task) = self.task {
            task.abort();
            // An error only says that the task was aborted.
            let _ = task.await;
        }
    }
}

/// The encoders that passed. Logs which encoders work.
fn working(outcomes: Vec<Outcome>) -> Vec<Tested> {
    let mut working = Vec::new();
    for Outcome { candidate, failure } in outcomes {
        match failure {
            None => {
                tracing::info!(encoder = %candidate.template, "encoder works");
                working.push(Tested {
                    family: candidate.family,
                    template: candidate.template,
                });
            }
            Some(cause) => {
                tracing::debug!(encoder = %candidate.template, %cause, "encoder left out");
            }
        }
    }
    if working.is_empty() {
        tracing::error!("no encoder works: run `scripts/setup`, then `weir doctor`");
    }
    working
}
