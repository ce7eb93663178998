//! Buffers that the driver fills and this process reads.

use std::cell::OnceCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;
use std::{io, ptr, slice};

use super::{CAPTURE, Device, MAPPED, Request, raw, v4l2, vidioc, zeroed};

/// A device with its mapped buffers. Streaming ends, and the memory goes back, when it is dropped.
#[derive(Debug)]
pub struct Queue {
    device: Device,
    buffers: Vec<Mapping>,
    /// Why a buffer could not be given back.
    not_given_back: OnceCell<io::Error>,
}

/// A buffer's memory.
#[derive(Debug)]
struct Mapping {
    start: ptr::NonNull<u8>,
    length: usize,
}

/// A buffer that the driver handed over. Dropped, it goes back to the driver.
#[derive(Debug)]
pub struct Filled<'a> {
    queue: &'a Queue,
    memory: &'a Mapping,
    index: u32,
    /// Bytes that the driver wrote.
    used: usize,
    /// Whether the driver marks its content as damaged.
    pub damaged: bool,
    /// The driver's number of the frame.
    pub sequence: u32,
    /// On the monotonic clock; `None` where the driver uses another.
    pub timestamp: Option<Duration>,
}

impl Device {
    fn map(&self, index: u32) -> io::Result<Mapping> {
        let mut buffer = buffer(index);
        self.call(const { &Request::new(vidioc::VIDIOC_QUERYBUF) }, &mut buffer)?;
        let length = buffer.length as usize;
        // SAFETY: of a mapped buffer the kernel sets the offset.
        let offset = libc::off_t::from(unsafe { buffer.m.offset });
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe {
            v4l2::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, self.file.as_raw_fd(), offset)
        }?;
        let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, length })
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        self.call(const { &Request::new(vidioc::VIDIOC_QBUF) }, &mut buffer(index))
    }
}

impl Queue {
    /// Has the driver make about `count` buffers, and maps them.
    pub fn allocate(device: Device, count: u32) -> io::Result<Self> {
        let count = device.request_buffers(count)?;
        let buffers = (0..count).map(|index| device.map(index)).collect::<io::Result<Vec<_>>>()?;
        if buffers.is_empty() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Queue { device, buffers, not_given_back: OnceCell::new() })
    }

    /// Hands all buffers to the driver, and starts streaming.
    pub fn start(&mut self) -> io::Result<()> {
        (0..).zip(&self.buffers).try_for_each(|(index, _)| self.device.queue(index))?;
        let mut kind = CAPTURE.cast_signed();
        self.device.call(const { &Request::new(vidioc::VIDIOC_STREAMON) }, &mut kind)
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How many buffers there are.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Why a buffer could not be given back, where that happened: the driver has fewer of them since.
    pub fn not_given_back(&self) -> Option<&io::Error> {
        self.not_given_back.get()
    }

    /// The oldest filled buffer. `None` where there is none yet.
    pub fn take(&self) -> io::Result<Option<Filled<'_>>> {
        let mut found = buffer(0);
        match self.device.call(const { &Request::new(vidioc::VIDIOC_DQBUF) }, &mut found) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other?,
        }
        let memory = self.buffers.get(found.index as usize).ok_or(io::ErrorKind::InvalidData)?;
        let monotonic = found.flags & raw::V4L2_BUF_FLAG_TIMESTAMP_MASK == raw::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        let at = || {
            let micros = u64::try_from(found.timestamp.tv_usec).ok()?;
            Some(Duration::from_secs(found.timestamp.tv_sec.try_into().ok()?) + Duration::from_micros(micros))
        };
        Ok(Some(Filled {
            queue: self,
            memory,
            index: found.index,
            used: (found.bytesused as usize).min(memory.length),
            damaged: found.flags & raw::V4L2_BUF_FLAG_ERROR != 0,
            sequence: found.sequence,
            timestamp: if monotonic { at() } else { None },
        }))
    }
}

impl Filled<'_> {
    /// Leaves off what stands behind the picture.
    pub fn truncate(&mut self, length: usize) {
        self.used = self.used.min(length);
    }
}

impl AsRef<[u8]> for Filled<'_> {
    /// What the driver wrote.
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `used` bytes at most `length` long, mapped while the queue is borrowed, and the driver has handed them over.
        unsafe { slice::from_raw_parts(self.memory.start.as_ptr(), self.used) }
    }
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.queue.device.queue(self.index) {
            // The first error tells why.
            _ = self.queue.not_given_back.set(error);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut kind = CAPTURE.cast_signed();
        // Fails where the device is gone; there is nothing left to stop then.
        let _ = self.device.call(const { &Request::new(vidioc::VIDIOC_STREAMOFF) }, &mut kind);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped with this length, and nothing borrows it any more. It cannot fail for what was mapped.
        let _ = unsafe { v4l2::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

// SAFETY: the memory belongs to the mapping alone, whichever thread holds it.
unsafe impl Send for Mapping {}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.file.as_fd()
    }
}

fn buffer(index: u32) -> raw::v4l2_buffer {
    raw::v4l2_buffer { index, type_: CAPTURE, memory: MAPPED, ..zeroed() }
}
