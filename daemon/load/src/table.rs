//! The outcome of a run as a person reads it: a table, and one sentence on what it means for sizing a board.

use std::fmt::Write;
use std::time::Duration;

use super::report::{LoadReport, Times};

impl LoadReport {
    /// Frames that were due: sent or not.
    pub fn frames_due(&self) -> u64 {
        self.frames_sent + self.frames_unsent
    }

    /// The report as text for a terminal, ending with what it means for sizing a board.
    pub fn to_table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let due = self.frames_due();
        let share = |count: u64| percent(count, due);
        let pace = match self.fps {
            None => "closed loop".to_owned(),
            Some(fps) => format!("open loop, {fps} frames/s each"),
        };
        writeln!(out, "{}", self.url)?;
        writeln!(out, "{} session(s), {pace}, {:.1} s measured", self.sessions, self.measured_s)?;
        writeln!(out)?;
        writeln!(out, "frames due      {due:>10}")?;
        for (name, count) in [
            ("  result", self.results),
            ("  dropped", self.dropped),
            ("  unanswered", self.unanswered),
            ("  never sent", self.frames_unsent),
        ] {
            writeln!(out, "{name:<16}{count:>10}  {:>6.2} %", share(count))?;
        }
        writeln!(out, "results/s       {:>10.1}", self.results_per_s)?;
        writeln!(out, "MB/s sent       {:>10.2}", self.bytes_per_s / 1e6)?;
        writeln!(out, "slow_down       {:>10}", self.slow_downs)?;
        writeln!(out, "fairness (Jain) {:>10.4}", self.fairness)?;
        writeln!(out)?;
        writeln!(out, "ms                     p50       p90       p99       max")?;
        write_times(out, "reply time", &self.reply)?;
        if self.fps.is_some() {
            write_times(out, "sent late by", &self.lateness)?;
        }
        if !self.windows.is_empty() {
            writeln!(out)?;
            writeln!(out, "window (s)        results/s   dropped   age p50   age p99 (ms)")?;
            for w in &self.windows {
                let (p50, p99) = (ms(w.age.p50_us), ms(w.age.p99_us));
                let span = format!("{:.0} to {:.0}", w.from_s, w.to_s);
                writeln!(out, "{span:<16}{:>11.1}{:>10}{p50:>10.2}{p99:>10.2}", w.results_per_s, w.dropped)?;
            }
        }
        writeln!(out)?;
        for (code, error) in &self.errors {
            writeln!(out, "error: {} session(s) ended with `{code}`: {}", error.sessions, error.detail)?;
        }
        if let Some(first) = &self.first_protocol_error {
            writeln!(out, "error: {} protocol error(s); the first: {first}.", self.protocol_errors)?;
        }
        if self.generator_was_late() {
            writeln!(out, "note: this client was late itself; run it on another machine, or ask for less.")?;
        }
        writeln!(out, "=> {}", self.verdict())
    }

    /// Whether lateness was this client's doing (frames held up by TCP apart).
    fn generator_was_late(&self) -> bool {
        self.fps.is_some() && self.lateness.p99_us > 10_000 && self.frames_blocked * 100 < self.frames_sent
    }

    /// Whether results came more slowly than frames were due: a queue grows somewhere. One frame a session may be on
    /// its way when the measured time ends.
    fn fell_behind(&self) -> bool {
        let came = self.results_per_s * self.measured_s;
        came + (self.sessions as f64) < 0.98 * self.frames_due() as f64
    }

    /// One sentence: what this means for the size of the board.
    pub fn verdict(&self) -> String {
        let due = self.frames_due();
        let rate = self.results_per_s;
        let (answered, dropped) = (percent(self.results, due), percent(self.dropped, due));
        if self.results == 0 {
            return "No result came: this says nothing about the board's size.".to_owned();
        }
        let Some(fps) = self.fps else {
            return format!(
                "With {} session(s) that wait for each reply, the board serves about {rate:.0} frames/s in all.",
                self.sessions
            );
        };
        if answered >= 99.0 && self.fell_behind() {
            return format!(
                "Answered {answered:.1} % of frames but fell behind: the board serves about {rate:.0} frames/s in all, \
                 and replies took up to {:.0} ms.",
                ms(self.reply.max_us)
            );
        }
        if answered >= 99.0 {
            return format!(
                "Answered {answered:.1} % of frames: this board keeps up with {} session(s) at {fps} frames/s.",
                self.sessions
            );
        }
        let lost = percent(self.unanswered + self.frames_unsent, due);
        let what = if dropped >= lost {
            format!("Dropped {dropped:.0} % of frames")
        } else {
            format!("Left {lost:.0} % of frames unanswered or unsent")
        };
        format!(
            "{what}: the board serves about {rate:.0} frames/s in all, or {:.1} for each of {} session(s).",
            rate / self.sessions.max(1) as f64,
            self.sessions
        )
    }
}

fn ms(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64() * 1e3
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

fn write_times(out: &mut String, name: &str, times: &Times) -> std::fmt::Result {
    let [p50, p90, p99, max] = [times.p50_us, times.p90_us, times.p99_us, times.max_us].map(ms);
    writeln!(out, "{name:<16}{p50:>10.2}{p90:>10.2}{p99:>10.2}{max:>10.2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn report(fps: Option<f64>, results: u64, dropped: u64, unanswered: u64, results_per_s: f64) -> LoadReport {
        let times = Times { count: results, p50_us: 1_500, p90_us: 2_000, p99_us: 30_000, max_us: 40_000 };
        LoadReport {
            url: "ws://board:8000/".to_owned(),
            sessions: 4,
            fps,
            measured_s: 10.0,
            frames_sent: results + dropped + unanswered,
            frames_unsent: 0,
            frames_blocked: 0,
            results,
            dropped,
            unanswered,
            slow_downs: 0,
            protocol_errors: 0,
            first_protocol_error: None,
            errors: BTreeMap::new(),
            close_codes: BTreeMap::new(),
            unclean_closes: 0,
            results_per_s,
            bytes_per_s: 2e6,
            reply: times,
            lateness: times,
            results_per_session: vec![],
            fairness: 1.0,
            windows: vec![],
        }
    }

    #[test]
    fn the_verdict_says_what_the_board_can_do() {
        let cases = [
            (report(Some(30.0), 1200, 0, 0, 119.9), "Answered 100.0 % of frames: this board keeps up"),
            (
                report(Some(30.0), 1200, 0, 0, 90.0),
                "Answered 100.0 % of frames but fell behind: the board serves about 90",
            ),
            (
                report(Some(30.0), 432, 768, 0, 43.0),
                "Dropped 64 % of frames: the board serves about 43 frames/s in all",
            ),
            (report(Some(30.0), 432, 0, 768, 43.0), "Left 64 % of frames unanswered"),
            (report(None, 900, 0, 0, 90.0), "With 4 session(s) that wait for each reply, the board serves about 90"),
            (report(None, 0, 0, 9, 0.0), "No result came"),
        ];
        for (report, start) in cases {
            assert!(report.verdict().starts_with(start), "{}", report.verdict());
            assert!(report.to_table().ends_with(&format!("=> {}\n", report.verdict())));
        }
    }

    #[test]
    fn a_report_is_json() {
        let mut report = report(Some(30.0), 10, 0, 0, 1.0);
        report.close_codes.insert(1000, 4);
        let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!((&json["reply"]["p99_us"], &json["close_codes"]["1000"]), (&30_000.into(), &4.into()));
    }
}
