//! The formats of detectors' outputs. A new one is a file beside this and a line in each `match` here.

use serde::Deserialize;

use super::found::Found;
use super::look::Look;
use super::{db, end2end, torchvision, yolo, yolov5};
use crate::pipeline::torch::Returned;

/// What a detector's output looks like.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(in crate::pipeline::nodes) enum Format {
    /// `[B, 4 + classes, N]`.
    #[serde(rename = "yolo")]
    Yolo,
    /// `[B, N, 5 + classes]`.
    #[serde(rename = "yolov5")]
    Yolov5,
    /// `[B, N, 6]`.
    #[serde(rename = "yolo-end2end")]
    YoloEnd2end,
    /// A dict for each picture.
    #[serde(rename = "torchvision")]
    Torchvision,
    /// `[B, 1, H, W]`: a map of where text is.
    #[serde(rename = "db")]
    Db,
}

/// What pictures a module of this format wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline::nodes) enum Feed {
    /// One tensor `[B, 3, H, W]`: pictures scaled to fit `input_size`, with a border.
    Letterboxed,
    /// A list of tensors `[3, H, W]`: frames as they are.
    Frames,
}

impl Format {
    pub(in crate::pipeline::nodes) fn feed(self) -> Feed {
        match self {
            Format::Yolo | Format::Yolov5 | Format::YoloEnd2end | Format::Db => Feed::Letterboxed,
            Format::Torchvision => Feed::Frames,
        }
    }

    /// The boxes that are kept of one picture, best first, in pixels of the module's input.
    ///
    /// # Errors
    /// An output that does not fit the format or the labels: what was found and what is expected.
    pub(in crate::pipeline::nodes) fn decode(self, returned: &Returned, look: &Look<'_>) -> Result<Vec<Found>, String> {
        match self {
            Format::Yolo => yolo::decode(returned, look),
            Format::Yolov5 => yolov5::decode(returned, look),
            Format::YoloEnd2end => end2end::decode(returned, look),
            Format::Torchvision => torchvision::decode(returned, look),
            Format::Db => db::decode(returned, look),
        }
    }
}
