//! Players that are programs: they play the stream without a screen, for a while or to its end.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::daemon::free_port;
use crate::support::process::Owned;
use crate::support::wait_until;

/// A program that is told to stop has this long for it.
const STOP_MAX: Duration = Duration::from_secs(10);
/// A server has this long to get a stream.
const START_MAX: Duration = Duration::from_secs(30);

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

/// A row of a table: its name, the command that must be installed, the program, and the set of playlists.
pub type Entry = (&'static str, &'static str, Program, &'static str);

/// Programs that people play with.
pub const PROGRAMS: [Entry; 4] = [
    ("ffmpeg", "ffmpeg", ffmpeg, "master"),
    ("ffmpeg, MPEG-TS", "ffmpeg", ffmpeg, "ts"),
    ("mpv", "mpv", mpv, "master"),
    ("mpv, MPEG-TS", "mpv", mpv, "ts"),
];

/// Frameworks that other programs are made with.
pub const FRAMEWORKS: [Entry; 6] = [
    ("VLC", "vlc", vlc, "master"),
    ("VLC, MPEG-TS", "vlc", vlc, "ts"),
    (
        "GStreamer, `hlsdemux2`",
        "gst-launch-1.0",
        gstreamer,
        "master",
    ),
    (
        "GStreamer, `hlsdemux2`, MPEG-TS",
        "gst-launch-1.0",
        gstreamer,
        "ts",
    ),
    (
        "GStreamer, `hlsdemux`",
        "gst-launch-1.0",
        gstreamer_older,
        "master",
    ),
    (
        "GStreamer, `hlsdemux`, MPEG-TS",
        "gst-launch-1.0",
        gstreamer_older,
        "ts",
    ),
];

/// Servers that read a stream.
pub const READERS: [Entry; 4] = [
    ("gohlslib 2.4", "go", gohlslib, "master"),
    ("gohlslib 2.4, MPEG-TS", "go", gohlslib, "ts"),
    ("MediaMTX", "mediamtx", mediamtx, "master"),
    ("MediaMTX, MPEG-TS", "mediamtx", mediamtx, "ts"),
];

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn lines(output: &Output) -> Vec<String> {
    text_lines(&[output.stdout.as_slice(), &output.stderr].concat())
}

fn text_lines(text: &[u8]) -> Vec<String> {
    // Programs write progress over the same line.
    let text = String::from_utf8_lossy(text).replace('\r', "\n");
    text.lines().map(str::to_owned).collect()
}

/// The numbers behind `key` in the lines.
fn numbers(lines: &[String], key: &str) -> impl DoubleEndedIterator<Item = u64> {
    lines.iter().filter_map(move |line| {
        let rest = line.split_once(key)?.1.trim_start();
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    })
}

fn last_number(lines: &[String], key: &str) -> u64 {
    numbers(lines, key).next_back().unwrap_or_default()
}

fn most(lines: &[String], key: &str) -> u64 {
    numbers(lines, key).max().unwrap_or_default()
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

/// What VLC says as it starts, and how often at most; what comes again later is a complaint. The sample
/// tables of fragmented MP4 are empty (ISO/IEC 14496-12 section 8.8.1), the first fragment that it gets is
/// not the first of the stream, both once per track, and the first frame of AAC has no sound yet.
const VLC_START: [(&str, usize); 4] = [
    ("mp4 demux warning: no chunk defined", 2),
    ("mp4 demux warning: STTS table of 0 entries", 2),
    (" != 0", 2),
    ("faad decoder warning: decoded zero sample", 1),
];
/// What VLC says of a machine without a screen.
const VLC_SCREEN: [&str; 3] = [
    "dbus interface",
    "no suitable interface",
    "libvlc error: interface",
];
/// VLC plays the best variant in real time to outputs that show nothing. It is asked for its counts at the
/// end. It refuses to run as root.
pub fn vlc(url: &str, time: Duration) -> Played {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", &(time + STOP_MAX).as_secs().to_string()]);
    if rustix::process::getuid().is_root() {
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(home.path(), open).expect("the folder is ours");
        command.args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]);
    }
    command
        .env("HOME", home.path())
        .args(["vlc", "-I", "rc", "--rc-fake-tty", "--no-color", "-v"])
        .args([
            "--vout=vdummy",
            "--aout=adummy",
            "--adaptive-logic=highest",
            url,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = command.spawn().expect("VLC is installed");
    let mut orders = running.stdin.take().expect("piped");
    let playing = thread::spawn(|| running.wait_with_output());
    let (begun, mut asked) = (Instant::now(), Duration::ZERO);
    wait_until("the end of the play", time + STOP_MAX, || {
        // It forgets its counts at the end of a stream. Who has left by itself takes no more orders.
        if begun.elapsed() >= asked {
            asked += Duration::from_secs(1);
            let _ = orders.write_all(b"stats\n");
        }
        playing.is_finished() || begun.elapsed() >= time
    });
    let left = playing.is_finished();
    let _ = orders.write_all(b"quit\n");
    let output = playing.join().expect("no panic").expect("its output");
    let counts = text_lines(&output.stdout);
    let mut complaints = vlc_complaints(text_lines(&output.stderr));
    complaints.extend(left.then(|| "it left by itself".to_owned()));
    for key in ["demux corrupted  :", "discontinuities  :"] {
        let count = most(&counts, key);
        complaints.extend((count > 0).then(|| format!("{key} {count}")));
    }
    Played {
        pictures: most(&counts, "frames displayed :"),
        complaints,
    }
}

/// What VLC complains of until it is told to end, but for what it says of its start and of this machine.
fn vlc_complaints(lines: Vec<String>) -> Vec<String> {
    let bad = ["error", "warning", "iscontinuity", "[h264"];
    let mut at_start: HashMap<&str, usize> = HashMap::new();
    let playing = lines.into_iter();
    playing
        .take_while(|line| !line.contains("Requested shutdown"))
        .filter(|line| bad.iter().any(|word| line.contains(word)))
        .filter(|line| !VLC_SCREEN.iter().any(|word| line.contains(word)))
        .filter(|line| {
            let known = VLC_START.iter().find(|(word, _)| line.contains(word));
            known.is_none_or(|(word, times_max)| {
                let times = at_start.entry(word).or_default();
                *times += 1;
                *times > *times_max
            })
        })
        .collect()
}

/// GStreamer's `uridecodebin3`, as `playbin3` uses it; it demuxes with `hlsdemux2`.
pub fn gstreamer(url: &str, time: Duration) -> Played {
    gst_launch("uridecodebin3", url, time)
}

/// GStreamer's `uridecodebin`, as `playbin` uses it; it demuxes with the older `hlsdemux`.
pub fn gstreamer_older(url: &str, time: Duration) -> Played {
    gst_launch("uridecodebin", url, time)
}

fn gst_launch(source: &str, url: &str, time: Duration) -> Played {
    let mut command = Command::new("timeout");
    // It stops at the signal, but for a demuxer that hangs.
    command.args(["--signal=INT", "--kill-after=5"]);
    command.args([&time.as_secs().to_string(), "gst-launch-1.0", "-v"]);
    command.args([source, &format!("uri={url}"), "name=d"]);
    command.args(["d.", "!", "video/x-raw", "!", "fakesink", "sync=true"]);
    command.args(["silent=false", "name=seen"]);
    command.args(["d.", "!", "queue", "!", "audio/x-raw", "!", "fakesink"]);
    command.arg("sync=true");
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
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/players/gohlslib");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gohlslib");
        let mut go = Command::new("go");
        go.current_dir(&folder).args(["build", "-o"]).arg(&program);
        assert!(go.status().expect("go is installed").success());
        program
    });
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

