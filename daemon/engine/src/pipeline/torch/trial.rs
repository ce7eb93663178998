//! Half precision on trial: while a pipeline is warmed up, a module runs in float32 too, so that an operator sees what half
//! precision costs in accuracy and what it gains in time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tch::{Device, IValue, Kind, TchError, Tensor};

use super::short;
use super::sys::Script;
use base::config::Precision;

/// What half precision did on the sample frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// What was tried.
    pub precision: Precision,
    /// What it did; none where the sample frame gave the module nothing to run on, as a reader where no text is.
    pub difference: Option<Difference>,
}

/// A module in half precision beside float32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The largest absolute difference of any float of the output from float32; none where there are other floats than in
    /// float32: more, fewer, or no numbers.
    pub largest: Option<f64>,
    /// The shortest run.
    pub took: Duration,
    /// The shortest run in float32.
    pub fp32_took: Duration,
}

/// The trial of one module. It ends once, with the warm-up.
#[derive(Debug)]
pub struct Trial {
    precision: Precision,
    runs: AtomicBool,
    state: Mutex<Option<State>>,
}

/// What a trial holds while it runs.
#[derive(Debug)]
struct State {
    /// The module in float32.
    reference: Arc<Script>,
    found: Option<Difference>,
}

impl Trial {
    pub(super) fn new(reference: Arc<Script>, precision: Precision) -> Self {
        Trial { precision, runs: AtomicBool::new(true), state: Mutex::new(Some(State { reference, found: None })) }
    }

    /// Whether it has not ended.
    pub(super) fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    /// Forgets what was found so far: nodes try their modules on pictures of their own while they are built.
    pub fn restart(&self) {
        if let Some(state) = self.state.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            state.found = None;
        }
    }

    /// Ends it and says what was found since it was restarted; none where it had ended. The float32 module is given back.
    pub fn end(&self) -> Option<Comparison> {
        self.runs.store(false, Ordering::Relaxed);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Comparison { precision: self.precision, difference: state.found })
    }

    /// Runs the module, and while the trial runs, the one in float32 before it.
    ///
    /// # Errors
    /// Those of the runs; it says whether the module runs in float32.
    pub(super) fn run(
        &self,
        in_fp32: impl Fn(&Script) -> Result<IValue, String>,
        module: impl Fn() -> Result<IValue, String>,
    ) -> Result<IValue, String> {
        if !self.runs() {
            return module();
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = state.as_mut() else { return module() };
        let (_, expected, fp32_took) = timed(|| in_fp32(&state.reference))?;
        let (output, found, took) = timed(module).map_err(|error| {
            format!(
                "it runs in fp32, and not in {0}: {1}. Take precision = \"fp32\", or export the module without numbers that are fixed to \
                 float32 (not frozen)",
                self.precision, error
            )
        })?;
        let before = state.found.map_or((Duration::MAX, Duration::MAX), |found| (found.took, found.fp32_took));
        state.found = Some(Difference {
            largest: largest_difference(&found, &expected),
            // The first runs of a shape are slow.
            took: took.min(before.0),
            fp32_took: fp32_took.min(before.1),
        });
        Ok(output)
    }
}

/// Runs it and fetches its floats, for which a GPU has to come to its end.
fn timed(run: impl Fn() -> Result<IValue, String>) -> Result<(IValue, Vec<f64>, Duration), String> {
    let started = Instant::now();
    let output = run()?;
    let mut floats = Vec::new();
    collect(&output, &mut floats).map_err(|error| short(&error.to_string()))?;
    Ok((output, floats, started.elapsed()))
}

