//! A dying worker affects only its own stream; a dying daemon takes its workers along.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::followed::{self, Follower};
use crate::support::camera::{Auth, Camera, Options};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
/// Longest time from the death of a worker to the end of the segment that was open.
const RECOVERY_MAX: Duration = Duration::from_secs(6);
/// Longest time from the death of a daemon to the end of its last worker.
const ORPHAN_MAX: Duration = Duration::from_secs(2);

/// Deaths of a worker in one test, at moments that differ within a segment.
const DEATHS: u32 = 3;

/// Kills the worker of stream `s` at several moments. Viewers see nothing of it: no discontinuity, no
/// gap, no frame too many or too few, and the other stream keeps its worker.
fn dies_without_a_trace(daemon: &Daemon, fps: f64) {
    let (cmaf, ts) = (Viewer::open(daemon, "s"), Viewer::open_ts(daemon, "s"));
    // By then the stream is in the middle of a GOP, wherever in the clip it started.
    cmaf.all_with(3, LIMIT);
    let top = &cmaf.master.variants[0].uri;
    let last_msn = followed::while_this(&cmaf, &ts, Follower::Player, || {
        for death in 1..=DEATHS {
            let victim = daemon.worker("s");
            let before = cmaf.playlist(top).last_msn();
            // An odd number of parts, so that deaths fall on different places of a segment.
            wait_until("a part of another segment", LIMIT, || {
                let playlist = cmaf.playlist(top);
                playlist.last_msn() > before && playlist.open_parts as u32 >= death
            });
            let open = cmaf.playlist(top);
            let killed = Instant::now();
            victim.signal(Signal::KILL);
            wait_until("media after the death", LIMIT, || {
                cmaf.playlist(top).last_msn() > open.last_msn()
            });
            let took = killed.elapsed();
            eprintln!("the segment was complete {took:?} after the death of its worker");
            assert!(took <= RECOVERY_MAX, "it took {took:?}");
            assert_ne!(daemon.worker("s"), victim);
        }
    });
    for viewer in [&cmaf, &ts] {
        followed::assert_keys_agree(&followed::decode(viewer, last_msn, fps));
    }
    assert_counters_go_on(&ts, last_msn);
    assert!(!daemon.log().contains("frames are dropped"));
}

/// Every worker has a muxer of its own, and no client sees it.
fn assert_counters_go_on(ts: &Viewer, last_msn: u64) {
    for (uri, playlist) in ts.all_with(last_msn, LIMIT) {
        let media = ts.download(&uri, &playlist.segments);
        assert_eq!(probe::counter_jumps(&media), [], "{uri}");
    }
}

#[test]
fn a_worker_of_a_publisher_dies_without_a_trace() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s", "other"]));
    // The next key frame may be 8 s away, so the new worker needs the current GOP from its start.
    let clip = Clip::new(426, 240, 30).gop(8).lasting(16);
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    let _other = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("other", KEY));
    Viewer::open(&daemon, "other");
    let bystander = daemon.worker("other");
    dies_without_a_trace(&daemon, 30.0);
    assert_eq!(daemon.worker("other"), bystander);
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

/// The camera's frames in between are lost: the last thumbnail stands in for them.
#[test]
fn a_worker_of_a_camera_dies_without_a_trace() {
    let _turn = turn();
    let camera = Camera::start(Options {
        auth: Auth::Open,
        fps: 15,
        ..Options::default()
    });
    let rung = "[[rung]]\nname = \"120p\"\nheight = 120\nbitrate = \"150k\"\naudio = \"64k\"\n";
    let source = camera.url();
    let config = format!("{rung}[[stream]]\nname = \"s\"\nsource = \"{source}\"\n");
    dies_without_a_trace(&Daemon::start(&config), 15.0);
}
