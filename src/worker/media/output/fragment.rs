//! Writes CMAF parts of frames that weir did not encode. `cmafmux` (0.14) takes the least PTS of a part
//! for its decode time, which is wrong where frames come in another order than they are shown.

use bytes::{BufMut, BytesMut};

use crate::model::mp4::{HEADER_BYTES, find};

/// The initialization section has one track, and `cmafmux` calls it 1.
const TRACK_ID: u32 = 1;
/// `tfhd`: data offsets count from the first byte of `moof` (ISO/IEC 14496-12 section 8.8.7).
const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
/// `trun`: a data offset, and duration, size, flags and composition offset of each sample (ISO/IEC
/// 14496-12 section 8.8.8).
const TRUN_FIELDS: u32 = 0x01 | 0x100 | 0x200 | 0x400 | 0x800;
/// Sample flags of a key frame: it depends on no other sample.
const KEY: u32 = 0x0200_0000;
/// Sample flags of another frame: it depends on others and is no sync sample.
const DEPENDENT: u32 = 0x0101_0000;
/// Bytes before the boxes in `stsd`: version and flags, and the number of entries.
const STSD_BYTES: usize = 8;
/// Bytes before the boxes in a visual sample entry (ISO/IEC 14496-12 section 12.1.3).
const VISUAL_ENTRY_BYTES: usize = 78;

/// One frame of a part. Times are in ticks of the initialization section's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Decode time.
    pub dts: u64,
    /// Presentation time, not before the decode time.
    pub pts: u64,
    /// Time to the next frame in decoding order.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Decoding can start here.
    pub key: bool,
}

/// The boxes of a part before its media: `moof`, and the header of `mdat`. The sequence number in `mfhd`
/// is 0. The part's decode time is that of its first sample.
pub fn head(samples: &[Sample]) -> BytesMut {
    let decode_time = samples.first().map_or(0, |sample| sample.dts);
    let media_bytes: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
    let mut out = BytesMut::with_capacity(128 + samples.len() * 16);
    let mut offset_at = 0;
    boxed(&mut out, *b"moof", |out| {
        full(out, *b"mfhd", 0, 0, |out| out.put_u32(0));
        boxed(out, *b"traf", |out| {
            full(out, *b"tfhd", 0, DEFAULT_BASE_IS_MOOF, |out| {
                out.put_u32(TRACK_ID);
            });
            full(out, *b"tfdt", 1, 0, |out| out.put_u64(decode_time));
            full(out, *b"trun", 1, TRUN_FIELDS, |out| {
                out.put_u32(u32::try_from(samples.len()).unwrap_or(u32::MAX));
                offset_at = out.len();
                out.put_u32(0);
                for sample in samples {
                    let shown_after = sample.pts.saturating_sub(sample.dts);
                    out.put_u32(sample.duration);
                    out.put_u32(sample.size);
                    out.put_u32(if sample.key { KEY } else { DEPENDENT });
                    out.put_i32(i32::try_from(shown_after).unwrap_or(i32::MAX));
                }
            });
        });
    });
    // The media begins behind the header of `mdat`.
    let media_at = out.len() + HEADER_BYTES;
    patch(&mut out, offset_at, media_at);
    out.put_u32(u32::try_from(media_bytes.saturating_add(8)).unwrap_or(u32::MAX));
    out.put_slice(b"mdat");
    out
}

fn boxed(out: &mut BytesMut, name: [u8; 4], content: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(&name);
    content(out);
    let size = out.len() - start;
    patch(out, start, size);
}

fn full(
    out: &mut BytesMut,
    name: [u8; 4],
    version: u8,
    flags: u32,
    content: impl FnOnce(&mut BytesMut),
) {
    boxed(out, name, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        content(out);
    });
}

