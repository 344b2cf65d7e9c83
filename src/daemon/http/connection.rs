//! One connection: HTTP/1.1 or HTTP/2 with prior knowledge. Every wait is bounded.

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
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::limits::Limits;
use super::tap::{Tap, Verdict};

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

/// Serves `stream` until the client closes it, it is idle for too long, its responses take too
/// long, or `shutdown`. After `shutdown`, requests in progress are still answered.
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
    let (activity, peer) = (tap.activity.clone(), tap.peer);
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
