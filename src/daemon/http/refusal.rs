//! Clients for which there is no place: they are told so, and those that ask for the daemon's health
//! are answered all the same.

use std::io;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Places for clients that are told at a time; each needs a file descriptor. Who asks for health or
/// metrics finds one of these places when viewers have all others.
pub(super) const REFUSALS_MAX: usize = 64;
/// Of these, places that one peer may take.
pub(super) const REFUSALS_PER_PEER_MAX: usize = 16;
/// How long such a client may wait with its request, and with reading the answer.
pub(super) const LINGER_MAX: Duration = Duration::from_millis(500);
/// How long health or metrics may take to send.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Bytes of a request that are read and thrown away, enough for the largest head.
const UNREAD_BYTES_MAX: u64 = 16 * 1024;
/// What is answered even when no place is free; the last two are on the admin port only.
const ALWAYS_ANSWERED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// How long a refused client should wait, in seconds.
const RETRY_AFTER_SECONDS: &str = "2";

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\
                        Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Whether a request for `path` is answered even when no place is free.
pub(super) fn is_always_answered(path: &str) -> bool {
    ALWAYS_ANSWERED.contains(&path)
}

/// The answer to a request for which there is no place, or of a client that has too many.
pub(super) fn response<B>(status: StatusCode, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// Lets HTTP/1 end the connection after `response`.
pub(super) fn end_connection<B>(response: &mut Response<B>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

/// Answers 503 to a client that has not asked yet, and closes its connection.
pub(super) async fn tell(mut stream: TcpStream) {
    let told = tokio::time::timeout(LINGER_MAX, answer(&mut stream)).await;
    if let Ok(Err(error)) = told {
        tracing::trace!(%error, "the refusal could not be sent");
    }
}

/// Closing a socket with unread bytes resets its connection, and "the reset packet might erase
/// the client's unacknowledged input buffers before they can be read and interpreted by the
/// client's HTTP parser. To avoid the TCP reset problem, servers typically close a connection in
/// stages. First, the server performs a half-close […]. The server then continues to read from the
/// connection" (RFC 9112 section 9.6).
async fn answer(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    let mut request = stream.take(UNREAD_BYTES_MAX);
    tokio::io::copy(&mut request, &mut tokio::io::sink()).await?;
    Ok(())
}
