//! Pure HLS: parts, segments, windows and the text of playlists (RFC 8216bis). Reads no clock,
//! socket or file: callers pass times and bytes.
//!
//! A [`Presentation`] is one session: it has a [`Window`] per rendition, in both packagings, takes
//! the parts and segments that a worker makes, keeps the renditions' numbers in step, slides the
//! windows and renders all playlists. Section numbers in comments are those of
//! draft-pantos-hls-rfc8216bis-22.

mod awake;
mod codecs;
mod continuity;
mod date;
mod date_range;
mod date_ranges;
mod iframe;
mod iframes;
mod init;
mod inits;
mod level;
mod media;
mod multivariant;
mod pictures;
mod playlist;
mod presentation;
mod reload;
mod rendition;
mod segment;
mod stand_in;
mod storyboard;
mod text;
mod timing;
mod variants;
mod window;

pub use codecs::is_codec;
pub use continuity::Continuity;
pub use date::Date;
pub use date_range::{Cue, DateRange, RangeError, Value};
pub use inits::Init;
pub use media::{Packaging, Part, TrackId, TsSegment};
pub use multivariant::Pathway;
pub use presentation::tracks::{Edition, Track};
pub use presentation::{Presentation, Refused, SEGMENTS_KEPT_MAX};
pub use reload::{Readiness, Reload};
pub use rendition::HELD_SEGMENTS_MAX;
pub use segment::Segment;
pub use storyboard::{PICTURE_BYTES_MAX, THUMBNAIL_INTERVAL};
pub use timing::Timing;
pub use window::{Lookup, Window};

#[cfg(test)]
pub(super) mod tests;
