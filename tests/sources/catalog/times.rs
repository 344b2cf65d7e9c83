//! Publishing programs, and what clocks and networks do to a stream.

use std::time::Duration;

use super::{PLAIN, pushed};
use crate::sources::clip::Clip;
use crate::sources::delivery::Delivery;
use crate::sources::replay::Replay;
use crate::sources::source::{Bounds, Expect, Source};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Reads FILE, and publishes what is in it without encoding it again.
macro_rules! gstreamer {
    ($($sink:expr),*) => {
        Delivery::Program("gst-launch-1.0", &["-q", "filesrc", "location=FILE", "!", "qtdemux", "name=d",
            "d.video_0", "!", "queue", "!", "h264parse", "!", "identity", "sync=true", "!", "mux.",
            "d.audio_0", "!", "queue", "!", "aacparse", "!", "mux.",
            "flvmux", "name=mux", "streamable=true", "!", $($sink),*])
    };
}

pub fn all() -> Vec<Source> {
    let mut all = vec![
        pushed("ffmpeg", Clip::PLAIN),
        by(
            "GStreamer, rtmp2sink",
            gstreamer!["rtmp2sink", "location=URL"],
        ),
        by(
            "GStreamer, rtmpsink (librtmp)",
            gstreamer!["rtmpsink", "location=URL"],
        ),
        obs(),
    ];
    all.extend(clocks());
    all.extend(networks());
    all
}

fn by(name: &'static str, delivery: Delivery) -> Source {
    Source {
        delivery,
        ..pushed(name, Clip::PLAIN)
    }
}

fn obs() -> Source {
    Source {
        delivery: Delivery::Obs,
        expect: Expect::Plays(Bounds::unseen((640, 360), 10.0)),
        ..pushed("OBS Studio 29", Clip::PLAIN)
    }
}

fn replayed(name: &'static str, replay: Replay, bounds: Bounds) -> Source {
    let clip = Clip {
        ending: "flv",
        ..Clip::PLAIN
    };
    Source {
        delivery: Delivery::Replay(replay),
        expect: Expect::Plays(bounds),
        ..pushed(name, clip)
    }
}

fn clocks() -> Vec<Source> {
    let plain = Replay::PLAIN;
    let with = |jump| Replay {
        jump: Some(jump),
        ..plain
    };
    let mut jumps = PLAIN;
    // A jump may cost some pictures once.
    jumps.gap_max = Duration::from_millis(300);
    let mut late = PLAIN;
    late.seconds = 11;
    late.beeps_missing_max = 6;
    late.irregular_max = 1.0;
    late.gap_max = s(6);
    late.unreadable_max = 300;
    vec![
        replayed(
            "timestamps from 0xFFFFF000 on, which wrap",
            Replay {
                first_ms: 0xFFFF_F000,
                ..plain
            },
            PLAIN,
        ),
        replayed(
            "timestamps from 2^31 - 3 s on",
            Replay {
                first_ms: 0x7FFF_F448,
                ..plain
            },
            PLAIN,
        ),
        replayed(
            "timestamps from 7 days on",
            Replay {
                first_ms: 604_800_000,
                ..plain
            },
            PLAIN,
        ),
        replayed(
            "timestamps jump ahead by an hour",
            with((s(4), 3_600_000)),
            jumps,
        ),
        replayed("timestamps jump back by 3 s", with((s(4), -3000)), jumps),
        replayed(
            "timestamps jump back to zero",
            Replay {
                first_ms: 3_600_000,
                ..with((s(4), -3_604_000))
            },
            jumps,
        ),
        replayed(
            "decoder configuration at each key frame",
            Replay {
                repeat_config: true,
                ..plain
            },
            PLAIN,
        ),
        replayed(
            "no onMetaData",
            Replay {
                without_metadata: true,
                ..plain
            },
            PLAIN,
        ),
        replayed(
            "picture 5 s after the sound",
            Replay {
                video_from: s(5),
                ..plain
            },
            late,
        ),
    ]
}

fn networks() -> Vec<Source> {
    let plain = Replay::PLAIN;
    let mut stalls = PLAIN;
    stalls.irregular_max = 0.5;
    stalls.gap_max = Duration::from_millis(1700);
    stalls.apart_ms_max = Some(60.0);
    let jitter = |ms| Replay {
        jitter: Duration::from_millis(ms),
        ..plain
    };
    let mut bursts = PLAIN;
    // weir skips to the live position: 4 s of 8.
    bursts.irregular_max = 0.5;
    let mut jitters = PLAIN;
    jitters.irregular_max = 0.15;
    jitters.gap_max = Duration::from_millis(200);
    vec![
        replayed("jitter of 40 ms", jitter(40), jitters),
        replayed("jitter of 150 ms", jitter(150), jitters),
        replayed(
            "the network stalls for 1.5 s",
            Replay {
                stall: Some((s(4), Duration::from_millis(1500))),
                ..plain
            },
            stalls,
        ),
        replayed(
            "4 s at once at the start",
            Replay {
                burst: s(4),
                ..plain
            },
            bursts,
        ),
    ]
}
