//! A landscape of noise. It is as hard to encode as foliage, because it has detail at every scale,
//! and as cheap to draw as a copy, because it is computed once and then panned.

use super::planes::{NEUTRAL, Picture, PlanesMut};

/// Finest and coarsest spacing of the noise, as powers of two.
const OCTAVES: std::ops::RangeInclusive<u32> = 1..=8;

/// Computes a landscape of `width` x `height` pixels.
pub(super) fn landscape(width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height);
    for (plane, seed, finest, contrast, middle) in [
        (&mut picture.y, 1, *OCTAVES.start(), 3, 118),
        (&mut picture.u, 2, 5, 2, NEUTRAL - 8),
        (&mut picture.v, 3, 5, 2, NEUTRAL - 4),
    ] {
        let octaves: Vec<Octave> = (finest..=*OCTAVES.end())
            .map(|log2| Octave::new(log2, plane.width, plane.height, seed))
            .collect();
        let mut heights = vec![0; plane.width];
        for row in 0..plane.height {
            heights.fill(0);
            for octave in &octaves {
                octave.add_row(row, &mut heights);
            }
            for (out, height) in plane.row_mut(row).iter_mut().zip(&heights) {
                let value = i32::from(middle) + height * contrast / 64;
                *out = u8::try_from(value.clamp(24, 228)).unwrap_or(middle);
            }
        }
    }
    picture
}

/// Fills `out` with the part of `texture` whose top left corner is at `x`, `y`.
pub(super) fn pan(texture: &Picture, x: usize, y: usize, out: &mut PlanesMut<'_>) {
    let planes = [
        (&texture.y, &mut out.y, x, y),
        (&texture.u, &mut out.u, x / 2, y / 2),
        (&texture.v, &mut out.v, x / 2, y / 2),
    ];
    for (from, to, x, y) in planes {
        for row in 0..to.height {
            let target = to.row_mut(row);
            let source = from.row(y + row);
            if let Some(source) = source.get(x..x + target.len()) {
                target.copy_from_slice(source);
            }
        }
    }
}

/// Noise of one spacing: random heights on a lattice, interpolated smoothly.
struct Octave {
    log2: u32,
    columns: usize,
    lattice: Vec<i32>,
    /// Weight of the right (or lower) neighbour, in 256ths, at each position in a cell.
    weights: Vec<i32>,
}

impl Octave {
    fn new(log2: u32, width: usize, height: usize, seed: u64) -> Self {
        let cell = 1_usize << log2;
        let (columns, rows) = (width / cell + 2, height / cell + 2);
        // The amplitude grows more slowly than the spacing, so that fine detail stays visible.
        let amplitude = 60 + 28 * i32::try_from(log2).unwrap_or(0) * i32::from(log2 > 1);
        let mut random = seed << 32 | u64::from(log2) << 8 | 1;
        let lattice = (0..columns * rows)
            .map(|_| {
                // Xorshift64.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let byte = i32::try_from(random >> 56).unwrap_or(0);
                (byte - 128) * amplitude / 64
            })
            .collect();
        let weights = (0..cell)
            .map(|n| {
                let t = n as f64 / cell as f64;
                (t * t * (3.0 - 2.0 * t) * 256.0) as i32
            })
            .collect();
        Self {
            log2,
            columns,
            lattice,
            weights,
        }
    }

    fn add_row(&self, y: usize, heights: &mut [i32]) {
        let cell = 1_usize << self.log2;
        let mut rows = self.lattice.chunks_exact(self.columns).skip(y / cell);
        let (Some(above), Some(below)) = (rows.next(), rows.next()) else {
            return;
        };
        let down = self.weights.get(y % cell).copied().unwrap_or(0);
        let between: Vec<i32> = above
            .iter()
            .zip(below)
            .map(|(above, below)| above + (((below - above) * down) >> 8))
            .collect();
        for (cell, corners) in heights.chunks_mut(cell).zip(between.windows(2)) {
            if let [left, right] = corners {
                for (height, across) in cell.iter_mut().zip(&self.weights) {
                    *height += left + (((right - left) * across) >> 8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_detail_everywhere_and_stays_in_range() {
        let picture = landscape(320, 192);
        for y in (0..192).step_by(16) {
            for x in (0..320).step_by(32) {
                let part = &picture.y.row(y)[x..x + 32];
                let (low, high) = (part.iter().min().unwrap(), part.iter().max().unwrap());
                assert!(high - low >= 12, "flat at {x}, {y}");
                assert!((24..=228).contains(low) && (24..=228).contains(high));
            }
        }
        let colours = picture.u.data.iter().max().unwrap() - picture.u.data.iter().min().unwrap();
        assert!(colours > 20, "{colours}");
    }

    #[test]
    fn panning_moves_it() {
        let texture = landscape(64, 48);
        let mut out = Picture::new(32, 16);
        pan(&texture, 10, 6, &mut out.planes_mut());
        assert_eq!(out.y.row(3), &texture.y.row(9)[10..42]);
        assert_eq!(out.v.row(3), &texture.v.row(6)[5..21]);
    }
}
