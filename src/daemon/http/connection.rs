//! One connection: HTTP/1.1 or HTTP/2 with prior knowledge, bounded in every wait.

use std::convert::Infallible;
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
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::limits::Limits;
use super::tap::{Activity, Tap, Verdict};

/// Runs the streams of HTTP/2 connections where they can be waited for.
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
/// Players ask for a playlist and a part of each rendition at once, not for hundreds.
const HTTP2_STREAMS_MAX: u32 = 64;

/// What a peer may send us unread, on one stream and on all of a connection: requests of viewers
/// have no bodies.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 16 * 1024;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;

/// How all connections speak HTTP.
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

/// Serves `stream` to its end: closed by the peer, idle for too long, responses that do not get
/// finished, or `shutdown`, after which the requests that are being answered are finished.
pub(super) async fn serve<S, B>(
    builder: Arc<auto::Builder<Tracked>>,
    stream: TcpStream,
    tap: Tap<S>,
    limits: Limits,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let activity: Arc<Activity> = tap.activity.clone();
    let peer = tap.peer;
    let service = TowerToHyperService::new(tap);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // hyper's own timeout begins only once the protocol is known and covers only heads of
    // HTTP/1; this look covers whatever else a peer may leave unfinished.
    let mut look = tokio::time::interval(look_interval(&limits));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closing = false;
    loop {
        let enough = tokio::select! {
            ended = connection.as_mut() => {
                return ended.unwrap_or_else(|error| {
                    tracing::debug!(?peer, error, "connection ended early");
                });
            }
            () = shutdown.cancelled(), if !closing => true,
            now = look.tick() => match activity.verdict(now, limits.idle_max, limits.request_max) {
                Verdict::Well => false,
                // New requests go to another connection, and what is well under way gets done.
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

fn look_interval(limits: &Limits) -> Duration {
    let shortest = limits.idle_max.min(limits.request_max);
    (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5))
}
