//! The server side of the RTMP handshake, simple and with digests.
//!
//! RTMP 1.0 section 5.2: the peer sends C0 (version) and C1 (1536 bytes), receives S0, S1 and S2,
//! and sends C2. Flash players and encoders put a version into bytes 4 to 8 of C1 and an
//! HMAC-SHA256 digest further on; some of them refuse a server that answers without a digest. The
//! digest authenticates nobody (its keys are public), so a C1 without a valid digest gets the
//! simple handshake.

use bytes::{Buf, BufMut, BytesMut};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::cursor::Cursor;

/// Length of C1, C2, S1 and S2.
pub const PACKET_BYTES: usize = 1536;
const DIGEST_BYTES: usize = 32;
/// RTMP 1.0 section 5.2.2: "the version defined by this specification is 3".
const VERSION: u8 = 3;
/// Bytes 4 to 8 of S1 in the digest handshake.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];

/// The publicly known keys of Flash Player and Flash Media Server: each is a text and the tail.
const CLIENT_KEY_TEXT: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER_KEY_TEXT: &[u8] = b"Genuine Adobe Flash Media Server 001";
const KEY_TAIL: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57,
    0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

/// Why the handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The first byte is no version of RTMP; 6 is the encrypted RTMPE.
    #[error("the first byte is {0}, which is no RTMP version this server speaks (3)")]
    Version(u8),
}

/// The position of the digest in a packet of the digest handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the first half, at the offset given in bytes 8 to 12.
    First,
    /// In the second half, at the offset given in bytes 772 to 776.
    Second,
}

impl Scheme {
    const ALL: [Self; 2] = [Self::First, Self::Second];

    /// Index of the digest. The offset is the sum of its four bytes modulo 728, counted from the
    /// byte after them.
    fn digest_at(self, packet: &[u8; PACKET_BYTES]) -> Option<usize> {
        let base = match self {
            Self::First => 8,
            Self::Second => 772,
        };
        let sum: usize = packet
            .get(base..base + 4)?
            .iter()
            .map(|&byte| usize::from(byte))
            .sum();
        Some(base + 4 + sum % 728)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    C0C1,
    C2,
    Nothing,
}

/// The handshake of one connection.
#[derive(Debug)]
pub struct Handshake {
    awaits: Awaits,
    seed: [u8; 32],
}

impl Handshake {
    /// A handshake whose random bytes derive from `seed`. They need not be secret: RTMP's
    /// handshake authenticates nobody.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            awaits: Awaits::C0C1,
            seed,
        }
    }

    /// Whether C0 and C1 have come and were answered.
    pub fn has_answered(&self) -> bool {
        self.awaits != Awaits::C0C1
    }

    /// Consumes the handshake's bytes from `input`, appends answers to `output`, and returns
    /// whether the handshake is complete.
    ///
    /// # Errors
    /// [`HandshakeError`] when the peer does not speak RTMP.
    pub fn advance(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<bool, HandshakeError> {
        if self.awaits == Awaits::C0C1 {
            if let Some(&version) = input.first()
                && version != VERSION
            {
                return Err(HandshakeError::Version(version));
            }
            let Some(c1) = Cursor::new(input.get(1..).unwrap_or_default()).array() else {
                return Ok(false);
            };
            input.advance(1 + PACKET_BYTES);
            output.put_u8(VERSION);
            self.answer(&c1, output);
            self.awaits = Awaits::C2;
        }
        // C2 should echo S1. It is not checked: many encoders send something else.
        if self.awaits == Awaits::C2 && input.len() >= PACKET_BYTES {
            input.advance(PACKET_BYTES);
            self.awaits = Awaits::Nothing;
        }
        Ok(self.awaits == Awaits::Nothing)
    }

    fn answer(&self, c1: &[u8; PACKET_BYTES], output: &mut BytesMut) {
        let packets = digest_of(c1, CLIENT_KEY_TEXT).and_then(|(scheme, digest)| {
            let s1 = self.signed_s1(scheme)?;
            let s2 = self.signed_s2(&digest)?;
            Some((s1, s2))
        });
        let (s1, s2) = packets.unwrap_or_else(|| (self.simple_s1(), *c1));
        output.put_slice(&s1);
        output.put_slice(&s2);
    }

    /// S1 of the simple handshake: time zero, four zero bytes, random bytes.
    fn simple_s1(&self) -> [u8; PACKET_BYTES] {
        let mut s1 = self.random(1);
        if let Some(head) = s1.first_chunk_mut::<8>() {
            *head = [0; 8];
        }
        s1
    }

    fn signed_s1(&self, scheme: Scheme) -> Option<[u8; PACKET_BYTES]> {
        let mut s1 = self.simple_s1();
        s1.get_mut(4..8)?.copy_from_slice(&SERVER_VERSION);
        let at = scheme.digest_at(&s1)?;
        let digest = packet_digest(&s1, at, SERVER_KEY_TEXT)?;
        s1.get_mut(at..at + DIGEST_BYTES)?.copy_from_slice(&digest);
        Some(s1)
    }

    /// S2 of the digest handshake: random bytes and their HMAC, whose key derives from C1's digest.
    fn signed_s2(&self, c1_digest: &[u8; DIGEST_BYTES]) -> Option<[u8; PACKET_BYTES]> {
        let mut s2 = self.random(2);
        let key = hmac_sha256(
            &[SERVER_KEY_TEXT, KEY_TAIL.as_slice()].concat(),
            &[c1_digest],
        )?;
        let (random, signature) = s2.split_at_mut_checked(PACKET_BYTES - DIGEST_BYTES)?;
        signature.copy_from_slice(&hmac_sha256(&key, &[random])?);
        Some(s2)
    }

    fn random(&self, packet: u8) -> [u8; PACKET_BYTES] {
        let mut bytes = [0; PACKET_BYTES];
        for (block, number) in bytes.chunks_exact_mut(DIGEST_BYTES).zip(0_u8..) {
            let hash = Sha256::new()
                .chain_update(self.seed)
                .chain_update([packet, number])
                .finalize();
            block.copy_from_slice(&hash);
        }
        bytes
    }
}