/// MediaMTX reads the stream; ffmpeg counts what it hands on by RTSP.
pub fn mediamtx(url: &str, time: Duration) -> Played {
    let begun = Instant::now();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, log) = (folder.path().join("config.yml"), folder.path().join("log"));
    let address = format!("127.0.0.1:{}", free_port());
    let text = format!(
        "rtspTransports: [tcp]\nrtspAddress: {address}\nrtmp: no\nhls: no\nwebrtc: no\nsrt: no\n\
         paths:\n  s:\n    source: {url}\n"
    );
    fs::write(&config, text).expect("the configuration");
    let output = fs::File::create(&log).expect("a log file");
    let mut reader = Command::new("mediamtx");
    // Versions that do not speak MoQ refuse the setting in the file.
    reader.arg(&config).env("MTX_MOQ", "no").stdout(output);
    let _reader = Owned::spawn(&mut reader);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait_until("MediaMTX has the stream", START_MAX, || {
        // The second is of versions before 1.16.
        ["is available", "ready: "]
            .iter()
            .any(|word| said().contains(word))
    });
    let left = time.saturating_sub(begun.elapsed()).as_secs();
    let output = run(Command::new("timeout")
        .args([
            &(left + STOP_MAX.as_secs()).to_string(),
            "ffmpeg",
            "-nostdin",
        ])
        .args(["-hide_banner", "-v", "warning", "-stats", "-rtsp_transport"])
        .args(["tcp", "-i", &format!("rtsp://{address}/s"), "-t"])
        .args([&left.to_string(), "-f", "null", "-"]));
    let lines = lines(&output);
    let mut complaints = with(text_lines(said().as_bytes()), &[" WAR ", " ERR "]);
    // ffmpeg corrects its times at each sender report of RTCP, also back, and then complains that they do not
    // rise: that is between the two and says nothing of weir.
    complaints.extend(with(lines.clone(), &["[h264", "[aac", "rror"]));
    Played {
        pictures: last_number(&lines, "frame="),
        complaints,
    }
}
