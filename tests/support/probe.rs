//! What `ffprobe` says of media, after decoding all of it.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// One decoded video frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Presentation time.
    pub pts: Duration,
    /// A decoder may start here.
    pub key: bool,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Decodes all video of `media`; fails the test on the first complaint of the decoder.
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

/// Decodes all sound of `media` and returns when each of its frames starts.
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

/// The kinds of streams in `media`, such as `["video", "audio"]`.
pub fn stream_kinds(media: &[u8]) -> Vec<String> {
    let parsed = show(media, &["-show_entries", "stream=codec_type"]);
    let streams = parsed["streams"].as_array().cloned().unwrap_or_default();
    let kind = |stream: &Value| stream["codec_type"].as_str().unwrap_or_default().to_owned();
    streams.iter().map(kind).collect()
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

/// When the white flashes of a synthetic clip begin in `media`, black borders at its sides or not.
pub fn flashes(media: &[u8]) -> Vec<Duration> {
    let corner = "crop=iw/4:ih/4:iw*3/4:ih*3/4,signalstats,metadata=print:file=-";
    let bright = measure(media, &["-vf", corner], "lavfi.signalstats.YAVG", 80.0);
    onsets(&bright)
}

/// When the beeps of a synthetic clip begin in `media`, to 5 ms.
pub fn beeps(media: &[u8]) -> Vec<Duration> {
    let level = "asetnsamples=n=240,astats=metadata=1:reset=1,ametadata=print:file=-";
    let loud = measure(
        media,
        &["-af", level],
        "lavfi.astats.Overall.RMS_level",
        -20.0,
    );
    onsets(&loud)
}

/// Every frame's time, and whether its value of `key` exceeds `threshold`.
fn measure(media: &[u8], filter: &[&str], key: &str, threshold: f64) -> Vec<(Duration, bool)> {
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
            values.push((at, value.parse::<f64>().is_ok_and(|v| v > threshold)));
        }
    }
    values
}

fn onsets(values: &[(Duration, bool)]) -> Vec<Duration> {
    let pairs = values.iter().zip(values.iter().skip(1));
    let begins = pairs.filter(|((_, before), (_, now))| !before && *now);
    begins.map(|(_, (at, _))| *at).collect()
}
