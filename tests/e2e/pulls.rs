//! Sources over HTTP play without a gap: picture by picture and beep by beep.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::camera::{Camera, Dialect, Options, SECONDS};
use crate::support::clips::{Clip, barcode};
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::Owned;
use crate::support::server::{Live, Reply, Server};
use crate::support::viewer::Viewer;
use crate::support::{probe, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(40);
const RUNG: &str = "[[rung]]\nname = \"240p\"\nheight = 240\nbitrate = \"400k\"\naudio = \"64k\"\n";
const CLIP: Clip = Clip::new(426, 240, 30);
/// Last segment that is looked at.
const LAST_MSN: u64 = 5;
/// Longest time that a picture may stand still or that a beep may be early or late.
const GAP_MAX: Duration = Duration::from_millis(100);

fn pulled(url: &str) -> Daemon {
    Daemon::start(&format!(
        "{RUNG}[[stream]]\nname = \"cam\"\nsource = \"{url}\"\n"
    ))
}

/// The picture of the 240p rung and the sound, from segment `first` to segment `last`.
fn media(daemon: &Daemon, first: u64, last: u64) -> (Vec<u8>, Vec<u8>) {
    let viewer = Viewer::open(daemon, "cam");
    let all = viewer.all_with(last, LIMIT);
    let of = |wanted: &str| {
        let (uri, playlist) = all.iter().find(|(uri, _)| uri == wanted).expect("listed");
        viewer.download(uri, (first..=last).filter_map(|msn| playlist.segment(msn)))
    };
    (
        of(&viewer.master.variants[0].uri),
        of(&viewer.master.media[0].uri),
    )
}

/// The numbers of the pictures, as [`barcode`] writes them; `None` where there is none.
pub fn numbers(media: &[u8]) -> Vec<Option<u32>> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("the media is written");
    let cells = barcode::CELLS as usize;
    let strip = format!(
        "crop=iw:ih/{}:0:0,scale={cells}:1:flags=area,format=gray",
        barcode::HEIGHT_DIVISOR
    );
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file.path())
        .args([
            "-vf",
            &strip,
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
            "-",
        ])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "ffmpeg: {output:?}");
    output.stdout.chunks(cells).map(number).collect()
}

fn number(cells: &[u8]) -> Option<u32> {
    let white: Vec<bool> = cells.iter().map(|cell| *cell > 128).collect();
    let bits = &white[2..18];
    let odd = bits.iter().filter(|bit| **bit).count() % 2 == 1;
    let framed = white[0] && !white[1] && white[19] && white[18] == odd;
    let number = bits
        .iter()
        .fold(0, |number, bit| number * 2 + u32::from(*bit));
    framed.then_some(number)
}

/// How the pictures follow each other, in slots of the output.
#[derive(Debug, Default)]
pub struct Cadence {
    /// Pictures after the first.
    pub pictures: u32,
    /// Pictures that are the one before again.
    pub repeats: u32,
    /// Pictures of the source that are missing.
    pub skips: u32,
    /// Repeats in a row.
    pub longest_still: u32,
    /// Missing pictures in a row.
    pub longest_skip: u32,
}

/// The cadence of pictures with a number each; after `count` pictures they begin again.
pub fn cadence(numbers: &[Option<u32>], count: u32) -> Cadence {
    // The session begins with a picture that has none.
    let first = numbers.iter().position(Option::is_some).expect("a picture");
    assert!(first <= 3, "{first} pictures without a number at the start");
    let mut cadence = Cadence::default();
    let mut still = 0;
    for pair in numbers[first..].windows(2) {
        let [Some(before), Some(now)] = *pair else {
            panic!("a picture without a number: {numbers:?}");
        };
        let step = (now + count - before) % count;
        cadence.pictures += 1;
        still = if step == 0 { still + 1 } else { 0 };
        cadence.repeats += u32::from(step == 0);
        cadence.skips += step.saturating_sub(1);
        cadence.longest_still = cadence.longest_still.max(still);
        cadence.longest_skip = cadence.longest_skip.max(step.saturating_sub(1));
    }
    println!("{cadence:?}");
    cadence
}

