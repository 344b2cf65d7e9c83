//! The headers of audio and video messages: FLV tags (Video File Format Specification 10.1, annex
//! E) and those of Enhanced RTMP (veovera.org, E-RTMP v2).

use std::fmt;

use bytes::Bytes;

use super::cursor::{Cursor, keep};
use crate::model::frame::{AudioCodec, VideoCodec};

/// The content of an audio or video message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag<Codec> {
    /// The codec's configuration record.
    Config(Codec, Bytes),
    /// One access unit.
    Frame {
        /// Codec of the access unit.
        codec: Codec,
        /// Whether decoding can start at this access unit.
        key: bool,
        /// Presentation time minus decode time, in milliseconds.
        composition_ms: i32,
        /// The access unit.
        data: Bytes,
    },
    /// No access unit: the end of a sequence, a command to a player, or metadata.
    Nothing,
}

/// Why an audio or video message cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// The message is cut short.
    #[error("a media message is cut short")]
    Truncated,
    /// Its codec or packaging is not supported.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// A codec or packaging that is not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    kind: &'static str,
    name: String,
    supported: &'static str,
}

impl Unsupported {
    fn video(name: impl Into<String>) -> TagError {
        TagError::Unsupported(Self {
            kind: "video",
            name: name.into(),
            supported: "H.264, or HEVC by Enhanced RTMP",
        })
    }

    fn audio(name: impl Into<String>) -> TagError {
        TagError::Unsupported(Self {
            kind: "audio",
            name: name.into(),
            supported: "AAC",
        })
    }
}

impl std::error::Error for Unsupported {}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            supported,
        } = self;
        write!(f, "{kind} codec {name} is not supported; send {supported}")
    }
}

/// Reads a video message.
///
/// # Errors
/// A [`TagError`]; an empty message is [`TagError::Truncated`].
pub fn parse_video(payload: &Bytes) -> Result<Tag<VideoCodec>, TagError> {
    let mut cursor = Cursor::new(payload);
    let head = cursor.u8().ok_or(TagError::Truncated)?;
    // E-RTMP: the first bit, which is zero in all frame types of FLV, marks the extended header.
    if head & 0x80 != 0 {
        return enhanced_video(payload, cursor, head >> 4 & 7, head & 15);
    }
    let frame_type = head >> 4;
    // Frame type 5 is a command to the player, such as the start of a seek.
    if frame_type == 5 {
        return Ok(Tag::Nothing);
    }
    let codec = match head & 15 {
        7 => VideoCodec::H264,
        // HEVC is not in the specification; encoders used this number before Enhanced RTMP.
        12 => VideoCodec::H265,
        other => return Err(Unsupported::video(legacy_video_name(other))),
    };
    let packet_type = cursor.u8().ok_or(TagError::Truncated)?;
    let composition_ms = cursor.i24().ok_or(TagError::Truncated)?;
    let data = rest(payload, &cursor);
    Ok(match packet_type {
        0 => Tag::Config(codec, data),
        1 => Tag::Frame {
            codec,
            key: frame_type == 1,
            composition_ms,
            data,
        },
        _ => Tag::Nothing,
    })
}

/// Packet types of E-RTMP; video and audio share the numbers used here.
mod packet_type {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const CODED_FRAMES_X: u8 = 3;
    pub(super) const VIDEO_METADATA: u8 = 4;
    pub(super) const AUDIO_MULTITRACK: u8 = 5;
    pub(super) const VIDEO_MULTITRACK: u8 = 6;
    pub(super) const MOD_EX: u8 = 7;
}

fn enhanced_video(
    payload: &Bytes,
    mut cursor: Cursor<'_>,
    frame_type: u8,
    head_type: u8,
) -> Result<Tag<VideoCodec>, TagError> {
    let packet_type = skip_mod_ex(&mut cursor, head_type)?;
    // "signal video command": one byte follows, and no codec.
    if frame_type == 5 && packet_type != packet_type::VIDEO_METADATA {
        return Ok(Tag::Nothing);
    }
    if packet_type == packet_type::VIDEO_MULTITRACK {
        return Err(Unsupported::video("in multitrack packets"));
    }
    let fourcc = cursor.array::<4>().ok_or(TagError::Truncated)?;
    let codec = match &fourcc {
        b"hvc1" => VideoCodec::H265,
        b"avc1" => VideoCodec::H264,
        _ => return Err(Unsupported::video(fourcc_name(fourcc))),
    };
    let composition_ms = match packet_type {
        packet_type::SEQUENCE_START => return Ok(Tag::Config(codec, rest(payload, &cursor))),
        packet_type::CODED_FRAMES => cursor.i24().ok_or(TagError::Truncated)?,
        // "SI24 compositionTimeOffset is implied to equal zero".
        packet_type::CODED_FRAMES_X => 0,
        _ => return Ok(Tag::Nothing),
    };
    Ok(Tag::Frame {
        codec,
        key: frame_type == 1,
        composition_ms,
        data: rest(payload, &cursor),
    })
}

