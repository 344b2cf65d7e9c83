//! One connection: HTTP/1.1 or HTTP/2, with TLS or without. Every wait is bounded.
//!
//! Over TLS the client's ALPN decides between the two; without TLS, HTTP/2 needs prior knowledge.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Cursor};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::activity::Verdict;
use super::answer::Answerer;
use super::ask::{Carrier, Peer};
use super::http1::{self, Rest};
use super::limits::{HEADERS_MAX, Limits};
use super::places::{Evicted, Full};
use super::refusal;
use super::tap::Tap;
use crate::daemon::net::HeaderError;
use crate::daemon::tls::{self, Acceptor};

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

/// Players request a playlist and a part of each rendition at once, but not hundreds of them.
const HTTP2_STREAMS_MAX: u32 = 64;

/// Bytes that a client may send ahead, on one stream and on the whole connection. They can be few,
/// because the requests of viewers have no bodies.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 16 * 1024;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;

/// hyper's settings of all connections, by what is spoken.
#[derive(Debug)]
pub(super) struct Builders {
    one: auto::Builder<Tracked>,
    two: auto::Builder<Tracked>,
    either: auto::Builder<Tracked>,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    One,
    Two,
    /// Its first bytes will tell.
    Either,
}

impl Builders {
    pub(super) fn new(limits: &Limits, tasks: Tracked) -> Self {
        let either = builder(limits, tasks);
        Self {
            one: either.clone().http1_only(),
            two: either.clone().http2_only(),
            either,
        }
    }
}

impl Spoken {
    /// Without TLS, the first bytes of the client tell, of which these have come. The preface of HTTP/2 is
    /// `PRI * HTTP/2.0` (RFC 9113 section 3.4), and no usual method begins with the same two letters.
    fn in_clear(first: &[u8]) -> Self {
        match first {
            [b'P'] | [b'P', b'R', ..] => Self::Either,
            _ => Self::One,
        }
    }

    /// Over TLS, both have agreed on it in the handshake (RFC 9113 section 3.2). Who did not take part in
    /// that speaks HTTP/1.1.
    fn over_tls(stream: &tls::Stream) -> Self {
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Self::Two,
            _ => Self::One,
        }
    }
}

