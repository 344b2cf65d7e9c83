//! Reads a few boxes of fragmented MPEG-4 (ISO/IEC 14496-12): what says when samples are shown.

use std::ops::Range;

/// Length of a box's size and type.
pub const HEADER_BYTES: usize = 8;
/// Boxes of one level that are looked at.
const BOXES_MAX: usize = 32;
/// Samples of a fragment that are looked at: no part lasts longer than 10 s, at 120 frames per second.
const SAMPLES_MAX: u32 = 1200;
/// Length of the version and the flags of a full box.
const FULL_BYTES: usize = 4;

/// Where the content of the first box called `name` lies in `boxes`.
pub fn find(boxes: &[u8], name: [u8; 4]) -> Option<Range<usize>> {
    let mut at = 0_usize;
    for _ in 0..BOXES_MAX {
        // A box of size 0 or 1 is larger than an initialization section.
        let size = usize::try_from(u32_at(boxes, at)?).ok()?;
        let (content, end) = (at.checked_add(HEADER_BYTES)?, at.checked_add(size)?);
        if size < HEADER_BYTES || end > boxes.len() {
            return None;
        }
        if boxes.get(at + 4..content)? == name {
            return Some(content..end);
        }
        at = end;
    }
    None
}

/// The content of the box at the end of `path`.
fn inside<'a>(boxes: &'a [u8], path: &[[u8; 4]]) -> Option<&'a [u8]> {
    path.iter()
        .try_fold(boxes, |boxes, name| boxes.get(find(boxes, *name)?))
}

/// Ticks per second of the track in an initialization section.
pub fn timescale(init: &[u8]) -> Option<u32> {
    let header = inside(init, &[*b"moov", *b"trak", *b"mdia", *b"mdhd"])?;
    // Version 1 has two times of 64 bits before the timescale, version 0 of 32 bits.
    let at = if *header.first()? == 1 { 20 } else { 12 };
    u32_at(header, at).filter(|scale| *scale > 0)
}

/// When the first sample that a part shows is shown, in ticks of its track: the least composition time
/// in its first fragment.
pub fn first_shown(part: &[u8]) -> Option<u64> {
    let fragment = inside(part, &[*b"moof", *b"traf"])?;
    let begins = decode_time(inside(fragment, &[*b"tfdt"])?)?;
    let duration = default_duration(inside(fragment, &[*b"tfhd"])?);
    let run = Run::read(inside(fragment, &[*b"trun"])?, duration)?;
    begins.checked_add_signed(run.first_shown_after()?)
}

/// The content of `tfdt` (section 8.8.12).
fn decode_time(content: &[u8]) -> Option<u64> {
    match content.first()? {
        0 => u32_at(content, FULL_BYTES).map(u64::from),
        _ => {
            let field = content.get(FULL_BYTES..FULL_BYTES + 8)?;
            Some(u64::from_be_bytes(field.try_into().ok()?))
        }
    }
}

/// The duration of each sample that does not say another one, from the content of `tfhd` (section
/// 8.8.7).
fn default_duration(content: &[u8]) -> u32 {
    let flags = u32_at(content, 0).unwrap_or_default();
    let before = [(0x1, 8), (0x2, 4)].iter();
    let before = before.filter(|(flag, _)| flags & flag != 0);
    let at = FULL_BYTES + 4 + before.map(|(_, bytes)| bytes).sum::<usize>();
    let has = flags & 0x8 != 0;
    u32_at(content, at).filter(|_| has).unwrap_or_default()
}

/// A `trun` (section 8.8.8): the samples of a track that follow one another.
struct Run<'a> {
    flags: u32,
    /// Composition offsets have a sign.
    is_signed: bool,
    count: u32,
    rows: &'a [u8],
    /// Duration of samples that say none.
    duration: u32,
}

impl<'a> Run<'a> {
    fn read(content: &'a [u8], duration: u32) -> Option<Self> {
        let head = u32_at(content, 0)?;
        let (version, flags) = (head >> 24, head & 0xff_ffff);
        // A data offset and the flags of the first sample may come before the rows.
        let before = [0x1, 0x4].iter().filter(|flag| flags & *flag != 0).count();
        Some(Self {
            flags,
            is_signed: version > 0,
            count: u32_at(content, FULL_BYTES)?.min(SAMPLES_MAX),
            rows: content.get(FULL_BYTES + 4 + 4 * before..)?,
            duration,
        })
    }

