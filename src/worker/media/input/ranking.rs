//! Which decoder gets a track of pictures: the best one in hardware that is not left alone for a failure,
//! else one in software.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;

/// First and longest time for which a decoder in hardware that has failed is left alone.
const REST_MIN: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_secs(600);

/// A decoder of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Name of its element, such as `nvh264dec`.
    pub name: String,
    /// It runs on a GPU or a video block.
    pub hardware: bool,
}

/// The decoders that have failed in this worker. Only those in hardware are left alone: what makes a
/// decoder in software fail is the stream, and another one would fail on it, too.
#[derive(Debug, Default)]
pub struct Ranking {
    /// By name; the machine has only so many decoders.
    rests: Mutex<BTreeMap<String, Rest>>,
}

#[derive(Debug)]
struct Rest {
    backoff: Backoff,
    until: Instant,
}

impl Ranking {
    fn rests(&self) -> MutexGuard<'_, BTreeMap<String, Rest>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hardware's decoder `name` has failed; returns for how long it is left alone.
    pub fn failed(&self, name: &str, now: Instant) -> Duration {
        let mut rests = self.rests();
        let rest = rests.entry(name.to_owned()).or_insert_with(|| Rest {
            backoff: Backoff::new(REST_MIN, REST_MAX),
            until: now,
        });
        let wait = rest.backoff.wait();
        rest.until = now + wait;
        wait
    }

    /// Brings `all` into the order in which they are to be tried: decoders in software last, and those
    /// that are left alone not at all, unless there is no other. What `decoder_of` says is no decoder
    /// stays where it is.
    pub fn order<T>(
        &self,
        mut all: Vec<T>,
        decoder_of: impl Fn(&T) -> Option<Named>,
        now: Instant,
    ) -> Vec<T> {
        let rests = self.rests();
        let rests_still = |decoder: &Named| {
            let rest = rests.get(&decoder.name).filter(|_| decoder.hardware);
            rest.is_some_and(|rest| rest.until > now)
        };
        // The sort is stable: what had a better place in its class keeps it.
        all.sort_by_key(|it| decoder_of(it).is_some_and(|decoder| !decoder.hardware));
        let ready = |it: &T| decoder_of(it).map(|decoder| !rests_still(&decoder));
        if all.iter().any(|it| ready(it) == Some(true)) {
            all.retain(|it| ready(it) != Some(false));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names with `hw` are decoders in hardware, those with `sw` in software.
    fn named(name: &&str) -> Option<Named> {
        (name.contains("hw") || name.contains("sw")).then(|| Named {
            name: (*name).to_owned(),
            hardware: name.contains("hw"),
        })
    }

    fn order(ranking: &Ranking, all: &[&'static str], now: Instant) -> Vec<&'static str> {
        ranking.order(all.to_vec(), named, now)
    }

    #[test]
    fn decoders_in_software_come_last() {
        let (ranking, now) = (Ranking::default(), Instant::now());
        let all = ["parser", "sw1", "hw2", "sw0", "hw1"];
        let expected = ["parser", "hw2", "hw1", "sw1", "sw0"];
        assert_eq!(order(&ranking, &all, now), expected);
        assert_eq!(order(&ranking, &["demuxer"], now), ["demuxer"]);
    }

    #[test]
    fn a_decoder_that_failed_is_left_alone_longer_each_time() {
        let (ranking, start) = (Ranking::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let all = ["parser", "hw2", "hw1", "sw"];
        assert_eq!(ranking.failed("hw2", start), REST_MIN);
        assert_eq!(order(&ranking, &all, at(29)), ["parser", "hw1", "sw"]);
        assert_eq!(order(&ranking, &all, at(30)), all);
        assert_eq!(ranking.failed("hw2", at(30)), 2 * REST_MIN);
        assert_eq!(ranking.failed("hw1", at(40)), REST_MIN);
        assert_eq!(order(&ranking, &all, at(69)), ["parser", "sw"]);
        assert_eq!(
            order(&ranking, &all, at(70)),
            ["parser", "hw1", "sw"],
            "each rests by itself"
        );
    }

    #[test]
    fn a_decoder_without_another_is_not_left_alone() {
        let (ranking, now) = (Ranking::default(), Instant::now());
        ranking.failed("hw", now);
        assert_eq!(order(&ranking, &["parser", "hw"], now), ["parser", "hw"]);
        // Nothing else can be wrong with it than the stream.
        ranking.failed("sw", now);
        assert_eq!(order(&ranking, &["hw", "sw"], now), ["sw"]);
    }
}
