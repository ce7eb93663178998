//! How the map of `format = "db"` is read: the settings that it has beside those of boxes.

/// What the map is read by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::pipeline::nodes) struct Reading {
    /// A pixel of the map above this is text.
    pub map_threshold: f32,
    /// How much a region is grown.
    pub unclip_ratio: f32,
    /// Regions whose shorter side is less, in pixels of the map, before they are grown, are noise.
    pub min_side: f32,
}

impl Reading {
    /// As the paper's authors have it.
    pub(super) const USUAL: Reading = Reading { map_threshold: 0.3, unclip_ratio: 1.5, min_side: 3.0 };

    /// Whether every number is one that can be meant.
    ///
    /// # Errors
    /// One sentence: which, and what it may be.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, value, low, high) in [
            ("map_threshold", self.map_threshold, 0.0, 1.0),
            ("unclip_ratio", self.unclip_ratio, 0.0, 10.0),
            ("min_side", self.min_side, 0.0, 1000.0),
        ] {
            if !(low..=high).contains(&value) {
                return Err(format!("{name} = {value}: it is {low} to {high}"));
            }
        }
        Ok(())
    }
}
