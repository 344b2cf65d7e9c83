//! Messages as bytes: a `u32` length in network byte order, then postcard.
//!
//! [`encode`] and [`decode`] are pure; [`Codec`] gives them to tokio (the daemon's side),
//! [`read_message`] and [`write_message`] to blocking readers and writers (the worker's side).
//! Neither side trusts the other: lengths are checked before anything is reserved for them, and a
//! message without media is bounded far below one with media by its first byte, before the rest of it
//! is read.

use std::io::{self, Read, Write};
use std::marker::PhantomData;

use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

use super::protocol::{MESSAGE_BYTES_MAX, Message};

/// Bytes of the length in front of every message.
const HEADER_BYTES: usize = 4;
/// Most bytes reserved for a message of which only the length has arrived.
const RESERVE_BYTES_MAX: usize = 256 * 1024;

/// Why a message cannot be decoded or encoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The length is above what the kind of message may have, see [`Message::bytes_max`].
    #[error("a message of {bytes} bytes, more than {bytes_max}")]
    TooLong {
        /// Bytes that were announced.
        bytes: usize,
        /// Bytes that are accepted.
        bytes_max: usize,
    },
    /// Not the postcard encoding of the message expected here.
    #[error("not a message: {0}")]
    Malformed(#[from] postcard::Error),
    /// Bytes are left over after the message.
    #[error("{0} bytes too many after a message")]
    Trailing(usize),
    /// The socket failed, or ended inside a message.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Encodes a message behind its length.
///
/// # Errors
/// [`Error::TooLong`] above what the kind of message may have.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, Error> {
    let mut out = postcard::to_extend(message, vec![0; HEADER_BYTES])?;
    let bytes = out.len().saturating_sub(HEADER_BYTES);
    check::<M>(bytes, out.get(HEADER_BYTES).copied())?;
    let bytes_max = MESSAGE_BYTES_MAX;
    let length = u32::try_from(bytes).map_err(|_| Error::TooLong { bytes, bytes_max })?;
    if let Some(header) = out.first_chunk_mut::<HEADER_BYTES>() {
        *header = length.to_be_bytes();
    }
    Ok(out)
}

/// Removes the next message from the front of `buffer`; `None` when more bytes are needed.
///
/// # Errors
/// [`Error`]; the connection must not be used afterwards.
pub fn decode<M: Message>(buffer: &mut BytesMut) -> Result<Option<M>, Error> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let (bytes, kind) = (body_bytes(*header), buffer.get(HEADER_BYTES).copied());
    check::<M>(bytes, kind)?;
    if buffer.len() - HEADER_BYTES < bytes {
        // Until its kind has come, a message may be one that has few bytes.
        let reserved = if kind.is_some() { RESERVE_BYTES_MAX } else { 1 };
        buffer.reserve(bytes.min(reserved));
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    parse(&buffer.split_to(bytes)).map(Some)
}

/// Reads one message; `None` when the other side closed the socket between two messages.
///
/// # Errors
/// [`Error`]; the connection must not be used afterwards.
pub fn read_message<M: Message>(reader: &mut impl Read) -> Result<Option<M>, Error> {
    let header = take(reader, HEADER_BYTES, HEADER_BYTES)?;
    if header.is_empty() {
        return Ok(None);
    }
    let header = header.first_chunk().ok_or(io::ErrorKind::UnexpectedEof);
    let bytes = body_bytes(*header.map_err(io::Error::from)?);
    check::<M>(bytes, None)?;
    let mut body = take(reader, bytes.min(1), 1)?;
    check::<M>(bytes, body.first().copied())?;
    body.append(&mut take(
        reader,
        bytes.saturating_sub(1),
        RESERVE_BYTES_MAX,
    )?);
    if body.len() < bytes {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    parse(&body).map(Some)
}

/// Reads `bytes`, or fewer at the end, with room for `reserved` of them from the start.
fn take(reader: &mut impl Read, bytes: usize, reserved: usize) -> Result<Vec<u8>, Error> {
    let mut taken = Vec::with_capacity(bytes.min(reserved));
    reader.take(bytes as u64).read_to_end(&mut taken)?;
    Ok(taken)
}

/// Writes one message and flushes.
///
/// # Errors
/// [`Error::TooLong`] before anything is written, [`Error::Io`] from the writer.
pub fn write_message<M: Message>(writer: &mut impl Write, message: &M) -> Result<(), Error> {
    writer.write_all(&encode(message)?)?;
    Ok(writer.flush()?)
}

fn body_bytes(header: [u8; HEADER_BYTES]) -> usize {
    usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX)
}

