//! `classify`: the classes of the frame, or of what each detection shows, from a TorchScript classifier that gives a score
//! for each class.

mod scores;
mod settings;

use serde_json::{Map, Value};

use self::settings::{Scope, Settings};
use super::batch::{crops_go_together, probe_batch};
use super::{Node, NodeFrame, NodeSetup, Payload, fails_on, labels};
use crate::pipeline::detection::{self, Detection};
use crate::pipeline::image::{ImageNeed, Picture, Scaler};
use crate::pipeline::torch::{self, Array, Input, Module, Normalise, Returned};

/// Most pictures in one run of the model, and in memory: the detections of a frame may be hundreds.
const MAX_BATCH: usize = 32;

#[derive(Debug)]
struct Classify {
    model: Model,
    labels: Vec<String>,
    scope: Scope,
    key: String,
    top_k: usize,
    softmax: bool,
    max_batch: usize,
}

/// The classifier, and what is known of it from the trial at load.
#[derive(Debug)]
struct Model {
    module: Module,
    normalise: Normalise,
    width: usize,
    height: usize,
    /// How many scores it gives for a picture.
    classes: usize,
    /// Whether it takes several pictures at once.
    takes_batches: bool,
}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    let settings: Settings = setup.settings()?;
    settings.check()?;
    let scope = settings.scope(setup.inputs)?;
    let labels = settings.labels.as_ref().map(|labels| labels.read(setup)).transpose()?.unwrap_or_default();
    let model = Model::probe(setup, &settings)?;
    if !labels.is_empty() && labels.len() != model.classes {
        return Err(format!("labels has {} names, and the model gives {} classes", labels.len(), model.classes));
    }
    let max_batch = probe_batch(setup, &model.module, (model.width, model.height), &model.normalise)?;
    let Settings { key, top_k, softmax, .. } = settings;
    Ok(Box::new(Classify { model, labels, scope, key, top_k, softmax, max_batch }))
}

impl Model {
    /// Loads the module and looks at what it makes of one picture, and of several.
    fn probe(setup: &NodeSetup<'_>, settings: &Settings) -> Result<Model, String> {
        let module = setup.load_module(&settings.model)?;
        let _no_grad = torch::prepare_thread(1);
        let [width, height] = settings.input_size;
        let mut model =
            Model { module, normalise: settings.normalise(), width, height, classes: 0, takes_batches: false };
        let mut input = Input::new(width, height);
        input.push(&vec![128; width * height * 3])?;
        let alone = model.forward(&input)?;
        model.classes = match *alone.shape.as_slice() {
            [1, classes] if classes > 0 => classes,
            _ => return Err(not_scores(&format!("tensor {:?}", alone.shape), 1)),
        };
        // A traced module may have the 1 of its example in it, and then fail or give one row for all; another may mix the
        // pictures of a batch.
        model.takes_batches = crops_go_together(setup, &model.module, (width, height), &model.normalise);
        Ok(model)
    }

    /// Most pictures that it is given at once.
    fn at_once(&self) -> usize {
        if self.takes_batches { MAX_BATCH } else { 1 }
    }

    /// The scores of these pictures, as many as it takes at once: one row of `classes` for each.
    fn scores(&self, input: &Input) -> Result<Vec<f32>, String> {
        let scores = self.forward(input)?;
        if scores.shape != [input.len(), self.classes] {
            return Err(not_scores(&format!("tensor {:?}", scores.shape), input.len()));
        }
        Ok(scores.values)
    }

    fn empty_input(&self) -> Input {
        Input::new(self.width, self.height)
    }

    fn forward(&self, input: &Input) -> Result<Array, String> {
        match self.module.run(input, &self.normalise).map_err(fails_on(self.width, self.height))? {
            Returned::Tensor(scores) => Ok(scores),
            other => Err(not_scores(&other.describe(), input.len())),
        }
    }
}

fn not_scores(found: &str, pictures: usize) -> String {
    format!("the model returned {found}; a classifier returns a tensor [{pictures}, classes] for {pictures} pictures")
}

/// Pictures on their way through the model, which runs each time that it has as many as it takes at once.
struct Run<'a> {
    classify: &'a Classify,
    /// The pictures that wait.
    input: Input,
    /// Whose they are: the frame of the batch, and the detection of that frame.
    places: Vec<(usize, usize)>,
    /// What is found so far: for each frame the classes of its detections.
    classes: Vec<Vec<(usize, Value)>>,
    /// Why the model failed. Any frame's picture may be to blame.
    failed: Option<String>,
}

