//! The viewers of a stream: everybody who asked for a playlist within 10 s.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A viewer counts for this long after a request.
pub const VIEWER_SEEN: Duration = Duration::from_secs(10);
/// Viewers of one stream that are counted; further ones are not.
pub const VIEWERS_MAX: usize = 100_000;
/// How often viewers who left are forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Somebody who asks for a stream.
///
/// Many viewers may share an address and an agent, and one may have several addresses. So a player that
/// names itself with a random id counts as that, and any other one as its address and agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer<'a> {
    /// Where the requests come from.
    pub address: IpAddr,
    /// The user agent.
    pub agent: &'a str,
    /// What the player calls itself.
    pub id: Option<&'a str>,
}

impl<'a> Viewer<'a> {
    /// A player without an id.
    pub fn at(address: IpAddr, agent: &'a str) -> Self {
        Self {
            address,
            agent,
            id: None,
        }
    }
}

/// The viewers of one stream. It keeps only hashes, keyed with a random number of this process, so
/// that no agent string can make the map large or slow, and nobody can be found by them.
#[derive(Debug, Default)]
pub struct Viewers {
    keys: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    last: HashMap<u64, Sight>,
    pruned: Option<Instant>,
}

/// When a viewer was seen last.
#[derive(Debug, Clone, Copy)]
struct Sight {
    then: Instant,
    /// The hash of the rung that was asked for last.
    rung: Option<u64>,
}

impl Viewers {
    /// A viewer asked for a playlist; `rung` is the one whose playlist it is. That of a sound or of all
    /// rungs changes nothing about the rung.
    pub fn saw(&self, viewer: &Viewer<'_>, rung: Option<&str>, now: Instant) {
        let key = match viewer.id {
            Some(id) => self.keys.hash_one(id),
            None => self.keys.hash_one((viewer.address, viewer.agent)),
        };
        let rung = rung.map(|rung| self.keys.hash_one(rung));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.prune(now);
        let is_full = seen.last.len() >= VIEWERS_MAX;
        match seen.last.get_mut(&key) {
            Some(sight) => {
                sight.then = now;
                sight.rung = rung.or(sight.rung);
            }
            None if is_full => {}
            None => {
                seen.last.insert(key, Sight { then: now, rung });
            }
        }
    }

    /// The number of viewers.
    pub fn count(&self, now: Instant) -> usize {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.prune(now);
        seen.last.len()
    }

    /// The number of viewers of each of `rungs`, in their order.
    pub fn of_rungs<'a>(&self, rungs: impl Iterator<Item = &'a str>, now: Instant) -> Vec<usize> {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.prune(now);
        for rung in seen.last.values().filter_map(|sight| sight.rung) {
            *counts.entry(rung).or_default() += 1;
        }
        drop(seen);
        let of = |rung| counts.get(&self.keys.hash_one(rung)).copied();
        rungs.map(|rung| of(rung).unwrap_or_default()).collect()
    }
}

impl Seen {
    fn prune(&mut self, now: Instant) {
        let age = |then: Instant| now.saturating_duration_since(then);
        if self.pruned.is_none_or(|then| age(then) >= PRUNE_EVERY) {
            self.last.retain(|_, sight| age(sight.then) <= VIEWER_SEEN);
            self.pruned = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

    fn named<'a>(address: IpAddr, id: &'a str) -> Viewer<'a> {
        Viewer {
            id: Some(id),
            ..Viewer::at(address, "a")
        }
    }

    #[test]
    fn address_and_agent_make_a_viewer_for_ten_seconds() {
        let (start, viewers) = (Instant::now(), Viewers::default());
        for (address, agent) in [(HOME, "a"), (HOME, "a"), (HOME, "b"), (OTHER, "a")] {
            viewers.saw(&Viewer::at(address, agent), None, start);
        }
        assert_eq!(viewers.count(start), 3);
        viewers.saw(&Viewer::at(HOME, "b"), None, start + VIEWER_SEEN);
        assert_eq!(viewers.count(start + VIEWER_SEEN), 3);
        assert_eq!(viewers.count(start + VIEWER_SEEN + PRUNE_EVERY), 1);
    }

    #[test]
    fn a_player_that_names_itself_counts_once_wherever_it_is() {
        let (start, viewers) = (Instant::now(), Viewers::default());
        for (address, id) in [(HOME, "one"), (HOME, "two"), (OTHER, "one")] {
            viewers.saw(&named(address, id), None, start);
        }
        assert_eq!(viewers.count(start), 2);
        viewers.saw(&Viewer::at(HOME, "a"), None, start);
        assert_eq!(viewers.count(start), 3);
    }

    #[test]
    fn a_viewer_watches_the_rung_that_was_asked_for_last() {
        let (start, viewers) = (Instant::now(), Viewers::default());
        for (id, rung) in [
            ("one", Some("720p")),
            ("two", Some("360p")),
            ("one", None),
            ("two", Some("720p")),
            ("three", None),
        ] {
            viewers.saw(&named(HOME, id), rung, start);
        }
        let counts = viewers.of_rungs(["720p", "360p", "other"].into_iter(), start);
        assert_eq!(counts, [2, 0, 0]);
        assert_eq!(viewers.count(start), 3);
    }

    #[test]
    fn their_number_is_bounded_and_known_ones_are_still_seen() {
        let (start, viewers) = (Instant::now(), Viewers::default());
        for n in 0..=u32::try_from(VIEWERS_MAX).unwrap() {
            let address = IpAddr::from(Ipv4Addr::from(n));
            viewers.saw(&Viewer::at(address, ""), None, start);
        }
        assert_eq!(viewers.count(start), VIEWERS_MAX);
        let later = start + VIEWER_SEEN;
        let first = IpAddr::from(Ipv4Addr::from(0));
        viewers.saw(&Viewer::at(first, ""), None, later);
        assert_eq!(viewers.count(later + PRUNE_EVERY), 1);
    }
}
