//! Sources that weir fetches over HTTP (cameras, MPEG-TS, HLS), and pictures of every shape.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::camera::{Auth, Camera, Options, PASSWORD, USER};
use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::Owned;
use crate::support::publisher::Publisher;
use crate::support::server::{Reply, Server};
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, push_stream, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
/// One small rung is enough: these tests are about the source.
const RUNG: &str = "[[rung]]\nname = \"120p\"\nheight = 120\nbitrate = \"150k\"\naudio = \"64k\"\n";

fn pulled(url: &str, credentials: Option<&str>) -> Daemon {
    let login = credentials.map_or(String::new(), |user| {
        format!("user = \"{user}\"\npassword = \"{PASSWORD}\"\n")
    });
    Daemon::start(&format!(
        "{RUNG}[[stream]]\nname = \"cam\"\nsource = \"{url}\"\n{login}"
    ))
}

/// Asserts that two segments of every rendition can be decoded.
fn plays(daemon: &Daemon) {
    let viewer = Viewer::open(daemon, "cam");
    let all = viewer.all_with(3, LIMIT);
    let last = all.len() - 1;
    for (index, (uri, playlist)) in all.iter().enumerate() {
        let media = viewer.download(uri, (2..=3).filter_map(|msn| playlist.segment(msn)));
        let frames = if index == last {
            probe::audio_frames(&media).len()
        } else {
            probe::video_frames(&media).len()
        };
        // At least 10 pictures per second, for 4 s.
        assert!(frames >= 40, "{uri}: {frames} frames");
    }
    let log = daemon.log();
    assert!(
        !log.contains(PASSWORD),
        "the password is in the log:\n{log}"
    );
}

fn camera_plays(options: Options) {
    let _turn = turn();
    let camera = Camera::start(options);
    let daemon = pulled(&camera.url(), (options.auth != Auth::Open).then_some(USER));
    plays(&daemon);
    assert_eq!(camera.clients(), 1, "one connection to the camera");
    let place = format!("http://127.0.0.1:{}", camera.port());
    assert_eq!(daemon.status("cam")["source"], place);
}

#[test]
fn motion_jpeg_without_sound() {
    camera_plays(Options {
        auth: Auth::Open,
        content_length: true,
        fps: 15,
        ..Options::default()
    });
}

#[test]
fn motion_jpeg_without_content_length() {
    camera_plays(Options {
        auth: Auth::Open,
        content_length: false,
        fps: 10,
        ..Options::default()
    });
}

#[test]
fn motion_jpeg_behind_basic_authentication() {
    camera_plays(Options {
        auth: Auth::Basic,
        content_length: true,
        fps: 15,
        ..Options::default()
    });
}

#[test]
fn motion_jpeg_behind_digest_authentication() {
    camera_plays(Options {
        auth: Auth::Digest,
        content_length: true,
        fps: 15,
        ..Options::default()
    });
}

#[test]
fn a_wrong_password_is_said() {
    let _turn = turn();
    let camera = Camera::start(Options {
        auth: Auth::Basic,
        content_length: true,
        fps: 10,
        ..Options::default()
    });
    let daemon = pulled(&camera.url(), Some("somebody-else"));
    wait_until("the cause", LIMIT, || {
        let cause = daemon.status("cam")["last_error"].to_string();
        cause.contains("401") || cause.to_lowercase().contains("unauthorized")
    });
    assert_eq!(camera.clients(), 0);
    assert!(!daemon.log().contains(PASSWORD));
}

#[test]
fn a_camera_that_comes_back_goes_on() {
    let _turn = turn();
    let options = Options {
        auth: Auth::Open,
        content_length: true,
        fps: 10,
        ..Options::default()
    };
    let camera = Camera::start(options);
    let daemon = pulled(&camera.url(), None);
    let viewer = Viewer::open(&daemon, "cam");
    let port = camera.port();
    drop(camera);
    daemon.wait_state("cam", "waiting", LIMIT);
    let _camera = Camera::start_at(port, options);
    daemon.wait_state("cam", "live", LIMIT);
    assert_eq!(
        Viewer::open(&daemon, "cam").master.uris(),
        viewer.master.uris()
    );
}

/// `ffmpeg` as the HTTP server of an endless MPEG-TS, for one client.
fn ts_server(clip: Clip, port: u16) -> Owned {
    Owned::spawn(
        Command::new("ffmpeg")
            .args([
                "-nostdin",
                "-loglevel",
                "error",
                "-re",
                "-stream_loop",
                "-1",
                "-i",
            ])
            .arg(clip.file())
            .args(["-c", "copy", "-f", "mpegts", "-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/live.ts"))
            .stderr(Stdio::null()),
    )
}

