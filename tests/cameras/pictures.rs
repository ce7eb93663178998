//! Pictures of cameras: snapshots, the multipart stream, what is drawn on them.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use forgesyted_tests::{Daemon, frames, wait};

use super::BRIGHTNESS;

/// An open `stream.mjpeg`.
struct Multipart(BufReader<TcpStream>);

impl Multipart {
    fn open(address: SocketAddr, path: &str) -> Multipart {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let head = header(&mut reader);
        assert!(
            head.contains(" 200 ") && head.contains("multipart/x-mixed-replace; boundary=forgesyted-frame"),
            "{head}"
        );
        let head = header(&mut reader);
        assert!(head.starts_with("--forgesyted-frame\r\n") && head.contains("content-type: image/jpeg"), "{head}");
        Multipart(reader)
    }

    /// The next picture, read with all that ends it: the boundary and the header of the one after.
    fn next(&mut self) -> Vec<u8> {
        self.next_or_end().expect("a picture")
    }

    /// The next picture; none at the end of the stream.
    fn next_or_end(&mut self) -> Option<Vec<u8>> {
        const END: &[u8] = b"\r\n--forgesyted-frame\r\nContent-Type: image/jpeg\r\n\r\n";
        let mut part = Vec::new();
        while !part.ends_with(END) {
            if self.0.read_until(b'\n', &mut part).unwrap() == 0 {
                assert_eq!(part, b"", "the stream ends between two pictures");
                return None;
            }
            assert!(part.len() < 16 << 20, "no boundary with the next header in {} bytes", part.len());
        }
        part.truncate(part.len() - END.len());
        Some(part)
    }
}

fn header(reader: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the connection ended after {head:?}");
    }
    head.to_lowercase()
}

fn decoded(jpeg: &[u8]) -> (usize, usize, Vec<u8>) {
    let image = turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::RGB).unwrap();
    (image.width, image.height, image.pixels)
}

#[test]
fn a_snapshot_is_the_cameras_own_jpeg() {
    let frame = frames::synthetic(160, 120);
    let daemon = Daemon::builder().replay("yard", std::slice::from_ref(&frame), "pipeline = \"noop\"").start();
    let snapshot = daemon.get("/v1/cameras/yard/snapshot.jpg");
    assert!(snapshot.head.contains("content-type: image/jpeg") && snapshot.head.contains("no-store"));
    assert_eq!(snapshot.bytes, frame, "nothing is encoded anew");
    for path in ["/v1/cameras/nosuch/snapshot.jpg", "/v1/cameras/yard/nosuch", "/v1/cameras/yard", "/v1/cameras/"] {
        assert_eq!(daemon.get(path).status, 404, "{path}");
    }
}

#[test]
fn an_overlay_draws_the_result_of_the_very_frame() {
    let frame = frames::solid(320, 240, [40, 40, 40]);
    let module = r#"class Boxes(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    box = annotate(Dict[str, Any], {"box": [100, 80, 220, 200], "score": 0.93, "label": "person", "class_id": 0})
    return annotate(Dict[str, Any], {"detections": [box]})
"#;
    let daemon = Daemon::builder()
        .measure("boxes", module)
        .replay("yard", std::slice::from_ref(&frame), "pipeline = \"boxes\"")
        .start();
    let (width, height, pixels) = decoded(&daemon.get("/v1/cameras/yard/snapshot.jpg?overlay=1").bytes);
    assert_eq!((width, height), (320, 240));
    let at = |x: usize, y: usize| &pixels[(y * width + x) * 3..][..3];
    let is_drawn = |x: usize, y: usize| at(x, y).iter().any(|value| value.abs_diff(40) > 40);
    for (x, y) in [(100, 150), (160, 200), (219, 150)] {
        let near = (-2_i32..=2).flat_map(|dx| (-2_i32..=2).map(move |dy| (dx, dy)));
        let drawn = near.into_iter().any(|(dx, dy)| is_drawn((x + dx) as usize, (y + dy) as usize));
        assert!(drawn, "the box's side at {x},{y}");
    }
    assert!(!is_drawn(160, 150) && !is_drawn(20, 220) && !is_drawn(300, 120), "nothing inside the box or far from it");
}

#[test]
fn turned_pictures_are_turned_for_everybody() {
    let left_white: Vec<u8> = {
        let row: Vec<u8> = (0..64).flat_map(|x| [if x < 32 { 255_u8 } else { 0 }; 3]).collect();
        let pixels = row.repeat(32);
        let image = turbojpeg::Image {
            pixels: pixels.as_slice(),
            width: 64,
            pitch: 192,
            height: 32,
            format: turbojpeg::PixelFormat::RGB,
        };
        turbojpeg::compress(image, 95, turbojpeg::Subsamp::None).unwrap().to_vec()
    };
    let daemon = Daemon::builder().replay("yard", &[left_white], "rotate = 90").start();
    let (width, height, pixels) = decoded(&daemon.get("/v1/cameras/yard/snapshot.jpg").bytes);
    assert_eq!((width, height), (32, 64));
    let at = |x: usize, y: usize| pixels[(y * width + x) * 3];
    assert!(at(16, 8) > 200 && at(16, 56) < 50, "what was on the left is above, a quarter turn clockwise");
}

