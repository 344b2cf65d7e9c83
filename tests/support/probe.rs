//! Decodes media with `ffprobe` and `ffmpeg` and reports what is in it.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// One decoded video frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Presentation time.
    pub pts: Duration,
    /// Whether this is a key frame.
    pub key: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Decodes all video of `media`; fails the test when the decoder reports an error.
pub fn video_frames(media: &[u8]) -> Vec<Frame> {
    let entries = "frame=pts_time,key_frame,width,height";
    let parsed = show(media, &["-select_streams", "v:0", "-show_entries", entries]);
    let frames = parsed["frames"].as_array().cloned().unwrap_or_default();
    let number = |frame: &Value, key: &str| {
        u32::try_from(frame[key].as_u64().expect("a number")).expect("a small number")
    };
    let one = |frame: &Value| Frame {
        pts: seconds(&frame["pts_time"]),
        key: frame["key_frame"] == 1,
        width: number(frame, "width"),
        height: number(frame, "height"),
    };
    frames.iter().map(one).collect()
}

/// Whether pictures of `media` refer to later ones.
pub fn has_b_frames(media: &[u8]) -> bool {
    let entries = ["-select_streams", "v:0", "-show_entries", "frame=pict_type"];
    let parsed = show(media, &entries);
    let frames = parsed["frames"].as_array().cloned().unwrap_or_default();
    frames.iter().any(|frame| frame["pict_type"] == "B")
}

/// Decodes all sound of `media` and returns the start time of every frame.
pub fn audio_frames(media: &[u8]) -> Vec<Duration> {
    let parsed = show(
        media,
        &["-select_streams", "a:0", "-show_entries", "frame=pts_time"],
    );
    let frames = parsed["frames"].as_array().cloned().unwrap_or_default();
    frames
        .iter()
        .map(|frame| seconds(&frame["pts_time"]))
        .collect()
}

/// Decodes all video of `media` and returns a hash of each picture.
pub fn pictures(media: &[u8]) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("the media is written");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file.path())
        .args([
            "-map",
            "0:v:0",
            "-vsync",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ])
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit(',').next())
        .map(|hash| hash.trim().to_owned())
        .collect()
}

/// Decode time of each video frame of `media`, in the order of the file.
pub fn decode_times(media: &[u8]) -> Vec<Duration> {
    let entries = ["-select_streams", "v:0", "-show_entries", "packet=dts_time"];
    let parsed = show(media, &entries);
    let packets = parsed["packets"].as_array().cloned().unwrap_or_default();
    let time = |packet: &Value| seconds(&packet["dts_time"]);
    packets.iter().map(time).collect()
}

/// The kinds of streams in `media`, such as `["video", "audio"]`.
pub fn stream_kinds(media: &[u8]) -> Vec<String> {
    let parsed = show(media, &["-show_entries", "stream=codec_type"]);
    let streams = parsed["streams"].as_array().cloned().unwrap_or_default();
    let kind = |stream: &Value| stream["codec_type"].as_str().unwrap_or_default().to_owned();
    streams.iter().map(kind).collect()
}

/// The kinds of streams at an address, each once.
pub fn kinds_at(address: &str) -> BTreeSet<String> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "quiet",
            "-of",
            "json",
            "-show_entries",
            "stream=codec_type",
        ])
        .arg(address)
        .output()
        .expect("ffprobe is installed");
    let parsed: Value = serde_json::from_slice(&output.stdout).expect("ffprobe writes JSON");
    let streams = parsed["streams"].as_array().cloned().unwrap_or_default();
    let kind = |stream: &Value| stream["codec_type"].as_str().unwrap_or_default().to_owned();
    streams.iter().map(kind).collect()
}

/// Where the continuity counter of a PID does not follow (ISO/IEC 13818-1 section 2.4.3.3), as the
/// number of the packet and the PID. `media` is MPEG-TS.
pub fn counter_jumps(media: &[u8]) -> Vec<(usize, u16)> {
    let mut last = HashMap::new();
    let mut jumps = Vec::new();
    for (number, packet) in media.chunks(188).enumerate() {
        assert_eq!(packet[0], 0x47, "packet {number}");
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let (counter, payload) = (packet[3] & 0x0f, (packet[3] & 0x10) >> 4);
        let before = last.insert(pid, counter);
        if before.is_some_and(|before: u8| (before + payload) % 16 != counter) {
            jumps.push((number, pid));
        }
    }
    jumps
}

fn seconds(value: &Value) -> Duration {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("a time, not {value}"));
    Duration::from_secs_f64(
        text.parse()
            .unwrap_or_else(|_| panic!("a time, not {text}")),
    )
}

fn show(media: &[u8], arguments: &[&str]) -> Value {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("the media is written");
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json"])
        .args(arguments)
        .arg(file.path())
        .output()
        .expect("ffprobe is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "ffprobe: {complaints}"
    );
    serde_json::from_slice(&output.stdout).expect("ffprobe writes JSON")
}

/// Mean colour saturation of `media`, over all pixels and pictures: 0 for grey, above 30 for a
/// synthetic clip in colour.
pub fn saturation(media: &[u8]) -> f64 {
    let statistics = "signalstats,metadata=print:file=-";
    let measured = measure(media, &["-vf", statistics], "lavfi.signalstats.SATAVG");
    assert!(!measured.is_empty(), "no picture to measure");
    measured.iter().map(|(_, value)| value).sum::<f64>() / measured.len() as f64
}

/// Start times of the white flashes of a synthetic clip, with or without black borders at the
/// sides.
pub fn flashes(media: &[u8]) -> Vec<Duration> {
    let corner = "crop=iw/4:ih/4:iw*3/4:ih*3/4,signalstats,metadata=print:file=-";
    let brightness = measure(media, &["-vf", corner], "lavfi.signalstats.YAVG");
    onsets(&brightness, 80.0)
}

/// Start times of the beeps of a synthetic clip, to 5 ms.
pub fn beeps(media: &[u8]) -> Vec<Duration> {
    let level = "asetnsamples=n=240,astats=metadata=1:reset=1,ametadata=print:file=-";
    let loudness = measure(media, &["-af", level], "lavfi.astats.Overall.RMS_level");
    onsets(&loudness, -20.0)
}

/// Time of every frame, with the value of `key` that the filter measured in that frame.
fn measure(media: &[u8], filter: &[&str], key: &str) -> Vec<(Duration, f64)> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("the media is written");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-copyts", "-i"])
        .arg(file.path())
        .args(filter)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "ffmpeg: {output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut at, mut values) = (Duration::ZERO, Vec::new());
    for line in text.lines() {
        if let Some((_, time)) = line.split_once("pts_time:") {
            at = Duration::from_secs_f64(time.trim().parse().expect("a time"));
        } else if let Some(value) = line.strip_prefix(key) {
            let value = value.trim_start_matches('=');
            values.push((at, value.parse().unwrap_or(f64::NAN)));
        }
    }
    values
}

/// Times at which the values rise above `threshold`.
fn onsets(values: &[(Duration, f64)], threshold: f64) -> Vec<Duration> {
    let above: Vec<_> = values
        .iter()
        .map(|(at, value)| (at, *value > threshold))
        .collect();
    let pairs = above.iter().zip(above.iter().skip(1));
    let begins = pairs.filter(|((_, before), (_, now))| !before && *now);
    begins.map(|(_, (at, _))| **at).collect()
}