#[test]
fn mpeg_ts_over_http() {
    let _turn = turn();
    let port = free_port();
    let _server = ts_server(Clip::new(426, 240, 30), port);
    plays(&pulled(&format!("http://127.0.0.1:{port}/live.ts"), None));
}

/// `ffmpeg`, which writes a live HLS playlist into a folder.
fn hls_writer(clip: Clip, dir: &Path) -> Owned {
    let writer = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ])
        .arg(clip.file())
        .args([
            "-c",
            "copy",
            "-f",
            "hls",
            "-hls_time",
            "2",
            "-hls_list_size",
            "5",
        ])
        .arg(dir.join("index.m3u8"))
        .stderr(Stdio::null())
        .spawn_owned();
    wait_until("the source's playlist", LIMIT, || {
        dir.join("index.m3u8").exists()
    });
    writer
}

/// An HTTP server of a folder.
fn folder_server(dir: &Path, port: u16) -> Owned {
    Command::new("python3")
        .args([
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            &port.to_string(),
            "--directory",
        ])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn_owned()
}

/// [`Owned::spawn`] as a method, for use at the end of a chain.
trait SpawnOwned {
    fn spawn_owned(&mut self) -> Owned;
}

impl SpawnOwned for Command {
    fn spawn_owned(&mut self) -> Owned {
        Owned::spawn(self)
    }
}

#[test]
fn hls_over_http() {
    let _turn = turn();
    let (dir, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let _writer = hls_writer(Clip::new(426, 240, 30), dir.path());
    let _server = folder_server(dir.path(), port);
    plays(&pulled(
        &format!("http://127.0.0.1:{port}/index.m3u8"),
        None,
    ));
}

#[test]
fn hls_behind_a_password() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let _writer = hls_writer(Clip::new(426, 240, 30), dir.path());
    let folder = dir.path().to_owned();
    let server = Server::start(move |asked| {
        if asked.authorization.is_none() {
            let challenge = "WWW-Authenticate: Basic realm=\"hls\"\r\n";
            return Reply::new("401 Unauthorized", challenge, b"");
        }
        match std::fs::read(folder.join(asked.target.trim_start_matches('/'))) {
            Ok(bytes) => Reply::ok("application/octet-stream", &bytes),
            Err(_) => Reply::new("404 Not Found", "", b""),
        }
    });
    plays(&pulled(&server.url("/index.m3u8"), Some(USER)));
}

/// Sizes of the rungs that the default ladder has for `clip`.
fn rungs_of(clip: Clip) -> Vec<(u32, u32)> {
    let daemon = Daemon::start(&push_stream("s"));
    let _publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    let all = viewer.all_with(2, LIMIT);
    let sizes: Vec<_> = viewer
        .master
        .variants
        .iter()
        .map(|v| v.resolution)
        .collect();
    for ((uri, playlist), size) in all.iter().zip(&sizes) {
        let frames = probe::video_frames(&viewer.download(uri, playlist.segment(2)));
        assert!(
            frames
                .iter()
                .all(|frame| (frame.width, frame.height) == *size),
            "{uri}"
        );
    }
    sizes
}

#[test]
fn a_720p_source_makes_no_1080p_rung() {
    let _turn = turn();
    let sizes = rungs_of(Clip::new(1280, 720, 30));
    assert_eq!(sizes, [(1280, 720), (854, 480), (640, 360)]);
}

#[test]
fn a_portrait_source_keeps_its_shape() {
    let _turn = turn();
    let sizes = rungs_of(Clip::new(480, 854, 30));
    assert_eq!(sizes, [(480, 854), (360, 640)]);
}

#[test]
fn a_source_below_every_rung_makes_one_of_its_own_size() {
    let _turn = turn();
    assert_eq!(rungs_of(Clip::new(320, 240, 25)), [(320, 240)]);
}

#[test]
fn the_test_signal_runs_only_while_somebody_watches() {
    let _turn = turn();
    let daemon = Daemon::start(&format!(
        "{RUNG}[[stream]]\nname = \"cam\"\nsource = \"test:\"\n"
    ));
    assert_eq!(daemon.status("cam")["state"], "idle");
    assert!(daemon.status("cam")["worker_pid"].is_null());
    plays(&daemon);
    // Nobody requests a playlist any more, and requests to the API do not count as viewing.
    daemon.wait_state("cam", "idle", Duration::from_secs(90));
    assert!(daemon.status("cam")["worker_pid"].is_null());
}
