//! Corrects boxes of `cmafmux`: it gives all parts of a segment the segment's number, writes the
//! present time into initialization sections, and decode times into 32 bits.

use std::ops::Range;

use bytes::BytesMut;

use crate::model::mp4::{HEADER_BYTES, find};

/// Version and flags of a full box.
const FULL_BYTES: usize = 4;
/// What a decode time of 64 bits is longer than one of 32 bits.
const WIDER_BYTES: usize = 4;

/// Writes `number` into the movie fragment header of a part; false when the part has none.
///
/// "The movie fragment header contains a sequence number, as a safety check. The sequence number
/// usually starts at 1 and shall increase for each movie fragment in the file, in the order in which
/// they occur" (ISO/IEC 14496-12 section 8.8.5).
pub fn number(part: &mut [u8], number: u32) -> bool {
    let header = content(part, *b"moof").and_then(|moof| content(moof, *b"mfhd"));
    let Some(field) = header.and_then(|mfhd| mfhd.get_mut(FULL_BYTES..FULL_BYTES + 4)) else {
        return false;
    };
    field.copy_from_slice(&number.to_be_bytes());
    true
}

/// Gives the decode time of a part 64 bits instead of 32, as in `tfdt` of version 1 (ISO/IEC 14496-12
/// section 8.8.12). Some readers know no other, and over a long stream it is needed anyway. False if the part has
/// no time of 32 bits; then nothing changes.
pub fn widen_time(part: &mut BytesMut) -> bool {
    widened(part).is_some()
}

fn widened(part: &mut BytesMut) -> Option<()> {
    let moof = find(part, *b"moof")?;
    let traf = within(part, &moof, *b"traf")?;
    let tfdt = within(part, &traf, *b"tfdt")?;
    let trun = within(part, &traf, *b"trun")?;
    let is_narrow = *part.get(tfdt.start)? == 0 && tfdt.len() == FULL_BYTES + 4;
    let has_data_offset = part.get(trun.start + 3)? & 1 != 0;
    // The offset comes after the number of samples and counts from the first byte of `moof` (section 8.8.8).
    let data_offset = has_data_offset.then_some(trun.start + FULL_BYTES + 4);
    let sizes = [&moof, &traf, &tfdt].map(|inside| inside.start - HEADER_BYTES);
    let grown = sizes.into_iter().chain(data_offset).map(|at| {
        let field = part.get(at..at + 4)?.try_into().ok()?;
        Some((
            at,
            u32::from_be_bytes(field).checked_add(WIDER_BYTES as u32)?,
        ))
    });
    let grown: Vec<(usize, u32)> = grown.collect::<Option<_>>().filter(|_| is_narrow)?;
    for (at, value) in grown {
        part.get_mut(at..at + 4)?
            .copy_from_slice(&value.to_be_bytes());
    }
    *part.get_mut(tfdt.start)? = 1;
    let (time_at, length) = (tfdt.start + FULL_BYTES, part.len());
    part.resize(length + WIDER_BYTES, 0);
    part.copy_within(time_at..length, time_at + WIDER_BYTES);
    part.get_mut(time_at..time_at + WIDER_BYTES)?.fill(0);
    Some(())
}

/// Where the content of the first box called `name` lies in `part`, of those in `outer`.
fn within(part: &[u8], outer: &Range<usize>, name: [u8; 4]) -> Option<Range<usize>> {
    let found = find(part.get(outer.clone())?, name)?;
    Some(found.start + outer.start..found.end + outer.start)
}

/// Clears the times of creation and modification in an initialization section, so that an encoder of
/// the same settings makes the same section. The times "declare" only (ISO/IEC 14496-12 sections
/// 8.2.2, 8.3.2 and 8.4.2) and do not place any sample.
pub fn forget_times(init: &mut [u8]) {
    let paths: [&[[u8; 4]]; 3] = [
        &[*b"moov", *b"mvhd"],
        &[*b"moov", *b"trak", *b"tkhd"],
        &[*b"moov", *b"trak", *b"mdia", *b"mdhd"],
    ];
    for path in paths {
        let header = path
            .iter()
            .try_fold(&mut *init, |boxes, name| content(boxes, *name));
        if let Some([version, _, _, _, fields @ ..]) = header {
            // Version 1 has two times of 64 bits, version 0 of 32 bits.
            let bytes = if *version == 1 { 16 } else { 8 };
            fields.iter_mut().take(bytes).for_each(|byte| *byte = 0);
        }
    }
}

