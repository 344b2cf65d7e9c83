//! The RTMP chunk stream (RTMP 1.0 section 5.3): messages are split into chunks, and the chunks of
//! several chunk streams are interleaved.
//!
//! The reader allocates memory for received bytes, not for the length that a header claims, and
//! bounds the number of chunk streams and their memory.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::message::Message;

/// Chunk size until a peer sets another one, in bytes (section 5.4.1).
pub const DEFAULT_CHUNK_BYTES: usize = 128;
/// Section 5.4.1: "a maximum message length is 16777215 [...] larger chunk sizes are equivalent".
const CHUNK_BYTES_MAX: usize = 0xff_ffff;
/// Value of the timestamp field when the timestamp follows in the extended field.
const EXTENDED: u32 = 0xff_ffff;
/// First allocation for a message; doubles as bytes arrive.
const FIRST_ALLOCATION_BYTES: usize = 4096;

/// Why a connection's chunks cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The header refers to an earlier header that never came.
    #[error("chunk stream {0} starts with a chunk that has no full header")]
    NoHeader(u32),
    /// The message is longer than its bound.
    #[error("a message of {bytes} bytes is longer than the {bytes_max} allowed")]
    MessageTooLong {
        /// Length of the message.
        bytes: usize,
        /// Longest length allowed.
        bytes_max: usize,
    },
    /// Incomplete messages take too much memory.
    #[error("incomplete messages take more than {0} bytes")]
    TooMuchMemory(usize),
    /// Too many chunk streams.
    #[error("more than {0} chunk streams")]
    TooManyStreams(usize),
    /// Set Chunk Size outside the range of section 5.4.1.
    #[error("chunk size {0} is not allowed")]
    ChunkSize(u32),
}

/// Bounds of one connection's reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkBounds {
    /// Longest message, in bytes.
    pub message_bytes_max: usize,
    /// Memory of all incomplete messages together, in bytes.
    pub reassembly_bytes_max: usize,
    /// Most chunk streams.
    pub chunk_streams_max: usize,
}

/// A chunk's header; fields that it omits are copied from the previous header.
#[derive(Debug, Clone, Copy, Default)]
struct Header {
    /// The timestamp or delta that was sent last, from the extended field when there was one.
    timestamp_field: u32,
    extended: bool,
    /// The message's timestamp.
    timestamp_ms: u32,
    message_bytes: usize,
    type_id: u8,
    stream_id: u32,
}

#[derive(Debug, Default)]
struct ChunkStream {
    header: Header,
    /// Bytes received of the present message; `None` between messages.
    assembly: Option<Vec<u8>>,
}

/// A chunk whose header was read but whose payload is incomplete.
#[derive(Debug, Clone, Copy)]
struct OpenChunk {
    chunk_stream: u32,
    bytes_left: usize,
}

/// Reassembles messages from chunks.
#[derive(Debug)]
pub struct ChunkReader {
    bounds: ChunkBounds,
    chunk_bytes: usize,
    streams: BTreeMap<u32, ChunkStream>,
    open: Option<OpenChunk>,
    reassembly_bytes: usize,
}

impl ChunkReader {
    /// A reader at the start of a connection.
    pub fn new(bounds: ChunkBounds) -> Self {
        Self {
            bounds,
            chunk_bytes: DEFAULT_CHUNK_BYTES,
            streams: BTreeMap::new(),
            open: None,
            reassembly_bytes: 0,
        }
    }

    /// Replaces the bounds.
    pub fn set_bounds(&mut self, bounds: ChunkBounds) {
        self.bounds = bounds;
    }

    /// Applies Set Chunk Size.
    ///
    /// # Errors
    /// [`ChunkError::ChunkSize`] for zero, or when the first bit, which must be zero, is set.
    pub fn set_chunk_size(&mut self, chunk_bytes: u32) -> Result<(), ChunkError> {
        if chunk_bytes == 0 || chunk_bytes > 0x7fff_ffff {
            return Err(ChunkError::ChunkSize(chunk_bytes));
        }
        // Whole chunks are never buffered, so a large size needs no memory.
        self.chunk_bytes = usize::try_from(chunk_bytes)
            .map_or(CHUNK_BYTES_MAX, |bytes| bytes.min(CHUNK_BYTES_MAX));
        Ok(())
    }

