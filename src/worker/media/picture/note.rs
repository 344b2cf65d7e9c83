//! What viewers see while there is no input.

use super::planes::{BLACK, NEUTRAL, Planes, PlanesMut, Rect, WHITE};
use super::text::{self, blend};

/// How much of the last picture black and grey cover: 60 %.
const DIM: u8 = 153;
/// Luma of the box under the text.
const PAPER: u8 = 24;
/// How much the box covers.
const PAPER_COVERAGE: u8 = 220;
/// Luma of the card that is shown before the first picture.
const CARD: u8 = 32;

/// Draws the last picture dimmed, under "reconnecting...".
pub fn reconnecting<D: AsRef<[u8]>>(last: &Planes<D>, out: &mut PlanesMut<'_>) {
    for (to, from, towards) in [
        (&mut out.y, &last.y, BLACK),
        (&mut out.u, &last.u, NEUTRAL),
        (&mut out.v, &last.v, NEUTRAL),
    ] {
        for y in 0..to.height {
            for (to, from) in to.row_mut(y).iter_mut().zip(from.row(y)) {
                *to = blend(*from, towards, DIM);
            }
        }
    }
    write(out, "reconnecting...");
}

/// Draws a dark card that says "waiting for video".
pub fn waiting(out: &mut PlanesMut<'_>) {
    out.y.data.fill(CARD);
    out.u.data.fill(NEUTRAL);
    out.v.data.fill(NEUTRAL);
    write(out, "waiting for video");
}

/// Writes a text in the middle, in a box with round corners.
fn write(out: &mut PlanesMut<'_>, text: &str) {
    let letters = text.chars().count();
    // The text takes at most two thirds of the width, and a letter a sixteenth of the height.
    let letter = (out.y.width * 2 / 3 / letters.max(1)).min(out.y.height / 16);
    if letter < 6 {
        return;
    }
    let words = Rect {
        x: (out.y.width - letter * letters) / 2,
        y: (out.y.height - letter * 5 / 4) / 2,
        width: letter * letters,
        height: letter * 5 / 4,
    };
    let paper = Rect {
        x: words.x.saturating_sub(letter),
        y: words.y.saturating_sub(letter * 3 / 4),
        width: words.width + letter * 2,
        height: words.height + letter * 3 / 2,
    };
    round_box(out, paper, letter);
    text::write(out, words, text, WHITE);
}

/// Draws a translucent box with round corners.
fn round_box(out: &mut PlanesMut<'_>, area: Rect, radius: usize) {
    let radius = radius.min(area.width / 2).min(area.height / 2);
    for row in 0..area.height {
        let to_edge = row.min(area.height - 1 - row);
        let off = radius.saturating_sub(to_edge);
        let inset = radius - (radius * radius - off * off).isqrt();
        let (x, width) = (area.x + inset, area.width - 2 * inset);
        for luma in out.y.span(x, area.y + row, width) {
            *luma = blend(*luma, PAPER, PAPER_COVERAGE);
        }
        for chroma in [&mut out.u, &mut out.v] {
            chroma
                .span(x / 2, (area.y + row) / 2, width / 2)
                .fill(NEUTRAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planes::Picture;
    use super::*;

    fn drawn(width: usize, height: usize, draw: impl FnOnce(&mut PlanesMut<'_>)) -> Picture {
        let mut picture = Picture::new(width, height);
        draw(&mut picture.planes_mut());
        picture
    }

    #[test]
    fn the_last_picture_is_dimmed_under_the_note() {
        let mut last = Picture::new(640, 360);
        last.y.data.fill(216);
        last.u.data.fill(228);
        let note = drawn(640, 360, |out| reconnecting(&last, out));
        // 40 % of the distance to black and to grey is left.
        assert_eq!(note.y.row(10)[10], 16 + 80);
        assert_eq!(note.u.row(5)[5], 128 + 40);
        let middle = note.y.row(180);
        assert!(middle.contains(&WHITE), "letters");
        assert!(
            middle[320 - 150..320 + 150].iter().any(|luma| *luma < 60),
            "box"
        );
        assert_eq!(note.u.row(90)[160], NEUTRAL);
        assert_eq!(middle[20], 96, "beside the box");
    }

    #[test]
    fn notes_fit_any_size() {
        for (width, height) in [(2, 2), (16, 16), (64, 36), (360, 640), (8192, 16)] {
            let card = drawn(width, height, waiting);
            drawn(width, height, |out| reconnecting(&card, out));
        }
        let card = drawn(1280, 720, waiting);
        assert!(card.y.data.contains(&WHITE));
        assert_eq!(card.y.row(0)[0], CARD);
    }
}
