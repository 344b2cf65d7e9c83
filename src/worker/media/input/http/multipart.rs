//! The JPEG pictures of a `multipart/x-mixed-replace` body, as cameras send it.
//!
//! RFC 2046 section 5.1 separates parts by boundaries. Cameras do not: their boundaries differ from
//! what the head says, their lengths are wrong, and other bytes stand between parts. A JPEG picture
//! tells itself where it begins and ends (ITU-T T.81 annex B), so the reader goes by the pictures
//! alone. It knows when a picture is complete as soon as the picture's last byte is there.

/// Longest picture, in bytes. A longer one is left out.
const PICTURE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest line of a part's head that is looked at, in bytes.
const LINE_BYTES_MAX: usize = 256;
/// After this many bytes without any picture there will be none.
const BARREN_BYTES_MAX: usize = 1024 * 1024;
/// After so many parts of another type without any picture there will be none.
const BARREN_PARTS_MAX: u32 = 3;

/// The codes of markers, the bytes behind `0xFF` (ITU-T T.81 table B.1).
mod marker {
    /// Start of an image.
    pub const SOI: u8 = 0xD8;
    /// End of an image.
    pub const EOI: u8 = 0xD9;
    /// Start of a scan: compressed data follow the segment.
    pub const SOS: u8 = 0xDA;
    /// Restarts within a scan.
    pub const RST: std::ops::RangeInclusive<u8> = 0xD0..=0xD7;
    /// For temporary use; without a segment, as RST, SOI and EOI.
    pub const TEM: u8 = 0x01;
}

/// A body without pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPicture {
    /// `Content-Type` of the newest part; empty when none was said.
    pub content_type: String,
}

/// Where in the body the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between pictures; so many bytes of a picture's beginning (`FF D8 FF`) were just read.
    Between(u8),
    /// In a picture, before a marker. Bytes that belong to nothing are skipped, as decoders do.
    Marker,
    /// Behind the `0xFF` of a marker.
    Code,
    /// Behind the code of a marker with a segment.
    LengthHigh {
        /// The segment is the head of a scan.
        scan: bool,
    },
    /// Behind the first byte of the segment's length.
    LengthLow {
        /// The segment is the head of a scan.
        scan: bool,
        /// The first byte.
        high: u8,
    },
    /// In a segment.
    Segment {
        /// The segment is the head of a scan.
        scan: bool,
        /// Bytes that are still to come.
        left: usize,
    },
    /// In the compressed data of a scan.
    Scan,
    /// Behind an `0xFF` in the compressed data.
    ScanCode,
}

/// Reads one body.
#[derive(Debug)]
pub struct Multipart {
    at: At,
    picture: Vec<u8>,
    /// The pictures before were complete and may be believed.
    fruitful: bool,
    barren_bytes: usize,
    barren_parts: u32,
    line: Vec<u8>,
    content_type: String,
}

impl Default for Multipart {
    fn default() -> Self {
        Self {
            at: At::Between(0),
            picture: Vec::new(),
            fruitful: false,
            barren_bytes: 0,
            barren_parts: 0,
            line: Vec::new(),
            content_type: String::new(),
        }
    }
}

