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
    track_overhead_bps(frames_per_s(fps), timing) + track_overhead_bps(AAC_FRAMES_PER_S, timing)
}

/// Bits per second of the boxes of one track.
fn track_overhead_bps(samples_per_s: u64, timing: &Timing) -> u64 {
    let part = timing.part_target().unwrap_or(timing.segment());
    let part_ms = (part.as_millis() as u64).max(1);
    (CMAF_PART_BYTES * 1000 / part_ms + samples_per_s * CMAF_SAMPLE_BYTES) * 8
}

/// Frames per second, rounded up.
fn frames_per_s(fps: FrameRate) -> u64 {
    u64::from(fps.num() / fps.den()) + 1
}

/// Average bit rate of a rung's pictures in CMAF, of which `fps` come per second.
pub(super) fn picture_bps(fps: FrameRate, video: &VideoRendition, timing: &Timing) -> u64 {
    let overhead_bps = track_overhead_bps(frames_per_s(fps), timing);
    video.bitrate.bps().saturating_add(overhead_bps)
}

/// Average bit rate of sound in CMAF, and 10 % more for short peaks.
pub(super) fn sound_bps(audio: &AudioRendition, timing: &Timing) -> u64 {
    let bps = audio.bitrate.bps();
    let overhead_bps = track_overhead_bps(AAC_FRAMES_PER_S, timing);
    bps.saturating_add(bps / 10).saturating_add(overhead_bps)
}

/// The least bit rate at which a segment of `peak_bps` comes while it and the encoder's buffer play.
pub(super) fn sustained_bps(peak_bps: u64, timing: &Timing) -> u64 {
    let segment_ms = timing.segment().as_millis() as u64;
    let buffered_ms = segment_ms.saturating_add(VBV.as_millis() as u64);
    peak_bps.saturating_mul(segment_ms) / buffered_ms.max(1)
}

/// Where the media playlists of a pathway are (Content Steering, section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pathway {
    /// `PATHWAY-ID`, of the characters a-z, A-Z, 0-9, `.`, `-` and `_`.
    pub id: String,
    /// Address of the folder of the stream, with a slash at its end.
    pub folder: String,
}

/// File of the Steering Manifest, beside the multivariant playlist.
const STEERING: &str = "steering.json";

/// What is written of each pathway; without pathways, all is written once.
struct Route<'a> {
    folder: &'a str,
    pathway: Option<&'a str>,
}

impl Route<'_> {
    /// `GROUP-ID` of a rendition group: "A Variant Stream belonging to a particular Pathway SHOULD use
    /// Rendition Group(s) on that Pathway" (section 4.4.6.2).
    fn group(&self, name: &str) -> String {
        match self.pathway {
            Some(pathway) => format!("{name}@{pathway}"),
            None => name.to_owned(),
        }
    }
}

/// The playlist's text. Without `pathways`, URIs are relative to `/live/STREAM/`; `session` is the folder of
/// the session.
pub(super) fn render(
    plan: &Plan,
    variants: &[Variant<'_>],
    packaging: Packaging,
    session: &str,
    pathways: &[Pathway],
) -> String {
    let version = version(packaging);
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if let Some(first) = pathways.first() {
        let _ = writeln!(
            out,
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"{STEERING}\",PATHWAY-ID=\"{}\"",
            first.id
        );
    }
    let mut routes: Vec<Route<'_>> = pathways
        .iter()
        .map(|pathway| Route {
            folder: &pathway.folder,
            pathway: Some(&pathway.id),
        })
        .collect();
    if routes.is_empty() {
        routes.push(Route {
            folder: "",
            pathway: None,
        });
    }
    if packaging == Packaging::Cmaf {
        for route in &routes {
            groups(&mut out, plan, packaging, session, route);
        }
    }
    for route in &routes {
        for variant in variants {
            iframes(&mut out, variant, session, route);
        }
        for variant in variants {
            stream(&mut out, variant, packaging, session, route);
        }
    }
    out
}

fn groups(out: &mut String, plan: &Plan, packaging: Packaging, session: &str, route: &Route<'_>) {
    let (file, folder) = (file_name(packaging), route.folder);
    for AudioRendition { name, .. } in &plan.audio {
        let group = route.group(name);
        // All groups have the same NAME, so that a player keeps the chosen audio when it
        // switches rungs (section 4.4.6.2.1).
        let _ = writeln!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"Main\",DEFAULT=YES,\
             AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{folder}{session}/{name}/{file}\""
        );
    }
}

/// The rung's I-frame playlist, if the packaging has one.
fn iframes(out: &mut String, variant: &Variant<'_>, session: &str, route: &Route<'_>) {
    let Some(IFrames {
        bandwidth_bps,
        codecs,
    }) = &variant.iframes
    else {
        return;
    };
    let VideoRendition {
        width,
        height,
        name,
        ..
    } = variant.video;
    let folder = route.folder;
    let _ = write!(
        out,
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={bandwidth_bps},CODECS=\"{codecs}\",\
         RESOLUTION={width}x{height}"
    );
    pathway(out, variant.video, route);
    let _ = writeln!(out, ",URI=\"{folder}{session}/{name}/{IFRAMES_FILE}\"");
}

/// The attributes that tell a rung's pathway, if there are pathways.
fn pathway(out: &mut String, video: &VideoRendition, route: &Route<'_>) {
    if let Some(pathway) = route.pathway {
        // The same rung on another pathway has the same id, by which players find it.
        let _ = write!(
            out,
            ",PATHWAY-ID=\"{pathway}\",STABLE-VARIANT-ID=\"{}\"",
            video.name
        );
    }
}

fn stream(
    out: &mut String,
    variant: &Variant<'_>,
    packaging: Packaging,
    session: &str,
    route: &Route<'_>,
) {
    let (video, rate) = (variant.video, variant.frame_rate);
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
        let _ = write!(out, ",AUDIO=\"{}\"", route.group(&audio.name));
    }
    pathway(out, video, route);
    let (file, folder) = (file_name(packaging), route.folder);
    let _ = write!(out, "\n{folder}{session}/{}/{file}\n", video.name);
}
