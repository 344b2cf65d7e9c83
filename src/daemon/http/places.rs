//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::network::peer_of;

/// A bounded number of places for connections; shared by the server and every connection.
#[derive(Debug)]
pub(super) struct Places {
    connections_max: usize,
    per_peer_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// Why there is no place for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All connections together are too many.
    Total,
    /// Connections from this address are too many.
    PerAddress,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Full {
    /// The label value in the metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::PerAddress => "per_address",
        }
    }
}

impl Places {
    /// `connections_max` places, of which one peer may take `per_peer_max`.
    pub(super) fn new(connections_max: usize, per_peer_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            per_peer_max,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a connection from `address`.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let peer = peer_of(address);
        let mut taken = self.lock();
        if taken.total >= self.connections_max {
            return Err(Full::Total);
        }
        let count = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if count >= self.per_peer_max {
            return Err(Full::PerAddress);
        }
        taken.by_peer.insert(peer, count + 1);
        taken.total += 1;
        Ok(Place {
            places: self.clone(),
            peer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total = taken.total.saturating_sub(1);
        if let Entry::Occupied(mut count) = taken.by_peer.entry(self.peer) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bounds_hold_and_places_come_back() {
        let places = Places::new(3, 2);
        let first = places.take(at("10.0.0.1")).unwrap();
        let _second = places.take(at("::ffff:10.0.0.1")).unwrap();
        assert_eq!(places.take(at("10.0.0.1")).unwrap_err(), Full::PerAddress);
        let _third = places.take(at("10.0.0.2")).unwrap();
        assert_eq!(places.take(at("10.0.0.3")).unwrap_err(), Full::Total);
        drop(first);
        let _fourth = places.take(at("10.0.0.1")).unwrap();
    }

    #[test]
    fn an_ipv6_network_is_one_peer_and_no_peer_is_kept() {
        let places = Places::new(9, 1);
        let one = places.take(at("2001:db8::1")).unwrap();
        assert_eq!(
            places.take(at("2001:db8::2")).unwrap_err(),
            Full::PerAddress
        );
        let other = places.take(at("2001:db8:0:1::1")).unwrap();
        drop((one, other));
        assert!(places.lock().by_peer.is_empty());
    }
}
