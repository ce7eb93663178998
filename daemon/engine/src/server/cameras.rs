//! Pictures of cameras: `GET /v1/cameras/NAME/snapshot.jpg` and `/v1/cameras/NAME/stream.mjpeg`, with `?overlay=1` the
//! result drawn on each. A picture is made when somebody asks, once for all who do.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::outlet::{Emptied, Outlet};
use super::painter::{Painter, Tools};
use super::query::query_value;
use super::readiness::Phase;
use super::reply::{Reply, reply, text};
use super::state::ServerState;
use crate::pipeline::overlay;
use crate::session::Shown;
use crate::source::camera::{Camera, Shot};

const JPEG: &str = "image/jpeg";
/// Quality of the JPEGs that are made here (of raw pictures, and where something is drawn); 1 to 100.
const QUALITY: u8 = 80;
/// How long a snapshot waits for a frame: an idle camera has to be opened first.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);
/// How often a wait for a frame looks whether the camera is down.
const FAULT_LOOK: Duration = Duration::from_millis(250);
/// Frames a second of `stream.mjpeg`, unless `fps` in the query says otherwise.
const STREAM_FPS: f64 = 10.0;
/// The most that `fps` may ask for.
const MAX_STREAM_FPS: f64 = 60.0;
/// Stands before the first picture of `stream.mjpeg`.
const OPENING: &[u8] = b"--forgesyted-frame\r\nContent-Type: image/jpeg\r\n\r\n";
/// Stands after each.
const ENDING: &[u8] = b"\r\n--forgesyted-frame\r\nContent-Type: image/jpeg\r\n\r\n";

/// Pictures for one client.
struct Pictures {
    from: From,
    painter: Painter,
}

/// Where they come from.
enum From {
    Camera(watch::Receiver<Option<Arc<Shot>>>),
    /// With the result of each.
    Results(watch::Receiver<Option<Arc<Shown>>>),
}