    /// How long after the first sample is decoded the first one is shown, in ticks.
    fn first_shown_after(&self) -> Option<i64> {
        let has = |flag| self.flags & flag != 0;
        let (has_duration, has_offset) = (has(0x100), has(0x800));
        if !has_offset {
            return Some(0);
        }
        let fields = [0x100, 0x200, 0x400, 0x800];
        let fields = fields.iter().filter(|flag| has(**flag)).count();
        let (mut decoded, mut first) = (0_i64, None::<i64>);
        for n in 0..usize::try_from(self.count).ok()? {
            let row = self.rows.get(4 * fields * n..4 * fields * (n + 1))?;
            let offset = u32_at(row, 4 * (fields - 1))?;
            let offset = match self.is_signed {
                true => i64::from(offset.cast_signed()),
                false => i64::from(offset),
            };
            let shown = decoded + offset;
            first = Some(first.map_or(shown, |first| first.min(shown)));
            let own = u32_at(row, 0).filter(|_| has_duration);
            decoded += i64::from(own.unwrap_or(self.duration));
        }
        first
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

/// Files that say when their samples are shown, and nothing else.
#[cfg(test)]
pub mod samples {
    use super::HEADER_BYTES;

    fn boxed(name: &str, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let size = u32::try_from(HEADER_BYTES + content.len()).unwrap();
        [&size.to_be_bytes(), name.as_bytes(), &content].concat()
    }

    /// An initialization section of `timescale` ticks per second; `more` makes it another one.
    pub fn init(timescale: u32, more: &str) -> Vec<u8> {
        let fields = [0, 0, 0, timescale, 0, 0].map(u32::to_be_bytes).concat();
        let media = boxed("mdia", &[&boxed("mdhd", &[&fields])]);
        let movie = boxed("moov", &[&boxed("trak", &[&media])]);
        [
            boxed("ftyp", &[b"cmf2"]),
            movie,
            boxed("free", &[more.as_bytes()]),
        ]
        .concat()
    }

    /// A part whose first sample is decoded at `begins`, in ticks. Each of its `samples` says how long it
    /// lasts and how long after it was decoded it is shown.
    pub fn part(begins: u64, samples: &[(u32, i32)]) -> Vec<u8> {
        let header = boxed(
            "tfhd",
            &[&0x02_0000_u32.to_be_bytes(), &1_u32.to_be_bytes()],
        );
        let time = boxed(
            "tfdt",
            &[&(1_u32 << 24).to_be_bytes(), &begins.to_be_bytes()],
        );
        let count = u32::try_from(samples.len()).unwrap();
        let head = [0x0100_0901, count, 0].map(u32::to_be_bytes).concat();
        let rows = samples.iter();
        let rows: Vec<u8> = rows
            .flat_map(|(duration, offset)| [duration.to_be_bytes(), offset.to_be_bytes()].concat())
            .collect();
        let run = boxed("trun", &[&head, &rows]);
        let fragment = boxed("moof", &[&boxed("traf", &[&header, &time, &run])]);
        [
            boxed("styp", &[b"msdh"]),
            fragment,
            boxed("mdat", &[b"media"]),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_section_says_the_ticks_per_second() {
        let whole = samples::init(48_000, "");
        assert_eq!(timescale(&whole), Some(48_000));
        assert_eq!(timescale(&samples::init(0, "")), None);
        for bytes in [&whole[..20], &[0; 64], &[]] {
            assert_eq!(timescale(bytes), None);
        }
    }

    #[test]
    fn the_first_sample_that_is_shown_may_not_be_the_first_that_is_decoded() {
        for (samples, shown) in [
            (&[(100, 0), (100, 0)][..], 5000),
            (&[(100, 200), (100, 300), (100, 0)], 5200),
            // The second one leads the first.
            (&[(100, 400), (100, 100), (100, 200)], 5200),
            (&[(100, 0), (100, -150)], 4950),
        ] {
            assert_eq!(first_shown(&samples::part(5000, samples)), Some(shown));
        }
        assert_eq!(first_shown(&samples::part(100, &[(1, -101)])), None);
        assert_eq!(first_shown(&samples::part(100, &[])), None);
        assert_eq!(first_shown(&samples::init(1, "")), None);
    }

    #[test]
    fn without_offsets_the_first_sample_is_shown_when_it_is_decoded() {
        let mut part = samples::part(7, &[(1, 99)]);
        let run = part.windows(4).position(|name| name == b"trun").unwrap();
        part[run + 4..run + 8].copy_from_slice(&0x0100_0101_u32.to_be_bytes());
        assert_eq!(first_shown(&part), Some(7));
    }

    proptest! {
        #[test]
        fn hostile_boxes_are_read_to_their_end_at_most(
            at in 0_usize..150, byte: u8, cut in 0_usize..150,
        ) {
            let mut part = samples::part(5000, &[(100, 200), (100, 300)]);
            let at = at % part.len();
            part[at] = byte;
            part.truncate(part.len().saturating_sub(cut));
            let _ = (first_shown(&part), timescale(&part));
        }
    }
}
