//! Players that are programs: they play the stream without a screen, for a while or to its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// What a player got.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// Pictures.
    pub pictures: u64,
    /// What the player complained of.
    pub complaints: Vec<String>,
}

/// Plays an address for at most this long.
pub type Program = fn(&str, Duration) -> Played;

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn lines(output: &Output) -> Vec<String> {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    // Programs write progress over the same line.
    let text = String::from_utf8_lossy(&text).replace('\r', "\n");
    text.lines().map(str::to_owned).collect()
}

/// The number behind the last `key` in the lines.
fn last_number(lines: &[String], key: &str) -> u64 {
    let found = lines.iter().rev().find_map(|line| {
        let rest = line.split_once(key)?.1.trim_start();
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    found.unwrap_or_default()
}

fn with(lines: Vec<String>, words: &[&str]) -> Vec<String> {
    let bad = |line: &String| words.iter().any(|word| line.contains(word));
    lines.into_iter().filter(bad).collect()
}

/// `ffmpeg` decodes the best variant.
pub fn ffmpeg(url: &str, time: Duration) -> Played {
    let output = run(Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-hide_banner",
            "-v",
            "warning",
            "-stats",
            "-i",
            url,
        ])
        .args(["-t", &time.as_secs().to_string(), "-f", "null", "-"]));
    let lines = lines(&output);
    Played {
        pictures: last_number(&lines, "frame="),
        complaints: with(lines, &["[h264", "[aac", "[hls", "rror", "on monoton"]),
    }
}

/// mpv plays to nowhere, in real time.
pub fn mpv(url: &str, time: Duration) -> Played {
    let output = run(Command::new("mpv")
        .args([
            "--no-config",
            "--vo=null",
            "--ao=null",
            "--no-input-terminal",
        ])
        .args(["--msg-level=all=warn,statusline=status"])
        .args(["--term-status-msg=pictures ${estimated-frame-number} end"])
        .arg(format!("--length={}", time.as_secs()))
        .arg(url));
    let lines = lines(&output);
    Played {
        pictures: last_number(&lines, "pictures "),
        complaints: with(lines, &["rror", "nvalid", "orrupt"]),
    }
}

/// VLC plays the best variant into a file of raw pictures, in real time. It refuses to run as root.
pub fn vlc(url: &str, time: Duration) -> Played {
    let home = tempfile::tempdir().expect("a temporary folder");
    let pictures = home.path().join("pictures.y4m");
    let mut command = if rustix::process::getuid().is_root() {
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(home.path(), open).expect("the folder is ours");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
        command
    } else {
        Command::new("cvlc")
    };
    let output = run(command
        .env("HOME", home.path())
        .args([
            "-I",
            "dummy",
            "--aout",
            "adummy",
            "--vout",
            "yuv",
            "--yuv-yuv4mpeg2",
        ])
        .arg(format!("--yuv-file={}", pictures.display()))
        .args([
            "--no-color",
            "-v",
            "--adaptive-logic=highest",
            "--play-and-exit",
        ])
        .args(["--run-time", &time.as_secs().to_string(), url, "vlc://quit"]));
    let bytes = fs::metadata(&pictures).map_or(0, |file| file.len());
    Played {
        // 4:2:0, of the size of the best variant.
        pictures: bytes / (640 * 360 * 3 / 2),
        complaints: with(
            lines(&output),
            &["mp4 demux", "ts demux", "decoder error", "iscontinuity"],
        ),
    }
}

/// GStreamer's `uridecodebin3`, as `playbin3` uses it.
pub fn gstreamer(url: &str, time: Duration) -> Played {
    let mut command = Command::new("timeout");
    command.args([
        "--signal=INT",
        // On a live source `-e` may wait for an end that never comes.
        "--kill-after=5",
        &time.as_secs().to_string(),
        "gst-launch-1.0",
        "-e",
        "-v",
    ]);
    command.args(["uridecodebin3", &format!("uri={url}"), "name=d"]);
    command.args([
        "d.",
        "!",
        "video/x-raw",
        "!",
        "fakesink",
        "sync=true",
        "silent=false",
        "name=seen",
    ]);
    command.args([
        "d.",
        "!",
        "queue",
        "!",
        "audio/x-raw",
        "!",
        "fakesink",
        "sync=true",
    ]);
    let lines = lines(&run(&mut command));
    let shown = lines
        .iter()
        .filter(|line| line.contains("chain") && line.contains("seen"));
    Played {
        pictures: u64::try_from(shown.count()).unwrap_or_default(),
        complaints: with(lines, &["ERROR", "WARNING"]),
    }
}

/// The client of gohlslib, with which MediaMTX reads streams. Needs Go.
pub fn gohlslib(url: &str, time: Duration) -> Played {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/players/gohlslib");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gohlslib");
    let built = Command::new("go")
        .current_dir(&folder)
        .args(["build", "-o"])
        .arg(&program)
        .status();
    assert!(built.expect("go is installed").success());
    let output = run(Command::new(program)
        .arg(url)
        .arg(time.as_secs().to_string()));
    let lines = lines(&output);
    Played {
        pictures: last_number(&lines, "pictures="),
        complaints: lines
            .into_iter()
            .filter(|line| !line.contains("complaints=0"))
            .collect(),
    }
}