/// The digest of a packet that was signed with `key`, and its position; `None` when none is valid.
fn digest_of(packet: &[u8; PACKET_BYTES], key: &[u8]) -> Option<(Scheme, [u8; DIGEST_BYTES])> {
    // A version of zero announces the simple handshake.
    if packet.get(4..8)? == [0; 4] {
        return None;
    }
    Scheme::ALL.into_iter().find_map(|scheme| {
        let at = scheme.digest_at(packet)?;
        let digest = packet_digest(packet, at, key)?;
        (packet.get(at..at + DIGEST_BYTES)? == digest).then_some((scheme, digest))
    })
}

/// The digest of all bytes of a packet except the digest's own.
fn packet_digest(
    packet: &[u8; PACKET_BYTES],
    digest_at: usize,
    key: &[u8],
) -> Option<[u8; DIGEST_BYTES]> {
    let before = packet.get(..digest_at)?;
    let after = packet.get(digest_at + DIGEST_BYTES..)?;
    hmac_sha256(key, &[before, after])
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Option<[u8; DIGEST_BYTES]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(c1: &[u8; PACKET_BYTES]) -> BytesMut {
        let mut input = BytesMut::from(&[VERSION][..]);
        input.put_slice(c1);
        input
    }

    fn counting_packet() -> [u8; PACKET_BYTES] {
        std::array::from_fn(|at| (at * 7 % 251) as u8)
    }

    fn signed_c1(scheme: Scheme) -> [u8; PACKET_BYTES] {
        let mut c1 = counting_packet();
        c1[4..8].copy_from_slice(&[128, 0, 7, 2]);
        let at = scheme.digest_at(&c1).unwrap();
        let digest = packet_digest(&c1, at, CLIENT_KEY_TEXT).unwrap();
        c1[at..at + DIGEST_BYTES].copy_from_slice(&digest);
        c1
    }

    fn answer_to(c1: &[u8; PACKET_BYTES]) -> BytesMut {
        let mut output = BytesMut::new();
        let over = Handshake::new([9; 32]).advance(&mut input(c1), &mut output);
        assert_eq!(over, Ok(false));
        assert_eq!(output.len(), 1 + 2 * PACKET_BYTES);
        output
    }

    #[test]
    fn hmac_is_the_one_of_rfc_4231() {
        let digest = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]).unwrap();
        assert_eq!(
            digest[..8],
            [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]
        );
    }

    #[test]
    fn a_simple_handshake_is_echoed() {
        let mut c1 = counting_packet();
        c1[4..8].fill(0);
        let output = answer_to(&c1);
        assert_eq!(output[0], 3);
        assert_eq!(output[1..9], [0; 8], "time and zero of S1");
        assert_eq!(output[1 + PACKET_BYTES..], c1, "S2 is C1");
    }

    #[test]
    fn a_signed_handshake_is_signed_in_the_same_scheme() {
        for scheme in Scheme::ALL {
            let c1 = signed_c1(scheme);
            let output = answer_to(&c1);
            let s1: &[u8; PACKET_BYTES] = output[1..1 + PACKET_BYTES].try_into().unwrap();
            let (found, _) = digest_of(s1, SERVER_KEY_TEXT).unwrap();
            assert_eq!(found, scheme);

            let (_, c1_digest) = digest_of(&c1, CLIENT_KEY_TEXT).unwrap();
            let key = hmac_sha256(&[SERVER_KEY_TEXT, &KEY_TAIL].concat(), &[&c1_digest]).unwrap();
            let s2 = &output[1 + PACKET_BYTES..];
            let signature = hmac_sha256(&key, &[&s2[..1504]]).unwrap();
            assert_eq!(s2[1504..], signature);
        }
    }

    #[test]
    fn a_broken_signature_falls_back_to_the_simple_handshake() {
        let mut c1 = signed_c1(Scheme::First);
        c1[1500] ^= 1;
        assert_eq!(answer_to(&c1)[1 + PACKET_BYTES..], c1);
    }

    #[test]
    fn every_split_of_the_bytes_leads_to_the_same_answer() {
        let c1 = signed_c1(Scheme::Second);
        let mut all = input(&c1);
        all.put_slice(&[0xaa; PACKET_BYTES]);
        all.put_slice(b"rest");
        for step in [1, 7, 1000, 1537, 3073, 4000] {
            let mut handshake = Handshake::new([9; 32]);
            let (mut pending, mut output) = (BytesMut::new(), BytesMut::new());
            let mut over = false;
            for piece in all.chunks(step) {
                pending.put_slice(piece);
                over = handshake.advance(&mut pending, &mut output).unwrap();
            }
            assert!(over, "step {step}");
            assert_eq!(output, answer_to(&c1), "step {step}");
            assert_eq!(pending, b"rest"[..], "step {step}");
        }
    }

    #[test]
    fn what_is_no_rtmp_is_refused_at_its_first_byte() {
        for first in [0, 6, b'G', 0x16] {
            let result = Handshake::new([0; 32])
                .advance(&mut BytesMut::from(&[first][..]), &mut BytesMut::new());
            assert_eq!(result, Err(HandshakeError::Version(first)));
        }
    }
}
