//! Clips to publish, encoded once and kept in `target/test-media`.
//!
//! A synthetic clip carries, besides a moving picture: the frame's number as a bar code along the
//! top (see [`barcode`]), and in each second's first tenth a white flash at the lower right
//! together with a beep. Film is the Big Buck Bunny cut of `tests/data`, looped and scaled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Raise it when a recipe below changes, so that kept clips are made anew.
const RECIPE_VERSION: u32 = 1;

/// What is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// A test pattern with bar code, flash and beep.
    Synthetic,
    /// Big Buck Bunny.
    Film,
}

/// A clip's properties; the defaults of [`Clip::new`] changed by its methods.
#[derive(Debug, Clone, Copy)]
pub struct Clip {
    width: u32,
    height: u32,
    fps: (u32, u32),
    seconds: u32,
    gop_seconds: u32,
    audio: bool,
    picture: Picture,
}

impl Clip {
    /// 12 s of the synthetic picture, H.264 with B-frames and AAC, a key frame every 2 s.
    pub const fn new(width: u32, height: u32, fps: u32) -> Self {
        Self {
            width,
            height,
            fps: (fps, 1),
            seconds: 12,
            gop_seconds: 2,
            audio: true,
            picture: Picture::Synthetic,
        }
    }

    /// The rate of `fps * 1000 / 1001`.
    pub const fn ntsc(self, fps: u32) -> Self {
        Self {
            fps: (fps * 1000, 1001),
            ..self
        }
    }

    /// A key frame every `seconds`.
    pub const fn gop(self, seconds: u32) -> Self {
        Self {
            gop_seconds: seconds,
            ..self
        }
    }

    /// Lasting `seconds`.
    pub const fn lasting(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// Without a sound track.
    pub const fn silent(self) -> Self {
        Self {
            audio: false,
            ..self
        }
    }

    /// The film instead of the synthetic picture.
    pub const fn film(self) -> Self {
        Self {
            picture: Picture::Film,
            ..self
        }
    }

    /// The clip as an MP4 file; made now when no test has made it before.
    pub fn file(self) -> PathBuf {
        static MAKING: Mutex<()> = Mutex::new(());
        let path = media_dir().join(self.file_name());
        let _one_at_a_time = MAKING
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if !path.exists() {
            // Renamed when whole, so that neither a killed run nor another process leaves half.
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
            picture,
        } = self;
        let picture = format!("{picture:?}").to_lowercase();
        let sound = if audio { "" } else { "-silent" };
        format!(
            "{picture}-{width}x{height}-{num}_{den}fps-{seconds}s-gop{gop_seconds}{sound}\
             -v{RECIPE_VERSION}.mp4"
        )
    }

    fn encode(self, to: &Path) {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-y", "-loglevel", "error"]);
        match self.picture {
            Picture::Synthetic => ffmpeg.args(self.synthetic_inputs()),
            Picture::Film => ffmpeg.args(self.film_inputs()),
        };
        let keyint = (self.gop_seconds * self.fps.0)
            .div_ceil(self.fps.1)
            .to_string();
        ffmpeg.args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-bf",
            "2",
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
        // `n` counts frames, so the flash begins on the very frame of the second.
        let flash = "drawbox=x=iw*3/4:y=ih*3/4:w=iw/4:h=ih/4:t=fill";
        let picture = format!(
            "testsrc2=size={width}x{height}:rate={rate},{flash}:color=black,\
             {flash}:color=white:enable='lt(mod(t,1),0.1)'[picture];\
             {strip}[strip];[picture][strip]overlay=0:0:shortest=1,format=yuv420p[out0]"
        );
        let sound = format!("aevalsrc=exprs='{beep}|{beep}':sample_rate=48000");
        let input = |graph: String| ["-f".into(), "lavfi".into(), "-i".into(), graph];
        [input(picture), input(sound)].concat()
    }

    fn film_inputs(self) -> Vec<String> {
        let Self { width, height, .. } = self;
        let rate = self.rate();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bbb-720p.mp4");
        // Each picture is used once, whatever the rate: 25 fps film shown a little faster.
        let scale = format!("setpts=N/({rate})/TB,fps={rate},scale={width}:{height}");
        ["-stream_loop", "-1", "-i", file, "-vf", &scale]
            .map(String::from)
            .to_vec()
    }
}

fn media_dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-media");
    fs::create_dir_all(&dir).expect("a folder for clips");
    dir
}

/// A frame's number in its picture: a strip along the top, a twelfth of the height, of
/// [`CELLS`](barcode::CELLS) equal cells: white, black, sixteen bits from the highest on, a cell
/// that is white when an odd number of them is set, white.
pub mod barcode {
    /// Cells across.
    pub const CELLS: u32 = 20;
    /// The strip is this part of the height.
    pub const HEIGHT_DIVISOR: u32 = 12;

    /// A filter source that draws the strip for a picture of that size.
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
