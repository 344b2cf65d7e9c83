//! Video codecs, their profiles and features.

use super::encoded;
use crate::sources::clip::Clip;
use crate::sources::delivery::Delivery;
use crate::sources::replay::Replay;
use crate::sources::source::{Expect, Source};

/// x264 with a key frame every second, and options of its own.
macro_rules! x264 {
    ($options:literal) => {
        concat!("-c:v libx264 -preset superfast -g 30 ", $options)
    };
}

/// x265, likewise.
macro_rules! x265 {
    ($options:literal) => {
        concat!(
            "-c:v libx265 -preset ultrafast -g 30 -x265-params log-level=error",
            $options
        )
    };
}

/// Name, pixel format, and how the pictures are encoded.
type Encoding = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const H264: [Encoding; 26] = [
    ("H.264 Baseline", "yuv420p", x264!("-profile:v baseline")),
    ("H.264 Main", "yuv420p", x264!("-profile:v main")),
    ("H.264 High", "yuv420p", x264!("-profile:v high")),
    ("H.264 High 10", "yuv420p10le", x264!("")),
    ("H.264 High 4:2:2, 8 bits", "yuv422p", x264!("")),
    ("H.264 High 4:2:2, 10 bits", "yuv422p10le", x264!("")),
    ("H.264 High 4:4:4, 8 bits", "yuv444p", x264!("")),
    ("H.264 High 4:4:4, 10 bits", "yuv444p10le", x264!("")),
    ("H.264 lossless", "yuv420p", x264!("-qp 0")),
    ("H.264, four B-frames in a pyramid", "yuv420p", x264!("-bf 4 -x264-params b-pyramid=normal")),
    ("H.264, no B-frames, zerolatency", "yuv420p", x264!("-bf 0 -tune zerolatency")),
    ("H.264, only key frames", "yuv420p", x264!("-g 1")),
    ("H.264, key frames 8 s apart", "yuv420p", x264!("-g 240 -sc_threshold 0")),
    ("H.264, open GOP", "yuv420p", x264!("-bf 3 -x264-params open-gop=1")),
    ("H.264, CAVLC", "yuv420p", x264!("-coder 0")),
    ("H.264, 8 slices per picture", "yuv420p", x264!("-slices 8")),
    ("H.264, 16 reference frames", "yuv420p", x264!("-refs 16")),
    ("H.264, weighted prediction", "yuv420p", x264!("-x264-params weightp=2")),
    ("H.264, periodic intra refresh", "yuv420p", x264!("-x264-params intra-refresh=1")),
    ("H.264, constant rate with filler", "yuv420p",
     x264!("-b:v 2M -minrate 2M -maxrate 2M -bufsize 1M -nal-hrd cbr")),
    ("H.264, access unit delimiters", "yuv420p", x264!("-x264-params aud=1")),
    ("H.264, SPS and PPS in band", "yuv420p", x264!("-x264-params repeat-headers=1")),
    ("H.264, no deblocking", "yuv420p", x264!("-x264-params no-deblock=1")),
    ("H.264, interlaced, top field first", "yuv420p", x264!("-flags +ildct+ilme -x264-params tff=1")),
    ("H.264, interlaced, bottom field first", "yuv420p", x264!("-flags +ildct+ilme -x264-params bff=1")),
    ("H.264, fake interlaced (PAFF flags)", "yuv420p", x264!("-x264-params fake-interlaced=1")),
];

/// Published over Enhanced RTMP.
#[rustfmt::skip]
const HEVC: [Encoding; 3] = [
    ("HEVC Main", "yuv420p", x265!("")),
    ("HEVC Main 10", "yuv420p10le", x265!("")),
    ("HEVC, B-frames in a pyramid, open GOP", "yuv420p", x265!(":bframes=4:b-pyramid=1:open-gop=1")),
];

pub fn all() -> Vec<Source> {
    let h264 = H264.map(|(name, format, video)| encoded(name, format, video));
    let hevc = HEVC.map(|(name, format, video)| Source {
        delivery: Delivery::Enhanced,
        ..encoded(name, format, video)
    });
    h264.into_iter().chain(hevc).chain([refused()]).collect()
}

/// A codec that weir does not take.
fn refused() -> Source {
    let clip = Clip {
        video: "-c:v flv -b:v 1M -g 30",
        ending: "flv",
        ..Clip::PLAIN
    };
    Source {
        name: "Sorenson H.263, as of 2002",
        clip,
        delivery: Delivery::Replay(Replay::PLAIN),
        expect: Expect::Refused("video"),
    }
}
