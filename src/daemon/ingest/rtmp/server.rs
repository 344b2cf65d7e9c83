//! The RTMP server: it lets connections in and serves them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::limits::Limits;
use super::peer::{self, Shared};
use super::pool::{Pool, Share};
use super::refusals::RefusalLog;
use crate::daemon::ingest::Gate;
use crate::daemon::net::{BindError, Connections, Listener, Protocol, Proxies};

/// An RTMP server for publishers.
#[derive(Debug)]
pub struct Server<G> {
    listener: Listener,
    shared: Shared<G>,
}

impl<G: Gate> Server<G> {
    /// Opens the port; port 0 takes any. Publishers go through `gate`. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(
        address: SocketAddr,
        gate: G,
        limits: Limits,
        counters: Counters,
    ) -> Result<Self, BindError> {
        let shared = Shared {
            gate,
            strangers: Pool::new(limits.strangers_max, limits.strangers_per_address_max),
            proxies: Proxies::default(),
            limits,
            counters,
            refusals: RefusalLog::new(),
        };
        Ok(Self {
            listener: Listener::bind("rtmp", address)?,
            shared,
        })
    }

    /// Believes `proxies` who their clients are.
    #[must_use]
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.listener = self.listener.behind(proxies.clone());
        self.shared.proxies = proxies;
        self
    }

    /// The address listened on, with the port that the system chose when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `shutdown` is cancelled; then tells every peer, and waits for all tasks to
    /// end.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut door = Door {
            shared: Arc::new(self.shared),
            shutdown: shutdown.clone(),
        };
        let mut connections = self.listener.run(&mut door, &shutdown).await;
        connections.ended().await;
    }
}

/// Lets connections in, as strangers.
struct Door<G> {
    shared: Arc<Shared<G>>,
    shutdown: CancellationToken,
}

impl<G: Gate> Protocol for Door<G> {
    fn accepted(&mut self, socket: TcpStream, peer: SocketAddr, connections: &mut Connections) {
        let share = match self.shared.proxies.trusts(peer.ip()) {
            true => Share::OfProxy,
            false => Share::OfPeer,
        };
        let (stranger, evicted) = self.shared.strangers.enter(peer.ip(), share);
        self.shared.counters.evicted.inc_by(evicted.into());
        let (shared, shutdown) = (Arc::clone(&self.shared), self.shutdown.clone());
        connections.spawn(peer::serve(socket, peer, stranger, shared, shutdown));
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
