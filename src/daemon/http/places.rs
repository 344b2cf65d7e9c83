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
mod tests;
