//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::network::peer_of;

/// Counts connections; shared by the accept loop and every connection.
#[derive(Debug)]
pub(super) struct Gate {
    connections_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_origin: HashMap<IpAddr, usize>,
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are too many.
    Full,
    /// There are too many from this address.
    Address,
}

/// A connection's place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Admission {
    gate: Arc<Gate>,
    origin: IpAddr,
}

impl Refusal {
    /// A fixed word for metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Full => "total",
            Self::Address => "per_address",
        }
    }
}

impl Gate {
    pub(super) fn new(connections_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            per_address_max,
            open: Mutex::default(),
        })
    }

    /// A place for a connection from `address`.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admission, Refusal> {
        let origin = peer_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.connections_max {
            return Err(Refusal::Full);
        }
        let count = open.by_origin.get(&origin).copied().unwrap_or(0);
        if count >= self.per_address_max {
            return Err(Refusal::Address);
        }
        open.by_origin.insert(origin, count + 1);
        open.total += 1;
        Ok(Admission {
            gate: self.clone(),
            origin,
        })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self
            .gate
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Entry::Occupied(mut entry) = open.by_origin.entry(self.origin) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
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
        let gate = Gate::new(3, 2);
        let first = gate.admit(at("10.0.0.1")).unwrap();
        let _second = gate.admit(at("::ffff:10.0.0.1")).unwrap();
        assert_eq!(gate.admit(at("10.0.0.1")).unwrap_err(), Refusal::Address);
        let _third = gate.admit(at("10.0.0.2")).unwrap();
        assert_eq!(gate.admit(at("10.0.0.3")).unwrap_err(), Refusal::Full);
        drop(first);
        let _fourth = gate.admit(at("10.0.0.1")).unwrap();
    }

    #[test]
    fn an_ipv6_network_is_one_origin_and_nothing_is_kept() {
        let gate = Gate::new(9, 1);
        let one = gate.admit(at("2001:db8::1")).unwrap();
        assert_eq!(gate.admit(at("2001:db8::2")).unwrap_err(), Refusal::Address);
        let other = gate.admit(at("2001:db8:0:1::1")).unwrap();
        drop((one, other));
        assert!(gate.open.lock().unwrap().by_origin.is_empty());
    }
}
