//! The first part of a segment, as weir's packager writes it, with as few boxes as can be.

/// Bytes of `moof` in [`fragment`], and of the header of `mdat`.
pub const HEAD_BYTES: usize = 8 + 8 + 16 + 24 + 8;

/// `moof` with `tfhd` and `trun`, and `mdat`: a picture, which is a sync sample, and after it `rest`.
pub fn fragment(picture: &[u8], rest: &[u8]) -> Vec<u8> {
    let boxed = |name: &[u8; 4], content: &[u8]| {
        let size = u32::try_from(8 + content.len()).unwrap();
        [&size.to_be_bytes()[..], name, content].concat()
    };
    let words = |words: &[usize]| -> Vec<u8> {
        let words = words.iter().map(|word| u32::try_from(*word).unwrap());
        words.flat_map(u32::to_be_bytes).collect()
    };
    // The sample's place counts from `moof`; its size is there, nothing else.
    let tfhd = boxed(b"tfhd", &words(&[0x02_0000, 1]));
    let trun = boxed(b"trun", &words(&[0x201, 1, HEAD_BYTES, picture.len()]));
    let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, trun].concat()));
    assert_eq!(moof.len() + 8, HEAD_BYTES);
    [moof, boxed(b"mdat", &[picture, rest].concat())].concat()
}
