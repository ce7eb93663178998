//! A gate inside a model: frames stop at it until the test lets them go. So a test knows what runs and what waits, without
//! clocks.
//!
//! The TorchScript module and the test share a mapped file of three integers: how many frames the test allows in all, how
//! many started, how many finished. The test writes the first, the module the others.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::{frames, wait};

const ALLOWED: u64 = 0;
const STARTED: u64 = 1;
const FINISHED: u64 = 2;

/// The test's side of a gate. It starts open.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    file: File,
}

impl Gate {
    pub(crate) fn new(path: &Path) -> Gate {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path).unwrap();
        file.set_len(24).unwrap();
        let gate = Gate { path: path.to_owned(), file };
        gate.open();
        gate
    }

    /// The module (the file's size comes from its input, or libtorch would read the file once and keep what it held): counts a frame in, waits until it is allowed, and returns the frame's mean as `brightness` and the count of finished frames as
    /// `passed` (without which that count would be of no use to libtorch, and never written).
    pub(crate) fn source(&self) -> String {
        format!(
            r#"class Gate(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    counts = torch.from_file("{}", True, 2 + x.size(0), dtype=4)
    _0 = torch.add_(counts[1], 1)
    while int(counts[0]) <= int(counts[2]):
      counts = torch.from_file("{}", True, 2 + x.size(0), dtype=4)
    _1 = torch.add_(counts[2], 1)
    return annotate(Dict[str, Any], {{"brightness": float(torch.mean(x)), "passed": int(counts[2])}})
"#,
            self.path.display(),
            self.path.display()
        )
    }

    /// Lets every frame through.
    pub fn open(&self) {
        self.set_allowed(i64::MAX);
    }

    /// Holds every frame from the next on.
    pub fn close(&self) {
        self.set_allowed(self.read(FINISHED));
    }

    /// Lets this many more frames through a closed gate.
    pub fn allow(&self, frames: i64) {
        self.set_allowed(self.read(ALLOWED) + frames);
    }

    /// Frames that reached the gate so far; trial runs at load count.
    pub fn started(&self) -> i64 {
        self.read(STARTED)
    }

    /// A session with one frame running in this gate and two waiting.
    ///
    /// # Panics
    /// When the first does not start.
    pub fn three_frames(&self, daemon: &Daemon, pipeline: &str) -> Client {
        let mut client = daemon.client(pipeline);
        self.close();
        let started = self.started();
        client.send(&frames::black());
        self.wait_started(started, 1);
        client.send(&frames::black());
        client.send(&frames::black());
        client
    }

    /// Waits until `more` frames have reached the gate since `started` was read.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_started(&self, since: i64, more: i64) {
        wait::until("a frame at the gate", || self.started() >= since + more);
    }

    fn read(&self, slot: u64) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, slot * 8).unwrap();
        i64::from_le_bytes(bytes)
    }

    fn set_allowed(&self, frames: i64) {
        self.file.write_all_at(&frames.to_le_bytes(), ALLOWED * 8).unwrap();
    }
}
