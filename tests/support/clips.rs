//! Clips to publish, encoded once and kept in `target/test-media`.
//!
//! A synthetic clip shows a moving picture, the frame number as a bar code along the top (see
//! [`barcode`]), and a white flash at the lower right during the first tenth of every second,
//! together with a beep.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Raise this number when a recipe below changes, so that kept clips are encoded again.
const RECIPE_VERSION: u32 = 1;

/// Properties of a clip. Start from [`Clip::new`] and change them with the methods.
#[derive(Debug, Clone, Copy)]
pub struct Clip {
    width: u32,
    height: u32,
    fps: (u32, u32),
    seconds: u32,
    gop_seconds: u32,
    audio: bool,
    grey: bool,
    b_frames: bool,
}

impl Clip {
    /// 12 s of the synthetic picture: H.264 with B-frames and a key frame every 2 s, and AAC sound.
    pub const fn new(width: u32, height: u32, fps: u32) -> Self {
        Self {
            width,
            height,
            fps: (fps, 1),
            seconds: 12,
            gop_seconds: 2,
            audio: true,
            grey: false,
            b_frames: true,
        }
    }

    /// Changes the frame rate to `fps * 1000 / 1001`.
    pub const fn ntsc(self, fps: u32) -> Self {
        Self {
            fps: (fps * 1000, 1001),
            ..self
        }
    }

    /// Changes the distance of key frames to `seconds`.
    pub const fn gop(self, seconds: u32) -> Self {
        Self {
            gop_seconds: seconds,
            ..self
        }
    }

    /// Changes the duration to `seconds`.
    pub const fn lasting(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// Removes the sound track.
    pub const fn silent(self) -> Self {
        Self {
            audio: false,
            ..self
        }
    }

    /// Turns the picture into shades of grey; `probe::saturation` tells it from a coloured clip.
    pub const fn grey(self) -> Self {
        Self { grey: true, ..self }
    }

    /// Sends pictures in the order in which they are shown.
    pub const fn without_b_frames(self) -> Self {
        Self {
            b_frames: false,
            ..self
        }
    }

    /// Returns the clip as an MP4 file, and encodes it if no earlier test has done so.
    pub fn file(self) -> PathBuf {
        static MAKING: Mutex<()> = Mutex::new(());
        let path = media_dir().join(self.file_name());
        let _one_at_a_time = MAKING
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if !path.exists() {
            // The file is renamed when it is complete: a killed run or a second process must not
            // leave half a file.
            let partial = media_dir().join(format!("{}-{}", std::process::id(), self.file_name()));
            self.encode(&partial);
            fs::rename(&partial, &path).expect("the clip is kept");
        }
        path
    }

    fn file_name(self) -> String {
        let Self {
            width,
            height,
            fps: (num, den),
            seconds,
            gop_seconds,
            audio,
            grey,
            b_frames,
        } = self;
        let sound = if audio { "" } else { "-silent" };
        let colour = if grey { "-grey" } else { "" };
        let order = if b_frames { "" } else { "-ordered" };
        format!(
            "synthetic-{width}x{height}-{num}_{den}fps-{seconds}s-gop{gop_seconds}{sound}{colour}{order}\
             -v{RECIPE_VERSION}.mp4"
        )
    }

    fn encode(self, to: &Path) {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-y", "-loglevel", "error"]);
        ffmpeg.args(self.synthetic_inputs());
        let keyint = (self.gop_seconds * self.fps.0)
            .div_ceil(self.fps.1)
            .to_string();
        ffmpeg.args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-bf",
            if self.b_frames { "2" } else { "0" },
            "-pix_fmt",
            "yuv420p",
        ]);
        ffmpeg.args(["-g", &keyint, "-keyint_min", &keyint, "-sc_threshold", "0"]);
        if self.audio {
            ffmpeg.args(["-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"]);
        } else {
            ffmpeg.arg("-an");
        }
        ffmpeg
            .args(["-t", &self.seconds.to_string(), "-movflags", "+faststart"])
            .arg(to);
        let done = ffmpeg.status().expect("ffmpeg is installed");
        assert!(done.success(), "{ffmpeg:?}");
    }

    fn rate(self) -> String {
        format!("{}/{}", self.fps.0, self.fps.1)
    }

    fn synthetic_inputs(self) -> Vec<String> {
        let Self { width, height, .. } = self;
        let rate = self.rate();
        let beep = "0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)";
        let strip = barcode::source_filter(&rate, width, height);
        // `mod(t,1)` restarts exactly on the frame that begins a second, so the flash does too.
        let flash = "drawbox=x=iw*3/4:y=ih*3/4:w=iw/4:h=ih/4:t=fill";
        let colour = if self.grey { ",hue=s=0" } else { "" };
        let picture = format!(
            "testsrc2=size={width}x{height}:rate={rate},{flash}:color=black,\
             {flash}:color=white:enable='lt(mod(t,1),0.1)'{colour}[picture];\
             {strip}[strip];[picture][strip]overlay=0:0:shortest=1,format=yuv420p[out0]"
        );
        let sound = format!("aevalsrc=exprs='{beep}|{beep}':sample_rate=48000");
        let input = |graph: String| ["-f".into(), "lavfi".into(), "-i".into(), graph];
        [input(picture), input(sound)].concat()
    }
}

fn media_dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-media");
    fs::create_dir_all(&dir).expect("a folder for clips");
    dir
}

/// The frame number in the picture: a strip along the top, a twelfth of the height, of
/// [`CELLS`](barcode::CELLS) equal cells. The cells are: white, black, sixteen bits with the
/// highest first, a parity cell that is white when an odd number of bits is set, white.
pub mod barcode {
    /// Number of cells.
    pub const CELLS: u32 = 20;
    /// The strip's height is the picture's height divided by this.
    pub const HEIGHT_DIVISOR: u32 = 12;

    /// An ffmpeg filter source that draws the strip for a picture of that size.
    pub fn source_filter(rate: &str, width: u32, height: u32) -> String {
        let bit = |n: u32| format!("mod(floor(N/{}),2)", 1u32 << n);
        let parity: Vec<String> = (0..16).map(bit).collect();
        let parity = format!("mod({},2)", parity.join("+"));
        let bits = "mod(floor(N/pow(2,17-X)),2)";
        let value =
            format!("255*if(eq(X,0)+eq(X,19),1,if(eq(X,1),0,if(eq(X,18),{parity},{bits})))");
        let strip_height = height / HEIGHT_DIVISOR;
        format!(
            "nullsrc=size={CELLS}x1:rate={rate},format=gray,geq=lum='{value}',\
             scale={width}:{strip_height}:flags=neighbor"
        )
    }
}
