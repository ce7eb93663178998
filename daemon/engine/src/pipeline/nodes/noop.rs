//! `noop`: needs no picture and gives nothing. For measuring the path itself.

use serde::Deserialize;

use super::{Node, NodeFrame, NodeSetup, Payload};
use crate::pipeline::image::{ImageNeed, Scaler};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noop {}

pub(super) fn build(setup: &NodeSetup<'_>) -> Result<Box<dyn Node>, String> {
    Ok(Box::new(setup.settings::<Noop>()?))
}

impl Node for Noop {
    fn needs(&self) -> ImageNeed {
        ImageNeed::None
    }

    fn run(&self, _: &mut NodeFrame<'_>, _: &mut Scaler) -> Result<Payload, String> {
        Ok(Payload::default())
    }
}
