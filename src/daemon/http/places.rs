//! How many connections there may be, in all and from one address, and which of them are closed
//! to make room.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::shares::{Group, Shares};
use crate::daemon::net::{Crowd, Waiting};

/// A bounded number of places for connections; shared by the server and every connection.
///
/// When no place is free, a connection that waits for nothing is closed: first one that has asked
/// nothing yet, then one that is idle between two requests, and only then one of a proxy. A
/// connection with a request in progress keeps its place.
///
/// A crowd asks thousands of times per second, and room must be made seldom. So a request only counts
/// a turn of its connection, without the lock; whoever makes room finds out by that what has become of
/// the connections that were in the queues. Those that have asked since go behind those that have not.
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
    /// Where the connection is in a queue, and the turn by which it came there. It may be in progress
    /// meanwhile.
    waits: Option<(Class, Waiting, u64)>,
    turns: Arc<Turns>,
}

/// What a connection does, as it says itself.
#[derive(Debug, Default)]
struct Turns {
    /// Rises when a first request begins and when the last one ends: none before any request, odd while
    /// requests are in progress, even once they are over.
    count: AtomicU64,
    /// The connection is in a queue. Changes under the lock of all places only.
    is_queued: AtomicBool,
    /// The connection must close.
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
    turns: Arc<Turns>,
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
        let (id, turns) = (state.next_id, Arc::<Turns>::default());
        state.next_id += 1;
        state.enter(id, address, holder, turns.clone());
        drop(state);
        let place = Place {
            places: self.clone(),
            id,
            turns,
        };
        Ok((place, evicted_other))
    }

    /// Closes the next connection in order; `None` when none waits.
    pub(super) fn evict_one(&self) -> Option<Evicted> {
        self.lock().evict(Queue::first)
    }

    /// Counts who has the places. Looks at every connection.
    pub(super) fn census(&self) -> Census {
        let state = self.lock();
        let waiting = |what| {
            let waits = state
                .members
                .values()
                .map(|member| member.turns.waits_for());
            waits.filter(|waits| *waits == Some(what)).count()
        };
        Census {
            connections: state.members.len(),
            silent: waiting(Evicted::Silent),
            idle: waiting(Evicted::Idle),
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

    fn enter(&mut self, id: u64, address: IpAddr, holder: Holder, turns: Arc<Turns>) {
        if holder == Holder::Client {
            self.shares.add(address);
        }
        let member = Member {
            address,
            holder,
            waits: None,
            turns,
        };
        self.members.insert(id, member);
        self.queue(id);
    }

    fn leave(&mut self, id: u64) -> Option<Member> {
        self.unqueue(id);
        let member = self.members.remove(&id)?;
        if member.holder == Holder::Client {
            self.shares.remove(member.address);
        }
        Some(member)
    }

    /// Puts the connection into the queue of those that wait for the same, unless it waits for nothing.
    fn queue(&mut self, id: u64) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let turn = member.turns.count.load(Ordering::SeqCst);
        let class = match (Turns::awaited(turn), member.holder) {
            (None, _) => return,
            (Some(Evicted::Silent), Holder::Client) => Class::Silent,
            (Some(Evicted::Idle), Holder::Client) => Class::Idle,
            (Some(Evicted::Silent), Holder::Proxy) => Class::SilentOfProxy,
            (Some(Evicted::Idle), Holder::Proxy) => Class::IdleOfProxy,
        };
        let queue = self.queues.entry(class).or_default();
        let waiting = queue.crowd.enter(member.address);
        queue.ids.insert(waiting, id);
        member.waits = Some((class, waiting, turn));
        member.turns.is_queued.store(true, Ordering::SeqCst);
    }

    /// Takes the connection out of its queue.
    fn unqueue(&mut self, id: u64) {
        let member = self.members.get_mut(&id);
        if let Some(member) = member
            && let Some((class, waiting, _)) = member.waits.take()
            && let Some(queue) = self.queues.get_mut(&class)
        {
            member.turns.is_queued.store(false, Ordering::SeqCst);
            queue.crowd.leave(waiting);
            queue.ids.remove(&waiting);
        }
    }

    /// Closes the connection that `choose` finds in the first queue with any. Those in front of it that
    /// have asked since they came into a queue leave that queue, or begin again at its end.
    fn evict(&mut self, choose: impl Fn(&Queue) -> Option<Waiting>) -> Option<Evicted> {
        loop {
            let id = self
                .queues
                .values()
                .find_map(|queue| queue.ids.get(&choose(queue)?).copied())?;
            let member = self.members.get(&id)?;
            let turn = member.turns.count.load(Ordering::SeqCst);
            if member.waits.is_some_and(|(_, _, then)| then == turn) {
                self.leave(id)?.turns.evicted.cancel();
                return Turns::awaited(turn);
            }
            // A connection that comes to rest right now finds that it is in no queue, or is put there here.
            self.unqueue(id);
            self.queue(id);
        }
    }
}

impl Turns {
    /// What a connection waits for at a turn; `None` while requests are in progress.
    fn awaited(turn: u64) -> Option<Evicted> {
        match turn {
            0 => Some(Evicted::Silent),
            turn if turn % 2 == 0 => Some(Evicted::Idle),
            _ => None,
        }
    }

    fn waits_for(&self) -> Option<Evicted> {
        Self::awaited(self.count.load(Ordering::SeqCst))
    }
}

impl Queue {
    fn first(&self) -> Option<Waiting> {
        self.crowd.first()
    }
}

impl Place {
    /// A request has come, and none was in progress: the connection keeps its place.
    pub(super) fn asked(&self) {
        self.turns.count.fetch_add(1, Ordering::SeqCst);
    }

    /// All requests are over: the connection may be closed to make room.
    pub(super) fn rests(&self) {
        self.turns.count.fetch_add(1, Ordering::SeqCst);
        if self.turns.is_queued.load(Ordering::SeqCst) {
            return;
        }
        let mut state = self.places.lock();
        if !self.turns.is_queued.load(Ordering::SeqCst) {
            state.queue(self.id);
        }
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
        state.enter(self.id, client, holder, member.turns);
        Ok(evicted_other)
    }

    /// Cancelled when the connection must close to make room.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.turns.evicted
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().leave(self.id);
    }
}

#[cfg(test)]
mod tests;
