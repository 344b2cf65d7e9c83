//! What the pieces of an output half share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use super::cuts::Cuts;
use super::grave::Grave;
use crate::worker::media::events::Events;
use crate::worker::media::outbox::Outbox;
use crate::worker::media::passthrough::Passthrough;
use crate::worker::media::template::Library;

/// What the pieces of an output half share; cheap to clone.
#[derive(Clone)]
pub struct Tools {
    /// Templates of all pieces.
    pub library: Arc<Library>,
    /// Where segments and parts begin.
    pub cuts: Cuts,
    /// When canvas frame 0 is shown.
    pub epoch: Epoch,
    /// The way to the daemon.
    pub outbox: Outbox,
    /// The way to the director.
    pub events: Events,
    /// Where pipelines end.
    pub grave: Grave,
    /// The publisher's own frames.
    pub passthrough: Passthrough,
}

/// Wall-clock time of canvas frame 0. It is set once the output half has been built; no media needs a
/// date before.
#[derive(Debug, Clone, Default)]
pub struct Epoch(Arc<OnceLock<u64>>);

impl Epoch {
    /// An epoch that has begun, in nanoseconds since the Unix epoch.
    pub fn at(ns: u64) -> Self {
        Self(Arc::new(ns.into()))
    }

    /// Sets the time of frame 0 to now; returns it in nanoseconds since the Unix epoch.
    pub fn begin(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ns = since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
        *self.0.get_or_init(|| now_ns)
    }

    /// Date of the moment `after` frame 0, in nanoseconds since the Unix epoch.
    pub(super) fn date_ns(&self, after: Duration) -> u64 {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.0.get().copied().unwrap_or(0).saturating_add(after_ns)
    }
}
