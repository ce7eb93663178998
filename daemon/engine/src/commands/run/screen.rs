//! What is seen of a run: lines of JSON on standard output, sentences on standard error, and on a terminal a bar that says how
//! far it is.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::files::run::Event;

/// How often the bar is drawn: a terminal over a slow line should not hold frames up.
const DRAWS_PER_SECOND: u8 = 5;

/// Standard output and standard error.
#[derive(Debug)]
pub(super) struct Screen {
    bar: ProgressBar,
    /// Why standard output takes no more, where it does not.
    output_error: Option<io::Error>,
}

impl Screen {
    /// For files of so many bytes in all. Where standard error is no terminal, there is no bar.
    pub(super) fn new(bytes: u64) -> Screen {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
        // The template is fixed; a test shows that it can be read.
        bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(500));
        Screen { bar, output_error: None }
    }

    /// Shows what happened; breaks when standard output takes no more.
    pub(super) fn show(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Line(line) => return self.line(line),
            Event::Problem(sentence) => self.bar.suspend(|| say(sentence)),
            Event::Progress { frames, bytes } => {
                self.bar.set_position(bytes);
                self.bar.set_message(format!("{frames} frames, {:.1}/s", per_second(frames, self.bar.elapsed())));
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes the bar away; says why standard output takes no more. That a reader went away is no fault of ours.
    pub(super) fn end(self) -> Option<io::Error> {
        self.bar.finish_and_clear();
        self.output_error.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// One line, at once: whoever reads a pipe acts on each.
    fn line(&mut self, line: &str) -> ControlFlow<()> {
        let written = self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush())
        });
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.output_error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// One sentence on standard error. Whoever read that may be gone; the results count.
pub(super) fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "forgesyted: {sentence}");
}

const TEMPLATE: &str = "{wide_bar} {percent:>3}% {msg}, {eta} left";

fn per_second(frames: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { frames as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_can_be_drawn() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        assert_eq!(per_second(30, Duration::from_secs(2)), 15.0);
        assert_eq!(per_second(1, Duration::ZERO), 0.0);
    }
}
