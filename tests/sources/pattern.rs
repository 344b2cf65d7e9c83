//! The picture that every source of the corpus shows: its number, patches of known colours, and
//! something that moves. What the viewer gets is judged by the same picture.

/// Cells of the bar code along the top: white, black, sixteen bits of the picture's number with the
/// highest first, a parity cell that is white when an odd number of bits is set, white.
pub const CELLS: usize = 20;
/// The bar code takes this share of the height.
const CODE_HEIGHT: f64 = 1.0 / 12.0;
/// Top and bottom of the patches, as shares of the height.
const PATCHES_TOP: f64 = 0.25;
const PATCHES_BOTTOM: f64 = 0.75;

/// Colours of the patches from left to right, sRGB.
pub const PATCHES: [[u8; 3]; 6] = [
    [191, 191, 191],
    [64, 64, 64],
    [180, 48, 48],
    [48, 160, 64],
    [56, 72, 180],
    [190, 170, 60],
];

/// Draws picture `number` as rows of RGB pixels.
pub fn draw(number: u32, width: usize, height: usize, pixels: &mut Vec<u8>) {
    pixels.clear();
    let code = code(number);
    for y in 0..height {
        let share = (y as f64 + 0.5) / height as f64;
        for x in 0..width {
            pixels.extend(match share {
                _ if share < CODE_HEIGHT => grey(code[x * CELLS / width]),
                _ if (PATCHES_TOP..PATCHES_BOTTOM).contains(&share) => {
                    PATCHES[x * PATCHES.len() / width]
                }
                _ => texture(x, y, number as usize, width),
            });
        }
    }
}

fn grey(white: bool) -> [u8; 3] {
    if white { [235; 3] } else { [16; 3] }
}

/// A slanted gradient with a bright bar, which both move.
fn texture(x: usize, y: usize, number: usize, width: usize) -> [u8; 3] {
    let bar = (number * width / 60) % width;
    if x.abs_diff(bar) < width / 32 {
        return [220, 210, 190];
    }
    let value = ((x + 2 * y + 3 * number) / 2 % 128) as u8;
    [value / 2 + 40, value / 2 + 60, 150 - value / 2]
}

fn code(number: u32) -> [bool; CELLS] {
    let mut cells = [true; CELLS];
    cells[1] = false;
    for (bit, cell) in cells[2..18].iter_mut().enumerate() {
        *cell = number >> (15 - bit) & 1 == 1;
    }
    cells[18] = (number & 0xFFFF).count_ones() % 2 == 1;
    cells
}

/// Reads the number from the brightness of the cells; `None` when there is no bar code.
pub fn read(cells: &[u8]) -> Option<u32> {
    let (white, black) = (u32::from(*cells.first()?), u32::from(*cells.get(1)?));
    if white < black + 60 {
        return None;
    }
    let bright: Vec<bool> = cells
        .iter()
        .map(|cell| u32::from(*cell) * 2 > white + black)
        .collect();
    let bits = bright.get(2..18)?;
    let number = bits.iter().fold(0, |n, bit| n << 1 | u32::from(*bit));
    (code(number) == bright[..]).then_some(number)
}

/// ffmpeg filter that leaves the middle of the bar code, one grey pixel per cell.
pub fn code_filter() -> String {
    format!(
        "crop=iw:ih*{h}/2:0:ih*{h}/4,scale={CELLS}:1:flags=area,format=gray",
        h = CODE_HEIGHT
    )
}

/// ffmpeg filter that leaves the middle of the patches, one RGB pixel per three ninths of a patch:
/// the middle pixel of each three shows only that patch.
pub fn patches_filter() -> String {
    let width = PATCHES.len() * 3;
    let height = PATCHES_BOTTOM - PATCHES_TOP;
    // The conversion has a filter of its own: ffmpeg ignores the matrix where it scales far down.
    format!(
        "crop=iw:ih*{}:0:ih*{},format=yuv444p,scale={width}:1:flags=area+accurate_rnd,\
         format=yuv444p,scale=flags=accurate_rnd+full_chroma_int:in_color_matrix=bt709:in_range=tv,\
         format=rgb24",
        height / 2.0,
        PATCHES_TOP + height / 4.0
    )
}

#[test]
fn what_is_drawn_is_read() {
    let mut pixels = Vec::new();
    for number in [0, 1, 1234, 40_000, 65_535] {
        draw(number, 160, 96, &mut pixels);
        let row = &pixels[3 * 160 * 4..][..3 * 160];
        let cells: Vec<u8> = (0..CELLS).map(|n| row[3 * (n * 8 + 4)]).collect();
        assert_eq!(read(&cells), Some(number));
    }
    assert_eq!(read(&[128; CELLS]), None);
    assert_eq!(read(&[]), None);
}