fn assert_smooth(daemon: &Daemon, clip_pictures: u32, sound: bool) {
    let (pictures, samples) = media(daemon, 1, LAST_MSN);
    let cadence = cadence(&numbers(&pictures), clip_pictures);
    let slots_max = 3; // 100 ms at 30 pictures per second
    assert!(cadence.longest_still <= slots_max, "{cadence:?}");
    assert!(cadence.longest_skip <= slots_max, "{cadence:?}");
    if sound {
        let beeps = probe::beeps(&samples);
        println!("beeps at {beeps:?}");
        // The session may begin in the middle of one.
        for pair in beeps[1..].windows(2) {
            let off = (pair[1] - pair[0]).abs_diff(Duration::from_secs(1));
            assert!(off <= GAP_MAX, "beeps at {beeps:?}");
        }
        assert!(beeps.len() >= 7, "beeps at {beeps:?}");
    }
}

/// The clip in other codecs, encoded once.
fn converted(name: &str, codecs: &[&str]) -> PathBuf {
    let source = CLIP.file();
    let kept = source.with_file_name(name);
    if !kept.exists() {
        let partial = source.with_file_name(format!("{}-{name}", std::process::id()));
        let done = Command::new("ffmpeg")
            .args(["-nostdin", "-y", "-loglevel", "error", "-i"])
            .arg(source)
            .args(codecs)
            .arg(&partial)
            .status();
        assert!(done.expect("ffmpeg is installed").success());
        std::fs::rename(&partial, &kept).expect("the clip is kept");
    }
    kept
}

/// `ffmpeg` as the HTTP server of an endless body, for one client.
fn live_server(file: &PathBuf, port: u16, format: &[&str]) -> Owned {
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
            .arg(file)
            .args(["-c", "copy"])
            .args(format)
            .args(["-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/live"))
            .stderr(Stdio::null()),
    )
}

fn live_plays(file: &PathBuf, format: &[&str], sound: bool) {
    let _turn = turn();
    let port = free_port();
    let _server = live_server(file, port, format);
    let daemon = pulled(&format!("http://127.0.0.1:{port}/live"));
    assert_smooth(&daemon, 360, sound);
}

const TS: [&str; 2] = ["-f", "mpegts"];

#[test]
fn ts_with_h264_and_aac() {
    live_plays(&CLIP.file(), &TS, true);
}

#[test]
fn ts_with_hevc_and_ac3() {
    let codecs = [
        "-c:v",
        "libx265",
        "-preset",
        "veryfast",
        "-x265-params",
        "log-level=error",
    ];
    let file = converted(
        "hevc-ac3-v1.mp4",
        &[&codecs[..], &["-c:a", "ac3", "-b:a", "192k"]].concat(),
    );
    live_plays(&file, &TS, true);
}

#[test]
fn ts_with_mpeg2_and_mp2() {
    let codecs = ["-c:v", "mpeg2video", "-q:v", "4", "-g", "15", "-bf", "2"];
    let file = converted(
        "mpeg2-v1.ts",
        &[&codecs[..], &["-c:a", "mp2", "-b:a", "192k"]].concat(),
    );
    live_plays(&file, &TS, true);
}

#[test]
fn ts_without_sound() {
    live_plays(&CLIP.silent().file(), &TS, false);
}

/// A server that keeps the last second begins with it, and counts on being read at once.
#[test]
fn ts_with_a_second_at_once() {
    let _turn = turn();
    let codecs = ["-c", "copy", "-muxrate", "2M"];
    let file = converted("h264-cbr-v1.ts", &codecs);
    let body = std::fs::read(file).expect("the clip");
    let server = Server::start(move |_| {
        Reply::Live(Live {
            content_type: "video/mp2t",
            body: body.clone().into(),
            burst_bytes: 250_000,
            rate_bytes: 250_000,
        })
    });
    assert_smooth(&pulled(&server.url("/live.ts")), 360, true);
}

