//! Cameras of the VM's kernel, for tests and benchmarks. Lives here: loading drivers (`driver`), the two drivers' cameras
//! (`vivid`, `loopback`), a USB camera of software (`uvc`), and `v4l2-ctl`, which shows what they do to any program (`ctl`).

pub mod ctl;
pub mod driver;
pub mod loopback;
pub mod uvc;
pub mod vivid;

pub use ctl::Capture;
pub use loopback::Loopback;
pub use uvc::{Usb, UsbCamera};
pub use vivid::Vivid;
