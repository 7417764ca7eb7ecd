//! An etcd of a test's own: on free loopback ports, in a directory that goes with it, killed when dropped, also by a
//! panic. Shared with the API server's tests.
#![allow(dead_code)] // each test uses a part

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running etcd.
pub struct EtcdServer {
    child: Option<Child>,
    data: tempfile::TempDir,
    client_port: u16,
    peer_port: u16,
    arguments: Vec<String>,
}

/// Ports below those that the kernel hands out by itself: one of these could be given away again before etcd binds it.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// Ports that this process has tried; each process begins elsewhere.
static TRIED: AtomicU32 = AtomicU32::new(0);

fn free_port() -> u16 {
    let count = u32::from(PORTS.end - PORTS.start);
    let start = std::process::id().wrapping_mul(31);
    let ports = std::iter::repeat_with(|| start.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % count);
    let mut ports = ports.take(usize::from(PORTS.end - PORTS.start)).map(|offset| PORTS.start + offset as u16);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

impl EtcdServer {
    /// Starts one; `None`, with a line that says so, where etcd is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let mut server = Self {
            child: None,
            data: tempfile::tempdir().unwrap(),
            client_port: free_port(),
            peer_port: free_port(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        };
        match server.spawn() {
            Ok(child) => server.child = Some(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("SKIPPED: there is no etcd on this machine (Debian: apt-get install etcd-server)");
                return None;
            }
            Err(error) => panic!("etcd does not start: {error}"),
        }
        Some(server)
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let (client, peer) = (self.endpoint(), format!("http://127.0.0.1:{}", self.peer_port));
        let log = std::fs::File::create(self.data.path().join("log"))?;
        Command::new("etcd")
            .args(["--name", "one", "--data-dir"])
            .arg(self.data.path().join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("one={peer}"), "--log-level", "warn"])
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
    }

    /// Where clients find it.
    pub fn endpoint(&self) -> String {
        let scheme = if self.arguments.iter().any(|argument| argument == "--cert-file") { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.client_port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // it may have ended by itself
            child.wait().unwrap();
        }
    }

    /// Starts it again with what it had.
    pub fn start_again(&mut self) {
        self.kill();
        self.child = Some(self.spawn().unwrap());
    }

    /// What it has to say.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    /// Where it keeps its things.
    pub fn directory(&self) -> PathBuf {
        self.data.path().to_owned()
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        self.kill();
    }
}
