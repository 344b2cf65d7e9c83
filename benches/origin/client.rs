//! A connection that asks and reads the answer, with as little work as can be.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::either::Either;

use super::tls_client::{self, Secure};

/// An answer must come within this time.
const PATIENCE: Duration = Duration::from_secs(20);
const HEAD_BYTES_MAX: usize = 4096;

/// A kept connection.
pub struct Connection {
    stream: Either<TcpStream, Box<Secure>>,
    host: SocketAddr,
    buffer: Vec<u8>,
    /// Bytes in the buffer that belong to the answer.
    head_bytes: usize,
    takes_gzip: bool,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    /// When its first byte came.
    pub came: Instant,
}

impl Connection {
    pub async fn open(host: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Either::Left(stream), host))
    }

    /// A connection over TLS, to a server with whatever certificate.
    pub async fn open_secure(host: SocketAddr) -> io::Result<Self> {
        let stream = tls_client::connect(host, &["http/1.1"]).await?;
        stream.get_ref().0.set_nodelay(true)?;
        Ok(Self::over(Either::Right(Box::new(stream)), host))
    }

    fn over(stream: Either<TcpStream, Box<Secure>>, host: SocketAddr) -> Self {
        Self {
            stream,
            host,
            buffer: Vec::new(),
            head_bytes: 0,
            takes_gzip: false,
        }
    }

    /// A connection that takes compressed playlists, as those of browsers do.
    pub async fn open_as_browser(host: SocketAddr) -> io::Result<Self> {
        let connection = Self::open(host).await?;
        Ok(Self {
            takes_gzip: true,
            ..connection
        })
    }

    /// Asks for `path`, and keeps the body if it is text.
    pub async fn get(&mut self, path: &str, keeps: bool) -> io::Result<Answer> {
        timeout(PATIENCE, self.exchange(path, keeps)).await?
    }

    async fn exchange(&mut self, path: &str, keeps: bool) -> io::Result<Answer> {
        let encoding = match self.takes_gzip {
            true => "Accept-Encoding: gzip, deflate\r\n",
            false => "",
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
             Accept: */*\r\nAccept-Language: en-US,en;q=0.9\r\n{encoding}\r\n",
            self.host
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let mut came = None;
        let (status, length) = loop {
            self.buffer.reserve(HEAD_BYTES_MAX);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            came.get_or_insert_with(Instant::now);
            if let Some(head) = self.head()? {
                break head;
            }
        };
        let total = self.head_bytes + length;
        let mut got = self.buffer.len();
        while got < total {
            self.buffer.reserve(16 * 1024);
            let read = self.stream.read_buf(&mut self.buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            got += read;
            if !keeps {
                self.buffer.clear();
            }
        }
        Ok(Answer {
            status,
            came: came.unwrap_or_else(Instant::now),
        })
    }

    /// Status and length, once the head is whole.
    fn head(&mut self) -> io::Result<Option<(u16, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&self.buffer).map_err(io::Error::other)?;
        let httparse::Status::Complete(head_bytes) = parsed else {
            return Ok(None);
        };
        let length = response
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|h| std::str::from_utf8(h.value).ok()?.parse().ok());
        let status = response.code.unwrap_or_default();
        let length =
            length.ok_or_else(|| io::Error::other(format!("no length; status {status}")))?;
        self.head_bytes = head_bytes;
        Ok(Some((status, length)))
    }

    /// The bytes of the body that was kept.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.head_bytes..]
    }

    /// The body that was kept.
    pub fn body(&self) -> &str {
        std::str::from_utf8(&self.buffer[self.head_bytes..]).unwrap_or_default()
    }
}

/// What compressed playlists announce. All readers get the same ones, and only the first takes one apart.
static HINTS: Mutex<Option<HashMap<Vec<u8>, Hint>>> = Mutex::new(None);

type Hint = Option<(u64, u32)>;

/// Segment and part that a playlist announces, which may be compressed.
pub fn hint(body: &[u8]) -> Hint {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return announced(std::str::from_utf8(body).unwrap_or_default());
    }
    let mut hints = HINTS.lock().unwrap_or_else(PoisonError::into_inner);
    let hints = hints.get_or_insert_default();
    *hints.entry(body.to_vec()).or_insert_with(|| {
        let mut text = String::new();
        GzDecoder::new(body).read_to_string(&mut text).unwrap();
        announced(&text)
    })
}

fn announced(playlist: &str) -> Hint {
    let line = playlist
        .lines()
        .rev()
        .find(|line| line.starts_with("#EXT-X-PRELOAD-HINT"))?;
    let file = line.split('"').nth(1)?;
    let mut numbers = file.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
