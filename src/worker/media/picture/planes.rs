//! The planes of a picture, read and drawn on without ever leaving their bounds.

/// Luma of black in video range.
pub const BLACK: u8 = 16;
/// Luma of white in video range.
pub const WHITE: u8 = 235;
/// Chroma of grey.
pub const NEUTRAL: u8 = 128;

/// One plane of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane<D> {
    /// Rows, `stride` bytes apart.
    pub data: D,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

impl<D: AsRef<[u8]>> Plane<D> {
    /// Row `y`; empty outside of the picture.
    pub fn row(&self, y: usize) -> &[u8] {
        let row = self
            .bytes_of(y)
            .and_then(|bytes| self.data.as_ref().get(bytes));
        row.unwrap_or_default()
    }
}

impl<D: AsMut<[u8]>> Plane<D> {
    /// Row `y`; empty outside of the picture.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        let bytes = self.bytes_of(y);
        let row = bytes.and_then(|bytes| self.data.as_mut().get_mut(bytes));
        row.unwrap_or_default()
    }

    /// `width` pixels of row `y` from `x` on, without those outside of the picture.
    pub fn span(&mut self, x: usize, y: usize, width: usize) -> &mut [u8] {
        let row = self.row_mut(y);
        let to = x.saturating_add(width).min(row.len());
        row.get_mut(x.min(to)..to).unwrap_or_default()
    }

    /// Fills `area` with `value`.
    pub fn fill(&mut self, area: Rect, value: u8) {
        for y in area.y..area.y.saturating_add(area.height).min(self.height) {
            self.span(area.x, y, area.width).fill(value);
        }
    }
}

impl<D> Plane<D> {
    fn bytes_of(&self, y: usize) -> Option<std::ops::Range<usize>> {
        let from = y.saturating_mul(self.stride);
        (y < self.height).then(|| from..from.saturating_add(self.width))
    }
}

/// The planes of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes<D> {
    /// Luma.
    pub y: Plane<D>,
    /// Blue difference, half as wide and high.
    pub u: Plane<D>,
    /// Red difference, half as wide and high.
    pub v: Plane<D>,
}

/// A picture to draw on, in someone else's memory.
pub type PlanesMut<'a> = Planes<&'a mut [u8]>;

/// A picture in memory of its own, without padding between rows.
pub type Picture = Planes<Vec<u8>>;

impl PlanesMut<'_> {
    /// Fills a rectangle with one grey. On the chroma planes its edges are rounded outwards.
    pub fn fill_grey(&mut self, area: Rect, luma: u8) {
        self.y.fill(area, luma);
        let half = area.halved();
        self.u.fill(half, NEUTRAL);
        self.v.fill(half, NEUTRAL);
    }
}

impl Picture {
    /// A black picture. Its sides are rounded down to even numbers.
    pub fn new(width: usize, height: usize) -> Self {
        let plane = |width, height, value| Plane {
            data: vec![value; width * height],
            stride: width,
            width,
            height,
        };
        let (half_width, half_height) = (width / 2, height / 2);
        Self {
            y: plane(half_width * 2, half_height * 2, BLACK),
            u: plane(half_width, half_height, NEUTRAL),
            v: plane(half_width, half_height, NEUTRAL),
        }
    }

    /// The picture, to draw on.
    #[cfg(test)]
    pub fn planes_mut(&mut self) -> PlanesMut<'_> {
        fn borrowed(plane: &mut Plane<Vec<u8>>) -> Plane<&mut [u8]> {
            Plane {
                data: &mut plane.data,
                stride: plane.stride,
                width: plane.width,
                height: plane.height,
            }
        }
        PlanesMut {
            y: borrowed(&mut self.y),
            u: borrowed(&mut self.u),
            v: borrowed(&mut self.v),
        }
    }
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

impl Rect {
    /// The rectangle on the chroma planes, its edges rounded outwards.
    pub fn halved(self) -> Self {
        let (x, y) = (self.x / 2, self.y / 2);
        Self {
            x,
            y,
            width: (self.x + self.width).div_ceil(2) - x,
            height: (self.y + self.height).div_ceil(2) - y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_outside_of_a_picture_does_nothing() {
        let mut picture = Picture::new(33, 17);
        assert_eq!((picture.y.width, picture.y.height), (32, 16));
        assert!(picture.y.row(16).is_empty());
        assert!(picture.y.span(40, 3, 5).is_empty());
        assert_eq!(picture.y.span(30, 3, 5).len(), 2);
        let far = Rect {
            x: 30,
            y: 14,
            width: 100,
            height: 100,
        };
        picture.planes_mut().fill_grey(far, WHITE);
        let white = picture.y.data.iter().filter(|y| **y == WHITE).count();
        assert_eq!(white, 4);
    }

    #[test]
    fn a_buffer_too_short_for_its_plane_is_drawn_as_far_as_it_goes() {
        let mut plane = Plane {
            data: [0; 100],
            stride: 40,
            width: 32,
            height: 16,
        };
        assert_eq!(plane.row_mut(1).len(), 32);
        assert!(plane.row_mut(2).is_empty());
    }
}
