//! Matrices, ranges and their marks.

use super::pushed;
use crate::sources::clip::{Clip, Colour};
use crate::sources::source::Source;

const fn coloured(
    name: &'static str,
    matrix: &'static str,
    full: bool,
    tag: Option<&'static str>,
) -> Source {
    let colour = Colour { matrix, full, tag };
    pushed(
        name,
        Clip {
            colour,
            ..Clip::PLAIN
        },
    )
}

pub fn all() -> Vec<Source> {
    let mut all = vec![
        coloured("BT.709, limited range", "bt709", false, Some("bt709")),
        coloured("BT.709, full range", "bt709", true, Some("bt709")),
        coloured("BT.601, limited range", "bt601", false, Some("smpte170m")),
        coloured("BT.601, full range", "bt601", true, Some("smpte170m")),
        coloured("not marked, limited range", "bt601", false, None),
    ];
    let grey = Clip {
        format: "gray",
        ..Clip::PLAIN
    };
    let mut grey = pushed("no colours (4:0:0)", grey);
    if let crate::sources::source::Expect::Plays(bounds) = &mut grey.expect {
        bounds.colour_max = None;
    }
    all.push(grey);
    let full: &[(&str, &str)] = &[
        ("full range, 4:2:2", "yuv422p"),
        ("full range, 4:4:4", "yuv444p"),
        ("full range, 10 bits", "yuv420p10le"),
    ];
    all.extend(full.iter().map(|(name, format)| {
        let colour = Colour {
            matrix: "bt709",
            full: true,
            tag: Some("bt709"),
        };
        pushed(
            name,
            Clip {
                colour,
                format,
                ..Clip::PLAIN
            },
        )
    }));
    all.push(unmarked_full());
    all
}

/// What phones and IP cameras send: full range is marked, the matrix is not.
fn unmarked_full() -> Source {
    let colour = Colour {
        matrix: "bt601",
        full: true,
        tag: Some("unknown"),
    };
    pushed(
        "matrix not marked, full range",
        Clip {
            colour,
            ..Clip::PLAIN
        },
    )
}
