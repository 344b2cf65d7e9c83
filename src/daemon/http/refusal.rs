//! Tells clients that they are turned away before their connections are closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Clients that are told at a time; each needs a file descriptor.
pub(super) const REFUSALS_MAX: usize = 64;
/// How long it may take to tell one client.
const LINGER_MAX: Duration = Duration::from_millis(500);
/// Bytes of a request that are read and thrown away, enough for the largest head.
const UNREAD_BYTES_MAX: u64 = 16 * 1024;

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\
                        Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Tells clients that they are turned away, a bounded number at a time.
#[derive(Debug)]
pub(super) struct Refusals(Arc<Semaphore>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(REFUSALS_MAX)))
    }

    /// Answers 503 and then closes `stream`. When too many clients are being told already, `stream`
    /// is closed at once, and this is `None`.
    pub(super) fn tell(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let place = self.0.clone().try_acquire_owned().ok()?;
        Some(async move {
            let told = tokio::time::timeout(LINGER_MAX, answer(&mut stream)).await;
            if let Ok(Err(error)) = told {
                tracing::trace!(%peer, %error, "the refusal could not be sent");
            }
            drop((stream, place));
        })
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
