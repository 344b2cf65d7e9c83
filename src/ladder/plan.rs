//! Fits the configured ladder to a source.

use super::{Plan, Rung, Source};
use crate::units::FrameRate;

/// The standard rate nearest to a measured one.
pub fn nearest_rate(measured: FrameRate) -> FrameRate {
    let _ = measured;
    todo!()
}

/// The renditions `source` gets from `rungs` (top first).
pub fn plan(rungs: &[Rung], source: Source) -> Plan {
    let _ = (rungs, source);
    todo!()
}
