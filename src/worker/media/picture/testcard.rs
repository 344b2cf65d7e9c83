//! The picture of the test signal (`test:`).
//!
//! It shows a panning landscape, a bouncing ball, the time of day in UTC, the frame number, a
//! barcode of the time ([`barcode`]), and a box that flashes with the beep ([`beep`]).

use std::time::Duration;

use super::planes::{BLACK, Picture, Plane, PlanesMut, Rect, WHITE};
use super::text::Glyph;
use super::{barcode, beep, texture};
use crate::base::units::FrameRate;

/// Period of the pan.
const ROUND: Duration = Duration::from_secs(24);
/// Time in which the ball crosses the picture, horizontally and vertically.
const BALL_ACROSS: Duration = Duration::from_millis(3700);
const BALL_DOWN: Duration = Duration::from_millis(2300);
/// Luma behind the text.
const PAPER: u8 = 28;
/// Letters of the text.
const LETTERS: &str = "0123456789:. UTCframewi";

/// Draws the test signal. Everything costly is computed once, so that a frame costs little more than
/// a copy.
#[derive(Debug)]
pub struct TestCard {
    width: usize,
    height: usize,
    fps: FrameRate,
    landscape: Picture,
    ball: Ball,
    large: Typeface,
    small: Typeface,
}

impl TestCard {
    /// A test card for pictures of `width` x `height` pixels at `fps`. Sides above 8192 are cut.
    pub fn new(width: u32, height: u32, fps: FrameRate) -> Self {
        let side = |pixels: u32| (pixels.clamp(2, 8192) & !1) as usize;
        let (width, height) = (side(width), side(height));
        let with_room = |side: usize| side + side / 4 + 2;
        Self {
            width,
            height,
            fps,
            landscape: texture::landscape(with_room(width), with_room(height)),
            ball: Ball::new(height.min(width) / 12),
            // Twelve letters, the time of day, take half the width.
            large: Typeface::new(width / 24),
            small: Typeface::new(width / 48),
        }
    }

    /// Draws frame number `frame` of the output, which is shown at `utc` (time since the Unix epoch).
    /// `out` has the size given to [`Self::new`].
    pub fn draw(&self, frame: u64, utc: Duration, out: &mut PlanesMut<'_>) {
        let time = self.fps.time_of(frame);
        let (x, y) = self.pan_at(time);
        texture::pan(&self.landscape, x, y, out);
        self.draw_ball(time, out);
        self.draw_flash(utc, out);
        self.draw_lines(frame, utc, out);
        let unix_ms = u32::try_from(utc.as_millis() & u128::from(u32::MAX)).unwrap_or(0);
        barcode::draw(unix_ms, out);
    }

    /// Top left corner of the visible part of the landscape; it moves on an ellipse.
    fn pan_at(&self, time: Duration) -> (usize, usize) {
        let angle = turns(time, ROUND) * std::f64::consts::TAU;
        let at = |side: usize, wave: f64| ((side / 4) as f64 * (0.5 + wave / 2.0)) as usize;
        (at(self.width, angle.cos()), at(self.height, angle.sin()))
    }

    fn draw_ball(&self, time: Duration, out: &mut PlanesMut<'_>) {
        let bounce = |room: usize, period: Duration| {
            let there_and_back = turns(time, period * 2) * 2.0;
            (room as f64 * there_and_back.min(2.0 - there_and_back)) as usize
        };
        let x = bounce(self.width.saturating_sub(self.ball.side()), BALL_ACROSS);
        let y = bounce(self.height.saturating_sub(self.ball.side()), BALL_DOWN);
        self.ball.draw(x, y, out);
    }

    fn draw_flash(&self, utc: Duration, out: &mut PlanesMut<'_>) {
        let side = self.width.min(self.height) / 5;
        let area = Rect {
            x: self.width - side - self.width / 20,
            y: (self.height - side) / 2,
            width: side,
            height: side,
        };
        let flashes = beep::sounds_at(utc);
        out.fill_grey(area, if flashes { WHITE } else { BLACK });
    }

    fn draw_lines(&self, frame: u64, utc: Duration, out: &mut PlanesMut<'_>) {
        let seconds = utc.as_secs() % 86_400;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let (seconds, millis) = (seconds % 60, utc.subsec_millis());
        let time = format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}");
        let number = format!(" UTC  frame {:08} ", frame % 100_000_000);
        let (large, small) = (&self.large, &self.small);
        let centred =
            |line: &str, face: &Typeface| self.width.saturating_sub(line.len() * face.width) / 2;
        let bottom = self.height - self.height / 16;
        let y = bottom.saturating_sub(small.height);
        small.write(&number, centred(&number, small), y, out);
        let y = y.saturating_sub(large.height);
        large.write(&time, centred(&time, large), y, out);
        let x = self.width.saturating_sub(5 * large.width);
        large.write("weir", x, large.width / 2, out);
    }
}

/// Letters of one size, drawn beforehand in white on dark.
#[derive(Debug)]
struct Typeface {
    /// Size of one letter in pixels.
    width: usize,
    height: usize,
    glyphs: Vec<(char, Glyph)>,
}

impl Typeface {
    fn new(width: usize) -> Self {
        let width = width.max(8);
        let height = width * 3 / 2;
        let glyph = |letter| Glyph::new(letter, width, height).inked(WHITE, PAPER);
        Self {
            width,
            height,
            glyphs: LETTERS.chars().map(|c| (c, glyph(c))).collect(),
        }
    }

