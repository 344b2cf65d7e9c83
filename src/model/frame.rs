//! Encoded media on its way from an ingest to a worker.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a publisher sends; sent again whenever it changes in mid-stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InputFormat {
    /// Video, once its configuration is known.
    pub video: Option<VideoFormat>,
    /// Audio, once its configuration is known.
    pub audio: Option<AudioFormat>,
}

/// Codec of an encoded video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VideoCodec {
    /// H.264 in length-prefixed NAL units (`avc`).
    H264,
    /// HEVC in length-prefixed NAL units (`hvc1`).
    H265,
}

/// An encoded video track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoFormat {
    /// Codec.
    pub codec: VideoCodec,
    /// `AVCDecoderConfigurationRecord` or `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15).
    pub config: Bytes,
    /// Frames a second times 1000 as announced in `onMetaData`, when it is plausible.
    pub fps_milli_hint: Option<u32>,
}

/// Codec of an encoded audio track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AudioCodec {
    /// AAC, raw access units.
    Aac,
}

/// An encoded audio track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFormat {
    /// Codec.
    pub codec: AudioCodec,
    /// `AudioSpecificConfig` (ISO/IEC 14496-3).
    pub config: Bytes,
}

/// Which track of the input a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Track {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

/// One access unit. Times are of the publisher's own clock, already free of wrap-around.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedFrame {
    /// Its track.
    pub track: Track,
    /// Presentation time in nanoseconds.
    pub pts_ns: i64,
    /// Decode time in nanoseconds, never falling within a track.
    pub dts_ns: i64,
    /// Decoding may start here.
    pub key: bool,
    /// The access unit.
    pub data: Bytes,
}
