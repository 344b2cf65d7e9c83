//! The formats of raw media inside a worker.

use crate::base::units::FrameRate;
use crate::model::ladder::Canvas;

/// Samples per second of all raw sound.
pub const SAMPLE_RATE_HZ: i32 = 48_000;

/// A frame rate as a GStreamer fraction.
pub fn fraction(fps: FrameRate) -> gst::Fraction {
    let part = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    gst::Fraction::new(part(fps.num()), part(fps.den()))
}

/// Caps of raw pictures in the output half: 8-bit 4:2:0, BT.709 video range, square pixels.
pub fn picture(width: u32, height: u32) -> gst::caps::Builder<gst::caps::NoFeature> {
    let pixels = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", pixels(width))
        .field("height", pixels(height))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("interlace-mode", "progressive")
        .field("colorimetry", "bt709")
}

/// Caps of the canvas, with its frame rate.
pub fn canvas(canvas: Canvas) -> gst::Caps {
    picture(canvas.width, canvas.height)
        .field("framerate", fraction(canvas.fps))
        .build()
}

/// Caps of the pacer's sound: 16-bit interleaved stereo at 48 kHz.
pub fn samples() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", SAMPLE_RATE_HZ)
        .field("channels", 2i32)
        .field("channel-mask", gst::Bitmask::new(0x3))
        .build()
}

/// RFC 6381 codec string of encoded caps, from the decoder configuration they carry.
pub fn codec_string(caps: &gst::CapsRef) -> Option<String> {
    let structure = caps.structure(0)?;
    let config = structure.get::<gst::Buffer>("codec_data").ok()?;
    let map = config.map_readable().ok()?;
    match (structure.name().as_str(), map.as_slice()) {
        // AVCDecoderConfigurationRecord: version, profile, compatibility, level.
        ("video/x-h264", [_, profile, compatibility, level, ..]) => {
            Some(format!("avc1.{profile:02x}{compatibility:02x}{level:02x}"))
        }
        // AudioSpecificConfig: the object type is in the first five bits.
        ("audio/mpeg", [first, ..]) => Some(format!("mp4a.40.{}", first >> 3)),
        _ => None,
    }
}
