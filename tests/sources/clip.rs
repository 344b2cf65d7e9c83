//! Clips of the [`pattern`](super::pattern), with a beep at every second, as ffmpeg encodes them.
//! They are kept in `target/test-media`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::pattern;

/// Raise this number when pattern or recipe change, so that kept clips are encoded again.
const RECIPE_VERSION: u32 = 1;

/// How the pattern's colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    /// ffmpeg's name of the matrix: `bt709` or `bt601`.
    pub matrix: &'static str,
    /// The range is full (0 to 255), not limited (16 to 235).
    pub full: bool,
    /// ffmpeg's name under which matrix and range are written into the file; `None` writes neither.
    pub tag: Option<&'static str>,
}

/// BT.709 in limited range, written down: what OBS sends.
pub const BT709: Colour = Colour {
    matrix: "bt709",
    full: false,
    tag: Some("bt709"),
};

/// Properties of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Clip {
    /// Pixels across and down.
    pub size: (usize, usize),
    /// Pictures per second, as a fraction.
    pub rate: (u32, u32),
    /// Length.
    pub seconds: u32,
    /// Pixel format of the encoder's input.
    pub format: &'static str,
    /// Colours.
    pub colour: Colour,
    /// ffmpeg filters behind the conversion of colours, with a comma in front; or nothing.
    pub filter: &'static str,
    /// Arguments that choose and set the video encoder; empty for a clip without pictures.
    pub video: &'static str,
    /// Arguments that choose and set the audio encoder; empty for a clip without sound.
    pub audio: &'static str,
    /// Ending of the file, from which ffmpeg takes the container.
    pub ending: &'static str,
}

/// H.264 as most publishers send it.
pub const X264: &str = "-c:v libx264 -preset superfast -g 30 -bf 2";
/// H.264 without B-frames, as what shares a screen or wants no delay sends it.
pub const X264_NO_B: &str = "-c:v libx264 -preset superfast -g 30 -bf 0";
/// HEVC.
pub const X265: &str = "-c:v libx265 -preset ultrafast -g 30 -x265-params log-level=error";
/// AAC as most publishers send it.
pub const AAC: &str = "-c:a aac -b:a 128k -ar 48000 -ac 2";

impl Clip {
    /// 640x360 at 30 frames per second: H.264 with B-frames, and AAC.
    pub const PLAIN: Self = Self {
        size: (640, 360),
        rate: (30, 1),
        seconds: 16,
        format: "yuv420p",
        colour: BT709,
        filter: "",
        video: X264,
        audio: AAC,
        ending: "mp4",
    };

    /// Pictures per second.
    pub fn fps(self) -> f64 {
        f64::from(self.rate.0) / f64::from(self.rate.1)
    }

    /// The clip's file, encoded if it is not there yet.
    pub fn file(self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-media");
        fs::create_dir_all(&folder).expect("a folder for clips");
        let mut hasher = DefaultHasher::new();
        (self, RECIPE_VERSION).hash(&mut hasher);
        let name = format!("source-{:016x}.{}", hasher.finish(), self.ending);
        let path = folder.join(&name);
        if !path.exists() {
            // The file is renamed when it is complete, so that a killed run leaves no half of it.
            let partial = folder.join(format!("{}-{name}", std::process::id()));
            self.encode(&partial);
            fs::rename(&partial, &path).expect("the clip is kept");
        }
        path
    }

    /// Number of pictures.
    fn pictures(self) -> u32 {
        (self.seconds * self.rate.0).div_ceil(self.rate.1)
    }

    fn encode(self, to: &Path) {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-y", "-loglevel", "error"]);
        if !self.video.is_empty() {
            let size = format!("{}x{}", self.size.0, self.size.1);
            let rate = format!("{}/{}", self.rate.0, self.rate.1);
            ffmpeg.args([
                "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", &rate,
            ]);
            ffmpeg.args(["-i", "pipe:0"]);
        }
        if !self.audio.is_empty() {
            let beep = "0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)";
            let graph = format!("aevalsrc=exprs='{beep}|{beep}':sample_rate=48000");
            ffmpeg.args(["-f", "lavfi", "-t", &self.seconds.to_string(), "-i", &graph]);
            ffmpeg.args(self.audio.split_whitespace());
        }
        if !self.video.is_empty() {
            let range = if self.colour.full { "pc" } else { "tv" };
            let convert = format!(
                "scale=out_color_matrix={}:out_range={range}:\
                 flags=accurate_rnd+full_chroma_int+full_chroma_inp,format={}{}",
                self.colour.matrix, self.format, self.filter
            );
            ffmpeg
                .args(["-vf", &convert])
                .args(self.video.split_whitespace());
            if let Some(tag) = self.colour.tag {
                ffmpeg.args([
                    "-colorspace",
                    tag,
                    "-color_primaries",
                    tag,
                    "-color_trc",
                    tag,
                ]);
                ffmpeg.args(["-color_range", range]);
            } else {
                ffmpeg.args(["-color_range", "unknown", "-colorspace", "unknown"]);
            }
        }
        let mut running = ffmpeg
            .arg(to)
            .stdin(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed");
        let mut input = running.stdin.take().expect("piped");
        if !self.video.is_empty() {
            let mut pixels = Vec::new();
            for number in 0..self.pictures() {
                pattern::draw(number, self.size.0, self.size.1, &mut pixels);
                input.write_all(&pixels).expect("ffmpeg takes the pictures");
            }
        }
        drop(input);
        assert!(running.wait().expect("its status").success(), "{ffmpeg:?}");
    }
}