#[test]
fn the_stream_gives_picture_after_picture_at_its_own_rate() {
    let clip = [frames::white(), frames::black()];
    let daemon = Daemon::builder().replay("yard", &clip, "").start();
    let mut slow = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg?fps=5");
    let mut fast = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg?fps=50");
    // Eight pictures at 5 a second take 1.4 s at least; in that time the other stream gives many more.
    let fast = std::thread::spawn(move || {
        for _ in 0..40 {
            assert!(clip.contains(&fast.next()));
        }
    });
    for _ in 0..20 {
        let picture = slow.next();
        assert!(picture == frames::white() || picture == frames::black());
        if fast.is_finished() {
            break;
        }
    }
    assert!(fast.is_finished(), "40 pictures came before 20 of a stream at a tenth of the rate");
    fast.join().unwrap();
    for bad in ["fps=0", "fps=-1", "fps=x", "fps=1e9", "fps=NaN"] {
        assert_eq!(daemon.get(&format!("/v1/cameras/yard/stream.mjpeg?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn the_stream_with_overlay_follows_the_results() {
    let clip = [frames::synthetic(160, 120)];
    let daemon = Daemon::builder().measure("light", BRIGHTNESS).replay("yard", &clip, "pipeline = \"light\"").start();
    let mut stream = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg?overlay=true&fps=50");
    for _ in 0..5 {
        let picture = stream.next();
        assert_ne!(picture, clip[0], "something is drawn");
        assert_eq!(decoded(&picture).0, 160);
    }
    drop(stream);
}

#[test]
fn a_stream_ends_with_the_daemon() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "").start();
    let mut stream = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg");
    stream.next();
    assert_eq!(daemon.stop(), 0);
    let mut rest = Vec::new();
    // The connection is closed, cleanly or not.
    let _ = stream.0.read_to_end(&mut rest);
}

#[test]
fn a_picture_comes_with_the_boundary_that_ends_it() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "").start();
    // The next picture is ten seconds away.
    let mut stream = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg?fps=0.1");
    assert_eq!(stream.next(), frames::white());
    stream.0.get_ref().set_nonblocking(true).unwrap();
    let next = stream.0.fill_buf().map(<[u8]>::len).map_err(|error| error.kind());
    assert_eq!(next, Err(ErrorKind::WouldBlock), "the boundary came before the next picture");
}

#[test]
fn a_slow_reader_has_one_picture_waiting_at_most() {
    let picture = frames::from_fn(1280, 720, |x, y| [(x * y) as u8, (x * 31) as u8, (y * 57) as u8]);
    let daemon = Daemon::builder().replay("yard", std::slice::from_ref(&picture), "always_on = true").start();
    let mut stream = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg?fps=60");
    stream.next();
    let frames = || daemon.camera("yard")["frames"].as_u64().unwrap();
    let before = frames();
    wait::until("a hundred more frames of the camera", || frames() > before + 100);
    let (ours, theirs) = (stream.0.get_ref().local_addr().unwrap().port(), daemon.address().port());
    let waiting = unacknowledged(theirs, ours);
    assert!(waiting <= 2 * picture.len(), "{waiting} bytes wait; a picture has {}", picture.len());
    // It goes on where it was.
    for _ in 0..20 {
        assert!(stream.next() == picture);
    }
}

/// What the kernel keeps of a connection from one local port to another until the other side has it.
fn unacknowledged(from: u16, to: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (from, to) = (format!(":{from:04X}"), format!(":{to:04X}"));
    let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = row.into_iter().find(|row| row[1].ends_with(&from) && row[2].ends_with(&to)).unwrap();
    usize::from_str_radix(row[4].split_once(':').unwrap().0, 16).unwrap()
}

#[test]
fn a_stream_ends_when_its_camera_goes() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "").start();
    let mut stream = Multipart::open(daemon.address(), "/v1/cameras/yard/stream.mjpeg");
    stream.next();
    std::fs::rename(daemon.file("yard"), daemon.file("gone")).unwrap();
    daemon.wait_camera("yard", "down");
    while stream.next_or_end().is_some() {}
    let answer = daemon.get("/v1/cameras/yard/stream.mjpeg");
    assert!(answer.status == 503 && answer.body.contains("the camera is down"), "{}", answer.body);
}
