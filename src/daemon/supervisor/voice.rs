//! How much a worker may say besides media. A worker handles hostile input, so what it says must
//! neither fill the log nor keep the daemon busy. Media needs no limit here: the session accepts it
//! no faster than real time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::flood::Limit;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Messages per second that are heard. A worker sends a few, and at its start one per rendition.
const WORDS_MAX: u32 = 100;
/// Messages per second left out, above which a worker floods.
const WORDS_LEFT_OUT_MAX: u64 = 900;
/// Lines per second that are logged, from messages and stderr together.
const LINES_MAX: u32 = 20;
/// Lines per hour that are logged.
const LINES_HOURLY_MAX: u32 = 2000;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It is heard.
    Heard,
    /// It is left out: there were too many in this second.
    LeftOut,
    /// The worker floods and must be replaced.
    Flood,
}

/// The limits of one worker.
#[derive(Debug)]
pub struct Voice(Mutex<Limits>);

#[derive(Debug)]
struct Limits {
    words: Limit,
    lines: Limit,
    hourly: Limit,
}

impl Default for Voice {
    fn default() -> Self {
        Self(Mutex::new(Limits {
            words: Limit::new(WORDS_MAX, SECOND),
            lines: Limit::new(LINES_MAX, SECOND),
            hourly: Limit::new(LINES_HOURLY_MAX, HOUR),
        }))
    }
}

impl Voice {
    /// Counts a message that is not media.
    pub fn word(&self, now: Instant) -> Word {
        let mut limits = self.limits();
        match limits.words.pass(now) {
            (true, _) => Word::Heard,
            (false, _) if limits.words.left_out() <= WORDS_LEFT_OUT_MAX => Word::LeftOut,
            (false, _) => Word::Flood,
        }
    }

    /// Counts a line for the log. With `Some` it may be logged; the number is that of the lines left
    /// out before, if this is the first line after them.
    pub fn line(&self, now: Instant) -> Option<u64> {
        let mut limits = self.limits();
        let (passes, recent) = limits.lines.pass(now);
        if !passes {
            return None;
        }
        let (passes, long_ago) = limits.hourly.pass(now);
        passes.then(|| recent.saturating_add(long_ago))
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_above_the_limit_are_left_out_and_a_flood_ends_it() {
        let (voice, now) = (Voice::default(), Instant::now());
        let count = |now, n: u64, word| (0..n).all(|_| voice.word(now) == word);
        assert!(count(now, WORDS_MAX.into(), Word::Heard));
        assert!(count(now, WORDS_LEFT_OUT_MAX, Word::LeftOut));
        assert_eq!(voice.word(now), Word::Flood);
        assert!(count(now + SECOND, WORDS_MAX.into(), Word::Heard));
        assert_eq!(voice.word(now + SECOND), Word::LeftOut);
    }

    #[test]
    fn lines_are_bounded_per_second_and_per_hour() {
        let (voice, start) = (Voice::default(), Instant::now());
        let passed = |second: u64| {
            let now = start + SECOND * u32::try_from(second).unwrap();
            (0..100).filter(|_| voice.line(now).is_some()).count()
        };
        assert_eq!(passed(0), 20);
        let hour: usize = (1..3600).map(passed).sum();
        assert_eq!(20 + hour, 2000);
        let left_out = voice.line(start + HOUR).unwrap();
        assert!(left_out >= 80, "{left_out}");
        assert_eq!(voice.line(start + HOUR), Some(0));
    }
}
