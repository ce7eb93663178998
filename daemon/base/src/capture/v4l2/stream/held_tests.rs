//! Who has a buffer, and for how long: on a driver that keeps account.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::capture::v4l2::sys::tests_driver::{self as driver, Gives};
use crate::capture::v4l2::tests_folder::Folder;
use crate::frame::PixelLayout;

const ALL: [u32; 4] = [0, 1, 2, 3];

/// Frames of 4x2 grey pixels; the folder has the buffers.
fn stream(name: &str, gives: Vec<Gives>) -> (Folder, Stream) {
    let folder = Folder::new(name);
    let path = folder.path.join("video");
    let mut queue = Queue::allocate(driver::device(&path, gives), 4).unwrap();
    queue.start().unwrap();
    let agreed = Agreed {
        path,
        card: String::new(),
        driver: String::new(),
        encoding: Encoding::Raw(PixelLayout::Grey),
        width: 4,
        height: 2,
        stride: 4,
        fps: 30.0,
    };
    (folder, Stream::new(queue, agreed).unwrap())
}

fn whole(byte: u8) -> Gives {
    // What a driver writes behind the picture is not of it.
    Gives::Frame(vec![byte; 20])
}

fn short() -> Gives {
    Gives::Frame(vec![0; 7])
}

#[test]
fn the_newest_frame_is_held_until_it_is_dropped() {
    let (_folder, mut stream) = stream("held", vec![whole(1), short(), whole(2)]);
    let (held, drained) = stream.next(LONGEST_WAIT).unwrap();
    let held = held.unwrap();
    assert_eq!(held.bytes(), [2; 8]);
    assert_eq!(drained, Drained { skipped: 1, bad: 1, lost: 0 });
    assert_eq!(driver::has(), [0, 1, 3], "the others went back at once");
    drop(held);
    assert_eq!(driver::has(), ALL);
    assert!(stream.next(LONGEST_WAIT).unwrap().0.is_none());
    assert!(driver::streams());
    drop(stream);
    assert!(!driver::streams());
    assert_eq!(driver::wrong(), [""; 0]);
}

#[test]
fn every_buffer_goes_round_again_and_again() {
    let gives = (0..200).map(|number| if number % 3 == 0 { short() } else { whole(number) }).collect();
    let (_folder, mut stream) = stream("round", gives);
    let mut frames = 0;
    while frames < 200 {
        let (held, drained) = stream.next(LONGEST_WAIT).unwrap();
        frames += u64::from(held.is_some()) + drained.skipped + drained.bad;
        assert_eq!(driver::has().len(), if held.is_some() { 3 } else { 4 });
    }
    assert_eq!((driver::has(), driver::wrong()), (ALL.to_vec(), vec![]));
}

#[test]
fn a_panic_over_a_frame_gives_it_back() {
    let (_folder, mut stream) = stream("panic", vec![whole(1), whole(2)]);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let (held, _) = stream.next(LONGEST_WAIT).unwrap();
        assert_eq!((held.is_some(), driver::has().len()), (true, 3));
        panic!("over a frame");
    }));
    assert!(caught.is_err());
    assert_eq!((driver::has(), driver::wrong()), (ALL.to_vec(), vec![]));
}

#[test]
fn an_error_after_frames_gives_them_back() {
    for (number, before) in
        [vec![], vec![whole(1)], vec![short()], vec![whole(1), short(), whole(2)]].into_iter().enumerate()
    {
        let gives = before.into_iter().chain([Gives::Error(libc::ENODEV)]).collect();
        let (_folder, mut stream) = stream(&format!("error-{number}"), gives);
        assert_eq!(stream.next(LONGEST_WAIT).unwrap_err().reason, Reason::Disconnected);
        assert_eq!((driver::has(), driver::wrong()), (ALL.to_vec(), vec![]), "{number}");
    }
}

#[test]
fn errors_that_may_cost_a_frame_are_borne_twice() {
    let error = || Gives::Error(libc::EIO);
    let (_folder, mut stream) = stream("strikes", vec![whole(1), error(), error(), error()]);
    let (held, drained) = stream.next(LONGEST_WAIT).unwrap();
    assert_eq!((held.map(|held| held.bytes().to_vec()), drained.bad), (Some(vec![1; 8]), 1));
    assert_eq!(stream.next(LONGEST_WAIT).unwrap().1.bad, 1);
    assert_eq!(stream.next(LONGEST_WAIT).unwrap_err().reason, Reason::IoError);
    assert_eq!((driver::has(), driver::wrong()), (ALL.to_vec(), vec![]));
}

#[test]
fn a_buffer_that_the_driver_does_not_take_back_is_a_fault_at_the_next_look() {
    let (_folder, mut stream) = stream("refused", vec![whole(1), whole(2), whole(3)]);
    let (held, _) = stream.next(LONGEST_WAIT).unwrap();
    driver::refuse(libc::ENODEV);
    drop(held);
    assert_eq!(stream.next(LONGEST_WAIT).unwrap_err().reason, Reason::Disconnected);
    assert_eq!(driver::wrong(), [""; 0]);
}
