//! HTTP/1.1 as players and browsers speak it: requests without bodies, one after the other.
//!
//! A crowd asks for nothing else, so this is what a viewer costs: one call to the system for a request and
//! one for its answer, and no buffer while nothing is sent. Whatever else a client says, [`converse`]
//! leaves to hyper, with the bytes that have been read.

mod head;
mod status;

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Response;
use http_body_util::Empty;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::answer::Answerer;
use super::tap::{Answering, Tap, Tapped};
use head::{Head, Other};

/// Bytes that are read at a time. The head of a browser's request has some hundred.
const READ_BYTES: usize = 4096;

/// A connection that goes on in hyper.
pub(super) struct Rest<T> {
    pub(super) stream: T,
    /// What has been read of it, but not answered.
    pub(super) unread: Vec<u8>,
}

/// Answers the requests that come through `stream`, until the connection ends. `Some` if it goes on in hyper:
/// with a request that has a body, a head of more than `head_bytes_max`, HTTP/1.0, or mistakes.
pub(super) async fn converse<T, A>(
    stream: T,
    tap: &Tap<A>,
    head_bytes_max: usize,
) -> io::Result<Option<Rest<T>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    A: Answerer,
{
    let mut line = Line {
        stream,
        unread: Vec::new(),
    };
    loop {
        let Head { ask, is_last } = match line.next(tap, head_bytes_max).await? {
            Ok(Some(head)) => head,
            Ok(None) => {
                line.stream.shutdown().await?;
                return Ok(None);
            }
            Err(Other) => {
                let Line { stream, unread } = line;
                return Ok(Some(Rest { stream, unread }));
            }
        };
        let mut answering = tap.answer(ask, Empty::<Bytes>::new());
        let Some(response) = line.wait(&mut answering).await? else {
            return Ok(None);
        };
        drop(answering);
        if line
            .send(response, is_last || tap.activity.is_ending())
            .await?
        {
            return Ok(None);
        }
    }
}

/// A connection and what has come through it.
struct Line<T> {
    stream: T,
    /// Holds no memory while it is empty.
    unread: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Line<T> {
    /// The next request; `None` if the client has gone, or the connection ends.
    async fn next<A>(
        &mut self,
        tap: &Tap<A>,
        head_bytes_max: usize,
    ) -> io::Result<Result<Option<Head>, Other>> {
        loop {
            match head::read(&self.unread) {
                Ok(Some((head, bytes))) => {
                    self.taken(bytes);
                    return Ok(Ok(Some(head)));
                }
                Ok(None) if self.unread.len() < head_bytes_max => {}
                Ok(None) | Err(Other) => return Ok(Err(Other)),
            }
            let come = poll_fn(|context| match self.unread.as_slice() {
                [] if tap.activity.is_ending() => Poll::Ready(Ok(0)),
                _ => self.poll_more(context),
            });
            if come.await? == 0 {
                return Ok(Ok(None));
            }
        }
    }

    /// The first `bytes` have been understood.
    fn taken(&mut self, bytes: usize) {
        let rest = self.unread.get(bytes..).unwrap_or_default();
        self.unread = match rest {
            [] => Vec::new(),
            rest => rest.to_vec(),
        };
    }

    /// Waits for the answer; `None` if the client goes before it.
    async fn wait(&mut self, answering: &mut Answering) -> io::Result<Option<Response<Tapped>>> {
        poll_fn(|context| {
            if let Poll::Ready(Ok(response)) = Pin::new(&mut *answering).poll(context) {
                return Poll::Ready(Ok(Some(response)));
            }
            // What comes now belongs to the next request, and more of it can wait.
            while self.unread.is_empty() {
                if ready!(self.poll_more(context))? == 0 {
                    return Poll::Ready(Ok(None));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Sends a response, and says whether it was the last one.
    async fn send(&mut self, response: Response<Tapped>, is_last: bool) -> io::Result<bool> {
        let (parts, mut body) = response.into_parts();
        let is_last = is_last || status::ends_connection(&parts);
        let head = status::written(&parts, body.remaining(), is_last);
        let mut bytes = head.as_slice().chain(&mut body);
        self.stream.write_all_buf(&mut bytes).await?;
        self.stream.flush().await?;
        if is_last {
            self.stream.shutdown().await?;
        }
        Ok(is_last)
    }

    /// Reads what has come, and says how many bytes that were: none once the client sends no more.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut buffer);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.unread.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}
