//! Which format, size and rate to ask a driver for, and what it then agreed to.

use std::path::PathBuf;

use super::offer::{FourCc, Interval, Offer, Size, SizeOffer, SizeRange};
use super::sys::{Capability, Device, Format};
use crate::capture::{Agreed, Encoding, Fault, Reason};
use crate::config::CameraFormat;
use crate::frame::PixelLayout;

/// What the configuration asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub size: Size,
    /// Frames a second.
    pub fps: f64,
    pub format: CameraFormat,
}

/// What to ask the driver for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    pub fourcc: FourCc,
    pub encoding: Encoding,
    pub size: Size,
    /// `None`: the driver lists no rates, so its own is kept unless it takes the one wanted.
    pub interval: Option<Interval>,
}

/// Choices are compared by this, smallest first: size before rate before cost.
#[derive(PartialEq, PartialOrd)]
struct Rank {
    /// From the size wanted.
    distance: u64,
    /// Frames a second below those wanted; 0 when they are reached, and where the rate is not known.
    slower_by: f64,
    cost: u8,
}

/// A rate this close to the one wanted reaches it: 29.97 is 30.
const CLOSE_ENOUGH: f64 = 0.99;

/// What a format costs us, by what has to be done before a model sees it.
fn cost(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Raw(PixelLayout::Rgb3 | PixelLayout::Bgr3) => 0,
        Encoding::Raw(PixelLayout::Nv12 | PixelLayout::Yu12) => 1,
        Encoding::Raw(PixelLayout::Yuyv | PixelLayout::Uyvy) => 2,
        Encoding::Jpeg => 3,
        Encoding::Raw(PixelLayout::Grey) => 4,
    }
}

/// The cheapest of the formats that reach size and rate; where none does, the one that reaches the size at the highest
/// rate; where no format has the size, the nearest one. `GREY` only where it is asked for, or there is nothing else.
///
/// # Errors
/// `bad_format`, with what there is.
pub(super) fn choose(offers: &[Offer], wanted: &Wanted) -> Result<Choice, Fault> {
    let candidates: Vec<(FourCc, Encoding, &Offer)> =
        offers.iter().filter_map(|offer| Some((offer.fourcc, offer.fourcc.encoding()?, offer))).collect();
    let grey = Encoding::Raw(PixelLayout::Grey);
    let coloured = candidates.iter().any(|(_, encoding, _)| *encoding != grey);
    let allowed = |fourcc: FourCc, encoding: Encoding| match wanted.format {
        CameraFormat::Auto => encoding != grey || !coloured,
        // Both names of JPEG mean the same here.
        CameraFormat::Fourcc(asked) => fourcc.0 == asked || FourCc(asked).encoding() == Some(encoding),
    };
    let choices = candidates
        .iter()
        .filter(|(fourcc, encoding, _)| allowed(*fourcc, *encoding))
        .flat_map(|(fourcc, encoding, offer)| offer.sizes.iter().map(|size| rank(*fourcc, *encoding, size, wanted)));
    let best = choices.min_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    best.map(|(_, choice)| choice).ok_or_else(|| none_fits(offers, wanted.format))
}

