//! Every call into the kernel's video interface: the only folder that names the `v4l` crate, or is unsafe here.
//!
//! Safe code is not enough: `ioctl` and `mmap` take raw pointers, and the safe half of `v4l` panics on names, types and
//! fields that it does not know, blocks for ever when a camera goes away, and panics when a stream of a lost camera is
//! dropped. So its numbers and structs are used, and nothing else. What holds:
//!
//! - A request's number carries the size of its argument, checked when this is compiled. No argument made here leads the
//!   kernel to further memory: buffers are single-planar and mapped, and controls are set by number.
//! - Arguments are structs and unions of integers, for which zeros and whatever the kernel writes are valid values.
//! - A mapping lives as long as its [`Queue`]. Its bytes are seen only through a [`Filled`], which borrows the queue,
//!   exists from the moment the driver hands the buffer over, and gives it back when dropped, once, also when a panic
//!   unwinds: so bytes that are being read stay mapped, and a device does not write to them. A loopback device's feeder is a program that could: bytes are plain data,
//!   and whoever uses them copies them before judging them.
#![allow(unsafe_code)]

mod query;
mod queue;
#[cfg(test)]
pub(super) mod tests_driver;

use std::fs::{File, OpenOptions};
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::{io, mem, ptr};

use v4l::v4l_sys as raw;
use v4l::v4l2::{self, vidioc};

pub(super) use query::{Capability, Format};
pub(super) use queue::{Filled, Queue};

const CAPTURE: u32 = raw::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
const MAPPED: u32 = raw::v4l2_memory_V4L2_MEMORY_MMAP;

/// A request's number, with the type of its argument.
struct Request<T>(vidioc::_IOC_TYPE, PhantomData<T>);

/// Arguments of requests.
///
/// # Safety
/// Integers all through: any bytes are a valid value.
unsafe trait Argument: Copy {}

macro_rules! arguments {
    ($($name:ident)*) => {
        // SAFETY: C structs of integers and of unions of integers. (A buffer's union has a pointer to planes too, which is
        // never read here.)
        $(unsafe impl Argument for raw::$name {})*
    };
}
arguments!(v4l2_capability v4l2_fmtdesc v4l2_frmsizeenum v4l2_frmivalenum v4l2_format v4l2_pix_format v4l2_streamparm
    v4l2_captureparm v4l2_query_ext_ctrl v4l2_querymenu v4l2_control v4l2_requestbuffers v4l2_buffer);
// SAFETY: an integer.
unsafe impl Argument for libc::c_int {}

/// An open device node. Closed when dropped.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    ioctl: Ioctl,
}

/// What carries out requests: the kernel, or a test's driver.
type Ioctl = unsafe fn(libc::c_int, vidioc::_IOC_TYPE, *mut libc::c_void) -> io::Result<()>;

impl<T: Argument> Request<T> {
    const fn new(number: vidioc::_IOC_TYPE) -> Self {
        assert!((number >> 16) as usize & 0x3fff == mem::size_of::<T>());
        Request(number, PhantomData)
    }
}

impl Device {
    /// Opens a node so that no call on it waits.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Device { file, ioctl: v4l2::ioctl })
    }

    /// The open node's own metadata.
    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    fn call<T: Argument>(&self, request: &Request<T>, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the argument is a live T, which the request was made for, and leads to no other memory.
            let result = unsafe { (self.ioctl)(self.file.as_raw_fd(), request.0, ptr::from_mut(argument).cast()) };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Asks for mapped buffers; gives how many there are. With 0 nothing changes, but it shows whether another program
    /// captures.
    pub fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut request = raw::v4l2_requestbuffers { count, type_: CAPTURE, memory: MAPPED, ..zeroed() };
        self.call(const { &Request::new(vidioc::VIDIOC_REQBUFS) }, &mut request)?;
        Ok(request.count)
    }
}

fn zeroed<T: Argument>() -> T {
    // SAFETY: any bytes are valid for an argument.
    unsafe { mem::zeroed() }
}
