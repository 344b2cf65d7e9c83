//! The heads of requests and responses (RFC 9112).

use std::io::{self, BufRead, Read};

use url::Url;

use super::body::Framing;

/// Longest head of a response, in bytes.
const HEAD_BYTES_MAX: u64 = 32 * 1024;
/// Most headers of a response.
const HEADERS_MAX: usize = 100;
/// Most interim responses (1xx) before the final one.
const INTERIM_MAX: usize = 8;

/// Part of a resource, in bytes: the first, and the last if the part has an end (RFC 9110 section
/// 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: Option<u64>,
}

/// Path and query of an address, for the request line.
pub fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// The head of a `GET` request. `authorization` is the value of that header. An address, as [`Url`]
/// writes it, has no space or line end.
pub fn request(url: &Url, range: Option<Range>, authorization: Option<&str>) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let mut head = format!(
        "GET {} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: weir\r\nAccept: */*\r\n\
         Accept-Encoding: identity\r\nConnection: close\r\n",
        target(url)
    );
    if let Some(Range { first, last }) = range {
        let last = last.map_or(String::new(), |last| last.to_string());
        head += &format!("Range: bytes={first}-{last}\r\n");
    }
    if let Some(value) = authorization {
        head += &format!("Authorization: {value}\r\n");
    }
    head + "\r\n"
}

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    /// Status code.
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads the head of the final response.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for what is no HTTP or too long, and the errors of `from`.
    pub fn read(from: &mut impl BufRead) -> io::Result<Self> {
        for _ in 0..INTERIM_MAX {
            let head = Self::parse(&bytes(from)?).ok_or(io::ErrorKind::InvalidData)?;
            // 101 would change the protocol, which nobody asked for.
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(head);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        // Cameras write headers that RFC 9112 does not know.
        httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut response, bytes)
            .ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Some(Self {
            status: response.code?,
            headers: response
                .headers
                .iter()
                .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
                .collect(),
        })
    }

    /// Values of the header `name`, which is in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(n, _)| n == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Value of the header `name`, which is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(n, _)| n == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// Where the body ends (RFC 9112 section 6.3); `None` when the headers contradict each other.
    pub fn framing(&self) -> Option<Framing> {
        // "If a message is received with both a Transfer-Encoding and a Content-Length header field,
        // the Transfer-Encoding overrides the Content-Length."
        if let Some(coding) = self.get("transfer-encoding") {
            let chunked = coding.eq_ignore_ascii_case("chunked");
            return chunked.then_some(Framing::Chunked {
                left: 0,
                begun: false,
            });
        }
        let mut lengths = self.all("content-length").map(|text| text.parse::<u64>());
        let Some(first) = lengths.next() else {
            return Some(Framing::Close);
        };
        let length = first.ok()?;
        let same = lengths.all(|other| other == Ok(length));
        same.then_some(Framing::Length(length))
    }
}

/// Bytes up to and including the empty line.
fn bytes(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut bytes, mut limited) = (Vec::new(), from.by_ref().take(HEAD_BYTES_MAX));
    loop {
        let begin = bytes.len();
        if limited.read_until(b'\n', &mut bytes)? == 0 {
            let kind = match limited.limit() {
                0 => io::ErrorKind::InvalidData,
                _ => io::ErrorKind::UnexpectedEof,
            };
            return Err(kind.into());
        }
        // Lines may end in LF alone (RFC 9112 section 2.2).
        let empty = matches!(bytes.get(begin..), Some(b"\r\n" | b"\n"));
        if empty && begin > 0 {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Head> {
        Head::read(&mut text.as_bytes())
    }

    fn framing(headers: &str) -> Option<Framing> {
        read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"))
            .unwrap()
            .framing()
    }

    #[test]
    fn a_request_asks_for_one_address() {
        let url = Url::parse("http://u:p@h:81/a b?c=d#e").unwrap();
        let range = Some(Range {
            first: 5,
            last: Some(9),
        });
        assert_eq!(
            request(&url, range, Some("Basic x")),
            "GET /a%20b?c=d HTTP/1.1\r\nHost: h:81\r\nUser-Agent: weir\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\nRange: bytes=5-9\r\n\
             Authorization: Basic x\r\n\r\n"
        );
        let v6 = Url::parse("http://[::1]/").unwrap();
        assert!(request(&v6, None, None).contains("Host: [::1]\r\n"));
    }

    #[test]
    fn loose_heads_of_cameras_are_read() {
        let head = read("HTTP/1.0 401 \nWWW-Authenticate : Basic\nBad\x07: x\nA:  b \n\n").unwrap();
        assert_eq!((head.status, head.get("a")), (401, Some("b")));
        assert_eq!(head.get("www-authenticate"), Some("Basic"));
        let head = read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert_eq!(head.status, 200);
    }

    #[test]
    fn what_is_no_http_is_an_error() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(40_000));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
        for text in ["SSH-2.0-x\r\n\r\n", &long, &many, &interim] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:.40}");
        }
        let cut = read("HTTP/1.1 200 OK\r\nA: ").unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_headers_say_where_the_body_ends() {
        let chunked = Framing::Chunked {
            left: 0,
            begun: false,
        };
        assert_eq!(framing(""), Some(Framing::Close));
        assert_eq!(framing("Content-Length: 7\r\n"), Some(Framing::Length(7)));
        assert_eq!(
            framing("Content-Length: 7\r\nTransfer-Encoding: Chunked\r\n"),
            Some(chunked)
        );
        assert_eq!(framing("Content-Length: 7\r\nContent-Length: 8\r\n"), None);
        assert_eq!(framing("Content-Length: -1\r\n"), None);
        assert_eq!(framing("Transfer-Encoding: gzip, chunked\r\n"), None);
    }
}
