//! What a module is fed: pictures of one size, as a tensor.

use tch::{Device, Kind, TchError, Tensor};

/// Bytes of a pixel: red, green and blue.
const RGB: usize = 3;

/// Pictures of one size, RGB, 8 bits: the rows of one batch.
#[derive(Debug)]
pub struct Input {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// How pixels become a tensor's numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Normalise {
    /// float32 `[N, 3, H, W]`, 0 to 1.
    #[default]
    Unit,
    /// float32 `[N, 3, H, W]`: from 0 to 1, less the mean, divided by the standard deviation of each channel.
    Channels {
        /// Red, green, blue.
        mean: [f32; 3],
        /// Red, green, blue; none is 0.
        std: [f32; 3],
    },
    /// uint8 `[3, H, W]`, of a batch of one.
    Bytes,
}

impl Input {
    /// An empty batch of pictures of this size.
    pub fn new(width: usize, height: usize) -> Self {
        Input { width, height, pixels: Vec::new() }
    }

    /// A batch of one picture, `height × width × 3` bytes.
    ///
    /// # Errors
    /// As [`Input::push`].
    pub fn of(rgb: &[u8], width: usize, height: usize) -> Result<Self, String> {
        let mut input = Input::new(width, height);
        input.push(rgb)?;
        Ok(input)
    }

    /// Adds a picture, `height × width × 3` bytes.
    ///
    /// # Errors
    /// A picture of another size.
    pub fn push(&mut self, rgb: &[u8]) -> Result<(), String> {
        if rgb.len() != self.picture_bytes() || rgb.is_empty() {
            return Err(format!("{} bytes are no picture of {}x{} pixels", rgb.len(), self.width, self.height));
        }
        self.pixels.extend_from_slice(rgb);
        Ok(())
    }

    /// How many pictures it holds.
    pub fn len(&self) -> usize {
        self.pixels.len().checked_div(self.picture_bytes()).unwrap_or(0)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    fn picture_bytes(&self) -> usize {
        self.width * self.height * RGB
    }

    pub(super) fn to_tensor(&self, normalise: &Normalise, device: Device) -> Result<Tensor, TchError> {
        let side = |pixels: usize| i64::try_from(pixels).map_err(|error| TchError::Shape(error.to_string()));
        let shape = [side(self.len())?, side(self.height)?, side(self.width)?, 3];
        // Planes are made of bytes first: four times less to move than floats.
        let planes = Tensor::f_from_data_size(&self.pixels, &shape, Kind::Uint8)?
            .f_to_device(device)?
            .f_permute([0, 3, 1, 2])?
            .f_contiguous()?;
        match normalise {
            Normalise::Bytes => planes.f_squeeze_dim(0),
            Normalise::Unit => planes.f_to_kind(Kind::Float)?.f_div_scalar_(255.0),
            Normalise::Channels { mean, std } => {
                let channels =
                    |values: &[f32; 3]| Tensor::f_from_slice(values)?.f_to_device(device)?.f_view([1, 3, 1, 1]);
                let unit = planes.f_to_kind(Kind::Float)?.f_div_scalar_(255.0)?;
                unit.f_sub(&channels(mean)?)?.f_div(&channels(std)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(input: &Input, normalise: &Normalise) -> (Vec<i64>, Vec<f32>) {
        let tensor = input.to_tensor(normalise, Device::Cpu).unwrap();
        let flat = tensor.f_to_kind(Kind::Float).unwrap().f_reshape([-1]).unwrap();
        (tensor.size(), Vec::try_from(&flat).unwrap())
    }

    #[test]
    fn pixels_become_planes() {
        let mut input = Input::new(2, 1);
        input.push(&[0, 51, 255, 255, 51, 0]).unwrap();
        assert_eq!(numbers(&input, &Normalise::Bytes), (vec![3, 1, 2], vec![0.0, 255.0, 51.0, 51.0, 255.0, 0.0]));
        input.push(&[255; 6]).unwrap();
        let (shape, values) = numbers(&input, &Normalise::Unit);
        assert_eq!((shape, &values[..6]), (vec![2, 3, 1, 2], &[0.0, 1.0, 0.2, 0.2, 1.0, 0.0][..]));
        let (_, values) = numbers(&input, &Normalise::Channels { mean: [0.5, 0.0, 1.0], std: [0.5, 2.0, 1.0] });
        assert_eq!(values[..6], [-1.0, 1.0, 0.1, 0.1, 0.0, -1.0]);
    }

    #[test]
    fn pictures_of_another_size_are_refused() {
        let mut input = Input::new(2, 1);
        assert!(input.push(&[0; 5]).unwrap_err().contains("2x1"));
        assert!(Input::of(&[], 0, 0).is_err());
        assert!(input.is_empty() && Input::new(0, 0).is_empty());
    }
}
