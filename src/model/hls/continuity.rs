//! Continuity counters of MPEG-TS (ISO/IEC 13818-1 section 2.4.3.3) across the segments of a rendition.
//!
//! Every muxer begins its counters anew, so they jump where another worker goes on with a rendition, and
//! where a rung wakes. A client that reads all segments with one demultiplexer takes the jump for lost
//! packets: ffmpeg marks the last picture before it as damaged.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Bytes of a packet (section 2.4.3.2).
const PACKET_BYTES: usize = 188;
const SYNC_BYTE: u8 = 0x47;
/// "The continuity_counter of null packets is undefined."
const NULL_PID: u16 = 0x1fff;
const COUNTER_MASK: u8 = 0x0f;

/// The counters of one rendition. It holds one number per PID, of which there are 8191.
#[derive(Debug, Clone, Default)]
pub struct Continuity {
    last: BTreeMap<u16, u8>,
}

/// What the counter of a packet depends on.
#[derive(Debug, Clone, Copy)]
struct Header {
    pid: u16,
    counter: u8,
    has_payload: bool,
}

impl Continuity {
    /// The next segment of the rendition, with counters that go on where those of the segment before
    /// have ended. In a segment all counters of a PID are moved by the same number, so what is said
    /// inside it stays: repeated packets, and losses.
    pub fn follow(&mut self, segment: Bytes) -> Bytes {
        let shifts = self.shifts(&segment);
        if shifts.values().all(|shift| *shift == 0) {
            return segment;
        }
        let mut bytes = Vec::from(segment);
        for packet in bytes.chunks_exact_mut(PACKET_BYTES) {
            let shift = header(packet).and_then(|header| shifts.get(&header.pid));
            if let (Some(shift), Some(byte)) = (shift, packet.get_mut(3)) {
                *byte = *byte & !COUNTER_MASK | byte.wrapping_add(*shift) & COUNTER_MASK;
            }
        }
        Bytes::from(bytes)
    }

    /// What has to be added to the counters of each PID in the segment, modulo 16. Afterwards `last`
    /// says how the segment ends.
    fn shifts(&mut self, segment: &[u8]) -> BTreeMap<u16, u8> {
        let mut shifts = BTreeMap::new();
        for header in segment.chunks_exact(PACKET_BYTES).filter_map(header) {
            let last = self.last.get(&header.pid);
            let shift = shifts.entry(header.pid).or_insert_with(|| {
                last.map_or(0, |last| header.after(*last).wrapping_sub(header.counter))
            });
            let counter = header.counter.wrapping_add(*shift) & COUNTER_MASK;
            self.last.insert(header.pid, counter);
        }
        shifts
            .into_iter()
            .map(|(pid, shift)| (pid, shift & COUNTER_MASK))
            .collect()
    }
}

impl Header {
    /// The counter of this packet where the one before it had `last`. "The continuity_counter shall
    /// not be incremented when the adaptation_field_control of the packet equals '00' or '10'": when it
    /// has no payload.
    fn after(self, last: u8) -> u8 {
        last.wrapping_add(u8::from(self.has_payload)) & COUNTER_MASK
    }
}

