//! Sizes, shapes of pixels, and frame rates.

use std::time::Duration;

use super::pushed;
use crate::sources::clip::{Clip, X264_NO_B};
use crate::sources::source::{Bounds, Expect, Source};

fn sized(
    name: &'static str,
    size: (usize, usize),
    filter: &'static str,
    shown: (u32, u32),
) -> Source {
    let clip = Clip {
        size,
        filter,
        ..Clip::PLAIN
    };
    Source {
        expect: Expect::Plays(Bounds::of(shown, 30.0)),
        ..pushed(name, clip)
    }
}

fn at(name: &'static str, rate: (u32, u32)) -> Source {
    let clip = Clip {
        rate,
        // Pictures at a high rate would otherwise take both processors to decode and encode.
        size: if rate.0 / rate.1 > 60 {
            (320, 180)
        } else {
            (640, 360)
        },
        ..Clip::PLAIN
    };
    let size = (clip.size.0 as u32, clip.size.1 as u32);
    Source {
        expect: Expect::Plays(Bounds::of(size, clip.fps())),
        ..pushed(name, clip)
    }
}

pub fn all() -> Vec<Source> {
    let mut all = vec![
        sized("160x120", (160, 120), "", (160, 120)),
        sized("426x240", (426, 240), "", (426, 240)),
        sized("854x480", (854, 480), "", (854, 480)),
        sized("1280x720", (1280, 720), "", (1280, 720)),
        sized("360x640, portrait", (360, 640), "", (360, 640)),
        sized("480x480, square", (480, 480), "", (480, 480)),
        sized("1280x360, wide", (1280, 360), "", (1280, 360)),
        sized("638x358, not a multiple of 16", (638, 358), "", (638, 358)),
        sized(
            "720x576, pixels of 16:11",
            (720, 576),
            ",setsar=16/11",
            (1046, 576),
        ),
        sized(
            "480x360, pixels of 4:3",
            (480, 360),
            ",setsar=4/3",
            (640, 360),
        ),
    ];
    all.extend([
        at("10 fps", (10, 1)),
        at("12 fps", (12, 1)),
        at("12.5 fps", (25, 2)),
        at("15 fps", (15, 1)),
        at("20 fps", (20, 1)),
        at("23.976 fps", (24_000, 1001)),
        at("24 fps", (24, 1)),
        at("25 fps", (25, 1)),
        at("29.97 fps", (30_000, 1001)),
        at("48 fps", (48, 1)),
        at("50 fps", (50, 1)),
        at("59.94 fps", (60_000, 1001)),
        at("60 fps", (60, 1)),
        at("90 fps", (90, 1)),
        at("100 fps", (100, 1)),
        at("120 fps", (120, 1)),
    ]);
    all.extend(slow());
    all
}

/// Slides and shared screens.
fn slow() -> [Source; 2] {
    // B-frames would delay a picture by several of its own length.
    let slow = |name, rate: (u32, u32), fps| {
        let mut bounds = Bounds::of((640, 360), fps);
        // A slide changes long before or after its beep.
        bounds.apart_ms_max = None;
        bounds.seconds = 10;
        // A decoder that works on two pictures at once hands the first out with the second; then one
        // slide stays for twice its time.
        bounds.gap_max = Duration::from_secs_f64(f64::from(rate.1) / f64::from(rate.0));
        Source {
            expect: Expect::Plays(bounds),
            ..pushed(
                name,
                Clip {
                    rate,
                    video: X264_NO_B,
                    ..Clip::PLAIN
                },
            )
        }
    };
    [
        slow("5 fps", (5, 1), 10.0),
        slow("slides, one picture in 2 s", (1, 2), 25.0),
    ]
}
