//! Scales one plane of a picture in two passes of SIMD convolution.
//!
//! `fast_image_resize` is fast vertically, but horizontally only when pixels have four channels;
//! with one channel it takes four times as long. So the vertical pass comes first, which leaves
//! fewer rows, and the horizontal pass scales four rows at a time, as the channels of one.

use std::sync::LazyLock;

use fast_image_resize as fir;
use fir::images::{Image, ImageRef};

/// Rows that are scaled together.
const ROWS: usize = 4;

/// How sharp a plane stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharpness {
    /// Lanczos with three lobes. Anything softer is visibly blurred after three downscales.
    Fine,
    /// Bilinear: the eye does not see sharper colour.
    Plain,
}

/// Size and stride of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// Why a plane was not scaled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than its layout needs.
    #[error("a plane is too short")]
    Short,
    /// The convolution failed.
    #[error(transparent)]
    Resize(#[from] fir::ResizeError),
    /// The layout does not describe a picture.
    #[error(transparent)]
    Image(#[from] fir::ImageBufferError),
}

/// Scales planes. Keeps its buffers for the next plane.
#[derive(Default)]
pub struct PlaneScaler {
    resizer: fir::Resizer,
    low: Vec<u8>,
    packed: Vec<u8>,
    narrow: Vec<u8>,
}

impl PlaneScaler {
    /// Scales `source` into `target`.
    ///
    /// # Errors
    /// When a plane is shorter than its layout says.
    pub fn scale(
        &mut self,
        (source, from): (&[u8], Layout),
        (target, to): (&mut [u8], Layout),
        sharpness: Sharpness,
    ) -> Result<(), Error> {
        let target = target.get_mut(..bytes(to)).ok_or(Error::Short)?;
        let (width, height) = (from.width as usize, to.height as usize);
        let groups = height.div_ceil(ROWS);

        self.low.resize(width * height, 0);
        let rows = source.get(..bytes(from)).ok_or(Error::Short)?;
        let rows = ImageRef::new(from.stride, from.height, rows, fir::PixelType::U8)?;
        let mut low =
            Image::from_slice_u8(from.width, to.height, &mut self.low, fir::PixelType::U8)?;
        let options = options(sharpness, from.width, from.height);
        self.resizer.resize(&rows, &mut low, &options)?;

        self.packed.resize(width * ROWS * groups, 0);
        pack(&self.low, width, &mut self.packed);

        let (wide, narrow) = (from.width, to.width);
        let tall = u32::try_from(groups).unwrap_or(u32::MAX);
        self.narrow.resize(narrow as usize * ROWS * groups, 0);
        let packed = ImageRef::new(wide, tall, &self.packed, fir::PixelType::U8x4)?;
        let mut out = Image::from_slice_u8(narrow, tall, &mut self.narrow, fir::PixelType::U8x4)?;
        let options = self::options(sharpness, wide, tall);
        self.resizer.resize(&packed, &mut out, &options)?;

        unpack(&self.narrow, narrow as usize, target, to.stride as usize);
        Ok(())
    }
}

/// Bytes of a plane.
fn bytes(layout: Layout) -> usize {
    layout.stride as usize * layout.height as usize
}

fn options(sharpness: Sharpness, width: u32, height: u32) -> fir::ResizeOptions {
    let filter = match sharpness {
        Sharpness::Fine => fir::Filter::new("Lanczos", lanczos, LOBES)
            .map_or(fir::FilterType::Lanczos3, fir::FilterType::Custom),
        Sharpness::Plain => fir::FilterType::Bilinear,
    };
    fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(filter))
        .crop(0.0, 0.0, f64::from(width), f64::from(height))
        .use_alpha(false)
}

/// Half the width of the Lanczos kernel, in pixels.
const LOBES: f64 = 3.0;
/// Entries of the kernel's table per pixel, enough for a precision of 8 bits.
const STEPS: f64 = 1024.0;

/// The Lanczos kernel. Its values come from a table, because each picture needs them and sines are
/// slow.
fn lanczos(x: f64) -> f64 {
    static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let sinc = |x: f64| match x * std::f64::consts::PI {
            0.0 => 1.0,
            angle => angle.sin() / angle,
        };
        (0..(LOBES * STEPS) as usize)
            .map(|step| step as f64 / STEPS)
            .map(|x| sinc(x) * sinc(x / LOBES))
            .collect()
    });
    let step = (x.abs() * STEPS + 0.5) as usize;
    TABLE.get(step).copied().unwrap_or_default()
}

