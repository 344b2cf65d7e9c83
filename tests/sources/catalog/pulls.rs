//! What weir fetches over HTTP.

use std::time::Duration;

use super::{encoded, pushed};
use crate::sources::clip::{AAC, Clip, Colour, X264, X264_NO_B, X265};
use crate::sources::delivery::Delivery;
use crate::sources::mjpeg::Dialect;
use crate::sources::source::{Bounds, Expect, Source};
use crate::sources::transport::Transport;

const MPEG2: &str = "-c:v mpeg2video -b:v 4M -g 15 -bf 2";
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 2M -g 30";
const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M -g 30";
const AC3: &str = "-c:a ac3 -b:a 192k";
const MP2: &str = "-c:a mp2 -b:a 192k";
const MP3: &str = "-c:a libmp3lame -b:a 128k";
const OPUS: &str = "-c:a libopus -b:a 96k";
const VORBIS: &str = "-c:a libvorbis -b:a 96k";
/// A live server sends each frame when it has it.
const LIVE_WEBM: &str = "-f webm -flush_packets 1 -cluster_time_limit 200";
const LIVE_MATROSKA: &str = "-f matroska -flush_packets 1 -cluster_time_limit 200";
const LIVE_MP4: &str = "-f mp4 -movflags frag_keyframe+empty_moov+default_base_moof";

pub fn all() -> Vec<Source> {
    let mut all = transports();
    all.extend(containers());
    all.extend(playlists());
    all.extend(cameras());
    all
}

/// A clip of these codecs in the container that `ending` names.
const fn in_container(video: &'static str, audio: &'static str, ending: &'static str) -> Clip {
    Clip {
        video,
        audio,
        ending,
        ..Clip::PLAIN
    }
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
    #[rustfmt::skip]
    let all = [
        ("MPEG-TS: H.264, AAC", plain, X264_NO_B, AAC),
        ("MPEG-TS: H.264 with B-frames, AAC", plain, X264, AAC),
        ("MPEG-TS: HEVC, AC-3", plain, X265, AC3),
        ("MPEG-TS: H.264 without sound", plain, X264, ""),
        ("MPEG-TS: MPEG-2, MP2", plain, MPEG2, MP2),
        ("MPEG-TS: H.264, MP3", plain, X264, MP3),
        ("MPEG-TS: H.264, AAC, 2 s at once at the start", burst, X264, AAC),
        ("MPEG-TS: H.264, AAC, in batches of 200 ms", batches, X264, AAC),
    ];
    let source = |(name, transport, video, audio)| Source {
        delivery: Delivery::Transport(transport),
        ..silent_if_so(pushed(name, in_container(video, audio, "ts")))
    };
    all.map(source).to_vec()
}

/// Sound is not judged where there is none.
fn silent_if_so(mut source: Source) -> Source {
    if let (true, Expect::Plays(bounds)) = (source.clip.audio.is_empty(), &mut source.expect) {
        bounds.apart_ms_max = None;
    }
    source
}

fn containers() -> Vec<Source> {
    let live = Delivery::Served;
    let file = Delivery::File;
    #[rustfmt::skip]
    let all = [
        ("WebM, live: VP8, Vorbis", live(LIVE_WEBM), in_container(VP8, VORBIS, "webm")),
        ("WebM, live: VP9, Opus", live(LIVE_WEBM), in_container(VP9, OPUS, "webm")),
        ("Matroska, live: H.264, AAC", live(LIVE_MATROSKA), Clip::PLAIN),
        ("FLV, live: H.264, AAC", live("-f flv"), Clip::PLAIN),
        ("fragmented MP4, live: H.264, AAC", live(LIVE_MP4), Clip::PLAIN),
        ("file: Matroska, H.264, AAC", file, in_container(X264, AAC, "mkv")),
        ("file: WebM, VP8, Opus", file, in_container(VP8, OPUS, "webm")),
        ("file: MPEG-TS, H.264, AAC", file, in_container(X264, AAC, "ts")),
    ];
    let source = |(name, delivery, clip)| Source {
        delivery,
        ..pushed(name, clip)
    };
    all.map(source).to_vec()
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
            "-hls_segment_type mpegts",
            X264,
        ),
        // ffmpeg writes the 21 ms by which AAC begins before the picture into an edit list, and GStreamer
        // reads none in segments, as DASH-IF asks of players; nor would it for B-frames.
        hls(
            "HLS with fMP4 segments",
            "-hls_segment_type fmp4 -hls_segment_options use_editlist=0",
            X264_NO_B,
        ),
    ]
}

const JPEG: &str = "-c:v mjpeg -q:v 4";

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
        seconds: 20,
        audio: "",
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

/// Dialects of cameras.
#[rustfmt::skip]
const DIALECTS: [(&str, Dialect); 9] = [
    ("Motion JPEG, no Content-Length", Dialect { length: false, ..Dialect::PLAIN }),
    ("Motion JPEG, image/jpg", Dialect { part_type: "image/jpg", ..Dialect::PLAIN }),
    ("Motion JPEG, boundary without its dashes", Dialect { parameter: "--frame", ..Dialect::PLAIN }),
    ("Motion JPEG, delimiter without its dashes", Dialect { delimiter: "frame", ..Dialect::PLAIN }),
    ("Motion JPEG, quoted boundary", Dialect { parameter: "\"frame\"", ..Dialect::PLAIN }),
    ("Motion JPEG, a preamble", Dialect { preamble: "A stream of pictures.\r\n\r\n", ..Dialect::PLAIN }),
    ("Motion JPEG, lines between parts", Dialect { between: "\r\n\r\n\r\n", ..Dialect::PLAIN }),
    ("Motion JPEG, bytes between parts", Dialect { between: "\r\njunk\r\n\r\n", ..Dialect::PLAIN }),
    ("Motion JPEG, no line behind the picture", Dialect { between: "", ..Dialect::PLAIN }),
];

fn cameras() -> Vec<Source> {
    let mut all = vec![
        camera("Motion JPEG", "yuvj420p", Dialect::PLAIN),
        camera("Motion JPEG, 4:2:2", "yuvj422p", Dialect::PLAIN),
        camera("Motion JPEG, 4:4:4", "yuvj444p", Dialect::PLAIN),
        jittery("Motion JPEG, jitter of 40 ms", Duration::from_millis(40)),
        jittery("Motion JPEG, jitter of 100 ms", Duration::from_millis(100)),
    ];
    all.extend(DIALECTS.map(|(name, dialect)| camera(name, "yuvj420p", dialect)));
    all
}
