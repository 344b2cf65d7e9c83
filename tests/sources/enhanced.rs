//! HEVC as Enhanced RTMP (E-RTMP v2, "Enhanced Video") carries it; the ffmpeg of Debian 12 cannot.

use std::path::Path;
use std::process::Command;

use gst::prelude::*;
use gst_app::AppSink;

use super::replay::{AUDIO, Tag, VIDEO, parse};

const FOURCC: &[u8] = b"hvc1";
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
        .args(["-vn", "-c", "copy", "-f", "flv", "pipe:1"])
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
        tags.extend(sample.buffer().map(frame));
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

fn frame(buffer: &gst::BufferRef) -> Tag {
    let (pts, dts) = (buffer.pts().expect("a time"), buffer.dts());
    let dts = dts.unwrap_or(pts);
    let later_ms = pts.mseconds().saturating_sub(dts.mseconds());
    let later_ms = u32::try_from(later_ms).expect("a short time").to_be_bytes();
    let kind = if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
        0xA0
    } else {
        0x90
    };
    let data = buffer.map_readable().expect("its bytes");
    let payload = [&[kind | CODED_FRAMES], FOURCC, &later_ms[1..], &data].concat();
    let timestamp_ms = u32::try_from(dts.mseconds()).expect("a short clip");
    Tag::new(VIDEO, timestamp_ms, payload)
}