/// Checks the length of a message. Its `kind` is its first byte: "The discriminant […] is encoded as
/// a varint(u32)" (postcard's wire format), and no enum here has 128 variants.
fn check<M: Message>(bytes: usize, kind: Option<u8>) -> Result<(), Error> {
    let bytes_max = kind.map_or(MESSAGE_BYTES_MAX, M::bytes_max);
    if bytes > bytes_max {
        return Err(Error::TooLong { bytes, bytes_max });
    }
    Ok(())
}

fn parse<M: Message>(body: &[u8]) -> Result<M, Error> {
    match postcard::take_from_bytes(body)? {
        (message, []) => Ok(message),
        (_, rest) => Err(Error::Trailing(rest.len())),
    }
}

/// Decodes messages of type `M` from a tokio reader.
#[derive(Debug)]
pub struct Codec<M>(PhantomData<fn() -> M>);

impl<M> Default for Codec<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Message> Decoder for Codec<M> {
    type Item = M;
    type Error = Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<M>, Error> {
        decode(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::model::frame::{EncodedFrame, Track};
    use crate::model::hls::{Part, TrackId};
    use crate::wire::protocol::{
        FromWorker, InputState, InputStats, Level, Log, RungStats, Stats, ToWorker, WORD_BYTES_MAX,
    };

    fn data() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
    }

    fn to_worker() -> impl Strategy<Value = ToWorker> {
        let frame = (any::<(bool, bool, i64, i64)>(), data()).prop_map(|(head, data)| {
            let (video, key, pts_ns, dts_ns) = head;
            let track = if video { Track::Video } else { Track::Audio };
            ToWorker::Frame(EncodedFrame {
                track,
                pts_ns,
                dts_ns,
                key,
                data,
            })
        });
        prop_oneof![
            any::<u16>().prop_map(|version| ToWorker::Hello { version }),
            Just(ToWorker::InputClosed),
            Just(ToWorker::Finish),
            frame,
        ]
    }

    fn from_worker() -> impl Strategy<Value = FromWorker> {
        let part = (any::<(u8, u64, u32, u32, bool, bool)>(), data()).prop_map(|(head, data)| {
            let (track, msn, index, millis, independent, last) = head;
            FromWorker::Part(Part {
                track: TrackId::Video(track),
                msn,
                index,
                duration: Duration::from_millis(millis.into()),
                independent,
                last,
                date_ns: msn,
                data,
            })
        });
        let stats = proptest::collection::vec((0.0..9.0_f32, any::<u64>()), 0..5).prop_map(|v| {
            let video = v
                .into_iter()
                .map(|(speed, dropped)| RungStats { speed, dropped });
            FromWorker::Stats(Stats {
                video: video.collect(),
                input: Some(InputStats {
                    delay: Duration::from_millis(60),
                    repeated: 1 << 33,
                    skipped: 7,
                }),
            })
        });
        let log = any::<Option<String>>().prop_map(|rung| {
            FromWorker::Log(Log {
                level: Level::Warn,
                rung,
                message: "m".into(),
            })
        });
        let lost = any::<(String, Option<u32>)>().prop_map(|(reason, seconds)| {
            let retry_in = seconds.map(|s| Duration::from_secs(s.into()));
            FromWorker::Input(InputState::Lost { reason, retry_in })
        });
        prop_oneof![part, stats, log, lost, Just(FromWorker::Finished)]
    }

    proptest! {
        #[test]
        fn both_readers_return_what_was_written(messages in proptest::collection::vec(to_worker(), 0..9)) {
            let mut wire = Vec::new();
            for message in &messages {
                write_message(&mut wire, message).unwrap();
            }
            let mut buffer = BytesMut::from(wire.as_slice());
            let mut reader = wire.as_slice();
            for message in &messages {
                prop_assert_eq!(&decode::<ToWorker>(&mut buffer).unwrap().unwrap(), message);
                prop_assert_eq!(&read_message::<ToWorker>(&mut reader).unwrap().unwrap(), message);
            }
            prop_assert!(buffer.is_empty());
            prop_assert!(read_message::<ToWorker>(&mut reader).unwrap().is_none());
        }

        #[test]
        fn a_message_in_pieces_comes_out_whole(message in from_worker(), piece in 1_usize..40) {
            let wire = encode(&message).unwrap();
            let mut buffer = BytesMut::new();
            let mut whole = None;
            for chunk in wire.chunks(piece) {
                prop_assert!(whole.is_none());
                buffer.extend_from_slice(chunk);
                whole = decode::<FromWorker>(&mut buffer).unwrap();
            }
            prop_assert_eq!(whole, Some(message));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut buffer = BytesMut::from(bytes.as_slice());
            while let Ok(Some(message)) = decode::<FromWorker>(&mut buffer) {
                encode(&message).unwrap();
            }
            let mut framed = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
            framed.extend_from_slice(&bytes);
            let _ = read_message::<FromWorker>(&mut framed.as_slice());
            let _ = read_message::<ToWorker>(&mut framed.as_slice());
        }

        #[test]
        fn a_truncated_message_is_an_error(message in from_worker(), cut in any::<prop::sample::Index>()) {
            let wire = encode(&message).unwrap();
            let cut = 1 + cut.index(wire.len() - 1);
            let error = read_message::<FromWorker>(&mut wire.get(..cut).unwrap()).unwrap_err();
            prop_assert!(matches!(error, Error::Io(_)), "{error}");
        }

        #[test]
        fn bytes_after_a_message_are_an_error(message in from_worker(), extra in 1_u32..9) {
            let mut wire = encode(&message).unwrap();
            let length = u32::from_be_bytes(*wire.first_chunk().unwrap()) + extra;
            *wire.first_chunk_mut().unwrap() = length.to_be_bytes();
            wire.resize(wire.len() + extra as usize, 0);
            let error = read_message::<FromWorker>(&mut wire.as_slice()).unwrap_err();
            prop_assert!(matches!(error, Error::Trailing(n) if n == extra as usize), "{error}");
        }
    }

    #[test]
    fn an_oversized_length_is_refused_before_its_bytes_come() {
        let header = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes();
        let error = decode::<ToWorker>(&mut BytesMut::from(header.as_slice())).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");
        let error = read_message::<ToWorker>(&mut header.as_slice()).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");
    }

    #[test]
    fn an_oversized_message_is_not_sent() {
        let data = Bytes::from(vec![0; MESSAGE_BYTES_MAX]);
        let error = encode(&FromWorker::Thumbnail { date_ns: 0, data }).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");
    }

    /// The empty names of a plan's encoders take a byte each here, and 24 when they are decoded.
    #[test]
    fn a_message_without_media_is_refused_by_its_length_and_first_byte() {
        let long = FromWorker::Failed("x".repeat(WORD_BYTES_MAX));
        let error = encode(&long).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");
        let fits = FromWorker::Failed("x".repeat(WORD_BYTES_MAX - 10));
        let thumbnail = FromWorker::Thumbnail {
            date_ns: 0,
            data: Bytes::new(),
        };
        for (message, bytes, refused) in [
            (&fits, WORD_BYTES_MAX, false),
            (&fits, WORD_BYTES_MAX + 1, true),
            (&FromWorker::Finished, WORD_BYTES_MAX + 1, true),
            (&thumbnail, WORD_BYTES_MAX + 1, false),
            (&thumbnail, MESSAGE_BYTES_MAX, true),
        ] {
            let mut wire = encode(message).unwrap();
            let length = u32::try_from(bytes).unwrap();
            *wire.first_chunk_mut().unwrap() = length.to_be_bytes();
            wire.truncate(HEADER_BYTES + 1);
            let decoded = decode::<FromWorker>(&mut BytesMut::from(wire.as_slice()));
            let too_long = matches!(decoded, Err(Error::TooLong { .. }));
            assert_eq!(too_long, refused, "{bytes}");
            let read = read_message::<FromWorker>(&mut wire.as_slice());
            let too_long = matches!(read, Err(Error::TooLong { .. }));
            assert_eq!(too_long, refused, "{bytes}");
        }
    }

    #[test]
    fn a_long_message_reserves_little_before_it_comes() {
        let header = u32::try_from(MESSAGE_BYTES_MAX).unwrap().to_be_bytes();
        let mut buffer = BytesMut::from(header.as_slice());
        assert!(decode::<ToWorker>(&mut buffer).unwrap().is_none());
        assert!(buffer.capacity() <= 2 * RESERVE_BYTES_MAX);
    }
}