impl Multipart {
    /// Reads `bytes` up to the end of the next picture, takes what it has read away from them, and
    /// returns the picture; `None` when all bytes were read and no picture is complete.
    ///
    /// # Errors
    /// When the body has no picture at the places where each body of pictures has one.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, NoPicture> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let At::Scan | At::Segment { .. } = self.at {
                let taken = self.run(bytes);
                *bytes = bytes.get(taken..).unwrap_or_default();
                if taken > 0 {
                    continue;
                }
            }
            *bytes = rest;
            if let Some(picture) = self.step(byte)? {
                return Ok(Some(picture));
            }
        }
        Ok(None)
    }

    /// Takes the bytes in front that change nothing but the picture's length: those of a segment, and
    /// those of compressed data up to an `0xFF`. Returns how many.
    fn run(&mut self, bytes: &[u8]) -> usize {
        let run = match self.at {
            At::Segment { left, .. } => left.min(bytes.len()),
            _ => {
                let marker = bytes.iter().position(|byte| *byte == 0xFF);
                marker.unwrap_or(bytes.len())
            }
        };
        self.keep(bytes.get(..run).unwrap_or_default());
        if let At::Segment { scan, left } = self.at {
            self.at = match left - run {
                0 if scan => At::Scan,
                0 => At::Marker,
                left => At::Segment { scan, left },
            };
        }
        run
    }

    fn step(&mut self, byte: u8) -> Result<Option<Vec<u8>>, NoPicture> {
        if let At::Between(begun) = self.at {
            return self.between(begun, byte).map(|()| None);
        }
        self.keep(&[byte]);
        self.at = match (self.at, byte) {
            // Any number of 0xFF may stand before a marker's code (ITU-T T.81 section B.1.1.2).
            (At::Marker | At::Code, 0xFF) => At::Code,
            (At::Code, marker::EOI) | (At::ScanCode, marker::EOI) => return Ok(self.end()),
            (At::Code, marker::SOI) | (At::ScanCode, marker::SOI) => return Ok(self.cut()),
            (At::Code, 0x00 | marker::TEM) => At::Marker,
            (At::Code, code) if marker::RST.contains(&code) => At::Marker,
            (At::Code | At::ScanCode, marker::SOS) => At::LengthHigh { scan: true },
            (At::Scan | At::ScanCode, 0xFF) => At::ScanCode,
            // A zero says that the 0xFF before it is data (ITU-T T.81 section B.1.1.5).
            (At::ScanCode, 0x00 | marker::TEM) => At::Scan,
            (At::ScanCode, code) if marker::RST.contains(&code) => At::Scan,
            (At::Code | At::ScanCode, _) => At::LengthHigh { scan: false },
            (At::LengthHigh { scan }, high) => At::LengthLow { scan, high },
            (At::LengthLow { scan, high }, low) => segment(scan, high, low),
            (at, _) => at,
        };
        Ok(None)
    }

    /// Adds to the picture. One that becomes too long is left out.
    fn keep(&mut self, bytes: &[u8]) {
        if self.picture.len() + bytes.len() <= PICTURE_BYTES_MAX {
            self.picture.extend_from_slice(bytes);
        } else {
            self.picture = Vec::new();
            self.at = At::Between(0);
        }
    }

    fn begin(&mut self) {
        self.at = At::Code;
        self.picture = vec![0xFF, marker::SOI, 0xFF];
        self.line.clear();
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        self.at = At::Between(0);
        self.fruitful = true;
        Some(std::mem::take(&mut self.picture))
    }

    /// The beginning of another picture in the middle of one: the one before was broken off. What
    /// there is of it is given up, for a decoder would show it as half grey.
    fn cut(&mut self) -> Option<Vec<u8>> {
        self.at = At::Marker;
        self.picture = vec![0xFF, marker::SOI];
        None
    }

    fn between(&mut self, begun: u8, byte: u8) -> Result<(), NoPicture> {
        self.at = match (begun, byte) {
            (2, 0xFF) => {
                self.begin();
                return Ok(());
            }
            (1, marker::SOI) => At::Between(2),
            (_, 0xFF) => At::Between(1),
            _ => At::Between(0),
        };
        if self.fruitful {
            return Ok(());
        }
        self.barren_bytes += 1;
        if byte == b'\n' {
            self.header();
        } else if self.line.len() < LINE_BYTES_MAX {
            self.line.push(byte);
        }
        match self.barren_bytes > BARREN_BYTES_MAX || self.barren_parts >= BARREN_PARTS_MAX {
            true => Err(NoPicture {
                content_type: self.content_type.clone(),
            }),
            false => Ok(()),
        }
    }

    /// A line has ended that may be a header of a part.
    fn header(&mut self) {
        let line = String::from_utf8_lossy(&self.line).to_ascii_lowercase();
        self.line.clear();
        let Some(value) = line.strip_prefix("content-type:") else {
            return;
        };
        value.trim().clone_into(&mut self.content_type);
        // Cameras write image/jpeg, image/jpg, image/pjpeg, image/x-jpeg.
        let jpeg = ["jpeg", "jpg", "multipart", "octet-stream"];
        if !jpeg.iter().any(|kind| value.contains(kind)) {
            self.barren_parts += 1;
        }
    }
}

