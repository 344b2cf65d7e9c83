//! What a decoder needs before a rendition's segments.

use bytes::Bytes;

/// Codec and bytes of an initialization section.
#[derive(Debug, Clone)]
pub(super) struct InitSection {
    /// RFC 6381 codec string.
    pub(super) codec: String,
    /// `ftyp` and `moov`.
    pub(super) data: Bytes,
}
