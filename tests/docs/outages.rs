//! The clients of the documents while the daemon is off, when it ends under way, and when it wants a token: each says what is
//! wrong in one line, never in a traceback, and goes on where that can help.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use forgesyted_tests::builder::Builder;
use forgesyted_tests::daemon::Signal;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::{Daemon, frames};
use rustix::process::{Pid, kill_process_group};

use crate::browser::{self, Browser};
use crate::clients::{guide_client, guide_page, lines, readme_client, url, whole_client, with_packages, with_shipped};
use crate::markdown::page;

/// More pictures than any client here gets to send.
const MANY: usize = 900;
/// Longest that a client may take for what is waited for: it comes back after ten seconds at most, and starting Python takes its time.
const PATIENCE: Duration = Duration::from_secs(90);

/// An address that nobody else takes while the daemon is off: the loopback network has many.
fn address_of_our_own() -> SocketAddr {
    static LAST: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let last = LAST.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from(([127, high | 1, low, last], 8000))
}

fn daemon_at(address: SocketAddr, builder: Builder) -> Daemon {
    builder.env("FORGESYTED_LISTEN", address).start()
}

/// What a client has written so far.
#[derive(Clone, Debug, Default)]
struct Written {
    /// The results: lines on standard output.
    printed: Vec<String>,
    /// What it said about them: lines on standard error.
    said: Vec<String>,
}

/// A client that runs.
struct Running {
    child: Child,
    written: Arc<(Mutex<Written>, Condvar)>,
    _folder: Folder,
}

impl Running {
    fn start((mut command, folder): (Command, Folder)) -> Running {
        let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let written = Arc::default();
        collect(child.stdout.take().unwrap(), &written, |written| &mut written.printed);
        collect(child.stderr.take().unwrap(), &written, |written| &mut written.said);
        Running { child, written, _folder: folder }
    }

    fn wait_for(&self, what: &str, enough: impl Fn(&Written) -> bool) -> Written {
        let (written, more) = &*self.written;
        let still = |written: &mut Written| !enough(written);
        let (written, waited) = more.wait_timeout_while(written.lock().unwrap(), PATIENCE, still).unwrap();
        assert!(!waited.timed_out(), "waited {PATIENCE:?} for {what}: {written:?}");
        written.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    written: &Arc<(Mutex<Written>, Condvar)>,
    lines: fn(&mut Written) -> &mut Vec<String>,
) {
    let written = Arc::clone(written);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines(&mut written.0.lock().unwrap()).push(line);
            written.1.notify_all();
        }
    });
}

/// Starts a client while the daemon is off, has that come, end in this way, and come again.
fn survives(address: SocketAddr, client: (Command, Folder), builder: fn() -> Builder, end: Signal, told: &str) {
    let client = Running::start(client);
    let off = client.wait_for("a word about the daemon that is off", |written| !written.said.is_empty());
    assert!(off.printed.is_empty(), "{off:?}");

    let daemon = daemon_at(address, builder());
    let streams = client.wait_for("a result", |written| !written.printed.is_empty());
    assert_eq!(streams.said.len(), 1, "one line for one outage: {streams:?}");
    assert!(streams.said[0].to_lowercase().contains("trying again"), "{streams:?}");

    daemon.signal(end);
    daemon.wait_exit();
    let ended = client.wait_for("a word about its end", |written| written.said.len() > 1);
    let _again = daemon_at(address, builder());
    let more = |written: &Written| written.printed.len() > ended.printed.len() + 1;
    let goes_on = client.wait_for("results again", more);
    assert_eq!(goes_on.said.len(), 2, "one line for each outage: {goes_on:?}");
    assert!(goes_on.said[1].contains(told), "{goes_on:?}");
}

#[test]
fn the_guides_client_waits_for_a_daemon_and_survives_its_end() {
    let address = address_of_our_own();
    let Some(client) = guide_client(address, MANY, "10") else { return };
    survives(address, client, with_shipped, Signal::TERM, "shutting_down: ");
}

#[test]
fn the_guides_client_survives_a_daemon_that_is_killed() {
    let address = address_of_our_own();
    let Some(client) = guide_client(address, MANY, "10") else { return };
    survives(address, client, with_shipped, Signal::KILL, "The connection was lost");
}

#[test]
fn the_whole_client_waits_for_a_daemon_and_survives_its_end() {
    let address = address_of_our_own();
    let Some(client) = whole_client(address, MANY) else { return };
    survives(address, client, with_shipped, Signal::TERM, "shutting_down: ");
}

#[test]
fn the_whole_client_survives_a_daemon_that_is_killed() {
    let address = address_of_our_own();
    let Some(client) = whole_client(address, MANY) else { return };
    survives(address, client, with_shipped, Signal::KILL, "connection_lost: ");
}

