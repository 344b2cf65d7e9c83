//! Which encoders work, found out aside.

use std::path::PathBuf;

use tokio::task::JoinHandle;

use crate::daemon::session::{Catalog, Registry, Tested};
use crate::daemon::supervisor::probe;
use crate::worker::media::probe::Outcome;

/// The test of the encoders that runs, or ran last.
#[derive(Default)]
pub(super) struct Probing {
    order: Vec<String>,
    task: Option<JoinHandle<()>>,
}

impl Probing {
    /// Whether others are asked for than were tested last, or none works.
    pub(super) fn is_needed(&self, order: &[String], registry: &Registry) -> bool {
        let runs = self.task.as_ref().is_some_and(|task| !task.is_finished());
        self.order != order || (!runs && !registry.ready())
    }

    /// Tests the encoders of these families; the outcome of an earlier test no longer counts.
    pub(super) fn start(
        &mut self,
        order: &[String],
        pipelines: Option<PathBuf>,
        registry: Registry,
    ) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.order = order.to_vec();
        let order = order.to_vec();
        self.task = Some(tokio::spawn(async move {
            let probing = move || probe::encoders(&order, pipelines.as_deref());
            match tokio::task::spawn_blocking(probing).await {
                Ok(outcomes) => registry.set_encoders(working(outcomes)),
                Err(error) => {
                    tracing::error!(%error, "encoders cannot be tested; restart weir");
                    registry.set_encoders(Vec::new());
                }
            }
        }));
    }

    /// Waits for nothing but that the test no longer tells the registry anything.
    pub(super) async fn stop(self) {
        if let Some(task) = self.task {
            task.abort();
            // Aborted, most likely; whatever it is, it is over.
            let _ = task.await;
        }
    }
}

/// Those that passed; says in the log what works.
fn working(outcomes: Vec<Outcome>) -> Vec<Tested> {
    let mut working = Vec::new();
    for outcome in outcomes {
        match outcome.failure {
            None => {
                tracing::info!(encoder = %outcome.template, "encoder works");
                working.push(Tested {
                    family: outcome.family,
                    template: outcome.template,
                });
            }
            Some(cause) => {
                tracing::debug!(encoder = %outcome.template, %cause, "encoder left out");
            }
        }
    }
    if working.is_empty() {
        tracing::error!("no encoder works: run `scripts/setup`, then `weir doctor`");
    }
    working
}
