//! Opening a camera, step by step, up to the stream.

use std::path::Path;

use super::controls;
use super::fault::{Step, fault};
use super::negotiate::{self, Wanted};
use super::offer::{Interval, Size};
use super::resolve::Places;
use super::stream::Stream;
use super::sys::{Capability, Device, Queue};
use crate::capture::{Agreed, Fault, Opened, Reason};
use crate::config::CameraConfig;

/// Buffers that are asked for: one is read while the driver fills the others.
const BUFFERS: u32 = 4;

/// Opens a V4L2 camera as configured, and starts its stream.
///
/// # Errors
/// A [`Fault`] with the step that failed.
pub fn open(config: &CameraConfig) -> Result<Opened, Fault> {
    let places = Places::default();
    let path = places.resolve(&config.device)?;
    let at = |step: Step| {
        let path = path.clone();
        move |error: std::io::Error| fault(step, &path, &error)
    };
    let device = Device::open(&path).map_err(at(Step::Open))?;
    let capability = device.capability().map_err(at(Step::Query))?;
    if let Some(why) = unusable(&capability) {
        return Err(Fault::new(Reason::BadFormat, format!("{} {why}", path.display())));
    }
    let size = Size { width: config.width, height: config.height };
    let wanted = Wanted { size, fps: config.fps, format: config.format };
    let agreed = agree(&device, &path, &capability, &wanted)?;
    let mut notes: Vec<String> = negotiate::difference(&wanted, &agreed).into_iter().collect();
    notes.extend(controls::apply(&device, &config.controls));
    notes.extend(places.hint(&config.device, &path));
    let mut queue = Queue::allocate(device, BUFFERS).map_err(at(Step::Buffers))?;
    queue.start().map_err(at(Step::Start))?;
    let stream = Stream::new(queue, agreed).map_err(at(Step::Start))?;
    Ok(Opened { capture: Box::new(stream), notes })
}

/// Chooses and sets format and rate.
fn agree(device: &Device, path: &Path, capability: &Capability, wanted: &Wanted) -> Result<Agreed, Fault> {
    let at = |step: Step| move |error: std::io::Error| fault(step, path, &error);
    let named = |fault: Fault| Fault::new(fault.reason, format!("{}: {}", path.display(), fault.detail));
    let offers = negotiate::offers(device, wanted.size, false).map_err(at(Step::Query))?;
    let choice = negotiate::choose(&offers, wanted).map_err(named)?;
    let format = device.set_format(choice.fourcc, choice.size).map_err(at(Step::Format))?;
    let interval = choice.interval.unwrap_or_else(|| Interval::of_fps(wanted.fps));
    // Many drivers have one rate and take no other; the rate that they tell is what counts.
    let fps = match device
        .set_interval(interval)
        .or_else(|error| if refuses(&error) { device.interval() } else { Err(error) })
    {
        Ok(interval) => interval.shown_fps(),
        Err(error) if refuses(&error) => 0.0,
        Err(error) => return Err(fault(Step::Format, path, &error)),
    };
    negotiate::agreed(path.to_owned(), capability, &choice, &format, fps).map_err(named)
}

/// Whether a driver does not know a request, or not with this value.
fn refuses(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY))
}

/// Why frames cannot be captured from a device.
pub(super) fn unusable(capability: &Capability) -> Option<&'static str> {
    if capability.captures() {
        return (!capability.streams()).then_some("cannot stream into memory (it can only be read like a file)");
    }
    Some(if capability.captures_in_planes() {
        "delivers pictures in separate planes (multi-planar), which cannot be read here"
    } else if capability.is_metadata() {
        "delivers metadata of a camera; the camera is another node"
    } else {
        "is no capture device, or nothing feeds it at the moment"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_no_cameras_say_why() {
        const CAPTURE: u32 = 1;
        const OUTPUT: u32 = 2;
        const MULTI_PLANAR: u32 = 0x1000;
        const METADATA: u32 = 0x0080_0000;
        const STREAMING: u32 = 0x0400_0000;
        for (caps, words) in [
            (CAPTURE | STREAMING, None),
            (CAPTURE, Some("cannot stream")),
            (MULTI_PLANAR | STREAMING, Some("multi-planar")),
            (METADATA | STREAMING, Some("metadata")),
            (OUTPUT | STREAMING, Some("no capture device")),
        ] {
            let why = unusable(&Capability::with_caps(caps));
            assert_eq!(why.is_some(), words.is_some(), "{caps:x}");
            assert!(why.is_none_or(|why| words.is_some_and(|words| why.contains(words))), "{why:?}");
        }
    }
}