#[test]
fn the_watcher_waits_for_a_daemon_and_survives_its_end() {
    let address = address_of_our_own();
    let Some(client) = watcher(address, "yard") else { return };
    survives(address, client, with_camera, Signal::TERM, "closed with 1001");
}

#[test]
fn clients_without_the_token_say_so_and_end() {
    let daemon = with_shipped().setting("server.token", "\"secret\"").start();
    let address = daemon.address();
    let clients = [guide_client(address, 1, "10"), whole_client(address, 1), watcher(address, "yard")];
    for (mut command, folder) in clients.into_iter().flatten() {
        let output = command.env("FORGESYTED_TOKEN", "wrong").output().unwrap();
        let said = lines(&output.stderr);
        assert!(said.len() == 1 && said[0].starts_with("unauthorized: "), "{said:?}");
        assert_eq!(output.status.code(), Some(1));
        drop(folder);
    }
    let Some((mut command, _folder)) = whole_client(address, 1) else { return };
    let output = command.env("FORGESYTED_TOKEN", "secret").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_readme_says_that_no_daemon_runs() {
    let Some((mut command, _folder)) = readme_client(address_of_our_own()) else { return };
    let output = command.output().unwrap();
    assert_eq!((lines(&output.stderr).len(), output.status.code()), (1, Some(1)), "{output:?}");
}

#[test]
fn the_browsers_page_waits_for_a_daemon_and_survives_its_end() {
    let Some(program) = browser::program() else { return };
    let address = address_of_our_own();
    let browser = Browser::open(program, &guide_page(address, address), "");
    let off = browser.wait_for("a word about the daemon that is off", |lines| !lines.is_empty());
    assert_eq!(off, [format!("No answer from http://{address}. Is the board on? Trying again.")]);

    let is_result = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let daemon = daemon_at(address, with_shipped());
    browser.wait_for("a result", |lines| lines.first().is_some_and(is_result));
    assert_eq!(daemon.stop(), 0);
    browser.wait_for("a word about its end", |lines| {
        lines.first().is_some_and(|line| line.starts_with("shutting_down: "))
    });
    let _again = daemon_at(address, with_shipped());
    let shown = browser.wait_for("results again", |lines| lines.first().is_some_and(is_result));
    let outages = shown.iter().filter(|line| line.ends_with("Trying again.")).count();
    assert!(outages <= 2, "one line for each outage: {shown:#?}");
}

#[test]
fn clients_end_where_nobody_reads_their_results() {
    let daemon = with_camera().start();
    daemon.wait_camera("yard", "up");
    let address = daemon.address();
    let clients = [guide_client(address, MANY, "10"), whole_client(address, MANY), watcher(address, "yard")];
    for (mut command, _folder) in clients.into_iter().flatten() {
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut printed = BufReader::new(client.stdout.take().unwrap());
        printed.read_line(&mut String::new()).unwrap();
        drop(printed);
        assert!(!client.wait().unwrap().success());
    }
}

#[test]
fn the_guides_client_streams_a_network_camera() {
    let daemon = with_camera().start();
    daemon.wait_camera("yard", "up");
    let Some((command, folder)) = guide_client(daemon.address(), 0, "10") else { return };
    // The same words as `guide_client` has, with another source.
    let source = format!("http://{}/v1/cameras/yard/stream.mjpeg", daemon.address());
    let words: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let at = words.len() - 2;
    let mut again = with_packages("python3").expect("there are packages");
    again.args(&words[2..at]).arg(source).arg("10");
    let client = Running::start((again, folder));
    client.wait_for("results of the camera's frames", |written| written.printed.len() > 3);
}

/// The page's watcher of a camera.
fn watcher(server: SocketAddr, camera: &str) -> Option<(Command, Folder)> {
    let mut python = with_packages("python3")?;
    let folder = Folder::new();
    let program = folder.write("watch.py", page("docs/cameras.md").block("python"));
    let address = url(server).replace("/ws/video/stream?pipeline_id=scene", &format!("/ws/watch?camera={camera}"));
    python.args(["-W", "error"]).arg(program).arg(address);
    Some((python, folder))
}

fn with_camera() -> Builder {
    with_shipped().replay("yard", &[frames::synthetic(64, 48)], "pipeline = \"scene\"\n")
}

#[test]
fn the_watcher_ends_where_there_is_no_such_camera() {
    let daemon = with_camera().start();
    daemon.wait_camera("yard", "up");
    let Some((mut command, _folder)) = watcher(daemon.address(), "garden") else { return };
    let output = command.output().unwrap();
    let said = lines(&output.stderr);
    assert!(said.len() == 1 && said[0].starts_with("not_found: "), "{said:?}");
    assert_eq!(output.status.code(), Some(1));
}
