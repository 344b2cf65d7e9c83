//! Bounds the connections: strangers, which are not publishing yet, and publishers per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::base::network::peer_of;

/// Connections that are not publishing yet.
///
/// When the pool is full, a new connection evicts a member: of the address with the most members,
/// the one whose last protocol step is the oldest. So a flood of connections can neither keep a
/// publisher out nor evict one whose handshake proceeds.
#[derive(Debug)]
pub(super) struct Pool {
    members_max: usize,
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    /// Counts entries and protocol steps; a smaller value is longer ago.
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

/// A place in the [`Pool`], freed when dropped.
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

    /// Adds a connection. Returns its place, and whether another member was evicted for it.
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

    /// Evicts the next member in order; false when the pool is empty.
    pub(super) fn evict_one(&self) -> bool {
        self.lock().evict_one()
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        // No code under this lock panics half-way through a change.
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
    /// Notes a protocol step, after which other members are evicted first.
    pub(super) fn progressed(&self) {
        let mut state = self.pool.lock();
        let now = state.tick();
        if let Some(member) = state.members.get_mut(&self.id) {
            member.last_step = now;
        }
    }

    /// Cancelled when the stranger is evicted.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.pool.lock().members.remove(&self.id);
    }
}

/// Streams being published, per address.
#[derive(Debug)]
pub(super) struct Publishers {
    streams_max: usize,
    /// Connections per address and stream.
    state: Mutex<HashMap<IpAddr, HashMap<String, usize>>>,
}

/// A place among the [`Publishers`], freed when dropped.
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

    /// Adds a publisher; `None` when its address already publishes the most streams allowed. A
    /// publisher that reconnects while its old connection lingers is always admitted.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, stream: &str) -> Option<Publisher> {
        let address = peer_of(address);
        let mut state = self.lock();
        let known = state.get(&address);
        let streams = known.map_or(0, HashMap::len);
        let reconnects = known.is_some_and(|streams| streams.contains_key(stream));
        if !reconnects && streams >= self.streams_max {
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
        // No code under this lock panics half-way through a change.
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
    fn the_member_longest_without_progress_is_evicted_first() {
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
    fn a_crowded_address_evicts_its_own_members() {
        let pool = Pool::new(3);
        let (lonely, _) = pool.enter(address(1));
        let crowd: Vec<_> = (0..50).map(|_| pool.enter(address(2)).0).collect();
        assert!(!lonely.evicted().is_cancelled());
        let left = crowd.iter().filter(|one| !one.evicted().is_cancelled());
        assert_eq!(left.count(), 2);
    }

    #[test]
    fn a_dropped_place_is_free_again() {
        let pool = Pool::new(1);
        drop(pool.enter(address(1)));
        let (_stranger, evicted) = pool.enter(address(2));
        assert!(!evicted);
        assert!(pool.evict_one());
        assert!(!pool.evict_one());
    }

    #[test]
    fn streams_per_address_are_bounded() {
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