fn rank(fourcc: FourCc, encoding: Encoding, offer: &SizeOffer, wanted: &Wanted) -> (Rank, Choice) {
    let size = offer.range.nearest(wanted.size);
    let enough = wanted.fps * CLOSE_ENOUGH;
    let slower_by = |interval: Interval| if interval.fps() >= enough { 0.0 } else { wanted.fps - interval.fps() };
    // The one that is just enough, or else the fastest: more frames than wanted cost bandwidth and light.
    let interval = offer.rates.iter().map(|range| range.reaching(wanted.fps)).min_by(|a, b| {
        let key = |interval: &Interval| (slower_by(*interval), (interval.fps() - wanted.fps).abs());
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let slower_by = interval.map_or(0.0, slower_by);
    let rank = Rank { distance: size.distance(wanted.size), slower_by, cost: cost(encoding) };
    (rank, Choice { fourcc, encoding, size, interval })
}

fn none_fits(offers: &[Offer], asked: CameraFormat) -> Fault {
    let there: Vec<String> = offers.iter().map(|offer| offer.fourcc.to_string()).collect();
    let there = if there.is_empty() { "no format at all".to_owned() } else { there.join(", ") };
    let read = CameraFormat::KNOWN.join(", ");
    let sentence = match asked {
        CameraFormat::Auto => format!("it offers {there}, and none of them can be read here, as {read} can"),
        CameraFormat::Fourcc(asked) if FourCc(asked).encoding().is_none() => {
            format!("format {} cannot be read here, as {read} can; it offers {there}", FourCc(asked))
        }
        CameraFormat::Fourcc(asked) => format!("it has no format {}; it offers {there}", FourCc(asked)),
    };
    Fault::new(Reason::BadFormat, sentence)
}

/// What a device offers, with the rates at its sizes nearest to `near`. Formats that cannot be read have their sizes only
/// where `all` are asked for.
pub(super) fn offers(device: &Device, near: Size, all: bool) -> std::io::Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for (fourcc, description) in device.formats()? {
        let mut sizes = Vec::new();
        if all || fourcc.encoding().is_some() {
            for range in sizes_of(device, fourcc, near)? {
                sizes.push(SizeOffer { range, rates: device.rates(fourcc, range.nearest(near))? });
            }
        }
        offers.push(Offer { fourcc, description, sizes });
    }
    Ok(offers)
}

/// The sizes of a format. A driver that lists none is asked what it would make of the one wanted.
fn sizes_of(device: &Device, fourcc: FourCc, near: Size) -> std::io::Result<Vec<SizeRange>> {
    let listed = device.sizes(fourcc)?;
    if !listed.is_empty() {
        return Ok(listed);
    }
    let tried = device.try_format(fourcc, near).ok().filter(|format| format.fourcc == fourcc);
    Ok(tried.map(|format| SizeRange::one(format.size.width, format.size.height)).into_iter().collect())
}

/// What a driver made of a choice.
///
/// # Errors
/// `bad_format` when it is not what was chosen, or cannot be read.
pub(super) fn agreed(
    path: PathBuf,
    capability: &Capability,
    choice: &Choice,
    format: &Format,
    fps: f64,
) -> Result<Agreed, Fault> {
    let Format { fourcc, size, stride, single_fields } = *format;
    let bad = |why: String| Err(Fault::new(Reason::BadFormat, why));
    if fourcc.encoding() != Some(choice.encoding) {
        return bad(format!("asked for {}, the driver set {fourcc}", choice.fourcc));
    }
    if size.width == 0 || size.height == 0 {
        return bad(format!("the driver set a size of {size}"));
    }
    if single_fields {
        return bad("its pictures come as single fields (interlaced), which cannot be read here".to_owned());
    }
    let (row, even) = match choice.encoding {
        Encoding::Jpeg => (0, (false, false)),
        Encoding::Raw(layout) => row(layout, size.width),
    };
    if even.0 && size.width % 2 == 1 || even.1 && size.height % 2 == 1 {
        return bad(format!(
            "{fourcc} of {size} has a side of an odd length, which its colours do not fit: choose another size"
        ));
    }
    let stride = if choice.encoding == Encoding::Jpeg { 0 } else { stride.max(row) };
    Ok(Agreed {
        path,
        card: capability.card.clone(),
        driver: capability.driver.clone(),
        encoding: choice.encoding,
        width: size.width,
        height: size.height,
        stride,
        fps,
    })
}

/// Bytes of a row (of the first plane), and whether width and height have to be even.
fn row(layout: PixelLayout, width: u32) -> (u32, (bool, bool)) {
    match layout {
        PixelLayout::Yuyv | PixelLayout::Uyvy => (width.saturating_mul(2), (true, false)),
        PixelLayout::Nv12 | PixelLayout::Yu12 => (width, (true, true)),
        PixelLayout::Grey => (width, (false, false)),
        PixelLayout::Rgb3 | PixelLayout::Bgr3 => (width.saturating_mul(3), (false, false)),
    }
}

/// Bytes of a whole raw picture.
pub(super) fn picture_bytes(layout: PixelLayout, stride: u32, height: u32) -> usize {
    let first = (stride as usize).saturating_mul(height as usize);
    match layout {
        PixelLayout::Nv12 | PixelLayout::Yu12 => first.saturating_add(first / 2),
        _ => first,
    }
}

/// What differs between what was asked for and agreed.
pub(super) fn difference(wanted: &Wanted, agreed: &Agreed) -> Option<String> {
    let mut differs = Vec::new();
    let size = Size { width: agreed.width, height: agreed.height };
    if size != wanted.size {
        differs.push(format!("{size}, not {}", wanted.size));
    }
    if agreed.fps > 0.0 && !(CLOSE_ENOUGH..=1.0 / CLOSE_ENOUGH).contains(&(agreed.fps / wanted.fps)) {
        differs.push(format!("{} frames/s, not {}", agreed.fps, wanted.fps));
    }
    (!differs.is_empty()).then(|| format!("the camera agreed to {}", differs.join(", and ")))
}

#[cfg(test)]
mod tests;
