//! Publishers that vanish, return, take over or are refused; shutdown and reload of the daemon.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use url::Url;

use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::playlist::MediaPlaylist;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, push_stream, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(20);
const SMALL: Clip = Clip::new(426, 240, 30);

/// Starts a daemon with a live stream `s`, its publisher and a viewer.
fn live(config: &str) -> (Daemon, Publisher, Viewer) {
    let daemon = Daemon::start(config);
    let publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    (daemon, publisher, viewer)
}

/// Asserts that a later playlist continues an earlier one: it has not ended and no number is
/// missing.
fn assert_goes_on(before: &MediaPlaylist, after: &MediaPlaylist) {
    assert!(!after.ended, "the playlist has ended");
    let first = after.segments.first().expect("a segment").msn;
    assert!(
        first <= before.last_msn() + 1,
        "a gap between {} and {first}",
        before.last_msn()
    );
    for (one, next) in after.segments.iter().zip(after.segments.iter().skip(1)) {
        assert_eq!(one.msn + 1, next.msn);
    }
}

fn returns_with(clip: Clip) {
    let _turn = turn();
    let (daemon, publisher, viewer) = live(&small_ladder(&["s"]));
    let before = viewer.playlist(&viewer.master.variants[0].uri);
    drop(publisher);
    daemon.wait_state("s", "waiting", LIMIT);
    // Viewers get new segments while nobody publishes.
    viewer.all_with(before.last_msn() + 2, LIMIT);
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    daemon.wait_state("s", "live", LIMIT);
    let returned = viewer.playlist(&viewer.master.variants[0].uri).last_msn();
    for (_, after) in viewer.all_with(returned + 2, LIMIT) {
        assert_goes_on(&before, &after);
    }
    let again = Viewer::open(&daemon, "s");
    assert_eq!(
        again.master.uris(),
        viewer.master.uris(),
        "the session has new addresses"
    );
}

#[test]
fn a_publisher_that_returns_goes_on_in_the_same_playlists() {
    returns_with(SMALL);
}

#[test]
fn so_does_one_that_returns_with_another_size_rate_and_no_sound() {
    returns_with(Clip::new(320, 240, 25).silent());
}

#[test]
fn a_publisher_that_stays_away_ends_the_stream_after_its_grace() {
    let _turn = turn();
    let config = format!("[session]\ngrace = \"2s\"\n{}", small_ladder(&["s"]));
    let (daemon, publisher, viewer) = live(&config);
    drop(publisher);
    for uri in viewer.master.uris() {
        viewer.ended_playlist(uri, LIMIT);
    }
    daemon.wait_state("s", "idle", LIMIT);
    let _publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    daemon.wait_state("s", "live", LIMIT);
    let next = Viewer::open(&daemon, "s");
    for uri in next.master.uris() {
        assert!(!viewer.master.uris().contains(&uri), "{uri} is used twice");
    }
    // The playlists of the ended session stay available for the window.
    for uri in viewer.master.uris() {
        assert!(viewer.playlist(uri).ended);
    }
}

/// Mean colour saturation of segment `msn`; see [`probe::saturation`].
fn saturation(viewer: &Viewer, uri: &str, playlist: &MediaPlaylist, msn: u64) -> f64 {
    probe::saturation(&viewer.download(uri, playlist.segment(msn)))
}

#[test]
fn a_second_publisher_with_the_key_takes_over() {
    let _turn = turn();
    let (daemon, mut first, viewer) = live(&small_ladder(&["s"]));
    let top = &viewer.master.variants[0].uri;
    let before = viewer.playlist(top);
    let colour = saturation(&viewer, top, &before, before.last_msn());
    assert!(colour > 30.0, "the first clip is in colour: {colour}");

    let mut second = Publisher::ffmpeg(SMALL.grey(), &daemon.publish_url("s", KEY));
    first.wait_end(LIMIT);
    // The picture of the second publisher starts in the open segment or in the next one.
    let taken_over = viewer.playlist(top).last_msn() + 3;
    for (uri, after) in viewer.all_with(taken_over, LIMIT) {
        assert_goes_on(&before, &after);
        if !viewer.master.media.iter().any(|sound| sound.uri == uri) {
            let colour = saturation(&viewer, &uri, &after, taken_over);
            assert!(colour < 5.0, "{uri}: the second clip is grey: {colour}");
        }
    }
    assert!(second.is_running());
    assert_eq!(daemon.status("s")["state"], "live");
}

