//! Follows all playlists of a stream while something happens to it, and decodes what they listed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::llhls::{Checker, Fetch, Kind, Rendition, cross};
use crate::support::http::Client;
use crate::support::playlist::{MediaPlaylist, Segment};
use crate::support::probe::Frame;
use crate::support::viewer::Viewer;
use crate::support::{probe, wait_for};

const LIMIT: Duration = Duration::from_secs(30);
/// Rounding error of a timescale.
const ROUNDING: Duration = Duration::from_millis(1);
/// Segments that are followed after what happens.
const SEGMENTS_AFTER: u64 = 3;

/// How playlists are followed.
#[derive(Debug, Clone, Copy)]
pub enum Follower {
    /// As a low-latency player does.
    Player,
    /// Without waiting for anything, so that no rung counts as watched.
    Onlooker,
}

/// A playlist that is followed.
struct Seat {
    uri: String,
    kind: Kind,
}

fn seats(cmaf: &Viewer, ts: &Viewer) -> Vec<Seat> {
    let variants = |viewer: &Viewer, kind| {
        let variants = viewer.master.variants.clone().into_iter();
        variants.map(move |it| Seat { uri: it.uri, kind })
    };
    let sound = cmaf.master.media.clone().into_iter();
    let sound = sound.map(|it| Seat {
        uri: it.uri,
        kind: Kind::Audio,
    });
    variants(cmaf, Kind::Video)
        .chain(sound)
        .chain(variants(ts, Kind::Ts))
        .collect()
}

/// Follows a playlist as a low-latency player does, until it lists the segment that `last_msn` names.
/// No fetch may show a broken rule, a discontinuity or a gap.
fn play(url: &Url, kind: Kind, started: Instant, last_msn: &AtomicU64) -> Checker {
    let (client, mut checker) = (Client::new(), Checker::new());
    let (mut ask, mut fetch) = (url.clone(), Fetch::default());
    loop {
        fetch.asked = started.elapsed();
        let answer = client.get(ask.as_str());
        let answer = answer.unwrap_or_else(|error| panic!("{ask}: {error}"));
        let text = answer.text();
        fetch.answered = started.elapsed();
        assert_eq!(answer.status, 200, "{ask}: {text}");
        assert_eq!(checker.observe(&text, fetch), [], "{ask}\n{text}");
        assert_seamless(&ask, &text);
        let page = MediaPlaylist::parse(&text);
        if page.last_msn() >= last_msn.load(Ordering::Relaxed) {
            return checker;
        }
        assert!(started.elapsed() < 3 * LIMIT, "{url} stands still\n{text}");
        fetch.msn = Some(page.last_msn() + 1);
        fetch.part = (kind != Kind::Ts).then_some(page.open_parts as u64);
        let part = fetch.part.map(|part| format!("&_HLS_part={part}"));
        let query = format!(
            "_HLS_msn={}{}",
            page.last_msn() + 1,
            part.unwrap_or_default()
        );
        ask.set_query(Some(&query));
    }
}

/// Looks at a playlist until it lists the segment that `last_msn` names; waits for nothing, and asks for
/// no media. As [`play`] otherwise.
fn look(url: &Url, started: Instant, last_msn: &AtomicU64) -> Checker {
    let (client, mut checker, mut before) = (Client::new(), Checker::new(), String::new());
    loop {
        let (fetch, text) = wait_for(&format!("news of {url}"), LIMIT, || {
            let asked = started.elapsed();
            let answer = client.get(url.as_str()).expect("an answer");
            let text = answer.text();
            assert_eq!(answer.status, 200, "{url}: {text}");
            let fetch = Fetch {
                asked,
                answered: started.elapsed(),
                ..Fetch::default()
            };
            (text != before).then_some((fetch, text))
        });
        assert_eq!(checker.observe(&text, fetch), [], "{url}\n{text}");
        assert_seamless(url, &text);
        if MediaPlaylist::parse(&text).last_msn() >= last_msn.load(Ordering::Relaxed) {
            return checker;
        }
        before = text;
    }
}

fn assert_seamless(url: &Url, text: &str) {
    for tag in ["#EXT-X-DISCONTINUITY\n", "#EXT-X-GAP", "#EXT-X-ENDLIST"] {
        assert!(!text.contains(tag), "{url}\n{text}");
    }
}

