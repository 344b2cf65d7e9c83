//! The text of a multivariant playlist (RFC 8216bis section 4.4.6), and its bit rates.

use std::fmt::Write;
use std::time::Duration;

use super::media::Packaging;
use super::playlist::{IFRAMES_FILE, file_name, version};
use super::timing::Timing;
use crate::base::units::FrameRate;
use crate::model::ladder::{AudioRendition, Plan, VideoRendition};

/// Size of an encoder's rate buffer (VBV): encoders run with `maxrate` equal to the bitrate and a
/// buffer of at most one second.
const VBV: Duration = Duration::from_secs(1);
/// Bytes of a part beside media: `moof` without sample entries, and the header of `mdat`.
const CMAF_PART_BYTES: u64 = 180;
/// Bytes of a sample entry in the `trun` box.
const CMAF_SAMPLE_BYTES: u64 = 16;
/// AAC frames per second at 48 kHz, rounded up.
const AAC_FRAMES_PER_S: u64 = 47;
/// MPEG-TS headers, stuffing and tables, as a fraction of the payload: 8 %.
const TS_OVERHEAD_PERCENT: u64 = 8;

/// One `EXT-X-STREAM-INF` (section 4.4.6.2).
#[derive(Debug)]
pub(super) struct Variant<'a> {
    pub(super) video: &'a VideoRendition,
    pub(super) audio: Option<&'a AudioRendition>,
    pub(super) bandwidth_bps: u64,
    pub(super) average_bps: u64,
    pub(super) codecs: String,
    pub(super) frame_rate: FrameRate,
    pub(super) iframes: Option<IFrames>,
}

/// One `EXT-X-I-FRAME-STREAM-INF` (section 4.4.6.3).
#[derive(Debug)]
pub(super) struct IFrames {
    pub(super) bandwidth_bps: u64,
    pub(super) codecs: String,
}

/// `BANDWIDTH` and `AVERAGE-BANDWIDTH` of a variant as computed from its plan, before segments have
/// been measured.
pub(super) fn promised_bps(
    plan: &Plan,
    video: &VideoRendition,
    timing: &Timing,
    packaging: Packaging,
) -> (u64, u64) {
    let audio_bps = plan.audio_of(video).map_or(0, |audio| audio.bitrate.bps());
    let video_bps = video.bitrate.bps();
    // A segment of `d` seconds holds at most `bitrate * (d + buffer)` bits.
    let segment_ms = (timing.segment().as_millis() as u64).max(1);
    let burst_bps = video_bps.saturating_mul(VBV.as_millis() as u64) / segment_ms;
    let media_bps = video_bps.saturating_add(audio_bps);
    let overhead_bps = match packaging {
        Packaging::Cmaf => cmaf_overhead_bps(plan.canvas.fps.divided(video.divisor), timing),
        Packaging::Ts => media_bps.saturating_mul(TS_OVERHEAD_PERCENT) / 100,
    };
    // AAC encoders keep their bitrate only on average: 10 % more for short peaks.
    let average = media_bps.saturating_add(overhead_bps);
    let peak = average
        .saturating_add(burst_bps)
        .saturating_add(audio_bps / 10);
    (peak, average)
}

/// `BANDWIDTH` of a rung's I-frames alone as computed from its plan: the encoder's rate buffer bounds a
/// picture, and there is one in each segment.
pub(super) fn promised_iframes_bps(plan: &Plan, video: &VideoRendition, timing: &Timing) -> u64 {
    let part = timing.part_target().unwrap_or(timing.segment());
    let fps = plan.canvas.fps.divided(video.divisor);
    let frames = fps.frame_at(part).saturating_add(1);
    let head_bytes = CMAF_PART_BYTES.saturating_add(frames.saturating_mul(CMAF_SAMPLE_BYTES));
    let picture_bits = video.bitrate.bps().saturating_mul(VBV.as_secs());
    let bits = picture_bits.saturating_add(head_bytes.saturating_mul(8));
    let segment_ms = (timing.segment().as_millis() as u64).max(1);
    bits.saturating_mul(1000) / segment_ms
}

fn cmaf_overhead_bps(fps: FrameRate, timing: &Timing) -> u64 {
    let part = timing.part_target().unwrap_or(timing.segment());
    let part_ms = (part.as_millis() as u64).max(1);
    let parts = 2 * CMAF_PART_BYTES * 1000 / part_ms;
    let samples = (u64::from(fps.num() / fps.den()) + 1 + AAC_FRAMES_PER_S) * CMAF_SAMPLE_BYTES;
    (parts + samples) * 8
}

/// The playlist's text. URIs are relative to `/live/STREAM/`; `session` is the folder of the
/// session.
pub(super) fn render(
    plan: &Plan,
    variants: &[Variant<'_>],
    packaging: Packaging,
    session: &str,
) -> String {
    let file = file_name(packaging);
    let version = version(packaging);
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if packaging == Packaging::Cmaf {
        for AudioRendition { name, .. } in &plan.audio {
            // All groups have the same NAME, so that a player keeps the chosen audio when it
            // switches rungs (section 4.4.6.2.1).
            let _ = writeln!(
                out,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{name}\",NAME=\"Main\",DEFAULT=YES,\
                 AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{session}/{name}/{file}\""
            );
        }
    }
    for Variant { video, iframes, .. } in variants {
        if let Some(IFrames {
            bandwidth_bps,
            codecs,
        }) = iframes
        {
            let (width, height, name) = (video.width, video.height, &video.name);
            let _ = writeln!(
                out,
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={bandwidth_bps},CODECS=\"{codecs}\",\
                 RESOLUTION={width}x{height},URI=\"{session}/{name}/{IFRAMES_FILE}\""
            );
        }
    }
    for variant in variants {
        let video = variant.video;
        let rate = variant.frame_rate;
        // "A decimal-floating-point … rounded to three decimal places" (section 4.4.6.2).
        let milli = (u64::from(rate.num()) * 2000 / u64::from(rate.den())).div_ceil(2);
        let _ = write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",\
             RESOLUTION={}x{},FRAME-RATE={}.{:03}",
            variant.bandwidth_bps,
            variant.average_bps,
            variant.codecs,
            video.width,
            video.height,
            milli / 1000,
            milli % 1000,
        );
        if let Some(audio) = variant.audio {
            let _ = write!(out, ",AUDIO=\"{}\"", audio.name);
        }
        let _ = write!(out, "\n{session}/{}/{file}\n", video.name);
    }
    out
}
