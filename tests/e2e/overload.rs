//! A machine that is too slow for the ladder.

use std::fs;
use std::time::Duration;

use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::faulty::{self, Fault, NVIDIA, Rule};
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const CLIP: Clip = Clip::new(426, 240, 30);
const TOP_KBPS: u32 = 400;
/// Too long for 30 frames per second, but not for 15.
const FRAME: Duration = Duration::from_millis(40);
/// Segments that are watched afterwards.
const SEGMENTS_AFTER: u64 = 3;

/// An encoder that counts as software, so that nobody takes its slowness for a fault of a driver.
const TEMPLATE: &str = r#"
kind = "video-encoder"
family = "nvidia"
[[element]]
factory = "nvh264enc"
[element.bind]
bitrate = "bitrate-kbps"
[[element]]
factory = "h264parse"
[[element]]
factory = "capsfilter"
properties = { caps = "video/x-h264,stream-format=avc,alignment=au" }
"#;

fn slow_machine() -> Daemon {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("pipelines");
    fs::create_dir(&folder).expect("a folder of templates");
    fs::write(folder.join("nvidia.toml"), TEMPLATE).expect("a template");
    let rule = Rule::at(NVIDIA, TOP_KBPS, Fault::Slow(FRAME));
    let environment = faulty::environment(dir.path(), &[rule]);
    let ladder = small_ladder(&["s"]);
    let config = format!("[encoder]\norder = [\"nvidia\"]\n{ladder}");
    Daemon::start_in(dir, environment, &config)
}

#[test]
fn a_machine_that_is_too_slow_makes_less_of_the_ladder_and_says_so() {
    let _turn = turn();
    let daemon = slow_machine();
    let mut publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    let worker = daemon.worker("s");
    let viewer = Viewer::open(&daemon, "s");
    let top = || daemon.status("s")["rungs"][0].clone();
    wait_until("half the frame rate", LIMIT, || {
        let reason = top()["reason"].as_str().unwrap_or_default().to_owned();
        reason.contains("too slow") && reason.contains("half its frame rate")
    });
    let dropped = || top()["dropped"].as_u64().expect("a number");
    assert!(dropped() > 0, "the machine was not too slow");
    // What waited is encoded first, and the numbers are those of the last second. From then on nothing is
    // left out any more.
    let uri = &viewer.master.variants[0].uri;
    let segments = |count| {
        let last = viewer.playlist(uri).last_msn() + count;
        wait_until("segments", LIMIT, || {
            viewer.playlist(uri).last_msn() >= last
        });
        dropped()
    };
    let mut before = dropped();
    wait_until("no picture left out", LIMIT, || {
        let earlier = std::mem::replace(&mut before, segments(2));
        earlier == before
    });
    assert_eq!(
        segments(SEGMENTS_AFTER),
        before,
        "pictures are left out still"
    );
    let playlist = viewer.playlist(uri);
    assert!(playlist.segments.iter().all(|it| !it.discontinuity));
    assert_eq!(daemon.worker("s"), worker, "another worker");
    assert!(publisher.is_running());
    let log = daemon.log();
    let said = log.lines().find(|line| line.contains("too slow"));
    let said = said.expect("the log tells");
    for word in [" WARN ", "stream=\"s\"", "rung=\"240p\"", "cause=", "next="] {
        assert!(said.contains(word), "no {word} in {said}");
    }
}
