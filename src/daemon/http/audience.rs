//! Whom a server answers, and what follows from that: which hosts it goes by, and which web sites
//! may read its answers.

use std::convert::Infallible;
use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, VARY,
};
use warp::Filter;
use warp::host::Authority;

use super::ask::Ask;
use super::errors::METHODS;
use crate::base::cors::Cors;

/// Headers that a page on another site may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Cache-Control, Content-Encoding, Content-Length, Content-Range, Date, \
     ETag, Retry-After",
);
/// Headers that a page on another site may send.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Cache-Control, Content-Type, If-None-Match, If-Range, Origin, Pragma, Range, \
     Weir-Viewer, X-Requested-With",
);
/// Lets a page on another site measure how long a transfer took, from which players estimate
/// bandwidth (W3C Resource Timing).
const TIMING: HeaderName = HeaderName::from_static("timing-allow-origin");
/// Says which pages may load an address without reading it, as `<img>` and `<video>` do (Fetch
/// standard, "Cross-Origin-Resource-Policy header").
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Whom a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody: pages, media, health, and of a stream what viewers may know. Pages of the sites
    /// in [`Cors`] may read media and API.
    Viewers(Cors),
    /// Whoever reaches the admin port: metrics, health, readiness and the full API. No page in a
    /// browser may read them. The names are those under which the port may be asked, in lower case.
    Operators(Vec<String>),
}

/// The host that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// None, as HTTP/1.0 allows. Browsers always name one.
    Unnamed,
    /// This one, without its port.
    Named(String),
    /// Something that is no host, or two different ones.
    Unreadable,
}

/// Finds the host that a request names; never rejects.
pub(super) fn host() -> impl Filter<Extract = (Host,), Error = Infallible> + Clone {
    let named = warp::host::optional().map(|authority: Option<Authority>| match authority {
        Some(authority) => Host::Named(authority.host().to_ascii_lowercase()),
        None => Host::Unnamed,
    });
    named.or(warp::any().map(|| Host::Unreadable)).unify()
}

impl Audience {
    /// Whether a request to `host` is for this server.
    ///
    /// The admin port goes by addresses, `localhost` and configured names only. A web page can have
    /// a name of its own resolve to this machine (DNS rebinding); its requests are then of the same
    /// origin, so that no missing header would stop the page from reading the answers. But they
    /// carry the name.
    pub(super) fn goes_by(&self, host: &Host) -> bool {
        let (Self::Operators(names), host) = (self, host) else {
            return true;
        };
        match host {
            Host::Unnamed => true,
            Host::Unreadable => false,
            Host::Named(host) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                let name = host.strip_suffix('.').unwrap_or(host);
                bare.parse::<IpAddr>().is_ok()
                    || name == "localhost"
                    || names.iter().any(|known| known == name)
            }
        }
    }

    /// Whether those who ask may be kept from a stream. Whoever reaches the admin port is not.
    pub(super) fn is_guarded(&self) -> bool {
        matches!(self, Self::Viewers(_))
    }

    /// Adds the headers that say which web sites may use the answer; `shared` answers may be used
    /// by other sites at all. `preflight` answers a browser that asks before it sends a request.
    pub(super) fn add_headers(
        &self,
        ask: &Ask,
        shared: bool,
        preflight: bool,
        headers: &mut HeaderMap,
    ) {
        let cors = match self {
            Self::Operators(_) => {
                headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
                return;
            }
            Self::Viewers(_) if !shared => return,
            Self::Viewers(Cors::Only(sites)) if sites.is_empty() => return,
            Self::Viewers(cors) => cors,
        };
        // A player that the browser brings along loads media without naming its site.
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        let Some(origin) = allowed_origin(cors, ask, headers) else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(TIMING, origin);
        if preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        } else {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// What `Access-Control-Allow-Origin` says: `*`, or the origin that asked if it is listed.
///
/// "If Access-Control-Allow-Origin is set to `*` or a static origin for a particular resource, then
/// configure the server to always send Access-Control-Allow-Origin in responses for the resource
/// [...]. Otherwise, [...] it is recommended to include `Vary: Origin`" (Fetch standard, "CORS
/// protocol and HTTP caches"): also in answers to those who are not listed.
fn allowed_origin(cors: &Cors, ask: &Ask, headers: &mut HeaderMap) -> Option<HeaderValue> {
    if *cors == Cors::Any {
        return Some(HeaderValue::from_static("*"));
    }
    let varies = match headers.get(VARY).and_then(|value| value.to_str().ok()) {
        Some(others) => HeaderValue::from_str(&format!("{others}, Origin")).ok(),
        None => None,
    };
    headers.insert(VARY, varies.unwrap_or(HeaderValue::from_static("Origin")));
    let origin = ask.header(ORIGIN).filter(|origin| cors.allows(origin))?;
    HeaderValue::from_str(origin).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_port_goes_by_addresses_localhost_and_configured_names() {
        let operators = Audience::Operators(vec!["weir.lan".to_owned()]);
        for (host, goes) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("192.168.1.9", true),
            ("localhost", true),
            ("weir.lan", true),
            ("weir.lan.", true),
            ("rebound.example", false),
            ("127.0.0.1.example", false),
            ("localhost.example", false),
            ("", false),
        ] {
            let host = Host::Named(host.to_owned());
            assert_eq!(operators.goes_by(&host), goes, "{host:?}");
            assert!(Audience::Viewers(Cors::Any).goes_by(&host));
        }
        assert!(operators.goes_by(&Host::Unnamed));
        assert!(!operators.goes_by(&Host::Unreadable));
    }
}
