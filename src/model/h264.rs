//! What weir reads in H.264 (ITU-T H.264): the NAL units of a frame and the sequence parameter set.

/// Most NAL units of a frame that are looked at.
const UNITS_MAX: usize = 1024;
/// Longest parameter set that is read, in bytes.
const SET_BYTES_MAX: usize = 1024;

/// Types of NAL units (table 7-1).
pub mod unit {
    /// A slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// A slice of an IDR picture, at which decoding can start.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
}

/// The NAL units of a frame, each behind its length in four bytes. `None` when a length is wrong.
pub fn units(mut frame: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while let Some((length, rest)) = frame.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (unit, rest) = rest.split_at_checked(length)?;
        if units.len() >= UNITS_MAX {
            return None;
        }
        units.push(unit);
        frame = rest;
    }
    frame.is_empty().then_some(units)
}

/// The type of a NAL unit.
pub fn kind(unit: &[u8]) -> Option<u8> {
    unit.first().map(|header| header & 0x1f)
}

/// The parameter sets in an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 5.3.3.1), those of
/// sequences first. `None` when it is cut short, or when the lengths of NAL units have not four bytes.
pub fn parameter_sets(config: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut rest) = config.split_at_checked(5)?;
    if head.last()? & 3 != 3 {
        return None;
    }
    let mut sets = Vec::new();
    for mask in [0x1f, 0xff] {
        let (count, mut after) = rest.split_first()?;
        for _ in 0..count & mask {
            let (length, behind) = after.split_first_chunk()?;
            let (set, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
            sets.push(set);
            after = behind;
        }
        rest = after;
    }
    Some(sets)
}

/// What a sequence parameter set says of the pictures (section 7.3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Pixels across, without what is cropped.
    pub width: u32,
    /// Pixels down, without what is cropped.
    pub height: u32,
    /// `chroma_format_idc`: 1 is 4:2:0.
    pub chroma: u32,
    /// Bits of a sample, of brightness and of colour.
    pub bits: (u32, u32),
    /// Every picture is a frame, not a field.
    pub progressive: bool,
    /// Shape of a pixel, width to height; `None` when it is not said.
    pub pixel: Option<(u32, u32)>,
    /// Values from 0 to 255.
    pub full_range: bool,
    /// Primaries, transfer and matrix (tables E-3 to E-5); `None` when they are not said.
    pub colours: Option<[u32; 3]>,
}

impl Sequence {
    /// Reads a NAL unit with a sequence parameter set; `None` when it breaks a rule.
    pub fn read(unit: &[u8]) -> Option<Self> {
        if kind(unit)? != unit::SPS || unit.len() > SET_BYTES_MAX {
            return None;
        }
        let mut bits = Bits::new(unit.get(1..)?);
        let profile = bits.take(8)?;
        bits.take(16)?;
        bits.number()?;
        let (chroma, depths) = match profile {
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135 => {
                bits.high()?
            }
            // Baseline, Main and Extended have nothing else.
            _ => (1, (8, 8)),
        };
        bits.number()?;
        bits.order()?;
        bits.number()?;
        bits.take(1)?;
        let (across, down) = (
            bits.number()?.checked_add(1)?,
            bits.number()?.checked_add(1)?,
        );
        let progressive = bits.flag()?;
        if !progressive {
            bits.take(1)?;
        }
        bits.take(1)?;
        let fields = if progressive { 1 } else { 2 };
        let (width, height) = (
            across.checked_mul(16)?,
            down.checked_mul(16)?.checked_mul(fields)?,
        );
        let (width, height) = bits.cropped(width, height, chroma, fields)?;
        let mut sequence = Self {
            width,
            height,
            chroma,
            bits: depths,
            progressive,
            pixel: None,
            full_range: false,
            colours: None,
        };
        if bits.flag()? {
            bits.usability(&mut sequence)?;
        }
        Some(sequence)
    }
}

