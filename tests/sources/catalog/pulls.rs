//! What weir fetches over HTTP.

use std::time::Duration;

use super::{encoded, pushed};
use crate::sources::clip::{Clip, Colour, X264};
use crate::sources::delivery::Delivery;
use crate::sources::mjpeg::Dialect;
use crate::sources::source::{Bounds, Expect, Source};
use crate::sources::transport::Transport;

const X265: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-g",
    "30",
    "-x265-params",
    "log-level=error",
];
const MPEG2: &[&str] = &["-c:v", "mpeg2video", "-b:v", "4M", "-g", "15", "-bf", "2"];
const VP8: &[&str] = &[
    "-c:v",
    "libvpx",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-b:v",
    "2M",
    "-g",
    "30",
];
const VP9: &[&str] = &[
    "-c:v",
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-b:v",
    "2M",
    "-g",
    "30",
];
const NO_B: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "superfast",
    "-g",
    "30",
    "-bf",
    "0",
];
/// A live server sends each frame when it has it.
const LIVE_WEBM: &[&str] = &[
    "-f",
    "webm",
    "-flush_packets",
    "1",
    "-cluster_time_limit",
    "200",
];
const LIVE_MATROSKA: &[&str] = &[
    "-f",
    "matroska",
    "-flush_packets",
    "1",
    "-cluster_time_limit",
    "200",
];
const AC3: &[&str] = &["-c:a", "ac3", "-b:a", "192k"];
const MP2: &[&str] = &["-c:a", "mp2", "-b:a", "192k"];
const MP3: &[&str] = &["-c:a", "libmp3lame", "-b:a", "128k"];
const OPUS: &[&str] = &["-c:a", "libopus", "-b:a", "96k"];
const VORBIS: &[&str] = &["-c:a", "libvorbis", "-b:a", "96k"];

pub fn all() -> Vec<Source> {
    let mut all = transports();
    all.extend(containers());
    all.extend(playlists());
    all.extend(cameras());
    all
}

fn transports() -> Vec<Source> {
    let plain = Transport::PLAIN;
    let burst = Transport {
        burst: Duration::from_secs(2),
        ..plain
    };
    let batches = Transport {
        batch: Duration::from_millis(200),
        ..plain
    };
    let one = |name, transport, video, audio: &'static [&'static str]| {
        let clip = Clip {
            video,
            audio,
            ending: "ts",
            ..Clip::PLAIN
        };
        Source {
            delivery: Delivery::Transport(transport),
            ..silent_if_so(pushed(name, clip))
        }
    };
    vec![
        one(
            "MPEG-TS: H.264, AAC",
            plain,
            NO_B,
            crate::sources::clip::AAC,
        ),
        one(
            "MPEG-TS: H.264 with B-frames, AAC",
            plain,
            X264,
            crate::sources::clip::AAC,
        ),
        one("MPEG-TS: HEVC, AC-3", plain, X265, AC3),
        one("MPEG-TS: H.264 without sound", plain, X264, &[]),
        one("MPEG-TS: MPEG-2, MP2", plain, MPEG2, MP2),
        one("MPEG-TS: H.264, MP3", plain, X264, MP3),
        one(
            "MPEG-TS: H.264, AAC, 2 s at once at the start",
            burst,
            X264,
            crate::sources::clip::AAC,
        ),
        one(
            "MPEG-TS: H.264, AAC, in batches of 200 ms",
            batches,
            X264,
            crate::sources::clip::AAC,
        ),
    ]
}

/// Sound is not judged where there is none.
fn silent_if_so(mut source: Source) -> Source {
    if let (true, Expect::Plays(bounds)) = (source.clip.audio.is_empty(), &mut source.expect) {
        bounds.apart_ms_max = None;
    }
    source
}

