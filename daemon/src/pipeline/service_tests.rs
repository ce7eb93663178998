//! Who runs in a batch of several sessions' frames.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;
use crate::pipeline::nodes::Node;
use crate::pipeline::of_one_node;

/// Notes the frames of each batch, and gives the number of each frame.
#[derive(Debug, Default)]
struct Noting(Arc<Mutex<Vec<Vec<u64>>>>);

impl Node for Noting {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn max_batch(&self) -> usize {
        4
    }

    fn run(&self, frame: &mut NodeFrame<'_>, scaler: &mut Scaler) -> Result<Map<String, Value>, String> {
        self.run_batch(std::slice::from_mut(frame), scaler).remove(0)
    }

    fn run_batch(&self, frames: &mut [NodeFrame<'_>], _: &mut Scaler) -> Vec<Result<Map<String, Value>, String>> {
        let seen: Vec<u64> = frames.iter().map(|frame| frame.frame_index).collect();
        self.0.lock().unwrap().push(seen.clone());
        seen.into_iter().map(|index| Ok(Map::from_iter([("seen".to_owned(), index.into())]))).collect()
    }
}

#[test]
fn only_frames_whose_turn_it_is_share_a_batch() {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let mut pipeline = of_one_node("yard", Box::new(Noting(Arc::clone(&batches))));
    pipeline.nodes[0].gate.every = 2;
    let frame = Frame::jpeg(Bytes::from_static(b"not decoded"));
    let (mut scratch, mut a, mut b) = (Scratch::default(), PipelineState::default(), PipelineState::default());
    let mut run = |first: u64, states: Vec<&mut PipelineState>| {
        let run =
            |(at, state)| FrameRun { frame_index: first + at, frame: &frame, could_run_at: Instant::now(), state };
        let mut runs: Vec<FrameRun<'_>> = (0..).zip(states).map(run).collect();
        run_on_frames(&pipeline, &mut runs, &mut scratch).into_iter().map(Result::unwrap).collect::<Vec<String>>()
    };
    assert_eq!(run(10, vec![&mut a]), [r#"{"seen":10}"#]);
    assert_eq!(run(20, vec![&mut a, &mut b]), [r#"{"carried":["node"],"seen":10}"#, r#"{"seen":21}"#]);
    assert_eq!(run(30, vec![&mut a, &mut b]), [r#"{"seen":30}"#, r#"{"carried":["node"],"seen":21}"#]);
    assert_eq!(run(40, vec![&mut a]), [r#"{"carried":["node"],"seen":30}"#]);
    assert_eq!(run(50, vec![&mut a, &mut b]), [r#"{"seen":50}"#, r#"{"seen":51}"#]);
    assert_eq!(*batches.lock().unwrap(), [vec![10], vec![21], vec![30], vec![50, 51]]);
}
