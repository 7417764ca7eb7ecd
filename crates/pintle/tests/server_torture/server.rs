//! The server under torture: a process of its own, on the data of the one before.

use client::Client;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(5);

/// Killed when this goes.
pub struct Server {
    process: Child,
    kubeconfig: PathBuf,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub async fn start(directory: &Path) -> Self {
        let kubeconfig = directory.join("kubeconfig");
        let _ = std::fs::remove_file(&kubeconfig); // of the server before, which had another port
        let log = std::fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_pintle"))
            .args(["server", "--disable-agent", "--bind-address", "127.0.0.1", "--secure-port", "0"])
            .arg("--data-dir")
            .arg(directory.join("data"))
            .arg("--write-kubeconfig")
            .arg(&kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { process, kubeconfig };
        let clock = clock::system();
        let ready = async {
            while !server.is_ready().await {
                clock.sleep(LOOK_PERIOD).await;
            }
        };
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        clock::timeout(&*clock, PATIENCE, ready).await.unwrap_or_else(|| panic!("not ready: {}", log()));
        server
    }

    async fn is_ready(&self) -> bool {
        let Ok(client) = Client::from_kubeconfig(&self.kubeconfig, "torture").await else { return false };
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        client.kube().request_text(request).await.is_ok()
    }

    /// A client with a connection of its own.
    pub async fn client(&self) -> Client {
        Client::from_kubeconfig(&self.kubeconfig, "torture").await.unwrap()
    }

    /// `kill -9`
    pub fn kill(&self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may be dead
        let _ = self.process.wait();
    }
}
