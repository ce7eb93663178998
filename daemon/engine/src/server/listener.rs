//! Accepting connections: how many, how long they may take to say what they want, and what the kernel is asked to do.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use super::outlet::Outlet;
use super::routes;
use super::state::ServerState;
use crate::session::Peer;
use base::config::{Endpoint, is_without_ipv6};
use base::logging::rate_limited::RateLimited;

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

/// Binds a listening socket; none where it is left out, on a machine without IPv6.
///
/// # Errors
/// The system's, such as an address in use.
pub fn bind(endpoint: &Endpoint) -> io::Result<Option<std::net::TcpListener>> {
    match listen_on(endpoint.resolve()?, !endpoint.both_families) {
        Err(error) if is_without_ipv6(&error) && endpoint.only_with_ipv6 => Ok(None),
        Err(error) if is_without_ipv6(&error) && endpoint.both_families => {
            listen_on(endpoint.without_ipv6(), true).map(Some)
        }
        bound => bound.map(Some),
    }
}

fn listen_on(address: SocketAddr, one_family: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise a restart would have to wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Whatever the machine's default is (net.ipv6.bindv6only).
        socket.set_only_v6(one_family)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// What the connections of all sockets share.
struct Limits {
    connections: Arc<Semaphore>,
    header_timeout: Duration,
    unread_timeout: Duration,
    refusals: RateLimited,
    failures: RateLimited,
}

/// Accepts and serves connections of these sockets until it is dropped.
pub async fn serve(listeners: Vec<TcpListener>, state: ServerState) {
    let config = state.services.config.load();
    let limits = Limits {
        connections: Arc::new(Semaphore::new(config.server.max_connections)),
        header_timeout: config.server.header_timeout,
        unread_timeout: config.stream.send_timeout + UNREAD_TIMEOUT,
        refusals: RateLimited::new(1, LOG_INTERVAL),
        failures: RateLimited::new(1, LOG_INTERVAL),
    };
    drop(config);
    join_all(listeners.iter().map(|listener| accept(listener, &limits, &state))).await;
}

async fn accept(listener: &TcpListener, limits: &Limits, state: &ServerState) {
    let Limits { connections, header_timeout, unread_timeout, refusals, failures } = limits;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok((stream, peer)) => (stream, Peer::from(peer)),
            Err(error) => {
                accept_failed(&error, failures).await;
                continue;
            }
        };
        match Arc::clone(connections).try_acquire_owned() {
            Ok(permit) => {
                if let Err(error) = tune(&stream, *unread_timeout) {
                    log::debug!(event = "socket_option_failed", peer:% = peer, err:% = error; "a socket option could not be set");
                }
                let stops = state.connections.subscribe();
                tokio::spawn(connection(stream, peer, permit, *header_timeout, state.clone(), stops));
            }
            Err(_) => {
                state.services.metrics.refused.inc();
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
    peer: Peer,
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