/// The floats of an output, in its order. Whole numbers are left out: labels and counts have no precision.
fn collect(value: &IValue, floats: &mut Vec<f64>) -> Result<(), TchError> {
    match value {
        IValue::Double(value) => floats.push(*value),
        IValue::DoubleList(values) => floats.extend(values),
        IValue::Tensor(tensor) => collect_tensor(tensor, floats)?,
        IValue::TensorList(tensors) => tensors.iter().try_for_each(|tensor| collect_tensor(tensor, floats))?,
        IValue::Tuple(values) | IValue::GenericList(values) => {
            values.iter().try_for_each(|value| collect(value, floats))?;
        }
        IValue::GenericDict(entries) => entries.iter().try_for_each(|(_, value)| collect(value, floats))?,
        _ => {}
    }
    Ok(())
}

fn collect_tensor(tensor: &Tensor, floats: &mut Vec<f64>) -> Result<(), TchError> {
    if tensor.defined() && matches!(tensor.f_kind()?, Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double) {
        let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_reshape([-1])?;
        floats.extend(Vec::<f64>::try_from(&flat)?);
    }
    Ok(())
}

fn largest_difference(found: &[f64], expected: &[f64]) -> Option<f64> {
    if found.len() != expected.len() {
        return None;
    }
    found.iter().zip(expected).try_fold(0.0_f64, |largest, (found, expected)| {
        // Infinities and what is no number have no difference; where both have the same, nothing is lost.
        let same = found == expected || (found.is_nan() && expected.is_nan());
        let difference = if same { 0.0 } else { (found - expected).abs() };
        difference.is_finite().then(|| largest.max(difference))
    })
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { precision, difference } = self;
        let Some(Difference { largest, took, fp32_took }) = difference else {
            return write!(f, "{precision}: not compared with fp32, it has nothing to run on in the sample frame");
        };
        match largest {
            Some(largest) => write!(f, "{precision}: at most {largest:.3e} from fp32 on the sample frame; ")?,
            None => write!(f, "{precision}: other numbers than fp32 on the sample frame (more, fewer, or none); ")?,
        }
        let millis = |time: &Duration| time.as_secs_f64() * 1e3;
        write!(f, "{:.2} ms a run, and {:.2} ms in fp32", millis(took), millis(fp32_took))?;
        if took >= fp32_took { f.write_str(": it does not pay here") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_is_of_floats_alone() {
        let output = |score: f64, label: i64| {
            let tensors = IValue::TensorList(vec![
                Tensor::from_slice(&[1.0_f32, score as f32]).f_to_kind(Kind::BFloat16).unwrap(),
                Tensor::from_slice(&[label]),
            ]);
            let mut floats = Vec::new();
            collect(&IValue::Tuple(vec![tensors, IValue::Int(label), IValue::Double(2.0)]), &mut floats).unwrap();
            floats
        };
        assert_eq!(largest_difference(&output(0.5, 7), &output(0.25, 9)), Some(0.25));
        assert_eq!(output(0.5, 7).len(), 3);
    }

    #[test]
    fn numbers_that_cannot_be_compared_are_no_difference_of_0() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        assert_eq!(largest_difference(&[nan, inf, 1.0], &[nan, inf, 3.0]), Some(2.0));
        for (found, expected) in [(vec![nan], vec![1.0]), (vec![inf], vec![1.0]), (vec![1.0], vec![1.0, 2.0])] {
            assert_eq!(largest_difference(&found, &expected), None, "{found:?}");
        }
        assert_eq!(largest_difference(&[], &[]), Some(0.0));
    }

    #[test]
    fn it_says_whether_half_precision_pays() {
        let times = |took, fp32_took| Comparison {
            precision: Precision::Bf16,
            difference: Some(Difference {
                largest: Some(0.0125),
                took: Duration::from_micros(took),
                fp32_took: Duration::from_micros(fp32_took),
            }),
        };
        assert_eq!(
            times(1500, 3000).to_string(),
            "bf16: at most 1.250e-2 from fp32 on the sample frame; 1.50 ms a run, and 3.00 ms in fp32"
        );
        assert!(times(3000, 1500).to_string().ends_with("in fp32: it does not pay here"));
        let idle = Comparison { precision: Precision::Bf16, difference: None };
        assert!(idle.to_string().starts_with("bf16: not compared with fp32, "), "{idle}");
    }
}
