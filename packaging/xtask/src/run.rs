//! `cargo xtask run`: from a fresh clone to a running daemon.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::Profile;
use crate::{dist, paths};

/// What to try while the daemon runs; it stays in this terminal.
const NEXT: &str = r#"
forgesyted serves on port 8000. In another terminal, try:

  curl http://127.0.0.1:8000/readyz
  curl http://127.0.0.1:8000/v1/pipelines

  {program} load --url 'ws://127.0.0.1:8000/ws/video/stream?pipeline_id=scene' --sessions 4 --fps 10

or stream a JPEG of yours from Python (in a virtual environment with the package websockets):

  python3 - photo.jpg <<'EOF'
  import sys
  from websockets.sync.client import connect

  with connect("ws://127.0.0.1:8000/ws/video/stream?pipeline_id=scene") as stream:
      stream.send(open(sys.argv[1], "rb").read())
      print(stream.recv())
  EOF

Ctrl-C stops it.
"#;

/// Builds a release tree and becomes its daemon, with further arguments for `forgesyted serve`.
///
/// # Errors
/// Those of `dist`, or that the daemon cannot be started. It returns on errors only.
pub fn run(arguments: &[String]) -> Result<()> {
    let tree = paths::target().join("dist");
    let program = dist::dist(Profile::Release, &tree)?;
    eprintln!("{}", NEXT.replace("{program}", &program.display().to_string()));
    let mut serve = Command::new(&program);
    serve.arg("serve");
    // The shipped configuration, and not one that this machine may have installed.
    if !arguments.iter().any(|argument| argument.split('=').next() == Some("--config")) {
        serve.arg("--config").arg(tree.join("etc/forgesyted.toml"));
    }
    let error = serve.args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
