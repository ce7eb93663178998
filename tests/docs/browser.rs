//! A headless Chromium that shows one page, served by the test on localhost (a secure context), with a camera that
//! Chromium plays. A script beside the page's own posts what the page shows, whenever that changes.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use forgesyted_tests::folder::Folder;
use rustix::process::{Pid, Signal, kill_process_group};

/// Longest that a page may take to show what is waited for: a busy machine starts a browser slowly.
const PATIENCE: Duration = Duration::from_secs(120);

/// Posts what the page shows, and what went wrong in it.
const REPORTER: &str = r#"
<script>
  const post = (body) => fetch("/shown", { method: "POST", body });
  const shown = document.querySelector("pre");
  new MutationObserver(() => post(shown.textContent)).observe(shown, { childList: true, characterData: true, subtree: true });
  addEventListener("error", (event) => post(`script error: ${event.message}`));
  addEventListener("unhandledrejection", (event) => post(`script error: ${event.reason}`));
</script>
"#;

/// The browser to use; none where there is none, which is an error on CI.
pub fn program() -> Option<PathBuf> {
    let found = env::var_os("FORGESYTED_TEST_CHROMIUM").map(PathBuf::from).or_else(xtask::packages::chromium);
    if found.is_none() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs a Chromium");
        eprintln!("skipped: there is no Chromium on this machine");
    }
    found
}

/// A page in a browser.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    shown: Receiver<String>,
    _profile: Folder,
}

impl Browser {
    /// Opens the page with this query.
    pub fn open(program: PathBuf, page: &str, query: &str) -> Browser {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, shown) = mpsc::channel();
        let page = format!("{page}{REPORTER}");
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (page, sender) = (page.clone(), sender.clone());
                thread::spawn(move || serve(stream, &page, &sender));
            }
        });
        let profile = Folder::new();
        let child = Command::new(program)
            .args(["--headless", "--disable-gpu", "--no-sandbox", "--no-first-run", "--disable-dev-shm-usage"])
            .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://localhost:{port}/?{query}"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Browser { child, shown, _profile: profile }
    }

    /// Waits until what the page shows is enough, and returns it: its lines, the newest first.
    pub fn wait_for(&self, what: &str, enough: impl Fn(&[&str]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let shown = self.shown.recv_timeout(left);
            last = shown.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}; the page shows:\n{last}"));
            assert!(!last.starts_with("script error"), "{last}");
            let lines: Vec<&str> = last.lines().collect();
            if enough(&lines) {
                return lines.into_iter().map(str::to_owned).collect();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its helpers, which would write into the profile while that is removed.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// One request: the page, or a report.
fn serve(stream: TcpStream, page: &str, shown: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, answer) = match request.split(' ').collect::<Vec<_>>()[..] {
        ["POST", "/shown", _] => {
            shown.send(String::from_utf8_lossy(&body).into_owned()).ok()?;
            ("204 No Content", "")
        }
        ["GET", path, _] if path.starts_with("/?") => ("200 OK", page),
        _ => ("404 Not Found", ""),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    reader.get_mut().write_all(format!("{head}{answer}").as_bytes()).ok()
}
