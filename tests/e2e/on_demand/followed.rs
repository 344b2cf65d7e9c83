//! Followers of all playlists of a stream who watch nothing: they neither wait for segments nor ask for
//! media.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use super::{LIMIT, Stage};
use crate::llhls::{Checker, Fetch, Kind, Rendition, cross};
use crate::support::playlist::MediaPlaylist;
use crate::support::viewer::Viewer;
use crate::support::wait_for;

/// Segments that are followed after what happens.
const SEGMENTS_AFTER: u64 = 3;

/// A playlist that is followed.
struct Seat<'a> {
    viewer: &'a Viewer,
    uri: &'a str,
    kind: Kind,
}

fn seats(stage: &Stage) -> Vec<Seat<'_>> {
    let variants = |viewer, kind| -> Vec<Seat<'_>> {
        let viewer: &Viewer = viewer;
        let all = viewer.master.variants.iter();
        all.map(|it| Seat {
            viewer,
            uri: &it.uri,
            kind,
        })
        .collect()
    };
    let sound = stage.cmaf.master.media.iter().map(|it| Seat {
        viewer: &stage.cmaf,
        uri: &it.uri,
        kind: Kind::Audio,
    });
    let mut all = variants(&stage.cmaf, Kind::Video);
    all.extend(sound);
    all.extend(variants(&stage.ts, Kind::Ts));
    all
}

/// Looks at a playlist until it lists segment `last_msn`. No look may show a broken rule, a
/// discontinuity or a gap.
fn follow(seat: &Seat<'_>, started: Instant, last_msn: &AtomicU64) -> Checker {
    let url = seat.viewer.playlist_url(seat.uri);
    let (mut checker, mut before) = (Checker::new(), String::new());
    loop {
        let (fetch, text) = wait_for(&format!("news of {url}"), LIMIT, || {
            let asked = started.elapsed();
            let answer = seat.viewer.fetch(&url);
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
        for tag in ["#EXT-X-DISCONTINUITY\n", "#EXT-X-GAP", "#EXT-X-ENDLIST"] {
            assert!(!text.contains(tag), "{url}\n{text}");
        }
        if MediaPlaylist::parse(&text).last_msn() >= last_msn.load(Ordering::Relaxed) {
            return checker;
        }
        before = text;
    }
}

/// Lets all followers go when dropped, so that a test that has failed ends at once.
struct Release<'a>(&'a AtomicU64);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Follows all playlists while `happens` runs, and for some segments more; returns the number of the
/// last segment.
pub fn while_this(stage: &Stage, happens: impl FnOnce()) -> u64 {
    let seats = seats(stage);
    let (started, last_msn) = (Instant::now(), AtomicU64::new(u64::MAX));
    let (last, checkers): (u64, Vec<Checker>) = thread::scope(|scope| {
        let _release = Release(&last_msn);
        let followed: Vec<_> = seats
            .iter()
            .map(|seat| scope.spawn(|| follow(seat, started, &last_msn)))
            .collect();
        happens();
        let last = stage.cmaf.playlist(seats[0].uri).last_msn() + SEGMENTS_AFTER;
        last_msn.store(last, Ordering::Relaxed);
        let all = followed.into_iter();
        let all = all.map(|one| one.join().expect("no violation"));
        (last, all.collect())
    });
    let renditions: Vec<Rendition<'_>> = seats
        .iter()
        .zip(&checkers)
        .map(|(seat, checker)| Rendition {
            uri: seat.uri,
            kind: seat.kind,
            checker,
        })
        .collect();
    assert_eq!(cross(&renditions), []);
    last
}
