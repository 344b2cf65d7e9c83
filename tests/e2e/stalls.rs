//! A part of a worker that stops, while everything else in the worker goes on.

use std::time::{Duration, Instant};

use crate::followed::{self, Follower};
use crate::support::daemon::Daemon;
use crate::support::freeze::freeze;
use crate::support::playlist::MediaPlaylist;
use crate::support::viewer::Viewer;
use crate::support::{turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
/// Longest time from the stop to the first part of the next worker.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Rate of the test signal.
const FPS: f64 = 30.0;
/// Two rungs of the test signal. Outside the walls, so that one thread of a worker can be stopped.
const CONFIG: &str = r#"
[worker]
sandbox = "off"
[[rung]]
name = "240p"
height = 240
bitrate = "400k"
audio = "96k"
[[rung]]
name = "120p"
height = 120
bitrate = "150k"
audio = "96k"
[[stream]]
name = "s"
source = "test:"
"#;

/// The first muxer is that of the sound, the others are those of the rungs. MPEG-TS gets a frame once its
/// part was sent, so both packagings of the rung stop, and whichever is overdue first is named.
#[test]
fn a_cmaf_muxer_that_stops_is_replaced() {
    stops("cmafmux1:src", " stands still");
}

/// The encoder works in the thread of the queue before it.
#[test]
fn an_aac_encoder_that_stops_is_replaced() {
    stops("queue0:src", "sound stands still");
}

#[test]
fn an_hlssink3_that_stops_is_replaced() {
    stops("mpeg-ts_mux:src", "MPEG-TS stands still");
}

/// Stops the thread; the worker is replaced in time, and the viewers of both packagings see nothing of it.
fn stops(thread: &str, cause: &str) {
    let _turn = turn();
    let daemon = Daemon::start(CONFIG);
    let (viewer, ts) = (Viewer::open(&daemon, "s"), Viewer::open_ts(&daemon, "s"));
    viewer.all_with(3, LIMIT);
    let victim = daemon.worker("s");
    let top = &viewer.master.variants[0].uri;
    let last_msn = followed::while_this(&viewer, &ts, Follower::Onlooker, || {
        freeze(victim, thread);
        let frozen = Instant::now();
        wait_until("another worker", LIMIT, || {
            let workers = daemon.workers();
            workers.iter().all(|it| *it != victim) && daemon.log().contains(cause)
        });
        let end = |playlist: MediaPlaylist| (playlist.last_msn(), playlist.open_parts);
        let lost = end(viewer.playlist(top));
        wait_until("media of another worker", LIMIT, || {
            end(viewer.playlist(top)) > lost
        });
        let took = frozen.elapsed();
        eprintln!("{thread}: the next worker's first part came {took:?} after the stop");
        assert!(took <= RECOVERY_MAX, "it took {took:?}");
    });
    assert_ne!(daemon.worker("s"), victim);
    for viewer in [&viewer, &ts] {
        followed::assert_keys_agree(&followed::decode(viewer, last_msn, FPS));
    }
}
