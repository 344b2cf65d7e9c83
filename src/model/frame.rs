//! Encoded media on its way from an ingest to a worker.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Formats of a publisher's tracks; sent again whenever one of them changes in mid-stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InputFormat {
    /// Video, once its configuration is known.
    pub video: Option<VideoFormat>,
    /// Audio, once its configuration is known.
    pub audio: Option<AudioFormat>,
    /// The publisher has said that pictures come, but their configuration is not known yet.
    pub video_announced: bool,
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
    /// Frames per second times 1000, if RTMP's `onMetaData` announced a plausible rate.
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

/// One access unit (an encoded picture or audio frame). Times are on the publisher's own clock,
/// with wrap-around removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedFrame {
    /// Track it belongs to.
    pub track: Track,
    /// Presentation time in nanoseconds.
    pub pts_ns: i64,
    /// Decode time in nanoseconds; never decreases within a track.
    pub dts_ns: i64,
    /// Decoding can start at this frame.
    pub key: bool,
    /// The access unit.
    pub data: Bytes,
}
