//! The formats of detectors' outputs. A new one is a file beside this and a line in each `match` here.

use serde::Deserialize;

use super::found::Found;
use super::settings::Rules;
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

/// What a format looks for, and in which picture of a batch.
#[derive(Debug)]
pub(in crate::pipeline::nodes) struct Look<'a> {
    /// The picture's place in the batch.
    pub at: usize,
    /// Pictures in the batch.
    pub batch: usize,
    /// Numbers that each box has beside its score and class.
    pub extra: usize,
    pub labels: Option<&'a [String]>,
    /// Width and height of the module's input; none where that is the frame itself.
    pub input_size: Option<[usize; 2]>,
    pub rules: &'a Rules,
    /// Whether the pipeline is being loaded: then what does not fit refuses it, also where a live frame could go on.
    pub trying: bool,
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

impl Look<'_> {
    /// That a class has a label, in formats that do not say how many classes there are. A live frame passes: a box with its
    /// class's number for a name is worth more than an ended session.
    ///
    /// # Errors
    /// The class, and how many labels there are.
    pub(super) fn check_class(&self, class_id: i64) -> Result<(), String> {
        match self.labels {
            Some(labels) if self.trying && usize::try_from(class_id).map_or(true, |at| at >= labels.len()) => {
                Err(format!(
                    "the module found an object of class {class_id}, and labels has {} names, for classes 0 to {}; add the others",
                    labels.len(),
                    labels.len().saturating_sub(1)
                ))
            }
            _ => Ok(()),
        }
    }
}
