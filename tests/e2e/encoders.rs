//! Encoders that fail on air: the stream goes on, with another encoder.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::followed::{self, Follower};
use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, command};
use crate::support::faulty::{self, Fault, NVIDIA, QUICKSYNC, Rule, VAAPI};
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, small_ladder, turn, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const CLIP: Clip = Clip::new(426, 240, 30);
const FPS: f64 = 30.0;

/// The rung whose encoder fails, its bitrate, and the rung whose encoder is healthy.
const RUNG: &str = "240p";
const RUNG_KBPS: u32 = 400;
const HEALTHY_RUNG: &str = "120p";

/// Frames until an encoder fails on air: six seconds, enough for viewers to begin. A test encode has
/// 30 frames.
const ON_AIR: u64 = 180;
/// Segments that are watched after the failure.
const SEGMENTS_AFTER: u64 = 3;

/// The encoder of each rung, by name, as the API tells it.
fn encoders(daemon: &Daemon) -> BTreeMap<String, String> {
    let status = daemon.status("s");
    let rungs = status["rungs"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().expect("a name").to_owned();
    rungs
        .iter()
        .map(|rung| (text(&rung["name"]), text(&rung["encoder"])))
        .collect()
}

/// Waits until `encoder` fills `rung`.
fn wait_encoder(daemon: &Daemon, rung: &str, encoder: &str) {
    wait_until(&format!("{encoder} in {rung}"), LIMIT, || {
        encoders(daemon).get(rung).is_some_and(|it| it == encoder)
    });
}

/// What `weir doctor` says of each of these encoders: `None` if it works.
fn examine(rules: &[Rule]) -> BTreeMap<String, Option<String>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let doctor = command()
        .args(["doctor", "--json"])
        .current_dir(dir.path())
        .envs(faulty::environment(dir.path(), rules))
        .output()
        .expect("weir");
    let said: serde_json::Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let candidates = said["candidates"].as_array().expect("a list").iter();
    let hardware = candidates.filter(|it| it["kind"] == "video encoder");
    let outcome = |it: &serde_json::Value| {
        let template = it["template"].as_str().expect("a name").to_owned();
        (template, it["failure"].as_str().map(str::to_owned))
    };
    hardware.map(outcome).collect()
}

#[test]
fn encoders_that_fail_on_air_pass_their_test() {
    let _turn = turn();
    let late = [
        [
            Fault::FailAfter(ON_AIR),
            Fault::HangAfter(ON_AIR),
            Fault::SilentAfter(ON_AIR),
        ],
        [
            Fault::GarbageAfter(ON_AIR),
            Fault::NoKeyFramesAfter(ON_AIR),
            Fault::RefuseAfterSessions(1),
        ],
    ];
    for [one, two, three] in late {
        let found = examine(&[
            Rule::all(NVIDIA, one),
            Rule::all(VAAPI, two),
            Rule::all(QUICKSYNC, three),
        ]);
        for template in ["nvidia", "vaapi", "quicksync"] {
            assert_eq!(found[template], None, "{template}: {one} {two} {three}");
        }
    }
}

#[test]
fn encoders_that_fail_at_once_fail_their_test() {
    let _turn = turn();
    let early = [
        [
            (Fault::FailAfter(5), "lost the session"),
            (Fault::HangAfter(5), "hung"),
            (Fault::SilentAfter(5), "gave 5 of 30 frames"),
        ],
        [
            (Fault::GarbageAfter(5), "gave 5 of 30 frames"),
            (Fault::Refuse, "does not start"),
            (Fault::RefuseAfterSessions(0), "does not start"),
        ],
    ];
    for faults in early {
        let elements = [NVIDIA, VAAPI, QUICKSYNC].iter().zip(faults);
        let rules: Vec<Rule> = elements
            .map(|(element, (fault, _))| Rule::all(element, fault))
            .collect();
        let found = examine(&rules);
        for (template, (fault, reason)) in ["nvidia", "vaapi", "quicksync"].iter().zip(faults) {
            let failure = found[*template].clone().unwrap_or_default();
            assert!(failure.contains(reason), "{template} {fault}: {failure:?}");
        }
    }
}

#[test]
fn a_stream_whose_encoder_fails_goes_on_with_the_next() {
    let _turn = turn();
    let rules = [Rule::all(NVIDIA, Fault::FailAfter(ON_AIR))];
    let daemon = faulty::start(&["nvidia", "x264"], &rules, &small_ladder(&["s"]));
    let mut publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    wait_encoder(&daemon, RUNG, "nvidia");
    for rung in [RUNG, HEALTHY_RUNG] {
        wait_encoder(&daemon, rung, "x264");
    }
    daemon.wait_state("s", "live", LIMIT);
    let now = viewer.playlist(&viewer.master.variants[0].uri).last_msn();
    for (uri, playlist) in viewer.all_with(now + SEGMENTS_AFTER, LIMIT) {
        assert!(!playlist.ended, "{uri}");
        let numbers: Vec<u64> = playlist.segments.iter().map(|s| s.msn).collect();
        assert!(
            numbers.is_sorted_by(|a, b| a + 1 == *b),
            "{uri}: {numbers:?}"
        );
        if viewer.master.media.iter().all(|sound| sound.uri != uri) {
            let last = playlist.segments.last();
            let frames = probe::video_frames(&viewer.download(&uri, last));
            assert_eq!(frames.len(), followed::frames_in(last, FPS), "{uri}");
        }
    }
    assert!(publisher.is_running());
    let log = daemon.log();
    assert!(log.contains("the driver has lost the session"), "{log}");
}

