//! A dying worker affects only its own stream; a dying daemon takes its workers along.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
/// Longest time from the death of a worker to the first part of the next one.
const RECOVERY_MAX: Duration = Duration::from_secs(3);
/// Longest time from the death of a daemon to the end of its last worker.
const ORPHAN_MAX: Duration = Duration::from_secs(2);

#[test]
fn a_killed_worker_is_replaced_in_the_same_playlists() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s", "other"]));
    // The next key frame may be 8 s away, so the new worker needs the current GOP from its start.
    let clip = Clip::new(426, 240, 30).gop(8).lasting(16);
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    let _other = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("other", KEY));
    let (viewer, bystander) = (Viewer::open(&daemon, "s"), Viewer::open(&daemon, "other"));
    let ts = Viewer::open_ts(&daemon, "s");
    // By then the stream is in the middle of a GOP, wherever in the clip it started.
    viewer.all_with(3, LIMIT);
    let top = &viewer.master.variants[0].uri;

    let victim = daemon.worker("s");
    let before = viewer.playlist(top);
    let killed = Instant::now();
    victim.signal(Signal::KILL);
    let back = |playlist: &crate::support::playlist::MediaPlaylist| {
        let cut = playlist
            .segments
            .iter()
            .find(|segment| segment.discontinuity);
        cut.map(|segment| segment.msn)
    };
    wait_until("media after the death", LIMIT, || {
        let text = viewer.fetch(&viewer.playlist_url(top)).text();
        // `EXT-X-DISCONTINUITY` precedes the first part of the new worker.
        text.split_once("#EXT-X-DISCONTINUITY\n")
            .is_some_and(|(_, after)| after.contains("#EXT-X-PART:"))
    });
    let took = killed.elapsed();
    eprintln!("a new worker's first part was listed {took:?} after the death of the old one");
    assert!(took <= RECOVERY_MAX, "it took {took:?}");
    assert_ne!(daemon.worker("s"), victim);

    let far = before.last_msn() + 4;
    let cuts: Vec<_> = [viewer.all_with(far, LIMIT), ts.all_with(far, LIMIT)].concat();
    let at = back(&cuts[0].1).expect("a discontinuity");
    for (uri, playlist) in &cuts {
        assert_eq!(
            back(playlist),
            Some(at),
            "{uri}: the discontinuity is elsewhere"
        );
        assert!(!playlist.ended);
        for (one, next) in playlist
            .segments
            .iter()
            .zip(playlist.segments.iter().skip(1))
        {
            assert_eq!(one.msn + 1, next.msn, "{uri}");
        }
    }
    for (uri, playlist) in bystander.all_with(far, LIMIT) {
        assert_eq!(back(&playlist), None, "the other stream's {uri}");
    }
    assert_eq!(daemon.status("other")["state"], "live");
}

#[test]
fn no_worker_outlives_a_killed_daemon() {
    let _turn = turn();
    let mut daemon = Daemon::start(&small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("s", KEY));
    Viewer::open(&daemon, "s");
    let workers = daemon.workers();
    assert!(!workers.is_empty());
    daemon.signal(Signal::KILL);
    let died = Instant::now();
    daemon.wait_exit(ORPHAN_MAX);
    while workers.iter().any(|worker| worker.is_running()) {
        assert!(died.elapsed() < ORPHAN_MAX, "a worker outlives its daemon");
        thread::yield_now();
    }
}
