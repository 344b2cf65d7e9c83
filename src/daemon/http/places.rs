//! How many connections there may be, in all and from one address, and which of them are closed
//! to make room.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::shares::{Group, Shares};
use crate::daemon::net::{Crowd, Waiting};

/// A bounded number of places for connections; shared by the server and every connection.
///
/// When no place is free, a connection that waits for nothing is closed: first one that has asked
/// nothing yet, then one that is idle between two requests, and only then one of a proxy. A
/// connection with a request in progress keeps its place.
#[derive(Debug)]
pub(super) struct Places {
    connections_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next_id: u64,
    members: HashMap<u64, Member>,
    /// The connections of clients; proxies have no share.
    shares: Shares,
    queues: BTreeMap<Class, Queue>,
}

#[derive(Debug)]
struct Member {
    address: IpAddr,
    holder: Holder,
    /// Where the connection waits; `None` while a request is in progress.
    waits: Option<(Class, Waiting)>,
    evicted: CancellationToken,
}

/// Connections that wait, in the order in which they are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// No request has come yet.
    Silent,
    /// All requests are over.
    Idle,
    /// A proxy's, without a request yet.
    SilentOfProxy,
    /// A proxy's, whose requests are over.
    IdleOfProxy,
}

#[derive(Debug, Default)]
struct Queue {
    crowd: Crowd,
    ids: HashMap<Waiting, u64>,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A client's: it may have as many as one peer may have.
    Client,
    /// A trusted proxy's: it may have any number, because it has many clients.
    Proxy,
}

/// Why there is no place for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All connections together are too many, and all have requests in progress.
    Total,
    /// Connections from this address are too many, and all have requests in progress.
    PerAddress,
}

/// That a connection was closed to make room, and what it was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evicted {
    /// Its first request.
    Silent,
    /// Its next request.
    Idle,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    evicted: CancellationToken,
}

/// Who has the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) connections: usize,
    /// Connections that have asked nothing yet.
    pub(super) silent: usize,
    /// Connections whose requests are over.
    pub(super) idle: usize,
    pub(super) peers: usize,
    /// The peer with the most connections, and their number.
    pub(super) largest: Option<(IpAddr, usize)>,
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

impl Evicted {
    /// The label value in the metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Idle => "idle",
        }
    }
}

