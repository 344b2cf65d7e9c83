//! Who is closed first when connections that wait take all places.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use crate::base::network::{peer_of, site_of};

/// Connections that wait, by site and peer.
///
/// The first to be closed is in the site with the most of them, there of the peer with the most,
/// and of that peer the one that has waited longest. So neither a host with many connections nor
/// one with many IPv6 networks can push out others, and a newcomer is never the first to go among
/// equals. Every operation takes logarithmic time, so that a flood is cheap to bear.
#[derive(Debug, Default)]
pub struct Crowd {
    /// The number that the next newcomer gets; a smaller number has waited longer.
    next: u64,
    sites: HashMap<IpAddr, Site>,
    ranks: BTreeSet<Rank>,
}

/// The peers of one site that have waiting connections.
#[derive(Debug, Default)]
struct Site {
    waiting: BTreeSet<u64>,
    peers: HashMap<IpAddr, BTreeSet<u64>>,
    ranks: BTreeSet<Rank>,
}

/// A group's order: by its size, among equals by how long its oldest member has waited. The
/// greatest comes first.
type Rank = (usize, Reverse<u64>, IpAddr);

/// A connection that waits in a [`Crowd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Waiting {
    peer: IpAddr,
    number: u64,
}

impl Crowd {
    /// Adds a connection from `address`, which begins to wait now.
    pub fn enter(&mut self, address: IpAddr) -> Waiting {
        let (peer, number) = (peer_of(address), self.next);
        self.next += 1;
        self.change(peer, |site| {
            site.waiting.insert(number);
            site.change(peer, |waiting| waiting.insert(number));
        });
        Waiting { peer, number }
    }

    /// Removes a connection, which waits no longer.
    pub fn leave(&mut self, waiting: Waiting) {
        let Waiting { peer, number } = waiting;
        self.change(peer, |site| {
            site.waiting.remove(&number);
            site.change(peer, |waiting| waiting.remove(&number));
        });
    }

    /// The connection to close first; it stays in the crowd until it leaves.
    pub fn first(&self) -> Option<Waiting> {
        let (_, _, site) = self.ranks.last()?;
        self.sites.get(site)?.first()
    }

    /// The connection to close first of the peer behind `address`.
    pub fn first_of_peer(&self, address: IpAddr) -> Option<Waiting> {
        let peer = peer_of(address);
        let number = *self.sites.get(&site_of(peer))?.peers.get(&peer)?.first()?;
        Some(Waiting { peer, number })
    }

    /// The connection to close first of the site behind `address`.
    pub fn first_of_site(&self, address: IpAddr) -> Option<Waiting> {
        self.sites.get(&site_of(address))?.first()
    }

    /// How many connections the peer behind `address` has in the crowd.
    pub fn count_of_peer(&self, address: IpAddr) -> usize {
        let peer = peer_of(address);
        let site = self.sites.get(&site_of(peer));
        let waiting = site.and_then(|site| site.peers.get(&peer));
        waiting.map_or(0, BTreeSet::len)
    }

    /// How many connections wait.
    pub fn len(&self) -> usize {
        self.sites.values().map(|site| site.waiting.len()).sum()
    }

    /// Whether no connection waits.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    fn change(&mut self, peer: IpAddr, change: impl FnOnce(&mut Site)) {
        let name = site_of(peer);
        let site = self.sites.entry(name).or_default();
        rerank(&mut self.ranks, name, site, |site| &site.waiting, change);
        if site.waiting.is_empty() {
            self.sites.remove(&name);
        }
    }
}

impl Site {
    fn first(&self) -> Option<Waiting> {
        let (_, _, peer) = *self.ranks.last()?;
        let number = *self.peers.get(&peer)?.first()?;
        Some(Waiting { peer, number })
    }

    fn change(&mut self, peer: IpAddr, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let waiting = self.peers.entry(peer).or_default();
        rerank(
            &mut self.ranks,
            peer,
            waiting,
            |waiting| waiting,
            |waiting| {
                change(waiting);
            },
        );
        if waiting.is_empty() {
            self.peers.remove(&peer);
        }
    }
}

/// Changes a group and puts its rank right.
fn rerank<G>(
    ranks: &mut BTreeSet<Rank>,
    name: IpAddr,
    group: &mut G,
    waiting: impl Fn(&G) -> &BTreeSet<u64>,
    change: impl FnOnce(&mut G),
) {
    let rank = |group: &G| {
        let waiting = waiting(group);
        let oldest = *waiting.first()?;
        Some((waiting.len(), Reverse(oldest), name))
    };
    if let Some(old) = rank(group) {
        ranks.remove(&old);
    }
    change(group);
    if let Some(new) = rank(group) {
        ranks.insert(new);
    }
}

impl Waiting {
    /// The peer that the connection counts for.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn close_first(crowd: &mut Crowd) -> Waiting {
        let first = crowd.first().unwrap();
        crowd.leave(first);
        first
    }

    #[test]
    fn the_longest_waiting_of_the_largest_peer_is_first() {
        let mut crowd = Crowd::default();
        let lonely = crowd.enter(at("192.0.2.1"));
        let older = crowd.enter(at("192.0.2.2"));
        let newer = crowd.enter(at("192.0.2.2"));
        assert_eq!(close_first(&mut crowd), older);
        // Both peers have one connection now: the older goes first.
        assert_eq!(close_first(&mut crowd), lonely);
        assert_eq!(close_first(&mut crowd), newer);
        assert!(crowd.is_empty() && crowd.ranks.is_empty());
        assert_eq!(crowd.first(), None);
    }

    #[test]
    fn many_networks_of_one_site_are_one_crowd() {
        let mut crowd = Crowd::default();
        let alone = crowd.enter(at("2001:db8:1::1"));
        let pair = [at("192.0.2.1"); 2].map(|address| crowd.enter(address));
        for network in 0..100 {
            crowd.enter(at(&format!("2001:db8:0:{network:x}::1")));
        }
        let doubled = crowd.enter(at("2001:db8:0:7::2"));
        // In the largest site, the largest peer is first.
        let first = close_first(&mut crowd);
        assert_eq!(first.peer(), doubled.peer());
        for _ in 0..98 {
            let site = site_of(close_first(&mut crowd).peer());
            assert_eq!(site, at("2001:db8::"));
        }
        assert_eq!(crowd.len(), 5);
        for still in [alone, pair[0], pair[1]] {
            assert!(crowd.count_of_peer(still.peer()) > 0);
        }
    }

    #[test]
    fn peer_and_site_have_their_own_first() {
        let mut crowd = Crowd::default();
        let first = crowd.enter(at("2001:db8::1"));
        let second = crowd.enter(at("2001:db8:0:1::1"));
        let third = crowd.enter(at("2001:db8:0:1::2"));
        assert_eq!(crowd.first_of_peer(at("2001:db8::9")), Some(first));
        assert_eq!(crowd.first_of_site(at("2001:db8:0:2::1")), Some(second));
        assert_eq!(crowd.first_of_peer(at("2001:db8:0:2::1")), None);
        assert_eq!(crowd.count_of_peer(at("2001:db8:0:1::7")), 2);
        crowd.leave(second);
        assert_eq!(crowd.first_of_peer(third.peer()), Some(third));
        // To leave twice changes nothing.
        crowd.leave(second);
        assert_eq!(crowd.len(), 2);
    }
}
