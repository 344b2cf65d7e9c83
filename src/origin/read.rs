//! The reading end: what HTTP asks for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::Origin;

/// Which of the two sets of renditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packaging {
    /// CMAF with demuxed audio, low latency.
    Cmaf,
    /// MPEG-TS, muxed.
    Ts,
}

/// Delivery directives of a media playlist request (RFC 8216bis section 6.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reload {
    /// `_HLS_msn`
    pub msn: Option<u64>,
    /// `_HLS_part`
    pub part: Option<u32>,
    /// `_HLS_skip=YES` (or `v2`)
    pub skip: bool,
}

/// A playlist, ready to send.
#[derive(Debug, Clone)]
pub struct Document {
    /// The text.
    pub body: Bytes,
    /// Strong entity tag with its quotes, different for every different text.
    pub etag: String,
    /// How long a cache may keep it (RFC 8216bis section 6.2.5.2 and appendix B).
    pub max_age: Duration,
}

/// An init section, part, segment: immutable.
#[derive(Debug, Clone)]
pub struct Object {
    /// The bytes in order; together [`Object::bytes`] long.
    pub chunks: Vec<Bytes>,
    /// Sum of the chunks' lengths.
    pub bytes: u64,
    /// MIME type.
    pub content_type: &'static str,
}

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Never was, or not yet and nobody will wait for it.
    #[error("not found")]
    NotFound,
    /// Was here and has left the window.
    #[error("gone")]
    Gone,
    /// Did not become ready in time: 503 with Retry-After.
    #[error("not ready yet")]
    NotReady,
    /// The request makes no sense, such as an `_HLS_msn` too far ahead.
    #[error("{0}")]
    BadRequest(&'static str),
}

/// What the windows hold, for metrics.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Bytes in all windows.
    pub bytes: u64,
    /// Bytes by stream.
    pub streams: Vec<(String, u64)>,
}

impl Origin {
    /// The multivariant playlist of the stream's newest session. Waits up to `wait` while the
    /// stream is expected but not yet playable.
    ///
    /// # Errors
    /// [`Missing::NotFound`] without a session, [`Missing::NotReady`] after `wait`.
    pub async fn master(
        &self,
        stream: &str,
        packaging: Packaging,
        wait: Duration,
    ) -> Result<Document, Missing> {
        let _ = (stream, packaging, wait);
        todo!()
    }

    /// A media playlist: `/live/STREAM/SESSION/RENDITION/FILE`. A blocking reload waits at most
    /// three target durations.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub async fn playlist(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        packaging: Packaging,
        reload: Reload,
    ) -> Result<Document, Missing> {
        let _ = (stream, session, rendition, packaging, reload);
        todo!()
    }

    /// An init section, part or segment by its file name; waits for the part or segment that the
    /// playlist's `EXT-X-PRELOAD-HINT` announces.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub async fn object(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        file: &str,
    ) -> Result<Object, Missing> {
        let _ = (stream, session, rendition, file);
        todo!()
    }

    /// The latest thumbnail and when it came.
    pub fn thumbnail(&self, stream: &str) -> Option<(Bytes, SystemTime)> {
        let _ = stream;
        todo!()
    }

    /// What is held, for metrics.
    pub fn usage(&self) -> Usage {
        todo!()
    }
}
