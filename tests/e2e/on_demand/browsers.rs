//! Viewers in a browser who switch to a rung that sleeps.

use std::time::{Duration, Instant};

use super::{LIMIT, LINGER, LOWEST, SEGMENT, Stage, TOP, WAKE_MAX};
use crate::chromium::Chromium;
use crate::players;
use crate::support::turn;

/// Pictures that are played before the switch, and after it.
const PICTURES: u64 = 120;
/// The most that a page may stand still because of the switch: what `tests/players` allows too.
const STALLED_MS_MAX: u64 = 2000;

/// Waits until so many pictures more have been shown.
fn wait_pictures(browser: &mut Chromium) {
    let shown = "(watched?.getVideoPlaybackQuality().totalVideoFrames ?? 0)";
    let from = browser.eval(shown).as_u64().unwrap_or_default();
    browser.wait_until(&format!("{shown} >= {}", from + PICTURES), LIMIT);
}

/// A viewer of the lowest rung switches to the sleeping top rung of a set of playlists. `player` may have
/// settings of the page behind its name.
fn switches(player: &str, set: &str) {
    let _turn = turn();
    let stage = Stage::new();
    stage.wait_awake([false, false, true], LIMIT);
    stage.wait_stand_in();
    let (pages, mut browser) = (players::pages(), Chromium::open());
    let playlist = stage
        .daemon
        .url(&format!("/live/s/{}", players::file_of(set)));
    browser.goto(&pages.url(&format!("/?player={player}&lowest&url={playlist}")));
    wait_pictures(&mut browser);
    let heights = stage.cmaf.master.variants.iter().map(|it| it.resolution.1);
    let heights: Vec<u32> = heights.collect();
    // A player that has begun with another rung leaves it, and lets it sleep.
    let lowest = format!("watched.videoHeight === {}", heights[LOWEST]);
    browser.wait_until(&lowest, LIMIT);
    stage.wait_awake([false, false, true], LINGER + 2 * SEGMENT);

    let stalled = browser.eval("seen.stalledMs").as_u64().unwrap_or_default();
    let ahead = browser.eval("ahead()").as_f64().unwrap_or_default();
    let (asked, mut limit) = (Instant::now(), WAKE_MAX + Duration::from_secs_f64(ahead));
    if set == "manifest" {
        // It looks for the next Period once per segment, and goes there at the end of this one.
        limit += SEGMENT;
    }
    if set != "master" || player.ends_with("&whole") {
        // The player loads a segment when it has ended, and looks for it once per segment.
        limit += 2 * SEGMENT;
    }
    browser.eval("toHighest()");
    browser.wait_until(&format!("watched.videoHeight === {}", heights[TOP]), limit);
    eprintln!(
        "{player}, {set}: own picture after {:?}, {ahead:.2} s were loaded",
        asked.elapsed()
    );
    wait_pictures(&mut browser);
    let seen = browser.eval("seen");
    eprintln!("{player}, {set}: {seen}");
    assert_eq!(seen["errors"], serde_json::json!([]), "{seen}");
    let stalled = seen["stalledMs"].as_u64().unwrap_or_default() - stalled;
    assert!(stalled <= STALLED_MS_MAX, "{stalled} ms: {seen}");
    browser.assert_scripts_healthy();
}

#[test]
fn hls_js_switches_to_a_rung_that_sleeps() {
    switches("hls.js", "master");
}

#[test]
fn hls_js_switches_to_a_rung_that_sleeps_in_ts() {
    switches("hls.js", "ts");
}

#[test]
fn shaka_switches_to_a_rung_that_sleeps() {
    switches("Shaka", "master");
}

/// The rung's own picture begins a Period.
#[test]
fn dash_js_switches_to_a_rung_that_sleeps() {
    switches("dash.js", "manifest");
}

/// It loads whole segments, as a page must tell it to (docs/COMPATIBILITY.md).
#[test]
fn video_js_switches_to_a_rung_that_sleeps() {
    switches("video.js&whole", "master");
}
