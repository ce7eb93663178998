//! Scaling a picture to the size that a module wants.

use std::collections::HashMap;
use std::fmt;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{KEPT_BYTES, Picture, RGB};

/// Scales pictures, reusing its buffers and filters.
#[derive(Default)]
pub struct Scaler {
    resizer: Resizer,
    outputs: HashMap<(usize, usize), Vec<u8>>,
}

impl Scaler {
    /// The picture stretched to `width × height` (triangle filter over the whole source area); the picture itself where
    /// it has that size.
    ///
    /// # Errors
    /// Only for sizes that make no picture (a width or height of 0).
    pub fn stretch<'a>(&'a mut self, picture: &Picture<'a>, width: usize, height: usize) -> Result<&'a [u8], String> {
        if (picture.width, picture.height) == (width, height) {
            return Ok(picture.rgb);
        }
        let side = |pixels: usize| u32::try_from(pixels).map_err(|error| error.to_string());
        let source = ImageRef::new(side(picture.width)?, side(picture.height)?, picture.rgb, PixelType::U8x3)
            .map_err(|error| error.to_string())?;
        let output = self.outputs.entry((width, height)).or_default();
        output.resize(width * height * RGB, 0);
        let mut target = Image::from_slice_u8(side(width)?, side(height)?, output.as_mut_slice(), PixelType::U8x3)
            .map_err(|error| error.to_string())?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize(&source, &mut target, &options).map_err(|error| error.to_string())?;
        if self.resizer.size_of_internal_buffers() > KEPT_BYTES {
            self.resizer.reset_internal_buffers();
        }
        Ok(output)
    }
}

impl fmt::Debug for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scaler")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_to_any_size() {
        let rgb: Vec<u8> = [[0_u8; 3], [200; 3]].iter().cycle().take(8).flatten().copied().collect();
        let picture = Picture { rgb: &rgb, width: 4, height: 2, frame_size: (4, 2) };
        let mut scaler = Scaler::default();
        assert_eq!(scaler.stretch(&picture, 4, 2).unwrap(), rgb);
        let small = scaler.stretch(&picture, 1, 1).unwrap();
        assert!(small.iter().all(|&value| (90..=110).contains(&value)), "{small:?}");
        assert!(scaler.stretch(&picture, 9, 7).is_ok());
    }
}
