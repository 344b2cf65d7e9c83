//! Who is connected: strangers, of which there are never too many, and publishers by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::base::network::peer_of;

/// Connections that do not publish yet.
///
/// When it is full, a newcomer takes the place of a member: of the address with the most members,
/// the one that has gone longest without a step of the protocol. Strangers, however many, can so
/// neither keep a publisher out, nor push out one that gets on with it.
#[derive(Debug)]
pub(super) struct Pool {
    members_max: usize,
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    /// Counts entries and steps; smaller is longer ago.
    clock: u64,
    next_id: u64,
    members: HashMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    address: IpAddr,
    last_step: u64,
    evicted: CancellationToken,
}

/// A place in the [`Pool`], given back when dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    pool: Arc<Pool>,
    id: u64,
    evicted: CancellationToken,
}

impl Pool {
    pub(super) fn new(members_max: usize) -> Arc<Self> {
        Arc::new(Self {
            members_max: members_max.max(1),
            state: Mutex::default(),
        })
    }

    /// Makes room for a newcomer and lets it in. Returns its place, and whether another member
    /// had to go.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> (Stranger, bool) {
        let mut state = self.lock();
        let full = state.members.len() >= self.members_max;
        let evicted_other = full && state.evict_one();
        let id = state.next_id;
        state.next_id += 1;
        let last_step = state.tick();
        let evicted = CancellationToken::new();
        let member = Member {
            address: peer_of(address),
            last_step,
            evicted: evicted.clone(),
        };
        state.members.insert(id, member);
        let stranger = Stranger {
            pool: Arc::clone(self),
            id,
            evicted,
        };
        (stranger, evicted_other)
    }

    /// Evicts the member that would have to go next; false when there is none.
    pub(super) fn evict_one(&self) -> bool {
        self.lock().evict_one()
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn evict_one(&mut self) -> bool {
        let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
        for member in self.members.values() {
            *crowds.entry(member.address).or_default() += 1;
        }
        let crowd = |member: &Member| crowds.get(&member.address).copied().unwrap_or(0);
        let victim = self
            .members
            .iter()
            .max_by_key(|(_, member)| (crowd(member), std::cmp::Reverse(member.last_step)))
            .map(|(&id, _)| id);
        let Some(member) = victim.and_then(|id| self.members.remove(&id)) else {
            return false;
        };
        member.evicted.cancel();
        true
    }
}

impl Stranger {
    /// The stranger took a step of the protocol: others are to go before it.
    pub(super) fn progressed(&self) {
        let mut state = self.pool.lock();
        let now = state.tick();
        if let Some(member) = state.members.get_mut(&self.id) {
            member.last_step = now;
        }
    }

    /// Cancelled when the stranger has to go.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.pool.lock().members.remove(&self.id);
    }
}

/// Streams being published, by address.
#[derive(Debug)]
pub(super) struct Publishers {
    streams_max: usize,
    /// Connections for each stream of each address.
    state: Mutex<HashMap<IpAddr, HashMap<String, usize>>>,
}

/// A place among the [`Publishers`], given back when dropped.
#[derive(Debug)]
pub(super) struct Publisher {
    publishers: Arc<Publishers>,
    address: IpAddr,
    stream: String,
}

impl Publishers {
    pub(super) fn new(streams_max: usize) -> Arc<Self> {
        Arc::new(Self {
            streams_max,
            state: Mutex::default(),
        })
    }

    /// Lets a publisher in; `None` when its address publishes too many streams already. One that
    /// comes back to its stream while its old connection lingers always gets in.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, stream: &str) -> Option<Publisher> {
        let address = peer_of(address);
        let mut state = self.lock();
        let known = state.get(&address);
        let streams = known.map_or(0, HashMap::len);
        let comes_back = known.is_some_and(|streams| streams.contains_key(stream));
        if !comes_back && streams >= self.streams_max {
            return None;
        }
        let streams = state.entry(address).or_default();
        *streams.entry(stream.to_owned()).or_default() += 1;
        Some(Publisher {
            publishers: Arc::clone(self),
            address,
            stream: stream.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, HashMap<String, usize>>> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let mut state = self.publishers.lock();
        let Some(streams) = state.get_mut(&self.address) else {
            return;
        };
        if let Some(connections) = streams.get_mut(&self.stream) {
            *connections -= 1;
            if *connections == 0 {
                streams.remove(&self.stream);
            }
        }
        if streams.is_empty() {
            state.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_one_longest_without_progress_goes_first() {
        let pool = Pool::new(2);
        let (first, _) = pool.enter(address(1));
        let (second, _) = pool.enter(address(1));
        first.progressed();
        let (_third, evicted) = pool.enter(address(1));
        assert!(evicted);
        assert!(second.evicted().is_cancelled());
        assert!(!first.evicted().is_cancelled());
    }

    #[test]
    fn a_crowd_pushes_out_its_own() {
        let pool = Pool::new(3);
        let (lonely, _) = pool.enter(address(1));
        let crowd: Vec<_> = (0..50).map(|_| pool.enter(address(2)).0).collect();
        assert!(!lonely.evicted().is_cancelled());
        let left = crowd.iter().filter(|one| !one.evicted().is_cancelled());
        assert_eq!(left.count(), 2);
    }

    #[test]
    fn a_place_is_given_back() {
        let pool = Pool::new(1);
        drop(pool.enter(address(1)));
        let (_stranger, evicted) = pool.enter(address(2));
        assert!(!evicted);
        assert!(pool.evict_one());
        assert!(!pool.evict_one());
    }

    #[test]
    fn an_address_publishes_so_many_streams_and_no_more() {
        let publishers = Publishers::new(2);
        let first = publishers.enter(address(1), "a").unwrap();
        let _second = publishers.enter(address(1), "b").unwrap();
        assert!(publishers.enter(address(1), "c").is_none());
        assert!(publishers.enter(address(2), "c").is_some());
        let again = publishers.enter(address(1), "a").unwrap();
        drop(first);
        assert!(publishers.enter(address(1), "c").is_none());
        drop(again);
        assert!(publishers.enter(address(1), "c").is_some());
    }
}
