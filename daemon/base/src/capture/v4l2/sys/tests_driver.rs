//! A driver for tests, in place of the kernel's: it gives what it is told to, and knows who has which buffer. Each thread has
//! its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Device, raw, vidioc};

/// What it gives when it is asked for a frame.
pub enum Gives {
    Frame(Vec<u8>),
    Error(i32),
}

struct Driver {
    memory: File,
    gives: VecDeque<Gives>,
    /// Buffers that were handed to it, the first one first.
    has: Vec<u32>,
    streams: bool,
    /// The error with which it refuses buffers.
    refuses: Option<i32>,
    /// What it was asked that nobody may ask.
    wrong: Vec<String>,
}

/// Buffers that it makes.
const BUFFERS: u32 = 4;
/// Bytes of a buffer: a multiple of every machine's page.
const LENGTH: u32 = 1 << 16;

thread_local! {
    static DRIVER: RefCell<Option<Driver>> = const { RefCell::new(None) };
}

/// Its device, which has its buffers in a new file at `path`.
pub fn device(path: &Path, gives: Vec<Gives>) -> Device {
    let memory = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    memory.set_len(u64::from(BUFFERS * LENGTH)).unwrap();
    let file = memory.try_clone().unwrap();
    let driver =
        Driver { memory, gives: gives.into(), has: Vec::new(), streams: false, refuses: None, wrong: Vec::new() };
    DRIVER.set(Some(driver));
    Device { file, ioctl }
}

/// The buffers that it has, by number.
pub fn has() -> Vec<u32> {
    let mut has = with(|driver| driver.has.clone());
    has.sort_unstable();
    has
}

/// Whether its stream is on.
pub fn streams() -> bool {
    with(|driver| driver.streams)
}

/// What it was asked that nobody may ask.
pub fn wrong() -> Vec<String> {
    with(|driver| driver.wrong.clone())
}

/// Has it refuse buffers from now on.
pub fn refuse(errno: i32) {
    with(|driver| driver.refuses = Some(errno));
}

fn with<T>(look: impl FnOnce(&mut Driver) -> T) -> T {
    DRIVER.with_borrow_mut(|driver| look(driver.as_mut().unwrap()))
}

/// # Safety
/// As for the kernel's: the argument is the request's.
unsafe fn ioctl(_: libc::c_int, request: vidioc::_IOC_TYPE, argument: *mut libc::c_void) -> io::Result<()> {
    // SAFETY: requests about one buffer have this argument.
    let buffer = || unsafe { &mut *argument.cast::<raw::v4l2_buffer>() };
    with(|driver| match request {
        vidioc::VIDIOC_REQBUFS => {
            // SAFETY: the request's argument.
            unsafe { &mut *argument.cast::<raw::v4l2_requestbuffers>() }.count = BUFFERS;
            Ok(())
        }
        vidioc::VIDIOC_QUERYBUF => {
            buffer().length = LENGTH;
            buffer().m.offset = buffer().index * LENGTH;
            Ok(())
        }
        vidioc::VIDIOC_QBUF => driver.queue(buffer().index),
        vidioc::VIDIOC_DQBUF => driver.dequeue(buffer()),
        vidioc::VIDIOC_STREAMON | vidioc::VIDIOC_STREAMOFF => {
            driver.streams = request == vidioc::VIDIOC_STREAMON;
            Ok(())
        }
        _ => refusal(libc::ENOTTY),
    })
}

impl Driver {
    fn queue(&mut self, index: u32) -> io::Result<()> {
        if let Some(errno) = self.refuses {
            return refusal(errno);
        }
        if index >= BUFFERS || self.has.contains(&index) {
            self.wrong.push(format!("buffer {index} was handed over, and it had {:?}", self.has));
            return refusal(libc::EINVAL);
        }
        self.has.push(index);
        Ok(())
    }

    fn dequeue(&mut self, buffer: &mut raw::v4l2_buffer) -> io::Result<()> {
        let bytes = match self.gives.pop_front() {
            None => return refusal(libc::EAGAIN),
            Some(Gives::Error(errno)) => return refusal(errno),
            Some(Gives::Frame(bytes)) => bytes,
        };
        if self.has.is_empty() || !self.streams {
            self.wrong.push("a frame was asked for, and there was no buffer for it".to_owned());
            return refusal(libc::EINVAL);
        }
        buffer.index = self.has.remove(0);
        buffer.bytesused = bytes.len() as u32;
        self.memory.write_all_at(&bytes, u64::from(buffer.index * LENGTH))
    }
}

fn refusal(errno: i32) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(errno))
}