#[test]
fn a_wrong_key_is_refused_and_not_logged() {
    let _turn = turn();
    let (daemon, mut right, _) = live(&small_ladder(&["s"]));
    let mut wrong = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", "not-the-right-one"));
    wrong.wait_end(LIMIT);
    let mut unknown = Publisher::ffmpeg(SMALL, &daemon.publish_url("nobody", KEY));
    unknown.wait_end(LIMIT);
    assert!(
        right.is_running(),
        "the publisher with the right key was sent away"
    );
    assert!(
        !daemon.log().contains("not-the-right-one"),
        "a key is in the log"
    );
}

#[test]
fn sigterm_ends_the_playlists_and_exits_with_0() {
    let _turn = turn();
    let (mut daemon, _publisher, viewer) = live(&small_ladder(&["s"]));
    let workers = daemon.workers();
    assert!(!workers.is_empty());
    daemon.signal(Signal::TERM);
    for uri in viewer.master.uris() {
        viewer.ended_playlist(uri, Duration::from_secs(9));
    }
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    for worker in workers {
        assert!(
            !worker.is_running(),
            "worker {} outlived the daemon",
            worker.pid
        );
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let _turn = turn();
    let (mut daemon, _publisher, viewer) = live(&small_ladder(&["s"]));
    daemon.signal(Signal::INT);
    viewer.ended_playlist(&viewer.master.variants[0].uri, Duration::from_secs(9));
    daemon.signal(Signal::INT);
    daemon.wait_exit(Duration::from_secs(3));
}

/// `change` gives the daemon a new configuration.
fn reload_leaves_others_alone(change: impl Fn(&Daemon, &str)) {
    let _turn = turn();
    let (daemon, mut publisher, viewer) = live(&small_ladder(&["s"]));
    let worker = daemon.worker("s");
    let before = viewer.playlist(&viewer.master.variants[0].uri);
    change(&daemon, &small_ladder(&["s", "t"]));
    wait_until("the new stream", LIMIT, || {
        daemon.get("/api/v1/streams/t").status == 200
    });
    let _other = Publisher::ffmpeg(SMALL, &daemon.publish_url("t", KEY));
    daemon.wait_state("t", "live", LIMIT);
    change(&daemon, &small_ladder(&["s"]));
    wait_until("the end of the new stream", LIMIT, || {
        daemon.get("/api/v1/streams/t").status == 404
    });
    // A configuration with a mistake changes nothing.
    change(&daemon, "[[stream]]\nname = \"Not A Name\"\n");
    for (_, after) in viewer.all_with(before.last_msn() + 3, LIMIT) {
        assert_goes_on(&before, &after);
        assert!(after.segments.iter().all(|segment| !segment.discontinuity));
    }
    assert!(publisher.is_running() && worker.is_running());
}

#[test]
fn a_reload_by_signal_leaves_other_streams_alone() {
    reload_leaves_others_alone(|daemon, config| {
        daemon.write_config(config);
        daemon.signal(Signal::HUP);
    });
}

#[test]
fn a_changed_file_is_a_reload() {
    reload_leaves_others_alone(|daemon, config| {
        // Editors save like this: they move a new file over the old one.
        let (old, new) = (
            daemon.dir().join("config.toml"),
            daemon.dir().join("config.toml~"),
        );
        let text = fs::read_to_string(&old).expect("the configuration");
        let server = text.split("\n\n").next().expect("its first table");
        fs::write(&new, format!("{server}\n\n{config}")).expect("written");
        fs::rename(&new, &old).expect("moved");
    });
}

#[test]
fn gstreamer_publishes_too() {
    let _turn = turn();
    let daemon = Daemon::start(&push_stream("s"));
    let url = daemon.publish_url("s", KEY);
    let _publisher = Publisher::gstreamer(640, 360, 30, &url);
    let viewer = Viewer::open(&daemon, "s");
    let sizes: Vec<_> = viewer
        .master
        .variants
        .iter()
        .map(|v| v.resolution)
        .collect();
    assert_eq!(sizes, [(640, 360)]);
    viewer.all_with(3, LIMIT);
}

#[test]
fn an_old_sessions_media_stays_where_it_was() {
    let _turn = turn();
    let (mut daemon, publisher, viewer) = live(&small_ladder(&["s"]));
    let uri = viewer.master.variants[0].uri.clone();
    drop(publisher);
    daemon.signal(Signal::INT);
    daemon.wait_exit(LIMIT);
    daemon.start_again();
    let _publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    let next = Viewer::open(&daemon, "s");
    let base: Url = next.playlist_url("");
    assert!(
        !next.master.uris().contains(&uri.as_str()),
        "{base}: {uri} is used twice"
    );
}