/// The bits of a NAL unit without the bytes that prevent a start code.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// "emulation_prevention_three_byte is a byte equal to 0x03" behind two zero bytes, which "shall be
    /// discarded by the decoding process" (section 7.4.1).
    fn new(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for byte in unit {
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            bytes.push(*byte);
        }
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// `ue(v)` (section 9.1).
    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest)
    }

    /// What the high profiles say beyond the others: format of colour, and depths.
    fn high(&mut self) -> Option<(u32, (u32, u32))> {
        let chroma = self.number()?;
        if chroma == 3 {
            self.take(1)?;
        }
        let depths = (
            self.number()?.checked_add(8)?,
            self.number()?.checked_add(8)?,
        );
        self.take(1)?;
        if self.flag()? {
            let lists = if chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if self.flag()? {
                    self.scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some((chroma, depths))
    }

    /// Section 7.3.2.1.1.1. A signed number is 0, 1, -1, 2, -2 and so on (section 9.1.1).
    fn scaling_list(&mut self, size: u32) -> Option<()> {
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..size {
            if next != 0 {
                let code = i64::from(self.number()?);
                let delta = if code % 2 == 1 {
                    (code + 1) / 2
                } else {
                    -code / 2
                };
                next = (last + delta).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }

    fn order(&mut self) -> Option<()> {
        match self.number()? {
            0 => {
                self.number()?;
            }
            1 => {
                self.take(1)?;
                self.number()?;
                self.number()?;
                for _ in 0..self.number()?.min(255) {
                    self.number()?;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The size without what is cropped (section 7.4.2.1.1).
    fn cropped(&mut self, width: u32, height: u32, chroma: u32, fields: u32) -> Option<(u32, u32)> {
        if !self.flag()? {
            return Some((width, height));
        }
        let across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let down = if chroma == 1 { 2 } else { 1 } * fields;
        let mut edge = || self.number();
        let (left, right, top, bottom) = (edge()?, edge()?, edge()?, edge()?);
        let lost = |one: u32, other: u32, unit: u32| one.checked_add(other)?.checked_mul(unit);
        Some((
            width.checked_sub(lost(left, right, across)?)?,
            height.checked_sub(lost(top, bottom, down)?)?,
        ))
    }

    /// The beginning of the video usability information (section E.1.1).
    fn usability(&mut self, sequence: &mut Sequence) -> Option<()> {
        /// Table E-1, from 1 on.
        const SHAPES: [(u32, u32); 16] = [
            (1, 1),
            (12, 11),
            (10, 11),
            (16, 11),
            (40, 33),
            (24, 11),
            (20, 11),
            (32, 11),
            (80, 33),
            (18, 11),
            (15, 11),
            (64, 33),
            (160, 99),
            (4, 3),
            (3, 2),
            (2, 1),
        ];
        if self.flag()? {
            sequence.pixel = match self.take(8)? {
                0 => None,
                255 => Some((self.take(16)?, self.take(16)?)),
                shape => {
                    let index = usize::try_from(shape).ok()?.checked_sub(1)?;
                    Some(*SHAPES.get(index)?)
                }
            };
        }
        if self.flag()? {
            self.take(1)?;
        }
        if self.flag()? {
            self.take(3)?;
            sequence.full_range = self.flag()?;
            if self.flag()? {
                sequence.colours = Some([self.take(8)?, self.take(8)?, self.take(8)?]);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    const PLAIN: Sequence = Sequence {
        width: 1280,
        height: 720,
        chroma: 1,
        bits: (8, 8),
        progressive: true,
        pixel: Some((3, 4)),
        full_range: false,
        colours: None,
    };
    /// 1280x720 of x264 in the High profile.
    const SPS: &str = "6764001facd9405005bbff0003000410000003001000000303c0f1831960";

    /// Sets that x264 has made, with what ffprobe says of them.
    #[test]
    fn sets_of_x264_are_read() {
        for (hex, expected) in [
            (SPS, PLAIN),
            (
                "674d4028eca03c0113f2ffe00060008d40404050000003001000000303c0f1831960",
                Sequence {
                    width: 1920,
                    height: 1080,
                    colours: Some([1, 1, 1]),
                    ..PLAIN
                },
            ),
            (
                "6742c015d901b1fe4fff00a000d510000003001000000303c0f162e480",
                Sequence {
                    width: 426,
                    height: 240,
                    pixel: Some((160, 213)),
                    ..PLAIN
                },
            ),
            (
                "677a001ebcd940a02ff89ffc000c001040000003004000000f03c58b6580",
                Sequence {
                    width: 640,
                    height: 360,
                    chroma: 2,
                    ..PLAIN
                },
            ),
            (
                "676e001ea6cd940a02ff97ff0003000410000003001000000303c0f162d960",
                Sequence {
                    width: 640,
                    height: 360,
                    bits: (10, 10),
                    ..PLAIN
                },
            ),
            (
                "6764001facd940b424dff80080007880000003008000001e0f8b16cb",
                Sequence {
                    width: 720,
                    height: 576,
                    progressive: false,
                    pixel: Some((16, 15)),
                    ..PLAIN
                },
            ),
            (
                "6764000dacd941419f9fff000300046c80000003008000001e078a14cb",
                Sequence {
                    width: 320,
                    height: 180,
                    full_range: true,
                    ..PLAIN
                },
            ),
        ] {
            assert_eq!(Sequence::read(&bytes(hex)), Some(expected), "{hex}");
        }
    }

    #[test]
    fn a_set_that_is_cut_short_is_none() {
        let whole = bytes(SPS);
        for length in 0..16 {
            assert_eq!(Sequence::read(&whole[..length]), None, "{length}");
        }
        assert_eq!(Sequence::read(&[unit::SPS; SET_BYTES_MAX + 1]), None);
    }

    #[test]
    fn a_configuration_has_sets_of_both_kinds() {
        let config = bytes(&format!("0164001fffe1001e{SPS}01000668ebe3cb22c0fdf8f800"));
        let sets = parameter_sets(&config).unwrap();
        assert_eq!(sets, [&bytes(SPS)[..], &bytes("68ebe3cb22c0")[..]]);
        for length in 0..46 {
            assert_eq!(parameter_sets(&config[..length]), None, "{length}");
        }
        let mut short_lengths = config;
        short_lengths[4] = 0xfd;
        assert_eq!(parameter_sets(&short_lengths), None);
    }

    #[test]
    fn units_fill_the_frame() {
        let frame = [0, 0, 0, 2, 0x65, 1, 0, 0, 0, 1, 6];
        assert_eq!(units(&frame), Some(vec![&frame[4..6], &frame[10..]]));
        assert_eq!(units(&frame[..10]), None);
        assert_eq!(units(&[0xff; 9]), None);
        assert_eq!(kind(&[0x65, 1]), Some(unit::IDR));
    }
}
