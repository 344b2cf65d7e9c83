//! Pure HLS: parts, segments, windows and the text of playlists (RFC 8216bis). Knows no clock,
//! socket, file, tokio or GStreamer: callers pass times and bytes.
//!
//! [`Presentation`] is the whole of one session: a [`Window`] for every rendition in both
//! packagings. It takes what a worker makes, keeps the renditions' numbers in step, slides the
//! windows and renders every playlist. Sections are those of draft-pantos-hls-rfc8216bis-22.

mod level;
mod media;
mod multivariant;
mod playlist;
mod presentation;
mod reload;
mod text;
mod timing;
mod window;

pub use media::{Packaging, Part, TrackId, TsSegment};
pub use presentation::{Presentation, Refused};
pub use reload::{Readiness, Reload};
pub use timing::Timing;
pub use window::{Init, Lookup, Segment, Window};

#[cfg(test)]
mod tests;