/// In a segment of this length, which counts its own two bytes (ITU-T T.81 section B.1.1.4).
fn segment(scan: bool, high: u8, low: u8) -> At {
    match usize::from(u16::from_be_bytes([high, low])).saturating_sub(2) {
        0 if scan => At::Scan,
        0 => At::Marker,
        left => At::Segment { scan, left },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A picture with a thumbnail in a segment, stuffed bytes, restarts and two scans.
    fn picture(number: u8) -> Vec<u8> {
        let thumbnail = [0xFF, 0xD8, 0xFF, 0xDB, 0xFF, 0xD9];
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, 8];
        bytes.extend(thumbnail);
        bytes.extend([0xFF, 0xFF, 0xDB, 0, 3, number]);
        bytes.extend([0xFF, 0xDA, 0, 4, 1, 2, 7, 0xFF, 0x00, 8, 0xFF, 0xD0, 9]);
        bytes.extend([0xFF, 0xC4, 0, 2, 0xFF, 0xDA, 0, 2, number, 0xFF, 0xD9]);
        bytes
    }

    fn all(body: &[u8], pieces: usize) -> Vec<Vec<u8>> {
        let mut reader = Multipart::default();
        let mut found = Vec::new();
        for mut piece in body.chunks(pieces.max(1)) {
            while let Some(picture) = reader.read(&mut piece).unwrap() {
                found.push(picture);
            }
            assert!(piece.is_empty());
        }
        found
    }

    /// Bodies of three pictures, as cameras write them.
    fn dialects() -> Vec<(&'static str, Vec<u8>)> {
        let body = |before: &str, head: &str, after: &str| {
            let part = |n| [head.as_bytes(), &picture(n), after.as_bytes()].concat();
            [before.as_bytes(), &part(1), &part(2), &part(3)].concat()
        };
        let head = "--b\r\nContent-Type: image/jpeg\r\nContent-Length: 43\r\n\r\n";
        vec![
            ("as RFC 2046 says", body("", head, "\r\n")),
            (
                "with a preamble",
                body("This is a camera.\r\n\r\n", head, "\r\n"),
            ),
            (
                "image/jpg",
                body("", "--b\r\nContent-Type: image/jpg\r\n\r\n", "\r\n"),
            ),
            (
                "a boundary without dashes",
                body("", "b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
            ),
            (
                "a boundary with four dashes",
                body("", "----b\r\nContent-type:image/jpeg\r\n\r\n", "\r\n"),
            ),
            (
                "bytes between",
                body("", head, "\r\n\r\n\0\0\0\0padding\r\n"),
            ),
            ("no line end behind a picture", body("", head, "")),
            (
                "a length that is too short",
                body("", "--b\r\nContent-Length: 4\r\n\r\n", "\r\n"),
            ),
            (
                "a length that is too long",
                body("", "--b\r\nContent-Length: 900\r\n\r\n", "\r\n"),
            ),
            (
                "lines that end in LF",
                body("", "--b\nContent-Type: image/jpeg\n\n", "\n"),
            ),
            ("nothing but pictures", body("", "", "")),
            (
                "a part of another type first",
                body(
                    "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n",
                    head,
                    "\r\n",
                ),
            ),
        ]
    }

    #[test]
    fn every_dialect_is_read() {
        let expected = [picture(1), picture(2), picture(3)];
        for (name, body) in dialects() {
            assert_eq!(all(&body, body.len()), expected, "{name}");
        }
    }

    #[test]
    fn a_broken_picture_costs_no_other() {
        let head = b"\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n".as_slice();
        // What stands in the place of a length may take up to 64 KiB along.
        let far = vec![b'x'; 65_536];
        let whole = picture(1);
        // Cut in a segment, in the place of a segment's length, and in the compressed data.
        for cut in [9, 20, 25] {
            let body = [
                head,
                &whole[..cut],
                head,
                &picture(2),
                &far,
                head,
                &picture(3),
            ]
            .concat();
            let found = all(&body, 7);
            assert!(found.ends_with(&[picture(3)]), "{cut}: {found:?}");
        }
    }

    #[test]
    fn a_body_without_pictures_is_refused() {
        let part = b"--b\r\nContent-Type: text/plain\r\n\r\nno picture\r\n";
        let mut reader = Multipart::default();
        let refused = reader.read(&mut part.repeat(3).as_slice()).unwrap_err();
        assert_eq!(refused.content_type, "text/plain");
        let mut reader = Multipart::default();
        let zeros = vec![0; BARREN_BYTES_MAX + 1];
        let refused = reader.read(&mut zeros.as_slice()).unwrap_err();
        assert_eq!(refused.content_type, "");
    }

    #[test]
    fn a_picture_without_an_end_is_left_out() {
        let mut body = picture(1);
        body.truncate(body.len() - 2);
        body.resize(PICTURE_BYTES_MAX + 10, 0);
        body.extend(picture(2));
        let mut reader = Multipart::default();
        let mut rest = body.as_slice();
        assert_eq!(reader.read(&mut rest).unwrap(), Some(picture(2)));
        assert!(reader.picture.capacity() <= 2 * PICTURE_BYTES_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_do_not_matter(dialect in 0..12_usize, pieces in 1..80_usize) {
            let (_, body) = &dialects()[dialect];
            prop_assert_eq!(all(body, pieces), [picture(1), picture(2), picture(3)]);
        }

        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            body in prop::collection::vec(
                prop::sample::select(vec![0xFF, 0xD8, 0xD9, 0xDA, 0xD0, 0x00, 0x02, 0x05, b'\n']), 0..400),
            pieces in 1..50_usize,
        ) {
            prop_assert_eq!(all(&body, pieces), all(&body, body.len()));
        }
    }
}
