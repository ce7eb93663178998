//! Accepting connections: how many, how long they may take to say what they want, and what the kernel is asked to do.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use super::outlet::Outlet;
use super::{ServerState, routes};
use crate::telemetry::rate_limited::RateLimited;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Most bytes of a request's line and headers.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// A client that vanished (no power, no cable) is noticed after about this long without traffic.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// A peer that takes nothing of what was sent for this long beyond a session's own send timeout is cut off by
/// the kernel (TCP_USER_TIMEOUT): HTTP responses have no other limit.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);
/// One line about refused connections and one about failures in each such time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Rest after an error of accept that concerns the process (no file descriptors), not one connection.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Binds the listening socket.
///
/// # Errors
/// The system's, such as an address in use.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise a restart would have to wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts and serves connections until it is dropped.
pub async fn serve(listener: TcpListener, state: ServerState) {
    let config = state.config.load();
    let connections = Arc::new(Semaphore::new(config.server.max_connections));
    let header_timeout = config.server.header_timeout;
    let unread_timeout = config.stream.send_timeout + UNREAD_TIMEOUT;
    drop(config);
    let (refusals, failures) = (RateLimited::new(1, LOG_INTERVAL), RateLimited::new(1, LOG_INTERVAL));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                accept_failed(&error, &failures).await;
                continue;
            }
        };
        match Arc::clone(&connections).try_acquire_owned() {
            Ok(permit) => {
                if let Err(error) = tune(&stream, unread_timeout) {
                    log::debug!(event = "socket_option_failed", peer:% = peer, err:% = error; "a socket option could not be set");
                }
                let stops = state.connections.subscribe();
                tokio::spawn(connection(stream, peer, permit, header_timeout, state.clone(), stops));
            }
            Err(_) => {
                state.metrics.connections_refused().inc();
                if let Some(suppressed) = refusals.allow(Instant::now()) {
                    log::warn!(
                        event = "connection_refused", peer:% = peer, suppressed;
                        "too many open connections; raise server.max_connections if they are wanted"
                    );
                }
            }
        }
    }
}

async fn accept_failed(error: &io::Error, failures: &RateLimited) {
    // A peer that gave up before it was accepted is no concern.
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    if let Some(suppressed) = failures.allow(Instant::now()) {
        log::error!(event = "accept_failed", err:% = error, suppressed; "connections cannot be accepted; is the limit of open files too low?");
    }
    sleep(ACCEPT_REST).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    header_timeout: Duration,
    state: ServerState,
    mut stops: watch::Receiver<bool>,
) {
    // A session that is upgraded outlives this connection's HTTP part; it keeps the permit.
    let permit = Arc::new(permit);
    let arrived = Notify::new();
    let outlet = Outlet::of(&stream).ok();
    let service = service_fn(|mut request| {
        arrived.notify_one();
        if let Some(outlet) = &outlet {
            request.extensions_mut().insert(outlet.clone());
        }
        routes::answer(request, peer, Arc::clone(&permit), state.clone())
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    // Asked to shut down, hyper closes a connection on which nothing has come yet, and the first request may be on its way.
    let stopped = async {
        let _ = stops.wait_for(|stops| *stops).await;
        arrived.notified().await;
    };
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stopped => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        log::debug!(event = "http_error", peer:% = peer, err:% = error; "a connection ended in an HTTP error");
    }
}

fn tune(stream: &TcpStream, unread_timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(3);
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(unread_timeout))?;
    socket.set_tcp_keepalive(&keepalive)
}
