//! The ladder clock: the one place that decides where segments and parts begin, in every
//! rendition and in both packagings.
//!
//! Everything is counted in frames of the canvas grid (and in AAC frames of 1024 samples at
//! 48 kHz), never in measured time, so that renditions agree by construction.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::FrameRate;

/// Samples in one AAC frame.
pub const AAC_FRAME_SAMPLES: u64 = 1024;
/// Sample rate of all audio inside weir, in Hz.
pub const SAMPLE_RATE_HZ: u64 = 48_000;

/// Where a frame lies in its playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Media sequence number of the segment.
    pub msn: u64,
    /// Number of the part inside it, from 0.
    pub part: u32,
    /// This frame is the first of its segment.
    pub starts_segment: bool,
    /// This frame is the first of its part.
    pub starts_part: bool,
}

/// Cuts of one worker's output. Frame 0 is the first frame of segment `first_msn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderClock {
    fps: FrameRate,
    first_msn: u64,
    first_segment_frames: u64,
    segment_frames: u64,
    part_frames: u64,
}

/// What the clock is made from.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Rate of the canvas.
    pub fps: FrameRate,
    /// Least common multiple of the renditions' divisors: cuts fall on its multiples, so every
    /// rendition has a frame at each cut.
    pub grid: u32,
    /// Nominal segment duration.
    pub segment: Duration,
    /// Nominal part duration; zero turns parts off (a segment is one part).
    pub part: Duration,
    /// Media sequence number of the first segment.
    pub first_msn: u64,
}
