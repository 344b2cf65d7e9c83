//! Where the first picture of a fragmented MP4 segment lies in its bytes, read from the boxes of its first
//! fragment (ISO/IEC 14496-12 section 8.8). A worker made them, so nothing in them is believed: what is no
//! such fragment has no picture.

use std::ops::Range;

/// Boxes of one level that are looked at.
const BOXES_MAX: usize = 16;
/// Length of a box's size and type.
const HEADER_BYTES: usize = 8;
/// `tfhd`: addresses count from a place in a file, which HLS forbids (section 3.1.2).
const BASE_DATA_OFFSET: u32 = 0x01;
/// `tfhd`: fields before the default size of samples, and their bytes.
const BEFORE_DEFAULT_SIZE: [(u32, usize); 2] = [(0x02, 4), (0x08, 4)];
/// `tfhd`: the samples of the fragment have this size, where `trun` says no other.
const DEFAULT_SIZE: u32 = 0x10;
/// `trun`: where the samples begin, from the first byte of `moof`.
const DATA_OFFSET: u32 = 0x01;
/// `trun`: flags of the first sample.
const FIRST_FLAGS: u32 = 0x04;
/// `trun`: duration, size and flags of each sample.
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
/// A sample that is no sync sample: decoding cannot start at it.
const IS_NON_SYNC: u32 = 0x0001_0000;

/// The bytes of a segment that show its first picture, once a decoder has the initialization section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IFrame {
    /// Where they begin: at the first `moof`.
    pub offset: u64,
    /// How many they are: up to the end of the first sample.
    pub length: u64,
}

impl IFrame {
    /// Reads the first fragment of a segment; `None` where it does not begin with a sync sample.
    pub(super) fn of(fragment: &[u8]) -> Option<Self> {
        let moof = find(fragment, *b"moof")?;
        let start = moof.start.checked_sub(HEADER_BYTES)?;
        let boxes = fragment.get(moof.clone())?;
        let traf = boxes.get(find(boxes, *b"traf")?)?;
        let (from, size) = first_sample(traf)?;
        let from = start.checked_add(from)?;
        let end = from.checked_add(size)?;
        // The samples lie behind the header of `mdat`.
        let is_inside = from >= moof.end.checked_add(HEADER_BYTES)? && end <= fragment.len();
        (is_inside && size > 0).then_some(Self {
            offset: start as u64,
            length: (end - start) as u64,
        })
    }

    /// Whether these bytes of the segment are of the picture alone.
    pub fn covers(&self, bytes: &Range<u64>) -> bool {
        bytes.end <= self.offset.saturating_add(self.length)
    }
}

/// Where the first sample begins, from the first byte of `moof`, and its bytes.
fn first_sample(traf: &[u8]) -> Option<(usize, usize)> {
    let mut tfhd = Fields::of(traf.get(find(traf, *b"tfhd")?)?);
    let tfhd_flags = tfhd.flags()?;
    tfhd.skip(4)?;
    for (flag, bytes) in BEFORE_DEFAULT_SIZE {
        tfhd.skip(if tfhd_flags & flag != 0 { bytes } else { 0 })?;
    }
    let default_size = tfhd.when(tfhd_flags & DEFAULT_SIZE != 0)?;
    let mut trun = Fields::of(traf.get(find(traf, *b"trun")?)?);
    let flags = trun.flags()?;
    let count = trun.next()?;
    let offset = trun.when(flags & DATA_OFFSET != 0)?;
    let first_flags = trun.when(flags & FIRST_FLAGS != 0)?;
    trun.when(flags & DURATION != 0)?;
    let size = trun.when(flags & SIZE != 0)?.or(default_size)?;
    let own_flags = trun.when(flags & FLAGS != 0)?;
    let is_sync = first_flags.or(own_flags).unwrap_or_default() & IS_NON_SYNC == 0;
    let is_relative = tfhd_flags & BASE_DATA_OFFSET == 0;
    if count == 0 || !is_sync || !is_relative {
        return None;
    }
    Some((usize::try_from(offset?).ok()?, usize::try_from(size).ok()?))
}

/// The fields of a full box, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn of(content: &'a [u8]) -> Self {
        Self(content)
    }

    fn next(&mut self) -> Option<u32> {
        let (field, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*field))
    }

    /// The next field if the box has it.
    fn when(&mut self, is_there: bool) -> Option<Option<u32>> {
        match is_there {
            true => self.next().map(Some),
            false => Some(None),
        }
    }

    /// Version and flags, without the version.
    fn flags(&mut self) -> Option<u32> {
        self.next().map(|field| field & 0x00ff_ffff)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}

