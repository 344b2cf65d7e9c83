//! What a reader gets.

use std::time::Duration;

use bytes::Bytes;

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

/// An initialization section, a part or a segment. It never changes.
#[derive(Debug, Clone)]
pub struct Object {
    /// The bytes in order, [`Object::bytes`] of them together.
    pub chunks: Vec<Bytes>,
    /// Sum of the chunks' lengths.
    pub bytes: u64,
    /// MIME type.
    pub content_type: &'static str,
}

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It never existed, or does not exist yet and is not announced.
    #[error("not found")]
    NotFound,
    /// It has left the window.
    #[error("gone")]
    Gone,
    /// It did not become ready in time: 503 with Retry-After.
    #[error("not ready yet")]
    NotReady,
    /// The request makes no sense, such as an `_HLS_msn` too far ahead.
    #[error("{0}")]
    BadRequest(&'static str),
}
