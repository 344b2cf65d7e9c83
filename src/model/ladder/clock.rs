//! The ladder clock: the only place that decides where segments and parts begin, for all
//! renditions in both packagings.
//!
//! It counts canvas frames (for audio: AAC frames of 1024 samples at 48 kHz) and never measures
//! time, so all renditions are cut at the same places.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::units::FrameRate;

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

/// Nominal length of the first segment: short, so that the first viewer can start early.
const FIRST_SEGMENT: Duration = Duration::from_secs(1);

/// Cuts of one worker's video. Frame 0 is the first frame of segment `first_msn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderClock {
    fps: FrameRate,
    first_msn: u64,
    first_segment_frames: u64,
    segment_frames: u64,
    /// Canvas frames in every part but the last of a segment, which may be shorter.
    part_frames: u64,
    audio_part_frames: u64,
}

/// Parameters of a clock.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Frame rate of the canvas.
    pub fps: FrameRate,
    /// Cuts fall on multiples of this number of canvas frames, see
    /// [`Plan::grid`](super::plan::Plan::grid).
    pub grid: u32,
    /// Nominal segment duration.
    pub segment: Duration,
    /// Nominal part duration; zero turns parts off: each segment is then one part.
    pub part: Duration,
    /// Media sequence number of the first segment.
    pub first_msn: u64,
}

impl LadderClock {
    /// Rounds the nominal durations to multiples of the grid, at least one.
    ///
    /// Each segment is one part if the part duration is zero or not below the segment's.
    pub fn new(settings: Settings) -> Self {
        let grid = settings.grid.max(1);
        let whole = |nominal: Duration| nearest_multiple(settings.fps, nominal, grid);
        let segment_frames = whole(settings.segment);
        let part_frames = fitting_part(settings.fps, whole(settings.part), u64::from(grid));
        let one_part = settings.part.is_zero() || part_frames >= segment_frames;
        let (part_frames, audio_part_frames) = if one_part {
            (segment_frames, aac_frames(settings.fps, segment_frames).1)
        } else {
            (part_frames, audio_part(settings.fps, part_frames))
        };
        Self {
            fps: settings.fps,
            first_msn: settings.first_msn,
            first_segment_frames: whole(FIRST_SEGMENT).min(segment_frames),
            segment_frames,
            part_frames,
            audio_part_frames,
        }
    }

    /// Where canvas frame `frame` lies.
    pub fn locate(&self, frame: u64) -> Position {
        let msn = self.msn_of(frame);
        let offset = frame.saturating_sub(self.segment_start(msn));
        position(msn, offset, self.part_frames)
    }

    /// First canvas frame of segment `msn`; 0 for numbers before the first segment.
    pub fn segment_start(&self, msn: u64) -> u64 {
        match msn.saturating_sub(self.first_msn) {
            0 => 0,
            n => (n - 1)
                .saturating_mul(self.segment_frames)
                .saturating_add(self.first_segment_frames),
        }
    }

    /// Output time at which segment `msn` starts.
    pub fn segment_time(&self, msn: u64) -> Duration {
        self.fps.time_of(self.segment_start(msn))
    }

    /// Canvas frames in segment `msn`; the first segment is shorter.
    pub fn segment_frames(&self, msn: u64) -> u64 {
        if msn <= self.first_msn {
            self.first_segment_frames
        } else {
            self.segment_frames
        }
    }

    /// Parts in segment `msn` of a video rendition.
    pub fn parts_in_segment(&self, msn: u64) -> u32 {
        saturating_u32(self.segment_frames(msn).div_ceil(self.part_frames))
    }

    /// `PART-TARGET` of every playlist: the longest part of any rendition, audio included.
    ///
    /// RFC 8216bis, 4.4.3.7: "The value is a decimal-floating-point number of seconds indicating
    /// the Part Target Duration"; 4.4.4.9: no part may be longer, and only the last of a segment
    /// (or an independent one) may be shorter than 85 % of it. Rounded up to the nanosecond.
    pub fn part_target(&self) -> Duration {
        let nanos = (u128::from(self.part_frames) * u128::from(self.fps.den()) * NANOS)
            .div_ceil(u128::from(self.fps.num()));
        let video = Duration::from_nanos(saturating_u64(nanos));
        video.max(aac_time_ceil(self.audio_part_frames))
    }

    /// The cuts of the audio renditions.
    pub fn audio(&self) -> AudioClock {
        AudioClock {
            video: self.clone(),
            part_frames: self.audio_part_frames,
        }
    }

    fn msn_of(&self, frame: u64) -> u64 {
        match frame.checked_sub(self.first_segment_frames) {
            None => self.first_msn,
            Some(rest) => (rest / self.segment_frames)
                .saturating_add(1)
                .saturating_add(self.first_msn),
        }
    }
}

/// Cuts of the audio renditions: each is less than one AAC frame later than the video's.
///
/// AAC frame 0 starts at output time 0. A segment starts with the first AAC frame that starts at or
/// after the start of the video segment; its parts are counted from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioClock {
    video: LadderClock,
    /// AAC frames in every part but the last of a segment, which may be shorter.
    part_frames: u64,
}

