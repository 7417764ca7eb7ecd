//! The process that keeps a cluster's components running, as systemd does on a machine of its own: one API server and
//! a kubelet for each node, started again when they end. They end with it, whatever ends it. Pods are not its children:
//! they outlive it.

use super::layout::{API_PORT, Layout, Node};
use super::node;
use super::record::{Record, RecordError};
use clock::SharedClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How long a component that ended waits for its next start; a kubelet that an administrator restarts is back at once.
const RESTART_DELAY: Duration = Duration::from_millis(100);
/// The same for one that ended soon after its start: something is wrong with it, and it may stay so.
const RESTART_DELAY_FAILING: Duration = Duration::from_secs(2);
/// What ends sooner than this after its start counts as failing.
const STARTED_WELL: Duration = Duration::from_secs(5);
/// How long a component may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often others look whether a supervisor, or what it leaves behind, is gone: there is no event for the end of a
/// process that is not one's child.
const LOOK_PERIOD: Duration = Duration::from_millis(20);
/// How long what a killed supervisor leaves behind is waited for; the kernel ends it within milliseconds.
const REMAINS_LIMIT: Duration = Duration::from_secs(5);
/// The first descriptor that is handed on by the convention of systemd's socket activation.
pub const LISTEN_FD: RawFd = 3;

/// Why a cluster cannot be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The port on this machine.
    #[error("listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// Which port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// Anything of the operating system's.
    #[error("{what}: {source}")]
    System {
        /// What was done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// One component to keep running.
#[derive(Clone, Debug)]
struct Component {
    name: String,
    node: String,
    cgroup: String,
    arguments: Vec<String>,
    /// Whether it takes the listener on this machine's loopback address.
    takes_listener: bool,
}

fn components(layout: &Layout, nodes: &[Node]) -> Vec<Component> {
    let component = |node: &Node, name: String, arguments: &[&str], takes_listener| Component {
        name,
        node: node.name.clone(),
        cgroup: format!("{}/system", layout.node_cgroup(&node.name)),
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        takes_listener,
    };
    let mut all = Vec::new();
    for node in nodes {
        if node.is_control_plane() {
            let (port, address) = (API_PORT.to_string(), node.address().to_string());
            let arguments = [
                "server",
                "--disable-agent",
                "--data-dir=/var/lib/pintle/server",
                "--cert-dir=/etc/kubernetes/pki",
                "--bind-address=0.0.0.0",
                &format!("--secure-port={port}"),
                &format!("--advertise-address={address}"),
                &format!("--node-name={}", node.name),
            ];
            all.push(component(node, "server".to_owned(), &arguments, true));
        }
        all.push(component(node, format!("kubelet-{}", node.name), &["run-unit", "kubelet"], false));
    }
    all
}

/// Resolves when the supervisor that had this pid does not run any more.
pub async fn gone(layout: &Layout, pid: Pid, clock: &SharedClock) {
    while node::supervisor_pid(layout) == Some(pid) {
        clock.sleep(LOOK_PERIOD).await;
    }
}

/// Waits for the end of components whose supervisor was killed: the kernel kills them, but they hold the port for a moment.
pub async fn remains_gone(layout: &Layout, nodes: &[Node], clock: &SharedClock) {
    let all = components(layout, nodes);
    let gone = async {
        while all.iter().any(|component| is_running(component, &layout.pid_file(&component.name))) {
            clock.sleep(LOOK_PERIOD).await;
        }
    };
    let _ = clock::timeout(&**clock, REMAINS_LIMIT, gone).await; // what holds the port then is seen when it is bound
}

/// Whether the process in a component's pid file is that component still: the number may have gone to a stranger.
fn is_running(component: &Component, pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap_or_default();
    let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", pid.trim())).unwrap_or_default();
    !pid.trim().is_empty() && cgroups.lines().any(|line| line.ends_with(&format!("/{}", component.cgroup)))
}

/// Runs until SIGTERM. Binds the API server's port on this machine, and hands it on: the API server itself lives in
/// the control-plane node's network.
pub fn run(layout: &Layout, clock: SharedClock) -> Result<(), SuperviseError> {
    let system = |what| move |source: io::Error| SuperviseError::System { what, source };
    let record = Record::read(layout)?;
    let _listener = bind(record.api_port)?;
    // a session of its own: the terminal that typed `up` may close
    let _ = nix::unistd::setsid(); // fails where we lead a group already, which is as good
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start"))?;
    let pid_file = layout.pid_file("supervisor");
    fs::write(&pid_file, std::process::id().to_string()).map_err(system("write pid file"))?;
    let done = runtime.block_on(supervise(layout, &record, clock));
    let _ = fs::remove_file(pid_file); // gone with the directory, perhaps
    done
}

fn bind(port: u16) -> Result<TcpListener, SuperviseError> {
    let failed = |source: io::Error| SuperviseError::Listen { port, source };
    let listener = match handed_over(port) {
        Some(listener) => listener,
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?,
    };
    if listener.as_raw_fd() != LISTEN_FD {
        nix::unistd::dup2(listener.as_raw_fd(), LISTEN_FD).map_err(|errno| failed(errno.into()))?;
    } else {
        use nix::fcntl::{FcntlArg, FdFlag, fcntl};
        fcntl(LISTEN_FD, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| failed(errno.into()))?;
    }
    Ok(listener)
}

/// The listener that `up` gives as standard input, if it does.
fn handed_over(port: u16) -> Option<TcpListener> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let address = listener.local_addr().ok()?;
    (address == (Ipv4Addr::LOCALHOST, port).into()).then_some(listener)
}

