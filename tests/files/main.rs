//! Pipelines on files: the real binary on pictures and videos, good and bad.
//!
//! `ran` runs it; `bench` measures with it. `pictures` and `videos` look at what it reads, `command` at what it says and how it
//! ends, `jpegs` at JPEGs of unusual kinds, here and through the daemon, `isolation` at what
//! pictures that lie beside each other do to each other. `make` writes files of the formats; those of `videos/`
//! were made by ffmpeg 9 with libx264 and libx265, from plain colours and its test picture.

mod bench;
mod command;
mod isolation;
mod jpegs;
mod make;
mod pictures;
mod ran;
mod videos;
