//! `[[rung]]`: the ladder.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::document::{Entry, Table};
use super::reader::{At, Section};
use super::report::{Place, Problem};
use super::values;
use crate::ladder::Rung;
use crate::names::NAME_CHARS_MAX;
use crate::units::{Bitrate, FrameRate};

pub(super) const KEYS: &[&str] = &["name", "height", "fps", "bitrate", "audio"];

/// The ladder of a file that names no rung. Bitrates are those of [`BITRATE_DEFAULTS`].
pub(super) const DEFAULT_LADDER: &str = r#"
rung = [
  { name = "1080p", height = 1080 },
  { name = "720p", height = 720 },
  { name = "480p", height = 480 },
  { name = "360p", height = 360 },
]
"#;

/// Bitrates of a rung without one, by height; others are scaled by area from the nearest.
const BITRATE_DEFAULTS: [(u32, Bitrate); 4] = [
    (1080, Bitrate::from_bps(5_000_000)),
    (720, Bitrate::from_bps(2_800_000)),
    (480, Bitrate::from_bps(1_400_000)),
    (360, Bitrate::from_bps(800_000)),
];

/// Rungs a ladder may have.
const RUNGS_MAX: usize = 16;
const HEIGHTS: RangeInclusive<u32> = 64..=4320;
const BITRATES: RangeInclusive<Bitrate> =
    Bitrate::from_bps(50_000)..=Bitrate::from_bps(200_000_000);
const AUDIO_BITRATES: RangeInclusive<Bitrate> =
    Bitrate::from_bps(32_000)..=Bitrate::from_bps(320_000);
const FPS_DEFAULT: FrameRate = FrameRate::whole(30);
const AUDIO_DEFAULT: Bitrate = Bitrate::from_bps(128_000);

/// The ladder as far as it could be read.
pub(super) struct Ladder {
    /// Rungs, top first.
    pub rungs: Vec<Rung>,
    /// Names of all rungs, also of those that are wrong otherwise.
    pub names: Vec<String>,
}

/// A rung and where its parts are.
struct Read {
    rung: Rung,
    name: At<String>,
    height: At<u32>,
}

/// Reads the ladder. `entry` is the key `rung` itself.
pub(super) fn read(
    tables: Vec<(&Table, Place)>,
    entry: Option<&Entry>,
    problems: &mut Vec<Problem>,
) -> Ladder {
    let declared = tables.iter().filter_map(|(table, _)| table.text("name"));
    let mut names: Vec<String> = declared.map(str::to_owned).collect();
    names.dedup();
    if let (Some(entry), true) = (entry, tables.is_empty())
        && matches!(&entry.node.value, super::document::Value::Array(items) if items.is_empty())
    {
        problems.push(
            Problem::at(
                entry.node.place.clone(),
                "the ladder is empty",
                "expected a rung",
            )
            .help(Some("leave `rung` out for the default ladder".to_owned())),
        );
    }
    if let Some((_, place)) = tables.get(RUNGS_MAX) {
        let label = format!("expected at most {RUNGS_MAX} rungs");
        problems.push(Problem::at(
            place.clone(),
            "the ladder has too many rungs",
            label,
        ));
    }
    let read: Vec<Read> = tables
        .into_iter()
        .take(RUNGS_MAX)
        .filter_map(|(table, place)| rung(table, place, problems))
        .collect();
    unique(read.iter().map(|read| &read.name), "rung", problems);
    for pair in read.windows(2) {
        if let [upper, lower] = pair {
            problems.extend(out_of_order(upper, lower));
        }
    }
    // Also those that were left to be named by their height.
    let nameless = read.iter().map(|read| &read.rung.name);
    let nameless: Vec<String> = nameless.filter(|n| !names.contains(n)).cloned().collect();
    names.extend(nameless);
    Ladder {
        rungs: read.into_iter().map(|read| read.rung).collect(),
        names,
    }
}

