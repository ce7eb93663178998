//! A detector: a module, what it is fed, and what its output means. `detect` gives its boxes, `segment` their masks too.

use std::sync::atomic::{AtomicBool, Ordering};

use super::db;
use super::format::{Feed, Format};
use super::found::Found;
use super::look::Look;
use super::settings::{Rules, Settings};
use crate::pipeline::detection::Detection;
use crate::pipeline::image::{Picture, Placement, Scaler};
use crate::pipeline::nodes::batch::probe_batch;
use crate::pipeline::nodes::{NodeFrame, NodeSetup, fails_on, labels};
use crate::pipeline::torch::{Input, Module, Normalise, Returned};

/// The grey around a letterboxed picture, on which YOLOs are trained.
const BORDER: u8 = 114;

/// A detector, ready to run.
#[derive(Debug)]
pub(in crate::pipeline::nodes) struct Detector {
    module: Module,
    format: Format,
    /// None where the module is fed frames as they are.
    input_size: Option<[usize; 2]>,
    normalise: Normalise,
    labels: Option<Vec<String>>,
    rules: Rules,
    max_batch: usize,
    /// Until the pipeline is loaded, when its module has run on the sample frame.
    trying: AtomicBool,
}

/// What the module returned for frames, and where each of them lies in its input.
#[derive(Debug)]
pub(in crate::pipeline::nodes) struct Answer {
    pub returned: Returned,
    places: Vec<Place>,
}

/// Where a frame lies in the module's input.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline::nodes) struct Place {
    /// None where the input is the frame itself.
    pub placement: Option<Placement>,
    pub frame_size: (usize, usize),
}

impl Detector {
    /// Checks the settings and loads the module.
    ///
    /// # Errors
    /// One sentence: the setting that is wrong, or why the model does not load.
    pub(in crate::pipeline::nodes) fn build(
        setup: &NodeSetup<'_>,
        settings: &Settings<Format>,
    ) -> Result<Self, String> {
        let input_size = match (settings.format.feed(), settings.checked_size()?) {
            (Feed::Letterboxed, None) => {
                return Err(
                    "input_size is missing: give the [width, height] that the model was exported with".to_owned()
                );
            }
            (Feed::Frames, Some(_)) => {
                return Err(
                    "input_size is not for this format: the module scales pictures itself; remove it".to_owned()
                );
            }
            (_, size) => size,
        };
        let normalise = settings.normalise()?;
        if settings.format.feed() == Feed::Frames && normalise != Normalise::Unit {
            return Err(
                "mean and std are not for this format: the module normalises pictures itself; remove them".to_owned()
            );
        }
        let mut labels = settings.read_labels(setup)?;
        match (settings.format, settings.of_maps()) {
            (Format::Db, _) => labels = labels.or_else(|| Some(vec![db::LABEL.to_owned()])),
            (_, Some(name)) => return Err(format!("{name} is for format = \"db\" alone; remove it")),
            _ => {}
        }
        let rules = settings.rules(labels.as_deref())?;
        let module = setup.load_module(&settings.model)?;
        let max_batch = match input_size {
            Some([width, height]) => probe_batch(setup, &module, (width, height), &normalise)?,
            // A list has no rows that could be compared.
            None => 1,
        };
        let trying = AtomicBool::new(true);
        Ok(Detector { module, format: settings.format, input_size, normalise, labels, rules, max_batch, trying })
    }

    /// As [`Node::end_trial`](crate::pipeline::nodes::Node::end_trial).
    pub(in crate::pipeline::nodes) fn end_trial(&self) {
        self.trying.store(false, Ordering::Relaxed);
    }

    /// Most frames that the module runs at once.
    pub(in crate::pipeline::nodes) fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// Runs the module once on the pictures of all frames.
    ///
    /// # Errors
    /// Why the module failed.
    pub(in crate::pipeline::nodes) fn answer(
        &self,
        frames: &[NodeFrame<'_>],
        scaler: &mut Scaler,
    ) -> Result<Answer, String> {
        let pictures: Vec<Picture<'_>> = frames
            .iter()
            .map(|frame| frame.image.ok_or("the frame was not decoded for it"))
            .collect::<Result<_, _>>()?;
        let Some([width, height]) = self.input_size else {
            let inputs = pictures.iter().map(|picture| Input::of(picture.rgb, picture.width, picture.height));
            let returned = self.module.run_on_list(&inputs.collect::<Result<Vec<_>, _>>()?)?;
            let place = |picture: &Picture<'_>| Place { placement: None, frame_size: picture.frame_size };
            return Ok(Answer { returned, places: pictures.iter().map(place).collect() });
        };
        let mut input = Input::new(width, height);
        let mut places = Vec::with_capacity(pictures.len());
        for picture in &pictures {
            let (rgb, placement) = scaler.letterbox(picture, width, height, BORDER)?;
            input.push(rgb)?;
            places.push(Place { placement: Some(placement), frame_size: picture.frame_size });
        }
        let returned = self.module.run(&input, &self.normalise).map_err(fails_on(width, height))?;
        Ok(Answer { returned, places })
    }

    /// The boxes of the frame at this place, in pixels of the module's input, and where the frame lies in it.
    ///
    /// # Errors
    /// An output that does not fit the format or the labels.
    pub(in crate::pipeline::nodes) fn found(
        &self,
        answer: &Answer,
        at: usize,
        extra: usize,
    ) -> Result<(Vec<Found>, Place), String> {
        let place = *answer.places.get(at).ok_or("the batch has no such frame")?;
        let look = Look {
            at,
            batch: answer.places.len(),
            extra,
            labels: self.labels.as_deref(),
            input_size: self.input_size,
            rules: &self.rules,
            trying: self.trying.load(Ordering::Relaxed),
        };
        Ok((self.format.decode(&answer.returned, &look)?, place))
    }

    /// A found box as a detection in its frame.
    pub(in crate::pipeline::nodes) fn detection(&self, found: &Found, place: &Place) -> Detection {
        let bounds = place.placement.map_or(found.bounds, |placement| placement.bounds_to_frame(found.bounds));
        // It may reach over the frame's border, where a slanting line is cut off; the box does not.
        let in_frame = |placement: Placement| found.outline.map(|at| at.map(|[x, y]| placement.to_frame(x, y).into()));
        Detection {
            bounds: bounds.clipped(place.frame_size),
            score: found.score,
            label: labels::name(self.labels.as_deref().unwrap_or_default(), found.class_id),
            class_id: found.class_id,
            outline: place.placement.and_then(in_frame),
            ..Detection::default()
        }
    }
}
