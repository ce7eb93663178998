//! A daemon that is played: it says to its clients what the test wants, in the daemon's own words. So every message and close
//! code reaches the clients of the guide, whatever a real daemon would say just then.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use base::protocol::{self, ErrorCode, StreamError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

/// Listens, and serves one client after the other by `play`.
pub fn listen(play: impl Fn(usize, Player) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            play(number, Player(accept(stream.unwrap()).unwrap()));
        }
    });
    address
}

/// One session.
#[derive(Debug)]
pub struct Player(WebSocket<TcpStream>);

impl Player {
    /// Waits for a frame and checks that it is a JPEG.
    pub fn frame(&mut self) {
        loop {
            match self.0.read().unwrap() {
                Message::Binary(jpeg) => {
                    assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]));
                    return;
                }
                Message::Ping(_) => {}
                other => panic!("a frame was due: {other:?}"),
            }
        }
    }

    /// Answers a frame with a result.
    pub fn result(&mut self, frame_index: u64) {
        self.text(protocol::result_message(frame_index, r#"{"verdict":"ok"}"#));
    }

    /// Answers a frame with `dropped`.
    pub fn dropped(&mut self, frame_index: u64) {
        self.text(protocol::dropped_message(frame_index));
    }

    /// Sends the notice.
    pub fn slow_down(&mut self) {
        self.text(protocol::SLOW_DOWN_MESSAGE.to_owned());
    }

    /// Ends the session in an error, and waits until the client has closed too.
    pub fn end(mut self, code: ErrorCode) {
        self.text(protocol::error_message(&StreamError::new(code, "A test says so.")));
        let close = CloseFrame { code: code.close_code().into(), reason: code.as_str().into() };
        self.0.close(Some(close)).unwrap();
        while self.0.read().is_ok() {}
    }

    fn text(&mut self, text: String) {
        self.0.send(Message::text(text)).unwrap();
    }
}
