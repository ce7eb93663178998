//! What a driver offers, as plain data: formats, their sizes, the rates at a size, and controls.

use std::fmt;

use crate::capture::Encoding;
use crate::frame::PixelLayout;

/// A format's name of four letters, as V4L2 has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

/// A format with its sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its name of four letters.
    pub fourcc: FourCc,
    /// The driver's name for it.
    pub description: String,
    /// Sizes. Empty where the driver lists none.
    pub sizes: Vec<SizeOffer>,
}

/// A size, or a range of them, with the rates at one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeOffer {
    /// The sizes.
    pub range: SizeRange,
    /// Rates at the size of `range` that is nearest to the one wanted. Empty where the driver lists none.
    pub rates: Vec<RateRange>,
}

/// Pixels in a row, and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Sizes from `min` to `max` in steps; one size where both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// The smallest.
    pub min: Size,
    /// The largest.
    pub max: Size,
    /// From one to the next.
    pub step: Size,
}

/// Seconds from a frame to the next, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Above the line.
    pub numerator: u32,
    /// Below it.
    pub denominator: u32,
}

/// Intervals from the shortest to the longest; one where both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRange {
    /// The fastest rate.
    pub shortest: Interval,
    /// The slowest rate.
    pub longest: Interval,
}

/// A control as the driver describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// The driver's number.
    pub id: u32,
    /// The driver's name, as people read it.
    pub title: String,
    /// What it takes.
    pub kind: Kind,
    /// Smallest value.
    pub minimum: i64,
    /// Largest value.
    pub maximum: i64,
    /// From one value to the next.
    pub step: u64,
    /// The value it has unless it is set.
    pub default: i64,
    /// Whether it can be set at all.
    pub usable: bool,
    /// Whether another control (such as an automatic) makes it ineffective just now.
    pub inactive: bool,
    /// Its value. `None`: not read, or not readable.
    pub value: Option<i64>,
    /// A menu's entries by number.
    pub menu: Vec<(i64, String)>,
}

/// What a control takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Integer,
    /// On or off.
    Boolean,
    /// One of some texts, by number.
    Menu,
    /// One of some numbers, by number.
    IntegerMenu,
    /// Nothing: setting it does something.
    Button,
    /// A set of bits.
    Bitmask,
    /// The heading of a group of controls.
    Heading,
    /// Something that cannot be set here.
    Other,
}

impl FourCc {
    /// How pictures of this format are read. `None`: a format that is not known here.
    pub fn encoding(self) -> Option<Encoding> {
        if matches!(&self.0, b"MJPG" | b"JPEG") {
            return Some(Encoding::Jpeg);
        }
        PixelLayout::ALL.into_iter().find(|layout| layout.fourcc().as_bytes() == self.0).map(Encoding::Raw)
    }
}

impl SizeRange {
    /// One size.
    pub fn one(width: u32, height: u32) -> Self {
        let size = Size { width, height };
        SizeRange { min: size, max: size, step: Size { width: 0, height: 0 } }
    }

    /// The size in this range that is nearest to `wanted`.
    pub fn nearest(&self, wanted: Size) -> Size {
        let side = |min: u32, max: u32, step: u32, wanted: u32| {
            let (step, inside) = (step.max(1), wanted.clamp(min, max.max(min)));
            let below = inside - (inside - min) % step;
            let above = below.checked_add(step).filter(|above| *above <= max);
            above.filter(|above| above - inside < inside - below).unwrap_or(below)
        };
        Size {
            width: side(self.min.width, self.max.width, self.step.width, wanted.width),
            height: side(self.min.height, self.max.height, self.step.height, wanted.height),
        }
    }
}

impl Size {
    /// How far two sizes are apart, in pixels of both sides together.
    pub fn distance(self, other: Size) -> u64 {
        u64::from(self.width.abs_diff(other.width)) + u64::from(self.height.abs_diff(other.height))
    }
}

impl Interval {
    /// Frames a second; 0 where the fraction says nothing.
    pub fn fps(self) -> f64 {
        if self.numerator == 0 { 0.0 } else { f64::from(self.denominator) / f64::from(self.numerator) }
    }

    /// Frames a second to a thousandth, to be shown: 29.97, not 29.97002997002997.
    pub fn shown_fps(self) -> f64 {
        (self.fps() * 1000.0).round() / 1000.0
    }

