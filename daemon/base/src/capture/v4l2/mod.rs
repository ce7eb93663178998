//! V4L2 cameras: finding, listing, opening and reading them. Lives here: everything that knows of Linux's video interface;
//! `sys` alone calls it. Does not live here: when a camera is opened anew after a fault (the supervisor), and what is done
//! with its frames.

mod controls;
mod fault;
mod list;
mod negotiate;
mod offer;
mod open;
mod resolve;
mod stream;
mod sys;
#[cfg(test)]
mod tests_folder;

pub use list::{ControlInfo, DeviceInfo, FormatInfo, MenuEntry, SizeInfo, list, list_below};
pub use open::open;
pub use resolve::{Identity, identity, resolve};
