//! `pintle node list | exec | shell | restart`: stepping into a node of `up`, as ssh would.

use super::layout::Layout;
use super::record::{Record, RecordError};
use clock::SharedClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

/// How long a kubelet may take to stop and start again.
const RESTART_LIMIT: Duration = Duration::from_secs(30);
/// How often to look: the kubelet is not our child.
const RESTART_PERIOD: Duration = Duration::from_millis(10);

/// Why a node cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No such node, or no cluster.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The cluster is down.
    #[error("node {0} is not running; `pintle up` starts it")]
    NotRunning(String),
    /// The command could not be started.
    #[error("start a process on {node}: {source}")]
    Start {
        /// Where.
        node: String,
        /// Why not.
        source: io::Error,
    },
    /// The kubelet did not come back.
    #[error("the kubelet of {0} did not start again within {RESTART_LIMIT:?}")]
    NoRestart(String),
}

/// `in-node` for a node, up to the `--` before the command.
pub fn command(layout: &Layout, node: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["in-node", "--node", node, "--data-dir"]).arg(layout.data_dir());
    command
}

/// The supervisor, if it runs. The number in its pid file may have gone to a stranger, or to another cluster's.
pub fn supervisor_pid(layout: &Layout) -> Option<Pid> {
    let pid: i32 = fs::read_to_string(layout.pid_file("supervisor")).ok()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let has = |argument: &[u8]| command_line.split(|byte| *byte == 0).any(|word| word == argument);
    let ours = has(b"supervise") && has(layout.data_dir().as_os_str().as_encoded_bytes());
    ours.then(|| Pid::from_raw(pid))
}

/// Prints the nodes.
pub fn list(layout: &Layout) -> Result<(), NodeError> {
    let record = Record::read(layout)?;
    let up = record.bare || supervisor_pid(layout).is_some();
    println!("{:<12} {:<15} {:<14} STATUS", "NAME", "ADDRESS", "ROLES");
    for node in record.nodes() {
        let role = if node.is_control_plane() { "control-plane" } else { "<none>" };
        let running = up && super::view::exists(layout, &node.name);
        let status = if running { "Running" } else { "Stopped" };
        println!("{:<12} {:<15} {role:<14} {status}", node.name, node.address().to_string());
    }
    Ok(())
}

/// Runs a command on the node with this terminal's input and output, and gives back its exit code.
pub fn exec(layout: &Layout, name: &str, arguments: &[String]) -> Result<ExitCode, NodeError> {
    let node = Record::read(layout)?.node(name)?;
    if !super::view::exists(layout, &node.name) {
        return Err(NodeError::NotRunning(node.name));
    }
    let mut command = command(layout, &node.name);
    command.args(["--cgroup", &format!("{}/session", layout.node_cgroup(&node.name)), "--"]).args(arguments);
    // an administrator on the node uses the node's own kubeconfig unless told otherwise
    if std::env::var_os("KUBECONFIG").is_none() && node.is_control_plane() {
        command.env("KUBECONFIG", "/etc/kubernetes/super-admin.conf");
    }
    let status = command.status().map_err(|source| NodeError::Start { node: node.name, source })?;
    Ok(exit_code(status))
}

/// A shell's convention: 128 and the signal's number.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The same where the node's own keeper runs the kubelet, as `init` and `join` leave a machine of `up --bare`.
fn restart_by_keeper(layout: &Layout, name: String) -> Result<(), NodeError> {
    if !super::view::exists(layout, &name) {
        return Err(NodeError::NotRunning(name));
    }
    let mut command = command(layout, &name);
    let session = format!("{}/session", layout.node_cgroup(&name));
    command.args(["--cgroup", &session, "--", "/proc/self/exe", "restart-unit", "kubelet"]);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(NodeError::NoRestart(name)),
        Err(source) => Err(NodeError::Start { node: name, source }),
    }
}

/// What `systemctl daemon-reload; systemctl restart kubelet` does elsewhere. Pods keep running.
pub async fn restart(layout: &Layout, name: &str, clock: SharedClock) -> Result<(), NodeError> {
    let record = Record::read(layout)?;
    let node = record.node(name)?;
    if record.bare {
        return restart_by_keeper(layout, node.name);
    }
    let process = format!("kubelet-{}", node.name);
    let pid = || {
        let text = fs::read_to_string(layout.pid_file(&process)).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    };
    if supervisor_pid(layout).is_none() {
        return Err(NodeError::NotRunning(node.name));
    }
    let before = pid();
    if let Some(before) = before {
        let _ = kill(before, Signal::SIGTERM); // gone this moment is as good
    }
    let started = async {
        while pid().is_none() || pid() == before {
            clock.sleep(RESTART_PERIOD).await;
        }
    };
    let limit = clock::timeout(&*clock, RESTART_LIMIT, started).await;
    limit.ok_or(NodeError::NoRestart(node.name))
}
