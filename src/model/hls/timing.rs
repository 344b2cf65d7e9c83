//! Durations that all playlists of a session share.

use std::time::Duration;

use super::text::Seconds;
use crate::model::ladder::Plan;
use crate::model::ladder::lengths::{AAC_FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Target durations and hold-backs of a session. They never change: "The value of the
/// EXT-X-TARGETDURATION tag in the Media Playlist MUST NOT change" (section 6.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    segment: Duration,
    target_s: u64,
    part_target: Option<Duration>,
    hold_back: Option<Duration>,
}

impl Timing {
    /// `segment` is the nominal segment duration, `part_target` the longest part (zero turns parts
    /// off). `hold_back` raises `PART-HOLD-BACK` above three parts and `HOLD-BACK` above three
    /// Target Durations, their least values.
    pub fn new(
        plan: &Plan,
        segment: Duration,
        part_target: Duration,
        hold_back: Option<Duration>,
    ) -> Self {
        // Cuts fall on frames, so a segment can be longer than nominal by less than one frame of
        // the slowest rendition.
        let frame_max = plan
            .video
            .iter()
            .map(|video| plan.canvas.fps.divided(video.divisor).frame_duration())
            .max()
            .unwrap_or_default();
        let audio_frame =
            Duration::from_nanos(AAC_FRAME_SAMPLES.saturating_mul(1_000_000_000) / SAMPLE_RATE_HZ);
        let longest = segment + frame_max + audio_frame;
        // "The EXTINF duration of each Media Segment in a Playlist file, when rounded to the
        // nearest integer, MUST be less than or equal to the Target Duration" (section 4.4.3.1).
        let target_s = (longest + Duration::from_millis(500)).as_secs().max(1);
        Self {
            segment,
            target_s,
            part_target: (!part_target.is_zero()).then_some(part_target),
            hold_back,
        }
    }

    /// Nominal segment duration.
    pub const fn segment(&self) -> Duration {
        self.segment
    }

    /// Whole seconds of `EXT-X-TARGETDURATION`.
    pub const fn target_s(&self) -> u64 {
        self.target_s
    }

    /// The Target Duration.
    pub const fn target(&self) -> Duration {
        Duration::from_secs(self.target_s)
    }

    /// Three Target Durations: the longest time that a request may block (section 6.2.5.2), the
    /// shortest live playlist (6.2.2), and how far back a playlist lists parts (6.2.2).
    pub const fn three_targets(&self) -> Duration {
        Duration::from_secs(self.target_s.saturating_mul(3))
    }

    /// "The Skip Boundary MUST be at least six times the Target Duration" (section 4.4.3.8).
    pub const fn skip_boundary(&self) -> Duration {
        Duration::from_secs(self.target_s.saturating_mul(6))
    }

    /// Part Target Duration; `None` when low latency is off.
    pub const fn part_target(&self) -> Option<Duration> {
        self.part_target
    }

    /// Requests for parts this far beyond the last one are refused: "three divided by the Part
    /// Target Duration if the Part Target Duration is less than one second, or three otherwise"
    /// (section 6.2.5.2).
    pub fn advance_part_limit(&self) -> u32 {
        let part_ms = self.part_target.unwrap_or_default().as_millis().max(1);
        u32::try_from(3000_u128.div_ceil(part_ms))
            .unwrap_or(u32::MAX)
            .max(3)
    }

    /// "Its value MUST be at least twice the Part Target Duration. Its value SHOULD be at least
    /// three times the Part Target Duration" (section 4.4.3.8). Counted from the printed value.
    pub(super) fn part_hold_back(&self, part_target: Duration) -> Seconds {
        let least = Seconds::at_least(part_target).times(3);
        least.max(self.configured_hold_back())
    }

    /// "HOLD-BACK: […] Its value is a decimal-floating-point number of seconds and MUST be at
    /// least three times the Target Duration" (section 4.4.3.8).
    pub(super) fn hold_back(&self) -> Seconds {
        let least = Seconds::at_least(self.three_targets());
        least.max(self.configured_hold_back())
    }

    /// How far behind the newest media a player begins that plays whole segments: `HOLD-BACK`.
    pub fn delay(&self) -> Duration {
        self.three_targets().max(self.hold_back.unwrap_or_default())
    }

    fn configured_hold_back(&self) -> Seconds {
        Seconds::at_least(self.hold_back.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::{Bitrate, FrameRate};
    use crate::model::ladder::{AudioRendition, Canvas, VideoRendition};

    fn plan(fps: FrameRate, divisor: u32) -> Plan {
        Plan {
            canvas: Canvas {
                width: 2,
                height: 2,
                fps,
            },
            video: vec![VideoRendition {
                name: "v".into(),
                width: 2,
                height: 2,
                divisor,
                bitrate: Bitrate::from_bps(1),
                audio: 0,
            }],
            audio: vec![AudioRendition {
                name: "a".into(),
                bitrate: Bitrate::from_bps(1),
            }],
        }
    }

    #[test]
    fn no_segment_rounds_above_the_target() {
        let ntsc = FrameRate::new(30_000, 1001).unwrap();
        for (fps, divisor, segment_ms, target_s) in [
            (FrameRate::whole(30), 1, 2000, 2),
            (ntsc, 1, 2000, 2),
            (FrameRate::whole(10), 1, 2400, 3), // 24 frames, at most 25: 2.5 s
            (FrameRate::whole(60), 2, 1450, 2), // up to 1.5 s with an AAC frame more
            (FrameRate::whole(25), 1, 500, 1),
            (FrameRate::whole(25), 1, 200, 1), // never zero
        ] {
            let segment = Duration::from_millis(segment_ms);
            let timing = Timing::new(&plan(fps, divisor), segment, Duration::ZERO, None);
            assert_eq!(timing.target_s(), target_s, "{segment_ms} ms at {fps:?}");
        }
    }

    #[test]
    fn hold_back_is_at_least_three_printed_parts() {
        let plan = plan(FrameRate::whole(30), 1);
        for (part_ns, hold_back_ms, expected) in [
            (200_000_000, None, "0.6"),
            (213_333_333, None, "0.640002"),
            (200_000_000, Some(100), "0.6"),
            (200_000_000, Some(3000), "3.0"),
        ] {
            let part = Duration::from_nanos(part_ns);
            let hold_back = hold_back_ms.map(Duration::from_millis);
            let timing = Timing::new(&plan, Duration::from_secs(2), part, hold_back);
            assert_eq!(timing.part_hold_back(part).to_string(), expected);
        }
    }

    #[test]
    fn hold_back_is_at_least_three_targets() {
        let plan = plan(FrameRate::whole(30), 1);
        for (part_ms, hold_back_ms, expected) in [
            (200, None, "6.0"),
            (200, Some(3000), "6.0"),
            (200, Some(7500), "7.5"),
            (0, None, "6.0"),
            (0, Some(5999), "6.0"),
            (0, Some(9000), "9.0"),
        ] {
            let part = Duration::from_millis(part_ms);
            let hold_back = hold_back_ms.map(Duration::from_millis);
            let timing = Timing::new(&plan, Duration::from_secs(2), part, hold_back);
            assert_eq!(timing.hold_back().to_string(), expected);
        }
    }

    #[test]
    fn the_advance_part_limit_follows_the_part_target() {
        let plan = plan(FrameRate::whole(30), 1);
        for (part_ms, limit) in [(200, 15), (334, 9), (1000, 3), (1500, 3)] {
            let part = Duration::from_millis(part_ms);
            let timing = Timing::new(&plan, Duration::from_secs(2), part, None);
            assert_eq!(timing.advance_part_limit(), limit);
        }
    }
}
