//! HEVC as Enhanced RTMP (E-RTMP v2, "Enhanced Video") carries it; the ffmpeg of Debian 12 cannot.

use std::path::Path;
use std::process::Command;

use gst::prelude::*;
use gst_app::AppSink;

use super::replay::{AUDIO, Tag, VIDEO, parse};

const FOURCC: &[u8] = b"hvc1";
/// Added to all times, of which the first are below zero.
const LEAD_MS: u64 = 200;
/// `VideoPacketType` of a decoder configuration, and of a frame with a composition time.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;

/// The tags of an MP4 file with HEVC and AAC, in the order of their times.
pub fn tags(mp4: &Path) -> Vec<Tag> {
    let mut tags = video(mp4);
    tags.extend(audio(mp4));
    tags.sort_by_key(|tag| tag.timestamp_ms);
    tags
}

fn audio(mp4: &Path) -> Vec<Tag> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(mp4)
        .args(["-vn", "-c", "copy", "-copyts"])
        .args([
            "-output_ts_offset",
            &format!("{LEAD_MS}ms"),
            "-f",
            "flv",
            "pipe:1",
        ])
        .output()
        .expect("ffmpeg is installed");
    let tags = parse(&output.stdout).into_iter();
    tags.filter(|tag| tag.kind == AUDIO).collect()
}

fn video(mp4: &Path) -> Vec<Tag> {
    gst::init().expect("GStreamer");
    let launch = format!(
        "filesrc location={} ! qtdemux ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au \
         ! appsink name=out sync=false",
        mp4.display()
    );
    let pipeline = gst::parse::launch(&launch).expect("a pipeline");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = pipeline.by_name("out").and_downcast::<AppSink>();
    let sink = sink.expect("the sink");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let mut tags = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        if tags.is_empty() {
            tags.push(configuration(&sample));
        }
        tags.push(frame(&sample));
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    tags
}

fn configuration(sample: &gst::Sample) -> Tag {
    let caps = sample.caps().and_then(|caps| caps.structure(0));
    let config = caps.and_then(|caps| caps.get::<gst::Buffer>("codec_data").ok());
    let config = config.expect("a decoder configuration");
    let config = config.map_readable().expect("its bytes");
    Tag::new(
        VIDEO,
        0,
        [&[0x90 | SEQUENCE_START], FOURCC, &config].concat(),
    )
}

fn frame(sample: &gst::Sample) -> Tag {
    let buffer = sample.buffer().expect("a frame");
    let segment = sample
        .segment()
        .and_then(|s| s.downcast_ref::<gst::ClockTime>());
    let pts = buffer.pts().expect("a time");
    let later = pts.saturating_sub(buffer.dts().unwrap_or(pts));
    let shown = segment.and_then(|segment| segment.to_running_time(pts));
    let shown = shown.expect("a time in the segment") + gst::ClockTime::from_mseconds(LEAD_MS);
    let later_ms = u32::try_from(later.mseconds())
        .expect("a short time")
        .to_be_bytes();
    let kind = if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
        0xA0
    } else {
        0x90
    };
    let data = buffer.map_readable().expect("its bytes");
    let payload = [&[kind | CODED_FRAMES], FOURCC, &later_ms[1..], &data].concat();
    let sent_ms = shown.saturating_sub(later).mseconds();
    Tag::new(
        VIDEO,
        u32::try_from(sent_ms).expect("a short clip"),
        payload,
    )
}
