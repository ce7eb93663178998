//! A picture as something to draw on. What lies outside it is not drawn.

use std::convert::Infallible;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use crate::pipeline::image::RGB;

/// Longest side that is drawn on, in pixels; a JPEG cannot be longer.
const MAX_SIDE: usize = 65_535;

/// Rows of RGB pixels without padding.
pub(super) struct Canvas<'a> {
    pixels: &'a mut [[u8; RGB]],
    size: Size,
}

impl<'a> Canvas<'a> {
    /// None where the bytes are no picture of this size.
    pub(super) fn new(rgb: &'a mut [u8], width: usize, height: usize) -> Option<Self> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return None;
        }
        let (pixels, _) = rgb.as_chunks_mut::<RGB>();
        let pixels = pixels.get_mut(..width * height)?;
        Some(Canvas { pixels, size: Size::new(width as u32, height as u32) })
    }

    /// Makes an area dark enough to read a light text on it.
    pub(super) fn darken(&mut self, area: Rectangle) {
        self.rows(area).flatten().flatten().for_each(|value| *value /= 4);
    }

    /// The part of each row that lies in an area.
    fn rows(&mut self, area: Rectangle) -> impl Iterator<Item = &mut [[u8; RGB]]> {
        let inside = area.intersection(&self.bounding_box());
        // Inside the picture nothing is negative.
        let (x, y) = (inside.top_left.x.unsigned_abs() as usize, inside.top_left.y.unsigned_abs() as usize);
        let (columns, rows) = (inside.size.width as usize, inside.size.height as usize);
        let all = self.pixels.chunks_exact_mut(self.size.width as usize);
        all.skip(y).take(rows).filter_map(move |row| row.get_mut(x..x + columns))
    }
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if x < self.size.width
                && let Some(pixel) = self.pixels.get_mut(y as usize * self.size.width as usize + x as usize)
            {
                *pixel = [colour.r(), colour.g(), colour.b()];
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        self.rows(*area).for_each(|row| row.fill([colour.r(), colour.g(), colour.b()]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_not_drawn() {
        let mut rgb = vec![0; 4 * 3 * RGB + 5];
        let mut canvas = Canvas::new(&mut rgb, 4, 3).unwrap();
        let outside = [(-1, 0), (4, 0), (0, -1), (0, 3), (i32::MIN, i32::MIN), (i32::MAX, i32::MAX)];
        let Ok(()) = canvas.draw_iter(outside.map(|(x, y)| Pixel(Point::new(x, y), Rgb888::WHITE)));
        for (at, size) in [((4, 0), (9, 9)), ((-5, -5), (5, 5)), ((0, 0), (0, 9)), ((i32::MAX - 2, 0), (2, 2))] {
            let Ok(()) = canvas.fill_solid(&Rectangle::new(at.into(), size.into()), Rgb888::WHITE);
        }
        assert!(rgb.iter().all(|&value| value == 0));
        let mut canvas = Canvas::new(&mut rgb, 4, 3).unwrap();
        let Ok(()) = canvas.fill_solid(&Rectangle::new(Point::new(-2, 1), Size::new(3, 100)), Rgb888::WHITE);
        let Ok(()) = canvas.draw_iter([Pixel(Point::new(3, 0), Rgb888::RED)]);
        canvas.darken(Rectangle::new(Point::new(0, 2), Size::new(1, 1)));
        let lit: Vec<(usize, u8)> = rgb.iter().copied().enumerate().filter(|&(_, value)| value > 0).collect();
        assert_eq!(lit, [(9, 255), (12, 255), (13, 255), (14, 255), (24, 63), (25, 63), (26, 63)]);
    }

    #[test]
    fn bytes_that_are_no_picture_are_not_drawn_on() {
        for (bytes, width, height) in
            [(36, 0, 3), (36, 4, 0), (35, 4, 3), (36, usize::MAX, usize::MAX), (36, 65_536, 1)]
        {
            assert!(Canvas::new(&mut vec![0; bytes], width, height).is_none(), "{width}x{height}");
        }
    }
}
