//! A bare tokio-tungstenite server on one thread: it reads each binary message and answers a text of 60 bytes, in the
//! shape of the daemon's protocol so that the same load generator measures it.

use std::net::Ipv4Addr;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes of an answer.
const ANSWER_BYTES: usize = 60;

/// Serves until the process is ended; prints its port.
///
/// # Errors
/// The system's.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    let mut socket = accept_async(stream).await?;
    let mut frame_index: u64 = 0;
    while let Some(message) = socket.next().await {
        if let Message::Binary(_) = message? {
            frame_index += 1;
            socket.send(Message::text(answer(frame_index))).await?;
        }
    }
    Ok(())
}

fn answer(frame_index: u64) -> String {
    let mut answer = format!("{{\"frame_index\":{frame_index},\"result\":{{\"x\":\"");
    let filler = (ANSWER_BYTES - 3).saturating_sub(answer.len());
    answer.extend(std::iter::repeat_n('.', filler));
    answer.push_str("\"}}");
    answer
}
