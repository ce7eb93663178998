//! Clients that mean harm: what they send costs the daemon no more than its bounds, and others nothing.

use forgesyted_tests::raw::Raw;
use forgesyted_tests::{Daemon, frames};
use serde_json::json;

const PING: u8 = 0x89;

#[test]
fn a_flood_of_pings_that_nobody_reads_the_pongs_of_costs_bounded_memory() {
    let daemon = Daemon::builder().start();
    let mut other = daemon.client("noop");
    other.ask(&frames::white());
    let before = daemon.resident_bytes();
    let mut flood = Raw::upgrade(daemon.address(), "pipeline_id=noop");
    let mut pings = Vec::new();
    while pings.len() < 1 << 20 {
        pings.extend([PING, 0x80 | 125, 0, 0, 0, 0]);
        pings.extend([b'p'; 125]);
    }
    for _ in 0..64 {
        assert!(flood.try_send(&pings), "the daemon reads on");
    }
    assert_eq!(other.ask(&frames::white()), json!({}), "others are served");
    let grown = daemon.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "64 MiB of pings left {grown} bytes");
}

#[test]
fn a_jpeg_of_many_scans_is_refused() {
    // A progressive picture (SOF2) whose scans refine nothing: each costs the decoder a pass over all of it.
    let jpeg = |scans: usize| {
        let mut jpeg = vec![0xFF, 0xD8];
        jpeg.extend([&[0xFF, 0xDB, 0, 67, 0][..], &[1; 64]].concat());
        jpeg.extend([0xFF, 0xC2, 0, 11, 8, 0x04, 0, 0x04, 0, 1, 1, 0x11, 0]);
        // One Huffman code of one bit: the symbol 0, "no difference" for DC and "end of band" for AC.
        for class in [0x00, 0x10] {
            jpeg.extend([&[0xFF, 0xC4, 0, 20, class, 1][..], &[0; 15], &[0]].concat());
        }
        jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0x00, 0, 0, 0x00]);
        jpeg.extend([0; 2048]);
        for _ in 0..scans {
            jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0x00, 1, 63, 0x00]);
            jpeg.extend([0; 2048]);
        }
        jpeg.extend([0xFF, 0xD9]);
        jpeg
    };
    let daemon = Daemon::builder().measure("mean", &forgesyted_tests::modules::module("float", "return 1.0")).start();
    let mut client = daemon.client("mean");
    client.send(&jpeg(60));
    let (before, detail) = client.ends_in("invalid_frame", 1007);
    assert!(before.is_empty() && detail.contains("scans"), "{before:?} {detail}");
}
