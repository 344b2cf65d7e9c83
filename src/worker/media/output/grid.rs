//! The grid of one kind of track: which frame starts at a time, and where the frame belongs.

use crate::base::units::FrameRate;
use crate::model::ladder::clock::{
    AAC_FRAME_SAMPLES, AudioClock, LadderClock, Position, SAMPLE_RATE_HZ,
};

/// Numbers the frames of one kind of track and finds the part and segment of each.
#[derive(Debug, Clone)]
pub enum Grid {
    /// Canvas frames.
    Video(LadderClock, FrameRate),
    /// AAC frames.
    Audio(AudioClock),
}

impl Grid {
    /// Number of the frame that starts at `time`.
    pub fn frame_at(&self, time: gst::ClockTime) -> u64 {
        match self {
            Self::Video(_, fps) => fps.frame_at(time.into()),
            Self::Audio(_) => {
                let samples = u128::from(time.nseconds()) * u128::from(SAMPLE_RATE_HZ);
                let unit = u128::from(AAC_FRAME_SAMPLES) * 1_000_000_000;
                u64::try_from((samples + unit / 2) / unit).unwrap_or(u64::MAX)
            }
        }
    }

    /// Whether the part is the last one of its segment.
    pub fn is_last_part(&self, position: Position) -> bool {
        let parts = match self {
            Self::Video(clock, _) => clock.parts_in_segment(position.msn),
            Self::Audio(clock) => clock.parts_in_segment(position.msn),
        };
        position.part + 1 >= parts
    }

    /// Part and segment of a frame.
    pub fn locate(&self, frame: u64) -> Position {
        match self {
            Self::Video(clock, _) => clock.locate(frame),
            Self::Audio(clock) => clock.locate(frame),
        }
    }
}
