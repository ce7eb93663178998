//! Replays of real files, on a clock of the test's own.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder of one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("forgesyted-replay-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, name: &str, fps: f64) -> Result<Replay, Fault> {
        Replay::open(&self.0.join(name), fps)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A JPEG as far as markers go, 64x48, with this picture.
fn jpeg(picture: &str) -> Vec<u8> {
    let header = [0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 2];
    [&header[..], picture.as_bytes(), &[0xFF, 0xD9]].concat()
}

fn picture(jpeg: &[u8]) -> String {
    String::from_utf8_lossy(&jpeg[19..jpeg.len() - 2]).into_owned()
}

/// Steps to a time and returns the picture that was shown, and what was drained.
fn step(replay: &mut Replay, ms: u64) -> (Option<String>, Drained) {
    let (held, drained) = replay.step(Duration::from_millis(ms)).unwrap();
    (held.map(|held| picture(held.bytes())), drained)
}

fn drained(skipped: u64, bad: u64) -> Drained {
    Drained { skipped, bad, lost: 0 }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_file_is_played_in_a_loop_and_who_is_late_gets_the_newest() {
    let folder = Folder::new();
    folder.write("clip", &[b"junk".to_vec(), jpeg("a"), b"--junk".to_vec(), jpeg("b"), jpeg("c")].concat());
    let mut replay = folder.open("clip", 10.0).unwrap();
    for (ms, shown, expected) in [
        (0, some("a"), drained(0, 0)),
        (50, None, drained(0, 0)),
        (99, None, drained(0, 0)),
        (100, some("b"), drained(0, 0)),
        (250, some("c"), drained(0, 0)),
        (399, some("a"), drained(0, 0)),
        // b, c, a and b are due: three gave way.
        (799, some("b"), drained(3, 0)),
        (799, None, drained(0, 0)),
        (60_000, some("a"), drained(592, 0)),
    ] {
        assert_eq!(step(&mut replay, ms), (shown, expected), "at {ms}");
    }
}

#[test]
fn what_was_agreed() {
    let folder = Folder::new();
    let path = folder.write("clip.mjpeg", &[jpeg("a"), jpeg("b")].concat());
    let replay = open(&path, 12.5).unwrap();
    let agreed = replay.agreed();
    assert_eq!((agreed.path.as_path(), agreed.card.as_str()), (path.as_path(), "clip.mjpeg (2 frames)"));
    assert_eq!((agreed.driver.as_str(), agreed.encoding), ("replay", Encoding::Jpeg));
    assert_eq!((agreed.width, agreed.height, agreed.stride, agreed.fps), (64, 48, 0, 12.5));
    assert!(format!("{replay:?}").starts_with("Replay"), "{replay:?}");
}

#[test]
fn the_jpegs_of_a_folder_are_played_by_name() {
    let folder = Folder::new();
    folder.write("b.JPG", &[jpeg("b"), b"padding".to_vec(), jpeg("second picture")].concat());
    folder.write("a.jpeg", &jpeg("a"));
    folder.write("c.jpg", &jpeg("c"));
    folder.write("notes.txt", &jpeg("no"));
    folder.write("._a.jpeg", b"what macOS keeps of a file");
    folder.write(".b.jpg", &jpeg("hidden"));
    let mut replay = folder.open("", 1.0).unwrap();
    let shown: Vec<_> = (0..4).map(|second| step(&mut replay, second * 1000).0.unwrap()).collect();
    assert_eq!(shown, ["a", "b", "c", "a"]);
}

#[test]
fn numbers_in_names_are_numbers() {
    let folder = Folder::new();
    for number in ["10", "2", "1", "100"] {
        folder.write(&format!("frame_{number}.jpg"), &jpeg(number));
    }
    let mut replay = folder.open("", 1.0).unwrap();
    let shown: Vec<_> = (0..4).map(|second| step(&mut replay, second * 1000).0.unwrap()).collect();
    assert_eq!(shown, ["1", "2", "10", "100"]);
}

#[test]
fn damaged_frames_keep_their_time_and_are_counted() {
    let folder = Folder::new();
    let cut = &jpeg("cut off")[..21];
    let no_size = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 1, 0xFF, 0xD9];
    folder.write("clip", &[&jpeg("a"), cut, &no_size, &jpeg("b")].concat());
    for (name, bytes) in [("a.jpg", &jpeg("a")[..]), ("b.jpg", cut), ("c.jpg", &no_size), ("d.jpg", &jpeg("b"))] {
        folder.write(name, bytes);
    }
    for name in ["clip", ""] {
        let mut replay = folder.open(name, 10.0).unwrap();
        for (ms, shown, expected) in [
            (0, some("a"), drained(0, 0)),
            (100, None, drained(0, 1)),
            (200, None, drained(0, 1)),
            (300, some("b"), drained(0, 0)),
            // a, and two damaged ones behind it: the newest whole one is shown.
            (600, some("a"), drained(0, 2)),
            // b, a, and two damaged ones.
            (1000, some("a"), drained(1, 2)),
        ] {
            assert_eq!(step(&mut replay, ms), (shown, expected), "{name:?} at {ms}");
        }
    }
}

