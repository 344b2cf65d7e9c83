//! A machine that is too slow for the ladder.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, Environment};
use crate::support::faulty::{self, Fault, NVIDIA, Rule};
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, push_stream, small_ladder, turn, wait_until};
use crate::sync::{assert_together, offsets_ms};

const LIMIT: Duration = Duration::from_secs(60);
/// The recovery comes after a minute with room.
const RECOVERY: Duration = Duration::from_secs(100);
const CLIP: Clip = Clip::new(426, 240, 30);
const TOP_KBPS: u32 = 400;
/// Too long for 30 frames per second, but not for 15.
const FRAME: Duration = Duration::from_millis(40);
/// Too long for 15 frames per second, too.
const LONG_FRAME: Duration = Duration::from_millis(100);
const LOW_KBPS: u32 = 250;
/// Frames of picture and sound that a publisher of [`CLIP`] sends per second.
const SENT_PER_SECOND: f64 = 30.0 + 48_000.0 / 1024.0;
/// Segments that are watched afterwards.
const SEGMENTS_AFTER: u64 = 3;

/// Starts weir with `config` on a machine whose encoders have these faults.
fn machine(rules: &[Rule], config: &str) -> Daemon {
    let dir = tempfile::tempdir().expect("a temporary folder");
    faulty::as_software(dir.path());
    let environment: Environment = faulty::environment(dir.path(), rules);
    Daemon::start_in(
        dir,
        environment,
        // A source that is passed through is no load.
        &format!("[encoder]\norder = [\"nvidia\"]\npassthrough = \"never\"\n{config}"),
    )
}

