//! What viewers see while there is no input.

use super::text::{self, blend};
use super::{BLACK, NEUTRAL, Picture, Planes, Rect, WHITE};

/// Coverage of black over the last picture: 60 %.
const DIM: u8 = 153;
/// Coverage of grey over its colours: the same.
const FADE: u8 = 153;
/// Luma of the box under the note.
const PAPER: u8 = 24;
/// Coverage of the box.
const PAPER_COVERAGE: u8 = 220;
/// Luma of the card where no picture has come yet.
const CARD: u8 = 32;

/// The last picture dimmed, under "reconnecting...". To be drawn once, then repeated.
pub fn reconnecting(last: &Planes<'_>) -> Picture {
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let mut picture = Picture::new(side(last.y.width), side(last.y.height));
    let out = picture.planes_mut();
    for (mut to, from, towards, coverage) in [
        (out.y, last.y, BLACK, DIM),
        (out.u, last.u, NEUTRAL, FADE),
        (out.v, last.v, NEUTRAL, FADE),
    ] {
        for y in 0..to.height {
            for (to, from) in to.row(y).iter_mut().zip(from.row(y)) {
                *to = blend(*from, towards, coverage);
            }
        }
    }
    write(&mut picture, "reconnecting...");
    picture
}

/// A dark card that says "waiting for video", for an input that has sent no picture.
pub fn waiting(width: u32, height: u32) -> Picture {
    let mut picture = Picture::new(width, height);
    picture.planes_mut().y.data.fill(CARD);
    write(&mut picture, "waiting for video");
    picture
}

/// A note in the middle, in a box with round corners.
fn write(picture: &mut Picture, text: &str) {
    let letters = text.chars().count();
    // The note takes at most two thirds of the width, and a letter a sixteenth of the height.
    let letter = (picture.width() * 2 / 3 / letters.max(1)).min(picture.height() / 16);
    if letter < 6 {
        return;
    }
    let words = Rect {
        x: (picture.width() - letter * letters) / 2,
        y: (picture.height() - letter * 5 / 4) / 2,
        width: letter * letters,
        height: letter * 5 / 4,
    };
    let paper = Rect {
        x: words.x.saturating_sub(letter),
        y: words.y.saturating_sub(letter * 3 / 4),
        width: words.width + letter * 2,
        height: words.height + letter * 3 / 2,
    };
    round_box(picture, paper, letter);
    text::write(&mut picture.planes_mut(), words, text, WHITE);
}

/// A translucent box whose corners have a radius of `radius`.
fn round_box(picture: &mut Picture, area: Rect, radius: usize) {
    let radius = radius.min(area.width / 2).min(area.height / 2);
    let mut planes = picture.planes_mut();
    for row in 0..area.height {
        let to_edge = row.min(area.height - 1 - row);
        let off = radius.saturating_sub(to_edge);
        let inset = radius - (radius * radius - off * off).isqrt();
        let (x, width) = (area.x + inset, area.width - 2 * inset);
        for luma in planes.y.span(x, area.y + row, width) {
            *luma = blend(*luma, PAPER, PAPER_COVERAGE);
        }
        for chroma in [&mut planes.u, &mut planes.v] {
            chroma
                .span(x / 2, (area.y + row) / 2, width / 2)
                .fill(NEUTRAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_picture_is_dimmed_under_the_note() {
        let mut last = Picture::new(640, 360);
        last.planes_mut().y.data.fill(216);
        last.planes_mut().u.data.fill(228);
        let note = reconnecting(&last.planes());
        // 40 % of what was above black and beside grey.
        assert_eq!(note.planes().y.row(10)[10], 16 + 80);
        assert_eq!(note.planes().u.row(5)[5], 128 + 40);
        let middle = note.planes().y.row(180);
        assert!(middle.contains(&WHITE), "letters");
        assert!(
            middle[320 - 150..320 + 150].iter().any(|luma| *luma < 60),
            "box"
        );
        assert_eq!(note.planes().u.row(90)[160], NEUTRAL);
        assert_eq!(middle[20], 96, "beside the box");
    }

    #[test]
    fn notes_fit_any_size() {
        for (width, height) in [(2, 2), (16, 16), (64, 36), (360, 640), (8192, 16)] {
            let card = waiting(width, height);
            assert_eq!(card.width(), width as usize);
            let dimmed = reconnecting(&card.planes());
            assert_eq!(dimmed.height(), height as usize);
        }
        let card = waiting(1280, 720);
        assert!(card.planes().y.data.contains(&WHITE));
        assert_eq!(card.planes().y.row(0)[0], CARD);
    }
}
