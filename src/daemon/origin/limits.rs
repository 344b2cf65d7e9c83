//! Bounds of the origin.

use std::time::Duration;

use crate::base::units::ByteSize;

/// Bounds of everything that an [`Origin`](super::Origin) keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How far back a viewer can seek; also how long an ended session stays.
    pub window: Duration,
    /// Bytes of all windows of all streams together. Windows become shorter to fit, but no
    /// playlist shorter than three target durations (RFC 8216bis section 6.2.2): when even those
    /// do not fit, the limit is exceeded and a warning logged.
    pub memory: ByteSize,
    /// `PART-HOLD-BACK` and `HOLD-BACK`, where longer than the three part targets and three
    /// target durations that `None` gives.
    pub hold_back: Option<Duration>,
}
