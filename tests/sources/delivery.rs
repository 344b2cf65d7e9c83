//! The ways on which a clip reaches weir.

use std::any::Any;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::clip::Clip;
use super::mjpeg::Dialect;
use super::replay::{self, Replay, Tag};
use super::transport::Transport;
use super::{enhanced, obs};
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::Owned;
use crate::support::server::{Reply, Server};
use crate::support::{KEY, wait_until};

/// A way on which a clip reaches weir.
#[derive(Debug, Clone, Copy)]
pub enum Delivery {
    /// `ffmpeg -re -c copy` publishes it.
    Ffmpeg,
    /// The words of the command that publishes it; `FILE` and `URL` are filled in.
    Program(&'static str),
    /// OBS publishes a picture of its own.
    Obs,
    /// A publisher of ours sends its FLV tags.
    Replay(Replay),
    /// The same over Enhanced RTMP; the clip is HEVC.
    Enhanced,
    /// `ffmpeg` serves it over HTTP in real time, in this container.
    Served(&'static str),
    /// A server sends it as MPEG-TS.
    Transport(Transport),
    /// A web server has the file.
    File,
    /// `ffmpeg` writes a live playlist, and a web server has the files.
    Hls(&'static str),
    /// A camera sends Motion JPEG.
    Mjpeg(Dialect),
}

/// What makes a source run; stops when dropped.
pub type Running = Box<dyn Any>;

/// Address of the stream in `config.toml`, and what has to run before the daemon starts.
pub fn prepare(delivery: Delivery, clip: Clip) -> (String, Running) {
    match delivery {
        Delivery::Served(container) => {
            let url = format!("http://127.0.0.1:{}/live", free_port());
            let mut ffmpeg = remux(&clip.file(), container);
            let server = Owned::spawn(ffmpeg.args(["-listen", "1", &url]));
            (url, Box::new(server))
        }
        Delivery::Transport(transport) => {
            let server = transport.start(clip);
            (server.url(), Box::new(server))
        }
        Delivery::File => {
            let body = std::fs::read(clip.file()).expect("the clip");
            let server = Server::start(move |_| Reply::ok("application/octet-stream", &body));
            (server.url("/clip"), Box::new(server))
        }
        Delivery::Hls(arguments) => live_hls(&clip.file(), arguments),
        Delivery::Mjpeg(dialect) => {
            let camera = dialect.start(clip);
            (camera.url(), Box::new(camera))
        }
        _ => ("push:".to_owned(), Box::new(())),
    }
}

/// Publishes `clip` to `stream`, if the delivery publishes at all.
pub fn publish(delivery: Delivery, clip: Clip, daemon: &Daemon, stream: &str) -> Running {
    let url = daemon.publish_url(stream, KEY);
    match delivery {
        Delivery::Ffmpeg => {
            let mut ffmpeg = remux(&clip.file(), "-f flv");
            Box::new(Owned::spawn(ffmpeg.arg(url)))
        }
        Delivery::Program(command) => {
            let file = clip.file();
            let file = file.to_str().expect("a path in UTF-8");
            let fill = |word: &str| word.replace("FILE", file).replace("URL", &url);
            let mut words = command.split_whitespace().map(fill);
            let mut command = Command::new(words.next().expect("a program"));
            command.args(words).stdout(Stdio::null());
            Box::new(Owned::spawn(command.stderr(Stdio::null())))
        }
        Delivery::Obs => Box::new(obs::start(
            daemon.rtmp,
            &format!("{stream}?key={KEY}"),
            obs::LIGHT,
        )),
        Delivery::Replay(replay) => {
            let tags = replay::parse(&std::fs::read(clip.file()).expect("the clip"));
            replayed(replay, tags, daemon, stream)
        }
        Delivery::Enhanced => {
            let tags = enhanced::tags(&clip.file());
            replayed(Replay::PLAIN, tags, daemon, stream)
        }
        _ => Box::new(()),
    }
}

fn replayed(replay: Replay, tags: Vec<Tag>, daemon: &Daemon, stream: &str) -> Running {
    let server = ([127, 0, 0, 1], daemon.rtmp).into();
    Box::new(replay.start(tags, server, format!("{stream}?key={KEY}")))
}

/// `ffmpeg`, which sends a clip in real time in another container; where to is still to be said.
fn remux(clip: &Path, container: &str) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-loglevel", "error", "-re", "-i"])
        .arg(clip)
        .args(["-c", "copy"])
        .args(container.split_whitespace())
        .stderr(Stdio::null());
    ffmpeg
}

/// Serves a clip as live HLS; `arguments` say with which segments.
pub fn live_hls(clip: &Path, arguments: &str) -> (String, Running) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let playlist = folder.path().join("live.m3u8");
    let mut ffmpeg = remux(clip, "-f hls -hls_time 2 -hls_list_size 5");
    ffmpeg.args(arguments.split_whitespace()).arg(&playlist);
    let writer = Owned::spawn(&mut ffmpeg);
    // A server that has just begun has fewer segments than a player begins with.
    wait_until("a full playlist", Duration::from_secs(30), || {
        let text = std::fs::read_to_string(&playlist).unwrap_or_default();
        text.matches("#EXTINF").count() >= 4
    });
    let root = folder.path().to_owned();
    let server = Server::start(move |asked| file_in(&root, &asked.target));
    (server.url("/live.m3u8"), Box::new((writer, server, folder)))
}

fn file_in(folder: &Path, target: &str) -> Reply {
    let name = target.trim_start_matches('/');
    let kind = match name.rsplit_once('.') {
        Some((_, "m3u8")) => "application/vnd.apple.mpegurl",
        Some((_, "ts")) => "video/mp2t",
        _ => "video/mp4",
    };
    match std::fs::read(folder.join(name)) {
        Ok(body) => Reply::ok(kind, &body),
        Err(_) => Reply::new("404 Not Found", "", b""),
    }
}