/// Answers a request below `/v1/cameras/`; `rest` is the path after it.
pub async fn answer(
    rest: &str,
    request: &Request<Incoming>,
    permit: Arc<OwnedSemaphorePermit>,
    state: &ServerState,
) -> Reply {
    let uri = request.uri();
    if state.readiness.phase() == Phase::Starting {
        return text(StatusCode::SERVICE_UNAVAILABLE, "starting: try again in a moment\n");
    }
    let Some((name, what)) = rest.split_once('/') else {
        return text(StatusCode::NOT_FOUND, "a camera has snapshot.jpg and stream.mjpeg\n");
    };
    let Some(camera) = state.cameras.get(name) else {
        let known = state.cameras.names().join(", ");
        return text(StatusCode::NOT_FOUND, format!("there is no camera of that name; known cameras: {known}\n"));
    };
    let overlay = matches!(query_value(uri, "overlay").as_deref(), Some("1" | "true"));
    if overlay && camera.config().pipeline.is_none() {
        return text(StatusCode::CONFLICT, "this camera runs no pipeline, so there is nothing to draw\n");
    }
    match what {
        "snapshot.jpg" => snapshot(&camera, overlay, state).await,
        "stream.mjpeg" => match stream_fps(uri) {
            Some(fps) => mjpeg(&camera, overlay, fps, (request, permit), state).await,
            None => text(StatusCode::BAD_REQUEST, format!("fps is a number from 0.1 to {MAX_STREAM_FPS}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "a camera has snapshot.jpg and stream.mjpeg\n"),
    }
}

fn stream_fps(uri: &Uri) -> Option<f64> {
    match query_value(uri, "fps") {
        None => Some(STREAM_FPS),
        Some(fps) => fps.parse().ok().filter(|fps| (0.1..=MAX_STREAM_FPS).contains(fps)),
    }
}

async fn snapshot(camera: &Camera, overlay: bool, state: &ServerState) -> Reply {
    match first_picture(&mut Pictures::of(camera, overlay, state), camera).await {
        Ok(jpeg) => reply(StatusCode::OK, JPEG, jpeg),
        Err(refusal) => *refusal,
    }
}

/// The next picture of a camera that gives one soon; otherwise why it does not.
async fn first_picture(pictures: &mut Pictures, camera: &Camera) -> Result<Bytes, Box<Reply>> {
    let unavailable = |why: String| Box::new(text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")));
    let until = Instant::now() + SNAPSHOT_WITHIN;
    // Not begun anew at each look: a large picture may take longer than that to make.
    let mut next = pin!(pictures.next());
    loop {
        if let Some(fault) = camera.fault() {
            let reason = fault.reason.as_str();
            return Err(unavailable(format!("the camera is down: {reason}; GET /v1/cameras says more")));
        }
        if Instant::now() >= until {
            return Err(unavailable("the camera gave no picture in time; GET /v1/cameras has its state".to_owned()));
        }
        match timeout(FAULT_LOOK, next.as_mut()).await {
            Ok(Some(Ok(jpeg))) => return Ok(jpeg),
            Ok(Some(Err(error))) => return Err(unavailable(format!("the picture cannot be made: {error}"))),
            Ok(None) => return Err(unavailable("the camera was taken out of the configuration".to_owned())),
            Err(_) => {}
        }
    }
}

/// A multipart response with a picture after the other (as Netscape's `multipart/x-mixed-replace`, which every browser shows
/// in an `<img>`). A picture is chosen once the one before is sent: a slow client gets fewer pictures, never old ones. It ends
/// when the camera is down.
async fn mjpeg(
    camera: &Arc<Camera>,
    overlay: bool,
    fps: f64,
    (request, permit): (&Request<Incoming>, Arc<OwnedSemaphorePermit>),
    state: &ServerState,
) -> Reply {
    let Some(Ok(emptied)) = request.extensions().get::<Outlet>().map(Outlet::emptied) else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the system gives no handle for the pictures: too many open files?\n",
        );
    };
    let mut pictures = Pictures::of(camera, overlay, state);
    let first = match first_picture(&mut pictures, camera).await {
        Ok(first) => first,
        Err(refusal) => return *refusal,
    };
    let start = Sending {
        pictures,
        camera: Arc::clone(camera),
        parts: VecDeque::from([Bytes::from_static(OPENING)]),
        emptied,
        taken: None,
        first: Some(first),
        due: Instant::now(),
        interval: Duration::from_secs_f64(1.0 / fps),
        stopping: state.watchers.subscribe(),
        _permit: permit,
    };
    let parts = stream::unfold(start, |mut sending| async move {
        let part = sending.next_part().await?;
        Some((Ok::<_, Infallible>(BodyFrame::data(part)), sending))
    });
    let mut response = Response::new(StreamBody::new(parts).boxed_unsync());
    let kind = HeaderValue::from_static("multipart/x-mixed-replace; boundary=forgesyted-frame");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a running `stream.mjpeg` needs.
struct Sending {
    pictures: Pictures,
    camera: Arc<Camera>,
    /// What is to be sent next of the picture at hand.
    parts: VecDeque<Bytes>,
    emptied: Emptied,
    /// Resolves when the kernel has taken the whole of the last picture.
    taken: Option<oneshot::Receiver<()>>,
    /// It came before the response began.
    first: Option<Bytes>,
    due: Instant,
    interval: Duration,
    stopping: watch::Receiver<bool>,
    /// The connection counts as open for as long as the stream.
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Sending {
    async fn next_part(&mut self) -> Option<Bytes> {
        if let Some(part) = self.parts.pop_front() {
            return Some(part);
        }
        let jpeg = match self.first.take() {
            Some(first) => first,
            None => {
                let mut stopping = self.stopping.clone();
                tokio::select! {
                    jpeg = self.next_picture() => jpeg?,
                    _ = stopping.wait_for(|stopping| *stopping) => return None,
                }
            }
        };
        self.due = Instant::now() + self.interval;
        let (held, taken) = oneshot::channel();
        self.taken = Some(taken);
        self.parts.push_back(Bytes::from_owner(End { _held: held }));
        Some(jpeg)
    }

    /// The newest picture once one is due and the one before is sent; none when the camera is down or no more.
    async fn next_picture(&mut self) -> Option<Bytes> {
        if let Some(taken) = self.taken.take() {
            // Its sender is dropped with the bytes; nothing is ever sent.
            let _ = taken.await;
        }
        self.emptied.wait().await.ok()?;
        let mut next = pin!(next_due(&mut self.pictures, self.due));
        loop {
            match timeout(FAULT_LOOK, next.as_mut()).await {
                Ok(jpeg) => return jpeg,
                Err(_) if self.camera.fault().is_some() => return None,
                Err(_) => {}
            }
        }
    }
}

/// What follows a picture: the boundary that ends it, and the header of the next one. Chromium paints a picture only when it has
/// read both. The header has no length therefore: the next picture is not known yet.
struct End {
    /// Dropped when hyper has written these bytes.
    _held: oneshot::Sender<()>,
}

impl AsRef<[u8]> for End {
    fn as_ref(&self) -> &[u8] {
        ENDING
    }
}

/// The first picture that comes once it is due. A single frame that cannot be shown is passed over.
async fn next_due(pictures: &mut Pictures, due: Instant) -> Option<Bytes> {
    sleep_until(due).await;
    loop {
        if let Ok(jpeg) = pictures.next().await? {
            return Some(jpeg);
        }
    }
}

impl Pictures {
    fn of(camera: &Camera, overlay: bool, state: &ServerState) -> Self {
        let from = if overlay { From::Results(camera.look_at_results()) } else { From::Camera(camera.look()) };
        Pictures { from, painter: state.painter.clone() }
    }

    /// The next picture that was not given yet, as a JPEG; none when the camera is no more.
    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        match &mut self.from {
            From::Camera(shots) => {
                let shot = newest(shots).await?;
                if let Some(jpeg) = shot.frame.as_jpeg() {
                    return Some(Ok(jpeg.clone()));
                }
                let turn = self.painter.turn().await;
                // By now there may be a newer one.
                let shot = current(shots).unwrap_or(shot);
                let ours = Arc::clone(&shot);
                let make =
                    move |tools: &mut Tools| tools.encoder.frame_as_jpeg(&mut tools.decoder, &ours.frame, QUALITY);
                Some(shot.jpeg.get_or_init(|| turn.paint(make)).await.clone())
            }
            From::Results(shown) => {
                let picture = newest(shown).await?;
                let turn = self.painter.turn().await;
                let picture = current(shown).unwrap_or(picture);
                let ours = Arc::clone(&picture);
                let make = move |tools: &mut Tools| {
                    let result = serde_json::from_str(&ours.result).map_err(|error| error.to_string())?;
                    overlay::render(&mut tools.encoder, &mut tools.decoder, &ours.frame, &result, QUALITY)
                };
                Some(picture.picture.get_or_init(|| turn.paint(make)).await.clone())
            }
        }
    }
}

async fn newest<T>(pictures: &mut watch::Receiver<Option<Arc<T>>>) -> Option<Arc<T>> {
    loop {
        pictures.changed().await.ok()?;
        if let Some(picture) = current(pictures) {
            return Some(picture);
        }
    }
}

fn current<T>(pictures: &mut watch::Receiver<Option<Arc<T>>>) -> Option<Arc<T>> {
    pictures.borrow_and_update().clone()
}
