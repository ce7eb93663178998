//! Running `node`: its test runner to the end, or a script whose lines the test waits for.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use forgesyted_tests::sources;
use forgesyted_tests::wait::PATIENCE;
use serde_json::Value;

/// A file of `tests/web`.
pub fn path(name: &str) -> PathBuf {
    sources::root().join("tests/web").join(name)
}

/// `node`, which finds the packages of the tests; none where these are missing, which is an error on CI.
pub fn node() -> Option<Command> {
    with_packages(Command::new("node"))
}

/// Node's test runner. A test that hangs is ended with its browser, and fails, long after any machine would be done.
pub fn runner() -> Option<Command> {
    let mut runner = Command::new("timeout");
    runner.args(["--kill-after=10", "900", "node", "--test"]);
    with_packages(runner)
}

fn with_packages(mut node: Command) -> Option<Command> {
    let Some(packages) = env::var_os("FORGESYTED_TEST_NODE_PATH") else {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs Node and the packages of the tests");
        eprintln!("skipped: FORGESYTED_TEST_NODE_PATH is unset; `cargo xtask test` sets it");
        return None;
    };
    node.env("NODE_PATH", packages).stdin(Stdio::null());
    Some(node)
}

/// Runs these test files by Node's own runner; what it said is shown where one fails.
pub fn run_tests(files: &[&str]) {
    let Some(mut runner) = runner() else { return };
    let output = runner.args(files.iter().map(|file| path(file))).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().find_map(|line| line.strip_prefix("# pass ").or(line.strip_prefix("ℹ pass ")));
    let passed: u32 = passed.unwrap_or_else(|| panic!("no count of tests:\n{said}")).parse().unwrap();
    assert!(passed as usize >= files.len(), "{said}");
}

/// A script that writes one JSON value a line. It ends with this.
#[derive(Debug)]
pub struct Script {
    child: Child,
    lines: Receiver<Value>,
    seen: Vec<Value>,
}

impl Script {
    /// Starts it; none where there is no Node.
    pub fn start<A: AsRef<OsStr>>(file: &str, arguments: impl IntoIterator<Item = A>) -> Option<Script> {
        let mut child = node()?.arg(path(file)).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        Some(Script { child, lines, seen: Vec::new() })
    }

    /// Waits for the next line that this is true of, and returns it.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("waited for {what}: {error}; so far:\n{:#?}", self.seen));
            self.seen.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    /// Waits for the next event of this type, and returns its detail.
    pub fn event(&mut self, kind: &str) -> Value {
        self.wait_for(kind, |line| line[0] == kind)[1].clone()
    }

    /// Waits for its end, and returns every line.
    pub fn finish(mut self) -> Vec<Value> {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        assert!(self.child.wait().unwrap().success(), "{:#?}", self.seen);
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
