//! Making JPEGs for whoever looks: one at a time, so that viewers take one core at most from the engine, and one thread of
//! the few that also serve `/metrics` and reloads.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::pipeline::encode::Encoder;
use crate::pipeline::image::Decoder;

/// Makes pictures, each after the one before.
#[derive(Debug)]
pub struct Painter {
    turns: Arc<Semaphore>,
    tools: Arc<Mutex<Tools>>,
}

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
pub struct Turn {
    permit: Option<OwnedSemaphorePermit>,
    tools: Arc<Mutex<Tools>>,
}

impl Default for Painter {
    fn default() -> Self {
        Painter { turns: Arc::new(Semaphore::new(1)), tools: Arc::default() }
    }
}

impl Painter {
    /// Waits until no other picture is being made. Cancel safe.
    pub async fn turn(&self) -> Turn {
        // It is never closed; if it were, pictures would be made side by side.
        let permit = Arc::clone(&self.turns).acquire_owned().await.ok();
        Turn { permit, tools: Arc::clone(&self.tools) }
    }
}

impl Turn {
    /// Makes a picture, off the reactor. The turn lasts until it is made, even where nobody waits for it any more.
    ///
    /// # Errors
    /// What `make` says.
    pub async fn paint(
        self,
        make: impl FnOnce(&mut Tools) -> Result<Bytes, String> + Send + 'static,
    ) -> Result<Bytes, String> {
        let Turn { permit, tools } = self;
        let painted = spawn_blocking(move || {
            let _turn = permit;
            make(&mut tools.lock().unwrap_or_else(PoisonError::into_inner))
        });
        painted.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
