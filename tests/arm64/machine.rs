//! The packages on a whole machine: its own kernel, and systemd as on a board.

use forgesyted_tests::{Client, frames};
use xtask::arm64::MACHINE_VARIABLE;

#[test]
#[ignore = "needs the installed packages: cargo xtask test-arm64"]
fn the_service_starts_at_boot_and_serves() {
    let address = std::env::var(MACHINE_VARIABLE);
    let address = address.unwrap_or_else(|_| panic!("{MACHINE_VARIABLE} is not set: run cargo xtask test-arm64"));
    let mut client = Client::connect(address.parse().unwrap(), "pipeline_id=scene");
    for (frame, brightness) in [(frames::white(), 1.0), (frames::black(), 0.0)] {
        let result = client.ask(&frame);
        assert_eq!(result["brightness"].as_f64(), Some(brightness), "{result}");
    }
    assert_eq!(client.close(1000), 1000);
}