/// Where the content of the first box called `name` lies in `boxes`.
fn find(boxes: &[u8], name: [u8; 4]) -> Option<Range<usize>> {
    let mut at = 0_usize;
    for _ in 0..BOXES_MAX {
        let content = at.checked_add(HEADER_BYTES)?;
        let header = boxes.get(at..content)?;
        let (size, kind) = header.split_first_chunk::<4>()?;
        // A box of size 0 or 1 is larger than a part.
        let end = at.checked_add(usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
        if end < content || end > boxes.len() {
            return None;
        }
        if kind == name {
            return Some(content..end);
        }
        at = end;
    }
    None
}

/// A fragment of `total` bytes whose samples have these sizes; the first one is a sync sample.
#[cfg(test)]
pub(super) fn fragment(total: usize, sizes: &[u32]) -> Vec<u8> {
    let boxed = |name: &[u8; 4], content: Vec<u8>| {
        let size = u32::try_from(HEADER_BYTES + content.len()).unwrap();
        [&size.to_be_bytes()[..], name, &content].concat()
    };
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let styp = boxed(b"styp", b"cmfs\0\0\0\0".to_vec());
    let count = u32::try_from(sizes.len()).unwrap();
    let moof_bytes = 8 + 16 + 8 + 16 + 20 + 20 + 16 * count;
    let mut trun = vec![0xf01, count, moof_bytes + 8];
    for (n, size) in sizes.iter().enumerate() {
        let flags = if n == 0 { 0x0200_0000 } else { 0x0101_0000 };
        trun.extend([100, *size, flags, 0]);
    }
    let tfhd = boxed(b"tfhd", words(&[0x02_0000, 1]));
    let tfdt = boxed(b"tfdt", words(&[1 << 24, 0, 0]));
    let traf = boxed(b"traf", [tfhd, tfdt, boxed(b"trun", words(&trun))].concat());
    let moof = boxed(b"moof", [boxed(b"mfhd", words(&[0, 7])), traf].concat());
    assert_eq!(moof.len(), usize::try_from(moof_bytes).unwrap());
    let media = total - styp.len() - moof.len() - HEADER_BYTES;
    [styp, moof, boxed(b"mdat", vec![0; media])].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `fragment` with the 32 bits at the first `from` changed to `to`.
    fn with(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = bytes.windows(from.len()).position(|it| it == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    }

    #[test]
    fn the_first_picture_ends_with_its_sample() {
        let bytes = fragment(1000, &[300, 500]);
        let iframe = IFrame::of(&bytes).unwrap();
        // `styp` has 16 bytes; `moof` 120, the header of `mdat` 8, the sample 300.
        let expected = IFrame {
            offset: 16,
            length: 428,
        };
        assert_eq!(iframe, expected);
        let start = usize::try_from(iframe.offset).unwrap();
        assert_eq!(&bytes[start + 4..start + 8], b"moof");
        for (range, covered) in [(16..444, true), (16..200, true), (16..445, false)] {
            assert_eq!(iframe.covers(&range), covered, "{range:?}");
        }
        assert!(!iframe.covers(&(0..u64::MAX)));
    }

    #[test]
    fn a_size_for_all_samples_is_in_another_box() {
        let bytes = fragment(1000, &[300]);
        // `tfhd` with a default size in the place of the track's number, and `trun` without sizes.
        let tfhd = [&[0, 2, 0, 0x10, 0, 0, 0, 1][..], &300_u32.to_be_bytes()].concat();
        let tfhd = [&20_u32.to_be_bytes()[..], b"tfhd", &tfhd].concat();
        let old = [
            &16_u32.to_be_bytes()[..],
            b"tfhd",
            &[0, 2, 0, 0, 0, 0, 0, 1],
        ]
        .concat();
        let mut other = with(&bytes, &old, &tfhd);
        other = with(&other, &[0, 0, 0xf, 1], &[0, 0, 0xd, 1]);
        for (name, bytes) in [(b"moof", 104_u32), (b"traf", 80)] {
            let from = [&bytes.to_be_bytes()[..], name].concat();
            let to = [&(bytes + 4).to_be_bytes()[..], name].concat();
            other = with(&other, &from, &to);
        }
        other = with(&other, &112_u32.to_be_bytes(), &116_u32.to_be_bytes());
        let expected = IFrame {
            offset: 16,
            length: 108 + 8 + 300,
        };
        assert_eq!(IFrame::of(&other), Some(expected));
    }

    #[test]
    fn what_is_no_fragment_with_a_sync_sample_has_no_picture() {
        let good = fragment(1000, &[300, 500]);
        let size = 300_u32.to_be_bytes();
        for (what, bytes) in [
            ("nothing", Vec::new()),
            ("zeros", vec![0; 1000]),
            ("cut short", good[..400].to_vec()),
            ("no moof", with(&good, b"moof", b"free")),
            ("no traf", with(&good, b"traf", b"free")),
            ("no tfhd", with(&good, b"tfhd", b"free")),
            ("no trun", with(&good, b"trun", b"free")),
            ("no samples", fragment(1000, &[])),
            ("an empty sample", fragment(1000, &[0, 5])),
            (
                "not a sync sample",
                with(&good, &[44, 2, 0, 0, 0], &[44, 1, 1, 0, 0]),
            ),
            ("too large", with(&good, &size, &[0xff; 4])),
            ("in moof", with(&good, &128_u32.to_be_bytes(), &[0; 4])),
            (
                "behind the end",
                with(&good, &128_u32.to_be_bytes(), &[0xff; 4]),
            ),
            ("no place", with(&good, &[0, 0, 0xf, 1], &[0, 0, 0xf, 0])),
            (
                "a place in a file",
                with(&good, &[0, 2, 0, 0], &[0, 0, 0, 1]),
            ),
            (
                "many boxes",
                [b"\0\0\0\x08free".repeat(99), good.clone()].concat(),
            ),
        ] {
            assert_eq!(IFrame::of(&bytes), None, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_range_inside(
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            sizes in prop::collection::vec(0_u32..300, 1..4),
        ) {
            let mut bytes = fragment(1500, &sizes);
            let at = place.index(bytes.len());
            bytes[at] = byte;
            if let Some(iframe) = IFrame::of(&bytes) {
                prop_assert!(iframe.offset + iframe.length <= 1500 && iframe.length > 0);
            }
        }

        #[test]
        fn what_was_written_is_read(sizes in prop::collection::vec(1_u32..300, 1..4)) {
            let bytes = fragment(1500, &sizes);
            let expected = 88 + 16 * sizes.len() as u64 + 8 + u64::from(sizes[0]);
            prop_assert_eq!(IFrame::of(&bytes).map(|it| it.length), Some(expected));
        }
    }
}
