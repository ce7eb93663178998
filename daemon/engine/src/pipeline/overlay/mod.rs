//! A result drawn on its picture: boxes and outlines with their labels, and the numbers that stand beside them. Lives
//! here: how it looks. What is drawn is decided in `marks` (boxes) and `panel` (lines of text), on plain data; `canvas`
//! is the picture as something to draw on.
//!
//! A result comes from a model and holds anything; whatever it holds, drawing ends soon and stays inside the picture.

mod canvas;
mod marks;
mod panel;

use bytes::Bytes;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X9, FONT_7X13, FONT_9X15, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use embedded_graphics::text::{Baseline, Text};
use serde_json::Value;

use super::encode::Encoder;
use super::image::{Decoder, ImageNeed, Picture};
use base::frame::Frame;
use canvas::Canvas;
use marks::Mark;

/// Pixels around a text.
const MARGIN: u32 = 3;

/// How large things are drawn.
#[derive(Clone, Copy)]
struct Look {
    font: &'static MonoFont<'static>,
    /// Width of lines, in pixels.
    stroke: u32,
}

/// Draws a result on a picture of `width × height` RGB pixels: every detection under `detections` (its `box`, and the
/// `polygon` or `polygons` that it has, with label, score, `track_id` and `text`), and the result's own numbers and short texts as lines
/// in the upper left corner. `scale` takes the frame's pixels, in which boxes are given, to the picture's.
///
/// What makes no sense is left out: a box without four finite numbers, or outside the picture. Bytes that are no such
/// picture are left as they are.
pub fn draw(rgb: &mut [u8], width: usize, height: usize, result: &Value, scale: (f64, f64)) {
    let Some(mut canvas) = Canvas::new(rgb, width, height) else { return };
    let look = Look::of(height);
    let marks = marks::marks(result, (width, height), scale);
    marks.iter().for_each(|mark| draw_shape(&mut canvas, mark, look));
    // Above all shapes: a text that is crossed by a line is hard to read.
    marks.iter().for_each(|mark| draw_label(&mut canvas, mark, look));
    draw_panel(&mut canvas, result, look);
}

/// A frame with its result drawn on it, as a JPEG of the frame's size.
///
/// # Errors
/// Why it cannot be decoded, or the encoder's words.
pub fn render(
    encoder: &mut Encoder,
    decoder: &mut Decoder,
    frame: &Frame,
    result: &Value,
    quality: u8,
) -> Result<Bytes, String> {
    let picture = decoder.decode(frame, ImageNeed::Whole).map_err(|error| error.to_string())?;
    let mut rgb = picture.rgb.to_vec();
    let (frame_width, frame_height) = picture.frame_size;
    let scale = (picture.width as f64 / frame_width as f64, picture.height as f64 / frame_height as f64);
    draw(&mut rgb, picture.width, picture.height, result, scale);
    encoder.jpeg(&Picture { rgb: &rgb, ..picture }, quality)
}

fn draw_shape(canvas: &mut Canvas<'_>, mark: &Mark, look: Look) {
    if let Some((from, to)) = mark.corners {
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(mark.colour)
            .stroke_width(look.stroke)
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let Ok(()) = Rectangle::with_corners(from, to).into_styled(style).draw(canvas);
    }
    let style = PrimitiveStyle::with_stroke(mark.colour, look.stroke);
    for &(from, to) in &mark.edges {
        let Ok(()) = Line::new(from, to).into_styled(style).draw(canvas);
    }
}

/// Above the mark, or inside it where there is no room above; moved to the left where it would end outside.
fn draw_label(canvas: &mut Canvas<'_>, mark: &Mark, look: Look) {
    let (text, area) = look.text_area(&mark.label, canvas.size());
    if text.is_empty() {
        return;
    }
    let room = canvas.size().saturating_sub(area);
    let above = mark.anchor - area.y_axis();
    let at = if above.y >= 0 { above } else { mark.anchor };
    let at = at.component_max(Point::zero()).component_min(Point::zero() + room);
    let Ok(()) = canvas.fill_solid(&Rectangle::new(at, area), mark.colour);
    look.write(canvas, &text, at, readable_on(mark.colour));
}

fn draw_panel(canvas: &mut Canvas<'_>, result: &Value, look: Look) {
    let line_height = look.font.character_size.height;
    let most = (canvas.size().height.saturating_sub(2 * MARGIN) / line_height) as usize;
    let lines: Vec<String> =
        panel::lines(result, most).iter().map(|line| look.text_area(line, canvas.size()).0).collect();
    let Some(columns) = lines.iter().map(|line| line.chars().count()).max().filter(|&columns| columns > 0) else {
        return;
    };
    let width = columns as u32 * look.font.character_size.width + 2 * MARGIN;
    let height = lines.len() as u32 * line_height + 2 * MARGIN;
    canvas.darken(Rectangle::new(Point::zero(), Size::new(width, height)));
    for (number, line) in lines.iter().enumerate() {
        let at = Point::zero() + Size::new(0, number as u32 * line_height);
        look.write(canvas, line, at, Rgb888::WHITE);
    }
}

impl Look {
    /// For a picture of this many rows.
    fn of(height: usize) -> Look {
        match height {
            0..240 => Look { font: &FONT_6X9, stroke: 1 },
            240..600 => Look { font: &FONT_7X13, stroke: 2 },
            600..900 => Look { font: &FONT_9X15, stroke: 2 },
            900..1600 => Look { font: &FONT_10X20, stroke: 3 },
            _ => Look { font: &FONT_10X20, stroke: 5 },
        }
    }

    /// As much of a text as fits a picture, and what it covers there with its margin; empty where there is no room at
    /// all.
    fn text_area(self, text: &str, picture: Size) -> (String, Size) {
        let Size { width, height } = self.font.character_size;
        let fitting = picture.width.saturating_sub(2 * MARGIN) / width;
        let rows_fit = picture.height >= height + 2 * MARGIN;
        let text: String = text.chars().take(if rows_fit { fitting as usize } else { 0 }).collect();
        let columns = text.chars().count() as u32;
        (text, Size::new(columns * width + 2 * MARGIN, height + 2 * MARGIN))
    }

    /// Writes one line whose area begins at `at`.
    fn write(self, canvas: &mut Canvas<'_>, text: &str, at: Point, colour: Rgb888) {
        let style = MonoTextStyle::new(self.font, colour);
        let Ok(_) = Text::with_baseline(text, at + Size::new_equal(MARGIN), style, Baseline::Top).draw(canvas);
    }
}

/// Black or white, whichever stands out.
fn readable_on(colour: Rgb888) -> Rgb888 {
    let light = 299 * u32::from(colour.r()) + 587 * u32::from(colour.g()) + 114 * u32::from(colour.b());
    if light > 128_000 { Rgb888::BLACK } else { Rgb888::WHITE }
}

#[cfg(test)]
mod tests;
