//! A barcode of the time, which machines can read even after scaling and compression.
//!
//! It has forty square cells in the top left corner, ten across and four down; each side is a
//! fortieth of the picture's width. In reading order: one white cell, one black cell, the 32 bits of
//! the value (most significant bit first, white is one), and a checksum of 6 bits: the top bits of
//! value * 0x9E3779B1 modulo 2^32.

use super::planes::{BLACK, PlanesMut, Rect, WHITE};

/// Cells across.
const COLUMNS: usize = 10;
/// Cells down.
const ROWS: usize = 4;
/// Cells that would fill the picture's width.
const CELLS_PER_WIDTH: usize = 40;

/// Draws `value`: Unix milliseconds modulo 2^32.
pub fn draw(value: u32, planes: &mut PlanesMut<'_>) {
    let code = code(value);
    let width = planes.y.width;
    for cell in 0..COLUMNS * ROWS {
        let white = code >> (COLUMNS * ROWS - 1 - cell) & 1 == 1;
        planes.fill_grey(area(cell, width), if white { WHITE } else { BLACK });
    }
}

/// All forty cells as bits; the first cell is the highest bit.
fn code(value: u32) -> u64 {
    let check = value.wrapping_mul(0x9E37_79B1) >> 26;
    0b10 << 38 | u64::from(value) << 6 | u64::from(check)
}

/// The area of a cell in a picture of `width` pixels.
fn area(cell: usize, width: usize) -> Rect {
    let edge = |n: usize| n * width / CELLS_PER_WIDTH;
    let (column, row) = (cell % COLUMNS, cell / COLUMNS);
    Rect {
        x: edge(column),
        y: edge(row),
        width: edge(column + 1) - edge(column),
        height: edge(row + 1) - edge(row),
    }
}

/// Reads a barcode, as a measurement of the delay does.
#[cfg(test)]
pub(super) mod reading {
    use super::super::planes::{Picture, Rect};
    use super::{COLUMNS, ROWS, area, code};

    /// Least difference of luma between the white and the black cell.
    const CONTRAST_MIN: u32 = 60;

    /// The value; `None` when there is no barcode with a valid checksum.
    pub fn read(picture: &Picture) -> Option<u32> {
        let brightness = |cell| middle_of(picture, area(cell, picture.y.width));
        let (white, black) = (brightness(0)?, brightness(1)?);
        if white < black + CONTRAST_MIN {
            return None;
        }
        let mut read = 0_u64;
        for cell in 0..COLUMNS * ROWS {
            read = read << 1 | u64::from(brightness(cell)? * 2 > white + black);
        }
        let value = u32::try_from(read >> 6 & u64::from(u32::MAX)).ok()?;
        (code(value) == read).then_some(value)
    }

    /// Mean luma of the middle quarter of an area.
    pub fn middle_of(picture: &Picture, area: Rect) -> Option<u32> {
        let (mut sum, mut count) = (0_u32, 0_u32);
        for y in area.y + area.height / 4..area.y + area.height.div_ceil(4) * 3 {
            let row = picture.y.row(y);
            let from = area.x + area.width / 4;
            let middle = row.get(from..from + area.width.div_ceil(2))?;
            sum += middle.iter().map(|luma| u32::from(*luma)).sum::<u32>();
            count += u32::try_from(middle.len()).ok()?;
        }
        sum.checked_div(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::planes::{NEUTRAL, Picture};
    use super::reading::{middle_of, read};
    use super::*;

    /// The luma of `picture` scaled to `width` by averages, with noise of up to `noise`.
    fn scaled(picture: &Picture, width: usize, noise: i32) -> Picture {
        let source = &picture.y;
        let mut small = Picture::new(width, source.height * width / source.width);
        let height = small.y.height;
        for y in 0..height {
            let (top, bottom) = (y * source.height / height, (y + 1) * source.height / height);
            for (x, out) in small.y.row_mut(y).iter_mut().enumerate() {
                let (left, right) = (x * source.width / width, (x + 1) * source.width / width);
                let rows = (top..bottom.max(top + 1)).map(|y| source.row(y));
                let cells: Vec<i32> = rows
                    .flat_map(|row| row[left..right.max(left + 1)].iter().map(|l| i32::from(*l)))
                    .collect();
                let mean = cells.iter().sum::<i32>() / cells.len() as i32;
                let wobble = ((x * 31 + y * 17) % (2 * noise as usize + 1)) as i32 - noise;
                *out = (mean * 7 / 8 + 10 + wobble).clamp(0, 255) as u8;
            }
        }
        small
    }

    #[test]
    fn nothing_is_read_where_nothing_is() {
        let mut picture = Picture::new(640, 360);
        assert_eq!(read(&picture), None);
        picture.y.data.fill(NEUTRAL);
        assert_eq!(read(&picture), None);
        assert_eq!(read(&Picture::new(2, 2)), None);
    }

    #[test]
    fn a_wrong_bit_is_noticed() {
        let mut picture = Picture::new(640, 360);
        for cell in 2..40 {
            draw(0x1234_5678, &mut picture.planes_mut());
            let area = area(cell, 640);
            let old = middle_of(&picture, area).unwrap();
            let flipped = if old > 128 { BLACK } else { WHITE };
            picture.planes_mut().fill_grey(area, flipped);
            assert_eq!(read(&picture), None, "{cell}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_survives_scaling_and_noise(value in any::<u32>(), portrait in any::<bool>(), noise in 0..40_i32) {
            let mut picture = if portrait { Picture::new(720, 1280) } else { Picture::new(1280, 720) };
            draw(value, &mut picture.planes_mut());
            prop_assert_eq!(read(&picture), Some(value));
            let width = if portrait { 360 } else { 640 };
            prop_assert_eq!(read(&scaled(&picture, width, noise)), Some(value));
            prop_assert_eq!(read(&scaled(&picture, width - 14, noise)), Some(value));
        }
    }
}