impl AudioClock {
    /// Where AAC frame `index` lies.
    pub fn locate(&self, index: u64) -> Position {
        // Segment k starts at AAC frame ceil(t_k / frame), which is at most `index` exactly when
        // t_k <= index * frame. So the segment is that of the last canvas frame that starts no
        // later than this AAC frame.
        let fps = self.video.fps;
        let canvas = u128::from(index) * u128::from(AAC_FRAME_SAMPLES) * u128::from(fps.num())
            / (u128::from(SAMPLE_RATE_HZ) * u128::from(fps.den()));
        let msn = self.video.msn_of(saturating_u64(canvas));
        let offset = index.saturating_sub(self.segment_start(msn));
        position(msn, offset, self.part_frames)
    }

    /// First AAC frame of segment `msn`.
    pub fn segment_start(&self, msn: u64) -> u64 {
        aac_frames(self.video.fps, self.video.segment_start(msn)).1
    }

    /// AAC frames in segment `msn`; may differ by one between video segments of equal length.
    pub fn segment_frames(&self, msn: u64) -> u64 {
        self.segment_start(msn.max(self.video.first_msn).saturating_add(1))
            .saturating_sub(self.segment_start(msn))
    }

    /// Parts in segment `msn` of an audio rendition.
    pub fn parts_in_segment(&self, msn: u64) -> u32 {
        saturating_u32(self.segment_frames(msn).div_ceil(self.part_frames.max(1)))
    }
}

/// Output time at which AAC frame `index` starts, rounded down to the nanosecond.
pub fn aac_time(index: u64) -> Duration {
    let nanos =
        u128::from(index) * u128::from(AAC_FRAME_SAMPLES) * NANOS / u128::from(SAMPLE_RATE_HZ);
    Duration::from_nanos(saturating_u64(nanos))
}

const NANOS: u128 = 1_000_000_000;

fn position(msn: u64, offset: u64, part_frames: u64) -> Position {
    Position {
        msn,
        part: saturating_u32(offset / part_frames.max(1)),
        starts_segment: offset == 0,
        starts_part: offset.is_multiple_of(part_frames.max(1)),
    }
}

/// The multiple of `grid` frames nearest to `nominal`, at least one; a tie rounds up.
fn nearest_multiple(fps: FrameRate, nominal: Duration, grid: u32) -> u64 {
    let steps = fps.divided(grid).frame_at(nominal).max(1);
    steps.saturating_mul(u64::from(grid))
}

/// The duration of some canvas frames in AAC frames: rounded down, and rounded up.
fn aac_frames(fps: FrameRate, frames: u64) -> (u64, u64) {
    let samples = u128::from(frames) * u128::from(fps.den()) * u128::from(SAMPLE_RATE_HZ);
    let unit = u128::from(fps.num()) * u128::from(AAC_FRAME_SAMPLES);
    (
        saturating_u64(samples / unit),
        saturating_u64(samples.div_ceil(unit)),
    )
}

/// AAC frames per audio part, for video parts of `part_frames`: as many as fit into the video part,
/// unless that is less than 85 % of it; then one more, which raises the PART-TARGET.
fn audio_part(fps: FrameRate, part_frames: u64) -> u64 {
    let (fits, covers) = aac_frames(fps, part_frames);
    if fits > 0 && holds_floor(fps, fits, part_frames) {
        fits
    } else {
        covers.max(1)
    }
}

/// The smallest video part from `part_frames` up, in steps of the grid, for which some number of
/// whole AAC frames is within 85 % of its length, as RFC 8216bis demands. Every part of three AAC
/// frames (64 ms) or more qualifies: n frames serve lengths up to n / 0.85, n + 1 frames lengths
/// from 0.85 (n + 1) on, and for n >= 3 these ranges overlap.
fn fitting_part(fps: FrameRate, part_frames: u64, grid: u64) -> u64 {
    let mut frames = part_frames;
    while aac_frames(fps, frames).0 < 3 && !holds_floor(fps, audio_part(fps, frames), frames) {
        frames = frames.saturating_add(grid);
    }
    frames
}

/// Whether neither an audio part of `aac` AAC frames nor a video part of `frames` canvas frames is
/// shorter than 85 % of the other.
fn holds_floor(fps: FrameRate, aac: u64, frames: u64) -> bool {
    let audio = u128::from(aac) * u128::from(AAC_FRAME_SAMPLES) * u128::from(fps.num());
    let video = u128::from(frames) * u128::from(SAMPLE_RATE_HZ) * u128::from(fps.den());
    audio.min(video) * 100 >= audio.max(video) * 85
}

fn aac_time_ceil(frames: u64) -> Duration {
    let nanos = (u128::from(frames) * u128::from(AAC_FRAME_SAMPLES) * NANOS)
        .div_ceil(u128::from(SAMPLE_RATE_HZ));
    Duration::from_nanos(saturating_u64(nanos))
}

fn saturating_u64(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn saturating_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
