//! Parts and segments, as a worker packages them and the origin keeps them.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One of the two sets of renditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Packaging {
    /// CMAF with demuxed audio, low latency.
    Cmaf,
    /// MPEG-TS, muxed.
    Ts,
}

/// Names a rendition of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrackId {
    /// Index into [`crate::model::ladder::Plan::video`].
    Video(u8),
    /// Index into [`crate::model::ladder::Plan::audio`].
    Audio(u8),
}

/// One part of one rendition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Rendition it belongs to.
    pub track: TrackId,
    /// Media sequence number of its segment.
    pub msn: u64,
    /// Number in the segment, from 0.
    pub index: u32,
    /// Exact duration.
    pub duration: Duration,
    /// A decoder can start at it (`INDEPENDENT=YES`).
    pub independent: bool,
    /// It is the last of its segment.
    pub last: bool,
    /// Wall-clock time of its first frame, nanoseconds since the Unix epoch.
    pub date_ns: u64,
    /// Media bytes.
    pub data: Bytes,
}

/// One MPEG-TS segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TsSegment {
    /// Index into [`crate::model::ladder::Plan::video`].
    pub video: u8,
    /// Media sequence number, the same as the CMAF segment's.
    pub msn: u64,
    /// Exact duration of its video.
    pub duration: Duration,
    /// Wall-clock time of its first frame, nanoseconds since the Unix epoch.
    pub date_ns: u64,
    /// Media bytes.
    pub data: Bytes,
}
