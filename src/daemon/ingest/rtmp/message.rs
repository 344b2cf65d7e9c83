//! RTMP messages: their types, and the protocol control messages (RTMP 1.0 sections 5.4 and 7.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::{Cursor, keep};

/// Set Chunk Size.
pub const SET_CHUNK_SIZE: u8 = 1;
/// Abort Message.
pub const ABORT: u8 = 2;
/// Acknowledgement.
pub const ACKNOWLEDGEMENT: u8 = 3;
/// User Control Message.
pub const USER_CONTROL: u8 = 4;
/// Window Acknowledgement Size.
pub const WINDOW_ACK_SIZE: u8 = 5;
/// Set Peer Bandwidth.
pub const SET_PEER_BANDWIDTH: u8 = 6;
/// Audio Message.
pub const AUDIO: u8 = 8;
/// Video Message.
pub const VIDEO: u8 = 9;
/// Data Message in AMF3.
pub const DATA_AMF3: u8 = 15;
/// Command Message in AMF3.
pub const COMMAND_AMF3: u8 = 17;
/// Data Message in AMF0.
pub const DATA_AMF0: u8 = 18;
/// Command Message in AMF0.
pub const COMMAND_AMF0: u8 = 20;
/// Aggregate Message.
pub const AGGREGATE: u8 = 22;

/// Event type of a user control message that requests a ping response (section 7.1.7).
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;
/// Event type that tells a client that its message stream is ready.
const STREAM_BEGIN: u16 = 0;

/// One complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Message type id.
    pub type_id: u8,
    /// Message stream id; 0 for the connection itself.
    pub stream_id: u32,
    /// Timestamp in milliseconds, modulo 2^32.
    pub timestamp_ms: u32,
    /// Content of the message.
    pub payload: Bytes,
}

impl Message {
    fn control(type_id: u8, payload: Bytes) -> Self {
        Self {
            type_id,
            stream_id: 0,
            timestamp_ms: 0,
            payload,
        }
    }

    /// A control message that consists of one 32-bit number.
    fn control_u32(type_id: u8, value: u32) -> Self {
        Self::control(type_id, Bytes::copy_from_slice(&value.to_be_bytes()))
    }

    /// Set Chunk Size to `chunk_bytes`.
    pub fn set_chunk_size(chunk_bytes: u32) -> Self {
        Self::control_u32(SET_CHUNK_SIZE, chunk_bytes)
    }

    /// Acknowledgement of `received_bytes` (modulo 2^32) so far.
    pub fn acknowledgement(received_bytes: u32) -> Self {
        Self::control_u32(ACKNOWLEDGEMENT, received_bytes)
    }

    /// Window Acknowledgement Size of `window_bytes`.
    pub fn window_ack_size(window_bytes: u32) -> Self {
        Self::control_u32(WINDOW_ACK_SIZE, window_bytes)
    }

    /// Set Peer Bandwidth to `window_bytes`, dynamically.
    pub fn set_peer_bandwidth(window_bytes: u32) -> Self {
        /// Section 5.4.5, limit type 2: hard if the previous limit was hard, otherwise ignored.
        const DYNAMIC: u8 = 2;
        let mut payload = BytesMut::with_capacity(5);
        payload.put_u32(window_bytes);
        payload.put_u8(DYNAMIC);
        Self::control(SET_PEER_BANDWIDTH, payload.freeze())
    }

    fn user_control(event: u16, data: u32) -> Self {
        let mut payload = BytesMut::with_capacity(6);
        payload.put_u16(event);
        payload.put_u32(data);
        Self::control(USER_CONTROL, payload.freeze())
    }

    /// Stream Begin of message stream `stream_id`.
    pub fn stream_begin(stream_id: u32) -> Self {
        Self::user_control(STREAM_BEGIN, stream_id)
    }

    /// The answer to a ping request with `timestamp_ms`.
    pub fn ping_response(timestamp_ms: u32) -> Self {
        Self::user_control(PING_RESPONSE, timestamp_ms)
    }

    /// A command in AMF0, on message stream `stream_id`.
    pub fn command(stream_id: u32, payload: Bytes) -> Self {
        Self {
            type_id: COMMAND_AMF0,
            stream_id,
            timestamp_ms: 0,
            payload,
        }
    }

    /// The number in a control message; `None` when the message is cut short.
    pub fn control_value(&self) -> Option<u32> {
        Cursor::new(&self.payload).u32()
    }

    /// The timestamp in a ping request; `None` for any other user control message.
    pub fn ping(&self) -> Option<u32> {
        let mut cursor = Cursor::new(&self.payload);
        let event = cursor.u16()?;
        let timestamp_ms = cursor.u32()?;
        (event == PING_REQUEST).then_some(timestamp_ms)
    }

    /// The AMF0 of a command or data message.
    ///
    /// Messages of the AMF3 types start with a format byte. Encoders send 0: AMF0 follows, in which
    /// single values may switch to AMF3.
    pub fn amf0(&self) -> &[u8] {
        match self.type_id {
            COMMAND_AMF3 | DATA_AMF3 => self
                .payload
                .split_first()
                .map_or(&[][..], |(_format, rest)| rest),
            _ => &self.payload,
        }
    }
}

/// Why an aggregate message could not be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// A part is longer than the rest of the message.
    #[error("a part of an aggregate message is cut short")]
    Truncated,
    /// The message has too many parts.
    #[error("more than {0} messages in one aggregate message")]
    TooMany(usize),
}

