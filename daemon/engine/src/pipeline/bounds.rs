//! Upright boxes, and how numbers of the result are rounded. Pure.

use serde_json::Value;

/// An upright box in pixels of the frame as the client sent it; `x2` and `y2` are the first beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
}

impl Bounds {
    /// Pixels from left to right; 0 for a box that is turned inside out.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Pixels from top to bottom; 0 for a box that is turned inside out.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Pixels that it covers.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Intersection over union (the Jaccard index), 0 to 1; 0 where neither has an area.
    pub fn iou(&self, other: &Bounds) -> f32 {
        let both = Bounds {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        };
        let union = self.area() + other.area() - both.area();
        if union > 0.0 { both.area() / union } else { 0.0 }
    }

    /// The part of it that lies in a frame of this size.
    #[must_use]
    pub fn clipped(&self, (width, height): (usize, usize)) -> Bounds {
        // Frames are far smaller than the 16 million that f32 counts exactly.
        let (width, height) = (width as f32, height as f32);
        Bounds {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }

    /// Whether all four edges are numbers.
    pub fn is_finite(&self) -> bool {
        [self.x1, self.y1, self.x2, self.y2].into_iter().all(f32::is_finite)
    }
}

/// A number with at most this many decimals; null for none that JSON knows.
pub fn rounded(value: impl Into<f64>, decimals: i32) -> Value {
    let scale = 10_f64.powi(decimals);
    Value::from((value.into() * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_the_jaccard_index() {
        let at = |x1: f32, x2: f32| Bounds { x1, y1: 0.0, x2, y2: 10.0 };
        for (a, b, expected) in [
            (at(0.0, 10.0), at(0.0, 10.0), 1.0),
            (at(0.0, 10.0), at(5.0, 15.0), 1.0 / 3.0),
            (at(0.0, 10.0), at(10.0, 20.0), 0.0),
            (at(10.0, 0.0), at(0.0, 10.0), 0.0),
            (at(3.0, 3.0), at(3.0, 3.0), 0.0),
        ] {
            assert!((a.iou(&b) - expected).abs() < 1e-6, "{a:?} {b:?}");
        }
        let outside = Bounds { x1: -5.0, y1: -5.0, x2: 700.0, y2: 20.0 }.clipped((640, 480));
        assert_eq!(outside, Bounds { x1: 0.0, y1: 0.0, x2: 640.0, y2: 20.0 });
    }
}
