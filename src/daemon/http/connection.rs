//! One connection: HTTP/1.1 or HTTP/2, with TLS or without. Every wait is bounded.
//!
//! Over TLS the client's ALPN decides between the two; without TLS, HTTP/2 needs prior knowledge.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::ask::{Carrier, Peer};
use super::limits::Limits;
use super::places::{Evicted, Full};
use super::refusal;
use super::tap::{Tap, Verdict};
use crate::daemon::net::HeaderError;
use crate::daemon::tls::Acceptor;

/// Runs the streams of HTTP/2 connections as tasks that can be awaited at shutdown.
#[derive(Debug, Clone)]
pub(super) struct Tracked(pub(super) TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

const HEADERS_MAX: usize = 64;
/// Players request a playlist and a part of each rendition at once, but not hundreds of them.
const HTTP2_STREAMS_MAX: u32 = 64;

/// Bytes that a client may send ahead, on one stream and on the whole connection. They can be few,
/// because the requests of viewers have no bodies.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 16 * 1024;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;

/// The HTTP settings of all connections.
pub(super) fn builder(limits: &Limits, tasks: Tracked) -> auto::Builder<Tracked> {
    let mut builder = auto::Builder::new(tasks);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_max)
        .max_buf_size(limits.head_bytes_max)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle_max)
        .keep_alive_timeout(limits.idle_max)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX));
    builder
}

/// Why a connection is closed before its first request.
#[derive(Debug, thiserror::Error)]
enum Unopened {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the client has too many connections")]
    Full(Full),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// A connection that has a place.
pub(super) struct Connection<S> {
    pub(super) builder: Arc<auto::Builder<Tracked>>,
    pub(super) tap: Tap<S>,
    pub(super) limits: Limits,
    pub(super) shutdown: CancellationToken,
}

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Serves `stream` until the client closes it, it must make room, it is idle for too long, its
    /// responses take too long, or `shutdown`. After `shutdown`, requests in progress are still
    /// answered.
    pub(super) async fn serve(mut self, mut stream: TcpStream, tls: Option<Acceptor>) {
        let first_byte_max = self.limits.first_byte_max.min(self.limits.idle_max);
        let evicted = self.tap.activity.place().evicted().clone();
        let opened = tokio::select! {
            () = self.shutdown.cancelled() => return,
            () = evicted.cancelled() => return closed_for_another(self.tap.peer),
            opened = timeout(first_byte_max, open(&mut stream, &mut self.tap)) => opened,
        };
        let is_told = match (opened, tls) {
            (Ok(Ok(())), None) => return self.converse(stream).await,
            (Ok(Ok(())), Some(tls)) => return self.secure(stream, tls).await,
            (Ok(Err(Unopened::Full(_))), Some(tls)) => {
                // The client can be told only what it can read: the handshake comes first.
                self.tap.is_refused = true;
                self.limits = self.limits.for_refusal();
                return self.secure(stream, tls).await;
            }
            (Ok(Err(Unopened::Header(cause))), _) => {
                self.tap.front.warn_of_header(self.tap.peer, &cause);
                false
            }
            (Ok(Err(cause)), _) => {
                tracing::debug!(peer = %self.tap.peer.0, %cause, "connection closed");
                matches!(cause, Unopened::Full(_))
            }
            (Err(_), tls) => {
                tracing::debug!(peer = %self.tap.peer.0, "connection closed: no byte came in time");
                self.tap.is_refused && tls.is_none()
            }
        };
        if is_told {
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = evicted.cancelled() => {}
                () = refusal::tell(stream) => {}
            }
        }
    }

    /// Serves `stream` over TLS. Until its handshake has ended, a connection is one that has asked
    /// nothing: it makes room first.
    async fn secure(mut self, stream: TcpStream, tls: Acceptor) {
        let handshake_max = self.limits.handshake_max.min(self.limits.idle_max);
        let evicted = self.tap.activity.place().evicted().clone();
        let secured = tokio::select! {
            () = self.shutdown.cancelled() => return,
            () = evicted.cancelled() => return closed_for_another(self.tap.peer),
            secured = timeout(handshake_max, tls.accept(stream)) => secured,
        };
        let peer = self.tap.peer.0;
        match secured {
            Ok(Ok(Some(stream))) => {
                let is_trusted = tls.is_trusted();
                self.tap.carrier = Carrier::Tls { is_trusted };
                return self.converse(stream).await;
            }
            Ok(Ok(None)) => return,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "connection closed: no TLS"),
            Err(_) => tracing::debug!(%peer, "connection closed: the TLS handshake took too long"),
        }
        self.tap.front.metrics.refused("no_tls");
    }

    /// Serves the requests of `stream`.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self {
            builder,
            tap,
            limits,
            shutdown,
        } = self;
        let (activity, peer) = (tap.activity.clone(), tap.peer);
        let evicted = activity.place().evicted().clone();
        let service = TowerToHyperService::new(tap);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let (mut checks, mut closing) = (checks(&limits), false);
        loop {
            let enough = tokio::select! {
                ended = connection.as_mut() => {
                    return ended.unwrap_or_else(|error| {
                        tracing::debug!(?peer, error, "connection ended early");
                    });
                }
                () = evicted.cancelled() => return closed_for_another(peer),
                () = shutdown.cancelled(), if !closing => true,
                now = checks.tick() => match activity.verdict(now, limits.idle_max, limits.request_max) {
                    Verdict::Well => false,
                    // New requests go to another connection; responses that progress are finished.
                    Verdict::Straggling => true,
                    Verdict::Idle if !closing => true,
                    verdict => return tracing::debug!(?peer, ?verdict, "connection closed"),
                },
            };
            if enough && !closing {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Waits for the first byte of the first request. Before it, a proxy may have to name its client.
async fn open<S>(stream: &mut TcpStream, tap: &mut Tap<S>) -> Result<(), Unopened> {
    let peer = stream.peer_addr()?;
    let client = tap.front.proxies.client(stream, peer).await?;
    if client != peer {
        let address = client.ip().to_canonical();
        tap.peer = Peer(address);
        let holder = tap.front.holder(address);
        let evicted = tap.activity.place().speaks_for(address, holder);
        let evicted = evicted.map_err(|full| {
            tap.front.metrics.refused(full.reason());
            Unopened::Full(full)
        })?;
        tap.front.metrics.evicted(evicted.map(Evicted::reason));
    }
    // `readable` may return although nothing has come; `peek` does not. Its result does not matter:
    // the end of the connection is found later.
    stream.peek(&mut [0]).await?;
    Ok(())
}

fn closed_for_another(Peer(peer): Peer) {
    tracing::debug!(%peer, "connection closed to make room for another");
}

/// Tells when to check whether a connection may stay. hyper's own timeout covers only heads of
/// HTTP/1, and only once the protocol is known. These checks cover everything else that a client
/// may leave unfinished.
fn checks(limits: &Limits) -> Interval {
    let shortest = limits.idle_max.min(limits.request_max);
    let period = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
    let mut checks = tokio::time::interval(period);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks
}
