//! Which formats are brought to video range, and how their samples are.

use gst_video::VideoFormat;

/// Bits of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// One byte.
    Eight,
    /// The lower bits of two bytes, low byte first.
    Ten,
}

/// A format whose planes hold either luma or chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    depth: Depth,
    /// Both chroma components share the second plane.
    interleaved: bool,
}

/// One plane of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plane {
    /// Its number.
    pub(super) index: u32,
    /// The component that is as wide and high as the plane.
    pub(super) component: u32,
    depth: Depth,
    chroma: bool,
    samples_per_pixel: usize,
}

impl Layout {
    /// The layout of `format`, if its range can be changed: what decoders of H.264, HEVC and JPEG
    /// make.
    pub(super) fn of(format: VideoFormat) -> Option<Self> {
        let (depth, interleaved) = match format {
            VideoFormat::I420 | VideoFormat::Yv12 | VideoFormat::Y42b | VideoFormat::Y444 => {
                (Depth::Eight, false)
            }
            VideoFormat::Nv12 | VideoFormat::Nv21 => (Depth::Eight, true),
            VideoFormat::I42010le | VideoFormat::I42210le | VideoFormat::Y44410le => {
                (Depth::Ten, false)
            }
            _ => return None,
        };
        Some(Self { depth, interleaved })
    }

    /// The planes, luma first.
    pub(super) fn planes(self) -> impl Iterator<Item = Plane> {
        let planes = if self.interleaved { 2 } else { 3 };
        (0..planes).map(move |index| Plane {
            index,
            component: index,
            depth: self.depth,
            chroma: index > 0,
            samples_per_pixel: if self.interleaved && index > 0 { 2 } else { 1 },
        })
    }
}

impl Plane {
    /// Bytes of one row of `width` pixels.
    pub(super) fn row_bytes(self, width: u32) -> usize {
        let sample_bytes = match self.depth {
            Depth::Eight => 1,
            Depth::Ten => 2,
        };
        width as usize * self.samples_per_pixel * sample_bytes
    }

    /// Writes the full-range samples of a row in video range.
    pub(super) fn bring_in(self, row: &[u8], out: &mut [u8]) {
        match (self.depth, self.chroma) {
            (Depth::Eight, false) => each(row, out, luma),
            (Depth::Eight, true) => each(row, out, chroma),
            (Depth::Ten, false) => each_wide(row, out, luma_10),
            (Depth::Ten, true) => each_wide(row, out, chroma_10),
        }
    }
}

fn each(row: &[u8], out: &mut [u8], map: impl Fn(u8) -> u8) {
    for (sample, out) in row.iter().zip(out) {
        *out = map(*sample);
    }
}

fn each_wide(row: &[u8], out: &mut [u8], map: impl Fn(u16) -> u16) {
    let pairs = row.as_chunks().0.iter().zip(out.as_chunks_mut().0);
    for (sample, out) in pairs {
        *out = map(u16::from_le_bytes(*sample)).to_le_bytes();
    }
}

/// 0..=255 to 16..=235. In 16 bits, so that the compiler works on many samples at once.
fn luma(y: u8) -> u8 {
    // 220/256 is 219/255, to a fifth of a step.
    (16 + ((u16::from(y) * 220 + 128) >> 8)) as u8
}

/// 0..=255 to 16..=240, with 128 in the middle.
fn chroma(c: u8) -> u8 {
    // 225/256 is 224/255, to an eighth of a step; 16 * 256 moves 128 to 128, rounded.
    ((u16::from(c) * 225 + 16 * 256) >> 8) as u8
}

/// 0..=1023 to 64..=940.
fn luma_10(y: u16) -> u16 {
    (64 + (u32::from(y.min(1023)) * 876 + 511) / 1023) as u16
}

/// 0..=1023 to 64..=960, with 512 in the middle.
fn chroma_10(c: u16) -> u16 {
    // 895.5/1023 maps 0 and 1023 to the ends, and 512 to the middle.
    (64 + (u32::from(c.min(1023)) * 896 + 448) / 1023) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rec. ITU-T H.273, equations for video range: 219 steps of luma, 224 of chroma around the
    /// middle.
    #[test]
    fn samples_are_within_a_step_of_the_formula() {
        for sample in 0..=255_u8 {
            let exact = 16.0 + f64::from(sample) * 219.0 / 255.0;
            assert!((f64::from(luma(sample)) - exact).abs() < 0.75, "{sample}");
            let exact = 128.0 + (f64::from(sample) - 128.0) * 224.0 / 255.0;
            assert!((f64::from(chroma(sample)) - exact).abs() < 0.75, "{sample}");
        }
        for sample in 0..=1023_u16 {
            let exact = 64.0 + f64::from(sample) * 876.0 / 1023.0;
            assert!((f64::from(luma_10(sample)) - exact).abs() < 1.0, "{sample}");
            let exact = 512.0 + (f64::from(sample) - 512.0) * 896.0 / 1023.0;
            assert!(
                (f64::from(chroma_10(sample)) - exact).abs() < 1.0,
                "{sample}"
            );
        }
        assert_eq!([luma(0), luma(255)], [16, 235]);
        assert_eq!([chroma(0), chroma(128), chroma(255)], [16, 128, 240]);
        assert_eq!([luma_10(0), luma_10(1023)], [64, 940]);
        assert_eq!([chroma_10(512), luma_10(u16::MAX)], [512, 940]);
    }

    #[test]
    fn the_planes_of_a_format() {
        let planes = |format| -> Vec<(u32, usize)> {
            let layout = Layout::of(format).unwrap();
            layout
                .planes()
                .map(|plane| (plane.component, plane.row_bytes(10)))
                .collect()
        };
        assert_eq!(planes(VideoFormat::Y42b), [(0, 10), (1, 10), (2, 10)]);
        assert_eq!(planes(VideoFormat::Nv12), [(0, 10), (1, 20)]);
        assert_eq!(planes(VideoFormat::I42010le), [(0, 20), (1, 20), (2, 20)]);
        assert_eq!(Layout::of(VideoFormat::Gbr), None);
        assert_eq!(Layout::of(VideoFormat::Yuy2), None);
    }
}
