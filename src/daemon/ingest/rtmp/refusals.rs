//! Limits how many refusals are logged, so that guessing keys cannot fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::flood::Limit;

/// Most refusals logged per period.
const LINES_MAX: u32 = 20;
const PERIOD: Duration = Duration::from_secs(10);

/// Rate limit of the log lines about refused publishers; the metrics count every refusal.
#[derive(Debug)]
pub(super) struct RefusalLog(Mutex<Limit>);

impl RefusalLog {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Limit::new(LINES_MAX, PERIOD)))
    }

    /// Whether a refusal at `now` is to be logged. Logs how many were left out in the last period.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (admitted, left_out) = limit.pass(now);
        drop(limit);
        if left_out > 0 {
            tracing::warn!(
                left_out,
                next = "see the count in /metrics; block the addresses in a firewall",
                "publishers refused without a log line each"
            );
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_few_lines_per_period() {
        let (log, start) = (RefusalLog::new(), Instant::now());
        let logged = (0..1000).filter(|_| log.admits(start)).count();
        assert_eq!(logged, LINES_MAX as usize);
        assert!(log.admits(start + PERIOD));
    }
}
