//! What viewers see in Chromium.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::chromium::Chromium;
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn};

const LIMIT: Duration = Duration::from_secs(30);
const SMALL: Clip = Clip::new(426, 240, 30);

fn published(stream: &str) -> (Daemon, Publisher) {
    let daemon = Daemon::start(&small_ladder(&[stream]));
    let publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url(stream, KEY));
    Viewer::open(&daemon, stream);
    (daemon, publisher)
}

fn now_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs_f64()
        * 1000.0
}

#[test]
fn the_demo_plays_on_its_page() {
    let _turn = turn();
    let small = small_ladder(&[]);
    let daemon = Daemon::start(&format!(
        "{small}[[stream]]\nname = \"demo\"\nsource = \"test:\"\n"
    ));
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/watch/demo"));
    browser.wait_played(4.0, LIMIT);
    let latency = browser
        .eval("window.weir.latency()")
        .as_f64()
        .expect("seconds");
    let first = browser.eval("window.seen.firstFrameAt - window.seen.loadedAt");
    eprintln!("first frame {first} ms after the page, {latency:.2} s behind the live edge");
    // Without low latency the distance would be at least two segments, 4 s.
    assert!(
        latency > 0.0 && latency < 4.0,
        "{latency} s behind the live edge"
    );
    browser.screenshot("watch-demo");
    browser.assert_healthy();
    browser.goto(&daemon.url("/"));
    browser.wait_until("document.querySelector('a[href*=\"/watch/demo\"]')", LIMIT);
    browser.screenshot("list");
    browser.assert_healthy();
}

#[test]
fn the_embedded_player_plays() {
    let _turn = turn();
    let (daemon, _publisher) = published("s");
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/embed/s"));
    browser.wait_played(2.0, LIMIT);
    browser.assert_healthy();
}

#[test]
fn a_waiting_page_starts_by_itself() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/watch/s"));
    browser.wait_until("window.weir", LIMIT);
    browser.screenshot("watch-waiting");
    browser.eval("window.notReloaded = true");
    let from = now_ms();
    let _publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    browser.wait_until("window.seen.firstFrameAt", LIMIT);
    let first_frame = browser
        .eval("window.seen.firstFrameAt")
        .as_f64()
        .expect("a time");
    eprintln!(
        "first frame {:.0} ms after the publisher was started",
        first_frame - from
    );
    browser.wait_played(3.0, LIMIT);
    assert_eq!(browser.eval("window.notReloaded"), true);
    browser.assert_healthy();
}

#[test]
fn it_plays_on_while_the_publisher_is_gone_and_back() {
    let _turn = turn();
    let (daemon, publisher) = published("s");
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/watch/s"));
    browser.wait_played(2.0, LIMIT);
    browser.eval("window.notReloaded = true");
    drop(publisher);
    daemon.wait_state("s", "waiting", LIMIT);
    browser.wait_played(4.0, LIMIT);
    browser.screenshot("watch-publisher-away");
    let _publisher = Publisher::ffmpeg(Clip::new(320, 240, 25), &daemon.publish_url("s", KEY));
    daemon.wait_state("s", "live", LIMIT);
    browser.wait_played(6.0, LIMIT);
    assert_eq!(browser.eval("window.notReloaded"), true);
    browser.assert_healthy();
}

#[test]
fn a_killed_worker_costs_no_reload() {
    let _turn = turn();
    let (daemon, _publisher) = published("s");
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/watch/s"));
    browser.wait_played(2.0, LIMIT);
    browser.eval("window.notReloaded = true");
    daemon.worker("s").signal(rustix::process::Signal::KILL);
    browser.wait_played(8.0, LIMIT);
    assert_eq!(browser.eval("window.notReloaded"), true);
    browser.assert_healthy();
}

#[test]
fn a_slow_network_lowers_the_level_and_a_fast_one_raises_it() {
    let _turn = turn();
    let (daemon, _publisher) = published("s");
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/watch/s"));
    let height = |height: u32| format!("window.weir?.video?.videoHeight === {height}");
    browser.wait_until(&height(240), LIMIT);
    // More than the lower rung and its sound need, less than the upper one needs.
    browser.limit_network(Some(400_000));
    browser.wait_until(&height(120), 2 * LIMIT);
    browser.limit_network(None);
    browser.wait_until(&height(240), 2 * LIMIT);
    browser.assert_healthy();
}

#[test]
fn the_ts_set_plays_in_hls_js() {
    let _turn = turn();
    let (daemon, _publisher) = published("s");
    let mut browser = Chromium::open();
    browser.play_bare(&daemon.url("/live/s/ts.m3u8"));
    browser.wait_played(4.0, LIMIT);
    assert_eq!(browser.eval("window.weir.video.videoHeight"), 240);
    browser.assert_healthy();
}