    fn write(&self, line: &str, x: usize, y: usize, out: &mut PlanesMut<'_>) {
        let area = Rect {
            x,
            y,
            width: line.len() * self.width,
            height: self.height,
        };
        out.fill_grey(area, PAPER);
        for (n, c) in line.chars().enumerate() {
            if let Some((_, glyph)) = self.glyphs.iter().find(|(letter, _)| *letter == c) {
                glyph.copy(out, x + n * self.width, y);
            }
        }
    }
}

/// Elapsed part of the current period, from 0 to 1.
fn turns(time: Duration, period: Duration) -> f64 {
    (time.as_nanos() % period.as_nanos()) as f64 / period.as_nanos() as f64
}

/// A shaded ball.
#[derive(Debug)]
struct Ball {
    /// Left edge and pixels of each row.
    luma: Vec<(usize, Vec<u8>)>,
    /// Left edge and width of each row.
    chroma: Vec<(usize, usize)>,
}

/// Chroma of an orange ball.
const BALL_U: u8 = 72;
const BALL_V: u8 = 176;

impl Ball {
    fn new(radius: usize) -> Self {
        let half_width = |y: usize, radius: usize| {
            let off = y.abs_diff(radius);
            (radius * radius - off.min(radius) * off.min(radius)).isqrt()
        };
        let luma = (0..radius * 2)
            .map(|y| {
                let half = half_width(y, radius);
                let shade = |x: usize| {
                    // Lit from the top left.
                    let light = 200 - (x + y) * 110 / (radius * 4).max(1);
                    u8::try_from(light).unwrap_or(WHITE)
                };
                (
                    radius - half,
                    (radius - half..radius + half).map(shade).collect(),
                )
            })
            .collect();
        let chroma = (0..radius)
            .map(|y| {
                let half = half_width(y, radius / 2);
                (radius / 2 - half.min(radius / 2), half * 2)
            })
            .collect();
        Self { luma, chroma }
    }

    fn side(&self) -> usize {
        self.luma.len()
    }

    fn draw(&self, x: usize, y: usize, out: &mut PlanesMut<'_>) {
        for (y, (from, pixels)) in (y..).zip(&self.luma) {
            let span = out.y.span(x + from, y, pixels.len());
            if let Some(pixels) = pixels.get(..span.len()) {
                span.copy_from_slice(pixels);
            }
        }
        let colour = |plane: &mut Plane<&mut [u8]>, value| {
            for (y, (from, width)) in (y / 2..).zip(&self.chroma) {
                plane.span(x / 2 + from, y, *width).fill(value);
            }
        };
        colour(&mut out.u, BALL_U);
        colour(&mut out.v, BALL_V);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: u32, height: u32, frame: u64, unix_ms: u64) -> Picture {
        let card = TestCard::new(width, height, FrameRate::whole(30));
        let mut picture = Picture::new(width as usize, height as usize);
        card.draw(
            frame,
            Duration::from_millis(unix_ms),
            &mut picture.planes_mut(),
        );
        picture
    }

    /// Luma in the middle of the box that flashes.
    fn flash(picture: &Picture) -> u8 {
        let luma = &picture.y;
        let side = luma.width.min(luma.height) / 5;
        let x = luma.width - side / 2 - luma.width / 20;
        luma.row(luma.height / 2)[x]
    }

    #[test]
    fn the_time_can_be_read_off() {
        for (width, height) in [(640, 360), (360, 640), (426, 240)] {
            let picture = drawn(width, height, 77, 1_700_000_123_456);
            let value = barcode::reading::read(&picture);
            assert_eq!(value, Some((1_700_000_123_456_u64 % (1 << 32)) as u32));
        }
    }

    #[test]
    fn it_flashes_with_the_beep() {
        let card = TestCard::new(640, 360, FrameRate::whole(30));
        let mut picture = Picture::new(640, 360);
        for (millis, luma) in [(0, WHITE), (79, WHITE), (80, BLACK), (999, BLACK)] {
            let utc = Duration::from_millis(1_700_000_000_000 + millis);
            card.draw(1, utc, &mut picture.planes_mut());
            assert_eq!(flash(&picture), luma, "{millis}");
        }
    }

    #[test]
    fn it_moves_and_depends_on_nothing_but_its_arguments() {
        let still = drawn(640, 360, 100, 5000);
        assert_eq!(still, drawn(640, 360, 100, 5000));
        let moved = drawn(640, 360, 130, 5000);
        let changed = |a: &Picture, b: &Picture| {
            let pairs = a.y.data.iter().zip(&b.y.data);
            pairs.filter(|(a, b)| a != b).count()
        };
        assert!(changed(&still, &moved) > 640 * 360 / 2);
    }

    #[test]
    fn any_size_and_stride_can_be_drawn() {
        for (width, height) in [(16, 16), (16, 1080), (1080, 16), (2, 2)] {
            drawn(width, height, u64::MAX, u64::MAX);
        }
        let card = TestCard::new(64, 48, FrameRate::whole(30));
        let (mut y, mut u, mut v) = (vec![1; 80 * 48], vec![1; 40 * 24], vec![1; 40 * 24]);
        let plane = |data, stride, width, height| Plane {
            data,
            stride,
            width,
            height,
        };
        let mut planes = PlanesMut {
            y: plane(&mut y[..], 80, 64, 48),
            u: plane(&mut u[..], 40, 32, 24),
            v: plane(&mut v[..], 40, 32, 24),
        };
        card.draw(0, Duration::ZERO, &mut planes);
        assert!(
            y.chunks(80)
                .all(|row| row[64..].iter().all(|luma| *luma == 1))
        );
    }
}
