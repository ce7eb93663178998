//! What a test in Node asks this side to do, such as to stop the daemon: `GET /COMMAND`, answered with JSON.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use serde_json::Value;

/// The command that ends the listening; nobody in Node gives it.
const END: &str = "that-is-all";

/// Listens for commands until it is dropped, and with it whatever the answers hold, such as daemons.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Answers commands, one at a time.
    pub fn listen(answer: impl FnMut(&str) -> Value + Send + 'static) -> Control {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Control { address, thread: Some(thread::spawn(move || serve(&listener, answer))) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let asked =
            TcpStream::connect(self.address).and_then(|mut stream| write!(stream, "GET /{END} HTTP/1.1\r\n\r\n"));
        // A thread that panicked listens no more, and Node has told of it.
        if let (Ok(()), Some(thread)) = (asked, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, mut answer: impl FnMut(&str) -> Value) {
    for mut stream in listener.incoming().map_while(Result::ok) {
        let Some(command) = command_of(&stream) else { continue };
        if command == END {
            return;
        }
        let body = answer(&command).to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    }
}

fn command_of(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let command = lines.next()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    lines.find(String::is_empty)?;
    Some(command)
}
