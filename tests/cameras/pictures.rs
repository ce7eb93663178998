//! Pictures of cameras: snapshots, the multipart stream, what is drawn on them.

use std::io::{BufRead, BufReader, Read, Write};
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
        Multipart(reader)
    }

    /// The next picture.
    fn next(&mut self) -> Vec<u8> {
        let head = header(&mut self.0);
        assert!(head.starts_with("--forgesyted-frame\r\n") && head.contains("content-type: image/jpeg"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let mut jpeg = vec![0; length];
        self.0.read_exact(&mut jpeg).unwrap();
        let mut end = [0; 2];
        self.0.read_exact(&mut end).unwrap();
        assert_eq!(&end, b"\r\n");
        jpeg
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
