//! The listener: accepts connections, and owns their tasks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::limits::Limits;
use super::peer::{self, Shared};
use super::pool::{Pool, Publishers};
use super::refusals::RefusalLog;
use super::stats::Stats;
use crate::daemon::ingest::Gate;

/// How long the listener rests after an error that the next attempt would meet again, unless a
/// connection ends before.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An RTMP server for publishers.
#[derive(Debug)]
pub struct Server<G> {
    listener: TcpListener,
    local_addr: SocketAddr,
    shared: Arc<Shared<G>>,
}

impl<G: Gate> Server<G> {
    /// Listens on `addr`; port 0 takes any. Publishers go through `gate`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(addr: SocketAddr, gate: G, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let local_addr = listener.local_addr()?;
        let shared = Shared {
            gate,
            strangers: Pool::new(limits.strangers_max),
            publishers: Publishers::new(limits.streams_per_address_max),
            limits,
            stats: Arc::new(Stats::default()),
            refusals: RefusalLog::new(),
        };
        Ok(Self {
            listener,
            local_addr,
            shared: Arc::new(shared),
        })
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The server's counters; they stay readable after it has ended.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.shared.stats)
    }

    /// Serves until `shutdown` is cancelled; then tells every peer, and waits for all tasks to end.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => note_panic(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => self.admit(socket, peer, &mut connections, &shutdown),
                    Err(error) => {
                        self.accept_failed(&error, &mut connections, &shutdown).await;
                    }
                },
            }
        }
        drop(self.listener);
        while let Some(ended) = connections.join_next().await {
            note_panic(ended);
        }
    }

    fn admit(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        connections: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) {
        let stats = &self.shared.stats;
        stats.accepted_total.add(1);
        // Answers are small and waited for; without this they would wait for each other.
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let (stranger, evicted) = self.shared.strangers.enter(peer.ip());
        stats.evicted_total.add(evicted.into());
        let shared = Arc::clone(&self.shared);
        connections.spawn(peer::serve(
            socket,
            peer,
            stranger,
            shared,
            shutdown.clone(),
        ));
    }

    /// Goes on after a failed accept, without spinning on an error that stays.
    async fn accept_failed(
        &self,
        error: &io::Error,
        connections: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        // The error of one connection, gone with it.
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            return;
        }
        let stats = &self.shared.stats;
        stats.accept_errors_total.add(1);
        let count = stats.accept_errors_total.get();
        // Most likely there are too many open files: a stranger's place helps a publisher in.
        let evicted = self.shared.strangers.evict_one();
        stats.evicted_total.add(evicted.into());
        if count.is_power_of_two() {
            warn!(
                %error,
                count,
                next = "goes on; raise the limit of open files if this stays",
                "RTMP listener cannot accept"
            );
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            Some(ended) = connections.join_next() => note_panic(ended),
            () = tokio::time::sleep(ACCEPT_PAUSE) => {}
        }
    }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "an RTMP connection's task failed; the others go on");
    }
}