/// Reads an audio message.
///
/// # Errors
/// A [`TagError`]; an empty message is [`TagError::Truncated`].
pub fn parse_audio(payload: &Bytes) -> Result<Tag<AudioCodec>, TagError> {
    /// Sound format of AAC in FLV.
    const AAC: u8 = 10;
    /// Sound format that marks the extended header of E-RTMP.
    const EXTENDED: u8 = 9;
    let mut cursor = Cursor::new(payload);
    let head = cursor.u8().ok_or(TagError::Truncated)?;
    let packet_type = match head >> 4 {
        AAC => cursor.u8().ok_or(TagError::Truncated)?,
        EXTENDED => {
            let packet_type = skip_mod_ex(&mut cursor, head & 15)?;
            if packet_type == packet_type::AUDIO_MULTITRACK {
                return Err(Unsupported::audio("in multitrack packets"));
            }
            let fourcc = cursor.array::<4>().ok_or(TagError::Truncated)?;
            if &fourcc != b"mp4a" {
                return Err(Unsupported::audio(fourcc_name(fourcc)));
            }
            packet_type
        }
        other => return Err(Unsupported::audio(legacy_audio_name(other))),
    };
    let data = rest(payload, &cursor);
    Ok(match packet_type {
        packet_type::SEQUENCE_START => Tag::Config(AudioCodec::Aac, data),
        packet_type::CODED_FRAMES => Tag::Frame {
            codec: AudioCodec::Aac,
            key: true,
            composition_ms: 0,
            data,
        },
        _ => Tag::Nothing,
    })
}

/// Skips the `ModEx` prefixes of E-RTMP v2, which carry hints such as the nanoseconds of the
/// timestamp, and returns the packet type after them.
fn skip_mod_ex(cursor: &mut Cursor<'_>, head_type: u8) -> Result<u8, TagError> {
    let mut packet_type = head_type;
    while packet_type == packet_type::MOD_EX {
        packet_type = skip_one_mod_ex(cursor).ok_or(TagError::Truncated)?;
    }
    Ok(packet_type)
}

fn skip_one_mod_ex(cursor: &mut Cursor<'_>) -> Option<u8> {
    // "modExDataSize = UI8 + 1; if modExDataSize == 256, modExDataSize = UI16 + 1".
    let mut data_bytes = usize::from(cursor.u8()?) + 1;
    if data_bytes == 256 {
        data_bytes = usize::from(cursor.u16()?) + 1;
    }
    cursor.take(data_bytes)?;
    Some(cursor.u8()? & 15)
}

fn rest(payload: &Bytes, cursor: &Cursor<'_>) -> Bytes {
    keep(payload, cursor.rest())
}

fn legacy_video_name(codec: u8) -> String {
    match codec {
        1 => "JPEG".into(),
        2 => "Sorenson H.263".into(),
        3 | 6 => "Screen Video".into(),
        4 | 5 => "VP6".into(),
        13 => "AV1 (FLV codec 13)".into(),
        other => format!("number {other} of FLV"),
    }
}

fn legacy_audio_name(format: u8) -> String {
    match format {
        0 | 3 => "PCM".into(),
        1 => "ADPCM".into(),
        2 | 14 => "MP3".into(),
        4..=6 => "Nellymoser".into(),
        7 | 8 => "G.711".into(),
        11 => "Speex".into(),
        13 => "Opus (FLV format 13)".into(),
        other => format!("number {other} of FLV"),
    }
}