/// Packs four rows of `width` pixels as the channels of one row. The last row is repeated when fewer
/// than four are left.
fn pack(rows: &[u8], width: usize, packed: &mut [u8]) {
    for (group, out) in rows
        .chunks(ROWS * width)
        .zip(packed.chunks_mut(ROWS * width))
    {
        let mut rows = group.chunks_exact(width);
        let a = rows.next().unwrap_or_default();
        let b = rows.next().unwrap_or(a);
        let c = rows.next().unwrap_or(b);
        let d = rows.next().unwrap_or(c);
        let rows = a.iter().zip(b).zip(c).zip(d);
        for (out, (((a, b), c), d)) in out.chunks_exact_mut(ROWS).zip(rows) {
            out.copy_from_slice(&[*a, *b, *c, *d]);
        }
    }
}

/// Unpacks into rows that are `stride` bytes apart.
fn unpack(packed: &[u8], width: usize, rows: &mut [u8], stride: usize) {
    for (group, rows) in packed
        .chunks(ROWS * width)
        .zip(rows.chunks_mut(ROWS * stride))
    {
        let (pixels, _) = group.as_chunks::<ROWS>();
        for (shift, row) in (0..).step_by(8).zip(rows.chunks_mut(stride)) {
            for (to, from) in row.iter_mut().zip(pixels) {
                *to = (u32::from_le_bytes(*from) >> shift) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(width: u32, height: u32, padding: u32) -> Layout {
        Layout {
            width,
            height,
            stride: width + padding,
        }
    }

    fn scaled(source: &[u8], from: Layout, to: Layout, sharpness: Sharpness) -> Vec<u8> {
        let mut target = vec![7; bytes(to)];
        PlaneScaler::default()
            .scale((source, from), (&mut target, to), sharpness)
            .unwrap();
        target
    }

    /// The same plane, scaled by the library in one step.
    fn plainly(source: &[u8], from: Layout, to: Layout) -> Vec<u8> {
        let source = ImageRef::new(from.width, from.height, source, fir::PixelType::U8).unwrap();
        let mut target = Image::new(to.width, to.height, fir::PixelType::U8);
        let lanczos = fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3);
        let options = fir::ResizeOptions::new().resize_alg(lanczos);
        fir::Resizer::new()
            .resize(&source, &mut target, &options)
            .unwrap();
        target.into_vec()
    }

    #[test]
    fn a_plane_is_scaled_as_the_library_would_in_one_go() {
        let (from, to) = (layout(96, 54, 0), layout(64, 35, 0));
        let picture: Vec<u8> = (0..bytes(from) as u32)
            .map(|n| (n * n / 37 % 256) as u8)
            .collect();
        let (ours, theirs) = (
            scaled(&picture, from, to, Sharpness::Fine),
            plainly(&picture, from, to),
        );
        // The library rounds after the horizontal pass, we round after the vertical one.
        let far = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let total: u32 = ours
            .iter()
            .zip(&theirs)
            .map(|pair| u32::from(far(pair)))
            .sum();
        assert!(ours.iter().zip(&theirs).all(|pair| far(pair) <= 6));
        assert!(total < ours.len() as u32, "{total} of {}", ours.len());
    }

    #[test]
    fn a_plane_too_short_is_refused() {
        let (from, to) = (layout(8, 8, 0), layout(4, 4, 0));
        let result =
            PlaneScaler::default().scale((&[0; 63], from), (&mut [0; 16], to), Sharpness::Plain);
        assert!(matches!(result, Err(Error::Short)));
    }

    proptest! {
        #[test]
        fn an_even_plane_stays_even_and_padding_is_left_alone(
            (w, h) in (1..70_u32, 1..70_u32), (to_w, to_h) in (1..50_u32, 1..50_u32),
            padding in 0..5_u32, value: u8, fine: bool,
        ) {
            let (from, to) = (layout(w, h, padding), layout(to_w, to_h, padding));
            let sharpness = if fine { Sharpness::Fine } else { Sharpness::Plain };
            let target = scaled(&vec![value; bytes(from)], from, to, sharpness);
            for row in target.chunks(to.stride as usize) {
                let (pixels, padding) = row.split_at(to_w as usize);
                prop_assert!(pixels.iter().all(|p| p.abs_diff(value) <= 1));
                prop_assert!(padding.iter().all(|p| *p == 7));
            }
        }
    }
}
