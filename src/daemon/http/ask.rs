//! A request as handlers see it: only what they need, checked and bounded.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use http::header::{HeaderMap, HeaderName};
use http::{Method, header};
use warp::Filter;
use warp::path::FullPath;

/// The address of the client. The service around the routes adds it to each request, because
/// `warp::addr::remote` works only with warp's own listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// How a request came. The service around the routes adds it to each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Without TLS.
    Plain,
    /// From a trusted proxy, which may have spoken TLS with the client.
    Proxy,
    /// With TLS, and whether weir made the certificate itself.
    Tls { is_self_made: bool },
}

/// Longer user agents are cut off at this many bytes.
const AGENT_BYTES_MAX: usize = 256;

/// One request.
#[derive(Debug)]
pub(super) struct Ask {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    peer: IpAddr,
    carrier: Carrier,
}

impl Ask {
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    pub(super) fn path(&self) -> &str {
        self.path.as_str()
    }

    pub(super) fn query(&self) -> &str {
        &self.query
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

    /// The first 256 bytes of the user agent.
    pub(super) fn agent(&self) -> &str {
        let agent = self.header(header::USER_AGENT).unwrap_or_default();
        agent.get(..AGENT_BYTES_MAX).unwrap_or(agent)
    }
}

/// Takes a request apart; never rejects.
pub(super) fn ask() -> impl Filter<Extract = (Ask,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<(Peer, Carrier)>())
        .map(
            |method, path, query, headers, from: Option<(Peer, Carrier)>| {
                let unknown = (Peer(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), Carrier::Plain);
                let (Peer(peer), carrier) = from.unwrap_or(unknown);
                Ask {
                    method,
                    path,
                    query,
                    headers,
                    peer,
                    carrier,
                }
            },
        )
}

#[cfg(test)]
pub(super) mod tests {
    use http::request::Builder;
    use warp::path::FullPath;

    use super::*;

    /// A request for `path` with `headers`.
    pub(in crate::daemon::http) async fn asked(path: &str, headers: &[(&str, &str)]) -> Ask {
        let request = http::Request::builder().uri(path);
        let add = |request: Builder, (name, value): &(&str, &str)| request.header(*name, *value);
        taken_apart(headers.iter().fold(request, add)).await
    }

    /// A request for `path` that came by `carrier`.
    pub(in crate::daemon::http) async fn carried(path: &str, carrier: Carrier) -> Ask {
        let from = (Peer(Ipv4Addr::LOCALHOST.into()), carrier);
        taken_apart(http::Request::builder().uri(path).extension(from)).await
    }

    async fn taken_apart(request: Builder) -> Ask {
        use tower_service::Service;
        let (sender, receiver) = std::sync::mpsc::channel::<Ask>();
        let filter = ask().map(move |ask| {
            sender.send(ask).unwrap();
            warp::reply()
        });
        let body = http_body_util::Empty::<bytes::Bytes>::new();
        let request = request.body(body).unwrap();
        warp::service(filter).call(request).await.unwrap();
        receiver.recv().unwrap()
    }

    #[tokio::test]
    async fn takes_a_request_apart() {
        let ask = asked("/live/a/b?_HLS_msn=1", &[("user-agent", "x")]).await;
        let _: &FullPath = &ask.path;
        assert_eq!(ask.path(), "/live/a/b");
        assert_eq!(ask.query(), "_HLS_msn=1");
        assert_eq!(ask.agent(), "x");
        assert!(!ask.is_head());
        assert_eq!(asked("/", &[]).await.query(), "");
    }

    #[tokio::test]
    async fn a_header_twice_is_no_header_and_a_long_agent_is_cut() {
        let long = "x".repeat(1000);
        let headers = [
            ("range", "a"),
            ("range", "b"),
            ("user-agent", long.as_str()),
        ];
        let ask = asked("/", &headers).await;
        assert_eq!(ask.header(header::RANGE), None);
        assert!(ask.has(header::RANGE) && !ask.has(header::IF_RANGE));
        assert_eq!(ask.list(header::RANGE).count(), 2);
        assert_eq!(ask.agent().len(), AGENT_BYTES_MAX);
    }
}
