//! The HTTP server: it lets connections in, and at shutdown it finishes requests in progress.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::cors::Cors;
use crate::base::flood;
use crate::daemon::access::Guard;
use crate::daemon::net::{
    BindError, Connections, Incoming, Listener, Listeners, Open, Protocol, Proxies,
};
use crate::daemon::origin::Origin;
use crate::daemon::session::Catalog;
use crate::daemon::telemetry::metrics::{HttpMetrics, Metrics};
use crate::daemon::tls::Certificates;

use super::activity::Activity;
use super::answer::{self, Answerer};
use super::app::App;
use super::ask::{Carrier, Peer};
use super::assets::Assets;
use super::audience::Audience;
use super::connection::{Builders, Connection, Tracked};
use super::edges::Steering;
use super::front::Front;
use super::limits::Limits;
use super::pages::Policies;
use super::places::{Evicted, Full, Place, Places};
use super::redirect::Redirect;
use super::refusal;
use super::tap::Tap;

/// Warnings about places are logged at most once in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The open ports of one audience, not served yet.
#[derive(Debug)]
pub struct Server {
    audience: Audience,
    listeners: Listeners,
    limits: Limits,
    proxies: Proxies,
    redirect: Option<Redirect>,
    certificates: Option<Certificates>,
    guard: Guard,
    embedders: Cors,
    steering: Steering,
}

impl Server {
    /// A server of the public ports `listeners`; pages of the sites in `cors` may use media and API.
    pub fn public(listeners: Vec<Listener>, cors: Cors) -> Self {
        Self {
            audience: Audience::Viewers(cors),
            listeners: listeners.into(),
            limits: Limits::default(),
            proxies: Proxies::default(),
            redirect: None,
            certificates: None,
            guard: Guard::default(),
            embedders: Cors::Any,
            steering: Steering::default(),
        }
    }

    /// Opens the public port without TLS; pages of the sites in `cors` may use media and API. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn bind(address: SocketAddr, cors: Cors) -> Result<Self, BindError> {
        Ok(Self::public(vec![Listener::bind("http", address)?], cors))
    }

    /// Opens the admin port, which may be asked by address, as `localhost` and by `hosts`, in lower
    /// case. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn bind_admin(address: SocketAddr, hosts: Vec<String>) -> Result<Self, BindError> {
        Ok(Self {
            audience: Audience::Operators(hosts),
            listeners: vec![Listener::bind("admin", address)?].into(),
            limits: Limits::admin(),
            proxies: Proxies::default(),
            redirect: None,
            certificates: None,
            guard: Guard::default(),
            embedders: Cors::Any,
            steering: Steering::default(),
        })
    }

    /// Sends visitors of pages without TLS to the port with TLS, if there is one.
    #[must_use]
    pub fn redirecting(mut self) -> Self {
        let port = |is_secured| {
            let mut ports = self.listeners.iter();
            let found = ports.find(|port| port.is_secured() == is_secured);
            found.map(|port| port.address().port())
        };
        self.redirect = port(true).map(|secured| Redirect::to(secured, port(false)));
        self
    }

    /// Answers the authorities of `certificates`, and tells in metrics when they end.
    #[must_use]
    pub fn knowing(mut self, certificates: Option<Certificates>) -> Self {
        self.certificates = certificates;
        self
    }

    /// Asks `guard` who may watch; else everybody may.
    #[must_use]
    pub fn guarded(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sends viewers to the edges of `steering`; else they come here.
    #[must_use]
    pub fn steered(mut self, steering: Steering) -> Self {
        self.steering = steering;
        self
    }

    /// Only pages of the sites in `embedders`, and weir's own, may frame the bare player.
    #[must_use]
    pub fn embedded_by(mut self, embedders: Cors) -> Self {
        self.embedders = embedders;
        self
    }

    /// Replaces the default bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Believes `proxies` who their clients are.
    #[must_use]
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.listeners = self.listeners.behind(proxies.clone());
        self.proxies = proxies;
        self
    }

    /// The open ports.
    pub fn ports(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter()
    }

    /// Serves until `shutdown`, then finishes the requests in progress within
    /// [`Limits::drain_max`]. Every task has ended when this returns.
    pub async fn run<C: Catalog>(
        self,
        catalog: C,
        origin: Origin,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) {
        let app = App {
            audience: self.audience,
            redirect: self.redirect,
            guard: self.guard,
            steering: self.steering,
            policies: Policies::new(&self.embedders, Assets::embedded()),
            catalog,
            origin,
            metrics: metrics.clone(),
            certificates: self.certificates,
            assets: Assets::embedded(),
        };
        let (limits, streams) = (self.limits, TaskTracker::new());
        let mut door = Door {
            service: answer::all(app),
            builders: Arc::new(Builders::new(&limits, Tracked(streams.clone()))),
            places: Places::new(
                limits.connections_affordable(),
                limits.connections_per_address_max,
            ),
            reserve: Places::new(refusal::REFUSALS_MAX, refusal::REFUSALS_PER_PEER_MAX),
            front: Front::new(
                self.proxies,
                limits.requests_per_address_max,
                metrics.http.clone(),
            ),
            metrics: metrics.http,
            warnings: flood::Limit::new(1, WARNING_INTERVAL),
            limits,
            shutdown: shutdown.clone(),
        };
        let mut connections = self.listeners.run(&mut door, &shutdown).await;
        if timeout(limits.drain_max, connections.ended())
            .await
            .is_err()
        {
            connections.cut_off().await;
        }
        // A stream of HTTP/2 ends as soon as its connection is gone.
        streams.close();
        streams.wait().await;
    }
}

