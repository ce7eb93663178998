//! Bilinear scaling in the fixed point of OpenCV's `resize` with `INTER_LINEAR`: two by two source pixels around each point, to
//! the bit. Models are trained and measured on pictures that OpenCV scaled; a network of many layers makes much of a
//! level of difference.

use super::RGB;

/// One in fixed point: 11 bits.
const ONE: f32 = 2048.0;

/// Where a row or column of the result lies between two of the source.
#[derive(Clone, Copy, Debug)]
struct Tap {
    before: usize,
    after: usize,
    weight_before: i32,
    weight_after: i32,
}

/// How the border's pixel is taken outside the picture: once with the whole weight, or twice with what the weights are. The
/// sum is the same but for what rounding loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtBorder {
    One,
    Twice,
}

/// Scales a picture of `width × height` RGB pixels into `output`, which has room for the second size.
pub(super) fn scale(rgb: &[u8], (width, height): (usize, usize), output: &mut [u8], size: (usize, usize)) {
    let columns = taps(width, size.0, AtBorder::One);
    let rows = taps(height, size.1, AtBorder::Twice);
    let source = |row: usize| rgb.get(row * width * RGB..(row + 1) * width * RGB).unwrap_or_default();
    let (mut upper, mut lower) = (Row::default(), Row::default());
    for (tap, line) in rows.iter().zip(output.chunks_exact_mut((size.0 * RGB).max(1))) {
        // The lower row of one line is often the upper of the next.
        if lower.number == Some(tap.before) {
            std::mem::swap(&mut upper, &mut lower);
        }
        upper.fill(tap.before, source(tap.before), &columns);
        lower.fill(tap.after, source(tap.after), &columns);
        for ((pixel, &above), &below) in line.iter_mut().zip(&upper.values).zip(&lower.values) {
            let sum = ((tap.weight_before * (above >> 4)) >> 16) + ((tap.weight_after * (below >> 4)) >> 16);
            *pixel = u8::try_from((sum + 2) >> 2).unwrap_or(u8::MAX);
        }
    }
}

/// A source row scaled across, 11 bits more than a byte.
#[derive(Debug, Default)]
struct Row {
    number: Option<usize>,
    values: Vec<i32>,
}

impl Row {
    fn fill(&mut self, number: usize, source: &[u8], columns: &[Tap]) {
        if self.number == Some(number) {
            return;
        }
        self.number = Some(number);
        self.values.clear();
        let pixel = |at: usize| source.get(at * RGB..at * RGB + RGB).unwrap_or(&[0; RGB]);
        for tap in columns {
            let mixed = pixel(tap.before).iter().zip(pixel(tap.after));
            let mix = |(&a, &b): (&u8, &u8)| i32::from(a) * tap.weight_before + i32::from(b) * tap.weight_after;
            self.values.extend(mixed.map(mix));
        }
    }
}

/// The taps of one direction: points are the middles of pixels, and the border's pixels go on outside.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // sides of pictures, and weights of 11 bits
fn taps(from: usize, to: usize, at_border: AtBorder) -> Vec<Tap> {
    let step = 1.0 / (to as f64 / from.max(1) as f64);
    let last = from.saturating_sub(1) as f32;
    let tap = |at: usize| {
        let place = ((at as f64 + 0.5) * step - 0.5) as f32;
        let before = place.floor();
        let outside = before < 0.0 || before >= last;
        let share = if outside && at_border == AtBorder::One { 0.0 } else { place - before };
        Tap {
            before: before.clamp(0.0, last) as usize,
            after: (before + 1.0).clamp(0.0, last) as usize,
            weight_before: ((1.0 - share) * ONE).round_ties_even() as i32,
            weight_after: (share * ONE).round_ties_even() as i32,
        }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(rgb: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
        let mut output = vec![0; to.0 * to.1 * RGB];
        scale(rgb, from, &mut output, to);
        output
    }

    /// The first channel only.
    fn grey(values: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
        let rgb: Vec<u8> = values.iter().flat_map(|&value| [value; RGB]).collect();
        scaled(&rgb, from, to).into_iter().step_by(RGB).collect()
    }

    #[test]
    fn it_gives_what_opencv_gives() {
        // cv2.resize of OpenCV 4.12 on the same rows.
        assert_eq!(grey(&[0, 50, 100, 255, 7], (5, 1), (3, 1)), [17, 100, 90]);
        assert_eq!(grey(&[0, 50, 100, 255, 7], (5, 1), (8, 1)), [0, 22, 53, 84, 148, 245, 116, 7]);
        assert_eq!(grey(&[0, 200, 90, 255, 13, 77], (2, 3), (3, 2)), [23, 118, 214, 32, 77, 122]);
    }

    #[test]
    fn any_size_becomes_any_size() {
        for (from, to) in [((1, 1), (5, 3)), ((7, 5), (1, 1)), ((640, 1), (320, 320)), ((3, 2), (3, 2))] {
            let rgb: Vec<u8> = (0..from.0 * from.1 * RGB).map(|_| 201).collect();
            assert!(scaled(&rgb, from, to).iter().all(|&value| value == 201), "{from:?} {to:?}");
        }
        assert_eq!(grey(&[9, 8, 7, 6], (2, 2), (2, 2)), [9, 8, 7, 6]);
        assert!(scaled(&[], (0, 0), (2, 2)).iter().all(|&value| value == 0));
    }
}
