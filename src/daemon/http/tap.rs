//! The service around the routes: it finds out the client of each request and bounds the client's
//! requests, knows whether the connection is busy, and counts what is sent.

use std::convert::Infallible;
use std::io::IoSlice;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use crate::daemon::telemetry::labels::{Route, RouteLabels};

use super::answer::{Answer, Answerer};
use super::ask::{Ask, Carrier, Peer};
use super::content::Content;
use super::forwarded;
use super::front::Front;
use super::places::Place;
use super::prefix;
use super::refusal;
use super::routes;
use super::shares::Slot;

/// The requests in progress on one connection, and the connection's place.
#[derive(Debug)]
pub(super) struct Activity {
    place: Place,
    /// The connection takes no new requests.
    is_ending: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// When each request in progress came, oldest first.
    busy: Vec<(u64, Instant)>,
    idle_since: Instant,
}

/// What should happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The connection is in order.
    Well,
    /// No request came for too long.
    Idle,
    /// Some of several HTTP/2 responses have taken too long, but the newest has not.
    Straggling,
    /// Every response has taken too long, or one has taken twice as long as allowed.
    Overdue,
}

/// A request in progress, until its response body has been sent.
#[derive(Debug)]
struct Busy {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    pub(super) fn new(now: Instant, place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            is_ending: AtomicBool::new(false),
            state: Mutex::new(State {
                next: 0,
                busy: Vec::new(),
                idle_since: now,
            }),
        })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Lets the connection take no new requests; those in progress are answered. Whoever serves it must be
    /// polled then.
    pub(super) fn end_connection(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    pub(super) fn verdict(
        &self,
        now: Instant,
        idle_max: Duration,
        request_max: Duration,
    ) -> Verdict {
        let state = self.lock();
        let age = |(_, since): &(u64, Instant)| now.duration_since(*since);
        let oldest = state.busy.first().map(age);
        let newest = state.busy.last().map(age);
        // A straggling connection takes no new requests, so all its requests have ended when the
        // oldest has had twice its time. A client that sends new ones nevertheless is cut off then.
        match oldest.zip(newest) {
            None if now.duration_since(state.idle_since) >= idle_max => Verdict::Idle,
            Some((oldest, newest)) if newest >= request_max || oldest >= request_max * 2 => {
                Verdict::Overdue
            }
            Some((oldest, _)) if oldest >= request_max => Verdict::Straggling,
            _ => Verdict::Well,
        }
    }

    fn begin(&self, now: Instant) -> u64 {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        if state.busy.is_empty() {
            self.place.asked();
        }
        state.busy.push((number, now));
        number
    }

    fn end(&self, number: u64, now: Instant) {
        let mut state = self.lock();
        state.busy.retain(|(other, _)| *other != number);
        state.idle_since = now;
        if state.busy.is_empty() {
            self.place.rests();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    fn begin(activity: &Arc<Activity>, now: Instant) -> Self {
        Self {
            number: activity.begin(now),
            activity: activity.clone(),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.end(self.number, Instant::now());
    }
}

/// The service around the routes. Each connection has its own.
#[derive(Debug, Clone)]
pub(super) struct Tap<A> {
    pub(super) inner: A,
    /// The client, or the proxy that the connection comes from.
    pub(super) peer: Peer,
    /// How requests come, unless a proxy passes them on.
    pub(super) carrier: Carrier,
    pub(super) activity: Arc<Activity>,
    pub(super) front: Arc<Front>,
    /// There was no place for the connection.
    pub(super) is_refused: bool,
}

impl<A> Tap<A> {
    /// Who asks, and the request's slot among the requests of this client; or why it is refused.
    fn admit(&self, ask: &Ask) -> (IpAddr, Result<Option<Slot>, StatusCode>) {
        let (Peer(peer), front) = (self.peer, &self.front);
        let client = forwarded::client(ask.headers(), peer, &front.proxies);
        let admitted = match front.requests.enter(client) {
            _ if refusal::is_always_answered(ask.whole_path()) => Ok(None),
            _ if self.is_refused => Err(StatusCode::SERVICE_UNAVAILABLE),
            None => {
                front.warn_of_too_many(client);
                Err(StatusCode::TOO_MANY_REQUESTS)
            }
            slot => Ok(slot),
        };
        (client, admitted)
    }
}

impl<A: Answerer> Tap<A> {
    /// The answer to `ask`.
    pub(super) fn answer<B>(&self, ask: Ask, body: B) -> Answering
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let asked = Instant::now();
        let busy = Busy::begin(&self.activity, asked);
        let is_head = ask.is_head();
        let shown = tracing::enabled!(tracing::Level::DEBUG).then(|| {
            let path = prefix::hidden(ask.whole_path());
            format!("{} {path}", ask.method())
        });
        let (client, admitted) = self.admit(&ask);
        let carrier = match (self.carrier, self.front.proxies.trusts(self.peer.0)) {
            (Carrier::Plain, true) => Carrier::Proxy,
            (carrier, _) => carrier,
        };
        let (answer, slot) = match admitted {
            Ok(slot) => (Ok(self.inner.answer(ask.from(client, carrier), body)), slot),
            Err(status) => (Err(status), None),
        };
        let wrapping = Wrapping {
            asked,
            shown,
            client,
            front: self.front.clone(),
            is_refused: self.is_refused,
            is_head,
            busy,
            slot,
        };
        Answering {
            answer,
            wrapping: Some(wrapping),
        }
    }
}

/// Requests whose heads hyper has read.
impl<A: Answerer> Service<Request<Incoming>> for Tap<A> {
    type Response = Response<Tapped>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let (parts, body) = request.into_parts();
        let ask = Ask::of(parts);
        let ask = match routes::is_live(ask.path()) {
            true => ask.detached(),
            false => ask,
        };
        self.answer(ask, body)
    }
}

/// The answer to come.
pub(super) struct Answering {
    /// With which status it is refused, if it is.
    answer: Result<BoxFuture<'static, Answer>, StatusCode>,
    /// Until it has come.
    wrapping: Option<Wrapping>,
}

/// What an answer is wrapped into.
#[derive(Debug)]
struct Wrapping {
    asked: Instant,
    /// The request, if it is logged.
    shown: Option<String>,
    client: IpAddr,
    front: Arc<Front>,
    is_refused: bool,
    is_head: bool,
    busy: Busy,
    slot: Option<Slot>,
}

impl Future for Answering {
    type Output = Result<Response<Tapped>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (route, response) = match &mut self.answer {
            Ok(answer) => ready!(answer.as_mut().poll(context)),
            Err(status) => (Route::Page, refusal::response(*status, Content::default())),
        };
        match self.wrapping.take() {
            Some(wrapping) => Poll::Ready(Ok(wrapping.around(route, response))),
            // "Once a future has finished, clients should not `poll` it again" (docs of `Future`).
            None => Poll::Pending,
        }
    }
}

