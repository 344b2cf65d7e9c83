//! What a session makes.

use std::time::Duration;

use crate::model::ladder::Plan;

/// What a session makes, fixed when it opens.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// The renditions.
    pub plan: Plan,
    /// Nominal segment duration.
    pub segment: Duration,
    /// Longest part of any rendition; zero when low latency is off.
    pub part_target: Duration,
    /// There is an MPEG-TS set.
    pub ts: bool,
}