/// Reads the header of a packet; `None` for null packets and for what is no packet.
fn header(packet: &[u8]) -> Option<Header> {
    let [SYNC_BYTE, high, low, flags, ..] = *packet else {
        return None;
    };
    let pid = u16::from_be_bytes([high & 0x1f, low]);
    (pid != NULL_PID).then_some(Header {
        pid,
        counter: flags & COUNTER_MASK,
        has_payload: flags & 0x10 != 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAYLOAD: u8 = 0x10;
    const ADAPTATION: u8 = 0x20;

    fn packet(pid: u16, flags: u8, counter: u8) -> [u8; PACKET_BYTES] {
        let mut packet = [0xab; PACKET_BYTES];
        let [high, low] = (pid | 0x4000).to_be_bytes();
        packet[..4].copy_from_slice(&[SYNC_BYTE, high, low, flags | counter]);
        packet
    }

    fn segment(packets: &[(u16, u8, u8)]) -> Bytes {
        let packets = packets.iter();
        let bytes: Vec<u8> = packets
            .flat_map(|(pid, flags, counter)| packet(*pid, *flags, *counter))
            .collect();
        Bytes::from(bytes)
    }

    fn counters(segment: &[u8]) -> Vec<(u16, u8)> {
        let packets = segment.chunks_exact(PACKET_BYTES).filter_map(header);
        packets.map(|header| (header.pid, header.counter)).collect()
    }

    #[track_caller]
    fn check(packets: &[(u16, u8, u8)], follow: &mut Continuity, expected: &[(u16, u8)]) {
        let before = segment(packets);
        let after = follow.follow(before.clone());
        assert_eq!(counters(&after), expected);
        // Nothing but the counters has changed.
        let masked = |bytes: &Bytes| -> Vec<u8> {
            let bytes = bytes.iter().enumerate();
            bytes
                .map(|(at, byte)| match at % PACKET_BYTES {
                    3 => byte & !COUNTER_MASK,
                    _ => *byte,
                })
                .collect()
        };
        assert_eq!(masked(&after), masked(&before));
    }

    #[test]
    fn every_pid_goes_on_where_it_has_ended() {
        let mut follow = Continuity::default();
        let first = [(0, PAYLOAD, 3), (65, PAYLOAD, 14), (65, PAYLOAD, 15)];
        check(&first, &mut follow, &[(0, 3), (65, 14), (65, 15)]);
        // Another muxer.
        let second = [(0, PAYLOAD, 0), (65, PAYLOAD, 0), (65, PAYLOAD, 1)];
        check(&second, &mut follow, &[(0, 4), (65, 0), (65, 1)]);
        let third = [(65, PAYLOAD, 2), (66, PAYLOAD, 9), (0, PAYLOAD, 1)];
        check(&third, &mut follow, &[(65, 2), (66, 9), (0, 5)]);
    }

    #[test]
    fn a_packet_without_payload_does_not_count() {
        let mut follow = Continuity::default();
        check(&[(65, PAYLOAD, 5)], &mut follow, &[(65, 5)]);
        let second = [(65, ADAPTATION, 0), (65, ADAPTATION | PAYLOAD, 1)];
        check(&second, &mut follow, &[(65, 5), (65, 6)]);
    }

    #[test]
    fn what_a_segment_says_inside_stays() {
        let mut follow = Continuity::default();
        check(&[(65, PAYLOAD, 5)], &mut follow, &[(65, 5)]);
        // A packet that is sent twice, then a loss.
        let second = [(65, PAYLOAD, 0), (65, PAYLOAD, 0), (65, PAYLOAD, 7)];
        check(&second, &mut follow, &[(65, 6), (65, 6), (65, 13)]);
    }

    #[test]
    fn null_packets_and_rubbish_stay() {
        let mut follow = Continuity::default();
        follow.follow(segment(&[(65, PAYLOAD, 5)]));
        let mut bytes = Vec::from(segment(&[(NULL_PID, PAYLOAD, 9), (65, PAYLOAD, 0)]));
        bytes.extend([0; PACKET_BYTES]);
        bytes.extend([SYNC_BYTE, 0, 65, 0x10]);
        let after = follow.follow(Bytes::from(bytes.clone()));
        bytes[PACKET_BYTES + 3] += 6;
        assert_eq!(after, bytes);
    }

    proptest! {
        /// However the packets of a stream are divided among segments, and wherever a muxer begins
        /// anew, they come out as if one muxer had counted.
        #[test]
        fn all_segments_count_as_one(
            segments in prop::collection::vec(
                (prop::collection::vec((0..4u16, any::<bool>()), 0..40), 0..16u8),
                1..8,
            ),
        ) {
            let (mut follow, mut counted) = (Continuity::default(), BTreeMap::new());
            for (packets, start) in segments {
                let mut muxer = BTreeMap::new();
                let mut made = Vec::new();
                let mut expected = Vec::new();
                for (pid, has_payload) in packets {
                    let flags = if has_payload { PAYLOAD } else { ADAPTATION };
                    let count = |counters: &mut BTreeMap<u16, u8>, first: u8| {
                        let next = counters.get(&pid).map(|last| (last + u8::from(has_payload)) % 16);
                        counters.insert(pid, next.unwrap_or(first));
                        next.unwrap_or(first)
                    };
                    let counter = count(&mut muxer, start);
                    made.push((pid, flags, counter));
                    expected.push((pid, count(&mut counted, counter)));
                }
                prop_assert_eq!(counters(&follow.follow(segment(&made))), expected);
            }
        }
    }
}
