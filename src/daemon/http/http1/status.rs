//! The head of a response: its status line and headers (RFC 9112 sections 4 and 5).

use std::cell::RefCell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::response::Parts;

/// Room for the head of an ordinary response.
const HEAD_BYTES: usize = 768;

/// Whether a response says that it is the last of its connection.
pub(super) fn ends_connection(parts: &Parts) -> bool {
    parts
        .headers
        .get(CONNECTION)
        .is_some_and(|value| value == "close")
}

/// The head of a response whose body has `body_bytes`.
pub(super) fn written(parts: &Parts, body_bytes: usize, is_last: bool) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let (code, reason) = (parts.status.as_str(), parts.status.canonical_reason());
    put(
        &mut head,
        ["HTTP/1.1 ", code, " ", reason.unwrap_or_default()].map(str::as_bytes),
    );
    for (name, value) in &parts.headers {
        put(
            &mut head,
            [b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()],
        );
    }
    // "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx
    // (Informational) or 204 (No Content)" (RFC 9110 section 8.6), and that of a 304 would be another's.
    let is_stated = matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) || parts.headers.contains_key(CONTENT_LENGTH);
    if !is_stated {
        // Writing to a vector does not fail.
        let _ = write!(head, "\r\ncontent-length: {body_bytes}");
    }
    if is_last && !ends_connection(parts) {
        put(&mut head, [b"\r\nconnection: close"]);
    }
    put(&mut head, [b"\r\ndate: "]);
    put_date(&mut head, SystemTime::now());
    put(&mut head, [b"\r\n\r\n"]);
    head
}

fn put<const N: usize>(head: &mut Vec<u8>, texts: [&[u8]; N]) {
    for text in texts {
        head.extend_from_slice(text);
    }
}

thread_local! {
    /// The second that was written last, and how: a crowd asks many times in each.
    static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// "An origin server with a clock […] MUST generate a Date header field in all 2xx (Successful), 3xx
/// (Redirection), and 4xx (Client Error) responses" (RFC 9110 section 6.6.1).
fn put_date(head: &mut Vec<u8>, now: SystemTime) {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DATE.with_borrow_mut(|(last, text)| {
        if *last != second || text.is_empty() {
            *last = second;
            let time = i64::try_from(second).ok();
            let time = time.and_then(|second| DateTime::from_timestamp(second, 0));
            // IMF-fixdate (RFC 9110 section 5.6.7).
            let shown = |time: DateTime<_>| time.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            *text = time.map(shown).unwrap_or_default();
        }
        head.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Response;

    use super::*;

    fn head(response: http::response::Builder, body_bytes: usize, is_last: bool) -> Vec<String> {
        let parts = response.body(()).unwrap().into_parts().0;
        let text = String::from_utf8(written(&parts, body_bytes, is_last)).unwrap();
        let lines = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
        let is_date = |line: &&str| line.starts_with("date: ");
        assert_eq!(lines.clone().filter(is_date).count(), 1);
        lines
            .filter(|line| !is_date(line))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_length_is_added_where_there_is_none() {
        let response = || Response::builder().header("etag", "\"a\"");
        let line = "HTTP/1.1 200 OK";
        let lines = [line, "etag: \"a\"", "content-length: 7"];
        assert_eq!(head(response(), 7, false), lines);
        let lines = [line, "etag: \"a\"", "content-length: 9"];
        assert_eq!(
            head(response().header("content-length", "9"), 0, false),
            lines
        );
        let unmodified = Response::builder().status(304);
        assert_eq!(head(unmodified, 0, false), ["HTTP/1.1 304 Not Modified"]);
        let nothing = Response::builder().status(204);
        assert_eq!(head(nothing, 0, false), ["HTTP/1.1 204 No Content"]);
    }

    #[test]
    fn the_last_response_says_so_once() {
        let lines = [
            "HTTP/1.1 404 Not Found",
            "content-length: 0",
            "connection: close",
        ];
        assert_eq!(head(Response::builder().status(404), 0, true), lines);
        let closing = Response::builder().header("connection", "close");
        let lines = ["HTTP/1.1 200 OK", "connection: close", "content-length: 0"];
        assert_eq!(head(closing, 0, true), lines);
    }

    #[test]
    fn dates_are_those_of_http() {
        let date = |second| {
            let mut head = Vec::new();
            put_date(&mut head, UNIX_EPOCH + Duration::from_secs(second));
            String::from_utf8(head).unwrap()
        };
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(784_111_778), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
