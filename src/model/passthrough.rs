//! Pass-through: a source that is good for the top rung is not encoded again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::h264::Sequence;
use crate::base::units::{Bitrate, FrameRate};

/// Whether a source may be passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Policy {
    /// While it is good for the top rung.
    #[default]
    Auto,
    /// Every rung is encoded.
    Never,
}

/// What the top rung takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frame rate of the canvas, which the rung has as well.
    pub fps: FrameRate,
    /// Bits per second.
    pub bitrate: Bitrate,
    /// Canvas frames of the longest segment.
    pub segment_frames: u64,
    /// Canvas frames of a part.
    pub part_frames: u64,
}

impl Rung {
    /// What in the format of a source is against it.
    pub fn obstacle(&self, sequence: &Sequence) -> Option<Obstacle> {
        const SQUARE: Option<(u32, u32)> = Some((1, 1));
        /// BT.709, and "unspecified" (tables E-3 to E-5), which players take for it.
        const BT709: [u32; 2] = [1, 2];
        let size = (sequence.width, sequence.height);
        let square = sequence.pixel.is_none_or(|(x, y)| x == y) || sequence.pixel == SQUARE;
        let colours = sequence.colours.unwrap_or([1, 1, 1]);
        if sequence.chroma != 1 || sequence.bits != (8, 8) {
            Some(Obstacle::Samples)
        } else if !sequence.progressive {
            Some(Obstacle::Interlaced)
        } else if !square {
            Some(Obstacle::Pixels)
        } else if size != (self.width, self.height) {
            Some(Obstacle::Size {
                is: size,
                rung: (self.width, self.height),
            })
        } else if sequence.full_range || !colours.iter().all(|it| BT709.contains(it)) {
            Some(Obstacle::Colours)
        } else {
            None
        }
    }

    /// The longest segment, in seconds.
    fn segment_s(&self) -> f64 {
        self.segment_frames as f64 / self.fps.as_f64()
    }
}

/// Why a source is encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Obstacle {
    /// The configuration says so.
    Never,
    /// No publisher sends pictures.
    NoSource,
    /// It is not H.264, or its configuration cannot be read.
    Codec,
    /// Not 4:2:0 with 8 bits.
    Samples,
    /// Fields instead of frames.
    Interlaced,
    /// Pixels that are not square.
    Pixels,
    /// Another picture size: that of the source, and that of the rung.
    Size {
        /// Width and height of the source in pixels.
        is: (u32, u32),
        /// Width and height of the rung in pixels.
        rung: (u32, u32),
    },
    /// Full range, or colours other than BT.709.
    Colours,
    /// The pictures say that they are to be turned.
    Turned,
    /// Not one picture per frame of the canvas.
    Rate {
        /// The canvas' frames per second, times 1000.
        millihertz: u32,
    },
    /// Its frames came too late.
    Late,
    /// Its frames have come earlier or later than before, and the output has moved with them.
    Unsteady,
    /// Key frames are too far apart.
    KeyFrames {
        /// Longest distance in milliseconds.
        max_ms: u32,
    },
    /// Pictures behind a key frame refer to pictures before it.
    OpenGop,
    /// More pictures are sent in another order than a part can take.
    Reordered,
    /// Too many bits.
    Bitrate {
        /// Measured, in bits per second.
        is: u64,
        /// The rung's bitrate.
        max: u64,
    },
    /// It is good, but has not been for long enough.
    Young,
}

impl Obstacle {
    /// The key frames of the source are too far apart for `rung`.
    pub fn key_frames(rung: &Rung) -> Self {
        Self::KeyFrames {
            max_ms: (rung.segment_s() * 1000.0) as u32,
        }
    }

    /// The source has another rate than the canvas.
    pub fn rate(rung: &Rung) -> Self {
        Self::Rate {
            millihertz: (rung.fps.as_f64() * 1000.0) as u32,
        }
    }

