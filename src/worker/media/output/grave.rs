//! Where pipelines end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::worker::media::events::{Event, Events};

/// How long a pipeline may take to stop. After that it counts as hung.
const STOP_MAX: Duration = Duration::from_secs(2);
/// Pipelines that may hang at a time: the thread of each is lost until the worker ends.
const HUNG_MAX: usize = 1;

/// Stops pipelines in threads of their own, because a driver that hangs lets nobody stop its pipeline.
/// When too many hang, the worker ends and another takes over. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Grave {
    stopping: Arc<AtomicUsize>,
    events: Events,
}

impl Grave {
    /// Nothing has ended yet.
    pub fn new(events: &Events) -> Self {
        Self {
            stopping: Arc::default(),
            events: events.clone(),
        }
    }

    /// Stops `pipeline` without waiting for it.
    pub fn bury(&self, pipeline: &gst::Pipeline) {
        let (grave, pipeline) = (self.clone(), pipeline.clone());
        let name = pipeline.name().to_string();
        let stop = move || {
            let began = Instant::now();
            let stopping = grave.stopping.fetch_add(1, Ordering::Relaxed) + 1;
            if stopping > HUNG_MAX {
                grave.watch(began);
            }
            let _ = pipeline.set_state(gst::State::Null);
            grave.stopping.fetch_sub(1, Ordering::Relaxed);
        };
        let thread = std::thread::Builder::new().name(format!("stop-{name}"));
        if thread.spawn(stop).is_err() {
            let cause = "the system gives no thread to stop a pipeline".to_owned();
            self.events.send(Event::Fatal(cause));
        }
    }

    /// Ends the worker if as many pipelines still stop after [`STOP_MAX`].
    fn watch(&self, began: Instant) {
        let grave = self.clone();
        let watch = move || {
            while began.elapsed() < STOP_MAX {
                std::thread::sleep(STOP_MAX.saturating_sub(began.elapsed()));
            }
            if grave.stopping.load(Ordering::Relaxed) > HUNG_MAX {
                let cause =
                    "more than one encoder or decoder hangs and cannot be stopped".to_owned();
                grave.events.send(Event::Fatal(cause));
            }
        };
        // Without this thread the hung pipelines only stay.
        let _ = std::thread::Builder::new()
            .name("grave".to_owned())
            .spawn(watch);
    }
}
