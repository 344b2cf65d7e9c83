//! Tests of the chunk stream, with a sender that compresses headers as encoders do.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const BOUNDS: ChunkBounds = ChunkBounds {
    message_bytes_max: 100_000,
    reassembly_bytes_max: 300_000,
    chunk_streams_max: 8,
};

/// A message being sent, or the last one sent, on one chunk stream.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Message>,
    sent: usize,
    last: Option<Message>,
    field: u32,
}

impl Lane {
    /// Writes the next chunk with the shortest possible header.
    fn send(&mut self, id: u32, chunk_bytes: usize, output: &mut BytesMut) {
        let Some(message) = self.waiting.front().cloned() else {
            return;
        };
        let format = if self.sent > 0 {
            3
        } else {
            self.start(&message)
        };
        put_basic_header(output, format, id);
        if format < 3 {
            output.put_uint(u64::from(self.field.min(EXTENDED)), 3);
        }
        if format < 2 {
            output.put_uint(message.payload.len() as u64, 3);
            output.put_u8(message.type_id);
        }
        if format == 0 {
            output.put_u32_le(message.stream_id);
        }
        if self.field >= EXTENDED {
            output.put_u32(self.field);
        }
        let end = message.payload.len().min(self.sent + chunk_bytes);
        output.put_slice(&message.payload[self.sent..end]);
        self.sent = end;
        if end == message.payload.len() {
            self.sent = 0;
            self.last = self.waiting.pop_front();
        }
    }

    /// The header format for a new message; sets the timestamp field.
    fn start(&mut self, message: &Message) -> u8 {
        let Some(last) = &self.last else {
            self.field = message.timestamp_ms;
            return 0;
        };
        if last.stream_id != message.stream_id {
            self.field = message.timestamp_ms;
            return 0;
        }
        let delta = message.timestamp_ms.wrapping_sub(last.timestamp_ms);
        let repeats = delta == self.field;
        self.field = delta;
        match (last.payload.len(), last.type_id) == (message.payload.len(), message.type_id) {
            true if repeats => 3,
            true => 2,
            false => 1,
        }
    }
}

fn messages() -> impl Strategy<Value = Vec<(usize, Message)>> {
    let timestamp = prop_oneof![0..2000_u32, EXTENDED - 2..EXTENDED + 2, any::<u32>()];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::collection::vec(any::<u8>(), 0..3000),
    ];
    let message = (8..10_u8, 0..2_u32, timestamp, payload).prop_map(
        |(type_id, stream_id, timestamp_ms, payload)| Message {
            type_id,
            stream_id,
            timestamp_ms,
            payload: payload.into(),
        },
    );
    prop::collection::vec((0..3_usize, message), 0..20)
}

fn read_in_pieces(reader: &mut ChunkReader, bytes: &[u8], piece_bytes: usize) -> Vec<Message> {
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    for piece in bytes.chunks(piece_bytes) {
        input.put_slice(piece);
        while let Some(message) = reader.read(&mut input).unwrap() {
            found.push(message);
        }
        assert!(input.len() < 18, "only a header may wait");
    }
    assert!(input.is_empty());
    found
}

proptest! {
    #[test]
    fn messages_survive_any_chunk_size_split_and_interleaving(
        messages in messages(),
        chunk_bytes in 1..5000_u32,
        piece_bytes in 1..5000_usize,
        turns in prop::collection::vec(0..3_usize, 1..50),
    ) {
        let ids = [3, 64, 400];
        let mut lanes: [Lane; 3] = Default::default();
        for (lane, message) in &messages {
            lanes[*lane].waiting.push_back(message.clone());
        }
        let mut sent = BytesMut::new();
        for &turn in turns.iter().cycle() {
            if lanes.iter().all(|lane| lane.waiting.is_empty()) {
                break;
            }
            let lane = (0..3).map(|at| (turn + at) % 3).find(|&at| !lanes[at].waiting.is_empty());
            let lane = lane.unwrap();
            lanes[lane].send(ids[lane], chunk_bytes as usize, &mut sent);
        }

        let mut reader = ChunkReader::new(BOUNDS);
        reader.set_chunk_size(chunk_bytes).unwrap();
        let mut found = read_in_pieces(&mut reader, &sent, piece_bytes);
        prop_assert_eq!(reader.reassembly_bytes(), 0);
        // Order is kept within a lane only: compare as sets.
        let mut expected: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
        let order = |message: &Message| (message.timestamp_ms, message.type_id,
            message.stream_id, message.payload.clone());
        found.sort_by_key(order);
        expected.sort_by_key(order);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_stay_within_the_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..4000),
        chunk_bytes in 1..0x7fff_ffff_u32,
    ) {
        let mut reader = ChunkReader::new(BOUNDS);
        reader.set_chunk_size(chunk_bytes).unwrap();
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(message)) = reader.read(&mut input) {
            prop_assert!(message.payload.len() <= BOUNDS.message_bytes_max);
        }
        prop_assert!(reader.streams.len() <= BOUNDS.chunk_streams_max);
        prop_assert!(reader.reassembly_bytes() <= bytes.len() + 8 * FIRST_ALLOCATION_BYTES);
    }

    #[test]
    fn what_the_writer_writes_is_read_back(
        (_, message) in messages().prop_filter_map("none", |all| all.into_iter().next()),
        chunk_stream in 2..65_600_u32,
        chunk_bytes in 1..5000_u32,
    ) {
        let mut sent = BytesMut::new();
        write_message(&mut sent, chunk_stream, &message, chunk_bytes as usize);
        let mut reader = ChunkReader::new(BOUNDS);
        reader.set_chunk_size(chunk_bytes).unwrap();
        prop_assert_eq!(reader.read(&mut sent), Ok(Some(message)));
        prop_assert!(sent.is_empty());
    }
}

