//! What a response carries: one text, or the pieces of media, without copies.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use http::header::HeaderValue;

/// The type of a playlist (RFC 8216bis section 4).
pub(super) const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// A response of a handler.
pub(super) type Response = http::Response<Content>;

/// hyper gets media in pieces of at most this many bytes, without copying. With larger pieces, a
/// client that reads slowly would look idle while its last piece is still being sent.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// The body of a response, or what is left of it: chunks that are sent as if they were one. A segment is made
/// of its parts, and the system takes all of them in one call.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// None is empty.
    chunks: VecDeque<Bytes>,
    bytes: usize,
}

impl Content {
    /// Chunks one after the other.
    pub(super) fn of(mut chunks: Vec<Bytes>) -> Self {
        chunks.retain(|chunk| !chunk.is_empty());
        Self {
            bytes: chunks.iter().map(Bytes::len).sum(),
            chunks: chunks.into(),
        }
    }

    /// Takes the next piece off.
    pub(super) fn piece(&mut self) -> Option<Self> {
        if self.bytes <= PIECE_BYTES_MAX {
            let rest = std::mem::take(self);
            return (rest.bytes > 0).then_some(rest);
        }
        let mut piece = Self::default();
        while let Some(chunk) = self.chunks.front_mut()
            && piece.bytes < PIECE_BYTES_MAX
        {
            let taken = chunk.split_to(chunk.len().min(PIECE_BYTES_MAX - piece.bytes));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            self.bytes -= taken.len();
            piece.bytes += taken.len();
            piece.chunks.push_back(taken);
        }
        Some(piece)
    }
}

impl Buf for Content {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.chunks.iter().map(|chunk| IoSlice::new(chunk));
        let pairs = slices.iter_mut().zip(chunks);
        pairs.map(|(slice, chunk)| *slice = chunk).count()
    }

    /// Past the end it goes to the end: nothing here panics.
    fn advance(&mut self, bytes: usize) {
        let mut left = bytes.min(self.bytes);
        self.bytes -= left;
        while let Some(chunk) = self.chunks.front_mut()
            && left > 0
        {
            if chunk.len() > left {
                chunk.advance(left);
                return;
            }
            left -= chunk.len();
            self.chunks.pop_front();
        }
    }
}

impl From<Bytes> for Content {
    fn from(whole: Bytes) -> Self {
        Self::of(vec![whole])
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
        assert_eq!(content.remaining(), PIECE_BYTES_MAX * 2 + 3);
        let pieces: Vec<Content> = std::iter::from_fn(|| content.piece()).collect();
        let lengths: Vec<usize> = pieces.iter().map(Buf::remaining).collect();
        assert_eq!(lengths, [PIECE_BYTES_MAX, PIECE_BYTES_MAX, 3]);
        assert_eq!(pieces[0].chunks[1].as_ptr(), start);
        assert!(!content.has_remaining() && !Content::from(Bytes::new()).has_remaining());
    }

    #[test]
    fn a_piece_is_sent_in_one_call_and_goes_on_where_the_call_ended() {
        let chunks = ["abc", "d", "efg"];
        let mut piece = Content::of(chunks.map(Bytes::from).to_vec());
        let mut sent = Vec::new();
        for bytes in [2, 1, 3, 9] {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = piece.chunks_vectored(&mut slices);
            assert_eq!(count, piece.chunks.len().min(2));
            assert!(piece.chunk().is_empty() || *piece.chunk() == *slices[0]);
            sent.push((piece.remaining(), piece.chunk().to_vec()));
            piece.advance(bytes);
        }
        let texts = [(7, "abc"), (5, "c"), (4, "d"), (1, "g")];
        assert_eq!(sent, texts.map(|(bytes, text)| (bytes, text.into())));
        assert!(!piece.has_remaining() && piece.piece().is_none());
    }
}
