//! A camera that sends the pattern as Motion JPEG, in the dialects of real cameras.

use std::process::Command;
use std::time::Duration;

use super::clip::Clip;
use super::paced::{Chunk, Paced};

/// How a camera writes its multipart body.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The boundary parameter of the response's `Content-Type`, as it is written there.
    pub parameter: &'static str,
    /// The line between parts.
    pub delimiter: &'static str,
    /// `Content-Type` of each part.
    pub part_type: &'static str,
    /// Each part says its `Content-Length`.
    pub length: bool,
    /// Sent before the first part.
    pub preamble: &'static str,
    /// Sent behind each picture.
    pub between: &'static str,
    /// Each picture is sent up to this much late.
    pub jitter: Duration,
}

impl Dialect {
    /// What RFC 2046 section 5.1.1 asks for.
    pub const PLAIN: Self = Self {
        parameter: "frame",
        delimiter: "--frame",
        part_type: "image/jpeg",
        length: true,
        preamble: "",
        between: "\r\n",
        jitter: Duration::ZERO,
    };

    /// Starts a camera that sends `clip`, whose encoder is `mjpeg`, to each client from its beginning.
    pub fn start(self, clip: Clip) -> Paced {
        let kind = format!("multipart/x-mixed-replace; boundary={}", self.parameter);
        let mut chunks = vec![(Duration::ZERO, self.preamble.into())];
        let parts = pictures(clip).into_iter().zip(0..);
        chunks.extend(parts.map(|(picture, number)| self.part(&picture, number, clip.fps())));
        Paced::start(kind, chunks)
    }

    fn part(self, picture: &[u8], number: u32, fps: f64) -> Chunk {
        let due = Duration::from_secs_f64(f64::from(number) / fps);
        let late = self.jitter * (number * 7919 % 1000) / 1000;
        let length = match self.length {
            true => format!("Content-Length: {}\r\n", picture.len()),
            false => String::new(),
        };
        let (delimiter, kind) = (self.delimiter, self.part_type);
        let head = format!("{delimiter}\r\nContent-Type: {kind}\r\n{length}\r\n");
        let part = [head.as_bytes(), picture, self.between.as_bytes()].concat();
        (due + late, part)
    }
}

fn pictures(clip: Clip) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(clip.file())
        .args(["-an", "-c", "copy", "-f", "image2"])
        .arg(folder.path().join("%05d.jpg"))
        .status();
    assert!(done.expect("ffmpeg is installed").success());
    let names = (1..).map(|n| folder.path().join(format!("{n:05}.jpg")));
    names.map_while(|name| std::fs::read(name).ok()).collect()
}
