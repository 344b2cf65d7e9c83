//! Text in an 8x8 bitmap font, scaled up with smooth edges.

use font8x8::{BASIC_FONTS, UnicodeFonts};

use super::planes::{NEUTRAL, PlanesMut, Rect};

/// Dots per row and column of the bitmap font.
const DOTS: usize = 8;

/// A letter. Each pixel says from 0 to 255 how much of it is covered with ink.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    width: usize,
    coverage: Vec<u8>,
}

impl Glyph {
    /// `letter` in a cell of `width` x `height` pixels; a letter that the font lacks is blank.
    pub(super) fn new(letter: char, width: usize, height: usize) -> Self {
        let bits = BASIC_FONTS.get(letter).unwrap_or_default();
        let sharpness = (width.max(DOTS) as f32 / DOTS as f32).max(1.0);
        let coverage = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| {
                let at = |n: usize, of: usize| (n as f32 + 0.5) * DOTS as f32 / of as f32 - 0.5;
                let ink = smooth(bits, at(x, width), at(y, height));
                (((ink - 0.5) * sharpness + 0.5).clamp(0.0, 1.0) * 255.0) as u8
            })
            .collect();
        Self { width, coverage }
    }

    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.coverage.chunks_exact(self.width.max(1))
    }

    /// The same letter with luma instead of coverage: `ink` on `paper`.
    pub(super) fn inked(&self, ink: u8, paper: u8) -> Self {
        let mut paint = self.clone();
        for value in &mut paint.coverage {
            *value = blend(paper, ink, *value);
        }
        paint
    }

    /// Copies a letter that consists of luma to `x`, `y`.
    pub(super) fn copy(&self, planes: &mut PlanesMut<'_>, x: usize, y: usize) {
        for (y, row) in (y..).zip(self.rows()) {
            let span = planes.y.span(x, y, self.width);
            let visible = span.len();
            if let Some(row) = row.get(..visible) {
                span.copy_from_slice(row);
            }
        }
    }
}

/// Bilinear interpolation between the dots of the bitmap, from 0 to 1.
fn smooth(bits: [u8; DOTS], x: f32, y: f32) -> f32 {
    let dot = |x: i32, y: i32| {
        let row = usize::try_from(y).ok().and_then(|y| bits.get(y));
        let lit = row.is_some_and(|row| (0..8).contains(&x) && row >> x & 1 == 1);
        f32::from(u8::from(lit))
    };
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (x - left, y - top);
    let (left, top) = (left as i32, top as i32);
    let line = |y| dot(left, y) * (1.0 - across) + dot(left + 1, y) * across;
    line(top) * (1.0 - down) + line(top + 1) * down
}

/// Writes `text` in `ink` over the picture. Its letters share the width of `area`.
pub(super) fn write(planes: &mut PlanesMut<'_>, area: Rect, text: &str, ink: u8) {
    let cell = area.width / text.chars().count().max(1);
    for (n, letter) in text.chars().enumerate() {
        let glyph = Glyph::new(letter, cell, area.height);
        for (y, row) in (area.y..).zip(glyph.rows()) {
            let span = planes.y.span(area.x + n * cell, y, cell);
            for (luma, coverage) in span.iter_mut().zip(row) {
                *luma = blend(*luma, ink, *coverage);
            }
        }
    }
    let half = area.halved();
    planes.u.fill(half, NEUTRAL);
    planes.v.fill(half, NEUTRAL);
}

/// Mixes two values: `from` at a coverage of 0, `to` at 255.
pub(super) fn blend(from: u8, to: u8, coverage: u8) -> u8 {
    let coverage = u32::from(coverage);
    let mixed = (u32::from(from) * (255 - coverage) + u32::from(to) * coverage + 127) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_its_shape_at_any_size() {
        for (width, height) in [(8, 8), (16, 24), (54, 81)] {
            let glyph = Glyph::new('1', width, height);
            let bits = BASIC_FONTS.get('1').unwrap();
            for (row, dots) in bits.iter().enumerate() {
                for column in 0..DOTS {
                    let (x, y) = ((2 * column + 1) * width / 16, (2 * row + 1) * height / 16);
                    let lit = glyph.coverage[y * width + x] > 127;
                    assert_eq!(lit, dots >> column & 1 == 1, "{width}: {column}, {row}");
                }
            }
        }
        assert!(
            Glyph::new('\u{2026}', 16, 16)
                .coverage
                .iter()
                .all(|c| *c == 0)
        );
    }

    #[test]
    fn blending_ends_where_it_should() {
        assert_eq!((blend(16, 235, 0), blend(16, 235, 255)), (16, 235));
        assert_eq!(blend(16, 235, 128), 126);
    }
}