fn builder(limits: &Limits, tasks: Tracked) -> auto::Builder<Tracked> {
    let mut builder = auto::Builder::new(tasks);
    builder
        .http1()
        // See `checks`.
        .header_read_timeout(None)
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
pub(super) struct Connection<A> {
    pub(super) builders: Arc<Builders>,
    pub(super) tap: Tap<A>,
    pub(super) limits: Limits,
    pub(super) shutdown: CancellationToken,
}

impl<A: Answerer> Connection<A> {
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
        let conversation = match (opened, tls) {
            (Ok(Ok(spoken)), None) => Some(self.converse(stream, spoken)),
            (Ok(Ok(_)), Some(tls)) => Box::pin(self.secure(stream, tls)).await,
            (Ok(Err(Unopened::Full(_))), Some(tls)) => {
                // The client can be told only what it can read: the handshake comes first.
                self.tap.is_refused = true;
                self.limits = self.limits.for_refusal();
                Box::pin(self.secure(stream, tls)).await
            }
            (unopened, tls) => {
                if self.is_told(unopened) && tls.is_none() {
                    Box::pin(self.tell(stream)).await;
                }
                return;
            }
        };
        if let Some(conversation) = conversation {
            self.attend(conversation).await;
        }
    }

    /// Whether a client that cannot be served, and that speaks without TLS, is told so.
    fn is_told(&self, unopened: Result<Result<Spoken, Unopened>, Elapsed>) -> bool {
        let peer = self.tap.peer;
        match unopened {
            Ok(Err(Unopened::Header(cause))) => {
                self.tap.front.warn_of_header(peer, &cause);
                false
            }
            Ok(Err(cause)) => {
                tracing::debug!(peer = %peer.0, %cause, "connection closed");
                matches!(cause, Unopened::Full(_))
            }
            Ok(Ok(_)) | Err(_) => {
                tracing::debug!(peer = %peer.0, "connection closed: no byte came in time");
                self.tap.is_refused
            }
        }
    }

    /// Tells a client that there is no place for it.
    async fn tell(self, stream: TcpStream) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.tap.activity.place().evicted().cancelled() => {}
            () = refusal::tell(stream) => {}
        }
    }

    /// The handshake of TLS. Until it has ended, a connection is one that has asked nothing: it makes
    /// room first. `None` if nothing is to be served.
    async fn secure(&mut self, stream: TcpStream, tls: Acceptor) -> Option<Talk> {
        let handshake_max = self.limits.handshake_max.min(self.limits.idle_max);
        let evicted = self.tap.activity.place().evicted();
        let peer = self.tap.peer.0;
        let secured = tokio::select! {
            () = self.shutdown.cancelled() => return None,
            () = evicted.cancelled() => {
                closed_for_another(self.tap.peer);
                return None;
            }
            secured = timeout(handshake_max, tls.accept(stream)) => secured,
        };
        match secured {
            Ok(Ok(Some(stream))) => {
                let is_trusted = tls.is_trusted();
                self.tap.carrier = Carrier::Tls { is_trusted };
                let spoken = Spoken::over_tls(&stream);
                return Some(self.converse(stream, spoken));
            }
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "connection closed: no TLS"),
            Err(_) => tracing::debug!(%peer, "connection closed: the TLS handshake took too long"),
        }
        self.tap.front.metrics.refused("no_tls");
        None
    }

    /// Begins to serve the requests of `stream`.
    fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        spoken: Spoken,
    ) -> Talk {
        let (builders, tap) = (self.builders.clone(), self.tap.clone());
        let head_bytes_max = self.limits.head_bytes_max;
        Box::pin(async move {
            match spoken {
                Spoken::One => {
                    let Some(rest) = http1::converse(stream, &tap, head_bytes_max).await? else {
                        return Ok(());
                    };
                    let Rest { stream, unread } = rest;
                    let (read, write) = tokio::io::split(stream);
                    let whole = tokio::io::join(Cursor::new(unread).chain(read), write);
                    Box::pin(by_hyper(&builders.one, whole, tap)).await
                }
                Spoken::Two => Box::pin(by_hyper(&builders.two, stream, tap)).await,
                Spoken::Either => Box::pin(by_hyper(&builders.either, stream, tap)).await,
            }
        })
    }

    /// Waits for the end of a conversation, and ends it when it must not go on.
    async fn attend(self, mut conversation: Talk) {
        let (activity, peer) = (&self.tap.activity, self.tap.peer);
        // A crowd wakes the conversations all the time: what seldom happens is looked at only when it does.
        let mut orders = FuturesUnordered::new();
        orders.push(self.order());
        loop {
            let order = tokio::select! {
                biased;
                ended = conversation.as_mut() => {
                    return ended.unwrap_or_else(|error| {
                        tracing::debug!(?peer, error, "connection ended early");
                    });
                }
                Some(order) = orders.next() => order,
            };
            match order {
                Order::Close => return,
                Order::End => {
                    // The conversation is polled again, and finds it there.
                    activity.end_connection();
                    orders.push(self.order());
                }
            }
        }
    }

    /// Waits until the conversation must not go on as it does.
    async fn order(&self) -> Order {
        let (activity, peer, limits) = (&self.tap.activity, self.tap.peer, &self.limits);
        let (mut checks, is_ending) = (checks(limits), activity.is_ending());
        loop {
            let now = tokio::select! {
                () = activity.place().evicted().cancelled() => {
                    closed_for_another(peer);
                    return Order::Close;
                }
                () = self.shutdown.cancelled(), if !is_ending => return Order::End,
                now = checks.tick() => now,
            };
            match activity.verdict(now, limits.idle_max, limits.request_max) {
                Verdict::Well => {}
                // New requests go to another connection; responses that progress are finished.
                Verdict::Straggling if is_ending => {}
                Verdict::Straggling => return Order::End,
                Verdict::Idle if !is_ending => return Order::End,
                verdict => {
                    tracing::debug!(?peer, ?verdict, "connection closed");
                    return Order::Close;
                }
            }
        }
    }
}

/// What a conversation must do.
enum Order {
    /// End after the requests in progress.
    End,
    /// End at once.
    Close,
}

/// The requests and responses of one connection, whichever version of HTTP it speaks. It ends after those in
/// progress once its [`Activity`](super::activity::Activity) says so.
///
/// It has a box of its own, because the many states of a connection that is being opened, or that speaks
/// HTTP/2, would otherwise be memory of every connection.
type Talk = Pin<Box<dyn Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send>>;

async fn by_hyper<A: Answerer>(
    builder: &auto::Builder<Tracked>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tap: Tap<A>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let activity = tap.activity.clone();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), tap));
    let mut is_told = false;
    poll_fn(|context| {
        if activity.is_ending() && !is_told {
            is_told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await
}

/// Waits for the first byte of the first request. Before it, a proxy may have to name its client.
async fn open<A>(stream: &mut TcpStream, tap: &mut Tap<A>) -> Result<Spoken, Unopened> {
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
    // `readable` may return although nothing has come; `peek` does not. Where nothing comes, the end of the
    // connection is found later.
    let mut first = [0; 2];
    let come = stream.peek(&mut first).await?;
    Ok(Spoken::in_clear(first.get(..come).unwrap_or_default()))
}

fn closed_for_another(Peer(peer): Peer) {
    tracing::debug!(%peer, "connection closed to make room for another");
}

/// Tells when to check whether a connection may stay. hyper's own timeout would cover only heads of
/// HTTP/1, and only once the protocol is known. These checks cover everything that a client may leave
/// unfinished.
fn checks(limits: &Limits) -> Interval {
    let shortest = limits.idle_max.min(limits.request_max);
    let period = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
    let mut checks = tokio::time::interval_at(Instant::now() + period, period);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks
}
