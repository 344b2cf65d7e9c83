//! The RTMP server: it lets connections in and serves them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::limits::Limits;
use super::peer::{self, Shared};
use super::pool::{Pool, Share};
use super::refusals::RefusalLog;
use crate::daemon::ingest::Gate;
use crate::daemon::net::{
    BindError, Connections, Incoming, Listener, Listeners, Protocol, Proxies,
};

/// An RTMP server for publishers.
#[derive(Debug)]
pub struct Server<G> {
    listeners: Listeners,
    shared: Shared<G>,
}

impl<G: Gate> Server<G> {
    /// A server of the ports `listeners`. Publishers go through `gate`.
    pub fn of(listeners: Vec<Listener>, gate: G, limits: Limits, counters: Counters) -> Self {
        let shared = Shared {
            gate,
            strangers: Pool::new(limits.strangers_max, limits.strangers_per_address_max),
            proxies: Proxies::default(),
            limits,
            counters,
            refusals: RefusalLog::new(),
        };
        Self {
            listeners: listeners.into(),
            shared,
        }
    }

    /// Opens the port without TLS; port 0 takes any. Publishers go through `gate`. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(
        address: SocketAddr,
        gate: G,
        limits: Limits,
        counters: Counters,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind("rtmp", address)?;
        Ok(Self::of(vec![listener], gate, limits, counters))
    }

    /// Believes `proxies` who their clients are.
    #[must_use]
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.listeners = self.listeners.behind(proxies.clone());
        self.shared.proxies = proxies;
        self
    }

    /// The open ports.
    pub fn ports(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter()
    }

    /// Serves until `shutdown` is cancelled; then tells every peer, and waits for all tasks to
    /// end.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut door = Door {
            shared: Arc::new(self.shared),
            shutdown: shutdown.clone(),
        };
        let mut connections = self.listeners.run(&mut door, &shutdown).await;
        connections.ended().await;
    }
}

/// Lets connections in, as strangers.
struct Door<G> {
    shared: Arc<Shared<G>>,
    shutdown: CancellationToken,
}

impl<G: Gate> Protocol for Door<G> {
    fn accepted(&mut self, incoming: Incoming, connections: &mut Connections) {
        let peer = incoming.peer;
        let share = match self.shared.proxies.trusts(peer.ip()) {
            true => Share::OfProxy,
            false => Share::OfPeer,
        };
        let (stranger, evicted) = self.shared.strangers.enter(peer.ip(), share);
        self.shared.counters.evicted.inc_by(evicted.into());
        let (shared, shutdown) = (Arc::clone(&self.shared), self.shutdown.clone());
        connections.spawn(peer::serve(incoming, stranger, shared, shutdown));
    }

    /// Most likely too many files are open: the place of a stranger may let a publisher in.
    fn accept_failed(&mut self) {
        let evicted = self.shared.strangers.evict_one();
        self.shared.counters.evicted.inc_by(evicted.into());
    }

    fn not_a_proxy(&mut self) {
        self.shared.counters.refused.inc();
    }
}
