//! Judges what a low-latency player gets against RFC 8216bis.

use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::llhls::{Checker, Fetch, Kind, Rendition, cross, master, pace};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::http::Client;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, doctor, playlist, small_ladder, turn};

/// Number of segments that are followed. A delta update skips nothing before six Target Durations
/// (`CAN-SKIP-UNTIL`) have passed.
const SEGMENTS: u64 = 12;
/// The largest delta update must skip at least this many segments: those followed, less the six
/// within the skip boundary and one that may still be open.
const SKIPPED: u64 = SEGMENTS - 7;

/// How late a busy machine may see an update.
const OBSERVER_SLACK: Duration = Duration::from_secs(2);

/// Follows one playlist as a player does: always requests the next part, every other time as a
/// delta update. `started` is the same for all playlists.
fn follow(base: &Url, uri: &str, kind: Kind, (started, limit): (Instant, Duration)) -> Checker {
    let client = Client::new();
    let url = base.join(uri).expect("an address");
    let mut checker = Checker::new();
    let mut ask = url.clone();
    let mut fetch = Fetch::default();
    let (mut until, mut skipped_max) = (None, 0);
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
        let skipped = skipped(&text);
        assert!(skipped == 0 || count % 2 == 1, "{ask}: not asked to skip");
        skipped_max = skipped_max.max(skipped);
        let (msn, part) = next_edge(&text, skipped);
        if msn >= *until.get_or_insert(msn + SEGMENTS) {
            break;
        }
        assert!(started.elapsed() < limit, "{uri} stands at {msn}.{part:?}");
        (fetch.msn, fetch.part) = (Some(msn), part.filter(|_| kind != Kind::Ts));
        let part = fetch.part.map(|part| format!("&_HLS_part={part}"));
        let skip = if count % 2 == 0 { "&_HLS_skip=YES" } else { "" };
        ask = url.clone();
        let query = format!("_HLS_msn={msn}{}{skip}", part.unwrap_or_default());
        ask.set_query(Some(&query));
    }
    match kind {
        Kind::Ts => assert_eq!(skipped_max, 0, "{uri}: old players know no delta updates"),
        Kind::Video | Kind::Audio => assert!(
            skipped_max >= SKIPPED,
            "{uri}: SKIPPED-SEGMENTS was never above {skipped_max}"
        ),
    }
    checker
}

/// `SKIPPED-SEGMENTS` of a delta update; 0 for a whole playlist.
fn skipped(text: &str) -> u64 {
    let mut lines = text.lines();
    let list = lines.find_map(|line| line.strip_prefix("#EXT-X-SKIP:"));
    list.map_or(0, |list| {
        let count = &playlist::attributes(list)["SKIPPED-SEGMENTS"];
        count.parse().expect("a number")
    })
}

/// Number of the open segment, and how many of its parts are listed.
fn next_edge(text: &str, skipped: u64) -> (u64, Option<u64>) {
    let page = playlist::MediaPlaylist::parse(text);
    let low_latency = page.part_target.is_some();
    (
        page.last_msn() + skipped + 1,
        low_latency.then_some(page.open_parts as u64),
    )
}

fn conforms(clip: Clip, segment_s: u64) {
    let _turn = turn();
    let small = small_ladder(&["s"]);
    let daemon = Daemon::start(&format!("[hls]\nsegment = \"{segment_s}s\"\n{small}"));
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    // This waits until the stream can be played.
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
    // Twice the duration of what is followed.
    let limit = Duration::from_secs(2 * segment_s * SEGMENTS + 10);
    let time = (Instant::now(), limit);
    let checkers: Vec<Checker> = thread::scope(|scope| {
        let followed: Vec<_> = seats
            .iter()
            .map(|(uri, kind)| scope.spawn(|| follow(&base, uri, *kind, time)))
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
    assert_eq!(pace(&renditions, OBSERVER_SLACK), []);
}

#[test]
fn at_24_frames_per_second() {
    conforms(Clip::new(426, 240, 24), 1);
}

#[test]
fn at_25_frames_per_second() {
    conforms(Clip::new(426, 240, 25), 1);
}

#[test]
fn at_29_97_frames_per_second() {
    conforms(Clip::new(426, 240, 30).ntsc(30), 1);
}

#[test]
fn at_30_frames_per_second_with_the_default_segment() {
    conforms(Clip::new(426, 240, 30), 2);
}