    /// The interval of a rate, to a thousandth of a frame.
    pub fn of_fps(fps: f64) -> Self {
        // A float that is too large, negative or no number becomes the nearest that fits; never a division by zero.
        Interval { numerator: 1000, denominator: ((fps * 1000.0).round() as u32).max(1) }
    }
}

impl RateRange {
    /// One rate.
    pub fn one(interval: Interval) -> Self {
        RateRange { shortest: interval, longest: interval }
    }

    /// The slowest interval of this range that still reaches `fps`, or else the fastest there is.
    pub fn reaching(&self, fps: f64) -> Interval {
        if self.longest.fps() >= fps {
            self.longest
        } else if self.shortest.fps() >= fps {
            Interval::of_fps(fps)
        } else {
            self.shortest
        }
    }
}

impl Kind {
    /// The kind of V4L2's number.
    pub fn of_number(number: u32) -> Self {
        match number {
            1 => Kind::Integer,
            2 => Kind::Boolean,
            3 => Kind::Menu,
            4 => Kind::Button,
            6 => Kind::Heading,
            8 => Kind::Bitmask,
            9 => Kind::IntegerMenu,
            _ => Kind::Other,
        }
    }

    /// Its name in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Menu => "menu",
            Kind::IntegerMenu => "integer_menu",
            Kind::Button => "button",
            Kind::Bitmask => "bitmask",
            Kind::Heading => "heading",
            Kind::Other => "other",
        }
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
        let text: String = self.0.into_iter().map(shown).collect();
        f.pad(text.trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_size_of_a_range() {
        let size = |(width, height)| Size { width, height };
        let range = |min, max, step| SizeRange { min: size(min), max: size(max), step: size(step) };
        for (range, wanted, nearest) in [
            (SizeRange::one(640, 480), (1920, 1080), (640, 480)),
            (range((2, 2), (4096, 2160), (1, 1)), (641, 481), (641, 481)),
            (range((2, 2), (4096, 2160), (2, 2)), (641, 481), (640, 480)),
            (range((16, 16), (1920, 1088), (16, 16)), (1920, 1081), (1920, 1088)),
            (range((16, 16), (1920, 1080), (16, 16)), (1920, 1080), (1920, 1072)),
            (range((32, 32), (320, 240), (0, 0)), (1920, 16), (320, 32)),
            // A driver that has its bounds the wrong way round.
            (range((640, 480), (0, 0), (8, 8)), (320, 240), (640, 480)),
            (range((0, 0), (u32::MAX, u32::MAX), (u32::MAX, 7)), (5, u32::MAX), (0, u32::MAX - 3)),
        ] {
            assert_eq!(range.nearest(size(wanted)), size(nearest), "{wanted:?} in {range:?}");
        }
    }

    #[test]
    fn intervals() {
        let interval = |numerator, denominator| Interval { numerator, denominator };
        assert_eq!(interval(1001, 30000).fps(), 30000.0 / 1001.0);
        assert_eq!(interval(1001, 30000).shown_fps(), 29.97);
        assert_eq!(interval(0, 30).fps(), 0.0);
        assert_eq!(Interval::of_fps(29.97), interval(1000, 29970));
        assert_eq!(Interval::of_fps(f64::NAN), interval(1000, 1));
        let range = RateRange { shortest: interval(1, 60), longest: interval(1, 5) };
        for (fps, reached) in [(2.0, interval(1, 5)), (15.0, interval(1000, 15000)), (90.0, interval(1, 60))] {
            assert_eq!(range.reaching(fps), reached);
        }
    }

    #[test]
    fn names_of_formats() {
        assert_eq!(FourCc(*b"Y16 ").to_string(), "Y16");
        assert_eq!(FourCc([b'B', 0xa0, b'1', 7]).to_string(), "B.1.");
        assert_eq!(FourCc(*b"JPEG").encoding(), Some(Encoding::Jpeg));
        assert_eq!(FourCc(*b"H264").encoding(), None);
        for fourcc in [b"MJPG", b"YUYV", b"UYVY", b"NV12", b"YU12", b"GREY", b"RGB3", b"BGR3"] {
            assert_eq!(FourCc(*fourcc).encoding().unwrap().fourcc().as_bytes(), fourcc);
        }
    }
}
