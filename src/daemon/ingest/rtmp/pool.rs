//! Bounds the connections of strangers, which are not publishing yet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::daemon::net::{Crowd, Waiting};

/// Connections that are not publishing yet.
///
/// When the pool is full, a new connection evicts a member: of the site and peer with the most
/// members, the one whose last protocol step is the oldest. So a flood of connections can neither
/// keep a publisher out nor evict one whose handshake proceeds. An address that has more than its
/// share evicts its own member. Nothing bounds an address once the gate has accepted its key.
#[derive(Debug)]
pub(super) struct Pool {
    members_max: usize,
    per_peer_max: usize,
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    crowd: Crowd,
    members: HashMap<Waiting, CancellationToken>,
}

/// A place in the [`Pool`], freed when dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    pool: Arc<Pool>,
    place: Waiting,
    evicted: CancellationToken,
}

/// How many places of the [`Pool`] the address of a connection may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// So many as one peer may have.
    OfPeer,
    /// Any number: the address is that of a proxy, which has many peers.
    OfProxy,
}

impl Pool {
    /// A pool of `members_max` places, of which one peer may have `per_peer_max`.
    pub(super) fn new(members_max: usize, per_peer_max: usize) -> Arc<Self> {
        Arc::new(Self {
            members_max: members_max.max(1),
            per_peer_max: per_peer_max.max(1),
            state: Mutex::default(),
        })
    }

    /// Adds a connection. Returns its place, and whether another member was evicted for it.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, share: Share) -> (Stranger, bool) {
        let evicted = CancellationToken::new();
        let mut state = self.lock();
        let (place, evicted_other) = state.enter(self, address, share, evicted.clone());
        drop(state);
        let stranger = Stranger {
            pool: Arc::clone(self),
            place,
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
    fn enter(
        &mut self,
        pool: &Pool,
        address: IpAddr,
        share: Share,
        evicted: CancellationToken,
    ) -> (Waiting, bool) {
        let own = self.crowd.count_of_peer(address);
        let evicted_other = if share == Share::OfPeer && own >= pool.per_peer_max {
            let first = self.crowd.first_of_peer(address);
            first.is_some_and(|first| self.evict(first))
        } else {
            self.members.len() >= pool.members_max && self.evict_one()
        };
        let place = self.crowd.enter(address);
        self.members.insert(place, evicted);
        (place, evicted_other)
    }

    fn evict_one(&mut self) -> bool {
        let first = self.crowd.first();
        first.is_some_and(|first| self.evict(first))
    }

    fn evict(&mut self, place: Waiting) -> bool {
        let member = self.leave(place);
        if let Some(evicted) = &member {
            evicted.cancel();
        }
        member.is_some()
    }

    fn leave(&mut self, place: Waiting) -> Option<CancellationToken> {
        self.crowd.leave(place);
        self.members.remove(&place)
    }
}

impl Stranger {
    /// Notes a protocol step, after which other members are evicted first.
    pub(super) fn progressed(&mut self) {
        let mut state = self.pool.lock();
        // An evicted member does not come back.
        if let Some(evicted) = state.leave(self.place) {
            self.place = state.crowd.enter(self.place.peer());
            state.members.insert(self.place, evicted);
        }
    }

    /// Counts the connection for `client` from now on, because its proxy has named the client.
    /// Returns whether another member was evicted for it.
    pub(super) fn speaks_for(&mut self, client: IpAddr) -> bool {
        let mut state = self.pool.lock();
        let Some(evicted) = state.leave(self.place) else {
            return false;
        };
        let (place, evicted_other) = state.enter(&self.pool, client, Share::OfPeer, evicted);
        self.place = place;
        evicted_other
    }

    /// Cancelled when the stranger is evicted.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.pool.lock().leave(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn enter(pool: &Arc<Pool>, address: IpAddr) -> Stranger {
        pool.enter(address, Share::OfPeer).0
    }

    fn left<'a>(strangers: impl IntoIterator<Item = &'a Stranger>) -> usize {
        let all = strangers.into_iter();
        all.filter(|one| !one.evicted().is_cancelled()).count()
    }

    #[test]
    fn the_member_longest_without_progress_is_evicted_first() {
        let pool = Pool::new(2, 9);
        let mut first = enter(&pool, address(1));
        let mut second = enter(&pool, address(1));
        first.progressed();
        let (third, evicted) = pool.enter(address(1), Share::OfPeer);
        assert!(evicted && second.evicted().is_cancelled());
        assert!(!first.evicted().is_cancelled());
        // Late progress does not bring an evicted member back.
        second.progressed();
        assert_eq!(pool.lock().members.len(), 2);
        assert_eq!(left([&first, &third]), 2);
    }

    #[test]
    fn a_crowded_address_evicts_its_own_members() {
        let pool = Pool::new(3, 9);
        let lonely = enter(&pool, address(1));
        let crowd: Vec<_> = (0..50).map(|_| enter(&pool, address(2))).collect();
        assert_eq!(left([&lonely]), 1);
        assert_eq!(left(&crowd), 2);
    }

    #[test]
    fn a_host_with_many_networks_evicts_its_own_members() {
        let pool = Pool::new(4, 9);
        let publisher = enter(&pool, address(1));
        let other = enter(&pool, "2001:db8:1::1".parse().unwrap());
        let networks = (0..1000_u16).map(|n| format!("2001:db8:0:{n:x}::1").parse().unwrap());
        let flood: Vec<_> = networks.map(|network| enter(&pool, network)).collect();
        assert_eq!(left([&publisher, &other]), 2);
        assert_eq!(left(&flood), 2);
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_any_number() {
        let pool = Pool::new(9, 2);
        let crowd: Vec<_> = (0..5).map(|_| enter(&pool, address(1))).collect();
        assert_eq!(left(&crowd), 2);
        let mut behind: Vec<_> = (0..5)
            .map(|_| pool.enter(address(2), Share::OfProxy).0)
            .collect();
        assert_eq!(left(&behind), 5);
        for stranger in &mut behind {
            stranger.speaks_for(address(3));
        }
        assert_eq!(left(&behind), 2);
        assert_eq!(pool.lock().crowd.count_of_peer(address(2)), 0);
    }

    #[test]
    fn a_dropped_place_is_free_again() {
        let pool = Pool::new(1, 1);
        drop(enter(&pool, address(1)));
        let (_stranger, evicted) = pool.enter(address(2), Share::OfPeer);
        assert!(!evicted);
        assert!(pool.evict_one());
        assert!(!pool.evict_one());
    }
}
