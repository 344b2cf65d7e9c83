//! Compression of what is sent as text (RFC 1952).

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses `text`; `None` if that saves no bytes.
pub fn gzip(text: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 3), level);
    encoder.write_all(text).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < text.len()).then(|| compressed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_shrink_stays() {
        assert_eq!(gzip(b"x", Compression::fast()), None);
        let long = gzip(&[b'x'; 1000], Compression::fast());
        assert!(long.is_some_and(|compressed| compressed.len() < 100));
    }
}
