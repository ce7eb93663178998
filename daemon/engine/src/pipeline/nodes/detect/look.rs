//! What a format is told beside a module's output.

use super::settings::Rules;

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
