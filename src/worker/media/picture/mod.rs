//! Pure drawing on planar 8-bit 4:2:0 pictures (I420, video range, BT.709): the test signal and
//! the note that stands in for a lost input.

pub mod barcode;
pub mod beep;
pub mod note;
pub mod testcard;
mod text;
mod texture;

/// Luma of black in video range.
pub const BLACK: u8 = 16;
/// Luma of white in video range.
pub const WHITE: u8 = 235;
/// Chroma of grey.
pub const NEUTRAL: u8 = 128;

/// One plane of a picture that is drawn on.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// Rows, `stride` bytes apart.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that are picture.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl PlaneMut<'_> {
    /// Row `y`; empty outside of the picture.
    pub fn row(&mut self, y: usize) -> &mut [u8] {
        if y >= self.height {
            return &mut [];
        }
        let from = y.saturating_mul(self.stride);
        let to = from.saturating_add(self.width);
        self.data.get_mut(from..to).unwrap_or_default()
    }

    /// `width` bytes of row `y` from `x` on, less what lies outside of the picture.
    pub fn span(&mut self, x: usize, y: usize, width: usize) -> &mut [u8] {
        let row = self.row(y);
        let to = x.saturating_add(width).min(row.len());
        row.get_mut(x.min(to)..to).unwrap_or_default()
    }

    fn fill(&mut self, area: Rect, value: u8) {
        for y in area.y..area.y.saturating_add(area.height).min(self.height) {
            self.span(area.x, y, area.width).fill(value);
        }
    }
}

/// One plane of a picture that is read.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Rows, `stride` bytes apart.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that are picture.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Plane<'a> {
    /// Row `y`; empty outside of the picture.
    pub fn row(&self, y: usize) -> &'a [u8] {
        if y >= self.height {
            return &[];
        }
        let from = y.saturating_mul(self.stride);
        let to = from.saturating_add(self.width);
        self.data.get(from..to).unwrap_or_default()
    }
}

/// A picture that is drawn on, as someone else's buffer.
#[derive(Debug)]
pub struct PlanesMut<'a> {
    /// Luma.
    pub y: PlaneMut<'a>,
    /// Blue difference, half as wide and high.
    pub u: PlaneMut<'a>,
    /// Red difference, half as wide and high.
    pub v: PlaneMut<'a>,
}

impl PlanesMut<'_> {
    /// A rectangle of one grey; its edges on the chroma grid are rounded outwards.
    fn fill_grey(&mut self, area: Rect, luma: u8) {
        self.y.fill(area, luma);
        let half = area.halved();
        self.u.fill(half, NEUTRAL);
        self.v.fill(half, NEUTRAL);
    }
}

/// A picture that is read, as someone else's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Luma.
    pub y: Plane<'a>,
    /// Blue difference, half as wide and high.
    pub u: Plane<'a>,
    /// Red difference, half as wide and high.
    pub v: Plane<'a>,
}

/// A picture of its own, without padding between rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Picture {
    /// A black picture. Odd sizes lose a pixel; sizes above 8192 are cut to it.
    pub fn new(width: u32, height: u32) -> Self {
        let side = |pixels: u32| (pixels.clamp(2, 8192) & !1) as usize;
        let (width, height) = (side(width), side(height));
        let chroma = width / 2 * (height / 2);
        Self {
            width,
            height,
            y: vec![BLACK; width * height],
            u: vec![NEUTRAL; chroma],
            v: vec![NEUTRAL; chroma],
        }
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// To read it.
    pub fn planes(&self) -> Planes<'_> {
        let plane = |data, width, height| Plane {
            data,
            stride: width,
            width,
            height,
        };
        Planes {
            y: plane(&self.y, self.width, self.height),
            u: plane(&self.u, self.width / 2, self.height / 2),
            v: plane(&self.v, self.width / 2, self.height / 2),
        }
    }

    /// To draw on it.
    pub fn planes_mut(&mut self) -> PlanesMut<'_> {
        let (width, height) = (self.width, self.height);
        let plane = |data, width, height| PlaneMut {
            data,
            stride: width,
            width,
            height,
        };
        PlanesMut {
            y: plane(&mut self.y, width, height),
            u: plane(&mut self.u, width / 2, height / 2),
            v: plane(&mut self.v, width / 2, height / 2),
        }
    }
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rect {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Rect {
    /// The same on the chroma grid, rounded outwards.
    fn halved(self) -> Self {
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
        assert_eq!((picture.width(), picture.height()), (32, 16));
        let mut planes = picture.planes_mut();
        assert!(planes.y.row(16).is_empty());
        assert!(planes.y.span(40, 3, 5).is_empty());
        assert_eq!(planes.y.span(30, 3, 5).len(), 2);
        let far = Rect {
            x: 30,
            y: 14,
            width: 100,
            height: 100,
        };
        planes.fill_grey(far, WHITE);
        let white = picture.y.iter().filter(|y| **y == WHITE).count();
        assert_eq!(white, 4);
    }

    #[test]
    fn a_buffer_too_short_for_its_plane_is_drawn_as_far_as_it_goes() {
        let mut data = [0; 100];
        let mut plane = PlaneMut {
            data: &mut data,
            stride: 40,
            width: 32,
            height: 16,
        };
        assert_eq!(plane.row(1).len(), 32);
        assert!(plane.row(2).is_empty());
    }
}