fn patch(out: &mut BytesMut, at: usize, value: usize) {
    if let Some(field) = out.get_mut(at..at + 4) {
        field.copy_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// A copy of an initialization section for H.264, with `config`, an `AVCDecoderConfigurationRecord`, in
/// place of its own. `None` when it is not one with the sample entry `avc1`.
pub fn with_config(init: &[u8], config: &[u8]) -> Option<Vec<u8>> {
    let path = [
        (*b"moov", 0),
        (*b"trak", 0),
        (*b"mdia", 0),
        (*b"minf", 0),
        (*b"stbl", 0),
        (*b"stsd", STSD_BYTES),
        (*b"avc1", VISUAL_ENTRY_BYTES),
        (*b"avcC", 0),
    ];
    replaced(init, &path, config)
}

/// `boxes` with another content of the box at the end of `path`, which has the name of each box and the
/// bytes in it before its boxes.
fn replaced(boxes: &[u8], path: &[([u8; 4], usize)], content: &[u8]) -> Option<Vec<u8>> {
    let Some((&(name, skipped), deeper)) = path.split_first() else {
        return Some(content.to_vec());
    };
    let place = find(boxes, name)?;
    let old = boxes.get(place.clone())?;
    let mut new = old.get(..skipped)?.to_vec();
    new.extend(replaced(old.get(skipped..)?, deeper, content)?);
    let mut out = boxes
        .get(..place.start.checked_sub(HEADER_BYTES)?)?
        .to_vec();
    out.extend(u32::try_from(new.len() + HEADER_BYTES).ok()?.to_be_bytes());
    out.extend(name);
    out.extend(new);
    out.extend(boxes.get(place.end..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mp4::timescale;

    fn plain(name: &str, content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(HEADER_BYTES + content.len()).unwrap();
        [&size.to_be_bytes(), name.as_bytes(), content].concat()
    }

    fn words(values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|it| it.to_be_bytes()).collect()
    }

    /// The second frame in decoding order is shown last.
    fn reordered() -> Vec<Sample> {
        let sample = |(n, shown): (u64, u64)| Sample {
            dts: 5_000_000_000 + n * 100,
            pts: 5_000_000_100 + shown * 100,
            duration: 100,
            size: 1000 + n as u32,
            key: n == 0,
        };
        (0..).zip([0, 3, 1, 2]).map(sample).collect()
    }

    #[test]
    fn a_part_has_the_decode_time_of_its_first_frame() {
        let out = head(&reordered());
        let moof = find(&out, *b"moof").unwrap();
        let traf = find(&out[moof.clone()], *b"traf").unwrap();
        let traf = &out[moof.clone()][traf];
        let tfdt = &traf[find(traf, *b"tfdt").unwrap()];
        assert_eq!(
            tfdt,
            [&words(&[1 << 24])[..], &5_000_000_000_u64.to_be_bytes()].concat()
        );
        let trun = &traf[find(traf, *b"trun").unwrap()];
        let media_at = (moof.end + 8) as u32;
        assert_eq!(trun[..12], words(&[0x0100_0f01, 4, media_at]));
        let rows: Vec<u32> = trun[12..]
            .chunks(4)
            .map(|it| u32::from_be_bytes(it.try_into().unwrap()))
            .collect();
        let key = 0x0200_0000;
        let other = 0x0101_0000;
        assert_eq!(
            rows,
            [
                [100, 1000, key, 100],
                [100, 1001, other, 300],
                [100, 1002, other, 0],
                [100, 1003, other, 0]
            ]
            .concat()
        );
        assert_eq!(out[moof.end..], [&words(&[4006 + 8])[..], b"mdat"].concat());
    }

    fn init(config: &[u8]) -> Vec<u8> {
        let entry = [
            vec![7; VISUAL_ENTRY_BYTES],
            plain("avcC", config),
            plain("colr", b"nclx"),
        ];
        let stsd = [vec![0; STSD_BYTES], plain("avc1", &entry.concat())].concat();
        let stbl = plain(
            "stbl",
            &[plain("stsd", &stsd), plain("stts", &[0; 8])].concat(),
        );
        let mdhd = plain("mdhd", &words(&[0, 0, 0, 3000, 0, 0]));
        let mdia = plain("mdia", &[mdhd, plain("minf", &stbl)].concat());
        let trak = plain("trak", &[plain("tkhd", &[3; 84]), mdia].concat());
        let moov = plain("moov", &[trak, plain("mvex", b"trex")].concat());
        [plain("ftyp", b"cmf2"), moov].concat()
    }

    #[test]
    fn only_the_configuration_of_the_decoder_changes() {
        assert_eq!(
            with_config(&init(b"one"), b"another"),
            Some(init(b"another"))
        );
        assert_eq!(timescale(&init(b"one")), Some(3000));
    }

    #[test]
    fn what_is_no_section_has_no_timescale_and_no_configuration() {
        let whole = init(b"one");
        let other = String::from_utf8_lossy(&whole).replace("avc1", "hvc1");
        assert_eq!(with_config(other.as_bytes(), b"two"), None);
        for bytes in [&whole[..60], &[0; 64], &[], &plain("free", &[]).repeat(99)] {
            assert_eq!(timescale(bytes), None);
            assert_eq!(with_config(bytes, b"two"), None);
        }
    }
}
