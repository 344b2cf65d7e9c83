//! The flash in the picture and the beep in the sound must be together from the first second, and
//! stay together when a publisher returns after ten seconds.

use std::time::Duration;

use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, small_ladder, turn};

const LIMIT: Duration = Duration::from_secs(30);
const SMALL: Clip = Clip::new(426, 240, 30);
/// Number of segments of 2 s for which the publisher is away.
const AWAY_SEGMENTS: u64 = 5;
/// Number of segments that are searched for flashes and beeps.
const LOOKED_AT: u64 = 3;
const OFFSET_MS_MAX: f64 = 60.0;
/// EBU R 37: sound may be 40 ms early or 60 ms late where a programme leaves a studio; weir keeps to
/// the narrower one on both sides.
const START_OFFSET_MS_MAX: f64 = 40.0;

/// Time of every flash less the time of its beep, in milliseconds, in the segments from `from` on.
pub(super) fn offsets_ms(viewer: &Viewer, from: u64) -> Vec<f64> {
    let all = viewer.all_with(from + LOOKED_AT - 1, LIMIT);
    let media = |wanted: &str| {
        let (uri, playlist) = all.iter().find(|(uri, _)| uri == wanted).expect("listed");
        let segments = (from..from + LOOKED_AT).map(|msn| playlist.segment(msn).expect("there"));
        viewer.download(uri, segments)
    };
    let flashes = probe::flashes(&media(&viewer.master.variants[0].uri));
    let beeps = probe::beeps(&media(&viewer.master.media[0].uri));
    let far = |flash: &Duration| {
        let each = beeps
            .iter()
            .map(|beep| (flash.as_secs_f64() - beep.as_secs_f64()) * 1000.0);
        each.min_by(|a, b| a.abs().total_cmp(&b.abs()))
    };
    flashes.iter().filter_map(far).collect()
}

/// Asserts that each flash has its beep.
pub(super) fn assert_together(when: &str, offsets: &[f64]) {
    println!("picture less sound, {when}: {offsets:.0?} ms");
    assert!(offsets.len() >= 4, "{when}: flashes at {offsets:?}");
    // The beep of the first or last flash may lie in a neighbouring segment.
    for offset in &offsets[1..offsets.len() - 1] {
        assert!(offset.abs() <= OFFSET_MS_MAX, "{when}: {offset} ms");
    }
}

fn back_after_ten_seconds_with(clip: Clip) {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    let publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    assert_together("before", &offsets_ms(&viewer, 3));
    drop(publisher);
    daemon.wait_state("s", "waiting", LIMIT);
    let left = viewer.playlist(&viewer.master.variants[0].uri).last_msn();
    viewer.all_with(left + AWAY_SEGMENTS, LIMIT);
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    daemon.wait_state("s", "live", LIMIT);
    let back = viewer.playlist(&viewer.master.variants[0].uri).last_msn();
    assert_together("after", &offsets_ms(&viewer, back + 2));
}

#[test]
fn they_are_from_the_first_second() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    let first = viewer.playlist(&viewer.master.variants[0].uri).segments[0].msn;
    let mut offsets = offsets_ms(&viewer, first);
    println!("picture less sound, from the first second: {offsets:.0?} ms");
    // The beep of the very first picture may have come before the session began.
    offsets.retain(|offset| offset.abs() < 500.0);
    assert!(offsets.len() >= 4, "flashes at {offsets:?}");
    // The beep of the last flash may lie in the next segment.
    for offset in &offsets[..offsets.len() - 1] {
        assert!(offset.abs() <= START_OFFSET_MS_MAX, "{offset} ms");
    }
}

#[test]
fn they_are_after_the_same_publisher_returned() {
    back_after_ten_seconds_with(SMALL);
}

#[test]
fn they_are_after_one_of_another_size_and_rate_came() {
    back_after_ten_seconds_with(Clip::new(320, 240, 25));
}
