//! A request as handlers see it: only what they need, checked and bounded.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, header};

use super::prefix;
use crate::daemon::session::Viewer;

/// The address of the client. The service around the routes adds it to each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// How a request came. The service around the routes adds it to each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Without TLS.
    Plain,
    /// From a trusted proxy, which may have spoken TLS with the client.
    Proxy,
    /// With TLS, and whether browsers may trust the certificate by themselves.
    Tls { is_trusted: bool },
}

/// Longer user agents are cut off at this many bytes.
const AGENT_BYTES_MAX: usize = 256;

/// What a player calls itself, and after a `;` the rung that it plays: `Weir-Viewer: ID; rung=720p`.
pub(super) const VIEWER: HeaderName = HeaderName::from_static("weir-viewer");
/// Longer ids are none.
const VIEWER_BYTES_MAX: usize = 64;

/// Headers that handlers of media read.
const READ_BY_MEDIA: [HeaderName; 7] = [
    header::ACCEPT_ENCODING,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::ORIGIN,
    header::RANGE,
    header::USER_AGENT,
    VIEWER,
];

/// One request.
#[derive(Debug)]
pub(super) struct Ask {
    method: Method,
    uri: Uri,
    /// Bytes of the path before the address itself: those of a pass.
    address_start: usize,
    headers: HeaderMap,
    peer: IpAddr,
    carrier: Carrier,
    body: Bytes,
}

impl Ask {
    /// Takes the head of a request apart.
    pub(super) fn of(parts: Parts) -> Self {
        let unknown = (Peer(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), Carrier::Plain);
        let from = parts.extensions.get::<(Peer, Carrier)>().copied();
        let (Peer(peer), carrier) = from.unwrap_or(unknown);
        Self {
            peer,
            carrier,
            method: parts.method,
            address_start: prefix::in_front(parts.uri.path()).map_or(0, |(_, end)| end),
            uri: parts.uri,
            headers: parts.headers,
            body: Bytes::new(),
        }
    }

    /// The same request with its body: what a form on a page sent, or a program.
    pub(super) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The same request apart from the buffer that it was read into, which its connection can use again
    /// while the request waits. Only the headers that handlers of media read are kept, all in one buffer.
    pub(super) fn detached(self) -> Self {
        let is_read = |name: &HeaderName| READ_BY_MEDIA.contains(name);
        let kept = || self.headers.iter().filter(|(name, _)| is_read(name));
        let address = self.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let bytes: usize = kept().map(|(_, value)| value.len()).sum();
        let mut buffer = BytesMut::with_capacity(address.len() + bytes);
        let mut copy = |bytes: &[u8]| {
            buffer.extend_from_slice(bytes);
            buffer.split().freeze()
        };
        let uri = Uri::from_maybe_shared(copy(address.as_bytes()));
        let mut headers = HeaderMap::with_capacity(kept().count());
        for (name, value) in kept() {
            if let Ok(value) = HeaderValue::from_maybe_shared(copy(value.as_bytes())) {
                headers.append(name.clone(), value);
            }
        }
        Self {
            uri: uri.unwrap_or(self.uri),
            headers,
            ..self
        }
    }

    /// The request without a body, for those who find out what it names.
    pub(super) fn head<B: Default>(&self) -> Request<B> {
        let mut request = Request::new(B::default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = match self.address_start {
            0 => self.uri.clone(),
            _ => Uri::try_from(self.path()).unwrap_or_default(),
        };
        *request.headers_mut() = self.headers.clone();
        request
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The path without a pass in front of it.
    pub(super) fn path(&self) -> &str {
        let path = self.uri.path();
        path.get(self.address_start..).unwrap_or(path)
    }

    /// The path with the pass in front of it.
    pub(super) fn whole_path(&self) -> &str {
        self.uri.path()
    }

    /// The pass in front of the path.
    pub(super) fn pass(&self) -> Option<&str> {
        prefix::in_front(self.uri.path()).map(|(pass, _)| pass)
    }

    /// What a form on a page sent, or a program; nothing if it was too long.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    pub(super) fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whether the request has the header, once or several times, as text or not.
    pub(super) fn has(&self, name: HeaderName) -> bool {
        self.headers.contains_key(name)
    }

    /// The value of a header that occurs once and is text.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(first)
    }

    /// All values of a list header, in order, without those that are not text.
    pub(super) fn list(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok())
    }

