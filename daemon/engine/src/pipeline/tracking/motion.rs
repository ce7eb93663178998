//! How an object moves: a Kalman filter with constant velocity over the box's centre, its aspect ratio and its height, with
//! noise in proportion to the height (Wojke et al., DeepSORT, arXiv 1703.07402, which ByteTrack takes over).
//!
//! Neither the motion nor any noise mixes the four numbers, so the filter of eight dimensions is four filters of two.

use crate::pipeline::detection::Bounds;

/// Standard deviation of a position, as part of the box's height.
const POSITION: f32 = 1.0 / 20.0;
/// Standard deviation of a velocity, as part of the box's height.
const VELOCITY: f32 = 1.0 / 160.0;
/// Standard deviations of the aspect ratio: when first seen and from frame to frame, and when measured.
const ASPECT: f32 = 0.01;
const ASPECT_MEASURED: f32 = 0.1;
/// Standard deviation of the aspect ratio's velocity.
const ASPECT_VELOCITY: f32 = 1e-5;

/// Where an object is believed to be, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    x: Axis,
    y: Axis,
    aspect: Axis,
    height: Axis,
}

impl Motion {
    /// An object at rest at a box, which has an area.
    pub(super) fn new(bounds: Bounds) -> Self {
        let [x, y, aspect, height] = measured(bounds);
        let size = |at: f32| Axis::new(at, 2.0 * POSITION * height, 10.0 * VELOCITY * height);
        Motion { x: size(x), y: size(y), aspect: Axis::new(aspect, ASPECT, ASPECT_VELOCITY), height: size(height) }
    }

    /// Goes one frame on.
    pub(super) fn predict(&mut self) {
        let height = self.height.at;
        for axis in [&mut self.x, &mut self.y, &mut self.height] {
            axis.predict(POSITION * height, VELOCITY * height);
        }
        self.aspect.predict(ASPECT, ASPECT_VELOCITY);
    }

    /// Takes in where the object was seen.
    pub(super) fn update(&mut self, bounds: Bounds) {
        let [x, y, aspect, height] = measured(bounds);
        let noise = POSITION * self.height.at;
        self.x.update(x, noise);
        self.y.update(y, noise);
        self.height.update(height, noise);
        self.aspect.update(aspect, ASPECT_MEASURED);
    }

    /// Lets the object keep its height: one that is out of sight would grow or shrink without end.
    pub(super) fn keep_height(&mut self) {
        self.height.speed = 0.0;
    }

    /// The box where the object is believed to be.
    pub(super) fn bounds(&self) -> Bounds {
        let (half_width, half_height) = (self.aspect.at * self.height.at / 2.0, self.height.at / 2.0);
        let (x, y) = (self.x.at, self.y.at);
        Bounds { x1: x - half_width, y1: y - half_height, x2: x + half_width, y2: y + half_height }
    }
}

/// Centre, aspect ratio and height.
fn measured(bounds: Bounds) -> [f32; 4] {
    let (width, height) = (bounds.width(), bounds.height());
    [f32::midpoint(bounds.x1, bounds.x2), f32::midpoint(bounds.y1, bounds.y2), width / height, height]
}

/// One number that changes at a steady speed, with the covariance of both.
#[derive(Clone, Copy, Debug)]
struct Axis {
    at: f32,
    speed: f32,
    at_variance: f32,
    covariance: f32,
    speed_variance: f32,
}

impl Axis {
    fn new(at: f32, deviation: f32, speed_deviation: f32) -> Self {
        let (at_variance, speed_variance) = (deviation.powi(2), speed_deviation.powi(2));
        Axis { at, speed: 0.0, at_variance, covariance: 0.0, speed_variance }
    }

    fn predict(&mut self, noise: f32, speed_noise: f32) {
        self.at += self.speed;
        self.at_variance += 2.0 * self.covariance + self.speed_variance + noise.powi(2);
        self.covariance += self.speed_variance;
        self.speed_variance += speed_noise.powi(2);
    }

    fn update(&mut self, measured: f32, noise: f32) {
        let variance = self.at_variance + noise.powi(2);
        let (gain, speed_gain) = (self.at_variance / variance, self.covariance / variance);
        let surprise = measured - self.at;
        self.at += gain * surprise;
        self.speed += speed_gain * surprise;
        self.speed_variance -= speed_gain * self.covariance;
        self.covariance -= gain * self.covariance;
        self.at_variance -= gain * self.at_variance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, y: f32) -> Bounds {
        Bounds { x1: x - 20.0, y1: y - 40.0, x2: x + 20.0, y2: y + 40.0 }
    }

    #[test]
    fn learns_a_steady_speed_and_goes_on_with_it() {
        let mut motion = Motion::new(at(100.0, 100.0));
        for frame in 1..=20 {
            motion.predict();
            motion.update(at(100.0 + 5.0 * frame as f32, 100.0 - 2.0 * frame as f32));
        }
        for _ in 0..10 {
            motion.predict();
        }
        let bounds = motion.bounds();
        assert!((bounds.x1 - (250.0 - 20.0)).abs() < 3.0 && (bounds.y2 - (40.0 + 40.0)).abs() < 3.0, "{bounds:?}");
        assert!((bounds.width() - 40.0).abs() < 1.0 && (bounds.height() - 80.0).abs() < 1.0, "{bounds:?}");
    }

    #[test]
    fn equals_the_filter_of_the_paper_on_one_axis() {
        // By hand, from DeepSORT's matrices with h = 80: P0 = diag(8², 5²), Q = diag(4², 0.5²), R = 4².
        let mut axis = Axis::new(100.0, 8.0, 5.0);
        axis.predict(4.0, 0.5);
        assert_eq!((axis.at_variance, axis.covariance, axis.speed_variance), (105.0, 25.0, 25.25));
        axis.update(112.1, 4.0);
        // S = 121; K = (105, 25) / 121; the surprise is 12.1.
        assert!((axis.at - 110.5).abs() < 1e-4 && (axis.speed - 2.5).abs() < 1e-5, "{axis:?}");
        assert!((axis.at_variance - 105.0 * 16.0 / 121.0).abs() < 1e-4, "{axis:?}");
        assert!((axis.covariance - 25.0 * 16.0 / 121.0).abs() < 1e-4, "{axis:?}");
        assert!((axis.speed_variance - (25.25 - 625.0 / 121.0)).abs() < 1e-4, "{axis:?}");
    }
}
