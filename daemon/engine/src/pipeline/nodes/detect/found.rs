//! What a format finds in a module's output, before it is a detection.

use crate::pipeline::detection::Bounds;
use crate::pipeline::nms::Boxed;
use crate::pipeline::quad::Quad;

/// A candidate: a box in pixels of the module's input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::pipeline::nodes) struct Found {
    pub bounds: Bounds,
    pub score: f32,
    pub class_id: i64,
    /// What the module gives for this box beside: the coefficients of its mask.
    pub extra: Vec<f32>,
    /// Its outline, of formats that give one; the box is about it.
    pub outline: Option<Quad>,
}

impl Found {
    /// A box by its middle and its sides.
    pub(super) fn around([x, y, width, height]: [f32; 4]) -> Bounds {
        Bounds { x1: x - width / 2.0, y1: y - height / 2.0, x2: x + width / 2.0, y2: y + height / 2.0 }
    }
}

impl Boxed for Found {
    fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    fn score(&self) -> f32 {
        self.score
    }

    fn class_id(&self) -> i64 {
        self.class_id
    }
}
