//! Corrects boxes of `cmafmux`: it gives all parts of a segment the segment's number, and writes the
//! present time into initialization sections.

/// Boxes of one level that are looked at. `cmafmux` writes three at most before `mfhd`.
const BOXES_MAX: usize = 16;
/// Length of a box's size and type.
const HEADER_BYTES: usize = 8;
/// Version and flags of a full box.
const FULL_BYTES: usize = 4;

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
fn content(mut boxes: &mut [u8], name: [u8; 4]) -> Option<&mut [u8]> {
    for _ in 0..BOXES_MAX {
        let size: [u8; 4] = boxes.get(..4)?.try_into().ok()?;
        // A box of size 0 or 1 is larger than a part.
        let size = usize::try_from(u32::from_be_bytes(size)).ok()?;
        if size < HEADER_BYTES || size > boxes.len() {
            return None;
        }
        let (first, rest) = std::mem::take(&mut boxes).split_at_mut(size);
        if first.get(4..HEADER_BYTES)? == name {
            return first.get_mut(HEADER_BYTES..);
        }
        boxes = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let endless = boxed("free", &[]).repeat(2 * BOXES_MAX);
        for bytes in [cut_short, without, endless, vec![0; 64], Vec::new()] {
            let mut after = bytes.clone();
            assert!(!number(&mut after, 7));
            assert_eq!(after, bytes);
        }
    }
}
