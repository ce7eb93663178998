//! The clip that ships, made so that the shipped pipelines have something to say about it: a made-up hall with a conveyor,
//! labels and a sign for `yolo_ocr` to read, and light that fails for `scene` to notice. What can be read in each frame, and
//! how much light there is, is told by [`words`] and [`light`], from the tables that the frames are painted from. Whole numbers
//! only, so that the clip has the same bytes wherever it is made.

mod letters;

use std::convert::Infallible;
use std::ops::Range;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use turbojpeg::{Image, PixelFormat, Subsamp};

/// Pixels in a row.
pub const WIDTH: usize = 640;
/// Rows.
pub const HEIGHT: usize = 480;
/// Frames, of which the shipped camera plays ten a second; the first one follows the last one without a jump.
pub const FRAMES: usize = 120;

/// What the sign says, and in which frames. It is blank in the others.
pub const SIGN: [(&str, Range<usize>); 3] =
    [("Truck at 14:35", 4..38), ("Gate B12 open", 42..88), ("Gate closed", 108..118)];
/// What the labels say on the parcels that come by in turn; every other parcel has none.
const LABELS: [&str; 3] = ["FRAGILE", "Berlin", "Order 42"];
/// When the light fails, and how much of it is left. At other times it is on.
const FAILURES: [(Light, Range<usize>); 2] = [(Light::Dim, 90..96), (Light::Off, 96..106)];

/// JPEG quality. Most edges lie on the grid of the encoder's blocks, 16 pixels wide, and cost next to nothing.
const QUALITY: i32 = 60;

/// Pixels between parcels, and how far they move in a frame: in all frames as far as all kinds of parcels reach.
const SPACING: i32 = 320;
const SPEED: i32 = 16;
const PARCEL: Size = Size::new(208, 96);
/// Their colours. Those at odd places have no label.
const COLOURS: [Rgb888; 6] = [
    Rgb888::new(200, 70, 50),
    Rgb888::new(176, 140, 100),
    Rgb888::new(60, 110, 190),
    Rgb888::new(150, 120, 90),
    Rgb888::new(210, 160, 50),
    Rgb888::new(186, 150, 112),
];

const DARK: Rgb888 = Rgb888::new(30, 34, 40);
const LIGHT: Rgb888 = Rgb888::new(240, 240, 232);

/// How much light there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// All of it.
    On,
    /// An eighth: words can still be read.
    Dim,
    /// Next to nothing: no word can.
    Off,
}

/// A text of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// What is written.
    pub text: &'static str,
    /// Whether all of it is in the picture: labels come in at the left edge and leave at the right one.
    pub whole: bool,
}

/// What can be read in this frame, counted from 0, from the top down: nothing while the light is off.
pub fn words(frame: usize) -> Vec<Word> {
    let lit = written(frame).into_iter().filter(|_| light(frame) != Light::Off);
    let range = |one: &Written| one.left..one.left + letters::width(one.text, one.em) as i32;
    let seen = lit.filter(|one| range(one).start < WIDTH as i32 && range(one).end > 0);
    seen.map(|one| Word { text: one.text, whole: range(&one).start >= 0 && range(&one).end <= WIDTH as i32 }).collect()
}

/// How much light there is in this frame, counted from 0.
pub fn light(frame: usize) -> Light {
    FAILURES.iter().find(|(_, frames)| frames.contains(&frame)).map_or(Light::On, |(light, _)| *light)
}

/// The clip's JPEGs, which lie in its file one after the other.
///
/// # Panics
/// When one cannot be encoded.
pub fn frames() -> impl Iterator<Item = Vec<u8>> {
    (0..FRAMES).map(|frame| encode(&paint(frame)))
}

/// Pixels to draw on.
struct Canvas {
    pixels: Vec<u8>,
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

impl Canvas {
    fn draw(&mut self, shape: &impl Drawable<Color = Rgb888>) {
        let Ok(_) = shape.draw(self);
    }

    fn fill(&mut self, corner: Point, size: Size, colour: Rgb888) {
        self.draw(&Rectangle::new(corner, size).into_styled(PrimitiveStyle::with_fill(colour)));
    }