/// A name for logs and statuses: printable ASCII, whatever the publisher sent.
fn fourcc_name(fourcc: [u8; 4]) -> String {
    let name = match &fourcc {
        b"av01" => "AV1 ",
        b"vp09" => "VP9 ",
        b"vp08" => "VP8 ",
        b"vvc1" => "VVC ",
        b"Opus" => "Opus ",
        b"fLaC" => "FLAC ",
        b"ac-3" => "AC-3 ",
        b"ec-3" => "E-AC-3 ",
        b".mp3" => "MP3 ",
        _ => "",
    };
    format!("{name}(fourcc {})", fourcc.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Video = Result<Tag<VideoCodec>, TagError>;

    fn video(bytes: &'static [u8]) -> Video {
        parse_video(&Bytes::from_static(bytes))
    }

    fn audio(bytes: &'static [u8]) -> Result<Tag<AudioCodec>, TagError> {
        parse_audio(&Bytes::from_static(bytes))
    }

    fn frame<C>(codec: C, key: bool, composition_ms: i32, data: &'static [u8]) -> Tag<C> {
        Tag::Frame {
            codec,
            key,
            composition_ms,
            data: Bytes::from_static(data),
        }
    }

    #[test]
    fn video_tags() {
        use VideoCodec::{H264, H265};
        let config = |codec| Ok(Tag::Config(codec, Bytes::from_static(b"C")));
        let cases: [(&[u8], Video); 14] = [
            (b"\x17\x00\0\0\0C", config(H264)),
            (b"\x17\x01\0\0\x28D", Ok(frame(H264, true, 40, b"D"))),
            (b"\x27\x01\xff\xff\xffD", Ok(frame(H264, false, -1, b"D"))),
            (b"\x17\x02\0\0\0", Ok(Tag::Nothing)),
            (b"\x57\0", Ok(Tag::Nothing)),
            (b"\x1c\x00\0\0\0C", config(H265)),
            (b"\x90hvc1C", config(H265)),
            (b"\x91hvc1\0\0\x50D", Ok(frame(H265, true, 80, b"D"))),
            (b"\xa3hvc1D", Ok(frame(H265, false, 0, b"D"))),
            (b"\xa1avc1\0\0\0D", Ok(frame(H264, false, 0, b"D"))),
            (b"\x92hvc1", Ok(Tag::Nothing)),
            (b"\xd0\0", Ok(Tag::Nothing)),
            (b"\x97\x02abc\x03hvc1D", Ok(frame(H265, true, 0, b"D"))),
            (b"\x97\xff\0\x01ab\x00hvc1C", config(H265)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(video(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn audio_tags() {
        let config = Ok(Tag::Config(AudioCodec::Aac, Bytes::from_static(b"C")));
        let data = Ok(frame(AudioCodec::Aac, true, 0, b"D"));
        assert_eq!(audio(b"\xaf\x00C"), config);
        assert_eq!(audio(b"\xaf\x01D"), data);
        assert_eq!(audio(b"\x90mp4aC"), config);
        assert_eq!(audio(b"\x91mp4aD"), data);
        assert_eq!(audio(b"\x92mp4a"), Ok(Tag::Nothing));
    }

    #[test]
    fn short_tags_are_truncated() {
        for bytes in [
            &b""[..],
            b"\x17",
            b"\x17\x01\0\0",
            b"\x91hvc",
            b"\x91hvc1\0",
            b"\x97\x05a",
        ] {
            assert_eq!(video(bytes), Err(TagError::Truncated), "{bytes:?}");
        }
        for bytes in [&b""[..], b"\xaf", b"\x91mp4"] {
            assert_eq!(audio(bytes), Err(TagError::Truncated), "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_does_not_keep_what_was_packed_around_it() {
        let mod_ex = [b"\x97\xff\x03\xe7".as_slice(), &[0; 1000], b"\x03hvc1D"].concat();
        let payload = Bytes::from(mod_ex);
        let tag = parse_video(&payload).unwrap();
        assert_eq!(tag, frame(VideoCodec::H265, true, 0, b"D"));
        assert!(payload.is_unique());
    }

    #[test]
    fn other_codecs_are_named_and_say_what_is_supported() {
        let cases = [
            (video(b"\x12\0").err(), "Sorenson H.263"),
            (video(b"\x90av01").err(), "AV1 (fourcc av01)"),
            (video(b"\x90\n\x1b[m").err(), r"(fourcc \n\x1b[m)"),
            (video(b"\x96\x00hvc1").err(), "in multitrack packets"),
            (audio(b"\x2f").err(), "MP3"),
            (audio(b"\x90Opus").err(), "Opus (fourcc Opus)"),
            (audio(b"\x95\x00mp4a").err(), "in multitrack packets"),
        ];
        for (error, name) in cases {
            let text = error.unwrap().to_string();
            assert!(
                text.contains(&format!("codec {name} is not supported; send")),
                "{text}"
            );
        }
    }
}
