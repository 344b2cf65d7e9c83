//! Pure core of the pacer: the boundary between a publisher's clock and the output's clock.
//!
//! Times are `Duration`s on the output's clock, which starts at 0 with the session.
//! [`timeline::Timeline`] says when each decoded frame is due. Frames wait in
//! [`video::PictureQueue`] and [`audio::SampleQueue`] until the output takes them.
//!
//! Nothing here reads a clock, waits, or allocates without a bound.

use std::time::Duration;

pub mod arrival;
pub mod audio;
pub mod hold;
pub mod pace;
pub mod timeline;
pub mod video;

#[cfg(test)]
mod simulation;

const MS_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// Nanoseconds; publishers' times may be negative, so all arithmetic is signed.
fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// `time` moved by `by_ns`; zero when that is before the output's start.
fn moved(time: Duration, by_ns: i64) -> Duration {
    let ns = nanos(time).saturating_add(by_ns);
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}