/// The lines of the log that warn about the stream.
fn warnings(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let of_stream = |line: &&str| line.contains(" WARN ") && line.contains("stream=\"s\"");
    log.lines().filter(of_stream).map(str::to_owned).collect()
}

/// What a test expects of a fault.
struct Case {
    rule: Rule,
    /// The encoder opens and works until it has taken [`ON_AIR`] frames.
    begins: bool,
    /// What the log must say of the cause.
    cause: &'static str,
}

/// The rung of the failing encoder goes on with x264: same worker, same playlists, same timeline.
fn is_replaced_in_place(case: Case) {
    let _turn = turn();
    let config = small_ladder(&["s"]);
    let daemon = faulty::start(&["nvidia", "x264"], &[case.rule], &config);
    let mut publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    let worker = daemon.worker("s");
    let (cmaf, ts) = (Viewer::open(&daemon, "s"), Viewer::open_ts(&daemon, "s"));
    if case.begins {
        let on_air = encoders(&daemon).into_values();
        assert_eq!(on_air.collect::<Vec<_>>(), ["nvidia", "nvidia"]);
    }
    let last_msn = followed::while_this(&cmaf, &ts, Follower::Player, || wait_replaced(&daemon));
    let keys = [&cmaf, &ts].map(|viewer| followed::decode(viewer, last_msn, FPS));
    for keys in &keys {
        followed::assert_keys_agree(keys);
    }
    assert_eq!(daemon.worker("s"), worker, "another worker");
    assert!(publisher.is_running());
    let rung = replaced(&daemon).expect("x264 stays");
    let [warning] = &warnings(&daemon)[..] else {
        panic!("not one warning:\n{}", warnings(&daemon).join("\n"));
    };
    // The stream is named in each of these lines. The next step names the next encoder.
    for word in [&rung, "nvidia", "cause=", case.cause, "next=", "x264"] {
        assert!(warning.contains(word), "no {word} in {warning}");
    }
}

/// The control of the tests below: a healthy encoder of the same kind stays, and nothing is lost.
#[test]
fn a_healthy_encoder_stays() {
    let _turn = turn();
    let rules = [on_air(Fault::None)];
    let daemon = faulty::start(&["nvidia", "x264"], &rules, &small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    let worker = daemon.worker("s");
    let (cmaf, ts) = (Viewer::open(&daemon, "s"), Viewer::open_ts(&daemon, "s"));
    let last_msn = followed::while_this(&cmaf, &ts, Follower::Player, || ());
    for viewer in [&cmaf, &ts] {
        followed::assert_keys_agree(&followed::decode(viewer, last_msn, FPS));
    }
    let on_air = encoders(&daemon).into_values();
    assert_eq!(on_air.collect::<Vec<_>>(), ["nvidia", "nvidia"]);
    assert_eq!(daemon.worker("s"), worker, "another worker");
    assert_eq!(warnings(&daemon), [""; 0]);
}

/// The one rung that x264 fills, if `nvidia` fills the other.
fn replaced(daemon: &Daemon) -> Option<String> {
    let encoders = encoders(daemon);
    let of = |name: &str| encoders.iter().filter(|(_, it)| *it == name).count();
    let one = encoders.iter().find(|(_, encoder)| *encoder == "x264");
    one.filter(|_| of("x264") == 1 && of("nvidia") == 1)
        .map(|(rung, _)| rung.clone())
}

fn wait_replaced(daemon: &Daemon) {
    wait_for("x264 in one rung", LIMIT, || replaced(daemon));
}

/// The encoder of [`RUNG`] has this fault on air; the test encode has another bitrate.
fn on_air(fault: Fault) -> Rule {
    Rule::at(NVIDIA, RUNG_KBPS, fault)
}

#[test]
fn an_encoder_that_reports_an_error_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: on_air(Fault::FailAfter(ON_AIR)),
        begins: true,
        cause: "the driver has lost the session",
    });
}

#[test]
fn an_encoder_that_hangs_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: on_air(Fault::HangAfter(ON_AIR)),
        begins: true,
        cause: "500 ms",
    });
}

#[test]
fn an_encoder_that_falls_silent_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: on_air(Fault::SilentAfter(ON_AIR)),
        begins: true,
        cause: "500 ms",
    });
}

#[test]
fn an_encoder_that_makes_garbage_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: on_air(Fault::GarbageAfter(ON_AIR)),
        begins: true,
        cause: "",
    });
}

#[test]
fn an_encoder_that_misses_a_key_frame_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: on_air(Fault::NoKeyFramesAfter(ON_AIR)),
        begins: true,
        cause: "key frame",
    });
}

#[test]
fn an_encoder_that_is_too_slow_is_replaced_in_place() {
    is_replaced_in_place(Case {
        // A third of the frame rate. A test encode ends in time all the same.
        rule: on_air(Fault::Slow(Duration::from_millis(100))),
        begins: false,
        cause: "",
    });
}

#[test]
fn an_encoder_that_does_not_open_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: on_air(Fault::Refuse),
        begins: false,
        cause: "no more sessions",
    });
}

#[test]
fn an_encoder_without_another_session_is_replaced_in_place() {
    is_replaced_in_place(Case {
        rule: Rule::all(NVIDIA, Fault::RefuseAfterSessions(1)),
        begins: false,
        cause: "no more sessions",
    });
}