fn containers() -> Vec<Source> {
    let served = |name, container, clip: Clip| Source {
        delivery: Delivery::Served(container),
        ..pushed(name, clip)
    };
    let webm = |video, audio| Clip {
        video,
        audio,
        ending: "webm",
        ..Clip::PLAIN
    };
    let file = |name, ending, video, audio| Source {
        delivery: Delivery::File,
        ..pushed(
            name,
            Clip {
                ending,
                video,
                audio,
                ..Clip::PLAIN
            },
        )
    };
    vec![
        served("WebM, live: VP8, Vorbis", LIVE_WEBM, webm(VP8, VORBIS)),
        served("WebM, live: VP9, Opus", LIVE_WEBM, webm(VP9, OPUS)),
        served("Matroska, live: H.264, AAC", LIVE_MATROSKA, Clip::PLAIN),
        served("FLV, live: H.264, AAC", &["-f", "flv"], Clip::PLAIN),
        served(
            "fragmented MP4, live: H.264, AAC",
            &[
                "-f",
                "mp4",
                "-movflags",
                "frag_keyframe+empty_moov+default_base_moof",
            ],
            Clip::PLAIN,
        ),
        file(
            "file: Matroska, H.264, AAC",
            "mkv",
            X264,
            crate::sources::clip::AAC,
        ),
        file("file: WebM, VP8, Opus", "webm", VP8, OPUS),
        file(
            "file: MPEG-TS, H.264, AAC",
            "ts",
            X264,
            crate::sources::clip::AAC,
        ),
    ]
}

fn playlists() -> Vec<Source> {
    let hls = |name, arguments, video| Source {
        delivery: Delivery::Hls(arguments),
        ..pushed(
            name,
            Clip {
                seconds: 30,
                video,
                ..Clip::PLAIN
            },
        )
    };
    vec![
        hls(
            "HLS with MPEG-TS segments",
            &["-hls_segment_type", "mpegts"],
            X264,
        ),
        // ffmpeg writes no edit list into such segments, so B-frames would make the picture late.
        hls(
            "HLS with fMP4 segments",
            &["-hls_segment_type", "fmp4"],
            NO_B,
        ),
    ]
}

const JPEG: &[&str] = &["-c:v", "mjpeg", "-q:v", "4"];

fn camera(name: &'static str, format: &'static str, dialect: Dialect) -> Source {
    let mut source = encoded(name, format, JPEG);
    // JPEG is BT.601 in full range (JFIF, ITU-T T.871 section 7).
    source.clip = Clip {
        colour: Colour {
            matrix: "bt601",
            full: true,
            tag: None,
        },
        rate: (15, 1),
        audio: &[],
        ending: "avi",
        ..source.clip
    };
    let mut bounds = Bounds::of((640, 360), 15.0);
    bounds.apart_ms_max = None;
    Source {
        delivery: Delivery::Mjpeg(dialect),
        expect: Expect::Plays(bounds),
        ..source
    }
}

/// The clock of a camera has to learn first what is jitter.
fn jittery(name: &'static str, jitter: Duration) -> Source {
    let dialect = Dialect {
        jitter,
        ..Dialect::PLAIN
    };
    let mut source = camera(name, "yuvj420p", dialect);
    if let Expect::Plays(bounds) = &mut source.expect {
        bounds.seconds = 14;
        bounds.gap_max = Duration::from_millis(150);
    }
    source
}

fn cameras() -> Vec<Source> {
    let plain = Dialect::PLAIN;
    let yuv = "yuvj420p";
    let mut all = vec![
        camera("Motion JPEG", yuv, plain),
        camera("Motion JPEG, 4:2:2", "yuvj422p", plain),
        camera("Motion JPEG, 4:4:4", "yuvj444p", plain),
        jittery("Motion JPEG, jitter of 40 ms", Duration::from_millis(40)),
        jittery("Motion JPEG, jitter of 100 ms", Duration::from_millis(100)),
        camera(
            "Motion JPEG, no Content-Length",
            yuv,
            Dialect {
                length: false,
                ..plain
            },
        ),
        camera(
            "Motion JPEG, image/jpg",
            yuv,
            Dialect {
                part_type: "image/jpg",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, boundary without its dashes",
            yuv,
            Dialect {
                parameter: "--frame",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, delimiter without its dashes",
            yuv,
            Dialect {
                parameter: "frame",
                delimiter: "frame",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, quoted boundary",
            yuv,
            Dialect {
                parameter: "\"frame\"",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, a preamble",
            yuv,
            Dialect {
                preamble: "This is a stream of pictures.\r\n\r\n",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, lines between parts",
            yuv,
            Dialect {
                between: "\r\n\r\n\r\n",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, bytes between parts",
            yuv,
            Dialect {
                between: "\r\njunk\r\n\r\n",
                ..plain
            },
        ),
        camera(
            "Motion JPEG, no line behind the picture",
            yuv,
            Dialect {
                between: "",
                ..plain
            },
        ),
    ];
    all.iter_mut().for_each(|source| {
        source.clip.seconds = 20;
    });
    all
}