    /// Applies Abort Message: discards the incomplete message of `chunk_stream`.
    pub fn abort(&mut self, chunk_stream: u32) {
        if let Some(stream) = self.streams.get_mut(&chunk_stream) {
            let freed = stream.assembly.take().map_or(0, |buffer| buffer.capacity());
            self.reassembly_bytes = self.reassembly_bytes.saturating_sub(freed);
        }
    }

    /// Memory of all incomplete messages, in bytes.
    pub fn reassembly_bytes(&self) -> usize {
        self.reassembly_bytes
    }

    /// Consumes bytes from `input` and returns the next complete message; `None` when more bytes
    /// are needed. At most an incomplete header then remains in `input`.
    ///
    /// # Errors
    /// A [`ChunkError`], after which the connection cannot be read any further.
    pub fn read(&mut self, input: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        loop {
            let open = match self.open.take() {
                Some(open) => open,
                None => match self.read_header(input)? {
                    Some(open) => open,
                    None => return Ok(None),
                },
            };
            let len = open.bytes_left.min(input.len());
            let received = self.append(open.chunk_stream, input.get(..len).unwrap_or_default())?;
            input.advance(len);
            if len < open.bytes_left {
                self.open = Some(OpenChunk {
                    bytes_left: open.bytes_left - len,
                    ..open
                });
                return Ok(None);
            }
            if received && let Some(message) = self.finish(open.chunk_stream) {
                return Ok(Some(message));
            }
        }
    }

    /// Reads one chunk's header; `None` when it is incomplete.
    fn read_header(&mut self, input: &mut BytesMut) -> Result<Option<OpenChunk>, ChunkError> {
        let mut cursor = Cursor::new(input);
        let Some((format, id)) = basic_header(&mut cursor) else {
            return Ok(None);
        };
        let known = self.streams.get(&id);
        // Type 0 "MUST be used at the start of a chunk stream" (section 5.3.1.2.1), but librtmp
        // starts its control stream with type 1, which implies message stream 0.
        if known.is_none() && format > 1 {
            return Err(ChunkError::NoHeader(id));
        }
        let before = known.map(|stream| stream.header).unwrap_or_default();
        let continues = format == 3 && known.is_some_and(|stream| stream.assembly.is_some());
        let Some(header) = message_header(&mut cursor, format, before, continues) else {
            return Ok(None);
        };
        let consumed = input.len() - cursor.len();
        input.advance(consumed);
        let bytes_left = self.enter(id, header, continues)?.min(self.chunk_bytes);
        Ok(Some(OpenChunk {
            chunk_stream: id,
            bytes_left,
        }))
    }

    /// Stores a chunk's header and returns how many bytes of its message are missing.
    fn enter(&mut self, id: u32, header: Header, continues: bool) -> Result<usize, ChunkError> {
        if header.message_bytes > self.bounds.message_bytes_max {
            return Err(ChunkError::MessageTooLong {
                bytes: header.message_bytes,
                bytes_max: self.bounds.message_bytes_max,
            });
        }
        if !self.streams.contains_key(&id) && self.streams.len() >= self.bounds.chunk_streams_max {
            return Err(ChunkError::TooManyStreams(self.bounds.chunk_streams_max));
        }
        // A new header in the middle of a message replaces the rest of that message.
        if !continues {
            self.abort(id);
        }
        let stream = self.streams.entry(id).or_default();
        stream.header = header;
        let assembly = stream.assembly.get_or_insert_with(Vec::new);
        Ok(header.message_bytes.saturating_sub(assembly.len()))
    }

    /// Appends bytes to a message and returns whether it is complete.
    fn append(&mut self, id: u32, bytes: &[u8]) -> Result<bool, ChunkError> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(false);
        };
        let message_bytes = stream.header.message_bytes;
        let Some(assembly) = stream.assembly.as_mut() else {
            return Ok(false);
        };
        let needed = assembly.len() + bytes.len();
        if needed > assembly.capacity() {
            let before = assembly.capacity();
            let target = (before * 2)
                .max(FIRST_ALLOCATION_BYTES)
                .min(message_bytes)
                .max(needed);
            if self.reassembly_bytes - before + target > self.bounds.reassembly_bytes_max {
                return Err(ChunkError::TooMuchMemory(self.bounds.reassembly_bytes_max));
            }
            assembly.reserve_exact(target - assembly.len());
            self.reassembly_bytes = self.reassembly_bytes - before + assembly.capacity();
        }
        assembly.extend_from_slice(bytes);
        Ok(needed >= message_bytes)
    }

    fn finish(&mut self, id: u32) -> Option<Message> {
        let stream = self.streams.get_mut(&id)?;
        let assembly = stream.assembly.take()?;
        self.reassembly_bytes = self.reassembly_bytes.saturating_sub(assembly.capacity());
        Some(Message {
            type_id: stream.header.type_id,
            stream_id: stream.header.stream_id,
            timestamp_ms: stream.header.timestamp_ms,
            payload: Bytes::from(assembly),
        })
    }
}

