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

/// What reads FILE and publishes what is in it to URL, without encoding it again.
macro_rules! gstreamer {
    ($sink:literal) => {
        concat!(
            "gst-launch-1.0 -q filesrc location=FILE ! qtdemux name=d \
             d.video_0 ! queue ! h264parse ! identity sync=true ! mux. \
             d.audio_0 ! queue ! aacparse ! mux. \
             flvmux name=mux streamable=true ! ",
            $sink,
            " location=URL"
        )
    };
}

pub fn all() -> Vec<Source> {
    let mut all = vec![
        pushed("ffmpeg", Clip::PLAIN),
        by("GStreamer, rtmp2sink", gstreamer!("rtmp2sink")),
        by("GStreamer, rtmpsink (librtmp)", gstreamer!("rtmpsink")),
        obs(),
    ];
    all.extend(clocks());
    all.extend(networks());
    all
}

fn by(name: &'static str, command: &'static str) -> Source {
    Source {
        delivery: Delivery::Program(command),
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
    let from = |first_ms| Replay { first_ms, ..plain };
    let back_to_zero = Replay {
        first_ms: 3_600_000,
        ..with((s(4), -3_604_000))
    };
    let repeating = Replay {
        repeat_config: true,
        ..plain
    };
    let unannounced = Replay {
        without_metadata: true,
        ..plain
    };
    let video_late = Replay {
        video_from: s(5),
        ..plain
    };
    #[rustfmt::skip]
    let all = [
        ("timestamps from 0xFFFFF000 on, which wrap", from(0xFFFF_F000), PLAIN),
        ("timestamps from 2^31 - 3 s on", from(0x7FFF_F448), PLAIN),
        ("timestamps from 7 days on", from(604_800_000), PLAIN),
        ("timestamps jump ahead by an hour", with((s(4), 3_600_000)), jumps),
        ("timestamps jump back by 3 s", with((s(4), -3000)), jumps),
        ("timestamps jump back to zero", back_to_zero, jumps),
        ("decoder configuration at each key frame", repeating, PLAIN),
        ("no onMetaData", unannounced, PLAIN),
        ("picture 5 s after the sound", video_late, late),
    ];
    all.map(|(name, replay, bounds)| replayed(name, replay, bounds))
        .to_vec()
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