fn rung(table: &Table, place: Place, problems: &mut Vec<Problem>) -> Option<Read> {
    let title = title("rung", table);
    let section = Section::open(table, place, title, KEYS, problems);
    let height = section.required("height", "height = 720", values::even(HEIGHTS), problems);
    let name = section.get("name", values::rung_name, problems);
    let fps = section.get_or("fps", FPS_DEFAULT, values::frame_rate, problems);
    let bitrate = section.get("bitrate", values::bitrate(BITRATES), problems);
    let audio = section.get_or(
        "audio",
        AUDIO_DEFAULT,
        values::bitrate(AUDIO_BITRATES),
        problems,
    );
    let height = height?;
    let bitrate = bitrate.map_or(default_bitrate(height.value), |bitrate| bitrate.value);
    let name = match (name, section.node("name")) {
        (Some(name), _) => name,
        (None, Some(_)) => return None,
        (None, None) => At {
            value: default_name(height.value),
            place: height.place.clone(),
        },
    };
    Some(Read {
        rung: Rung {
            name: name.value.clone(),
            height: height.value,
            fps_max: fps.value,
            bitrate,
            audio: audio.value,
        },
        name,
        height,
    })
}

/// The name of a rung that has none.
pub(super) fn default_name(height: impl Display) -> String {
    format!("{height}p")
}

fn default_bitrate(height: u32) -> Bitrate {
    let nearest = BITRATE_DEFAULTS
        .into_iter()
        .min_by_key(|(known, _)| known.abs_diff(height));
    let (known, bitrate) = nearest.unwrap_or((height, *BITRATES.start()));
    let area = |height: u32| u64::from(height).pow(2);
    let bps = bitrate.bps() * area(height) / area(known).max(1);
    Bitrate::from_bps(bps).clamp(*BITRATES.start(), *BITRATES.end())
}

/// The ladder is written top first: a player starts on what it is offered first, and a smaller
/// picture is made from the one above it. Rungs of one height differ in bitrate.
fn out_of_order(upper: &Read, lower: &Read) -> Option<Problem> {
    let key = |read: &Read| (read.rung.height, read.rung.bitrate);
    let (first, second) = (&upper.rung.name, &lower.rung.name);
    if key(upper) > key(lower) || first == second {
        return None;
    }
    let (label, help) = if key(upper) == key(lower) {
        let label = "height and bitrate are those of the rung above";
        (
            label,
            format!("give `{second}` a lower bitrate, or remove it"),
        )
    } else {
        let label = "expected a rung below the one above, in height or else in bitrate";
        (
            label,
            format!("write [[rung]] `{second}` above `{first}`: the ladder is top first"),
        )
    };
    let place = lower.height.place.clone()?;
    let title = format!("rung `{second}` is out of order");
    let problem = Problem::at(place, title, label).help(Some(help));
    Some(match upper.height.place.clone() {
        Some(above) => problem.context(above, "the rung above"),
        None => problem,
    })
}

/// What an element of an array is called in messages.
pub(super) fn title(array: &str, table: &Table) -> String {
    match table.text("name") {
        Some(name) if name.len() <= NAME_CHARS_MAX => format!("[[{array}]] \"{name}\""),
        _ => format!("[[{array}]]"),
    }
}

/// Reports every name that was there before.
pub(super) fn unique<'a>(
    names: impl Iterator<Item = &'a At<String>>,
    noun: &str,
    problems: &mut Vec<Problem>,
) {
    let mut seen: std::collections::BTreeMap<&str, &At<String>> = std::collections::BTreeMap::new();
    for name in names {
        let Some(first) = seen.get(name.value.as_str()) else {
            seen.insert(&name.value, name);
            continue;
        };
        let title = format!("two {noun}s are named `{}`", name.value);
        if let Some(place) = name.place.clone() {
            let problem = Problem::at(place, title, "expected another name");
            problems.push(match first.place.clone() {
                Some(place) => problem.context(place, "it is here first"),
                None => problem,
            });
        }
    }
}
