//! Video codecs, their profiles and features.

use super::encoded;
use crate::sources::clip::Clip;
use crate::sources::delivery::Delivery;
use crate::sources::replay::Replay;
use crate::sources::source::{Expect, Source};

/// x264 with options of its own.
macro_rules! x264 {
    ($($option:expr),*) => {
        &["-c:v", "libx264", "-preset", "superfast", "-g", "30", $($option),*]
    };
}

pub fn all() -> Vec<Source> {
    let mut all = vec![
        encoded("H.264 Baseline", "yuv420p", x264!["-profile:v", "baseline"]),
        encoded("H.264 Main", "yuv420p", x264!["-profile:v", "main"]),
        encoded("H.264 High", "yuv420p", x264!["-profile:v", "high"]),
        encoded("H.264 High 10", "yuv420p10le", x264![]),
        encoded("H.264 High 4:2:2, 8 bits", "yuv422p", x264![]),
        encoded("H.264 High 4:2:2, 10 bits", "yuv422p10le", x264![]),
        encoded("H.264 High 4:4:4, 8 bits", "yuv444p", x264![]),
        encoded("H.264 High 4:4:4, 10 bits", "yuv444p10le", x264![]),
        encoded("H.264 lossless", "yuv420p", x264!["-qp", "0"]),
        encoded(
            "H.264, four B-frames in a pyramid",
            "yuv420p",
            x264!["-bf", "4", "-x264-params", "b-pyramid=normal"],
        ),
        encoded(
            "H.264, no B-frames, zerolatency",
            "yuv420p",
            x264!["-bf", "0", "-tune", "zerolatency"],
        ),
        encoded(
            "H.264, only key frames",
            "yuv420p",
            &["-c:v", "libx264", "-preset", "superfast", "-g", "1"],
        ),
        encoded(
            "H.264, key frames 8 s apart",
            "yuv420p",
            &[
                "-c:v",
                "libx264",
                "-preset",
                "superfast",
                "-g",
                "240",
                "-sc_threshold",
                "0",
            ],
        ),
        encoded(
            "H.264, open GOP",
            "yuv420p",
            x264!["-bf", "3", "-x264-params", "open-gop=1"],
        ),
        encoded("H.264, CAVLC", "yuv420p", x264!["-coder", "0"]),
        encoded(
            "H.264, 8 slices per picture",
            "yuv420p",
            x264!["-slices", "8"],
        ),
        encoded(
            "H.264, 16 reference frames",
            "yuv420p",
            x264!["-refs", "16"],
        ),
        encoded(
            "H.264, weighted prediction",
            "yuv420p",
            x264!["-x264-params", "weightp=2"],
        ),
        encoded(
            "H.264, periodic intra refresh",
            "yuv420p",
            x264!["-x264-params", "intra-refresh=1"],
        ),
        encoded(
            "H.264, constant rate with filler",
            "yuv420p",
            x264![
                "-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M", "-nal-hrd",
                "cbr"
            ],
        ),
        encoded(
            "H.264, access unit delimiters",
            "yuv420p",
            x264!["-x264-params", "aud=1"],
        ),
        encoded(
            "H.264, SPS and PPS in band",
            "yuv420p",
            x264!["-x264-params", "repeat-headers=1"],
        ),
        encoded(
            "H.264, no deblocking",
            "yuv420p",
            x264!["-x264-params", "no-deblock=1"],
        ),
        encoded(
            "H.264, interlaced, top field first",
            "yuv420p",
            x264!["-flags", "+ildct+ilme", "-x264-params", "tff=1"],
        ),
        encoded(
            "H.264, interlaced, bottom field first",
            "yuv420p",
            x264!["-flags", "+ildct+ilme", "-x264-params", "bff=1"],
        ),
        encoded(
            "H.264, fake interlaced (PAFF flags)",
            "yuv420p",
            x264!["-x264-params", "fake-interlaced=1"],
        ),
    ];
    all.extend(enhanced());
    all.extend(refused());
    all
}

/// Enhanced RTMP.
fn enhanced() -> Vec<Source> {
    let x265: &[(&str, &str, &[&str])] = &[
        (
            "HEVC Main",
            "yuv420p",
            &[
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-g",
                "30",
                "-x265-params",
                "log-level=error",
            ],
        ),
        (
            "HEVC Main 10",
            "yuv420p10le",
            &[
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-g",
                "30",
                "-x265-params",
                "log-level=error",
            ],
        ),
        (
            "HEVC, B-frames in a pyramid, open GOP",
            "yuv420p",
            &[
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-g",
                "30",
                "-x265-params",
                "log-level=error:bframes=4:b-pyramid=1:open-gop=1",
            ],
        ),
    ];
    let sources = x265.iter().map(|(name, format, video)| Source {
        delivery: Delivery::Enhanced,
        ..encoded(name, format, video)
    });
    sources.collect()
}

/// Codecs that weir does not take.
fn refused() -> Vec<Source> {
    let clip = Clip {
        video: &["-c:v", "flv", "-b:v", "1M", "-g", "30"],
        ending: "flv",
        ..Clip::PLAIN
    };
    vec![Source {
        name: "Sorenson H.263, as of 2002",
        clip,
        delivery: Delivery::Replay(Replay::PLAIN),
        expect: Expect::Refused("video"),
    }]
}
