//! Reads `[[rung]]`: the ladder.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{Entry, Table, Value};
use super::problem::{Place, Problem};
use super::reader::{At, Section};
use super::values;
use crate::base::names::NAME_CHARS_MAX;
use crate::base::units::{self, Bitrate, ByteSize, FrameRate};
use crate::model::ladder::Rung;

pub(super) const KEYS: &[&str] = &["name", "height", "fps", "bitrate", "audio"];

/// The ladder of a file without a `[[rung]]`. Its bitrates are [`BITRATE_DEFAULTS`].
pub(super) const DEFAULT_LADDER: &str = r#"
rung = [
  { name = "1080p", height = 1080 },
  { name = "720p", height = 720 },
  { name = "480p", height = 480 },
  { name = "360p", height = 360 },
]
"#;

/// Default bitrates by height. For other heights, the bitrate of the nearest height is scaled by the
/// area of the picture.
const BITRATE_DEFAULTS: [(u32, Bitrate); 4] = [
    (1080, Bitrate::from_bps(5_000_000)),
    (720, Bitrate::from_bps(2_800_000)),
    (480, Bitrate::from_bps(1_400_000)),
    (360, Bitrate::from_bps(800_000)),
];

/// Maximum number of rungs in a ladder.
const RUNGS_MAX: usize = 16;
const HEIGHTS: RangeInclusive<u32> = 64..=4320;
const BITRATES: RangeInclusive<Bitrate> =
    Bitrate::from_bps(50_000)..=Bitrate::from_bps(200_000_000);
const AUDIO_BITRATES: RangeInclusive<Bitrate> =
    Bitrate::from_bps(32_000)..=Bitrate::from_bps(320_000);
const FPS_DEFAULT: FrameRate = FrameRate::whole(30);
const AUDIO_DEFAULT: Bitrate = Bitrate::from_bps(128_000);

/// Largest segment that a worker may have to send in one message: three quarters of
/// `wire::protocol::MESSAGE_BYTES_MAX`, because an encoder may exceed its bitrate for a while.
const SEGMENT_BYTES_MAX: ByteSize = ByteSize::from_mib(24);

/// The valid rungs of the ladder.
pub(super) struct Ladder {
    /// Rungs, top first.
    pub rungs: Vec<Rung>,
    /// Names of all rungs, including those with mistakes.
    pub names: Vec<String>,
}

/// A rung and the places of its values.
struct Read {
    rung: Rung,
    name: At<String>,
    height: At<u32>,
    bitrate: Option<Place>,
}

/// Reads the ladder. `entry` is the key `rung`; `whole_segment` is the duration of a segment if
/// workers send segments whole.
pub(super) fn read(
    tables: Vec<(&Table, Place)>,
    entry: Option<&Entry>,
    whole_segment: Option<At<Duration>>,
    problems: &mut Vec<Problem>,
) -> Ladder {
    let declared = tables.iter().filter_map(|(table, _)| table.text("name"));
    let mut names: Vec<String> = declared.map(str::to_owned).collect();
    names.dedup();
    problems.extend(empty(&tables, entry));
    problems.extend(too_many(&tables));
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
    if let Some(segment) = whole_segment {
        problems.extend(read.iter().filter_map(|rung| too_large(rung, &segment)));
    }
    // Rungs without a `name` are named by their height.
    let nameless = read.iter().map(|read| &read.rung.name);
    let nameless: Vec<String> = nameless.filter(|n| !names.contains(n)).cloned().collect();
    names.extend(nameless);
    Ladder {
        rungs: read.into_iter().map(|read| read.rung).collect(),
        names,
    }
}

fn empty(tables: &[(&Table, Place)], entry: Option<&Entry>) -> Option<Problem> {
    let node = entry
        .filter(|_| tables.is_empty())
        .map(|entry| &entry.node)?;
    if !matches!(&node.value, Value::Array(items) if items.is_empty()) {
        return None;
    }
    let problem = Problem::at(node.place.clone(), "the ladder is empty", "expected a rung");
    Some(problem.help(Some("leave `rung` out for the default ladder".to_owned())))
}

fn too_many(tables: &[(&Table, Place)]) -> Option<Problem> {
    let (_, place) = tables.get(RUNGS_MAX)?;
    let label = format!("expected at most {RUNGS_MAX} rungs");
    let title = "the ladder has too many rungs";
    Some(Problem::at(place.clone(), title, label))
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
    let (bitrate, bitrate_place) = match bitrate {
        Some(bitrate) => (bitrate.value, bitrate.place),
        None => (default_bitrate(height.value), None),
    };
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
        bitrate: bitrate_place,
    })
}

/// The name of a rung without a `name`.
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

/// The ladder has to be top first: a player starts with the first rendition, and a smaller picture is
/// scaled from the one above it. Rungs of the same height have to differ in bitrate.
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

/// Rejects a rung whose segments may not fit into a message: such a segment would end the session.
fn too_large(read: &Read, segment: &At<Duration>) -> Option<Problem> {
    let bits_max = SEGMENT_BYTES_MAX.bytes() * 8 - 1;
    let bps = read.rung.bitrate.bps().max(1);
    let ms = u64::try_from(segment.value.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    if bps.saturating_mul(ms) / 1000 <= bits_max {
        return None;
    }
    let mib = bps.saturating_mul(ms) / 8000 / ByteSize::from_mib(1).bytes();
    let duration = units::duration_text(segment.value);
    let label = format!(
        "{duration} at {} are {mib} MiB, and a segment has to stay under 24 MiB",
        read.rung.bitrate
    );
    // Rounded down, and never to zero: 20M fits at every duration, and 1s at every bitrate.
    let bitrate = Bitrate::from_bps(bits_max * 1000 / ms / 1_000_000 * 1_000_000);
    let longest = Duration::from_millis(bits_max * 1000 / bps / 100 * 100);
    let help = format!(
        "write bitrate = \"{bitrate}\" or less, or segment = \"{}\" or less in [hls]",
        units::duration_text(longest)
    );
    let places = [&read.bitrate, &segment.place, &read.height.place];
    let mut places = places.into_iter().flatten();
    let title = format!("segments of rung `{}` are too large", read.rung.name);
    let problem = Problem::at(places.next()?.clone(), title, label).help(Some(help));
    Some(match (&read.bitrate, &segment.place) {
        (Some(_), Some(segment)) => problem.context(segment.clone(), "the segments"),
        _ => problem,
    })
}

/// The name of a table of an array in messages.
pub(super) fn title(array: &str, table: &Table) -> String {
    match table.text("name") {
        Some(name) if name.len() <= NAME_CHARS_MAX => format!("[[{array}]] \"{name}\""),
        _ => format!("[[{array}]]"),
    }
}

/// Reports every name that an earlier table has.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::protocol::MESSAGE_BYTES_MAX;

    #[test]
    fn the_largest_segment_fits_a_message_with_room_to_spare() {
        let longest = u64::try_from(MESSAGE_BYTES_MAX).unwrap();
        assert_eq!(SEGMENT_BYTES_MAX.bytes(), longest / 4 * 3);
    }
}
