//! The service around the routes: it finds out the client of each request and bounds the client's
//! requests, tells the connection while it is busy, and counts what is sent.

use std::convert::Infallible;
use std::io::IoSlice;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use crate::daemon::telemetry::labels::{Route, RouteLabels};

use super::activity::{Activity, Busy};
use super::answer::{Answer, Answerer};
use super::ask::{Ask, Carrier, Peer};
use super::content::Content;
use super::forwarded;
use super::front::Front;
use super::prefix;
use super::refusal;
use super::routes;
use super::shares::Slot;

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
