//! Decides how soon a lost worker is replaced. Pure: callers pass the time.

use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;

/// Wait before the second replacement in a row; doubled for each further one.
const DELAY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait before a replacement.
pub const DELAY_MAX: Duration = Duration::from_secs(30);
/// A worker that lived this long and made parts was healthy: its loss counts as the first. A second of
/// waiting is most of what some players have in reserve: gohlslib ends when an MPEG-TS segment comes a
/// segment late.
const HEALTHY_AFTER: Duration = Duration::from_secs(5);
/// A stream counts as failed after this many workers in a row that made no part.
pub const BARREN_MAX: u32 = 8;

/// Counts lost workers: the first is replaced at once, further ones after growing waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    /// `None` before the first loss, which has no wait.
    backoff: Option<Backoff>,
    /// Workers lost since the last part.
    barren: u32,
}

impl Restarts {
    /// Records a worker lost at `now` and returns the wait before its replacement. `started` is
    /// when that worker started, if it did; `productive` says whether it made a part.
    pub fn lost(&mut self, started: Option<Instant>, productive: bool, now: Instant) -> Duration {
        let age = started.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if productive {
            self.barren = 0;
            if age >= HEALTHY_AFTER {
                self.backoff = None;
            }
        } else {
            self.barren = self.barren.saturating_add(1);
        }
        match &mut self.backoff {
            Some(backoff) => backoff.wait(),
            None => {
                self.backoff = Some(Backoff::new(DELAY_FIRST, DELAY_MAX));
                Duration::ZERO
            }
        }
    }

    /// So many workers made no part that the stream counts as failed.
    pub fn hopeless(&self) -> bool {
        self.barren >= BARREN_MAX
    }

    /// Records that a worker made a part.
    pub fn produced(&mut self) {
        self.barren = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_later_ones_wait_longer_up_to_the_cap() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        let waits = (0..9).map(|_| restarts.lost(Some(now), false, now).as_secs());
        assert_eq!(waits.collect::<Vec<_>>(), [0, 1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn some_seconds_of_health_forgive() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        restarts.lost(Some(start), true, start);
        let soon = start + HEALTHY_AFTER - Duration::from_millis(1);
        assert_eq!(restarts.lost(Some(start), true, soon), DELAY_FIRST);
        let later = start + HEALTHY_AFTER;
        assert_eq!(restarts.lost(Some(start), true, later), Duration::ZERO);
    }

    #[test]
    fn a_long_life_without_parts_does_not_forgive() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        restarts.lost(Some(start), false, start);
        let later = start + HEALTHY_AFTER * 2;
        assert_eq!(restarts.lost(Some(start), false, later), DELAY_FIRST);
    }

    #[test]
    fn only_barren_workers_make_a_stream_hopeless() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        for _ in 0..BARREN_MAX * 2 {
            restarts.lost(Some(now), true, now);
        }
        assert!(!restarts.hopeless());
        for _ in 0..BARREN_MAX {
            assert!(!restarts.hopeless());
            restarts.lost(None, false, now);
        }
        assert!(restarts.hopeless());
        restarts.produced();
        assert!(!restarts.hopeless());
    }
}
