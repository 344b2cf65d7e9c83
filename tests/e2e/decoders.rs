//! Decoders in hardware that fail on air: the stream goes on, with a decoder in software.

use std::time::Duration;

use crate::followed::{self, Follower};
use crate::sources::{self, Transport};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::faulty::{self, Fault, NVIDIA_DECODER, Rule};
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const CLIP: Clip = Clip::new(426, 240, 30);
const FPS: f64 = 30.0;
/// Frames until a decoder fails on air: twelve seconds, enough for viewers to begin.
const ON_AIR: u64 = 360;
const SOFTWARE: &str = "avdec_h264";

/// What decodes the pictures of the stream's source, as the API tells it.
fn decoder(daemon: &Daemon, stream: &str) -> String {
    let status = daemon.status(stream);
    status["decoder"].as_str().unwrap_or_default().to_owned()
}

fn wait_decoder(daemon: &Daemon, stream: &str, name: &str) {
    wait_until(&format!("{name} decodes"), LIMIT, || {
        decoder(daemon, stream) == name
    });
}

/// A daemon on a machine whose decoder in hardware has this fault.
fn start(fault: Fault, config: &str) -> Daemon {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let rules = [Rule::all(NVIDIA_DECODER, fault)];
    let environment = faulty::environment(dir.path(), &rules);
    faulty::decode_in_hardware(dir.path());
    Daemon::start_in(dir, environment, config)
}

/// The lines of the log that warn about the stream.
fn warnings(daemon: &Daemon, stream: &str) -> Vec<String> {
    let (log, stream) = (daemon.log(), format!("stream=\"{stream}\""));
    let of_stream = |line: &&str| line.contains(" WARN ") && line.contains(&stream);
    log.lines().filter(of_stream).map(str::to_owned).collect()
}

/// One line says which decoder of the stream failed, why, and what happens now.
fn assert_said(daemon: &Daemon, stream: &str, cause: &str) {
    let warnings = warnings(daemon, stream);
    let [warning] = &warnings[..] else {
        panic!("not one warning:\n{}", warnings.join("\n"));
    };
    let words = [
        "decoder=\"nvh264dec\"",
        "cause=",
        cause,
        "next=",
        SOFTWARE,
        "is left alone for 30s",
    ];
    for word in words {
        assert!(warning.contains(word), "no {word} in {warning}");
    }
}

/// All playlists of the stream go on without a discontinuity, in the same worker, while the decoder in
/// hardware fails and the one in software takes over.
fn is_replaced(daemon: &Daemon, stream: &str, cause: &str) {
    let worker = daemon.worker(stream);
    let (cmaf, ts) = (
        Viewer::open(daemon, stream),
        Viewer::open_ts(daemon, stream),
    );
    assert_eq!(decoder(daemon, stream), NVIDIA_DECODER, "{}", daemon.log());
    let last_msn = followed::while_this(&cmaf, &ts, Follower::Player, || {
        wait_decoder(daemon, stream, SOFTWARE);
    });
    for viewer in [&cmaf, &ts] {
        followed::assert_keys_agree(&followed::decode(viewer, last_msn, FPS));
    }
    assert_eq!(daemon.worker(stream), worker, "another worker");
    assert_said(daemon, stream, cause);
    daemon.wait_state(stream, "live", LIMIT);
}

fn is_replaced_in_a_push(fault: Fault, cause: &str) {
    let _turn = turn();
    let daemon = start(fault, &small_ladder(&["s"]));
    let mut publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    is_replaced(&daemon, "s", cause);
    assert!(publisher.is_running());
}

#[test]
fn a_decoder_that_reports_an_error_is_replaced_in_place() {
    is_replaced_in_a_push(Fault::FailAfter(ON_AIR), "the driver has lost the session");
}

#[test]
fn a_decoder_that_hangs_is_replaced_in_place() {
    is_replaced_in_a_push(Fault::HangAfter(ON_AIR), "it has held a frame for 2 s");
}

