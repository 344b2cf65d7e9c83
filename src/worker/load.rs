//! How much of the ladder the machine can make. Pure: callers pass the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Interval of the observations.
const EVERY: Duration = Duration::from_secs(1);
/// Observations that count.
const OBSERVATIONS: usize = 10;
/// Observations among them with pressure, with which something is given up.
const PRESSED_MIN: usize = 4;
/// So many observations with extreme pressure, one after the other, give up more at once. Pictures that
/// wait, and a rung that ends its segment as it began it, keep the pressure up for two or three of them.
const EXTREME_RUN: usize = 4;
/// What they give up.
const EXTREME_STEPS: usize = 2;
/// How long there must be room before something is taken up again.
const CALM: Duration = Duration::from_secs(60);
/// The same at most where there was too little room after all. Each time, another stream of a machine
/// that is full may have less, and viewers see two changes.
const CALM_MAX: Duration = Duration::from_secs(16 * 60);

/// How far the output was behind since the last observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// It kept up.
    None,
    /// It did not keep up.
    High,
    /// The machine makes too little for a picture that moves, by far.
    Extreme,
}

/// A change of what is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// More than before.
    Shed,
    /// One thing less.
    Recover,
}

/// Watches whether the output keeps up, and says when to give something up and when to take it up
/// again: after 10 s in which it did not keep up, or 4 s in which it was far behind, and after 60 s in
/// which it kept up. When that was too early, the next time takes twice as long.
#[derive(Debug)]
pub struct Load {
    next: Instant,
    seen: VecDeque<Pressure>,
    /// Since when there was no pressure and no change.
    calm_since: Instant,
    /// How long there must be room now.
    calm: Duration,
    recovered: Option<Instant>,
    level: usize,
    exhausted: bool,
}

impl Load {
    /// So much is given up at the start: what the worker before had given up.
    pub fn new(level: usize, now: Instant) -> Self {
        Self {
            next: now + EVERY,
            seen: VecDeque::new(),
            calm_since: now,
            calm: CALM,
            recovered: None,
            level,
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

    /// Notes the pressure since the last observation. At most `level_max` things can be given up.
    pub fn observe(&mut self, seen: Pressure, level_max: usize, now: Instant) -> Option<Change> {
        self.next = now + EVERY;
        self.seen.push_back(seen);
        if self.seen.len() > OBSERVATIONS {
            self.seen.pop_front();
        }
        if seen > Pressure::None {
            self.calm_since = now;
        }
        let steps = self.steps();
        if steps > 0 && self.level >= level_max {
            self.exhausted = true;
        } else if self.is_calm() {
            self.exhausted = false;
        }
        let change = if steps > 0 && self.level < level_max {
            self.level = (self.level + steps).min(level_max);
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
        self.seen.clear();
        self.calm_since = now;
        Some(change)
    }

    /// How many things more are to be given up after what was seen.
    fn steps(&self) -> usize {
        let newest = self.seen.iter().rev();
        let run = newest.take_while(|seen| **seen == Pressure::Extreme);
        if run.count() >= EXTREME_RUN {
            return EXTREME_STEPS;
        }
        let pressed = self.seen.iter().filter(|seen| **seen > Pressure::None);
        let full = self.seen.len() == OBSERVATIONS;
        usize::from(full && pressed.count() >= PRESSED_MIN)
    }

    fn is_calm(&self) -> bool {
        let full = self.seen.len() == OBSERVATIONS;
        full && self.seen.iter().all(|seen| *seen == Pressure::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn high(is_high: bool) -> Pressure {
        match is_high {
            true => Pressure::High,
            false => Pressure::None,
        }
    }

    /// Observes once per second; `is_high` tells which seconds had high pressure. Returns the changes with
    /// their seconds.
    fn changes(seconds: u64, is_high: impl Fn(u64) -> bool) -> Vec<(u64, Change)> {
        let start = Instant::now();
        let mut load = Load::new(0, start);
        let mut changes = Vec::new();
        for second in 1..=seconds {
            let now = start + Duration::from_secs(second);
            assert!(load.is_due(now));
            let change = load.observe(high(is_high(second)), 2, now);
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
        let mut load = Load::new(0, start);
        let mut recovered = Vec::new();
        for second in 1..=6000 {
            let seen = high(load.level() == 0);
            let now = start + Duration::from_secs(second);
            if load.observe(seen, 1, now) == Some(Change::Recover) {
                recovered.push(second);
            }
        }
        // 10 s until it is given up, then 1, 2, 4, 8, 16 and 16 min.
        assert_eq!(recovered, [70, 200, 450, 940, 1910, 2880, 3850, 4820, 5790]);
    }

    #[test]
    fn a_machine_that_makes_not_even_the_last_thing_is_exhausted() {
        let start = Instant::now();
        let mut load = Load::new(0, start);
        let mut exhausted = Vec::new();
        for second in 1..=120 {
            let before = load.is_exhausted();
            let seen = high(second <= 40 || second == 45);
            load.observe(seen, 1, start + Duration::from_secs(second));
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

    /// What is given up after each second of `seconds`, where at most five things can be.
    fn levels(seconds: &[Pressure]) -> Vec<usize> {
        let start = Instant::now();
        let mut load = Load::new(0, start);
        let after = |(second, seen): (u64, &Pressure)| {
            load.observe(*seen, 5, start + Duration::from_secs(second));
            load.level()
        };
        (1..).zip(seconds).map(after).collect()
    }

    #[test]
    fn a_machine_that_is_far_too_slow_gives_up_more_and_sooner() {
        use Pressure::{Extreme, High, None};
        let far_behind = levels(&[Extreme; 12]);
        assert_eq!(far_behind, [0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 5]);
        let hiccups = levels(&[
            Extreme, Extreme, Extreme, None, Extreme, Extreme, Extreme, None,
        ]);
        assert_eq!(hiccups, [0; 8]);
        let mixed = levels(&[
            High, Extreme, Extreme, High, None, None, None, None, None, None,
        ]);
        assert_eq!(mixed, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn another_worker_begins_with_what_the_one_before_had_given_up() {
        let start = Instant::now();
        let mut load = Load::new(3, start);
        let recovered = (1..=200).filter(|second| {
            let now = start + Duration::from_secs(*second);
            load.observe(Pressure::None, 5, now) == Some(Change::Recover)
        });
        assert_eq!(recovered.collect::<Vec<_>>(), [60, 120, 180]);
    }
}
