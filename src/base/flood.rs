//! Limits what outsiders can cause, such as log lines: a client that guesses keys, or a library that
//! warns about every frame, must not fill the disk.

use std::time::{Duration, Instant};

/// Lets a number of lines pass per period, and counts the rest.
#[derive(Debug)]
pub struct Limit {
    lines_max: u32,
    period: Duration,
    since: Option<Instant>,
    passed: u32,
    left_out: u64,
}

impl Limit {
    /// `lines_max` lines per `period`. A period begins with the first line after the last period.
    pub const fn new(lines_max: u32, period: Duration) -> Self {
        Self {
            lines_max,
            period,
            since: None,
            passed: 0,
            left_out: 0,
        }
    }

    /// Whether this line may be logged. The first line of a new period also gets the number of
    /// lines left out in the period before; all others get 0.
    pub fn pass(&mut self, now: Instant) -> (bool, u64) {
        let over = |since| now.saturating_duration_since(since) >= self.period;
        let mut left_out = 0;
        if self.since.is_none_or(over) {
            left_out = std::mem::take(&mut self.left_out);
            self.since = Some(now);
            self.passed = 0;
        }
        if self.passed < self.lines_max {
            self.passed += 1;
            return (true, left_out);
        }
        self.left_out = self.left_out.saturating_add(1);
        (false, left_out)
    }

    /// Lines left out in the present period so far.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted() {
        const PERIOD: Duration = Duration::from_secs(1);
        let (mut limit, start) = (Limit::new(20, PERIOD), Instant::now());
        let passed = (0..100).filter(|_| limit.pass(start).0).count();
        assert_eq!(passed, 20);
        assert_eq!(limit.pass(start + PERIOD), (true, 80));
        assert_eq!(limit.pass(start + PERIOD), (true, 0));
    }
}
