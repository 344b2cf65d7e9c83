//! The picture of the test signal (`test:`).
//!
//! A landscape that pans, a ball that bounces, the time of day in UTC, the number of the frame,
//! a barcode of the time ([`barcode`]), and a box that flashes with the beep ([`beep`]).

use std::time::Duration;

use super::text::Glyph;
use super::{BLACK, PlanesMut, Rect, WHITE, barcode, beep, texture};
use super::{Picture, PlaneMut};
use crate::base::units::FrameRate;

/// Time that the pan takes for one round.
const ROUND: Duration = Duration::from_secs(24);
/// Time that the ball takes across the picture and down.
const BALL_ACROSS: Duration = Duration::from_millis(3700);
const BALL_DOWN: Duration = Duration::from_millis(2300);
/// Paper of the lines.
const PAPER: u8 = 28;
/// Letters that the lines are made of.
const LETTERS: &str = "0123456789:. UTCframewi";

/// Draws the test signal. Everything costly is drawn once; a frame is little more than a copy.
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
    /// A test card for pictures of `width` x `height` pixels at `fps`.
    pub fn new(width: u32, height: u32, fps: FrameRate) -> Self {
        let picture = Picture::new(width, height);
        let (width, height) = (picture.width(), picture.height());
        let with_room = |side: usize| u32::try_from(side + side / 4 + 2).unwrap_or(2);
        Self {
            width,
            height,
            fps,
            landscape: texture::landscape(with_room(width), with_room(height)),
            ball: Ball::new(height.min(width) / 12),
            large: Typeface::new(large_letter(width)),
            small: Typeface::new(small_letter(width)),
        }
    }

    /// Draws frame `frame` of the output, shown at `utc` (counted from the Unix epoch), on a
    /// picture of the size given to [`Self::new`].
    pub fn draw(&self, frame: u64, utc: Duration, out: &mut PlanesMut<'_>) {
        let time = self.fps.time_of(frame);
        let (x, y) = self.pan_at(time);
        texture::pan(self.landscape.planes(), x, y, out);
        self.draw_ball(time, out);
        self.draw_flash(utc, out);
        self.draw_lines(frame, utc, out);
        let unix_ms = u32::try_from(utc.as_millis() & u128::from(u32::MAX)).unwrap_or(0);
        barcode::draw(unix_ms, out);
    }

    /// Top left corner of what is shown of the landscape: an ellipse.
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
        let (large, small) = (self.large.cell, self.small.cell);
        let bottom = self.height - self.height / 16;
        let middle =
            |letters: usize, cell: Rect| self.width.saturating_sub(letters * cell.width) / 2;
        let y = bottom.saturating_sub(small.height);
        self.small
            .write(&number, middle(number.len(), small), y, out);
        let y = y.saturating_sub(large.height);
        self.large.write(&time, middle(time.len(), large), y, out);
        let x = self.width.saturating_sub(5 * large.width);
        self.large.write("weir", x, large.width / 2, out);
    }
}

/// Letters drawn beforehand, white on dark.
#[derive(Debug)]
struct Typeface {
    cell: Rect,
    glyphs: Vec<(char, Glyph)>,
}

impl Typeface {
    fn new(cell: Rect) -> Self {
        let glyph = |c| {
            (
                c,
                Glyph::new(c, cell.width, cell.height).inked(WHITE, PAPER),
            )
        };
        Self {
            cell,
            glyphs: LETTERS.chars().map(glyph).collect(),
        }
    }

    fn write(&self, line: &str, x: usize, y: usize, out: &mut PlanesMut<'_>) {
        let area = Rect {
            x,
            y,
            width: line.len() * self.cell.width,
            height: self.cell.height,
        };
        out.fill_grey(area, PAPER);
        for (n, c) in line.chars().enumerate() {
            if let Some((_, glyph)) = self.glyphs.iter().find(|(letter, _)| *letter == c) {
                glyph.copy(out, x + n * self.cell.width, y);
            }
        }
    }
}

/// Cell of the time of day: twelve letters take half the width.
fn large_letter(width: usize) -> Rect {
    cell(width / 24)
}

/// Cell of the frame's number.
fn small_letter(width: usize) -> Rect {
    cell(width / 48)
}

fn cell(width: usize) -> Rect {
    Rect {
        x: 0,
        y: 0,
        width: width.max(8),
        height: width.max(8) * 3 / 2,
    }
}

/// Part of the current round, from 0 to 1.
fn turns(time: Duration, round: Duration) -> f64 {
    (time.as_nanos() % round.as_nanos().max(1)) as f64 / round.as_nanos().max(1) as f64
}

/// A shaded ball: for each row where it begins, and its pixels.
#[derive(Debug)]
struct Ball {
    luma: Vec<(usize, Vec<u8>)>,
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
        let colour = |plane: &mut PlaneMut<'_>, value| {
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
        let mut picture = Picture::new(width, height);
        card.draw(
            frame,
            Duration::from_millis(unix_ms),
            &mut picture.planes_mut(),
        );
        picture
    }

    /// Luma in the middle of the box that flashes.
    fn flash(picture: &Picture) -> u8 {
        let side = picture.width().min(picture.height()) / 5;
        let x = picture.width() - side / 2 - picture.width() / 20;
        picture.planes().y.row(picture.height() / 2)[x]
    }

    #[test]
    fn the_time_can_be_read_off() {
        for (width, height) in [(640, 360), (360, 640), (426, 240)] {
            let picture = drawn(width, height, 77, 1_700_000_123_456);
            let value = barcode::reading::read(&picture.planes());
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
            let (a, b) = (a.planes().y.data, b.planes().y.data);
            a.iter().zip(b).filter(|(a, b)| a != b).count()
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
        let plane = |data, stride, width, height| PlaneMut {
            data,
            stride,
            width,
            height,
        };
        let mut planes = PlanesMut {
            y: plane(&mut y, 80, 64, 48),
            u: plane(&mut u, 40, 32, 24),
            v: plane(&mut v, 40, 32, 24),
        };
        card.draw(0, Duration::ZERO, &mut planes);
        assert!(
            y.chunks(80)
                .all(|row| row[64..].iter().all(|luma| *luma == 1))
        );
    }
}
