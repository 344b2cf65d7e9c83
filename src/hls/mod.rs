//! Pure HLS: parts, segments, windows and the text of playlists (RFC 8216bis). Knows no clock,
//! socket, file, tokio or GStreamer: callers pass times and bytes.

mod media;

pub use media::{Part, TrackId, TsSegment};
