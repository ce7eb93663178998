//! Tests against real drivers of a real kernel, in the VM that `cargo xtask test-vm` boots.
//!
//! Lives here: what must be true of a daemon that has cameras of the drivers `vivid`, `v4l2loopback` and `uvcvideo`, and of
//! the installed service that has them (`sandbox`). Does not live here: the VM (`packaging/xtask/src/vm`), those cameras and the daemon's fixtures (`support/`).
//!
//! Every test is `#[ignore]`d, so that other test runs show it and leave it: it loads drivers, which takes root and is felt
//! by the whole machine. The VM runs ignored tests too, one at a time.

mod daemon;
mod faults;
mod formats;
mod loopback;
mod sandbox;
mod usb;
mod vivid;
