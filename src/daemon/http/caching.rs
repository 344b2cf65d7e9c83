//! Entity tags, conditional requests and compression (RFC 9110 sections 8.8, 12.5.3, 13.1.2).

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, Response as HttpResponse, StatusCode};

use super::ask::Ask;
use super::content::Response;
use crate::daemon::origin::Age;

/// `Cache-Control` of addresses that are never used twice.
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
/// `Cache-Control` of a response that a cache may keep but must check before each use.
pub(super) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Lets only the cache of whoever asked keep a response: "The private response directive indicates that a
/// shared cache MUST NOT store the response" (RFC 9111 section 5.2.2.7).
pub(super) fn keep_private(headers: &mut HeaderMap) {
    let kept = headers
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok());
    let kept = kept.unwrap_or("no-store");
    if kept == "no-store" {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return;
    }
    let is_own = |directive: &&str| *directive != "public" && !directive.starts_with("s-maxage=");
    let directives = kept.split(", ").filter(is_own);
    let private: Vec<&str> = std::iter::once("private").chain(directives).collect();
    insert_text(headers, CACHE_CONTROL, &private.join(", "));
}

/// `Cache-Control` of what changes all the time and is the same for everybody: a cache that many share
/// asks once per second for all of them, and a viewer's own cache keeps nothing. So it is with a 404 and a 410, too:
/// what is missing now may exist with the next segment, and a page that asks again must not hear from its own
/// browser that it does not.
pub(super) const FOR_CROWDS: HeaderValue =
    HeaderValue::from_static("public, max-age=0, s-maxage=1");

/// `Cache-Control` with maximum ages, rounded down to whole seconds.
pub(super) fn for_a_time(max_age: Age) -> HeaderValue {
    let text = match (max_age.own.as_secs(), max_age.shared.as_secs()) {
        (0, 0) => return REVALIDATE,
        (own, shared) if own == shared => format!("public, max-age={own}"),
        (own, shared) => format!("public, max-age={own}, s-maxage={shared}"),
    };
    HeaderValue::try_from(text).unwrap_or(REVALIDATE)
}

/// Headers of an ordinary response: room for all of them is made at once.
pub(super) const HEADERS: usize = 12;

/// A text or picture that is sent whole, never as a range.
#[derive(Debug)]
pub(super) struct Entity<'a> {
    pub(super) content_type: HeaderValue,
    pub(super) cache_control: HeaderValue,
    /// Strong entity tag, with its quotes.
    pub(super) etag: &'a str,
    pub(super) body: Bytes,
    /// The compressed body, if compression saves bytes.
    pub(super) gzip: Option<Bytes>,
    /// Whether clients may get different encodings.
    pub(super) varies: bool,
}

impl Entity<'_> {
    /// The entity, or 304 if the client already has it.
    pub(super) fn respond(self, ask: &Ask) -> Response {
        let known = ask.has(IF_NONE_MATCH)
            && (knows(ask, self.etag) || knows(ask, &compressed_tag(self.etag)));
        self.assemble(ask, known)
    }

    /// The entity as the body of an error. It has no entity tag: "A server MUST ignore all received
    /// preconditions if its response to the same request without those conditions […] would have
    /// been a status code other than a 2xx" (RFC 9110 section 13.2.1).
    pub(super) fn respond_instead(self, ask: &Ask, status: StatusCode) -> Response {
        let mut response = self.assemble(ask, false);
        *response.status_mut() = status;
        response.headers_mut().remove(ETAG);
        response
    }

    fn assemble(self, ask: &Ask, known: bool) -> Response {
        let gzip = self.gzip.filter(|_| accepts_gzip(ask));
        let compressed = gzip.is_some();
        let body = gzip.unwrap_or(self.body);

        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CACHE_CONTROL, self.cache_control);
        match compressed {
            true => insert_text(&mut headers, ETAG, &compressed_tag(self.etag)),
            false => insert_text(&mut headers, ETAG, self.etag),
        }
        if self.varies {
            headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        let (status, body) = if known {
            (StatusCode::NOT_MODIFIED, Bytes::new())
        } else {
            headers.insert(CONTENT_TYPE, self.content_type);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            if compressed {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            (StatusCode::OK, body)
        };
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Inserts a header, unless `text` has bytes that no header may have.
pub(super) fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// The entity tag of the compressed form, which needs its own because a strong tag stands for exact
/// bytes (RFC 9110 section 8.8.3.3).
fn compressed_tag(etag: &str) -> String {
    format!("{}-gz\"", etag.strip_suffix('"').unwrap_or(etag))
}

/// Whether `If-None-Match` contains `etag`. "A recipient MUST use the weak comparison function"
/// (RFC 9110 section 13.1.2). No tag of weir contains a comma.
pub(super) fn knows(ask: &Ask, etag: &str) -> bool {
    let mut tags = ask.list(IF_NONE_MATCH).flat_map(|list| list.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// Whether the client accepts gzip, by name or by `*`, with a weight above zero.
pub(super) fn accepts_gzip(ask: &Ask) -> bool {
    let mut star = false;
    for item in ask.list(ACCEPT_ENCODING).flat_map(|list| list.split(',')) {
        let mut parameters = item.split(';').map(str::trim);
        let coding = parameters.next().unwrap_or_default();
        let refused = parameters.any(|p| {
            let weight = p.strip_prefix("q=").or_else(|| p.strip_prefix("Q="));
            weight.is_some_and(|q| q.parse::<f32>().map_or(true, |q| q <= 0.0))
        });
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            return !refused;
        }
        star |= coding == "*" && !refused;
    }
    star
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::daemon::http::ask::tests::asked;

    #[test]
    fn who_takes_gzip() {
        for (header, expected) in [
            ("gzip", true),
            ("GZIP;q=0.5, br", true),
            ("br, x-gzip", true),
            ("*", true),
            ("*, gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip; q=0.000", false),
            ("gzip;q=nan", true),
            ("gzip;q=x", false),
            ("br, identity", false),
            ("", false),
        ] {
            let ask = asked("/", &[("accept-encoding", header)]);
            assert_eq!(accepts_gzip(&ask), expected, "{header}");
        }
        assert!(!accepts_gzip(&asked("/", &[])));
    }

    #[test]
    fn who_has_it_already() {
        for (header, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            let ask = asked("/", &[("if-none-match", header)]);
            assert_eq!(knows(&ask, "\"a\""), expected, "{header}");
        }
    }

    #[test]
    fn what_is_private_is_kept_by_no_shared_cache() {
        for (before, after) in [
            (Some(IMMUTABLE), "private, max-age=31536000, immutable"),
            (Some(REVALIDATE), "private, no-cache"),
            (Some(FOR_CROWDS), "private, max-age=0"),
            (Some(HeaderValue::from_static("no-store")), "no-store"),
            (None, "no-store"),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(before.map(|value| (CACHE_CONTROL, value)));
            keep_private(&mut headers);
            assert_eq!(headers[CACHE_CONTROL], after);
        }
    }

    #[test]
    fn less_than_a_second_is_no_time() {
        let ms = Duration::from_millis;
        assert_eq!(for_a_time(Age::everywhere(ms(900))), "no-cache");
        let long = for_a_time(Age::everywhere(ms(12_900)));
        assert_eq!(long, "public, max-age=12");
    }

    #[test]
    fn a_shared_cache_may_keep_what_a_viewers_own_may_not() {
        let age = Age {
            own: Duration::ZERO,
            shared: Duration::from_secs(1),
        };
        assert_eq!(for_a_time(age), FOR_CROWDS);
    }
}