    /// Whether it is the same obstacle, perhaps with other figures.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// What to set in OBS, in the words of its settings; `None` where no setting helps.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Never | Self::NoSource | Self::Young => return None,
            Self::Late | Self::Unsteady => "a lower bitrate, or a better network".to_owned(),
            Self::Codec => "Video Encoder: x264 or another H.264 encoder".to_owned(),
            Self::Samples => "Color Format: NV12 (8-bit, 4:2:0)".to_owned(),
            Self::Interlaced => "send progressive pictures".to_owned(),
            Self::Pixels => "send square pixels".to_owned(),
            Self::Size {
                rung: (width, height),
                ..
            } => format!("Output (Scaled) Resolution: {width}x{height}"),
            Self::Colours => "Color Space: Rec. 709, Color Range: Limited".to_owned(),
            Self::Turned => "turn the picture before it is sent".to_owned(),
            Self::Rate { millihertz } => {
                let rate = f64::from(*millihertz) / 1000.0;
                format!("Common FPS Values: {rate}")
            }
            Self::KeyFrames { max_ms } => {
                let whole = (max_ms / 1000).max(1);
                format!("Keyframe Interval: {whole} s")
            }
            Self::OpenGop => "x264 Options: open-gop=0".to_owned(),
            Self::Reordered => "Max B-frames: 2".to_owned(),
            Self::Bitrate { max, .. } => format!("Bitrate: {} Kbps", max / 1000),
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("the configuration says `passthrough = \"never\"`"),
            Self::NoSource => f.write_str("no publisher sends pictures"),
            Self::Codec => f.write_str("the source is not H.264"),
            Self::Samples => f.write_str("the pictures are not 4:2:0 with 8 bits"),
            Self::Interlaced => f.write_str("the pictures are interlaced"),
            Self::Pixels => f.write_str("the pixels are not square"),
            Self::Size { is, rung } => write!(
                f,
                "the pictures have {}x{} pixels, and the top rung has {}x{}",
                is.0, is.1, rung.0, rung.1
            ),
            Self::Colours => f.write_str("the colours are not BT.709 in limited range"),
            Self::Turned => f.write_str("the pictures are to be turned"),
            Self::Rate { millihertz } => write!(
                f,
                "the source does not send a picture for each of the {} frames per second",
                f64::from(*millihertz) / 1000.0
            ),
            Self::Late => f.write_str("the source's frames came too late"),
            Self::Unsteady => f.write_str("the source's frames come earlier or later than before"),
            Self::KeyFrames { max_ms } => write!(
                f,
                "the key frames are more than {} s apart",
                f64::from(*max_ms) / 1000.0
            ),
            Self::OpenGop => f.write_str("key frames do not begin closed groups of pictures"),
            Self::Reordered => f.write_str("the source sends too many B-frames in a row"),
            Self::Bitrate { is, max } => write!(
                f,
                "the source has {} kbit/s, and the top rung {} kbit/s",
                is / 1000,
                max / 1000
            ),
            Self::Young => f.write_str("the source has to be good for the top rung for a while"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNG: Rung = Rung {
        width: 1280,
        height: 720,
        fps: FrameRate::whole(30),
        bitrate: Bitrate::from_bps(2_800_000),
        segment_frames: 60,
        part_frames: 6,
    };
    const GOOD: Sequence = Sequence {
        width: 1280,
        height: 720,
        chroma: 1,
        bits: (8, 8),
        progressive: true,
        pixel: Some((1, 1)),
        full_range: false,
        colours: Some([1, 1, 1]),
    };

    #[test]
    fn only_the_format_of_the_rung_passes() {
        let odd = |change: fn(&mut Sequence)| {
            let mut sequence = GOOD;
            change(&mut sequence);
            RUNG.obstacle(&sequence)
        };
        assert_eq!(odd(|_| ()), None);
        assert_eq!(odd(|it| it.pixel = None), None);
        assert_eq!(odd(|it| it.colours = Some([2, 2, 2])), None);
        assert_eq!(odd(|it| it.chroma = 2), Some(Obstacle::Samples));
        assert_eq!(odd(|it| it.bits.0 = 10), Some(Obstacle::Samples));
        assert_eq!(odd(|it| it.progressive = false), Some(Obstacle::Interlaced));
        assert_eq!(odd(|it| it.pixel = Some((4, 3))), Some(Obstacle::Pixels));
        assert_eq!(odd(|it| it.full_range = true), Some(Obstacle::Colours));
        assert_eq!(
            odd(|it| it.colours = Some([5, 6, 5])),
            Some(Obstacle::Colours)
        );
        let size = Obstacle::Size {
            is: (1920, 720),
            rung: (1280, 720),
        };
        assert_eq!(odd(|it| it.width = 1920), Some(size));
    }

    /// What the API says, in the words of OBS' settings.
    #[test]
    fn an_obstacle_says_what_to_set() {
        let said = |it: Obstacle| (it.to_string(), it.advice().unwrap_or_default());
        for (obstacle, why, advice) in [
            (
                Obstacle::key_frames(&RUNG),
                "the key frames are more than 2 s apart",
                "Keyframe Interval: 2 s",
            ),
            (
                Obstacle::rate(&RUNG),
                "the source does not send a picture for each of the 30 frames per second",
                "Common FPS Values: 30",
            ),
            (
                Obstacle::Size {
                    is: (1920, 1080),
                    rung: (1280, 720),
                },
                "the pictures have 1920x1080 pixels, and the top rung has 1280x720",
                "Output (Scaled) Resolution: 1280x720",
            ),
            (
                Obstacle::Bitrate {
                    is: 6_000_000,
                    max: 2_800_000,
                },
                "the source has 6000 kbit/s, and the top rung 2800 kbit/s",
                "Bitrate: 2800 Kbps",
            ),
        ] {
            assert_eq!(said(obstacle), (why.to_owned(), advice.to_owned()));
        }
    }
}
