//! The web page and the client module, as bytes: embedded in the program that serves them, so nothing is read from a disk, and a page
//! never meets a daemon of another version than its own.
//!
//! Lives here: which files there are, where each is served, and as what. Does not live here: how they are served (`server::web` of
//! the engine), or the sources, which lie beside this file.

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// A file of the page or of the client module.
#[derive(Debug)]
pub struct Asset {
    /// The path it is served under.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// The file.
    pub body: &'static [u8],
}

/// One line a file.
macro_rules! assets {
    ($($path:literal $content_type:ident $file:literal;)*) => {
        &[$(Asset {
            path: $path,
            content_type: $content_type,
            body: include_bytes!($file),
        }),*]
    };
}

/// Every file.
pub static ASSETS: &[Asset] = assets![
    "/" HTML "index.html";
    "/page/api.js" SCRIPT "page/api.js";
    "/page/app.js" SCRIPT "page/app.js";
    "/page/banners.js" SCRIPT "page/banners.js";
    "/page/board-camera.js" SCRIPT "page/board-camera.js";
    "/page/board.js" SCRIPT "page/board.js";
    "/page/chart.js" SCRIPT "page/chart.js";
    "/page/dom.js" SCRIPT "page/dom.js";
    "/page/encoder.js" SCRIPT "page/encoder.js";
    "/page/figures.js" SCRIPT "page/figures.js";
    "/page/icon.svg" PICTURE "page/icon.svg";
    "/page/marks.js" SCRIPT "page/marks.js";
    "/page/numbers.js" SCRIPT "page/numbers.js";
    "/page/overlay.js" SCRIPT "page/overlay.js";
    "/page/settings.js" SCRIPT "page/settings.js";
    "/page/sources.js" SCRIPT "page/sources.js";
    "/page/stage.js" SCRIPT "page/stage.js";
    "/page/streamer.js" SCRIPT "page/streamer.js";
    "/page/style.css" STYLE "page/style.css";
    "/page/values.js" SCRIPT "page/values.js";
    "/client/forgesyte.js" SCRIPT "client/forgesyte.js";
    "/client/forgesyte.d.ts" TEXT "client/forgesyte.d.ts";
    "/client/errors.js" SCRIPT "client/errors.js";
    "/client/pace.js" SCRIPT "client/pace.js";
    "/client/replies.js" SCRIPT "client/replies.js";
];