#[test]
fn a_frame_that_is_too_large_is_damaged() {
    let folder = Folder::new();
    let large = jpeg(&"x".repeat(64 * 1024 * 1024));
    folder.write("clip", &[&large[..], &jpeg("a")].concat());
    folder.write("large.jpg", &large);
    folder.write("small.jpg", &jpeg("a"));
    for name in ["clip", ""] {
        let mut replay = folder.open(name, 1.0).unwrap();
        assert_eq!(step(&mut replay, 0), (None, drained(0, 1)), "{name:?}");
        assert_eq!(step(&mut replay, 1000), (some("a"), drained(0, 0)), "{name:?}");
        assert!(replay.buffer.len() < 100);
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("empty")).unwrap();
    fs::create_dir(folder.0.join("broken")).unwrap();
    fs::create_dir(folder.0.join("link")).unwrap();
    folder.write("broken/a.jpg", b"GIF89a");
    folder.write("text", b"no picture");
    folder.write("nothing", b"");
    std::os::unix::fs::symlink("nowhere", folder.0.join("link/a.jpg")).unwrap();
    for (name, reason, words) in [
        ("gone", Reason::NoSuchDevice, "There is no "),
        ("text/below", Reason::NoSuchDevice, "There is no "),
        ("empty", Reason::BadFormat, "which has 0 files *.jpg or *.jpeg"),
        ("broken", Reason::BadFormat, "which has 1 files *.jpg or *.jpeg"),
        ("link", Reason::NoSuchDevice, "/link/a.jpg; put"),
        ("text", Reason::BadFormat, "No whole JPEG was found in "),
        ("nothing", Reason::BadFormat, "No whole JPEG was found in "),
    ] {
        let fault = folder.open(name, 30.0).unwrap_err();
        assert_eq!(fault.reason, reason, "{name}: {fault}");
        assert!(fault.detail.contains(words) && fault.detail.contains(name), "{name}: {fault}");
    }
    let fault = Replay::open(std::path::Path::new("/dev/null"), 30.0).unwrap_err();
    assert_eq!(fault.reason, Reason::BadFormat, "{fault}");
    assert!(fault.detail.contains("neither a file nor a folder"), "{fault}");
    for fps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(folder.open("text", fps).unwrap_err().reason, Reason::BadFormat, "{fps}");
    }
}

/// Whether a step fails, and why.
fn fault(replay: &mut Replay, ms: u64) -> Option<Reason> {
    replay.step(Duration::from_millis(ms)).err().map(|fault| fault.reason)
}

#[test]
fn a_file_that_changes_while_it_is_played_is_a_fault() {
    let folder = Folder::new();
    let whole = [jpeg("a"), jpeg("b")].concat();
    let clip = folder.write("clip", &whole);
    let open = || {
        let mut replay = folder.open("clip", 1.0).unwrap();
        assert_eq!(step(&mut replay, 0).0, some("a"));
        replay
    };
    let mut shrunk = open();
    fs::File::options().write(true).open(&clip).unwrap().set_len(5).unwrap();
    assert_eq!(fault(&mut shrunk, 1000), Some(Reason::IoError));
    folder.write("clip", &whole);
    let mut replaced = open();
    folder.write("other", &[jpeg("c"), jpeg("d")].concat());
    fs::rename(folder.0.join("other"), &clip).unwrap();
    assert_eq!(fault(&mut replaced, 1000), Some(Reason::IoError));
    folder.write("clip", &whole);
    let mut gone = open();
    fs::remove_file(&clip).unwrap();
    assert_eq!(fault(&mut gone, 1000), Some(Reason::NoSuchDevice));
    assert_eq!(folder.open("clip", 1.0).unwrap_err().reason, Reason::NoSuchDevice);
}

#[test]
fn a_folder_that_loses_files_plays_the_rest() {
    let folder = Folder::new();
    let (a, b) = (folder.write("a.jpg", &jpeg("a")), folder.write("b.jpg", &jpeg("b")));
    folder.write("c.jpg", &jpeg("c"));
    let mut replay = folder.open("", 1.0).unwrap();
    assert_eq!(step(&mut replay, 0).0, some("a"));
    fs::remove_file(&b).unwrap();
    assert_eq!(step(&mut replay, 1000), (None, drained(0, 1)));
    assert_eq!(step(&mut replay, 2000).0, some("c"));
    fs::write(&a, b"no JPEG").unwrap();
    assert_eq!(step(&mut replay, 3000), (None, drained(0, 1)));
    fs::remove_file(folder.0.join("c.jpg")).unwrap();
    assert_eq!(step(&mut replay, 4000), (None, drained(0, 1)));
    // A whole round without a picture.
    assert_eq!(fault(&mut replay, 5000), Some(Reason::IoError));
    let mut replay = {
        folder.write("a.jpg", &jpeg("a"));
        folder.open("", 1.0).unwrap()
    };
    fs::remove_dir_all(&folder.0).unwrap();
    assert_eq!(fault(&mut replay, 0), Some(Reason::NoSuchDevice));
}

#[test]
fn the_real_clock_brings_frames_in_order_and_patience_ends() {
    let folder = Folder::new();
    let clip = folder.write("clip", &[jpeg("a"), jpeg("b")].concat());
    let mut replay = open(&clip, 100.0).unwrap();
    let mut times = Vec::new();
    while times.len() < 5 {
        times.extend(replay.next(Duration::from_secs(60)).unwrap().0.map(|held| held.captured_at));
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(times.iter().all(|time| *time <= Instant::now()));
    let mut slow = open(&clip, 0.1).unwrap();
    assert!(slow.next(Duration::ZERO).unwrap().0.is_some());
    // Ten seconds to the next one.
    let (held, drained) = slow.next(Duration::from_millis(1)).unwrap();
    assert!(held.is_none() && drained == Drained::default());
}