impl Places {
    /// `connections_max` places, of which one peer may take `per_peer_max`.
    pub(super) fn new(connections_max: usize, per_peer_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            state: Mutex::new(State {
                next_id: 0,
                members: HashMap::new(),
                shares: Shares::new(per_peer_max),
                queues: BTreeMap::new(),
            }),
        })
    }

    /// Takes a place for a connection from `address`, which has asked nothing yet. Says also whether
    /// another connection is closed for it.
    pub(super) fn take(
        self: &Arc<Self>,
        address: IpAddr,
        holder: Holder,
    ) -> Result<(Place, Option<Evicted>), Full> {
        let mut state = self.lock();
        let mut evicted_other = state.make_share(address, holder)?;
        if state.members.len() >= self.connections_max {
            evicted_other = Some(state.evict(Queue::first).ok_or(Full::Total)?);
        }
        let (id, evicted) = (state.next_id, CancellationToken::new());
        state.next_id += 1;
        state.enter(id, address, holder, evicted.clone());
        drop(state);
        let place = Place {
            places: self.clone(),
            id,
            evicted,
        };
        Ok((place, evicted_other))
    }

    /// Closes the next connection in order; `None` when none waits.
    pub(super) fn evict_one(&self) -> Option<Evicted> {
        self.lock().evict(Queue::first)
    }

    /// Counts who has the places. Looks at every peer.
    pub(super) fn census(&self) -> Census {
        let state = self.lock();
        let waiting = |classes: [Class; 2]| {
            let queues = classes.iter().filter_map(|class| state.queues.get(class));
            queues.map(|queue| queue.ids.len()).sum()
        };
        Census {
            connections: state.members.len(),
            silent: waiting([Class::Silent, Class::SilentOfProxy]),
            idle: waiting([Class::Idle, Class::IdleOfProxy]),
            peers: state.shares.peers(),
            largest: state.shares.largest(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes sure that `address` may have one more connection, by closing one of its own if needed.
    fn make_share(&mut self, address: IpAddr, holder: Holder) -> Result<Option<Evicted>, Full> {
        if holder == Holder::Proxy {
            return Ok(None);
        }
        let evicted = match self.shares.full(address) {
            None => return Ok(None),
            Some(Group::Peer) => self.evict(|queue| queue.crowd.first_of_peer(address)),
            Some(Group::Site) => self.evict(|queue| queue.crowd.first_of_site(address)),
        };
        evicted.map(Some).ok_or(Full::PerAddress)
    }

    fn enter(&mut self, id: u64, address: IpAddr, holder: Holder, evicted: CancellationToken) {
        if holder == Holder::Client {
            self.shares.add(address);
        }
        let member = Member {
            address,
            holder,
            waits: None,
            evicted,
        };
        self.members.insert(id, member);
        self.wait(id, Evicted::Silent);
    }

    fn leave(&mut self, id: u64) -> Option<Member> {
        self.wait_no_longer(id);
        let member = self.members.remove(&id)?;
        if member.holder == Holder::Client {
            self.shares.remove(member.address);
        }
        Some(member)
    }

    /// The connection waits for its first or its next request from now on.
    fn wait(&mut self, id: u64, waits_for: Evicted) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let class = match (waits_for, member.holder) {
            (Evicted::Silent, Holder::Client) => Class::Silent,
            (Evicted::Idle, Holder::Client) => Class::Idle,
            (Evicted::Silent, Holder::Proxy) => Class::SilentOfProxy,
            (Evicted::Idle, Holder::Proxy) => Class::IdleOfProxy,
        };
        let queue = self.queues.entry(class).or_default();
        let waiting = queue.crowd.enter(member.address);
        queue.ids.insert(waiting, id);
        member.waits = Some((class, waiting));
    }

    fn wait_no_longer(&mut self, id: u64) {
        let member = self.members.get_mut(&id);
        if let Some((class, waiting)) = member.and_then(|member| member.waits.take())
            && let Some(queue) = self.queues.get_mut(&class)
        {
            queue.crowd.leave(waiting);
            queue.ids.remove(&waiting);
        }
    }

    /// Closes the connection that `choose` finds in the first queue with any.
    fn evict(&mut self, choose: impl Fn(&Queue) -> Option<Waiting>) -> Option<Evicted> {
        let (class, id) = self.queues.iter().find_map(|(class, queue)| {
            let chosen = choose(queue)?;
            Some((*class, *queue.ids.get(&chosen)?))
        })?;
        self.leave(id)?.evicted.cancel();
        Some(match class {
            Class::Silent | Class::SilentOfProxy => Evicted::Silent,
            Class::Idle | Class::IdleOfProxy => Evicted::Idle,
        })
    }
}

impl Queue {
    fn first(&self) -> Option<Waiting> {
        self.crowd.first()
    }
}

impl Place {
    /// A request has come: the connection keeps its place.
    pub(super) fn asked(&self) {
        self.places.lock().wait_no_longer(self.id);
    }

    /// All requests are over: the connection may be closed to make room.
    pub(super) fn rests(&self) {
        let mut state = self.places.lock();
        state.wait_no_longer(self.id);
        state.wait(self.id, Evicted::Idle);
    }

    /// Counts the connection for `client` from now on, because its proxy has named the client.
    pub(super) fn speaks_for(
        &self,
        client: IpAddr,
        holder: Holder,
    ) -> Result<Option<Evicted>, Full> {
        let mut state = self.places.lock();
        // After an eviction there is no place to count.
        let Some(member) = state.leave(self.id) else {
            return Ok(None);
        };
        let evicted_other = state.make_share(client, holder)?;
        state.enter(self.id, client, holder, member.evicted);
        Ok(evicted_other)
    }

    /// Cancelled when the connection must close to make room.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Takes a place and asks.
    fn busy(places: &Arc<Places>, address: &str) -> Result<Place, Full> {
        let (place, evicted) = places.take(at(address), Holder::Client)?;
        assert_eq!(evicted, None);
        place.asked();
        Ok(place)
    }

    fn take(places: &Arc<Places>, address: &str) -> (Place, Option<Evicted>) {
        places.take(at(address), Holder::Client).unwrap()
    }

    #[test]
    fn bounds_hold_and_places_come_back() {
        let places = Places::new(3, 2);
        let first = busy(&places, "10.0.0.1").unwrap();
        let _second = busy(&places, "::ffff:10.0.0.1").unwrap();
        assert_eq!(busy(&places, "10.0.0.1").unwrap_err(), Full::PerAddress);
        let _third = busy(&places, "10.0.0.2").unwrap();
        assert_eq!(busy(&places, "10.0.0.3").unwrap_err(), Full::Total);
        drop(first);
        let _fourth = busy(&places, "10.0.0.1").unwrap();
    }

    #[test]
    fn an_ipv6_network_is_one_peer_and_no_peer_is_kept() {
        let places = Places::new(9, 1);
        let one = busy(&places, "2001:db8::1").unwrap();
        assert_eq!(busy(&places, "2001:db8::2").unwrap_err(), Full::PerAddress);
        let other = busy(&places, "2001:db8:0:1::1").unwrap();
        drop((one, other));
        assert_eq!(places.census().peers, 0);
        assert!(places.lock().members.is_empty());
    }

    #[test]
    fn who_has_asked_nothing_goes_first_then_who_is_idle() {
        let places = Places::new(3, 9);
        let (idle, _) = take(&places, "10.0.0.1");
        idle.asked();
        idle.rests();
        let working = busy(&places, "10.0.0.1").unwrap();
        let (silent, _) = take(&places, "10.0.0.2");
        let (third, evicted) = take(&places, "10.0.0.3");
        assert_eq!(evicted, Some(Evicted::Silent));
        assert!(silent.evicted().is_cancelled() && !idle.evicted().is_cancelled());
        third.asked();
        let (fourth, evicted) = take(&places, "10.0.0.3");
        assert_eq!(evicted, Some(Evicted::Idle));
        assert!(idle.evicted().is_cancelled());
        fourth.asked();
        // What happens to a connection after its eviction changes nothing.
        idle.asked();
        idle.rests();
        drop(silent);
        let full = places.take(at("10.0.0.4"), Holder::Client).unwrap_err();
        assert_eq!(full, Full::Total);
        assert!(!working.evicted().is_cancelled());
        assert_eq!(places.census().connections, 3);
    }

    #[test]
    fn a_flood_pushes_out_itself() {
        let places = Places::new(100, 50);
        let (viewer, _) = take(&places, "192.0.2.1");
        let (other, _) = take(&places, "2001:db8:1::1");
        let networks = (0..1000_u16).map(|n| format!("2001:db8:0:{n:x}::1"));
        let flood: Vec<_> = networks.map(|network| take(&places, &network).0).collect();
        let hosts: Vec<_> = (0..1000).map(|_| take(&places, "192.0.2.2").0).collect();
        for place in [&viewer, &other] {
            assert!(!place.evicted().is_cancelled());
        }
        let left = |all: &[Place]| all.iter().filter(|p| !p.evicted().is_cancelled()).count();
        // Among equals, the newcomer stays.
        assert_eq!((left(&flood), left(&hosts)), (48, 50));
        let census = places.census();
        assert_eq!((census.connections, census.silent), (100, 100));
    }

    #[test]
    fn an_address_closes_its_own_silent_connection() {
        let places = Places::new(9, 2);
        let (first, _) = take(&places, "10.0.0.1");
        let (other, _) = take(&places, "10.0.0.2");
        let _second = busy(&places, "10.0.0.1").unwrap();
        let (_third, evicted) = take(&places, "10.0.0.1");
        assert_eq!(evicted, Some(Evicted::Silent));
        assert!(first.evicted().is_cancelled() && !other.evicted().is_cancelled());
    }

    #[test]
    fn a_proxy_has_any_number_until_it_names_its_clients() {
        let places = Places::new(9, 2);
        let proxied = |_| places.take(at("10.0.0.1"), Holder::Proxy).unwrap().0;
        let proxied: Vec<_> = (0..4).map(proxied).collect();
        // A client's connection is closed before a proxy's.
        let full: Vec<_> = (2..7)
            .map(|n| take(&places, &format!("10.0.0.{n}")).0)
            .collect();
        let (_last, evicted) = take(&places, "10.0.0.9");
        assert_eq!(evicted, Some(Evicted::Silent));
        assert!(full[0].evicted().is_cancelled());
        drop(full);
        for place in &proxied[..2] {
            assert_eq!(place.speaks_for(at("192.0.2.1"), Holder::Client), Ok(None));
            place.asked();
        }
        assert_eq!(
            proxied[2].speaks_for(at("192.0.2.1"), Holder::Client),
            Err(Full::PerAddress)
        );
        assert_eq!(
            proxied[3].speaks_for(at("192.0.2.2"), Holder::Client),
            Ok(None)
        );
        drop(proxied);
        assert_eq!(places.census().connections, 1);
    }
}
