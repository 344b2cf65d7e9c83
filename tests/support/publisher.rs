//! Publishers, which stand for OBS and the like.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::clips::Clip;
use super::process::Owned;
use super::wait_for;

/// A running publisher. Dropping it kills the process without a farewell to the server, as a lost
/// network does.
#[derive(Debug)]
pub struct Publisher(Owned);

impl Publisher {
    /// Publishes `clip` with `ffmpeg`, in real time and in a loop.
    pub fn ffmpeg(clip: Clip, url: &str) -> Self {
        Self::file(&clip.file(), url)
    }

    /// Publishes an MP4 file with `ffmpeg`, in real time and in a loop.
    pub fn file(file: &Path, url: &str) -> Self {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
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
            .args(["-c", "copy", "-f", "flv", url])
            .stderr(Stdio::null());
        Self(Owned::spawn(&mut ffmpeg))
    }

    /// Publishes a live test picture and a tone with GStreamer.
    pub fn gstreamer(width: u32, height: u32, fps: u32, url: &str) -> Self {
        let picture = format!("video/x-raw,width={width},height={height},framerate={fps}/1");
        let key_int = format!("key-int-max={}", fps * 2);
        let mut launch = Command::new("gst-launch-1.0");
        launch
            .args(["-q", "videotestsrc", "is-live=true", "!", &picture])
            .args([
                "!",
                "x264enc",
                "speed-preset=ultrafast",
                "tune=zerolatency",
                &key_int,
            ])
            .args(["!", "h264parse", "!", "queue", "!", "mux."])
            .args([
                "audiotestsrc",
                "is-live=true",
                "!",
                "audio/x-raw,rate=44100,channels=2",
            ])
            .args(["!", "avenc_aac", "!", "aacparse", "!", "queue", "!", "mux."])
            .args(["flvmux", "name=mux", "streamable=true", "!", "rtmp2sink"])
            .arg(format!("location={url}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(Owned::spawn(&mut launch))
    }

    /// What `ffmpeg` says on standard error when it publishes `clip` and is refused.
    pub fn refused(clip: Clip, url: &str, limit: Duration) -> String {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-nostdin", "-loglevel", "error", "-re", "-i"])
            .arg(clip.file())
            .args(["-c", "copy", "-f", "flv", url])
            .stderr(Stdio::piped());
        let mut publisher = Self(Owned::spawn(&mut ffmpeg));
        publisher.wait_end(limit);
        let mut said = String::new();
        let mut errors = publisher.0.0.stderr.take().expect("a pipe");
        errors.read_to_string(&mut said).expect("UTF-8");
        said
    }

    /// Waits until the publisher has exited by itself, as it does when it is refused.
    pub fn wait_end(&mut self, limit: Duration) {
        wait_for("the publisher to end", limit, || {
            self.0.0.try_wait().expect("its status")
        });
    }

    /// Whether the publisher still runs.
    pub fn is_running(&mut self) -> bool {
        self.0.0.try_wait().expect("its status").is_none()
    }
}
