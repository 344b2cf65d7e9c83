//! How long segments and parts are, in frames: the nominal durations of the configuration, rounded so
//! that every rendition can keep the rules of RFC 8216bis.

use std::time::Duration;

use crate::base::units::FrameRate;

/// Samples in one AAC frame.
pub const AAC_FRAME_SAMPLES: u64 = 1024;
/// Sample rate of all audio inside weir, in Hz.
pub const SAMPLE_RATE_HZ: u64 = 48_000;
/// Frames of the slowest rung between two key frames: more than any lookahead, because an encoder may
/// take a second wish that comes while the first is in its lookahead for the same one.
const KEY_FRAME_DISTANCE_FRAMES_MIN: u64 = 8;
/// Nominal length of the first segment: short, so that the first viewer can start early.
const FIRST_SEGMENT: Duration = Duration::from_secs(1);
const NANOS: u128 = 1_000_000_000;

/// The nominal durations, and the grid that they are rounded to.
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
}

/// Lengths of a session's segments and parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Frame rate of the canvas.
    pub fps: FrameRate,
    /// Cuts fall on multiples of this number of canvas frames.
    pub grid_frames: u64,
    /// Canvas frames in the first segment of a session.
    pub first_segment_frames: u64,
    /// Canvas frames in every other segment that nobody asked to be shorter.
    pub segment_frames: u64,
    /// Canvas frames that every segment has at least, whoever asks for a cut.
    pub least_segment_frames: u64,
    /// Canvas frames in every part but the last of a segment, which may be shorter.
    pub part_frames: u64,
    /// AAC frames in every part but the last of a segment, which may be shorter.
    pub audio_part_frames: u64,
}

impl Lengths {
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
        let part_frames = part_frames.max(1);
        let apart = KEY_FRAME_DISTANCE_FRAMES_MIN.saturating_mul(u64::from(grid));
        let first_segment_frames = whole(FIRST_SEGMENT).min(segment_frames);
        Self {
            fps: settings.fps,
            grid_frames: u64::from(grid),
            first_segment_frames,
            segment_frames,
            least_segment_frames: apart
                .next_multiple_of(part_frames)
                .min(first_segment_frames),
            part_frames,
            audio_part_frames: audio_part_frames.max(1),
        }
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

    /// The first AAC frame that starts at or after canvas frame `frame`.
    pub fn aac_frame_from(&self, frame: u64) -> u64 {
        aac_frames(self.fps, frame).1
    }

    /// The last canvas frame that starts no later than AAC frame `index`.
    pub fn canvas_frame_at(&self, index: u64) -> u64 {
        let samples =
            u128::from(index) * u128::from(AAC_FRAME_SAMPLES) * u128::from(self.fps.num());
        saturating_u64(samples / (u128::from(SAMPLE_RATE_HZ) * u128::from(self.fps.den())))
    }
}

/// Output time at which AAC frame `index` starts, rounded down to the nanosecond.
pub fn aac_time(index: u64) -> Duration {
    let nanos =
        u128::from(index) * u128::from(AAC_FRAME_SAMPLES) * NANOS / u128::from(SAMPLE_RATE_HZ);
    Duration::from_nanos(saturating_u64(nanos))
}

/// The AAC frame that starts at `time`, to the nearest.
pub fn aac_frame_at(time: Duration) -> u64 {
    let samples = time.as_nanos() * u128::from(SAMPLE_RATE_HZ);
    let unit = u128::from(AAC_FRAME_SAMPLES) * NANOS;
    saturating_u64((samples + unit / 2) / unit)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ladder::standard_rates;

    fn lengths(fps: FrameRate, grid: u32, segment_ms: u64, part_ms: u64) -> Lengths {
        Lengths::new(Settings {
            fps,
            grid,
            segment: Duration::from_millis(segment_ms),
            part: Duration::from_millis(part_ms),
        })
    }

    #[test]
    fn the_shipped_defaults_at_30_fps() {
        let lengths = lengths(FrameRate::whole(30), 1, 2000, 200);
        let segments = (lengths.first_segment_frames, lengths.segment_frames);
        assert_eq!(segments, (30, 60));
        assert_eq!((lengths.part_frames, lengths.audio_part_frames), (6, 9));
        assert_eq!(lengths.part_target(), Duration::from_millis(200));
    }

    #[test]
    fn part_targets_of_common_rates() {
        let target = |num, den, part_ms| {
            lengths(FrameRate::new(num, den).unwrap(), 1, 2000, part_ms).part_target()
        };
        assert_eq!(target(24, 1, 200), Duration::from_nanos(208_333_334));
        assert_eq!(target(30_000, 1001, 200), Duration::from_micros(200_200));
        assert_eq!(target(25, 1, 200), Duration::from_millis(200));
        // Three AAC frames are only 80 % of 80 ms, so audio parts have four and set the PART-TARGET.
        assert_eq!(target(25, 2, 100), Duration::from_nanos(85_333_334));
    }

    #[test]
    fn without_parts_a_segment_is_one() {
        let lengths = lengths(FrameRate::whole(25), 1, 2000, 0);
        assert_eq!(lengths.part_frames, lengths.segment_frames);
        // 94 AAC frames cover two seconds.
        assert_eq!(lengths.part_target(), aac_time_ceil(94));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A part is within half a grid step of its nominal length, but never shorter than a step.
        #[test]
        fn rounding_is_to_the_nearest(
            fps in prop::sample::select(standard_rates()), grid in 1..=6_u32, part_ms in 100..=900_u64,
        ) {
            let lengths = lengths(fps, grid, 4000, part_ms);
            let step = fps.time_of(u64::from(grid));
            let off = fps.time_of(lengths.part_frames).abs_diff(Duration::from_millis(part_ms));
            prop_assert!(
                off <= step / 2 + Duration::from_nanos(2) || lengths.part_frames == u64::from(grid)
            );
        }

        /// An AAC frame belongs to the canvas frame that shows when it starts.
        #[test]
        fn sound_and_picture_agree(fps in prop::sample::select(standard_rates()), frame in 0..1_000_000_u64) {
            let lengths = lengths(fps, 1, 2000, 200);
            let first = lengths.aac_frame_from(frame);
            prop_assert!(lengths.canvas_frame_at(first) >= frame);
            prop_assert!(first == 0 || lengths.canvas_frame_at(first - 1) < frame);
            prop_assert_eq!(aac_frame_at(aac_time(first)), first);
        }
    }
}
