//! Text in a real typeface, which does not depend on the machine's fonts: Roboto Bold, from pictures of its characters in
//! `letters.png`. Whole numbers only.
//!
//! The picture has a cell for each printable character of ASCII, in their order. In each the pen stands [`BEARING`] pixels from
//! the left and [`BASELINE`] from the top; in its lowest row, as many pixels are white as the pen moves on.

use std::io::Cursor;
use std::sync::LazyLock;

/// The size of the letters in the picture.
const EM: usize = 64;
/// A cell.
const CELL: (usize, usize) = (80, 84);
const COLUMNS: usize = 16;
const BEARING: usize = 8;
const BASELINE: usize = 64;

static SHEET: LazyLock<Grey> = LazyLock::new(|| {
    let reader = png::Decoder::new(Cursor::new(include_bytes!("letters.png"))).read_info();
    let mut reader = reader.expect("letters.png is a PNG");
    let mut values = vec![0; reader.output_buffer_size().expect("letters.png is small")];
    let frame = reader.next_frame(&mut values).expect("letters.png is whole");
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
    Grey { width: frame.width as usize, values }
});

/// How much of each pixel is inked, 0 to 255, row by row.
pub struct Grey {
    pub width: usize,
    pub values: Vec<u8>,
}

/// A line of text with letters of this size, and the row of its baseline.
pub fn line(text: &str, em: usize) -> (Grey, usize) {
    let large = large(text);
    let rows = large.values.len() / large.width;
    let (width, height) = ((large.width * em).div_ceil(EM), (rows * em).div_ceil(EM));
    let mut values = Vec::with_capacity(width * height);
    for row in 0..height {
        for column in 0..width {
            let mut sum = 0;
            for (y, share_y) in covered(row, em, rows) {
                for (x, share_x) in covered(column, em, large.width) {
                    sum += share_y * share_x * usize::from(large.values[y * large.width + x]);
                }
            }
            values.push((sum / (EM * EM)) as u8);
        }
    }
    (Grey { width, values }, BASELINE * em / EM)
}

/// How wide a line is: where the pen stands after it.
pub fn width(text: &str, em: usize) -> usize {
    text.chars().map(advance).sum::<usize>() * em / EM
}

/// The large pixels that a pixel at this place covers, and by how many parts of [`EM`].
fn covered(at: usize, em: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let (from, until) = (at * EM, (at + 1) * EM);
    (from / em..until.div_ceil(em).min(count))
        .map(move |large| (large, until.min((large + 1) * em) - from.max(large * em)))
}

/// A line in the size of the picture. What reaches over its ends is cut.
fn large(text: &str) -> Grey {
    let rows = CELL.1 - 1;
    let width = text.chars().map(advance).sum::<usize>();
    let mut values = vec![0; width * rows];
    let mut pen = 0;
    for character in text.chars() {
        let (left, top) = cell(character);
        for (row, column) in (0..rows).flat_map(|row| (0..CELL.0).map(move |column| (row, column))) {
            let Some(x) = (pen + column).checked_sub(BEARING).filter(|x| *x < width) else { continue };
            let ink = SHEET.values[(top + row) * SHEET.width + left + column];
            let value = &mut values[row * width + x];
            *value = ink.max(*value);
        }
        pen += advance(character);
    }
    Grey { width, values }
}

fn cell(character: char) -> (usize, usize) {
    assert!(matches!(character, ' '..='~'), "{character:?} is not in letters.png");
    let at = character as usize - ' ' as usize;
    (at % COLUMNS * CELL.0, at / COLUMNS * CELL.1)
}

fn advance(character: char) -> usize {
    let (left, top) = cell(character);
    let start = (top + CELL.1 - 1) * SHEET.width + left;
    SHEET.values[start..start + CELL.0].iter().take_while(|value| **value > 0).count()
}