#[test]
fn fragmented_mp4() {
    let format = [
        "-f",
        "mp4",
        "-movflags",
        "frag_keyframe+empty_moov+default_base_moof",
    ];
    live_plays(&CLIP.file(), &format, true);
}

#[test]
fn webm() {
    let codecs = [
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
        "-b:v",
        "800k",
    ];
    let file = converted(
        "vp8-opus-v1.webm",
        &[&codecs[..], &["-c:a", "libopus"]].concat(),
    );
    live_plays(&file, &["-f", "webm"], true);
}

/// A file comes as fast as it is read, and plays at its own speed from its start.
#[test]
fn an_mp4_file() {
    let _turn = turn();
    let body = std::fs::read(CLIP.file()).expect("the clip");
    let server = Server::start(move |_| Reply::ok("video/mp4", &body));
    assert_smooth(&pulled(&server.url("/clip.mp4")), 360, true);
}

#[test]
fn hls() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let _writer = Owned::spawn(
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
            .arg(CLIP.file())
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
            .arg(dir.path().join("index.m3u8"))
            .stderr(Stdio::null()),
    );
    // A server that has just begun has fewer segments than a player begins with.
    wait_until("a full playlist", LIMIT, || {
        let playlist = std::fs::read_to_string(dir.path().join("index.m3u8"));
        playlist.is_ok_and(|text| text.matches("#EXTINF").count() >= 4)
    });
    let folder = dir.path().to_owned();
    let server = Server::start(move |asked| {
        match std::fs::read(folder.join(asked.target.trim_start_matches('/'))) {
            Ok(bytes) => Reply::ok("application/octet-stream", &bytes),
            Err(_) => Reply::new("404 Not Found", "", b""),
        }
    });
    assert_smooth(&pulled(&server.url("/index.m3u8")), 360, true);
}

#[test]
fn motion_jpeg_with_jitter() {
    let _turn = turn();
    let camera = Camera::start(Options {
        fps: 25,
        jitter: Duration::from_millis(100),
        ..Options::default()
    });
    let daemon = pulled(&camera.url());
    let (pictures, _) = media(&daemon, 2, 8);
    let fps = daemon.status("cam")["rungs"][0]["fps"]
        .as_f64()
        .expect("a rate");
    assert!((fps - 25.0).abs() < 0.1, "{fps}");
    let cadence = cadence(&numbers(&pictures), 25 * SECONDS);
    let share = f64::from(cadence.repeats + cadence.skips) / f64::from(cadence.pictures);
    assert!(share <= 0.03, "{cadence:?}");
}

#[test]
fn motion_jpeg_in_every_dialect() {
    let _turn = turn();
    let start = |dialect| {
        Camera::start(Options {
            dialect,
            ..Options::default()
        })
    };
    let cameras = Dialect::ALL.map(start);
    let streams: String = (0..)
        .zip(&cameras)
        .map(|(n, camera)| {
            format!(
                "[[stream]]\nname = \"cam{n}\"\nsource = \"{}\"\n",
                camera.url()
            )
        })
        .collect();
    let daemon = Daemon::start(&format!("{RUNG}{streams}"));
    for (n, dialect) in Dialect::ALL.iter().enumerate() {
        let viewer = Viewer::open(&daemon, &format!("cam{n}"));
        let uri = &viewer.master.variants[0].uri;
        let playlist = viewer.playlist_with(uri, 2, LIMIT);
        let media = viewer.download(uri, playlist.segment(2));
        let numbers = numbers(&media);
        let shown = numbers.iter().flatten().count();
        assert!(shown >= 15, "{dialect:?}: {numbers:?}");
    }
}