    /// Who asks.
    pub(super) fn viewer(&self) -> Viewer<'_> {
        let named = self.named().map(|(id, _)| id);
        Viewer {
            id: named.filter(|id| (8..=VIEWER_BYTES_MAX).contains(&id.len())),
            ..Viewer::at(self.peer, self.agent())
        }
    }

    /// The rung that the player says it plays.
    pub(super) fn rung(&self) -> Option<&str> {
        let (_, parameters) = self.named()?;
        let mut parameters = parameters.split(';').map(str::trim);
        parameters.find_map(|parameter| parameter.strip_prefix("rung="))
    }

    /// What the player calls itself, and its parameters.
    fn named(&self) -> Option<(&str, &str)> {
        let text = self.header(VIEWER)?;
        let (id, parameters) = text.split_once(';').unwrap_or((text, ""));
        Some((id.trim(), parameters))
    }

    /// The first 256 bytes of the user agent.
    pub(super) fn agent(&self) -> &str {
        let agent = self.header(header::USER_AGENT).unwrap_or_default();
        agent.get(..AGENT_BYTES_MAX).unwrap_or(agent)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request for `path` with `headers`.
    pub(in crate::daemon::http) fn asked(path: &str, headers: &[(&str, &str)]) -> Ask {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ask::of(request.body(()).unwrap().into_parts().0)
    }

    /// A request for `path` that came by `carrier`.
    pub(in crate::daemon::http) fn carried(path: &str, carrier: Carrier) -> Ask {
        let from = (Peer(Ipv4Addr::LOCALHOST.into()), carrier);
        let request = Request::builder().uri(path).extension(from);
        Ask::of(request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn takes_a_request_apart() {
        let ask = asked("/live/a/b?_HLS_msn=1", &[("user-agent", "x")]);
        assert_eq!(ask.path(), "/live/a/b");
        assert_eq!(ask.query(), "_HLS_msn=1");
        assert_eq!(ask.agent(), "x");
        assert!(!ask.is_head());
        assert_eq!(asked("/", &[]).query(), "");
    }

    #[test]
    fn a_player_may_name_itself() {
        let viewer = |text: &str| {
            let ask = asked("/", &[("weir-viewer", text), ("user-agent", "x")]);
            let id = ask.viewer().id.map(str::to_owned);
            (id, ask.rung().map(str::to_owned))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(viewer("0123456789"), (some("0123456789"), None));
        assert_eq!(
            viewer("01234567; a; rung=720p"),
            (some("01234567"), some("720p"))
        );
        assert_eq!(viewer("short"), (None, None));
        assert_eq!(viewer(&"x".repeat(65)), (None, None));
        assert_eq!(asked("/", &[]).viewer().id, None);
    }

    #[test]
    fn what_media_does_not_read_is_left_behind() {
        let headers = [
            ("range", "a"),
            ("range", "b"),
            ("cookie", "c"),
            ("user-agent", "x"),
        ];
        let ask = asked("/live/a/b?_HLS_msn=1", &headers).detached();
        assert_eq!(ask.path(), "/live/a/b");
        assert_eq!(ask.query(), "_HLS_msn=1");
        assert_eq!(ask.agent(), "x");
        assert_eq!(ask.list(header::RANGE).collect::<Vec<_>>(), ["a", "b"]);
        assert!(!ask.has(header::COOKIE));
    }

    #[test]
    fn a_header_twice_is_no_header_and_a_long_agent_is_cut() {
        let long = "x".repeat(1000);
        let headers = [
            ("range", "a"),
            ("range", "b"),
            ("user-agent", long.as_str()),
        ];
        let ask = asked("/", &headers);
        assert_eq!(ask.header(header::RANGE), None);
        assert!(ask.has(header::RANGE) && !ask.has(header::IF_RANGE));
        assert_eq!(ask.list(header::RANGE).count(), 2);
        assert_eq!(ask.agent().len(), AGENT_BYTES_MAX);
    }
}
