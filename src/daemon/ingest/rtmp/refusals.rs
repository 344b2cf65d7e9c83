//! How many refusals are logged: whoever guesses keys must not fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::flood::Limit;

/// Refusals logged in a period at most.
const LINES_MAX: u32 = 20;
const PERIOD: Duration = Duration::from_secs(10);

/// Bounds the lines about refused publishers; all refusals are in the metrics.
#[derive(Debug)]
pub(super) struct RefusalLog(Mutex<Limit>);

impl RefusalLog {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Limit::new(LINES_MAX, PERIOD)))
    }

    /// A refusal at `now` may be logged. The first of a period says how many were not.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (admitted, left_out) = limit.pass(now);
        drop(limit);
        if left_out > 0 {
            tracing::warn!(
                left_out,
                next = "all are counted in /metrics; a firewall can slow guessing down",
                "more publishers were refused than are logged"
            );
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_few_lines_a_period() {
        let (log, start) = (RefusalLog::new(), Instant::now());
        let logged = (0..1000).filter(|_| log.admits(start)).count();
        assert_eq!(logged, LINES_MAX as usize);
        assert!(log.admits(start + PERIOD));
    }
}