impl Wrapping {
    fn around(self, route: Route, response: Response<Content>) -> Response<Tapped> {
        let metrics = &self.front.metrics;
        let code = response.status().as_u16();
        metrics.responded(route, code);
        if let Some(request) = self.shown {
            let elapsed_ms = self.asked.elapsed().as_millis();
            tracing::debug!(peer = %self.client, ?request, code, elapsed_ms, "answered");
        }
        let labels = RouteLabels { route };
        let sent_bytes = metrics.sent_bytes.get_or_create_owned(&labels);
        let mut response = response.map(|body| Tapped {
            inner: body,
            sent_bytes,
            _busy: self.busy,
            _slot: self.slot,
        });
        if self.is_refused {
            refusal::end_connection(&mut response);
        }
        if self.is_head {
            state_length(&mut response);
            response.body_mut().inner = Content::default();
        }
        response
    }
}

/// Adds the length that the body of a GET would have to a response to HEAD (RFC 9110 section 8.6).
/// Responses with status 204 or 304 have no body.
fn state_length(response: &mut Response<Tapped>) {
    let bodyless = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    let bytes = response.body().remaining();
    if !bodyless {
        let length = response.headers_mut().entry(CONTENT_LENGTH);
        length.or_insert(HeaderValue::from(bytes));
    }
}

/// A response body that counts the bytes sent; without a body for HEAD.
#[derive(Debug)]
pub(super) struct Tapped {
    inner: Content,
    sent_bytes: Counter,
    _busy: Busy,
    _slot: Option<Slot>,
}

/// For those who send it as it is.
impl Buf for Tapped {
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.inner.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.inner.chunks_vectored(slices)
    }

    fn advance(&mut self, bytes: usize) {
        self.sent_bytes.inc_by(bytes as u64);
        self.inner.advance(bytes);
    }
}

/// For hyper.
impl Body for Tapped {
    type Data = Content;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Content>, Infallible>>> {
        let piece = self.inner.piece();
        if let Some(piece) = &piece {
            self.sent_bytes.inc_by(piece.remaining() as u64);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        !self.has_remaining()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::{Holder, Places};
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);
    const REQUEST: Duration = Duration::from_secs(120);

    fn activity(start: Instant) -> Arc<Activity> {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (place, _) = Places::new(1, 1).take(address, Holder::Client).unwrap();
        Activity::new(start, place)
    }

    #[test]
    fn idle_counts_from_the_end_of_the_last_request() {
        let start = Instant::now();
        let activity = activity(start);
        let after = |time| activity.verdict(start + time, IDLE, REQUEST);
        assert_eq!(after(IDLE - Duration::from_nanos(1)), Verdict::Well);
        assert_eq!(after(IDLE), Verdict::Idle);
        let number = activity.begin(start + IDLE);
        assert_eq!(after(IDLE * 3), Verdict::Well);
        activity.end(number, start + IDLE * 3);
        assert_eq!(after(IDLE * 3), Verdict::Well);
        assert_eq!(after(IDLE * 4), Verdict::Idle);
    }

    #[test]
    fn a_connection_is_overdue_when_all_its_requests_are() {
        let start = Instant::now();
        let activity = activity(start);
        let oldest = activity.begin(start);
        let after = |time| activity.verdict(start + time, IDLE, REQUEST);
        assert_eq!(after(REQUEST - Duration::from_nanos(1)), Verdict::Well);
        assert_eq!(after(REQUEST), Verdict::Overdue);
        let _newer = activity.begin(start + REQUEST / 2);
        assert_eq!(after(REQUEST), Verdict::Straggling);
        assert_eq!(after(REQUEST * 3 / 2), Verdict::Overdue);
        activity.end(oldest, start + REQUEST);
        assert_eq!(after(REQUEST), Verdict::Well);
    }

    #[test]
    fn always_newer_requests_do_not_save_an_old_one() {
        let start = Instant::now();
        let activity = activity(start);
        let _oldest = activity.begin(start);
        let _newer = activity.begin(start + REQUEST * 2);
        let verdict = activity.verdict(start + REQUEST * 2, IDLE, REQUEST);
        assert_eq!(verdict, Verdict::Overdue);
    }
}
