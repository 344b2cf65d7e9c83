//! The head of a request, where it is one that needs no hyper.

use std::mem::MaybeUninit;

use http::Method;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};

use super::super::ask::{self, Ask};
use super::super::limits::HEADERS_MAX;

/// A request without a body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) ask: Ask,
    /// The connection ends with its answer.
    pub(super) is_last: bool,
}

/// What has come is something that hyper must read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Other;

/// The head at the beginning of `bytes`, and its length; `None` while it is not whole.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Other> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => match of(&request) {
            Some(head) => Ok(Some((head, length))),
            None => Err(Other),
        },
        Err(_) => Err(Other),
    }
}

fn of(request: &httparse::Request<'_, '_>) -> Option<Head> {
    let method = match request.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "OPTIONS" => Method::OPTIONS,
        _ => return None,
    };
    // "origin-form" (RFC 9112 section 3.2.1): the other forms are for proxies and for a whole server.
    let target = request.path.filter(|target| target.starts_with('/'))?;
    if request.version? != 1 {
        return None;
    }
    let mut is_last = false;
    for header in request.headers.iter() {
        let is = |name: http::HeaderName| header.name.eq_ignore_ascii_case(name.as_str());
        // "The presence of a message body in a request is signaled by a Content-Length or Transfer-Encoding
        // header field" (RFC 9112 section 6).
        if is(CONTENT_LENGTH) || is(TRANSFER_ENCODING) || is(UPGRADE) || is(EXPECT) {
            return None;
        }
        if is(CONNECTION) {
            is_last |= closes(header.value)?;
        }
    }
    let kept = || {
        let all = request.headers.iter();
        all.filter_map(|header| Some((ask::read(header.name)?, header.value)))
    };
    let ask = Ask::copied(method, target, kept)?;
    Some(Head { ask, is_last })
}

/// Whether a `Connection` header ends the connection; `None` if it has other options.
fn closes(value: &[u8]) -> Option<bool> {
    let mut closes = false;
    for option in std::str::from_utf8(value).ok()?.split(',').map(str::trim) {
        match option {
            "" => {}
            option if option.eq_ignore_ascii_case("close") => closes = true,
            option if option.eq_ignore_ascii_case("keep-alive") => {}
            _ => return None,
        }
    }
    Some(closes)
}

#[cfg(test)]
mod tests {
    use http::header::{HOST, RANGE, USER_AGENT};

    use super::*;

    fn whole(text: &str) -> (Head, usize) {
        read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_taken_apart_up_to_the_next() {
        let text = "GET /live/a/b?_HLS_msn=1 HTTP/1.1\r\nhost: weir\r\nUSER-agent: x\r\nAccept: */*\r\n\
                    Range: bytes=0-1\r\nrange: bytes=2-3\r\n\r\n";
        let (Head { ask, is_last }, bytes) = whole(&format!("{text}GET /"));
        assert_eq!((bytes, is_last), (text.len(), false));
        assert_eq!((ask.method(), ask.path()), (&Method::GET, "/live/a/b"));
        assert_eq!(ask.query(), "_HLS_msn=1");
        assert_eq!(ask.header(HOST), Some("weir"));
        assert_eq!(ask.agent(), "x");
        assert_eq!(ask.list(RANGE).count(), 2);
        assert_eq!(ask.headers().len(), 4);
        assert!(ask.has(USER_AGENT));
    }

    #[test]
    fn who_ends_the_connection() {
        for (value, expected) in [
            ("close", true),
            ("Keep-Alive, Close", true),
            ("keep-alive", false),
            ("", false),
        ] {
            let text = format!("HEAD / HTTP/1.1\r\nConnection: {value}\r\n\r\n");
            assert_eq!(whole(&text).0.is_last, expected, "{value}");
        }
    }

    #[test]
    fn every_beginning_of_a_head_is_one() {
        let text = "OPTIONS /a HTTP/1.1\r\nHost: x\r\n\r\n";
        for bytes in 0..text.len() {
            assert!(read(&text.as_bytes()[..bytes]).unwrap().is_none());
        }
        assert_eq!(whole(text).1, text.len());
    }

    #[test]
    fn what_is_left_to_hyper() {
        let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
        for text in [
            "POST / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET http://weir/ HTTP/1.1\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\n\r\n",
            "GET /\x7f HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            "GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: TE\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length : 0\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
            "\x16\x03\x01",
            &format!("GET / HTTP/1.1\r\n{many}\r\n"),
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_something(bytes in proptest::collection::vec(0_u8.., 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_headers_are_something(lines in "(GET|POST) /[ -~]{0,20} HTTP/1.1\r\n([A-Za-z-]{1,20}:[ -~]{0,20}\r\n){0,9}\r\n") {
            if let Ok(Some((_, bytes))) = read(lines.as_bytes()) {
                proptest::prop_assert_eq!(bytes, lines.len());
            }
        }
    }
}
