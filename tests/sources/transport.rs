//! MPEG-TS as a live server sends it: each packet when its clock reference is due.

use std::time::Duration;

use super::clip::Clip;
use super::paced::{Chunk, Paced};

/// A packet (ISO/IEC 13818-1 section 2.4.3.2).
const PACKET_BYTES: usize = 188;
/// The base of a clock reference counts at this rate; ISO/IEC 13818-1 section 2.4.3.5.
const CLOCK_HZ: u64 = 90_000;

/// How a server sends a transport stream.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// What is due within this time after the start is sent at once, and everything else by so much
    /// ahead.
    pub burst: Duration,
    /// Packets are held back and sent together this often, as by a server with large buffers.
    pub batch: Duration,
}

impl Transport {
    /// Sends each packet when it is due.
    pub const PLAIN: Self = Self {
        burst: Duration::ZERO,
        batch: Duration::from_millis(10),
    };

    /// Starts a server of `clip`, which is a transport stream.
    pub fn start(self, clip: Clip) -> Paced {
        let bytes = std::fs::read(clip.file()).expect("the clip");
        Paced::start("video/mp2t".to_owned(), self.chunks(&bytes))
    }

    fn chunks(self, bytes: &[u8]) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = Vec::new();
        let (mut first, mut at) = (None, Duration::ZERO);
        for packet in bytes.chunks_exact(PACKET_BYTES) {
            if let Some(clock) = clock_reference(packet) {
                let since = clock - *first.get_or_insert(clock);
                at = Duration::from_millis(since * 1000 / CLOCK_HZ).saturating_sub(self.burst);
            }
            let batch = self.batch.as_millis().max(1);
            let due = at.as_millis().div_ceil(batch) * batch;
            let due = Duration::from_millis(u64::try_from(due).unwrap_or(u64::MAX));
            match chunks.last_mut() {
                Some((last, body)) if *last >= due => body.extend_from_slice(packet),
                _ => chunks.push((due, packet.to_vec())),
            }
        }
        chunks
    }
}

/// The base of the packet's program clock reference, if it has one: its adaptation field begins
/// with a length and flags, of which 0x10 says that the reference follows.
fn clock_reference(packet: &[u8]) -> Option<u64> {
    let (has_field, flags) = (packet[3] & 0x20 != 0, packet[5]);
    if !has_field || packet[4] < 7 || flags & 0x10 == 0 {
        return None;
    }
    let high = packet[6..10]
        .iter()
        .fold(0, |n, byte| n << 8 | u64::from(*byte));
    Some(high << 1 | u64::from(packet[10] >> 7))
}
