//! The configured ladder, and the plan of renditions made from it for one source.

use serde::{Deserialize, Serialize};

use crate::base::units::{Bitrate, FrameRate, gcd};

/// One step of the configured ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Name in addresses and logs, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Pixels of the short side: the width of a portrait picture.
    pub height: u32,
    /// Highest frame rate.
    pub fps_max: FrameRate,
    /// Video bitrate at this height.
    pub bitrate: Bitrate,
    /// Bitrate of the audio played with this rung.
    pub audio: Bitrate,
}

/// Picture size and frame rate of a source, in square pixels, after rotation and deinterlacing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Measured or declared rate, not yet rounded to a standard one.
    pub fps: FrameRate,
}

/// The renditions of one session; fixed until the session ends. A worker that resumes a session
/// receives its plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Picture format that every input is fitted to; has the size of the top rendition.
    pub canvas: Canvas,
    /// Video renditions, top first; never empty.
    pub video: Vec<VideoRendition>,
    /// Audio renditions, one per distinct bitrate, best first; never empty.
    pub audio: Vec<AudioRendition>,
}

impl Plan {
    /// Least common multiple of the renditions' divisors, in canvas frames. Cuts fall on multiples
    /// of it, so that every rendition has a frame at each cut.
    pub fn grid(&self) -> u32 {
        let lcm = |a: u32, b: u32| (a / gcd(a, b)).saturating_mul(b);
        self.video.iter().map(|v| v.divisor.max(1)).fold(1, lcm)
    }

    /// The audio played with a video rendition; `None` only if the plan has no audio.
    pub fn audio_of(&self, video: &VideoRendition) -> Option<&AudioRendition> {
        self.audio.get(video.audio).or(self.audio.first())
    }

    /// Pixels per second of each video rendition.
    pub fn pixel_rates(&self) -> Vec<f64> {
        let pixels = |video: &VideoRendition| f64::from(video.width) * f64::from(video.height);
        let rates = self.video.iter().map(pixels).zip(self.rates());
        rates.map(|(pixels, rate)| pixels * rate).collect()
    }

    /// Frame rate of each video rendition, in frames per second.
    pub fn rates(&self) -> Vec<f64> {
        let rate = |rendition: &VideoRendition| self.canvas.fps.divided(rendition.divisor).as_f64();
        self.video.iter().map(rate).collect()
    }
}

/// The fixed picture format that all inputs are fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canvas {
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
    /// Frame rate. All frames and cuts lie on its grid.
    pub fps: FrameRate,
}

/// One encoded video track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoRendition {
    /// The rung's name.
    pub name: String,
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
    /// Every `divisor`-th frame of the canvas is encoded.
    pub divisor: u32,
    /// Target bitrate.
    pub bitrate: Bitrate,
    /// Index into [`Plan::audio`] of the audio played with it.
    pub audio: usize,
}

/// One encoded audio track, 48 kHz stereo AAC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioRendition {
    /// Name in addresses, such as `audio-128k`.
    pub name: String,
    /// Target bitrate.
    pub bitrate: Bitrate,
}
