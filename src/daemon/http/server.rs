//! The listener and its accept loop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::server::conn::auto;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::daemon::origin::Origin;
use crate::daemon::session::Catalog;
use crate::daemon::telemetry::metrics::{HttpMetrics, Metrics};

use super::ask::Peer;
use super::assets::Assets;
use super::caching::GzipCache;
use super::connection::{self, Tracked};
use super::gate::{Admission, Gate};
use super::refusal::{REFUSALS_MAX, Refusals};
use super::routes::{self, App};
use super::tap::{Activity, Tap};

/// Bounds of the web side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time from one IPv4 address or IPv6 /64 network.
    pub connections_per_address_max: usize,
    /// Bytes of a request's head; hyper wants 8192 or more.
    pub head_bytes_max: usize,
    /// How long a connection may take to ask, the first time and between requests.
    pub idle_max: Duration,
    /// How long one response may take, waiting and sending.
    pub request_max: Duration,
    /// How long [`Server::run`] finishes responses after `shutdown`.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            // Many viewers may share an address (a company, a proxy); none gets more than a
            // quarter of all places.
            connections_per_address_max: 2048,
            head_bytes_max: 16 * 1024,
            idle_max: Duration::from_secs(30),
            request_max: Duration::from_secs(120),
            drain_max: Duration::from_secs(5),
        }
    }
}

/// File descriptors left for everything that is not a viewer: workers, publishers, files.
const RESERVED_FDS: usize = 256;
/// Even with few descriptors some viewers are let in.
const CONNECTIONS_MIN: usize = 64;
/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;
/// A pause after an accept that failed: the cause (no descriptors, no memory) needs time to go.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A failing accept is told this often at most.
const ACCEPT_WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Why the listener could not be opened: one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("http cannot listen on {address}: {cause}; {next_step}", next_step = next_step(cause))]
pub struct BindError {
    address: SocketAddr,
    cause: io::Error,
}

fn next_step(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this port (`ss -ltnp` shows which): stop it, or set another \
             port as [server] http"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set [server] http to one that `ip address` shows, \
             or to 0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: set [server] http to a port such as 8080"
        }
        _ => "set another [server] http",
    }
}

/// A listener that is open but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Server {
    /// Opens the listener. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let error = |cause| BindError { address, cause };
        let listener = listen(address).map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self {
            listener,
            address,
            limits: Limits::default(),
        })
    }

    /// With other bounds than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where it listens; says which port when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then finishes what is being answered for at most
    /// [`Limits::drain_max`]. Every task has ended when this returns.
    pub async fn run<C: Catalog>(
        self,
        catalog: C,
        origin: Origin,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) {
        let app = App {
            catalog,
            origin,
            metrics: metrics.clone(),
            assets: Assets::embedded(),
            gzip: GzipCache::default(),
        };
        let mut accepting = Accepting {
            listener: self.listener,
            errors: metrics.http.accept_errors.clone(),
            warned: None,
        };
        let streams = TaskTracker::new();
        let tasks = Tracked(streams.clone());
        let limits = self.limits;
        let mut door = Door {
            service: warp::service(routes::all(Arc::new(app))),
            protocol: Arc::new(connection::protocol(&limits, tasks)),
            gate: Gate::new(places(&limits), limits.connections_per_address_max),
            refusals: Refusals::new(),
            metrics: metrics.http,
            limits,
            shutdown: shutdown.clone(),
            connections: JoinSet::new(),
        };
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = door.connections.join_next() => report(ended),
                (stream, peer) = accepting.next() => door.welcome(stream, peer),
            }
        }
        drop(accepting);
        drain(door.connections, streams, limits.drain_max).await;
    }
}

/// Lets connections in.
struct Door<S> {
    service: S,
    protocol: Arc<auto::Builder<Tracked>>,
    gate: Arc<Gate>,
    refusals: Refusals,
    metrics: HttpMetrics,
    limits: Limits,
    shutdown: CancellationToken,
    connections: JoinSet<()>,
}

