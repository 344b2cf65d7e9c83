//! Which sources are played when.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::process::Signal;

use super::catalog::GROUPS;
use super::source::{STREAM, Source};
use crate::support::turn;

/// Words that choose sources by their names or the titles of their groups, separated by commas; all
/// sources without it. A word with a `$` at its end is the end of a name.
const CHOICE: &str = "WEIR_SOURCES";
/// The file that gets the table.
const TABLE: &str = "WEIR_SOURCES_TABLE";

/// The sample: a source for each fault that sources had, as far as a few seconds show it.
const SAMPLE: [&str; 15] = [
    "H.264 High 4:2:2, 8 bits",
    "HEVC Main 10",
    "BT.709, full range",
    "matrix not marked, full range",
    "12 fps",
    "90 fps",
    "slides, one picture in 2 s",
    "MP3",
    "MPEG-TS: H.264, AAC",
    "MPEG-TS: HEVC, AC-3",
    "MPEG-TS: H.264 without sound",
    "MPEG-TS: MPEG-2, MP2",
    "MPEG-TS: H.264, AAC, 2 s at once at the start",
    "fragmented MP4, live: H.264, AAC",
    "HLS with fMP4 segments",
];
const LIMIT: Duration = Duration::from_secs(40);
/// Seconds of each that are judged.
const SAMPLE_SECONDS: u64 = 6;

fn sources() -> impl Iterator<Item = (&'static str, Source)> {
    let groups = GROUPS.into_iter();
    groups.flat_map(|(title, all)| all().into_iter().map(move |source| (title, source)))
}

/// Plays the source; a panic is an error too.
fn outcome(source: &Source) -> Result<String, String> {
    catch_unwind(AssertUnwindSafe(|| source.play())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(text.unwrap_or_default())
    })
}

#[test]
fn a_sample_of_all_sources_plays() {
    let _turn = turn();
    let known = sources().filter(|(_, source)| SAMPLE.contains(&source.name));
    let outcomes: Vec<_> = known
        .map(|(_, source)| (source.name, outcome(&source.for_seconds(SAMPLE_SECONDS))))
        .collect();
    let failed: Vec<_> = outcomes.iter().filter(|(_, o)| o.is_err()).collect();
    assert_eq!(outcomes.len(), SAMPLE.len(), "a name has changed");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Every picture and every beep of the publisher is there, in its place, though two workers died.
#[test]
fn no_picture_is_lost_with_a_worker() {
    let _turn = turn();
    let (_, plain) = sources().find(|(_, s)| s.name == "ffmpeg").expect("listed");
    let outcome = plain.for_seconds(14).play_through(|daemon, viewer| {
        for msn in [4, 8] {
            viewer.all_with(msn, LIMIT);
            daemon.worker(STREAM).signal(Signal::KILL);
        }
    });
    println!("{outcome:?}");
    outcome.expect("it plays");
}

/// The first seconds of fifty starts; prints how far sound and picture are apart in each.
#[test]
#[ignore = "takes five minutes"]
fn fifty_starts_are_in_sync() {
    let (_, plain) = sources().find(|(_, s)| s.name == "ffmpeg").expect("listed");
    let outcomes: Vec<_> = (0..50).map(|_| outcome(&plain.only_in_sync(3))).collect();
    println!("{outcomes:#?}");
    let failed = outcomes.iter().filter(|outcome| outcome.is_err());
    assert_eq!(failed.count(), 0);
}

/// All sources, or those that the environment chooses.
#[test]
#[ignore = "takes half an hour; scripts/compatibility runs it"]
fn all_sources_play() {
    let choice = std::env::var(CHOICE).unwrap_or_default();
    let matches = |name: &str, word: &str| match word.strip_suffix('$') {
        Some(end) => name.ends_with(end),
        None => name.contains(word),
    };
    let chosen =
        |name: &str| choice.is_empty() || choice.split(',').any(|word| matches(name, word));
    let (mut table, mut group, mut failed) = (String::new(), "", Vec::new());
    for (title, source) in sources().filter(|(title, source)| chosen(title) || chosen(source.name))
    {
        let outcome = outcome(&source);
        println!("{}: {outcome:?}", source.name);
        if group != title {
            group = title;
            let _ = write!(
                table,
                "\n### {title}\n\n| source | plays | measured |\n| --- | --- | --- |\n"
            );
        }
        let (plays, text) = match &outcome {
            Ok(text) => ("yes", text),
            Err(text) => ("no", text),
        };
        let text = text.lines().next().unwrap_or_default().replace('|', "/");
        let _ = writeln!(table, "| {} | {plays} | {text} |", source.name);
        if outcome.is_err() {
            failed.push(source.name);
        }
    }
    if let Some(path) = std::env::var_os(TABLE) {
        std::fs::write(path, table).expect("the table is written");
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
