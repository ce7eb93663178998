//! The proxies of Debian's packages, run on the configurations of the documents.

use std::env;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::folder::Folder;
use crate::wait;

/// The board's address in the documents.
const BOARD: &str = "127.0.0.1:8000";

/// A proxy in a process of its own, killed when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    address: SocketAddr,
    _folder: Folder,
}

/// A kind of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx, of whose configuration the documents have what stands in `http`.
    Nginx,
    /// HAProxy, of whose configuration the documents have the whole but for `global`.
    Haproxy,
}

impl Kind {
    /// The language of its blocks in the documents, which is the program's name too.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
        }
    }

    /// How the documents' configurations name the port that they listen on.
    fn port(self, port: &str) -> String {
        match self {
            Kind::Nginx => format!("listen {port};"),
            Kind::Haproxy => format!("bind {port}\n"),
        }
    }

    fn program(self) -> Option<PathBuf> {
        let system = Path::new("/usr/sbin").join(self.name());
        let found = xtask::shell::on_path(self.name()).or_else(|| system.is_file().then_some(system));
        if found.is_none() {
            assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs {}", self.name());
            eprintln!("skipped: there is no {} on this machine", self.name());
        }
        found
    }
}

impl Proxy {
    /// Starts it in front of a board and waits until it listens; none where the program is missing, which is an error on CI.
    ///
    /// # Panics
    /// When it does not take the configuration.
    pub fn start(kind: Kind, documented: &str, board: SocketAddr) -> Option<Proxy> {
        let program = kind.program()?;
        let folder = Folder::new();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = [
            (BOARD.to_owned(), board.to_string()),
            (kind.port(if kind == Kind::Nginx { "80" } else { ":80" }), kind.port(&address.to_string())),
        ]
        .iter()
        .fold(documented.to_owned(), |config, (from, to)| {
            assert!(config.contains(from), "no {from:?} in\n{config}");
            config.replace(from, to)
        });
        let mut command = Command::new(program);
        match kind {
            Kind::Nginx => {
                let path = folder.write("nginx.conf", around(&config, folder.path()));
                command.arg("-p").arg(folder.path()).arg("-c").arg(path);
            }
            Kind::Haproxy => {
                command.arg("-db").arg("-f").arg(folder.write("haproxy.cfg", config));
            }
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        wait::until(&format!("{} to listen", kind.name()), || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {ended:?}", kind.name());
            TcpStream::connect(address).is_ok()
        });
        Some(Proxy { child, address, _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx's main file around what the documents have: in the foreground, with its files in the test's folder.
fn around(config: &str, folder: &Path) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {folder}/{what};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{config}\n}}\n"
    )
}
