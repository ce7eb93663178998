//! The daemon as it runs in the VM.

use forgesyted_tests::modules::module;
use forgesyted_tests::{Daemon, frames};

#[test]
#[ignore = "runs in the VM: cargo xtask test-vm"]
fn the_daemon_serves_a_client() {
    let daemon = Daemon::builder().measure("brightness", &module("float", "return float(torch.mean(x))")).start();
    let result = daemon.client("brightness").ask(&frames::white());
    assert_eq!(result["brightness"].as_f64(), Some(1.0), "{result}");
    assert_eq!(daemon.stop(), 0);
}