async fn supervise(layout: &Layout, record: &Record, clock: SharedClock) -> Result<(), SuperviseError> {
    let system = |source| SuperviseError::System { what: "wait for signals", source };
    let (stop, stopping) = watch::channel(false);
    let tasks: Vec<_> = components(layout, &record.nodes())
        .into_iter()
        .map(|component| {
            let files = Files { pid: layout.pid_file(&component.name), log: layout.log_file(&component.name) };
            tokio::spawn(keep_running(component, layout.clone(), files, clock.clone(), stopping.clone()))
        })
        .collect();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(system)?;
    terminate.recv().await;
    stop.send_replace(true);
    for task in tasks {
        let _ = task.await; // a task that panicked has nothing left to stop
    }
    Ok(())
}

struct Files {
    pid: PathBuf,
    log: PathBuf,
}

async fn keep_running(
    component: Component,
    layout: Layout,
    files: Files,
    clock: SharedClock,
    mut stopping: watch::Receiver<bool>,
) {
    while !*stopping.borrow() {
        let started = clock.monotonic();
        match start(&component, &layout, &files) {
            Ok(mut child) => {
                tokio::select! {
                    status = child.wait() => tracing::info!(component = component.name, ?status, "ended"),
                    () = told_to_stop(&mut stopping) => stop(&mut child, &*clock).await,
                }
            }
            Err(error) => tracing::error!(component = component.name, %error, "cannot start"),
        }
        let _ = fs::remove_file(&files.pid);
        let failing = clock.monotonic().saturating_sub(started) < STARTED_WELL;
        let delay = clock.sleep(if failing { RESTART_DELAY_FAILING } else { RESTART_DELAY });
        tokio::select! {
            () = delay => {}
            () = told_to_stop(&mut stopping) => {}
        }
    }
}

/// Resolves once the supervisor is to stop, also when it is gone.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await.is_ok();
}

fn start(component: &Component, layout: &Layout, files: &Files) -> io::Result<Child> {
    if let Some(directory) = files.log.parent() {
        fs::create_dir_all(directory)?;
    }
    let log = OpenOptions::new().create(true).append(true).open(&files.log)?;
    let mut command = Command::new("/proc/self/exe");
    // what nobody supervises must not go on by itself: the next supervisor would start it a second time
    command.args(["in-node", "--die-with-parent", "--node", &component.node, "--cgroup", &component.cgroup]);
    command.arg("--data-dir").arg(layout.data_dir());
    if component.takes_listener {
        command.arg("--keep-listener").env("LISTEN_FDS", "1");
    }
    command.args(["--", "/proc/self/exe"]).args(&component.arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = command.spawn()?;
    if let Some(pid) = child.id() {
        fs::write(&files.pid, pid.to_string())?;
    }
    Ok(child)
}

async fn stop(child: &mut Child, clock: &dyn clock::Clock) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM); // it may be gone this moment
    }
    if clock::timeout(clock, STOP_LIMIT, child.wait()).await.is_none() {
        let _ = child.kill().await;
    }
}
