//! Errors as JSON, for programs. People get the page `404.html` (see `pages`).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response as HttpResponse, StatusCode};
use serde::Serialize;

use super::caching::FOR_CROWDS;
use super::content::Response;
use crate::daemon::origin::Missing;

/// Methods that weir answers.
pub(super) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// How long a player waits after a 503 before it asks again.
const RETRY: Duration = Duration::from_secs(1);
/// The same after a 429.
const RETRY_MANY: Duration = Duration::from_secs(60);

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    error: Cow<'static, str>,
    hint: &'static str,
    is_kept: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    hint: &'static str,
}

impl Problem {
    /// An error with its cause and what to do about it.
    pub(super) const fn new(status: StatusCode, error: &'static str, hint: &'static str) -> Self {
        Self {
            status,
            error: Cow::Borrowed(error),
            hint,
            is_kept: true,
        }
    }

    /// The same with a cause that is found out only now.
    pub(super) fn found(status: StatusCode, error: String, hint: &'static str) -> Self {
        Self {
            error: Cow::Owned(error),
            ..Self::new(status, "", hint)
        }
    }

    /// The same for an address at which there may be something in less than a second: no cache may keep it.
    pub(super) fn not_kept(self) -> Self {
        Self {
            is_kept: false,
            ..self
        }
    }

    /// No such address.
    pub(super) const fn no_route() -> Self {
        let hint = "the list of streams is at /api/v1/streams";
        Self::new(StatusCode::NOT_FOUND, "not found", hint)
    }

    /// The address is served on the admin port alone.
    pub(super) const fn on_admin_port() -> Self {
        let hint = "this is on the admin port: [server] admin in config.toml says where";
        Self::new(StatusCode::NOT_FOUND, "not found", hint)
    }

    /// The request names a host that the admin port does not go by: "the request was directed at a
    /// server that is unable or unwilling to produce an authoritative response for the target URI"
    /// (RFC 9110 section 15.5.20).
    pub(super) const fn misdirected() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the admin port does not go by this name",
            "ask it by its IP address or as localhost, or list the name in [server] admin_hosts in \
             config.toml",
        )
    }

    /// No stream of this name is configured.
    pub(super) const fn no_stream() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no stream of this name",
            "/api/v1/streams lists the streams; [[stream]] in config.toml adds one",
        )
    }

    /// The stream is configured but has nothing to show.
    pub(super) const fn nothing_to_show() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "nothing is being published",
            "start the publisher, then ask again; /api/v1/streams shows the state",
        )
    }

    /// The delivery directives of a playlist request make no sense.
    pub(super) const fn directives(error: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            error,
            "use _HLS_msn=NUMBER at most two segments ahead, only with it _HLS_part=NUMBER, and \
             _HLS_skip=YES (RFC 8216bis section 6.2.5)",
        )
    }

    /// A fault of weir itself; the log has the details.
    pub(super) const fn internal(error: &'static str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, "the log says why")
    }

    /// A method that weir does not answer.
    pub(super) const fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed",
            "Allow says which methods there are",
        )
    }

    /// The response, with a JSON body.
    pub(super) fn json(&self) -> Response {
        let body = Body {
            error: &self.error,
            hint: self.hint,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = HttpResponse::new(Bytes::from(text).into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, self.cache_control());
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, METHODS);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY.as_secs()));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_MANY.as_secs()));
            }
            _ => {}
        }
        response
    }

    fn cache_control(&self) -> HeaderValue {
        match self.status {
            StatusCode::NOT_FOUND | StatusCode::GONE if self.is_kept => FOR_CROWDS,
            _ => HeaderValue::from_static("no-store"),
        }
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::NotFound => Self::new(
                StatusCode::NOT_FOUND,
                "not found",
                "load the master playlist again: addresses change with every session",
            ),
            Missing::Gone => Self::new(
                StatusCode::GONE,
                "this has left the window",
                "load the playlist again; [hls] window in config.toml sets how far back it goes",
            ),
            Missing::NotReady => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready yet",
                "ask again after the time in Retry-After",
            ),
            Missing::BadRequest(error) => Self::directives(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_maps_to_a_status() {
        for (missing, status, retry) in [
            (Missing::NotFound, 404, false),
            (Missing::Gone, 410, false),
            (Missing::NotReady, 503, true),
            (Missing::BadRequest("too far ahead"), 400, false),
        ] {
            let response = Problem::from(missing).json();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), retry);
        }
    }
}
