//! Sends visitors of pages from the port without TLS to the one with TLS.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{Response as HttpResponse, StatusCode};

use super::ask::{Ask, Carrier};
use super::audience::Host;
use super::caching::REVALIDATE;
use super::content::{Content, Response};

/// The port that an address without one means (RFC 9110 sections 4.2.1 and 4.2.2).
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// How long a browser asks for nothing without TLS any more: 30 days.
const REMEMBERED: HeaderValue = HeaderValue::from_static("max-age=2592000");

/// Where visitors of pages without TLS are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Redirect {
    port: u16,
    is_remembered: bool,
}

impl Redirect {
    /// To the same host at `port`, where TLS is spoken; `plain` is the port without TLS.
    ///
    /// Browsers may be told to come with TLS from now on. They do so at every port of the host: 80
    /// becomes 443, and any other port stays as it is (RFC 6797 section 8.3). So they are told only
    /// where both ports are the usual ones: else they would speak TLS to a port without it.
    pub(super) fn to(port: u16, plain: Option<u16>) -> Self {
        let is_remembered = port == HTTPS_PORT && plain.is_none_or(|plain| plain == HTTP_PORT);
        Self {
            port,
            is_remembered,
        }
    }

    /// The answer to a request for a page; `None` if it came with TLS, through a proxy, which may have
    /// spoken TLS with the client, or without the name of a host.
    pub(super) fn response(self, ask: &Ask, host: &Host) -> Option<Response> {
        let (Carrier::Plain, Host::Named(host)) = (ask.carrier(), host) else {
            return None;
        };
        let port = match self.port {
            HTTPS_PORT => String::new(),
            port => format!(":{port}"),
        };
        let query = match ask.query() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let to = format!("https://{host}{port}{}{query}", ask.whole_path());
        let mut response = HttpResponse::new(Content::default());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let headers = response.headers_mut();
        headers.insert(LOCATION, HeaderValue::from_str(&to).ok()?);
        // A permanent redirect may be kept for ever, also after the operator has turned it off.
        headers.insert(CACHE_CONTROL, REVALIDATE);
        Some(response)
    }

    /// Tells browsers to come with TLS from now on. They then let nobody pass a certificate that they
    /// do not trust (RFC 6797 section 8.4), so one that weir made, or one for trials, must not lock
    /// visitors out.
    pub(super) fn add_headers(self, ask: &Ask, headers: &mut HeaderMap) {
        let is_trusted = ask.carrier() == Carrier::Tls { is_trusted: true };
        if is_trusted && self.is_remembered {
            headers.insert(STRICT_TRANSPORT_SECURITY, REMEMBERED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::http::ask::tests::carried;

    #[test]
    fn pages_go_to_the_same_host_and_address() {
        let named = |host: &str| Host::Named(host.to_owned());
        for (port, host, path, expected) in [
            (443, named("weir.lan"), "/", Some("https://weir.lan/")),
            (
                8443,
                named("weir.lan"),
                "/watch/a?x=1",
                Some("https://weir.lan:8443/watch/a?x=1"),
            ),
            (8443, named("[::1]"), "/", Some("https://[::1]:8443/")),
            (443, Host::Unnamed, "/", None),
            (443, Host::Unreadable, "/", None),
        ] {
            let ask = carried(path, Carrier::Plain);
            let response = Redirect::to(port, Some(80)).response(&ask, &host);
            let to = response
                .as_ref()
                .map(|response| &response.headers()[LOCATION]);
            assert_eq!(to.map(|to| to.to_str().unwrap()), expected, "{host:?}");
            assert!(response.is_none_or(|response| response.status() == 308));
        }
        for carrier in [Carrier::Proxy, Carrier::Tls { is_trusted: false }] {
            let ask = carried("/", carrier);
            assert!(
                Redirect::to(443, Some(80))
                    .response(&ask, &named("weir.lan"))
                    .is_none()
            );
        }
    }

    #[test]
    fn only_a_trusted_certificate_at_the_usual_ports_is_remembered() {
        let tls = |is_trusted| Carrier::Tls { is_trusted };
        for (port, plain, carrier, remembered) in [
            (443, Some(80), tls(true), true),
            (443, None, tls(true), true),
            (443, Some(80), tls(false), false),
            (8443, Some(80), tls(true), false),
            (443, Some(8080), tls(true), false),
            (443, Some(80), Carrier::Plain, false),
            (443, Some(80), Carrier::Proxy, false),
        ] {
            let mut headers = HeaderMap::new();
            let ask = carried("/", carrier);
            Redirect::to(port, plain).add_headers(&ask, &mut headers);
            let said = headers.contains_key(STRICT_TRANSPORT_SECURITY);
            assert_eq!(said, remembered, "{port} {plain:?} {carrier:?}");
        }
    }
}