impl<'a> Run<'a> {
    fn new(classify: &'a Classify, frames: usize) -> Run<'a> {
        let input = classify.model.empty_input();
        Run { classify, input, places: Vec::new(), classes: vec![Vec::new(); frames], failed: None }
    }

    /// Takes a picture of the model's size; an error is one of that picture.
    fn push(&mut self, frame: usize, detection: usize, picture: &[u8]) -> Result<(), String> {
        self.input.push(picture)?;
        self.places.push((frame, detection));
        if self.places.len() >= self.classify.model.at_once() {
            self.classify_waiting();
        }
        Ok(())
    }

    /// Runs the model on what waits, unless it failed before.
    fn classify_waiting(&mut self) {
        let model = &self.classify.model;
        let input = std::mem::replace(&mut self.input, model.empty_input());
        let places = std::mem::take(&mut self.places);
        if places.is_empty() || self.failed.is_some() {
            return;
        }
        match model.scores(&input) {
            Ok(scores) => {
                for ((frame, detection), scores) in places.into_iter().zip(scores.chunks_exact(model.classes)) {
                    if let Some(classes) = self.classes.get_mut(frame) {
                        classes.push((detection, self.classify.classes(scores)));
                    }
                }
            }
            Err(reason) => self.failed = Some(reason),
        }
    }

    /// The classes of each frame's detections.
    fn finish(mut self) -> Result<Vec<Vec<(usize, Value)>>, String> {
        self.classify_waiting();
        self.failed.map_or(Ok(self.classes), Err)
    }
}

impl Classify {
    /// The detections of a frame; none where nothing is to be classified.
    fn detections(&self, frame: &NodeFrame<'_>) -> Result<Option<Vec<Detection>>, String> {
        match self.scope {
            Scope::Frame => Ok(Some(Vec::new())),
            Scope::Detections => frame.upstream.detections(),
        }
    }

    /// Feeds the frame's picture, or a crop of each detection of which there is anything to see.
    fn feed(
        &self,
        run: &mut Run<'_>,
        frame: usize,
        picture: &Picture<'_>,
        detections: &[Detection],
        scaler: &mut Scaler,
    ) -> Result<(), String> {
        let (width, height) = (self.model.width, self.model.height);
        if self.scope == Scope::Frame {
            return run.push(frame, 0, scaler.stretch(picture, width, height)?);
        }
        for (at, detection) in detections.iter().enumerate() {
            if let Some(crop) = scaler.crop(picture, detection.bounds, width, height)? {
                run.push(frame, at, crop)?;
            }
        }
        Ok(())
    }

    /// The best classes of one picture, as JSON.
    fn classes(&self, scores: &[f32]) -> Value {
        let best = scores::best(scores, self.softmax, self.top_k);
        let entry = |(class_id, score): (usize, f32)| {
            let class_id = i64::try_from(class_id).unwrap_or(-1);
            Value::Object(Map::from_iter([
                ("label".to_owned(), labels::name(&self.labels, class_id).into()),
                ("class_id".to_owned(), class_id.into()),
                ("score".to_owned(), detection::rounded(score, 4)),
            ]))
        };
        best.into_iter().map(entry).collect()
    }

    /// A frame's output, once its pictures have their classes.
    fn output(&self, detections: Vec<Detection>, classes: Vec<(usize, Value)>) -> Payload {
        if self.scope == Scope::Frame {
            let of_frame = classes.into_iter().next().map_or_else(|| Value::Array(Vec::new()), |(_, classes)| classes);
            return Map::from_iter([(self.key.clone(), of_frame)]).into();
        }
        let mut detections = detections;
        for detection in &mut detections {
            detection.more.insert(self.key.clone(), Value::Array(Vec::new()));
        }
        for (at, classes) in classes {
            if let Some(detection) = detections.get_mut(at) {
                detection.more.insert(self.key.clone(), classes);
            }
        }
        detections.into()
    }
}

impl Node for Classify {
    fn needs(&self) -> ImageNeed {
        ImageNeed::Whole
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Payload, String> {
        self.run_batch(std::slice::from_mut(frame), scaler).pop().unwrap_or_else(|| Ok(Payload::default()))
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], scaler: &mut Scaler) -> Vec<Result<Payload, String>> {
        let mut run = Run::new(self, frames.len());
        // The detections of each frame; none where nothing is to be classified.
        let mut found: Vec<Result<Option<Vec<Detection>>, String>> = Vec::with_capacity(frames.len());
        for (at, frame) in frames.iter().enumerate() {
            found.push(self.detections(frame).and_then(|detections| {
                let Some(detections) = detections else { return Ok(None) };
                let picture = frame.image.ok_or("the frame was not decoded for it")?;
                self.feed(&mut run, at, &picture, &detections, scaler)?;
                Ok(Some(detections))
            }));
        }
        let classes = match run.finish() {
            Ok(classes) => classes,
            // One frame's picture may be to blame; it is no other frame's fault.
            Err(_) if frames.len() > 1 => return frames.iter_mut().map(|frame| self.run(frame, scaler)).collect(),
            Err(reason) => return vec![Err(reason)],
        };
        let output = |(found, classes): (Result<Option<Vec<Detection>>, String>, _)| {
            Ok(found?.map_or_else(Payload::default, |detections| self.output(detections, classes)))
        };
        found.into_iter().zip(classes).map(output).collect()
    }
}
