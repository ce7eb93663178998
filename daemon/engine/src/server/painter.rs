//! Making JPEGs for whoever looks: one at a time, so that viewers take one core at most from the engine, and one thread of
//! the few that also serve `/metrics` and reloads.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;

use crate::pipeline::encode::Encoder;
use crate::pipeline::image::Decoder;

/// Makes pictures, each after the one before.
#[derive(Clone, Debug, Default)]
pub struct Painter(Arc<Mutex<Tools>>);

/// What is kept from picture to picture: buffers, mostly.
#[derive(Debug, Default)]
pub struct Tools {
    /// From a frame to pixels.
    pub decoder: Decoder,
    /// From pixels to a JPEG.
    pub encoder: Encoder,
}

/// The right to make the next picture.
#[derive(Debug)]
pub struct Turn(OwnedMutexGuard<Tools>);

impl Painter {
    /// Waits until no other picture is being made. Cancel safe.
    pub async fn turn(&self) -> Turn {
        Turn(Arc::clone(&self.0).lock_owned().await)
    }
}

impl Turn {
    /// Makes a picture, off the reactor. The turn lasts until it is made, even where nobody waits for it any more.
    ///
    /// # Errors
    /// What `make` says.
    pub async fn paint(
        mut self,
        make: impl FnOnce(&mut Tools) -> Result<Bytes, String> + Send + 'static,
    ) -> Result<Bytes, String> {
        spawn_blocking(move || make(&mut self.0)).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
