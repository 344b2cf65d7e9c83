//! How much of the ladder the machine can make. Pure: callers pass the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Interval of the observations.
const EVERY: Duration = Duration::from_secs(1);
/// Observations that count.
const OBSERVATIONS: usize = 10;
/// Strained ones among them with which something is given up.
const STRAINED_MIN: usize = 4;
/// How long there must be room before something is taken up again.
const CALM: Duration = Duration::from_secs(60);
/// The same at most where there was too little room after all. Each time, another stream of a machine
/// that is full may have less, and viewers see two changes.
const CALM_MAX: Duration = Duration::from_secs(16 * 60);

/// A change of what is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One thing more.
    Shed,
    /// One thing less.
    Recover,
}

/// Watches whether the output keeps up, and says when to give something up and when to take it up
/// again: after 10 s in which it did not keep up, and after 60 s in which it did. When that was too early,
/// the next time takes twice as long.
#[derive(Debug)]
pub struct Load {
    next: Instant,
    strained: VecDeque<bool>,
    /// Since when nothing was strained or changed.
    calm_since: Instant,
    /// How long there must be room now.
    calm: Duration,
    recovered: Option<Instant>,
    level: usize,
    exhausted: bool,
}

impl Load {
    /// Nothing is given up at the start.
    pub fn new(now: Instant) -> Self {
        Self {
            next: now + EVERY,
            strained: VecDeque::new(),
            calm_since: now,
            calm: CALM,
            recovered: None,
            level: 0,
            exhausted: false,
        }
    }

    /// How many things are given up.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Whether nothing is left to be given up, and the output does not keep up still. It takes ten good
    /// seconds until this is over.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Whether an observation is due.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    /// Notes whether the output was `strained` since the last observation. At most `level_max` things
    /// can be given up.
    pub fn observe(&mut self, strained: bool, level_max: usize, now: Instant) -> Option<Change> {
        self.next = now + EVERY;
        self.strained.push_back(strained);
        if self.strained.len() > OBSERVATIONS {
            self.strained.pop_front();
        }
        if strained {
            self.calm_since = now;
        }
        let count = self.strained.iter().filter(|strained| **strained).count();
        let full = self.strained.len() == OBSERVATIONS;
        match (full, count) {
            (true, 0) => self.exhausted = false,
            (true, STRAINED_MIN..) if self.level >= level_max => self.exhausted = true,
            _ => {}
        }
        let change = if full && count >= STRAINED_MIN && self.level < level_max {
            self.level += 1;
            let lasted = self.recovered.map(|at| now.saturating_duration_since(at));
            self.calm = match lasted.is_some_and(|lasted| lasted < CALM) {
                true => (self.calm * 2).min(CALM_MAX),
                false => CALM,
            };
            Change::Shed
        } else if self.level > 0 && now.saturating_duration_since(self.calm_since) >= self.calm {
            self.level -= 1;
            self.recovered = Some(now);
            Change::Recover
        } else {
            return None;
        };
        self.exhausted = false;
        // What has changed must show before the next change.
        self.strained.clear();
        self.calm_since = now;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observes once per second; `strained` tells which seconds were. Returns the changes with their
    /// seconds.
    fn changes(seconds: u64, strained: impl Fn(u64) -> bool) -> Vec<(u64, Change)> {
        let start = Instant::now();
        let mut load = Load::new(start);
        let mut changes = Vec::new();
        for second in 1..=seconds {
            let now = start + Duration::from_secs(second);
            assert!(load.is_due(now));
            let change = load.observe(strained(second), 2, now);
            changes.extend(change.map(|change| (second, change)));
        }
        changes
    }

    #[test]
    fn ten_bad_seconds_give_up_and_sixty_good_ones_take_up_again() {
        assert_eq!(changes(300, |_| false), []);
        let until_25 = changes(300, |second| second <= 25);
        let expected = [
            (10, Change::Shed),
            (20, Change::Shed),
            (85, Change::Recover),
            (145, Change::Recover),
        ];
        assert_eq!(until_25, expected);
    }

    #[test]
    fn a_recovery_that_was_too_early_is_tried_again_later_and_later() {
        let start = Instant::now();
        let mut load = Load::new(start);
        let mut recovered = Vec::new();
        for second in 1..=6000 {
            let strained = load.level() == 0;
            let now = start + Duration::from_secs(second);
            if load.observe(strained, 1, now) == Some(Change::Recover) {
                recovered.push(second);
            }
        }
        // 10 s until it is given up, then 1, 2, 4, 8, 16 and 16 min.
        assert_eq!(recovered, [70, 200, 450, 940, 1910, 2880, 3850, 4820, 5790]);
    }

    #[test]
    fn a_machine_that_makes_not_even_the_last_thing_is_exhausted() {
        let start = Instant::now();
        let mut load = Load::new(start);
        let mut exhausted = Vec::new();
        for second in 1..=120 {
            let before = load.is_exhausted();
            let strained = second <= 40 || second == 45;
            load.observe(strained, 1, start + Duration::from_secs(second));
            if load.is_exhausted() != before {
                exhausted.push(second);
            }
        }
        assert_eq!(exhausted, [20, 55]);
    }

    #[test]
    fn a_bad_second_now_and_then_changes_nothing_but_puts_off_the_recovery() {
        assert_eq!(changes(300, |second| second % 4 == 0), []);
        let changes = changes(300, |second| second <= 10 || second == 60);
        assert_eq!(changes, [(10, Change::Shed), (120, Change::Recover)]);
    }
}
