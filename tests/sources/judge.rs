//! Judges what a viewer gets of the pattern: cadence, sound against picture, colours, decoding.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::pattern::{self, CELLS, PATCHES};
use crate::support::probe;

/// Sound samples per second after decoding.
const SAMPLE_HZ: usize = 48_000;
/// A beep begins where a sample exceeds this after a second half without any that does.
const LOUD: u16 = 4000;

/// One picture of the output.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// When it is shown, in seconds.
    at: f64,
    /// Number of the source's picture; `None` where the bar code cannot be read.
    number: Option<u32>,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Pictures in the output.
    pub pictures: usize,
    /// Pictures without a bar code that can be read.
    pub unreadable: usize,
    /// Pictures that show an earlier one again although a newer one was due, and pictures of the
    /// source that were left out although there was room for them.
    pub repeats: usize,
    /// See `repeats`.
    pub skips: usize,
    /// The longest time that the picture stood still, beyond the time that the source gave it.
    pub gap: Duration,
    /// By how much sound is later than picture at each beep, in milliseconds; and when.
    pub sound_late_ms: Vec<(f64, f64)>,
    /// The greatest error of a patch's mean colour, of 255.
    pub colour_error: Option<u8>,
}

impl Verdict {
    /// Repeats and skips, per picture.
    pub fn irregular(&self) -> f64 {
        (self.repeats + self.skips) as f64 / self.pictures.max(1) as f64
    }

    /// The greatest distance of sound and picture, in milliseconds.
    pub fn apart_ms(&self) -> f64 {
        let apart = self.sound_late_ms.iter().map(|(_, late)| late.abs());
        apart.fold(0.0, f64::max)
    }
}

/// Judges `video`, which shows a source of `source_fps` pictures per second at `fps`, and `sound`.
///
/// Fails the test when a decoder complains.
pub fn judge(video: &[u8], sound: Option<&[u8]>, source_fps: f64, fps: f64) -> Verdict {
    let (shown, patches) = pictures(video);
    let mut verdict = Verdict {
        pictures: shown.len(),
        unreadable: shown.iter().filter(|one| one.number.is_none()).count(),
        colour_error: colour_error(&patches),
        ..Verdict::default()
    };
    cadence(&shown, source_fps / fps, fps, &mut verdict);
    if let Some(sound) = sound {
        let beeps = beeps(sound);
        verdict.sound_late_ms = beeps
            .into_iter()
            .filter_map(|beep| Some((beep, sound_late_ms(&shown, beep, source_fps)?)))
            .collect();
    }
    verdict
}

/// Times and numbers of all pictures, and the colours of the readable ones.
fn pictures(video: &[u8]) -> (Vec<Shown>, Vec<[f64; 3]>) {
    let times = probe::video_frames(video);
    let graph = format!(
        "[0:v]split[a][b];[a]{},format=rgb24[c];[b]{}[d];[c][d]hstack",
        pattern::code_filter(),
        pattern::patches_filter()
    );
    let arguments = [
        "-filter_complex",
        &graph,
        "-vsync",
        "passthrough",
        "-f",
        "rawvideo",
    ];
    let pixels = decode(video, &arguments);
    let row = 3 * (CELLS + 3 * PATCHES.len());
    let (mut shown, mut sums, mut count) = (Vec::new(), [[0.0; 3]; PATCHES.len()], 0.0);
    for (frame, row) in times.iter().zip(pixels.chunks_exact(row)) {
        let (code, patches) = row.split_at(3 * CELLS);
        let cells: Vec<u8> = code.chunks_exact(3).map(|pixel| pixel[1]).collect();
        let number = pattern::read(&cells);
        shown.push(Shown {
            at: frame.pts.as_secs_f64(),
            number,
        });
        if number.is_some() {
            count += 1.0;
            for (sum, patch) in sums.iter_mut().zip(patches.chunks_exact(9)) {
                let middle = sum.iter_mut().zip(&patch[3..6]);
                middle.for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
    }
    let means = sums.map(|patch| patch.map(|sum| sum / count));
    (
        shown,
        if count > 0.0 {
            means.to_vec()
        } else {
            Vec::new()
        },
    )
}

fn colour_error(patches: &[[f64; 3]]) -> Option<u8> {
    let pairs = patches.iter().flatten().zip(PATCHES.iter().flatten());
    let errors = pairs.map(|(is, ought)| (is - f64::from(*ought)).abs().round() as u8);
    errors.max()
}

/// Counts repeats and skips where each picture of the output advances the source by `ratio`.
fn cadence(shown: &[Shown], ratio: f64, fps: f64, verdict: &mut Verdict) {
    let (least, most) = ((ratio + 0.05).floor() as u32, (ratio - 0.05).ceil() as u32);
    // A picture of a slow source stays for this long.
    let stays = (1.0 / ratio).max(1.0);
    let mut held = 1.0_f64;
    let mut last: Option<u32> = None;
    for one in shown {
        let advance = match (one.number, last) {
            (Some(number), Some(last)) => number.saturating_sub(last),
            (None, Some(_)) => 0,
            (_, None) => most.max(1),
        };
        let repeated = advance == 0;
        verdict.repeats += usize::from(advance < least);
        verdict.skips +=
            most.max(1).abs_diff(advance.max(most.max(1))) as usize / most.max(1) as usize;
        held = if repeated { held + 1.0 } else { 1.0 };
        let gap = Duration::from_secs_f64(((held - stays) / fps).max(0.0));
        // The longest that a picture may stand is one slot more than its own time.
        verdict.gap = verdict.gap.max(gap);
        last = one.number.or(last);
    }
}

/// By how much the beep that is heard at `beep` is later than the picture of its second.
fn sound_late_ms(shown: &[Shown], beep: f64, source_fps: f64) -> Option<f64> {
    let reach = 0.5_f64.max(1.0 / source_fps);
    let near = shown.iter().filter(|one| (one.at - beep).abs() < reach);
    let mut delays: Vec<f64> = near
        .filter_map(|one| Some(one.at - f64::from(one.number?) / source_fps))
        .collect();
    delays.sort_by(f64::total_cmp);
    let delay = delays.get(delays.len() / 2)?;
    let second = beep - delay;
    Some((second - second.round()) * 1000.0)
}

/// When beeps begin, in seconds.
fn beeps(sound: &[u8]) -> Vec<f64> {
    let Some(first) = probe::audio_frames(sound).first().copied() else {
        return Vec::new();
    };
    let samples = decode(sound, &["-ac", "1", "-f", "s16le"]);
    let (samples, _) = samples.as_chunks();
    let (mut begins, mut quiet) = (Vec::new(), 0);
    for (n, sample) in samples.iter().enumerate() {
        if i16::from_le_bytes(*sample).unsigned_abs() < LOUD {
            quiet += 1;
        } else {
            if quiet > SAMPLE_HZ / 2 {
                begins.push(first.as_secs_f64() + n as f64 / SAMPLE_HZ as f64);
            }
            quiet = 0;
        }
    }
    begins
}

fn decode(media: &[u8], arguments: &[&str]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("the media is written");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file.path())
        .args(arguments)
        .arg("pipe:1")
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "decoding: {complaints}");
    output.stdout
}
