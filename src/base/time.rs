//! Dates as text, and the clock that all processes of a machine share.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

/// The time on `CLOCK_MONOTONIC`, which counts from the start of the machine: clock_gettime(2).
pub fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The date `unix_ms` milliseconds after the Unix epoch, in UTC (RFC 3339 section 5.6), to the
/// fraction of a second that `precision` names; digits beyond it are cut off.
pub fn rfc3339(unix_ms: u64, precision: SecondsFormat) -> String {
    i64::try_from(unix_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or(DateTime::UNIX_EPOCH)
        .to_rfc3339_opts(precision, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_cut_off_to_the_second() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix_ms, SecondsFormat::Secs), text);
        }
    }
}
