//! The viewers of a stream: each address and user agent that asked for a playlist within 10 s.

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

/// The viewers of one stream. It keeps only hashes, keyed with a random number of this process, so
/// that no agent string can make the map large or slow.
#[derive(Debug, Default)]
pub struct Viewers {
    keys: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    last: HashMap<u64, Instant>,
    pruned: Option<Instant>,
}

impl Viewers {
    /// A viewer asked for a playlist.
    pub fn saw(&self, address: IpAddr, agent: &str, now: Instant) {
        let key = self.keys.hash_one((address, agent));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.prune(now);
        if seen.last.len() < VIEWERS_MAX || seen.last.contains_key(&key) {
            seen.last.insert(key, now);
        }
    }

    /// The number of viewers.
    pub fn count(&self, now: Instant) -> usize {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.prune(now);
        seen.last.len()
    }
}

impl Seen {
    fn prune(&mut self, now: Instant) {
        let age = |then: &Instant| now.saturating_duration_since(*then);
        if self.pruned.is_none_or(|then| age(&then) >= PRUNE_EVERY) {
            self.last.retain(|_, then| age(then) <= VIEWER_SEEN);
            self.pruned = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn address_and_agent_make_a_viewer_for_ten_seconds() {
        let (start, viewers) = (Instant::now(), Viewers::default());
        let home = IpAddr::from(Ipv4Addr::LOCALHOST);
        let other = IpAddr::from(Ipv4Addr::BROADCAST);
        for (address, agent) in [(home, "a"), (home, "a"), (home, "b"), (other, "a")] {
            viewers.saw(address, agent, start);
        }
        assert_eq!(viewers.count(start), 3);
        viewers.saw(home, "b", start + VIEWER_SEEN);
        assert_eq!(viewers.count(start + VIEWER_SEEN), 3);
        assert_eq!(viewers.count(start + VIEWER_SEEN + PRUNE_EVERY), 1);
    }

    #[test]
    fn their_number_is_bounded_and_known_ones_are_still_seen() {
        let (start, viewers) = (Instant::now(), Viewers::default());
        for n in 0..=u32::try_from(VIEWERS_MAX).unwrap() {
            viewers.saw(IpAddr::from(Ipv4Addr::from(n)), "", start);
        }
        assert_eq!(viewers.count(start), VIEWERS_MAX);
        let later = start + VIEWER_SEEN;
        viewers.saw(IpAddr::from(Ipv4Addr::from(0)), "", later);
        assert_eq!(viewers.count(later + PRUNE_EVERY), 1);
    }
}
