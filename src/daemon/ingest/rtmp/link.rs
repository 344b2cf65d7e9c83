//! A connection's bytes: moves them between the socket and the [`Connection`], and media into the
//! lease.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::command::PublishTarget;
use super::connection::{Connection, Event};
use super::end::End;
use super::limits::Limits;
use super::pool::Stranger;
use crate::daemon::ingest::Lease;

/// Bytes per read.
const READ_BYTES: usize = 16 << 10;

/// A connection's bytes, with TLS or without.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A socket and the protocol state of its connection.
pub(super) struct Link<T> {
    socket: T,
    pub(super) connection: Connection,
    limits: Limits,
}

impl<T: Socket> Link<T> {
    pub(super) fn new(socket: T, limits: &Limits) -> Self {
        let mut seed = [0; 32];
        // On failure the seed stays zero, which is harmless: the random bytes protect nothing.
        let _ = getrandom::fill(&mut seed);
        Self {
            socket,
            connection: Connection::new(limits.clone(), seed, Instant::now()),
            limits: limits.clone(),
        }
    }

    /// Runs the protocol until the peer asks to publish.
    pub(super) async fn until_publish(
        &mut self,
        stranger: &mut Stranger,
    ) -> Result<PublishTarget, End> {
        let mut progress = 0;
        loop {
            match self.connection.poll()? {
                Some(Event::Publish(target)) => return Ok(target),
                Some(Event::Rejected(rejection)) => return Err(End::Rejected(rejection)),
                Some(Event::Media(_) | Event::Unpublished) => {}
                None => {
                    if self.connection.progress() > progress {
                        progress = self.connection.progress();
                        stranger.progressed();
                    }
                    self.flush().await?;
                    self.fill().await?;
                }
            }
        }
    }

    /// Accepts the publisher and forwards its media until the connection ends.
    pub(super) async fn forward(&mut self, lease: &Lease) -> End {
        let result = async {
            self.connection.accept()?;
            loop {
                match self.connection.poll()? {
                    // The session takes events at once, so this waits for an instant only.
                    Some(Event::Media(event)) => {
                        let sent = lease.media.send(event).await;
                        sent.map_err(|_| End::Revoked(lease.revoked.reason()))?;
                    }
                    Some(Event::Unpublished) => return Err(End::Unpublished),
                    Some(Event::Rejected(rejection)) => return Err(End::Rejected(rejection)),
                    Some(Event::Publish(_)) => {}
                    None => {
                        self.flush().await?;
                        self.fill().await?;
                    }
                }
            }
        };
        let result: Result<std::convert::Infallible, End> = result.await;
        match result {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Sends all waiting output.
    async fn flush(&mut self) -> Result<(), End> {
        let output = self.connection.output();
        if output.is_empty() {
            return Ok(());
        }
        let socket = &mut self.socket;
        let sent = timeout(self.limits.write_time_max, async {
            socket.write_all_buf(output).await?;
            // TLS may still hold some of it.
            socket.flush().await
        });
        sent.await.map_err(|_| End::Unread)??;
        // An idle connection holds no buffer.
        *output = bytes::BytesMut::new();
        Ok(())
    }

    /// Waits for bytes and reads them once.
    async fn fill(&mut self) -> Result<(), End> {
        let (deadline, overdue) = self.connection.deadline(Instant::now());
        // `timeout_at` polls the socket first, so a socket that is always readable never times out.
        if Instant::now() >= deadline {
            return Err(overdue.into());
        }
        let filled = poll_fn(|context| self.poll_fill(context));
        timeout_at(deadline.into(), filled)
            .await
            .map_err(|_| overdue)?
    }

    /// Reads once, into the stack, so that a connection that waits holds no buffer.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        let mut bytes = [0; READ_BYTES];
        let mut bytes = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut self.socket).poll_read(context, &mut bytes));
        Poll::Ready(match (read, bytes.filled()) {
            // RTMP itself says where a message ends, so nobody can cut one off unseen by ending TLS
            // without a farewell, as many publishers do.
            (Err(error), _) if error.kind() == ErrorKind::UnexpectedEof => Err(End::Closed),
            (Err(error), _) => Err(error.into()),
            (Ok(()), []) => Err(End::Closed),
            (Ok(()), read) => {
                let received = self.connection.receive(read, Instant::now());
                received.map_err(End::Protocol)
            }
        })
    }

    /// Sends the last status and reads on until the peer closes: closing a socket with unread
    /// bytes would reset the connection and lose that status.
    pub(super) async fn farewell(
        &mut self,
        end: &End,
        shutdown: &CancellationToken,
        evicted: &CancellationToken,
    ) {
        let told = match end {
            End::Revoked(reason) => self.connection.revoke(*reason),
            End::ShuttingDown => self.connection.shut_down(),
            End::Rejected(_) | End::Refused(_) | End::Unpublished => Ok(()),
            End::GateOverdue => Ok(()),
            _ => return,
        };
        if told.is_err() {
            return;
        }
        // Sends without waiting: when the daemon stops, there is no time to wait.
        let _ = self
            .socket
            .write_buf(self.connection.output())
            .now_or_never();
        let linger_time_max = self.limits.linger_time_max;
        let last_words = async {
            self.flush().await?;
            // A publisher that stopped closes the connection itself; GStreamer reports an
            // error when the server closes it first.
            if !matches!(end, End::Unpublished) {
                self.socket.shutdown().await?;
            }
            loop {
                self.fill().await?;
            }
        };
        let last_words: Result<Result<std::convert::Infallible, End>, _> = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = evicted.cancelled() => return,
            result = timeout(linger_time_max, last_words) => result,
        };
        debug!(in_time = last_words.is_ok(), "connection closed");
    }
}
