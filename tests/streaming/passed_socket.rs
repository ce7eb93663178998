//! A socket that the service manager passes: in the place of a bound one, and open across restarts.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::thread;

use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Client, Daemon, frames};

#[test]
fn who_connects_while_no_daemon_runs_is_served_by_the_next() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || Daemon::builder().pass(socket.try_clone().unwrap(), 1).spawn();

    let first = start();
    let listening = first.events().wait_for("listening");
    assert_eq!(listening["listen"], address.to_string());
    assert_eq!(listening["passed"], true);
    let said = listening["message"].as_str().unwrap();
    assert!(said.ends_with("which the service manager passed; server.listen is overruled"), "{said}");
    Client::connect(address, "pipeline_id=noop").ask(&frames::white());
    assert_eq!(first.stop(), 0);

    // The connection is made by the kernel at once; the upgrade is answered by whoever comes.
    let waiting = thread::spawn(move || Client::connect(address, "pipeline_id=noop").ask(&frames::white()));
    let second = start();
    waiting.join().unwrap();
    assert_eq!(second.get("/readyz").status, 200);
    assert_eq!(second.stop(), 0);
}

#[test]
fn what_is_no_listening_tcp_socket_is_refused_with_a_sentence() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let kind =
        "cannot listen: what the socket unit passes is no listening TCP socket; give forgesyted.socket a ListenStream=";
    for (builder, sentence) in [
        (Daemon::builder().pass(UdpSocket::bind("127.0.0.1:0").unwrap(), 1), kind),
        (Daemon::builder().pass(UnixListener::bind(folder.path().join("s")).unwrap(), 1), kind),
        (Daemon::builder().pass(connected, 1), kind),
        (
            Daemon::builder().pass(UdpSocket::bind("127.0.0.1:0").unwrap(), 2),
            "cannot listen: what the socket unit passes is no listening TCP socket (number 1 of 2);",
        ),
    ] {
        let daemon = builder.spawn();
        let line = daemon.events().wait_for("start_failed");
        assert!(line["message"].as_str().unwrap().starts_with(sentence), "{line}");
        // It would be the same again: the unit does not restart on this status.
        assert_eq!(daemon.wait_exit(), 78);
    }
}

#[test]
fn several_sockets_are_all_served() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let daemon = Daemon::builder().pass(socket, 2).start();
    assert_eq!(daemon.addresses(), [address, address]);
    Client::connect(address, "pipeline_id=noop").ask(&frames::white());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_was_passed_to_another_process_is_left_alone() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    for variable in ["LISTEN_PID=1", "LISTEN_PID="] {
        let line = format!("exec 3<&0 </dev/null; LISTEN_FDS=1 {variable} exec \"$@\"");
        let daemon = Daemon::builder().pass(socket.try_clone().unwrap(), 1).wrapped(&line).spawn();
        let listening = daemon.events().wait_for("listening");
        assert_eq!(listening["passed"], false, "{listening}");
        assert_ne!(listening["listen"], socket.local_addr().unwrap().to_string());
        assert_eq!(daemon.stop(), 0);
    }
}
