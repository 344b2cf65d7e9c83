//! The HTTP server: it lets connections in, and at shutdown it finishes requests in progress.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::base::cors::Cors;
use crate::daemon::net::{BindError, Connections, Listener, Open, Protocol};
use crate::daemon::origin::Origin;
use crate::daemon::session::Catalog;
use crate::daemon::telemetry::metrics::{HttpMetrics, Metrics};

use super::answer;
use super::app::App;
use super::ask::Peer;
use super::assets::Assets;
use super::audience::Audience;
use super::caching::GzipCache;
use super::connection::{self, Tracked};
use super::limits::Limits;
use super::places::Places;
use super::refusal::Refusals;
use super::tap::{Activity, Tap};

/// A port that is open but not served yet.
#[derive(Debug)]
pub struct Server {
    audience: Audience,
    listener: Listener,
    limits: Limits,
}

impl Server {
    /// Opens the public port; pages of the sites in `cors` may use media and API. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn bind(address: SocketAddr, cors: Cors) -> Result<Self, BindError> {
        Ok(Self {
            audience: Audience::Viewers(cors),
            listener: Listener::bind("http", address)?,
            limits: Limits::default(),
        })
    }

    /// Opens the admin port, which may be asked by address, as `localhost` and by `hosts`, in lower
    /// case. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn bind_admin(address: SocketAddr, hosts: Vec<String>) -> Result<Self, BindError> {
        Ok(Self {
            audience: Audience::Operators(hosts),
            listener: Listener::bind("admin", address)?,
            limits: Limits::admin(),
        })
    }

    /// Replaces the default bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address listened on, with the port that the system chose when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
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
            catalog,
            origin,
            metrics: metrics.clone(),
            assets: Assets::embedded(),
            gzip: GzipCache::default(),
        };
        let (limits, streams) = (self.limits, TaskTracker::new());
        let mut door = Door {
            service: warp::service(answer::all(Arc::new(app))),
            builder: Arc::new(connection::builder(&limits, Tracked(streams.clone()))),
            places: Places::new(
                limits.connections_affordable(),
                limits.connections_per_address_max,
            ),
            refusals: Refusals::new(),
            metrics: metrics.http,
            limits,
            shutdown: shutdown.clone(),
        };
        let mut connections = self.listener.run(&mut door, &shutdown).await;
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
struct Door<S> {
    service: S,
    builder: Arc<auto::Builder<Tracked>>,
    places: Arc<Places>,
    refusals: Refusals,
    metrics: HttpMetrics,
    limits: Limits,
    shutdown: CancellationToken,
}

impl<S, B> Protocol for Door<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn accepted(&mut self, stream: TcpStream, peer: SocketAddr, connections: &mut Connections) {
        let place = match self.places.take(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                tracing::debug!(%peer, reason = full.reason(), "connection refused");
                self.metrics.refused(full.reason());
                if let Some(telling) = self.refusals.tell(stream, peer) {
                    connections.spawn(telling);
                }
                return;
            }
        };
        let open = Open::count(&self.metrics.connections);
        end_when_unacknowledged(&stream, &self.limits);
        let tap = Tap {
            inner: self.service.clone(),
            peer: Peer(peer.ip().to_canonical()),
            activity: Activity::new(Instant::now()),
            metrics: self.metrics.clone(),
        };
        let (builder, shutdown) = (self.builder.clone(), self.shutdown.clone());
        let serving = connection::serve(builder, stream, tap, self.limits, shutdown);
        connections.spawn(async move {
            serving.await;
            drop((place, open));
        });
    }

    fn accept_failed(&mut self) {
        self.metrics.accept_errors.inc();
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
