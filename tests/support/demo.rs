//! The clip that ships: a made-up conveyor with parcels, and a ball that bounces. Whole numbers only, so that it has the
//! same bytes wherever it is made.

use std::convert::Infallible;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{
    Circle, Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment, Triangle,
};
use embedded_graphics::text::{Baseline, Text};
use turbojpeg::{Image, PixelFormat, Subsamp};

/// Pixels in a row.
pub const WIDTH: usize = 640;
/// Rows.
pub const HEIGHT: usize = 480;
/// Frames; the first one follows the last one without a jump.
pub const FRAMES: usize = 30;

/// JPEG quality. Most edges lie on the grid of the encoder's blocks, 16 pixels wide, and cost next to nothing.
const QUALITY: i32 = 60;

/// Pixels between parcels, and how far they move in a frame: in all frames as far as three parcels reach.
const SPACING: i32 = 160;
const SPEED: i32 = 16;

/// The parcels that come by in turn: label and colour.
const PARCELS: [(&str, Rgb888); 3] =
    [("A7", Rgb888::new(200, 70, 50)), ("K2", Rgb888::new(60, 110, 190)), ("M5", Rgb888::new(210, 160, 50))];

const DARK: Rgb888 = Rgb888::new(30, 34, 40);
const LIGHT: Rgb888 = Rgb888::new(240, 240, 232);

/// The clip: JPEGs, one after the other.
///
/// # Panics
/// When it cannot be encoded.
pub fn clip() -> Vec<u8> {
    (0..FRAMES).flat_map(|frame| encode(&paint(frame))).collect()
}

/// Pixels to draw on.
struct Canvas {
    pixels: Vec<u8>,
}

/// Draws every pixel as a square of this side, with its corner at this point.
struct Enlarged<'a> {
    canvas: &'a mut Canvas,
    side: u32,
    at: Point,
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let area = self.bounding_box();
        for Pixel(at, colour) in pixels.into_iter().filter(|pixel| area.contains(pixel.0)) {
            let start = (at.y as usize * WIDTH + at.x as usize) * 3;
            self.pixels[start..start + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
        }
        Ok(())
    }
}

impl Dimensions for Enlarged<'_> {
    fn bounding_box(&self) -> Rectangle {
        Rectangle::new(Point::zero(), self.canvas.size() / self.side)
    }
}

impl DrawTarget for Enlarged<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        pixels.into_iter().try_for_each(|Pixel(at, colour)| {
            let square = Rectangle::new(self.at + at * self.side as i32, Size::new_equal(self.side));
            self.canvas.fill_solid(&square, colour)
        })
    }
}

impl Canvas {
    fn draw(&mut self, shape: &impl Drawable<Color = Rgb888>) {
        let Ok(_) = shape.draw(self);
    }

    fn text(&mut self, text: &str, x: i32, y: i32, side: u32, colour: Rgb888) {
        let style = MonoTextStyle::new(&FONT_6X10, colour);
        let text = Text::with_baseline(text, Point::zero(), style, Baseline::Top);
        let Ok(_) = text.draw(&mut Enlarged { canvas: self, side, at: Point::new(x, y) });
    }
}

fn paint(frame: usize) -> Canvas {
    let mut canvas = Canvas { pixels: vec![0; WIDTH * HEIGHT * 3] };
    let now = i32::try_from(frame).unwrap();
    room(&mut canvas);
    belt(&mut canvas, now);
    ball(&mut canvas, now);
    canvas.text("DEMO", 32, 16, 4, DARK);
    canvas.text(&format!("{:02}", frame + 1), 560, 16, 4, DARK);
    canvas
}

/// A wall that darkens downwards, a floor, a window and a warning sign.
fn room(canvas: &mut Canvas) {
    for row in 0..HEIGHT as i32 {
        let shade = u8::try_from(190 - row / 16 * 3).unwrap();
        let colour = if row < 352 { Rgb888::new(shade, shade, shade - 14) } else { Rgb888::new(96, 92, 86) };
        let line = Line::new(Point::new(0, row), Point::new(WIDTH as i32 - 1, row));
        canvas.draw(&line.into_styled(PrimitiveStyle::with_stroke(colour, 1)));
    }
    let frame = PrimitiveStyleBuilder::new()
        .stroke_color(LIGHT)
        .stroke_width(16)
        .stroke_alignment(StrokeAlignment::Inside)
        .fill_color(Rgb888::new(150, 190, 220));
    canvas.draw(&Rectangle::new(Point::new(32, 96), Size::new(176, 112)).into_styled(frame.build()));
    canvas.draw(&Rectangle::new(Point::new(112, 96), Size::new(16, 112)).into_styled(PrimitiveStyle::with_fill(LIGHT)));
    let sign = Triangle::new(Point::new(464, 208), Point::new(576, 208), Point::new(520, 112));
    let style = PrimitiveStyleBuilder::new().stroke_color(DARK).stroke_width(5).fill_color(Rgb888::new(240, 200, 40));
    canvas.draw(&sign.into_styled(style.build()));
    canvas.text("!", 508, 152, 4, DARK);
}

/// A belt with its slats and parcels, which move to the right.
fn belt(canvas: &mut Canvas, now: i32) {
    let width = WIDTH as i32;
    canvas.draw(
        &Rectangle::new(Point::new(0, 384), Size::new(WIDTH as u32, 48)).into_styled(PrimitiveStyle::with_fill(DARK)),
    );
    for x in (now * SPEED % 48 - 48..width).step_by(48) {
        let slat = Rectangle::new(Point::new(x, 400), Size::new(16, 16));
        canvas.draw(&slat.into_styled(PrimitiveStyle::with_fill(Rgb888::new(110, 116, 124))));
    }
    for place in 0..8 {
        // One turn of the three parcels to the left of the picture, so that they come in.
        let x = (place - 3) * SPACING + now * SPEED;
        let (label, colour) = PARCELS[usize::try_from(place).unwrap() % PARCELS.len()];
        let parcel = Rectangle::new(Point::new(x, 288), Size::new(112, 96));
        canvas.draw(&parcel.into_styled(PrimitiveStyle::with_fill(colour)));
        let paper = Rectangle::new(Point::new(x + 16, 304), Size::new(80, 64));
        canvas.draw(&paper.into_styled(PrimitiveStyle::with_fill(LIGHT)));
        canvas.text(label, x + 32, 316, 4, DARK);
    }
}

/// A ball that bounces twice, on the spot.
fn ball(canvas: &mut Canvas, now: i32) {
    let period = FRAMES as i32 / 2;
    let since = now % period;
    let height = 560 * since * (period - since) / (period * period);
    let at = Point::new(320, 235 - height);
    canvas.draw(&Circle::with_center(at, 60).into_styled(PrimitiveStyle::with_fill(Rgb888::new(40, 150, 90))));
    canvas.draw(&Circle::with_center(at - Point::new(10, 12), 14).into_styled(PrimitiveStyle::with_fill(LIGHT)));
}

fn encode(canvas: &Canvas) -> Vec<u8> {
    let (pixels, pitch) = (canvas.pixels.as_slice(), WIDTH * 3);
    let image = Image { pixels, width: WIDTH, pitch, height: HEIGHT, format: PixelFormat::RGB };
    turbojpeg::compress(image, QUALITY, Subsamp::Sub2x2).unwrap().to_vec()
}
