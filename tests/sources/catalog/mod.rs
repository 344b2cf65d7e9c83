//! All sources of the corpus.

mod codecs;
mod colours;
mod pulls;
mod shapes;
mod sound;
mod times;

use super::clip::Clip;
use super::delivery::Delivery;
use super::source::{Bounds, Expect, Source};

/// A group of sources, with its title in the table.
pub type Group = (&'static str, fn() -> Vec<Source>);

/// The groups.
pub const GROUPS: [Group; 6] = [
    ("Video codecs and their features", codecs::all),
    ("Colours", colours::all),
    ("Sizes and frame rates", shapes::all),
    ("Sound", sound::all),
    ("Publishers and their clocks", times::all),
    ("Pulled over HTTP", pulls::all),
];

/// What a clip of 640x360 at 30 frames per second must become.
const PLAIN: Bounds = Bounds::of((640, 360), 30.0);

/// A clip that ffmpeg publishes and that plays as [`PLAIN`].
const fn pushed(name: &'static str, clip: Clip) -> Source {
    Source {
        name,
        clip,
        delivery: Delivery::Ffmpeg,
        expect: Expect::Plays(PLAIN),
    }
}

/// A clip whose pictures are encoded as `video` says, from pixels of `format`.
const fn encoded(name: &'static str, format: &'static str, video: &'static str) -> Source {
    let clip = Clip {
        format,
        video,
        ..Clip::PLAIN
    };
    pushed(name, clip)
}
