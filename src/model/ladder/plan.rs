//! The configured ladder, and the plan made of it for one source.

use serde::{Deserialize, Serialize};

use crate::base::units::{Bitrate, FrameRate, gcd};

/// One step of the configured ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Name in addresses and logs, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Pixels of the short side, so a portrait picture keeps its shape.
    pub height: u32,
    /// Frames a second at most.
    pub fps_max: FrameRate,
    /// Video bitrate at this height.
    pub bitrate: Bitrate,
    /// Bitrate of the audio that goes with it.
    pub audio: Bitrate,
}

/// What a source turned out to be: square pixels, after rotation and deinterlacing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Measured or declared rate, not yet rounded to a standard one.
    pub fps: FrameRate,
}

/// What a session makes, fixed for its whole life. Serialised to the worker when it is resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Picture that every input is fitted to; the size of the top rendition.
    pub canvas: Canvas,
    /// Video renditions, top first; never empty.
    pub video: Vec<VideoRendition>,
    /// Audio renditions, one for each distinct bitrate, best first; never empty.
    pub audio: Vec<AudioRendition>,
}

impl Plan {
    /// Least common multiple of the renditions' divisors, in canvas frames: cuts fall on its
    /// multiples, so that every rendition has a frame at each cut.
    pub fn grid(&self) -> u32 {
        let lcm = |a: u32, b: u32| (a / gcd(a, b)).saturating_mul(b);
        self.video.iter().map(|v| v.divisor.max(1)).fold(1, lcm)
    }

    /// Frames per second of each video rendition.
    pub fn rates(&self) -> Vec<f64> {
        let rate = |rendition: &VideoRendition| self.canvas.fps.divided(rendition.divisor).as_f64();
        self.video.iter().map(rate).collect()
    }
}

/// The fixed picture all inputs are fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canvas {
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
    /// Rate of the grid every frame and cut lies on.
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
    /// Index into [`Plan::audio`] of the audio that goes with it.
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
