//! What a low-latency player sees of a live stream, judged against RFC 8216bis.

use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::llhls::{Checker, Fetch, Kind, Rendition, cross, master};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::http::Client;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, doctor, playlist, small_ladder, turn};

/// How much of each stream is followed, in segments.
const SEGMENTS: u64 = 5;
/// Longest it may take: twice what it lasts.
const LIMIT: Duration = Duration::from_secs(2 * 2 * SEGMENTS + 10);

/// Follows one playlist as a player does: always asking for the part that comes next, every other
/// time as a delta update. `started` is the same for all.
fn follow(base: &Url, uri: &str, kind: Kind, started: Instant) -> Checker {
    let client = Client::new();
    let url = base.join(uri).expect("an address");
    let mut checker = Checker::new();
    let mut ask = url.clone();
    let mut fetch = Fetch::default();
    let mut until = None;
    for count in 1.. {
        fetch.asked = started.elapsed();
        let answer = client
            .get(ask.as_str())
            .unwrap_or_else(|error| panic!("{ask}: {error}"));
        let text = answer.text();
        assert_eq!(answer.status, 200, "{ask}: {text}");
        fetch.answered = started.elapsed();
        let violations = checker.observe(&text, fetch);
        assert_eq!(violations, [], "{ask}\n{text}");
        assert_eq!(doctor::playlist(&text), [""; 0], "{ask}\n{text}");
        let (msn, part) = next_edge(&text);
        if msn >= *until.get_or_insert(msn + SEGMENTS) {
            break;
        }
        assert!(started.elapsed() < LIMIT, "{uri} stands at {msn}.{part:?}");
        (fetch.msn, fetch.part) = (Some(msn), part.filter(|_| kind != Kind::Ts));
        let part = fetch.part.map(|part| format!("&_HLS_part={part}"));
        let skip = if count % 2 == 0 { "&_HLS_skip=YES" } else { "" };
        ask = url.clone();
        let query = format!("_HLS_msn={msn}{}{skip}", part.unwrap_or_default());
        ask.set_query(Some(&query));
    }
    checker
}

/// Number of the segment that is being made, and how many parts of it there are.
fn next_edge(text: &str) -> (u64, Option<u64>) {
    let skipped = text
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-SKIP:"));
    let skipped = skipped.map_or(0, |list| {
        playlist::attributes(list)["SKIPPED-SEGMENTS"]
            .parse()
            .expect("a number")
    });
    let page = playlist::MediaPlaylist::parse(text);
    let low_latency = page.part_target.is_some();
    (
        page.last_msn() + skipped + 1,
        low_latency.then_some(page.open_parts as u64),
    )
}

fn conforms(clip: Clip) {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    // Waits until it can be played.
    Viewer::open(&daemon, "s");
    let mut seats = Vec::new();
    for (path, video) in [
        ("/live/s/master.m3u8", Kind::Video),
        ("/live/s/ts.m3u8", Kind::Ts),
    ] {
        let text = daemon.get(path).text();
        let (listed, violations) = master(&text);
        assert_eq!(violations, [], "{text}");
        seats.extend(listed.variants.into_iter().map(|uri| (uri, video)));
        seats.extend(listed.audio.into_iter().map(|uri| (uri, Kind::Audio)));
    }
    assert_eq!(
        seats.len(),
        2 + 1 + 2,
        "two rungs, sound, and two rungs as TS"
    );
    let base = Url::parse(&daemon.url("/live/s/master.m3u8")).expect("an address");
    let started = Instant::now();
    let checkers: Vec<Checker> = thread::scope(|scope| {
        let followed: Vec<_> = seats
            .iter()
            .map(|(uri, kind)| scope.spawn(|| follow(&base, uri, *kind, started)))
            .collect();
        followed
            .into_iter()
            .map(|one| one.join().expect("no violation"))
            .collect()
    });
    let seen = seats.iter().zip(&checkers);
    let renditions: Vec<Rendition<'_>> = seen
        .map(|((uri, kind), checker)| Rendition {
            uri,
            kind: *kind,
            checker,
        })
        .collect();
    assert_eq!(cross(&renditions), []);
}

#[test]
fn at_24_frames_a_second() {
    conforms(Clip::new(426, 240, 24));
}

#[test]
fn at_25_frames_a_second() {
    conforms(Clip::new(426, 240, 25));
}

#[test]
fn at_29_97_frames_a_second() {
    conforms(Clip::new(426, 240, 30).ntsc(30));
}

#[test]
fn at_30_frames_a_second() {
    conforms(Clip::new(426, 240, 30));
}