/// Lets connections in, or turns them away.
struct Door<A> {
    service: A,
    builders: Arc<Builders>,
    places: Arc<Places>,
    /// For those that find no place: they are told so, and health is answered.
    reserve: Arc<Places>,
    front: Arc<Front>,
    metrics: HttpMetrics,
    warnings: flood::Limit,
    limits: Limits,
    shutdown: CancellationToken,
}

impl<A> Door<A> {
    /// A place for a connection, and whether it is one of the reserve; `None` when not even the
    /// reserve has one.
    fn place(&mut self, peer: IpAddr) -> Option<(Place, bool)> {
        let holder = self.front.holder(peer);
        match self.places.take(peer, holder) {
            Ok((place, None)) => Some((place, false)),
            Ok((place, Some(evicted))) => {
                self.metrics.evicted(Some(evicted.reason()));
                self.warn("connections without a request in progress are closed for new ones");
                Some((place, false))
            }
            Err(full) => {
                tracing::debug!(%peer, reason = full.reason(), "connection refused");
                self.metrics.refused(full.reason());
                self.warn(match full {
                    Full::Total => "connections are refused: every place has a request in progress",
                    Full::PerAddress => "connections are refused: one address has its share",
                });
                let (place, _) = self.reserve.take(peer, holder).ok()?;
                Some((place, true))
            }
        }
    }

    /// Says, once per while, who has the places and what to do.
    fn warn(&mut self, what: &'static str) {
        let (true, left_out) = self.warnings.pass(std::time::Instant::now()) else {
            return;
        };
        let census = self.places.census();
        let (largest_peer, largest_peer_has) = match census.largest {
            Some((peer, count)) => (Some(peer), count),
            None => (None, 0),
        };
        tracing::warn!(
            connections = census.connections,
            silent = census.silent,
            idle = census.idle,
            peers = census.peers,
            largest_peer = largest_peer.map(tracing::field::display),
            largest_peer_has,
            left_out,
            next = "if the largest peer is your proxy, name it in trusted_proxies in [server]; if \
                    it is not welcome, block it in a firewall; if these are viewers, raise \
                    connections_total or connections in [limits]",
            "HTTP: {what}"
        );
    }
}

impl<A: Answerer> Protocol for Door<A> {
    fn accepted(&mut self, incoming: Incoming, connections: &mut Connections) {
        let peer = incoming.peer.ip().to_canonical();
        let Some((place, is_refused)) = self.place(peer) else {
            return;
        };
        let open = (!is_refused).then(|| Open::count(&self.metrics.connections));
        let limits = match is_refused {
            true => self.limits.for_refusal(),
            false => self.limits,
        };
        end_when_unacknowledged(&incoming.stream, &limits);
        let tap = Tap {
            inner: self.service.clone(),
            peer: Peer(peer),
            carrier: Carrier::Plain,
            activity: Activity::new(Instant::now(), place),
            front: self.front.clone(),
            is_refused,
        };
        let connection = Connection {
            builders: self.builders.clone(),
            tap,
            limits,
            shutdown: self.shutdown.clone(),
        };
        connections.spawn(async move {
            connection.serve(incoming.stream, incoming.tls).await;
            drop(open);
        });
    }

    fn accept_failed(&mut self) {
        self.metrics.accept_errors.inc();
        // Most likely too many files are open: the descriptor of who waits may let another in.
        let evicted = self.places.evict_one();
        self.metrics.evicted(evicted.map(Evicted::reason));
    }

    fn not_a_proxy(&mut self) {
        self.metrics.refused("not_a_proxy");
    }
}

/// A client that stops reading must not hold a connection for ever: the kernel ends the connection
/// when data stays unacknowledged or unsent for too long (tcp(7), `TCP_USER_TIMEOUT`).
fn end_when_unacknowledged(stream: &TcpStream, limits: &Limits) {
    let timeout_ms = u32::try_from(limits.idle_max.as_millis()).unwrap_or(u32::MAX);
    let set = rustix::net::sockopt::set_tcp_user_timeout(stream, timeout_ms);
    if let Err(error) = set {
        tracing::debug!(%error, "TCP_USER_TIMEOUT could not be set");
    }
}