/// Splits an aggregate message (section 7.1.6): a sequence of messages in the format of FLV tags,
/// each followed by a back pointer. Timestamps are shifted so that the first part has the timestamp
/// of the aggregate. Parts other than media and data are discarded.
///
/// # Errors
/// [`AggregateError`] when a part is cut short, or there are more than `messages_max`.
pub fn split_aggregate(
    aggregate: &Message,
    messages_max: usize,
) -> Result<Vec<Message>, AggregateError> {
    let mut cursor = Cursor::new(&aggregate.payload);
    let mut messages = Vec::new();
    let mut first_timestamp_ms = None;
    while !cursor.is_empty() {
        if messages.len() >= messages_max {
            return Err(AggregateError::TooMany(messages_max));
        }
        let (mut message, end) =
            next_part(&mut cursor, aggregate).ok_or(AggregateError::Truncated)?;
        let first = *first_timestamp_ms.get_or_insert(message.timestamp_ms);
        let distance_ms = message.timestamp_ms.wrapping_sub(first);
        message.timestamp_ms = aggregate.timestamp_ms.wrapping_add(distance_ms);
        messages.push(message);
        // Some servers relay aggregates without the last back pointer.
        if end.is_none() {
            break;
        }
    }
    messages.retain(|message| matches!(message.type_id, AUDIO | VIDEO | DATA_AMF0 | DATA_AMF3));
    Ok(messages)
}

fn next_part(cursor: &mut Cursor<'_>, aggregate: &Message) -> Option<(Message, Option<u32>)> {
    let type_id = cursor.u8()?;
    let payload_bytes = usize::try_from(cursor.u24()?).ok()?;
    let timestamp_low = cursor.u24()?;
    // As in FLV, the fourth byte is the most significant byte of the timestamp.
    let timestamp_ms = timestamp_low | u32::from(cursor.u8()?) << 24;
    let _stream_id = cursor.u24()?;
    let payload = keep(&aggregate.payload, cursor.take(payload_bytes)?);
    let back_pointer = cursor.u32();
    let message = Message {
        type_id,
        stream_id: aggregate.stream_id,
        timestamp_ms,
        payload,
    };
    Some((message, back_pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(type_id: u8, timestamp_ms: u32, payload: &[u8]) -> Vec<u8> {
        let mut part = vec![type_id];
        part.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        part.extend(&timestamp_ms.to_be_bytes()[1..]);
        part.push(timestamp_ms.to_be_bytes()[0]);
        part.extend([0, 0, 1]);
        part.extend(payload);
        part.extend((payload.len() as u32 + 11).to_be_bytes());
        part
    }

    fn aggregate(payload: Vec<u8>) -> Message {
        Message {
            type_id: AGGREGATE,
            stream_id: 1,
            timestamp_ms: 1000,
            payload: payload.into(),
        }
    }

    #[test]
    fn parts_of_an_aggregate_take_its_timestamp() {
        let bytes = [
            part(AUDIO, 0x0100_0000, b"a"),
            part(VIDEO, 0x0100_0014, b"vv"),
            part(COMMAND_AMF0, 0x0100_0014, b"ignored"),
            part(AUDIO, 0x0100_0017, b""),
        ]
        .concat();
        let found: Vec<_> = split_aggregate(&aggregate(bytes), 4)
            .unwrap()
            .into_iter()
            .map(|message| (message.type_id, message.timestamp_ms, message.payload.len()))
            .collect();
        assert_eq!(
            found,
            [(AUDIO, 1000, 1), (VIDEO, 1020, 2), (AUDIO, 1023, 0)]
        );
    }

    #[test]
    fn a_small_part_does_not_keep_the_aggregate() {
        let bytes = [part(AUDIO, 0, b"a"), part(COMMAND_AMF0, 0, &[0; 1000])].concat();
        let whole = aggregate(bytes);
        let parts = split_aggregate(&whole, 4).unwrap();
        assert!(whole.payload.is_unique() && parts[0].payload.is_unique());
    }

    #[test]
    fn a_missing_last_back_pointer_is_forgiven() {
        let mut bytes = part(AUDIO, 5, b"abc");
        bytes.truncate(bytes.len() - 4);
        assert_eq!(split_aggregate(&aggregate(bytes), 4).unwrap().len(), 1);
    }

    #[test]
    fn an_aggregate_is_bounded() {
        let bytes = part(AUDIO, 0, b"").repeat(5);
        assert_eq!(
            split_aggregate(&aggregate(bytes.clone()), 4),
            Err(AggregateError::TooMany(4))
        );
        assert_eq!(
            split_aggregate(&aggregate(bytes[..10].to_vec()), 4),
            Err(AggregateError::Truncated)
        );
        assert_eq!(
            split_aggregate(&aggregate(part(AUDIO, 0, b"abc")[..12].to_vec()), 4),
            Err(AggregateError::Truncated)
        );
    }

    #[test]
    fn only_a_ping_request_is_a_ping() {
        let request = Message::user_control(PING_REQUEST, 7);
        assert_eq!(request.ping(), Some(7));
        assert_eq!(Message::stream_begin(1).ping(), None);
        assert_eq!(
            Message::control(USER_CONTROL, Bytes::from_static(&[0, 6])).ping(),
            None
        );
        assert_eq!(
            Message::ping_response(7).payload,
            Bytes::from_static(&[0, 7, 0, 0, 0, 7])
        );
    }
}