fn slow_machine() -> Daemon {
    let rule = Rule::at(NVIDIA, TOP_KBPS, Fault::Slow(FRAME));
    machine(&[rule], &small_ladder(&["s"]))
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

/// Too long by far, at half the frame rate, too.
const FAR_TOO_LONG_FRAME: Duration = Duration::from_millis(120);

#[test]
fn a_machine_that_is_far_too_slow_gives_up_several_things_at_once() {
    let _turn = turn();
    let rule = Rule::at(NVIDIA, TOP_KBPS, Fault::Slow(FAR_TOO_LONG_FRAME));
    let daemon = machine(&[rule], &small_ladder(&["s"]));
    let mut publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    let worker = daemon.worker("s");
    let viewer = Viewer::open(&daemon, "s");
    wait_until("the top rung sleeps", LIMIT, || {
        daemon.status("s")["rungs"][0]["filling"] == "asleep"
    });
    let log = daemon.log();
    assert!(
        log.contains("all encoders work with their cheapest settings"),
        "{log}"
    );
    // That is the first step alone, for a machine that is a little too slow.
    assert!(!log.contains("half its frame rate"), "{log}");
    // Nothing is left out any more, and no encoder or worker is at fault.
    let dropped = || daemon.status("s")["rungs"][0]["dropped"].as_u64();
    let uri = &viewer.master.variants[0].uri;
    let segments = |count| {
        let msn = viewer.playlist(uri).last_msn() + count;
        viewer.playlist_with(uri, msn, LIMIT);
        dropped()
    };
    let before = segments(2);
    assert_eq!(segments(SEGMENTS_AFTER), before);
    assert!(
        viewer
            .playlist(uri)
            .segments
            .iter()
            .all(|it| !it.discontinuity)
    );
    assert_eq!(daemon.worker("s"), worker, "another worker");
    assert!(publisher.is_running());
    assert!(!daemon.log().contains("failed"), "{}", daemon.log());
}

/// A machine that cannot make the ladder cannot make up for lost time with all of it, either.
#[test]
fn another_worker_makes_no_more_than_the_one_before() {
    let _turn = turn();
    let daemon = slow_machine();
    let _publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    let reason = || reason(&daemon, "s");
    wait_until("half the frame rate", LIMIT, || {
        reason().contains("half its frame rate")
    });
    let top = &viewer.master.variants[0].uri;
    let before = viewer.playlist(top).last_msn();
    viewer.playlist_with(top, before + 3, LIMIT);
    daemon.worker("s").signal(Signal::KILL);
    let playlist = viewer.playlist_with(top, before + 8, LIMIT);
    for segment in playlist.segments.iter().filter(|it| it.msn > before + 1) {
        assert!(!segment.discontinuity);
        let frames = probe::video_frames(&viewer.download(top, [segment]));
        let fps = frames.len() as f64 / segment.duration_s;
        assert!(
            fps < 20.0,
            "{fps} frames per second in segment {}",
            segment.msn
        );
    }
    assert!(reason().contains("the worker before"), "{}", reason());
}

/// Three streams whose top rung is too much at full rate, one whose only rung is too much in any case,
/// and one that nobody publishes yet.
fn four_streams() -> Daemon {
    let rungs = ["240p", "120p"];
    let of = |name: &str, rungs: &[&str]| format!("{}rungs = {rungs:?}\n", push_stream(name));
    let config = small_ladder(&[])
        + &format!("[[rung]]\nname = \"low\"\nheight = 64\nbitrate = \"{LOW_KBPS}k\"\n")
        + &of("a", &rungs)
        + &of("b", &rungs)
        + &of("c", &rungs)
        + &of("d", &["low"])
        + &of("e", &rungs);
    let slow = [
        Rule::at(NVIDIA, TOP_KBPS, Fault::Slow(FRAME)),
        Rule::at(NVIDIA, LOW_KBPS, Fault::Slow(LONG_FRAME)),
    ];
    machine(&slow, &config)
}

/// The value of a metric of `stream`.
fn metric(daemon: &Daemon, name: &str, stream: &str) -> f64 {
    let text = daemon.admin_get("/metrics").text();
    let start = format!("{name}{{stream=\"{stream}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start));
    let value = value.unwrap_or_else(|| panic!("no {start} in {text}"));
    value.parse().expect("a number")
}

fn reason(daemon: &Daemon, stream: &str) -> String {
    let status = daemon.status(stream);
    let reason = status["rungs"][0]["reason"].as_str();
    reason.unwrap_or_default().to_owned()
}

#[test]
fn four_streams_go_on_where_the_machine_is_too_slow_and_a_fifth_is_refused() {
    let _turn = turn();
    let daemon = four_streams();
    let names = ["a", "b", "c", "d"];
    let publish = |name: &str| Publisher::ffmpeg(CLIP, &daemon.publish_url(name, KEY));
    let mut publishers = names.map(publish);
    let viewers = names.map(|name| Viewer::open(&daemon, name));
    let workers = names.map(|name| daemon.worker(name));
    let (began, before) = (
        Instant::now(),
        names.map(|name| metric(&daemon, "weir_ingest_frames_total", name)),
    );
    wait_until(
        "less of three ladders, and too little of the fourth",
        LIMIT,
        || {
            let halved = |name| reason(&daemon, name).contains("half its frame rate");
            let exhausted = reason(&daemon, "d").contains("too slow for the lowest rung alone");
            names[..3].iter().all(|name| halved(name)) && exhausted
        },
    );

    // A fifth stream would take from the fourth what it lacks already.
    let url = daemon.publish_url("e", KEY);
    let told = Publisher::refused(CLIP, &url, LIMIT);
    assert!(
        told.contains("This machine has no room for another stream"),
        "{told}"
    );
    let error = daemon.status("e")["last_error"].to_string();
    assert!(error.contains("lowest rung of stream d"), "{error}");
    assert_eq!(
        metric(&daemon, "weir_publishers_refused_for_room_total", "e"),
        1.0
    );
    // Those that run may come back.
    publishers[2] = publish("c");
    daemon.wait_state("c", "live", LIMIT);

    // What waited for the encoders has been shown by then.
    let newest = viewers[0]
        .playlist(&viewers[0].master.variants[0].uri)
        .last_msn();
    assert_together(
        "with half its frame rate",
        &offsets_ms(&viewers[0], newest + 2),
    );
    wait_until("the whole ladder again", RECOVERY, || {
        names[..2]
            .iter()
            .all(|name| reason(&daemon, name).contains("room for a minute"))
    });
    let took = began.elapsed().as_secs_f64();
    for (index, name) in names.into_iter().enumerate() {
        let sent = metric(&daemon, "weir_ingest_frames_total", name) - before[index];
        let rate = sent / took;
        // The publisher of `c` has begun again, from the start of its file.
        assert!(
            rate > 0.9 * SENT_PER_SECOND,
            "{name}: {rate:.1} frames per second"
        );
        assert_eq!(
            metric(&daemon, "weir_ingest_frames_dropped_total", name),
            0.0,
            "{name}"
        );
        assert_eq!(
            daemon.worker(name),
            workers[index],
            "another worker for {name}"
        );
        assert!(publishers[index].is_running(), "{name}");
        let playlist = viewers[index].playlist(&viewers[index].master.variants[0].uri);
        assert!(
            playlist.segments.iter().all(|it| !it.discontinuity),
            "{name}"
        );
    }
    assert_said(&daemon);
}

/// Asserts that the log has each shedding, each recovery and the refusal.
fn assert_said(daemon: &Daemon) {
    let log = daemon.log();
    let lines = |words: &[&str]| {
        let all = log.lines();
        all.filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    };
    for name in ["a", "b", "c"] {
        let stream = format!("stream=\"{name}\"");
        assert!(
            lines(&[&stream, "too slow for the ladder", "half its frame rate"]) > 0,
            "{name}"
        );
    }
    for name in ["a", "b"] {
        let stream = format!("stream=\"{name}\"");
        assert!(
            lines(&[&stream, "room for a minute", "all rungs are made"]) > 0,
            "{name}"
        );
    }
    assert!(lines(&["stream=\"d\"", "cheapest settings"]) > 0);
    assert!(lines(&["stream=\"d\"", "too slow for the lowest rung alone"]) > 0);
    let refused = [
        "publisher refused",
        "stream=\"e\"",
        "no room for another stream",
        "next=",
    ];
    assert_eq!(lines(&refused), 1);
}
