//! What an output half is built from.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use crate::model::encoder::TemplateName;
use crate::model::ladder::Plan;
use crate::model::ladder::clock::LadderClock;

/// Everything an output half is built from.
#[derive(Debug)]
pub struct Spec<'a> {
    /// What to make.
    pub plan: &'a Plan,
    /// Where to cut.
    pub clock: &'a LadderClock,
    /// Template of each video rendition's encoder.
    pub encoders: &'a [TemplateName],
    /// Make the MPEG-TS set.
    pub ts: bool,
    /// When canvas frame 0 is shown.
    pub epoch: Epoch,
    /// Media sequence number of the first segment.
    pub first_msn: u64,
}

/// Wall-clock time of canvas frame 0. It is known only when everything is built, and nothing has
/// to be dated before.
#[derive(Debug, Clone, Default)]
pub struct Epoch(Arc<OnceLock<u64>>);

impl Epoch {
    /// Frame 0 was at this time, in nanoseconds since the Unix epoch.
    #[cfg(test)]
    pub(super) fn at(ns: u64) -> Self {
        Self(Arc::new(ns.into()))
    }

    /// Frame 0 is now; gives its time in nanoseconds since the Unix epoch.
    pub fn begin(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ns = since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
        *self.0.get_or_init(|| now_ns)
    }

    /// Date of what is shown `after` frame 0, in nanoseconds since the Unix epoch.
    pub(super) fn date_ns(&self, after: Duration) -> u64 {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.0.get().copied().unwrap_or(0).saturating_add(after_ns)
    }
}
