//! Sound, its formats, and its absence.

use std::time::Duration;

use super::{PLAIN, pushed};
use crate::sources::clip::{AAC, Clip};
use crate::sources::delivery::Delivery;
use crate::sources::replay::Replay;
use crate::sources::source::{Bounds, Expect, Source};

/// AAC with options of its own.
macro_rules! aac {
    ($options:literal) => {
        concat!("-c:a aac ", $options)
    };
}

/// Name, and how the sound is encoded.
#[rustfmt::skip]
const FORMATS: [(&str, &str); 10] = [
    ("AAC 48 kHz stereo", AAC),
    ("AAC 48 kHz mono", aac!("-b:a 64k -ar 48000 -ac 1")),
    ("AAC 44.1 kHz stereo", aac!("-b:a 128k -ar 44100 -ac 2")),
    ("AAC 32 kHz stereo", aac!("-b:a 96k -ar 32000 -ac 2")),
    ("AAC 22.05 kHz mono", aac!("-b:a 48k -ar 22050 -ac 1")),
    ("AAC 16 kHz mono", aac!("-b:a 32k -ar 16000 -ac 1")),
    ("AAC 8 kHz mono", aac!("-b:a 16k -ar 8000 -ac 1")),
    ("AAC 96 kHz stereo", aac!("-b:a 256k -ar 96000 -ac 2")),
    ("AAC 5.1", aac!("-b:a 320k -ar 48000 -ac 6")),
    ("AAC 7.1", aac!("-b:a 400k -ar 48000 -ac 8")),
];

pub fn all() -> Vec<Source> {
    let mut all = FORMATS.map(|(name, audio)| heard(name, audio)).to_vec();
    all.extend([
        no_sound(),
        no_picture(),
        refused("MP3", "-c:a libmp3lame -b:a 128k -ar 44100", "MP3"),
        refused(
            "Nellymoser, as of 2003",
            "-c:a nellymoser -ar 44100 -ac 1",
            "Nellymoser",
        ),
        late(),
    ]);
    all
}

fn heard(name: &'static str, audio: &'static str) -> Source {
    pushed(
        name,
        Clip {
            audio,
            ..Clip::PLAIN
        },
    )
}

fn no_sound() -> Source {
    let mut bounds = PLAIN;
    bounds.apart_ms_max = None;
    Source {
        expect: Expect::Plays(bounds),
        ..heard("no sound", "")
    }
}

fn no_picture() -> Source {
    let mut bounds = Bounds::unseen((640, 360), 15.0);
    bounds.seconds = 6;
    Source {
        expect: Expect::Plays(bounds),
        ..pushed(
            "no picture",
            Clip {
                video: "",
                ..Clip::PLAIN
            },
        )
    }
}

/// Sound of a codec that weir does not take; its word is in the status.
fn refused(name: &'static str, audio: &'static str, word: &'static str) -> Source {
    let clip = Clip {
        audio,
        ending: "flv",
        ..Clip::PLAIN
    };
    Source {
        expect: Expect::Refused(word),
        ..pushed(name, clip)
    }
}

fn late() -> Source {
    let replay = Replay {
        audio_from: Duration::from_secs(3),
        ..Replay::PLAIN
    };
    let clip = Clip {
        ending: "flv",
        ..Clip::PLAIN
    };
    let mut bounds = PLAIN;
    bounds.seconds = 10;
    bounds.beeps_missing_max = 4;
    Source {
        delivery: Delivery::Replay(replay),
        expect: Expect::Plays(bounds),
        ..pushed("sound 3 s after the picture", clip)
    }
}
