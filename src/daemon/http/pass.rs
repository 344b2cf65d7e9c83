//! What a request shows to be let in: a ticket of weir's, or a token of others.
//!
//! It stands in front of the address, `/s/PASS/live/NAME/…`: then all addresses in playlists, which are
//! relative, have it too, and any player can play them. Or it is the parameter `token`, a bearer token
//! (RFC 6750 section 2.1), or the cookie that a browser got for a password.

use http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use std::time::Duration;

use super::ask::{Ask, Carrier};
use super::prefix::is_pass;

const PARAMETER: &str = "token";
const SCHEME: &str = "Bearer ";
const COOKIE_PREFIX: &str = "weir_";

/// Where a request shows its pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// In front of the address.
    Prefix,
    /// In the query of the address.
    Parameter,
    /// In a header.
    Header,
}

/// What a request shows for `stream`.
pub(super) fn shown(ask: &Ask, stream: &str) -> Option<(String, Shown)> {
    let found = |pass: &str, shown| is_pass(pass).then(|| (pass.to_owned(), shown));
    if let Some(pass) = ask.pass() {
        return found(pass, Shown::Prefix);
    }
    let header = ask.header(AUTHORIZATION);
    if let Some(pass) = header.and_then(|value| value.strip_prefix(SCHEME)) {
        return found(pass.trim(), Shown::Header);
    }
    let mut parameters = url::form_urlencoded::parse(ask.query().as_bytes());
    if let Some((_, pass)) = parameters.find(|(key, _)| key == PARAMETER) {
        return found(&pass, Shown::Parameter);
    }
    let pass = cookie(ask, stream)?;
    found(pass, Shown::Header)
}

/// The query without its pass, with a `?` if anything is left.
pub(super) fn query_without(ask: &Ask) -> String {
    let is_other = |pair: &&str| pair.split('=').next() != Some(PARAMETER);
    let others: Vec<&str> = ask.query().split('&').filter(is_other).collect();
    match others.join("&") {
        rest if rest.is_empty() => rest,
        rest => format!("?{rest}"),
    }
}

/// The value of the stream's cookie (RFC 6265 section 5.4).
fn cookie<'a>(ask: &'a Ask, stream: &str) -> Option<&'a str> {
    let pairs = ask.list(COOKIE).flat_map(|header| header.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name.strip_prefix(COOKIE_PREFIX)? == stream).then_some(value)
    });
    values.next()
}

/// `Set-Cookie` with a ticket for `stream`. No script can read it, and no other site can send it but by
/// a link. Over TLS it never comes back without.
pub(super) fn set_cookie(
    ask: &Ask,
    stream: &str,
    ticket: &str,
    lasts: Duration,
) -> Option<HeaderValue> {
    let secure = match ask.carrier() {
        Carrier::Tls { .. } => "; Secure",
        Carrier::Plain | Carrier::Proxy => "",
    };
    let lasts_s = lasts.as_secs();
    let text = format!(
        "{COOKIE_PREFIX}{stream}={ticket}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}"
    );
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::http::ask::tests::{asked, carried};

    #[test]
    fn what_is_shown_and_where() {
        let plain = "/live/demo/master.m3u8";
        for (path, headers, expected) in [
            (plain, vec![], None),
            (
                "/s/a/live/demo/master.m3u8",
                vec![],
                Some(("a", Shown::Prefix)),
            ),
            (
                "/live/demo/master.m3u8?x=1&token=a",
                vec![],
                Some(("a", Shown::Parameter)),
            ),
            ("/live/demo/master.m3u8?token=a%2Fb", vec![], None),
            (
                plain,
                vec![("authorization", "Bearer a")],
                Some(("a", Shown::Header)),
            ),
            (plain, vec![("authorization", "Basic a")], None),
            (
                plain,
                vec![("cookie", "x=y; weir_demo=a")],
                Some(("a", Shown::Header)),
            ),
            (plain, vec![("cookie", "weir_dem=a; weir_demo2=b")], None),
            (
                plain,
                vec![("cookie", "x"), ("cookie", "weir_demo=a")],
                Some(("a", Shown::Header)),
            ),
        ] {
            let found = shown(&asked(path, &headers), "demo");
            let expected = expected.map(|(pass, shown): (&str, _)| (pass.to_owned(), shown));
            assert_eq!(found, expected, "{path} {headers:?}");
        }
    }

    #[test]
    fn the_rest_of_the_query_stays() {
        for (query, expected) in [
            ("token=a", ""),
            ("x=1&token=a&y", "?x=1&y"),
            ("tokens=a", "?tokens=a"),
            ("", ""),
        ] {
            assert_eq!(query_without(&asked(&format!("/?{query}"), &[])), expected);
        }
    }

    #[test]
    fn a_cookie_of_a_secured_page_never_comes_back_in_clear() {
        let tls = Carrier::Tls { is_trusted: true };
        let made = |carrier| {
            let value = set_cookie(&carried("/", carrier), "demo", "a", Duration::from_secs(60));
            value.unwrap().to_str().unwrap().to_owned()
        };
        let plain = "weir_demo=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax";
        assert_eq!(made(Carrier::Plain), plain);
        assert_eq!(made(tls), format!("{plain}; Secure"));
    }
}