/// The content of the first box called `name` in `boxes`.
fn content(boxes: &mut [u8], name: [u8; 4]) -> Option<&mut [u8]> {
    let found = find(boxes, name)?;
    boxes.get_mut(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mp4::first_shown;

    fn boxed(name: &str, content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(HEADER_BYTES + content.len()).unwrap();
        [&size.to_be_bytes(), name.as_bytes(), content].concat()
    }

    fn part(number: u8) -> Vec<u8> {
        let mfhd = boxed("mfhd", &[0, 0, 0, 0, 0, 0, 0, number]);
        let moof = boxed("moof", &[mfhd, boxed("traf", &[9; 40])].concat());
        [boxed("styp", b"msdh"), moof, boxed("mdat", b"mfhd")].concat()
    }

    #[test]
    fn only_the_number_changes() {
        let mut bytes = part(1);
        assert!(number(&mut bytes, 7));
        assert_eq!(bytes, part(7));
    }

    /// A part of one sample of four bytes, as `cmafmux` writes it.
    fn timed(version: u8, time: &[u8]) -> BytesMut {
        let words = |words: &[u32]| {
            words
                .iter()
                .flat_map(|it| it.to_be_bytes())
                .collect::<Vec<_>>()
        };
        let tfhd = boxed("tfhd", &words(&[0x02_0008, 1, 512]));
        let tfdt = boxed("tfdt", &[&[version, 0, 0, 0], time].concat());
        let after = |bytes: usize| {
            let offset = u32::try_from(bytes).unwrap();
            boxed("trun", &words(&[0x201, 1, offset, 4]))
        };
        let mfhd = boxed("mfhd", &words(&[0, 1]));
        let traf = |offset| {
            boxed(
                "traf",
                &[tfhd.clone(), tfdt.clone(), after(offset)].concat(),
            )
        };
        let moof = |offset| boxed("moof", &[mfhd.clone(), traf(offset)].concat());
        let moof = moof(moof(0).len() + HEADER_BYTES);
        let all = [boxed("styp", b"msdh"), moof, boxed("mdat", b"data")].concat();
        BytesMut::from(all.as_slice())
    }

    #[test]
    fn a_time_gets_sixty_four_bits() {
        let mut bytes = timed(0, &[1, 2, 3, 4]);
        assert!(widen_time(&mut bytes));
        let wide = timed(1, &[0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(bytes, wide);
        assert!(!widen_time(&mut bytes));
        assert_eq!(bytes, wide);
        assert_eq!(first_shown(&bytes), Some(0x0102_0304));
    }

    proptest::proptest! {
        #[test]
        fn what_has_no_time_stays_as_it_is(cut in 0_usize..100, at in 0_usize..100, byte in 0_u8..) {
            let mut bytes = timed(0, &[1, 2, 3, 4]);
            bytes.truncate(cut);
            if let Some(wrong) = bytes.get_mut(at) {
                *wrong = byte;
            }
            let before = bytes.clone();
            if !widen_time(&mut bytes) {
                proptest::prop_assert_eq!(bytes, before);
            }
        }
    }

    #[test]
    fn an_init_section_forgets_its_times() {
        let section = |time: u8| {
            let header = |name, version: u8| {
                let times = [time; 16];
                boxed(name, &[&[version, 0, 0, 0], &times[..], &[7; 20]].concat())
            };
            let media = boxed("mdia", &header("mdhd", 1));
            let track = boxed("trak", &[header("tkhd", 1), media].concat());
            let movie = boxed("moov", &[header("mvhd", 1), track].concat());
            [boxed("ftyp", b"cmf2"), movie].concat()
        };
        let mut bytes = section(9);
        forget_times(&mut bytes);
        assert_eq!(bytes, section(0));
        let mut short = section(9)[..40].to_vec();
        forget_times(&mut short);
        assert_eq!(short, section(9)[..40]);
    }

    #[test]
    fn what_is_no_part_stays_as_it_is() {
        let cut_short = part(1)[..30].to_vec();
        let without = boxed("mdat", b"mfhd");
        let endless = boxed("free", &[]).repeat(64);
        for bytes in [cut_short, without, endless, vec![0; 64], Vec::new()] {
            let mut after = bytes.clone();
            assert!(!number(&mut after, 7));
            assert_eq!(after, bytes);
        }
    }
}
