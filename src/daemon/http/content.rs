//! What a response carries: one text, or the pieces of media, without copies.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderValue;
use hyper::body::{Body, Frame, SizeHint};

/// The type of a playlist (RFC 8216bis section 4).
pub(super) const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// A response of a handler.
pub(super) type Response = http::Response<Content>;

/// Media is sent in pieces of at most this many bytes, without copying. With larger pieces, a
/// client that reads slowly would look idle while its last piece is still being sent.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// The body of a response.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The last is the next to be sent.
    chunks: Vec<Bytes>,
}

impl Content {
    /// Chunks one after the other.
    pub(super) fn of(mut chunks: Vec<Bytes>) -> Self {
        chunks.retain(|chunk| !chunk.is_empty());
        chunks.reverse();
        Self { chunks }
    }

    fn next(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.last_mut()?;
        if chunk.len() > PIECE_BYTES_MAX {
            return Some(chunk.split_to(PIECE_BYTES_MAX));
        }
        self.chunks.pop()
    }
}

impl From<Bytes> for Content {
    fn from(whole: Bytes) -> Self {
        Self::of(vec![whole])
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.chunks.iter().map(|chunk| chunk.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_share_the_chunks_and_are_bounded() {
        let long = Bytes::from(vec![7; PIECE_BYTES_MAX * 2 + 1]);
        let start = long.as_ptr();
        let mut content = Content::of(vec!["ab".into(), Bytes::new(), long]);
        let total = PIECE_BYTES_MAX * 2 + 3;
        assert_eq!(content.size_hint().exact(), Some(total as u64));
        let pieces: Vec<Bytes> = std::iter::from_fn(|| content.next()).collect();
        let lengths: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [2, PIECE_BYTES_MAX, PIECE_BYTES_MAX, 1]);
        assert_eq!(pieces[1].as_ptr(), start);
        assert!(content.is_end_stream() && Content::from(Bytes::new()).is_end_stream());
    }
}