#[test]
fn a_decoder_that_swallows_frames_is_replaced_in_place() {
    is_replaced_in_a_push(Fault::SilentAfter(ON_AIR), "it gave no picture for 2 s");
}

/// Plays from the start, with the decoder in software.
fn is_passed_over(daemon: &Daemon, stream: &str, cause: &str) {
    let worker = daemon.worker(stream);
    let viewer = Viewer::open(daemon, stream);
    wait_decoder(daemon, stream, SOFTWARE);
    viewer.all_with(2, LIMIT);
    assert_eq!(daemon.worker(stream), worker, "another worker");
    assert_said(daemon, stream, cause);
}

#[test]
fn a_decoder_that_does_not_open_is_passed_over() {
    let _turn = turn();
    let daemon = start(Fault::Refuse, &small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    is_passed_over(&daemon, "s", "the driver gives no session");
}

#[test]
fn a_decoder_that_never_gives_a_picture_is_replaced() {
    let _turn = turn();
    let daemon = start(Fault::SilentAfter(0), &small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    is_passed_over(&daemon, "s", "it gave no picture for 2 s");
}

/// The queue before the decoder is full before its time is over.
#[test]
fn a_decoder_that_hangs_under_a_full_queue_is_replaced() {
    let _turn = turn();
    let daemon = start(Fault::HangAfter(0), &small_ladder(&["s"]));
    let clip = Clip::new(426, 240, 120);
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    is_passed_over(&daemon, "s", "it has held a frame for 2 s");
}

/// The control of the tests above: a healthy decoder in hardware stays, and comes before the one in
/// software, whose rank is higher.
#[test]
fn a_healthy_decoder_stays() {
    let _turn = turn();
    let (server, config) = pulled();
    let daemon = start(Fault::None, &(small_ladder(&["s"]) + &config));
    let _publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
    for stream in ["s", "cam"] {
        Viewer::open(&daemon, stream).all_with(3, LIMIT);
        assert_eq!(decoder(&daemon, stream), NVIDIA_DECODER, "{stream}");
        assert_eq!(warnings(&daemon, stream), [""; 0]);
    }
    drop(server);
}

/// A server of MPEG-TS, and the configuration of a stream `cam` that is pulled from it.
fn pulled() -> (sources::Paced, String) {
    let clip = sources::Clip {
        size: (426, 240),
        seconds: 60,
        ending: "ts",
        ..sources::Clip::PLAIN
    };
    let server = Transport::PLAIN.start(clip);
    let stream = format!(
        "[[stream]]\nname = \"cam\"\nsource = \"{}\"\n",
        server.url()
    );
    (server, stream)
}

fn is_replaced_in_a_pull(fault: Fault, cause: &str) {
    let _turn = turn();
    let (_server, stream) = pulled();
    let daemon = start(fault, &(small_ladder(&[]) + &stream));
    is_replaced(&daemon, "cam", cause);
}

#[test]
fn a_decoder_of_a_pull_that_reports_an_error_is_replaced() {
    is_replaced_in_a_pull(Fault::FailAfter(ON_AIR), "the driver has lost the session");
}

#[test]
fn a_decoder_of_a_pull_that_hangs_is_replaced() {
    is_replaced_in_a_pull(Fault::HangAfter(ON_AIR), "it has held a frame for 2 s");
}

#[test]
fn a_decoder_of_a_pull_that_swallows_frames_is_replaced() {
    is_replaced_in_a_pull(Fault::SilentAfter(ON_AIR), "it gave no picture for 2 s");
}

#[test]
fn a_decoder_of_a_pull_that_does_not_open_is_passed_over() {
    let _turn = turn();
    let (_server, stream) = pulled();
    let daemon = start(Fault::Refuse, &(small_ladder(&[]) + &stream));
    is_passed_over(&daemon, "cam", "it does not start");
}