/// Lets all followers go when dropped, so that a test that has failed ends at once.
struct Release<'a>(&'a AtomicU64);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Follows all playlists while `happens` runs, and for [`SEGMENTS_AFTER`] segments more; returns the
/// number of the last segment.
pub fn while_this(cmaf: &Viewer, ts: &Viewer, follower: Follower, happens: impl FnOnce()) -> u64 {
    let seats = seats(cmaf, ts);
    let (started, last_msn) = (Instant::now(), AtomicU64::new(u64::MAX));
    let (last, checkers): (u64, Vec<Checker>) = thread::scope(|scope| {
        let _release = Release(&last_msn);
        let followed: Vec<_> = seats
            .iter()
            .map(|seat| {
                let (url, last_msn) = (cmaf.playlist_url(&seat.uri), &last_msn);
                scope.spawn(move || match follower {
                    Follower::Player => play(&url, seat.kind, started, last_msn),
                    Follower::Onlooker => look(&url, started, last_msn),
                })
            })
            .collect();
        happens();
        let last = cmaf.playlist(&seats[0].uri).last_msn() + SEGMENTS_AFTER;
        last_msn.store(last, Ordering::Relaxed);
        let all = followed.into_iter();
        let all = all.map(|one| one.join().expect("no violation"));
        (last, all.collect())
    });
    let renditions: Vec<Rendition<'_>> = seats
        .iter()
        .zip(&checkers)
        .map(|(seat, checker)| Rendition {
            uri: &seat.uri,
            kind: seat.kind,
            checker,
        })
        .collect();
    assert_eq!(cross(&renditions), []);
    last
}

/// Number of frames that these segments should have.
pub fn frames_in<'a>(segments: impl IntoIterator<Item = &'a Segment>, fps: f64) -> usize {
    let seconds: f64 = segments.into_iter().map(|it| it.duration_s).sum();
    (seconds * fps).round() as usize
}

/// Decodes all segments of every picture up to `last_msn`, each playlist as one file; returns the times
/// of the key frames by playlist. No frame is missing: the next encoder makes the backlog again.
pub fn decode(viewer: &Viewer, last_msn: u64, fps: f64) -> Vec<Vec<Duration>> {
    let all = viewer.all_with(last_msn, LIMIT).into_iter();
    let pictures = all.take(viewer.master.variants.len());
    pictures
        .map(|(uri, playlist)| {
            let segments = || playlist.segments.iter().filter(|it| it.msn <= last_msn);
            let frames = probe::video_frames(&viewer.download(&uri, segments()));
            assert_eq!(frames.len(), frames_in(segments(), fps), "{uri}");
            let steps = frames.iter().zip(frames.iter().skip(1));
            let steps = steps.map(|(one, next)| next.pts.saturating_sub(one.pts));
            let frame = Duration::from_secs_f64(1.0 / fps);
            let holes: Vec<_> = steps
                .filter(|step| step.abs_diff(frame) > ROUNDING)
                .collect();
            assert_eq!(holes, [Duration::ZERO; 0], "{uri}");
            // A viewer who comes later reads the last init section only.
            let last = segments().next_back();
            let late = probe::video_frames(&viewer.download(&uri, last));
            assert_eq!(
                late.len(),
                frames_in(last, fps),
                "{uri}: the last segment alone"
            );
            let keys = frames.iter().filter(|frame| frame.key);
            keys.map(|frame| frame.pts).collect()
        })
        .collect()
}

/// The pictures of a playlist, segment by segment up to `last_msn`; what an init section begins is decoded
/// as one file. No frame is missing, and every segment begins with a key frame.
pub fn segments(viewer: &Viewer, uri: &str, last_msn: u64, fps: f64) -> Vec<(Segment, Vec<Frame>)> {
    let page = viewer.playlist_with(uri, last_msn, LIMIT);
    let wanted: Vec<Segment> = page.segments.into_iter().collect();
    let wanted = &wanted[..wanted.partition_point(|it| it.msn <= last_msn)];
    let mut all: Vec<(Segment, Vec<Frame>)> = Vec::new();
    for group in wanted.chunk_by(|one, next| one.map == next.map) {
        let frames = probe::video_frames(&viewer.download(uri, group));
        assert_eq!(frames.len(), frames_in(group, fps), "{uri}: {group:?}");
        let mut rest = frames.into_iter();
        for segment in group {
            let these: Vec<Frame> = rest.by_ref().take(frames_in([segment], fps)).collect();
            assert!(these[0].key, "{uri}: no key frame begins {segment:?}");
            all.push((segment.clone(), these));
        }
    }
    let frames = || all.iter().flat_map(|(_, frames)| frames);
    let step = Duration::from_secs_f64(1.0 / fps);
    for (one, next) in frames().zip(frames().skip(1)) {
        let found = next.pts.saturating_sub(one.pts);
        assert!(found.abs_diff(step) <= ROUNDING, "{uri}: {one:?} {next:?}");
    }
    all
}

/// A key frame of a healthy rung is a key frame of every rung; the next encoder of a rung may begin
/// with one more.
pub fn assert_keys_agree(keys: &[Vec<Duration>]) {
    let fewest = keys.iter().min_by_key(|keys| keys.len());
    for key in fewest.expect("a rung") {
        for other in keys {
            let found = other.iter().any(|it| it.abs_diff(*key) <= ROUNDING);
            assert!(found, "{key:?} is no key frame of every rung: {keys:?}");
        }
    }
}