    fn write(&mut self, written: &Written) {
        let (ink, baseline) = letters::line(written.text, written.em);
        let corner = Point::new(written.left, written.baseline - baseline as i32);
        let colour = [written.colour.r(), written.colour.g(), written.colour.b()];
        let area = self.bounding_box();
        for (at, share) in ink.values.iter().enumerate() {
            let at = corner + Point::new((at % ink.width) as i32, (at / ink.width) as i32);
            if area.contains(at) {
                let start = (at.y as usize * WIDTH + at.x as usize) * 3;
                for (value, colour) in self.pixels[start..start + 3].iter_mut().zip(colour) {
                    let mixed = u32::from(*value) * u32::from(255 - share) + u32::from(colour) * u32::from(*share);
                    *value = (mixed / 255) as u8;
                }
            }
        }
    }
}

/// A line of text: where it begins, the size of its letters, and what it is written with.
struct Written {
    text: &'static str,
    left: i32,
    baseline: i32,
    em: usize,
    colour: Rgb888,
}

/// What is written in a frame, in the picture or beside it, from the top down.
fn written(frame: usize) -> Vec<Written> {
    let sign = SIGN.iter().filter(|(_, frames)| frames.contains(&frame));
    let sign = sign.map(|(text, _)| Written { text, left: 48, baseline: 90, em: 48, colour: LIGHT });
    let labels = parcels(frame).filter_map(|(x, place)| {
        let text = LABELS[(place % COLOURS.len()).is_multiple_of(2).then_some(place % COLOURS.len() / 2)?];
        let em = 40;
        let left = x + (PARCEL.width as i32 - letters::width(text, em) as i32) / 2;
        Some(Written { text, left, baseline: 350, em, colour: DARK })
    });
    sign.chain(labels).collect()
}

fn paint(frame: usize) -> Canvas {
    let mut canvas = Canvas { pixels: vec![0; WIDTH * HEIGHT * 3] };
    let now = i32::try_from(frame).unwrap();
    room(&mut canvas);
    ball(&mut canvas, now);
    belt(&mut canvas, frame);
    written(frame).iter().for_each(|one| canvas.write(one));
    let share = match light(frame) {
        Light::On => 1,
        Light::Dim => 8,
        Light::Off => 64,
    };
    canvas.pixels.iter_mut().for_each(|value| *value /= share);
    canvas
}

/// A wall that darkens downwards, a floor, a window, a lamp and the sign.
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
    canvas.draw(&Rectangle::new(Point::new(32, 144), Size::new(176, 112)).into_styled(frame.build()));
    canvas.fill(Point::new(112, 144), Size::new(16, 112), LIGHT);
    canvas.fill(Point::new(448, 16), Size::new(144, 16), LIGHT);
    canvas.fill(Point::new(32, 32), Size::new(384, 80), DARK);
}

/// Where each parcel stands in a frame, and its place in the row of them: there is one turn of them to the left of the picture,
/// so that they come in.
fn parcels(frame: usize) -> impl Iterator<Item = (i32, usize)> {
    let kinds = COLOURS.len() as i32;
    let moved = frame as i32 * SPEED;
    (0..kinds + 2).map(move |place| ((place - kinds) * SPACING + moved, place as usize))
}

/// A belt with its slats and parcels, which move to the right.
fn belt(canvas: &mut Canvas, frame: usize) {
    let (width, moved) = (WIDTH as i32, frame as i32 * SPEED);
    canvas.fill(Point::new(0, 384), Size::new(WIDTH as u32, 48), DARK);
    for x in (moved % 48 - 48..width).step_by(48) {
        canvas.fill(Point::new(x, 400), Size::new(16, 16), Rgb888::new(110, 116, 124));
    }
    for (x, place) in parcels(frame) {
        let kind = place % COLOURS.len();
        canvas.fill(Point::new(x, 288), PARCEL, COLOURS[kind]);
        if kind.is_multiple_of(2) {
            canvas.fill(Point::new(x + 16, 304), PARCEL - Size::new(32, 32), LIGHT);
        }
    }
}

/// A ball that bounces, on the spot.
fn ball(canvas: &mut Canvas, now: i32) {
    let period = 15;
    let since = now % period;
    let height = 560 * since * (period - since) / (period * period);
    let at = Point::new(520, 235 - height);
    canvas.draw(&Circle::with_center(at, 60).into_styled(PrimitiveStyle::with_fill(Rgb888::new(40, 150, 90))));
    canvas.draw(&Circle::with_center(at - Point::new(10, 12), 14).into_styled(PrimitiveStyle::with_fill(LIGHT)));
}

fn encode(canvas: &Canvas) -> Vec<u8> {
    let (pixels, pitch) = (canvas.pixels.as_slice(), WIDTH * 3);
    let image = Image { pixels, width: WIDTH, pitch, height: HEIGHT, format: PixelFormat::RGB };
    turbojpeg::compress(image, QUALITY, Subsamp::Sub2x2).unwrap().to_vec()
}
