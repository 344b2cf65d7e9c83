//! What a reader gets.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;

use crate::base::gzip::gzip;

/// A playlist, ready to send. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Document {
    /// What all its readers share.
    pub text: Arc<Text>,
    /// How long a cache may keep it (RFC 8216bis section 6.2.5.2 and appendix B).
    pub max_age: Age,
}

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// By the cache of one viewer.
    pub own: Duration,
    /// By a cache that many viewers share.
    pub shared: Duration,
}

impl Age {
    /// The same for every cache.
    pub const fn everywhere(age: Duration) -> Self {
        Self {
            own: age,
            shared: age,
        }
    }
}

/// One version of a playlist, rendered and compressed once for all who read it.
#[derive(Debug)]
pub struct Text {
    /// The text.
    pub body: Bytes,
    /// Strong entity tag with its quotes, different for every different text.
    pub etag: String,
    gzip: OnceLock<Option<Bytes>>,
}

impl Text {
    pub(super) fn new(text: String, etag: String) -> Arc<Self> {
        Arc::new(Self {
            body: text.into(),
            etag,
            gzip: OnceLock::new(),
        })
    }

    /// The compressed text; `None` if compression saves no bytes. The first reader who wants it
    /// compresses it; others wait for that, which takes less time than doing the same.
    pub fn gzip(&self) -> Option<Bytes> {
        let compress = || gzip(&self.body, Compression::fast());
        self.gzip.get_or_init(compress).clone()
    }
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