impl<S, B> Door<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn welcome(&mut self, stream: TcpStream, peer: SocketAddr) {
        let admission = match self.gate.admit(peer.ip()) {
            Ok(admission) => admission,
            Err(refusal) => {
                tracing::debug!(%peer, reason = refusal.reason(), "connection refused");
                self.metrics.refused(refusal.reason());
                if let Some(telling) = self.refusals.tell(stream, peer) {
                    self.connections.spawn(telling);
                }
                return;
            }
        };
        self.metrics.connections.inc();
        let place = Place {
            _admission: admission,
            connections: self.metrics.connections.clone(),
        };
        prepare(&stream, &self.limits);
        let tap = Tap {
            inner: self.service.clone(),
            peer: Peer(peer.ip().to_canonical()),
            activity: Activity::new(Instant::now()),
            metrics: self.metrics.clone(),
        };
        let (protocol, shutdown) = (self.protocol.clone(), self.shutdown.clone());
        let serving = connection::serve(protocol, stream, tap, self.limits, shutdown);
        self.connections.spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

/// A connection's place among all of them and in the metrics.
struct Place {
    _admission: Admission,
    connections: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A restart must not wait for the last connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Raises the soft limit of open files to the hard one and returns it (`None`: no limit). Most
/// systems start a process with 1024, which is few viewers. Call it once, before anything else is
/// started.
pub fn raise_open_files_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, limit = ?current, "the limit of open files stays as it is");
            current
        }
    }
}

/// Places for viewers: as configured, but never so many that the rest of the daemon lacks files.
fn places(limits: &Limits) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    let places =
        descriptors
            .and_then(|n| usize::try_from(n).ok())
            .map_or(limits.connections_max, |n| {
                let reserved = RESERVED_FDS + REFUSALS_MAX;
                let for_viewers = n.saturating_sub(reserved).max(CONNECTIONS_MIN);
                limits.connections_max.min(for_viewers)
            });
    if places < limits.connections_max {
        tracing::warn!(
            connections_max = places,
            "few files may be open (`ulimit -n`), so fewer viewers are let in"
        );
    }
    places
}

/// Accepts, and survives the accepts that fail.
struct Accepting {
    listener: TcpListener,
    errors: Counter,
    warned: Option<Instant>,
}

impl Accepting {
    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_about_the_peer(&error) => {}
                // EMFILE and its kin: the connection stays in the backlog and would be offered
                // again at once, for ever.
                Err(error) => {
                    self.errors.inc();
                    self.warn(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn warn(&mut self, error: &io::Error) {
        let recently = self
            .warned
            .is_some_and(|at| at.elapsed() < ACCEPT_WARNING_INTERVAL);
        if !recently {
            self.warned = Some(Instant::now());
            tracing::warn!(%error, "a viewer cannot be let in; trying again every 100 ms");
        }
    }
}

/// The peer went away before it was accepted: the next one may be fine (accept(2)).
fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// Parts must not wait for more data (Nagle), and a peer that stops reading must not hold a
/// connection for ever: unacknowledged or unaccepted data ends it (tcp(7), `TCP_USER_TIMEOUT`).
fn prepare(stream: &TcpStream, limits: &Limits) {
    let timeout_ms = u32::try_from(limits.idle_max.as_millis()).unwrap_or(u32::MAX);
    let set = stream.set_nodelay(true).and_then(|()| {
        rustix::net::sockopt::set_tcp_user_timeout(stream, timeout_ms).map_err(io::Error::from)
    });
    if let Err(error) = set {
        tracing::debug!(%error, "a socket option could not be set");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked; the others go on");
    }
}

/// Waits for connections and HTTP/2 streams, then ends what is left.
async fn drain(mut connections: JoinSet<()>, streams: TaskTracker, drain_max: Duration) {
    streams.close();
    let finished = tokio::time::timeout(drain_max, async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    });
    if finished.await.is_err() {
        let left = connections.len();
        tracing::warn!(
            left,
            "connections were still busy at shutdown and are cut off"
        );
        connections.shutdown().await;
    }
    // A stream ends as soon as it sees that its connection is gone.
    streams.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_one_line_with_port_and_next_step() {
        let first = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Server::bind(first.address()).unwrap_err().to_string();
        assert!(error.contains(&first.address().to_string()), "{error}");
        assert!(error.contains("stop it, or set another port"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[tokio::test]
    async fn a_foreign_address_says_what_to_set() {
        // TEST-NET-1 (RFC 5737) belongs to no machine.
        let error = Server::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn only_errors_of_the_peer_are_retried_at_once() {
        use rustix::io::Errno;
        for (errno, about_the_peer) in [
            (Errno::CONNABORTED, true),
            (Errno::CONNRESET, true),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::NOBUFS, false),
            (Errno::NOMEM, false),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(is_about_the_peer(&error), about_the_peer, "{error}");
        }
    }
}
