//! What reads bytes from outside, one function a target: each takes any bytes, and panics where a promise does not hold. `bin/` gives
//! them to libFuzzer (`cargo xtask fuzz`), and the test `corpora` gives them what is in `corpus/`.

use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, ReadBuf};

// Where the daemon has what is tested; nothing below names a path of it.
use base::config;
use base::frame::jpeg;
use base::frame::padding;
use base::frame::split::{Piece, Splitter};
use base::frame::validator::{FrameLimits, validate};
use base::frame::{Frame, FrameData, PixelLayout, RawPicture, Rotation};
use engine::files::{self, paths};
use engine::pipeline::definition;
use engine::pipeline::gate::Gate;
use engine::pipeline::graph::{self, GraphNode};
use engine::pipeline::image::{Decoder, ImageNeed};
use engine::server::{auth, forwarded, headers, query};
use engine::session::Peer;
use engine::source::frame_heads::Heads;
use load::{reply, wire};

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("avi", avi),
    ("configuration", configuration),
    ("messages", messages),
    ("mp4", mp4),
    ("pictures", pictures),
    ("pipeline", pipeline),
    ("png", png),
    ("raw", raw),
    ("requests", requests),
    ("split", split),
    ("websocket", websocket),
];

/// Small pictures only, so that a round takes little time.
const LIMITS: FrameLimits = FrameLimits { max_bytes: 1 << 20, max_pixels: 1 << 18 };

/// A frame of a client or a camera: the validator, the JPEG's markers, the end of a camera's frame, and the decoder.
pub fn pictures(data: &[u8]) {
    if let Some(whole) = padding::complete(data) {
        assert!(data.starts_with(whole) && whole.starts_with(&[0xff, 0xd8]) && whole.ends_with(&[0xff, 0xd9]));
    }
    if let Some(whole) = jpeg::up_to_last_end(data) {
        assert!(data.starts_with(whole) && whole.ends_with(&[0xff, 0xd9]));
    }
    let Ok(size) = validate(data, LIMITS) else { return };
    let (width, height) = (usize::from(size.width), usize::from(size.height));
    assert!(width * height <= LIMITS.max_pixels as usize && jpeg::up_to_last_end(data).is_some());
    let frame = Frame::jpeg(Bytes::copy_from_slice(data));
    for need in [ImageNeed::Whole, ImageNeed::AtLeast(32, 24)] {
        let mut decoder = Decoder::default();
        let Ok(picture) = decoder.decode(&frame, need) else { continue };
        // What the validator let pass is what the decoder makes.
        assert_eq!(picture.frame_size, (width, height));
        assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
    }
}

/// A file of JPEGs, whatever lies between them: found alike however the file is cut up.
pub fn split(data: &[u8]) {
    let pieces = |chunk: usize| {
        let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
        data.chunks(chunk).for_each(|bytes| splitter.feed(bytes, &mut |piece| pieces.push(piece)));
        splitter.finish(&mut |piece| pieces.push(piece));
        pieces
    };
    let whole = pieces(usize::MAX);
    let mut end = 0;
    for piece in &whole {
        let Piece::Whole(range) = piece else { continue };
        assert!(end <= range.start && range.start < range.end && range.end <= data.len() as u64, "{whole:?}");
        end = range.end;
    }
    assert_eq!(whole, pieces(1));
    assert_eq!(whole, pieces(7));
}

/// A raw picture: layout, turn and size from the first bytes, the picture from the rest.
pub fn raw(data: &[u8]) {
    let Some((&[layout, turn, w0, w1, h0, h1, s0, s1], bytes)) = data.split_first_chunk() else { return };
    let number = |low, high| usize::from(u16::from_le_bytes([low, high]));
    let Some(&layout) = PixelLayout::ALL.get(usize::from(layout) % PixelLayout::ALL.len()) else { return };
    let turns = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
    let (width, height, stride) = (number(w0, w1), number(h0, h1), number(s0, s1));
    let data = FrameData::Raw(RawPicture { layout, width, height, stride, bytes: Bytes::copy_from_slice(bytes) });
    let rotation = turns.get(usize::from(turn) % turns.len()).copied().unwrap_or_default();
    let mut decoder = Decoder::default();
    if let Ok(picture) = decoder.decode(&Frame { data, rotation }, ImageNeed::Whole) {
        let turned = matches!(rotation, Rotation::Quarter | Rotation::ThreeQuarters);
        let expected = if turned { (height, width) } else { (width, height) };
        assert_eq!((picture.width, picture.height), expected);
        assert_eq!(picture.rgb.len(), width * height * 3);
    }
}

/// An AVI file.
pub fn avi(data: &[u8]) {
    file(paths::Kind::Avi, data);
}

/// An MP4 file, with H.264 in it. A fragment may say that it has four billion samples and list none: symphonia-format-isomp4 0.6.1 counts
/// them one by one, for seconds, which libFuzzer may call a timeout.
pub fn mp4(data: &[u8]) {
    file(paths::Kind::Mp4, data);
}

/// A PNG file.
pub fn png(data: &[u8]) {
    file(paths::Kind::Png, data);
}