/// Bytes of a type 0 header on a chunk stream below 64.
fn full_header(id: u8, timestamp: u32, message_bytes: u32) -> Vec<u8> {
    let mut header = vec![id];
    header.extend(&timestamp.to_be_bytes()[1..]);
    header.extend(&message_bytes.to_be_bytes()[1..]);
    header.extend([9, 1, 0, 0, 0]);
    header
}

#[test]
fn a_type_3_chunk_repeats_the_timestamp_as_delta() {
    let mut bytes = full_header(4, 20, 1);
    bytes.extend([0xaa, 0xc4, 0xbb, 0x84, 0, 0, 5, 0xcc, 0xc4, 0xdd]);
    let mut reader = ChunkReader::new(BOUNDS);
    let timestamps: Vec<_> = read_in_pieces(&mut reader, &bytes, 3)
        .into_iter()
        .map(|message| message.timestamp_ms)
        .collect();
    assert_eq!(timestamps, [20, 40, 45, 50]);
}

#[test]
fn an_extended_timestamp_may_be_left_out_where_a_message_goes_on() {
    for repeated in [true, false] {
        let mut bytes = full_header(4, EXTENDED, 200);
        bytes.extend([1, 0, 0, 0]);
        bytes.extend([7; 128]);
        bytes.push(0xc4);
        if repeated {
            bytes.extend([1, 0, 0, 0]);
        }
        bytes.extend([7; 72]);
        let found = read_in_pieces(&mut ChunkReader::new(BOUNDS), &bytes, 1000);
        assert_eq!(found.len(), 1, "repeated: {repeated}");
        assert_eq!(found[0].timestamp_ms, 0x0100_0000);
        assert_eq!(found[0].payload, vec![7; 200]);
    }
}

#[test]
fn abort_forgets_a_half_message() {
    let mut reader = ChunkReader::new(BOUNDS);
    let mut input = BytesMut::from(&full_header(4, 0, 200)[..]);
    input.put_slice(&[1; 128]);
    assert_eq!(reader.read(&mut input), Ok(None));
    assert!(reader.reassembly_bytes() >= 128);
    reader.abort(4);
    reader.abort(5);
    assert_eq!(reader.reassembly_bytes(), 0);
    input.put_slice(&full_header(4, 9, 2));
    input.put_slice(&[2, 2]);
    let message = reader.read(&mut input).unwrap().unwrap();
    assert_eq!(
        (message.timestamp_ms, &message.payload[..]),
        (9, &[2, 2][..])
    );
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let mut reader = ChunkReader::new(BOUNDS);
    let mut input = BytesMut::from(&full_header(4, 0, 100_000)[..]);
    assert_eq!(reader.read(&mut input), Ok(None));
    assert_eq!(reader.reassembly_bytes(), 0);
}

#[test]
fn what_breaks_a_bound_is_refused() {
    let read = |bytes: &[u8]| ChunkReader::new(BOUNDS).read(&mut BytesMut::from(bytes));
    assert_eq!(
        read(&full_header(4, 0, 100_001)),
        Err(ChunkError::MessageTooLong {
            bytes: 100_001,
            bytes_max: 100_000
        })
    );
    assert_eq!(read(&[0xc4]), Err(ChunkError::NoHeader(4)));
    let empty_messages: Vec<u8> = (10..19).flat_map(|id| full_header(id, 0, 0)).collect();
    let mut input = BytesMut::from(&empty_messages[..]);
    let mut reader = ChunkReader::new(BOUNDS);
    for _ in 0..8 {
        assert!(reader.read(&mut input).unwrap().is_some());
    }
    assert_eq!(reader.read(&mut input), Err(ChunkError::TooManyStreams(8)));
    for size in [0, 0x8000_0000, u32::MAX] {
        assert_eq!(
            reader.set_chunk_size(size),
            Err(ChunkError::ChunkSize(size))
        );
    }
}

#[test]
fn half_messages_of_all_chunk_streams_share_one_bound() {
    let mut reader = ChunkReader::new(BOUNDS);
    reader.set_chunk_size(0x7fff_ffff).unwrap();
    reader.set_chunk_size(90_000).unwrap();
    let mut input = BytesMut::new();
    for id in 4..7 {
        input.put_slice(&full_header(id, 0, 100_000));
        input.put_slice(&[0; 90_000]);
        assert_eq!(reader.read(&mut input), Ok(None));
    }
    input.put_slice(&full_header(7, 0, 100_000));
    input.put_slice(&[0; 90_000]);
    assert_eq!(
        reader.read(&mut input),
        Err(ChunkError::TooMuchMemory(300_000))
    );
}
