//! A request as handlers see it: only what they need, checked and bounded.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, header};

use super::forwarded::X_FORWARDED_FOR;
use super::prefix;
use crate::daemon::session::Viewer;

/// The address of the client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// How a request came.
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

/// Headers that are read anywhere here. Browsers send as many more, and a request that waits is spared them.
static READ: [HeaderName; 13] = [
    header::HOST,
    header::USER_AGENT,
    header::ACCEPT_ENCODING,
    VIEWER,
    header::ORIGIN,
    header::COOKIE,
    header::AUTHORIZATION,
    header::RANGE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::FORWARDED,
    X_FORWARDED_FOR,
    header::CONTENT_TYPE,
];

/// The header of this name in any case, if it is read anywhere.
pub(super) fn read(name: &str) -> Option<HeaderName> {
    let mut all = READ.iter();
    let found = all.find(|read| read.as_str().eq_ignore_ascii_case(name));
    found.cloned()
}

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
        Self::with(parts.method, parts.uri, parts.headers)
    }

    /// A request whose head stands in the buffer of a connection; `None` if hyper would refuse it. See
    /// [`read`] for the names of `headers`.
    pub(super) fn copied<'a, I>(
        method: Method,
        target: &str,
        headers: impl Fn() -> I,
    ) -> Option<Self>
    where
        I: Iterator<Item = (HeaderName, &'a [u8])>,
    {
        let (uri, headers) = compact(target, headers)?;
        Some(Self::with(method, uri, headers))
    }

    fn with(method: Method, uri: Uri, headers: HeaderMap) -> Self {
        Self {
            method,
            address_start: prefix::in_front(uri.path()).map_or(0, |(_, end)| end),
            uri,
            headers,
            peer: Ipv4Addr::UNSPECIFIED.into(),
            carrier: Carrier::Plain,
            body: Bytes::new(),
        }
    }

    /// The same request, and who sent it how.
    pub(super) fn from(self, peer: IpAddr, carrier: Carrier) -> Self {
        Self {
            peer,
            carrier,
            ..self
        }
    }

    /// The same request with its body: what a form on a page sent, or a program.
    pub(super) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The same request apart from the buffer that it was read into, which its connection can use again
    /// while the request waits. The host of an absolute address is not kept: media are the same at all.
    pub(super) fn detached(self) -> Self {
        let target = self.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let kept = || {
            let all = self.headers.iter();
            let read = all.filter(|(name, _)| READ.contains(name));
            read.map(|(name, value)| (name.clone(), value.as_bytes()))
        };
        match compact(target, kept) {
            Some((uri, headers)) => Self {
                uri,
                headers,
                ..self
            },
            None => self,
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
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
        debug_assert!(READ.contains(&name), "{name} must be in the list");
        self.headers.contains_key(name)
    }

    /// The value of a header that occurs once and is text.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        debug_assert!(READ.contains(&name), "{name} must be in the list");
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(first)
    }

    /// All values of a list header, in order, without those that are not text.
    pub(super) fn list(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        debug_assert!(READ.contains(&name), "{name} must be in the list");
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

/// Address and headers in one buffer; `None` if one of them has bytes that it may not have.
fn compact<'a, I>(target: &str, headers: impl Fn() -> I) -> Option<(Uri, HeaderMap)>
where
    I: Iterator<Item = (HeaderName, &'a [u8])>,
{
    let bytes: usize = headers().map(|(_, value)| value.len()).sum();
    let mut buffer = BytesMut::with_capacity(target.len() + bytes);
    let mut copy = |bytes: &[u8]| {
        buffer.extend_from_slice(bytes);
        buffer.split().freeze()
    };
    let uri = Uri::from_maybe_shared(copy(target.as_bytes())).ok()?;
    let mut all = HeaderMap::with_capacity(headers().count());
    for (name, value) in headers() {
        all.append(name, HeaderValue::from_maybe_shared(copy(value)).ok()?);
    }
    Some((uri, all))
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
        asked(path, &[]).from(Ipv4Addr::LOCALHOST.into(), carrier)
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
            ("accept-language", "c"),
            ("user-agent", "x"),
        ];
        let ask = asked("/live/a/b?_HLS_msn=1", &headers).detached();
        assert_eq!(ask.path(), "/live/a/b");
        assert_eq!(ask.query(), "_HLS_msn=1");
        assert_eq!(ask.agent(), "x");
        assert_eq!(ask.list(header::RANGE).collect::<Vec<_>>(), ["a", "b"]);
        assert!(!ask.headers().contains_key(header::ACCEPT_LANGUAGE));
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