/// A pipeline file: its shape, the order of its nodes and the conditions of each.
pub fn pipeline(data: &[u8]) {
    let Ok(definition) = definition::parse(&String::from_utf8_lossy(data)) else { return };
    let node =
        |node: &'_ definition::NodeDefinition| -> (String, Vec<String>) { (node.id.clone(), node.inputs.clone()) };
    let nodes: Vec<(String, Vec<String>)> = definition.nodes.iter().map(node).collect();
    let nodes: Vec<GraphNode<'_>> = nodes
        .iter()
        .map(|(id, inputs)| GraphNode { id, inputs: inputs.iter().map(String::as_str).collect() })
        .collect();
    let Ok(order) = graph::order(&nodes) else { return };
    assert_eq!(order.len(), nodes.len());
    let earlier: Vec<(&str, usize)> = nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
    for node in &definition.nodes {
        if let Ok(gate) = Gate::new(node.every, node.when.as_deref(), &earlier) {
            gate.is_open(&[]);
        }
    }
}

/// A configuration: the file up to the first zero byte, then the environment, a `NAME=VALUE` a line. What is in force can be shown, and
/// needs no restart to stay as it is.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, environment) = text.split_once('\0').unwrap_or((&text, ""));
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Vec<(String, String)> = environment.lines().filter_map(pair).collect();
    match config::load(Some((Path::new("/no/such/folder/forgesyted.toml"), file)), &environment, None) {
        Ok(loaded) => {
            assert!(!config::describe(&loaded, true).is_empty());
            assert!(config::needs_restart(&loaded.config, &loaded.config).is_empty());
        }
        Err(error) => assert!(!error.problems.is_empty() && !error.to_string().is_empty()),
    }
}

/// A request: its path and query on the first line, then its headers, a `name: value` a line.
pub fn requests(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Ok(uri) = hyper::Uri::try_from(lines.next().unwrap_or_default()) else { return };
    for key in ["pipeline_id", "camera", "session", "token", "overlay", ""] {
        query::query_value(&uri, key);
    }
    let mut fields = HeaderMap::new();
    for line in lines.take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    headers::has_member(&fields, CONNECTION, "upgrade");
    assert!(auth::authorize(None, &fields, &uri).is_ok());
    if auth::authorize(Some("secret"), &fields, &uri).is_ok() {
        let header = fields.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().ends_with(b"secret"));
        assert!(header || query::query_value(&uri, "token").as_deref() == Some("secret"));
    }
    let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
    let [proxy, client] =
        [[10, 0, 0, 1], [192, 0, 2, 7]].map(|address| Peer { address: address.into(), port: Some(5) });
    forwarded::client(proxy, &fields, &trusted);
    // Who is no proxy is believed nothing.
    assert_eq!(forwarded::client(client, &fields, &trusted), client);
}

/// What the load generator gets from a server: WebSocket frames, understood alike however they arrive, and the messages in them.
pub fn messages(data: &[u8]) {
    reply::parse(data);
    let seen = |chunk: usize| {
        let (mut inbox, mut seen) = (wire::Inbox::new(Vec::new()), Vec::new());
        for bytes in data.chunks(chunk) {
            inbox.space().extend_from_slice(bytes);
            loop {
                match inbox.next_message() {
                    Ok(Some(inbound)) => {
                        if let wire::Inbound::Text(text) = inbound {
                            reply::parse(text);
                        }
                        seen.push(format!("{inbound:?}"));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        seen.push(error);
                        return seen;
                    }
                }
            }
        }
        seen
    };
    assert_eq!(seen(usize::MAX), seen(1));
}

/// What a client sends once its connection is a WebSocket: whether a text message began, however the bytes arrive.
pub fn websocket(data: &[u8]) {
    let seen = |already_read: &[u8], mut later: &[u8], room: usize| {
        let mut heads = Heads::new(&mut later, already_read);
        let text = heads.text_seen();
        let mut space = vec![0; room];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let Poll::Ready(read) =
                Pin::new(&mut heads).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer)
            else {
                panic!("a slice is always ready")
            };
            if read.is_err() || buffer.filled().is_empty() {
                return text.get();
            }
        }
    };
    let middle = data.len() / 2;
    let whole = seen(data, &[], 1);
    assert_eq!(whole, seen(&[], data, 1));
    assert_eq!(whole, seen(data.get(..middle).unwrap_or_default(), data.get(middle..).unwrap_or_default(), 5));
}

/// Reads at most a few frames of a file, as `forgesyted run` does.
fn file(kind: paths::Kind, data: &[u8]) {
    panics_of_libraries_are_caught();
    let file = rustix::fs::memfd_create("fuzz", rustix::fs::MemfdFlags::CLOEXEC).expect("memory for a file");
    rustix::io::write(&file, data).expect("room for the file");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
    let mut left = 8;
    let _ = files::read(&paths::InputFile { path, kind, bytes: data.len() as u64 }, LIMITS, &|| false, &mut |found| {
        let _ = (found.make)();
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// The daemon catches panics of the libraries that read files; libFuzzer's hook would end the process before that.
fn panics_of_libraries_are_caught() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("/registry/src/")) {
                before(panic);
            }
        }));
    });
}
