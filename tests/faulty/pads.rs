//! What goes into a test encoder and what comes out of it.

use std::sync::atomic::{AtomicU64, Ordering};

use gst::glib;
use gst::prelude::*;

/// The pads of every test encoder. Hardware gives a byte stream with the parameter sets in band.
pub fn templates() -> [gst::PadTemplate; 2] {
    let pictures =
        gst::Caps::builder("video/x-raw").field("format", gst::List::new(["NV12", "I420"]));
    let template = |name, direction, caps: &gst::Caps| {
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).unwrap()
    };
    [
        template("sink", gst::PadDirection::Sink, &pictures.build()),
        template("src", gst::PadDirection::Src, &h264().build()),
    ]
}

fn h264() -> gst::caps::Builder<gst::caps::NoFeature> {
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
}

/// The encoder behind the pads, and the filter after it. It is fast, holds no frame back, and makes key
/// frames only when it is asked to.
pub fn x264(kbps: u32, gop_frames_max: u32) -> Result<[gst::Element; 2], glib::BoolError> {
    let encoder = gst::ElementFactory::make("x264enc")
        .property_from_str("speed-preset", "superfast")
        .property_from_str("tune", "zerolatency")
        .property("option-string", "scenecut=0:sliced-threads=0")
        .property("bitrate", kbps.max(1))
        .property("key-int-max", gop_frames_max)
        .property("threads", 1u32)
        .build()?;
    let caps = h264().field("profile", "high").build();
    let filter = gst::ElementFactory::make("capsfilter")
        .property("caps", caps)
        .build()?;
    Ok([encoder, filter])
}

/// Replaces all frames that leave through `pad` by random bytes, after the first `frames`.
pub fn garble(pad: &gst::Pad, frames: u64) {
    let given = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if given.fetch_add(1, Ordering::Relaxed) >= frames
            && let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
        {
            *buffer = garbage(buffer);
        }
        gst::PadProbeReturn::Ok
    });
}

/// As many random bytes as `frame` has, at its time. None of the bytes is 0, so that no frame has the
/// start code of a NAL unit by chance and passes for a frame.
fn garbage(frame: &gst::BufferRef) -> gst::Buffer {
    let mut bytes = vec![0; frame.size()];
    getrandom::fill(&mut bytes).unwrap();
    for byte in &mut bytes {
        *byte |= 1;
    }
    let mut garbage = gst::Buffer::from_mut_slice(bytes);
    let facts = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    frame
        .copy_into(garbage.get_mut().unwrap(), facts, ..)
        .unwrap();
    garbage
}
