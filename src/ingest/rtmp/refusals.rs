//! How many refusals are logged: whoever guesses keys must not fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refusals logged in a period at most.
const LINES_MAX: u32 = 20;
/// The period.
const PERIOD: Duration = Duration::from_secs(10);

/// Counts the lines about refused publishers; all refusals are in the metrics.
#[derive(Debug, Default)]
pub(super) struct RefusalLog(Mutex<Period>);

#[derive(Debug, Default)]
struct Period {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl RefusalLog {
    /// A refusal at `now` may be logged. The first of a period says how many were not.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let (admitted, left_out) = self.count(now);
        if left_out > 0 {
            tracing::warn!(
                left_out,
                next = "all are counted in /metrics; a firewall can slow guessing down",
                "more publishers were refused than are logged"
            );
        }
        admitted
    }

    /// Whether it may be logged, and how many of the period before were not.
    fn count(&self, now: Instant) -> (bool, u64) {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since| now.saturating_duration_since(since) >= PERIOD;
        let mut left_out = 0;
        if period.since.is_none_or(over) {
            left_out = period.left_out;
            *period = Period {
                since: Some(now),
                ..Period::default()
            };
        }
        if period.written < LINES_MAX {
            period.written += 1;
            return (true, left_out);
        }
        period.left_out += 1;
        (false, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_few_lines_and_a_number() {
        let (log, start) = (RefusalLog::default(), Instant::now());
        let logged = (0..1000).filter(|_| log.count(start).0).count();
        assert_eq!(logged, LINES_MAX as usize);
        let left_out = 1000 - u64::from(LINES_MAX);
        assert_eq!(log.count(start + PERIOD), (true, left_out));
        assert_eq!(log.count(start + PERIOD), (true, 0));
    }
}
