//! Live windows in memory, and the readers that wait on them.

mod read;

use std::time::Duration;

use bytes::Bytes;

use crate::hls::{Part, TrackId, TsSegment};
use crate::ladder::Plan;
use crate::units::ByteSize;

pub use read::{Document, Missing, Object, Packaging, Reload, Usage};

/// Bounds of everything an [`Origin`] keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How far back a viewer can seek; also how long an ended session stays.
    pub window: Duration,
    /// Bytes of all windows of all streams together; windows shorten first.
    pub memory: ByteSize,
    /// `PART-HOLD-BACK`; `None` is three part targets.
    pub hold_back: Option<Duration>,
}

/// What a session makes, fixed when it opens.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// Renditions.
    pub plan: Plan,
    /// Nominal segment duration.
    pub segment: Duration,
    /// Longest part of any rendition; zero when low latency is off.
    pub part_target: Duration,
    /// There is an MPEG-TS set.
    pub ts: bool,
}

/// All streams' windows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Origin {}

/// The writing end of one session; owned by the stream's task.
#[derive(Debug)]
pub struct SessionWriter {}

impl Origin {
    /// An empty origin.
    pub fn new(limits: Limits) -> Self {
        let _ = limits;
        todo!()
    }

    /// Makes requests for the stream's master wait (up to 10 s) for a session to become playable.
    pub fn expect(&self, stream: &str) {
        let _ = stream;
        todo!()
    }

    /// Ends that wait without a session: the source went before anything was playable.
    pub fn give_up(&self, stream: &str) {
        let _ = stream;
        todo!()
    }

    /// Opens a new session under addresses never used before. The stream's previous session
    /// keeps its own for `window`.
    pub fn open(&self, stream: &str, spec: SessionSpec) -> SessionWriter {
        let _ = (stream, spec);
        todo!()
    }
}

impl SessionWriter {
    /// Takes a rendition's initialization section; a later one starts a discontinuity.
    pub fn init(&mut self, track: TrackId, codec: &str, data: Bytes) {
        let _ = (track, codec, data);
        todo!()
    }

    /// Appends a part. Parts out of order are dropped and logged.
    pub fn part(&mut self, part: Part) {
        let _ = part;
        todo!()
    }

    /// Appends an MPEG-TS segment.
    pub fn ts_segment(&mut self, segment: TsSegment) {
        let _ = segment;
        todo!()
    }

    /// Replaces the thumbnail.
    pub fn thumbnail(&mut self, jpeg: Bytes) {
        let _ = jpeg;
        todo!()
    }

    /// The worker died: closes every open segment with the parts it has, levels all renditions
    /// (a rendition that lacks the last segment gets an `EXT-X-GAP` one), and returns the media
    /// sequence number at which all of them go on behind a discontinuity.
    pub fn interrupt(&mut self) -> u64 {
        todo!()
    }

    /// Every listed rendition has one complete segment.
    pub fn playable(&self) -> bool {
        todo!()
    }

    /// Ends the playlists with `EXT-X-ENDLIST`.
    pub fn end(self) {
        todo!()
    }
}
