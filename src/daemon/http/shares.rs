//! How much of something each peer and each site has: connections, or requests in progress.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::network::{peer_of, site_of};

/// A site gets as much as this many peers. An IPv6 /48 network is one customer of a provider, or a
/// company; it has 65 536 networks that count as peers.
const PEERS_PER_SITE: usize = 2;

/// Counts by peer and by site.
#[derive(Debug)]
pub(super) struct Shares {
    per_peer_max: usize,
    peers: HashMap<IpAddr, usize>,
    sites: HashMap<IpAddr, usize>,
}

/// Whose share is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// That of an IPv4 address or IPv6 /64 network.
    Peer,
    /// That of an IPv6 /48 network.
    Site,
}

impl Shares {
    /// One peer may have `per_peer_max`.
    pub(super) fn new(per_peer_max: usize) -> Self {
        Self {
            per_peer_max,
            peers: HashMap::new(),
            sites: HashMap::new(),
        }
    }

    /// Whose share leaves no room for one more of `address`.
    pub(super) fn full(&self, address: IpAddr) -> Option<Group> {
        let count = |map: &HashMap<IpAddr, usize>, group| map.get(&group).copied().unwrap_or(0);
        if count(&self.peers, peer_of(address)) >= self.per_peer_max {
            return Some(Group::Peer);
        }
        let per_site_max = self.per_peer_max.saturating_mul(PEERS_PER_SITE);
        (count(&self.sites, site_of(address)) >= per_site_max).then_some(Group::Site)
    }

    /// Counts one more for `address`.
    pub(super) fn add(&mut self, address: IpAddr) {
        *self.peers.entry(peer_of(address)).or_default() += 1;
        *self.sites.entry(site_of(address)).or_default() += 1;
    }

    /// Counts one less for `address`.
    pub(super) fn remove(&mut self, address: IpAddr) {
        for (map, group) in [
            (&mut self.peers, peer_of(address)),
            (&mut self.sites, site_of(address)),
        ] {
            if let Entry::Occupied(mut count) = map.entry(group) {
                *count.get_mut() = count.get().saturating_sub(1);
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// The number of peers.
    pub(super) fn peers(&self) -> usize {
        self.peers.len()
    }

    /// The peer that has the most, and how much that is. Looks at every peer.
    pub(super) fn largest(&self) -> Option<(IpAddr, usize)> {
        let largest = self.peers.iter().max_by_key(|(_, count)| **count);
        largest.map(|(peer, count)| (*peer, *count))
    }
}

/// The requests in progress of all connections, by client.
#[derive(Debug)]
pub(super) struct InFlight(Mutex<Shares>);

/// A request in progress; it counts until dropped.
#[derive(Debug)]
pub(super) struct Slot {
    all: Arc<InFlight>,
    client: IpAddr,
}

impl InFlight {
    /// One client may have `per_client_max` requests in progress.
    pub(super) fn new(per_client_max: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Shares::new(per_client_max))))
    }

    /// Counts a request of `client`; `None` when it has too many already.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr) -> Option<Slot> {
        let mut shares = self.lock();
        if shares.full(client).is_some() {
            return None;
        }
        shares.add(client);
        Some(Slot {
            all: self.clone(),
            client,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        // No code under this lock panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.all.lock().remove(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_has_its_share_and_a_site_that_of_two() {
        let mut shares = Shares::new(2);
        let networks = [
            at("2001:db8::1"),
            at("2001:db8:0:1::1"),
            at("2001:db8:0:2::1"),
        ];
        shares.add(networks[0]);
        shares.add(at("2001:db8::2"));
        assert_eq!(shares.full(networks[0]), Some(Group::Peer));
        assert_eq!(shares.full(networks[1]), None);
        shares.add(networks[1]);
        shares.add(networks[2]);
        assert_eq!(shares.full(networks[1]), Some(Group::Site));
        assert_eq!(shares.full(at("2001:db8:1::1")), None);
        assert_eq!(shares.largest(), Some((at("2001:db8::"), 2)));
        assert_eq!(shares.peers(), 3);
    }

    #[test]
    fn requests_count_until_they_end_and_nobody_is_kept() {
        let all = InFlight::new(1);
        let first = all.enter(at("192.0.2.1")).unwrap();
        assert!(all.enter(at("::ffff:192.0.2.1")).is_none());
        let other = all.enter(at("192.0.2.2")).unwrap();
        drop((first, other));
        assert!(all.lock().peers.is_empty() && all.lock().sites.is_empty());
    }
}