/// Format and chunk stream id (section 5.3.1.1): an id below 64 is in the first byte, where 0 and 1
/// announce one or two more bytes.
fn basic_header(cursor: &mut Cursor<'_>) -> Option<(u8, u32)> {
    let first = cursor.u8()?;
    let id = match first & 0x3f {
        0 => u32::from(cursor.u8()?) + 64,
        1 => {
            let low = u32::from(cursor.u8()?);
            u32::from(cursor.u8()?) * 256 + low + 64
        }
        id => u32::from(id),
    };
    Some((first >> 6, id))
}

/// The message header (section 5.3.1.2) and the extended timestamp (section 5.3.1.3).
fn message_header(
    cursor: &mut Cursor<'_>,
    format: u8,
    before: Header,
    continues: bool,
) -> Option<Header> {
    let mut header = before;
    if format < 3 {
        header.timestamp_field = cursor.u24()?;
        header.extended = header.timestamp_field == EXTENDED;
    }
    if format < 2 {
        header.message_bytes = usize::try_from(cursor.u24()?).ok()?;
        header.type_id = cursor.u8()?;
    }
    if format == 0 {
        header.stream_id = cursor.u32_le()?;
    }
    if header.extended {
        read_extended(cursor, &mut header, continues)?;
    }
    if continues {
        return Some(header);
    }
    // "If a Type 3 chunk follows a Type 0 chunk, then the timestamp delta for this Type 3 chunk is
    // the same as the timestamp of the Type 0 chunk" (section 5.3.1.2.4).
    header.timestamp_ms = match format {
        0 => header.timestamp_field,
        _ => before.timestamp_ms.wrapping_add(header.timestamp_field),
    };
    Some(header)
}

/// "This field is present in Type 3 chunks when the most recent Type 0, 1, or 2 chunk for the same
/// chunk stream ID indicated the presence of an extended timestamp field" (section 5.3.1.3). Some
/// encoders omit the field in the later chunks of a message: bytes that do not repeat the field's
/// value are payload.
fn read_extended(cursor: &mut Cursor<'_>, header: &mut Header, continues: bool) -> Option<()> {
    let mut ahead = cursor.clone();
    let value = ahead.u32()?;
    if !continues {
        header.timestamp_field = value;
    }
    if value == header.timestamp_field {
        *cursor = ahead;
    }
    Some(())
}

/// Writes `message` on `chunk_stream` in chunks of at most `chunk_bytes`, of which the first has a
/// full header.
pub fn write_message(
    output: &mut BytesMut,
    chunk_stream: u32,
    message: &Message,
    chunk_bytes: usize,
) {
    let extended = message.timestamp_ms >= EXTENDED;
    put_basic_header(output, 0, chunk_stream);
    output.put_uint(u64::from(message.timestamp_ms.min(EXTENDED)), 3);
    output.put_uint(message.payload.len() as u64, 3);
    output.put_u8(message.type_id);
    output.put_u32_le(message.stream_id);
    let mut pieces = message.payload.chunks(chunk_bytes.max(1));
    if extended {
        output.put_u32(message.timestamp_ms);
    }
    output.put_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        put_basic_header(output, 3, chunk_stream);
        if extended {
            output.put_u32(message.timestamp_ms);
        }
        output.put_slice(piece);
    }
}

/// Writes the shortest basic header for `chunk_stream` (2 to 65599).
fn put_basic_header(output: &mut BytesMut, format: u8, chunk_stream: u32) {
    let format = format << 6;
    let [_, _, high, low] = chunk_stream.saturating_sub(64).to_be_bytes();
    match chunk_stream {
        0..64 => output.put_u8(format | chunk_stream.to_le_bytes()[0]),
        64..320 => output.put_slice(&[format, low]),
        _ => output.put_slice(&[format | 1, low, high]),
    }
}

#[cfg(test)]
mod tests;
