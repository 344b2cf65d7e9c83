//! DASH as players play it.

use std::time::Duration;

use crate::chromium::Chromium;
use crate::players::{self, programs};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn};

const LIMIT: Duration = Duration::from_secs(30);
const CLIP: Clip = Clip::new(426, 240, 30);
/// Pictures of five seconds.
const PICTURES: u64 = 150;

/// A stream that is live and has some segments.
fn published() -> (Daemon, Publisher) {
    let daemon = Daemon::start(&small_ladder(&["s"]));
    let publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    Viewer::open(&daemon, "s").all_with(4, LIMIT);
    (daemon, publisher)
}

fn play(daemon: &Daemon, pages: &str) -> Chromium {
    let mut browser = Chromium::open();
    let manifest = daemon.url("/live/s/manifest.mpd");
    browser.goto(&format!("{pages}&url={manifest}"));
    browser
}

fn wait_pictures(browser: &mut Chromium, pictures: u64) {
    let shown = "(watched?.getVideoPlaybackQuality().totalVideoFrames ?? 0)";
    let from = browser.eval(shown).as_u64().unwrap_or_default();
    browser.wait_until(&format!("{shown} >= {}", from + pictures), LIMIT);
}

#[test]
fn dash_js_plays_a_live_stream() {
    let _turn = turn();
    let (daemon, _publisher) = published();
    let pages = players::pages();
    let mut browser = play(&daemon, &pages.url("/?player=dash.js"));
    wait_pictures(&mut browser, PICTURES);
    // The time line is that of dates.
    let late = "Date.now() / 1000 - watched.currentTime";
    let late = browser.eval(late).as_f64().expect("seconds");
    assert!((0.0..20.0).contains(&late), "{late} s behind the clock");
    let errors = browser.eval("seen.errors");
    assert_eq!(errors, serde_json::json!([]));
    browser.assert_scripts_healthy();
}

#[test]
fn dash_js_goes_on_when_a_worker_was_killed() {
    let _turn = turn();
    let (daemon, _publisher) = published();
    let pages = players::pages();
    let mut browser = play(&daemon, &pages.url("/?player=dash.js"));
    wait_pictures(&mut browser, PICTURES / 3);
    daemon.worker("s").signal(rustix::process::Signal::KILL);
    // More than was loaded when the worker died.
    wait_pictures(&mut browser, 2 * PICTURES);
    let errors = browser.eval("seen.errors");
    assert_eq!(errors, serde_json::json!([]));
}

#[test]
fn ffmpeg_reads_the_manifest() {
    let _turn = turn();
    let (daemon, _publisher) = published();
    let url = daemon.url("/live/s/manifest.mpd");
    let played = programs::ffmpeg(&url, Duration::from_secs(4));
    assert!(played.pictures >= 90, "{played:?}");
}
