//! The kubelet as a service of this machine: its unit, drop-in, flags and configuration, in kubeadm's places, and starting
//! and stopping it. By systemd where that runs this machine; else by a keeper of our own, which does what the unit says.

use super::files::{self, FileError, at};
use super::settings::ExtraArgs;
use super::{PROBE_PERIOD, wait_until};
use crate::node_files;
use clock::SharedClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The program that the unit names.
pub const PROGRAM: &str = "/usr/bin/kubelet";
/// The keeper's pid.
const PID_FILE: &str = "/run/pintle/kubelet-keeper.pid";
/// The kubelet's output where there is no journal.
pub const LOG_FILE: &str = "/var/lib/pintle/log/kubelet.log";
/// The unit's `RestartSec`.
const RESTART_DELAY: Duration = Duration::from_secs(10);
/// A kubelet that ends sooner than this after its start waits [`RESTART_DELAY`]; one that was stopped by hand is back at
/// once.
const STARTED_WELL: Duration = Duration::from_secs(5);
/// The unit's TimeoutStopSec.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Why the kubelet cannot be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// systemctl.
    #[error("systemctl {arguments}: {reason}")]
    Systemctl {
        /// What was asked for.
        arguments: String,
        /// What came of it.
        reason: String,
    },
    /// The keeper.
    #[error("{what}: {source}")]
    Keeper {
        /// What was done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing of that name.
    #[error("Unit {0}.service not found.")]
    NoUnit(String),
    /// It does not become healthy.
    #[error("the kubelet does not become healthy: see {LOG_FILE}")]
    NoStart,
    /// It does not end.
    #[error("the kubelet did not stop within {STOP_LIMIT:?}")]
    NoStop,
}

fn keeper(what: &'static str) -> impl FnOnce(io::Error) -> ServiceError {
    move |source| ServiceError::Keeper { what, source }
}

/// Whether systemd runs this machine, and we are in its view of it: a node of `up` has a mount namespace of its own.
pub fn has_systemd() -> bool {
    let own = fs::read_link("/proc/self/ns/mnt");
    Path::new("/run/systemd/system").is_dir() && own.is_ok() && own.ok() == fs::read_link("/proc/1/ns/mnt").ok()
}

/// Writes unit and drop-in. Where systemd starts the kubelet, its program is made a link to this binary when there is
/// none.
///
/// # Errors
/// [`ServiceError`]
pub fn install() -> Result<(), ServiceError> {
    files::write(Path::new(node_files::UNIT_PATH), node_files::KUBELET_SERVICE)?;
    files::write(Path::new(node_files::DROP_IN_PATH), node_files::KUBEADM_DROP_IN)?;
    if has_systemd() && !Path::new(PROGRAM).exists() {
        let own = std::env::current_exe().map_err(keeper("find this program"))?;
        symlink(&own, PROGRAM).map_err(at(Path::new(PROGRAM)))?;
    }
    Ok(())
}

/// `KUBELET_KUBEADM_ARGS`, as kubeadm writes it.
///
/// # Errors
/// [`FileError`]
pub fn write_flags(flags: &ExtraArgs) -> Result<(), FileError> {
    let words: Vec<String> = flags.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    files::write(Path::new(node_files::FLAGS_PATH), &format!("KUBELET_KUBEADM_ARGS=\"{}\"\n", words.join(" ")))
}

fn systemctl(arguments: &[&str]) -> Result<(), ServiceError> {
    let failed = |reason: String| ServiceError::Systemctl { arguments: arguments.join(" "), reason };
    let output = Command::new("systemctl").args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Starts the kubelet, or starts it again.
///
/// # Errors
/// [`ServiceError`]
pub async fn start(clock: &SharedClock) -> Result<(), ServiceError> {
    if has_systemd() {
        systemctl(&["daemon-reload"])?;
        systemctl(&["enable", "kubelet"])?;
        return systemctl(&["restart", "kubelet"]);
    }
    stop(clock).await?;
    let log_path = Path::new(LOG_FILE);
    if let Some(directory) = log_path.parent() {
        fs::create_dir_all(directory).map_err(at(directory))?;
    }
    let log = fs::OpenOptions::new().create(true).append(true).open(log_path).map_err(at(log_path))?;
    let errors = log.try_clone().map_err(at(log_path))?;
    let mut command = Command::new("/proc/self/exe");
    command.args(["keep-unit", "kubelet"]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map(drop).map_err(keeper("start the kubelet's keeper"))
}

/// Starts a kubelet again that runs or ran, and waits until it is healthy.
///
/// # Errors
/// [`ServiceError`]
pub async fn restart(unit: &str, clock: &SharedClock) -> Result<(), ServiceError> {
    if unit != "kubelet" || !Path::new(node_files::UNIT_PATH).exists() {
        return Err(ServiceError::NoUnit(unit.to_owned()));
    }
    stop(clock).await?;
    start(clock).await?;
    wait_healthy(clock).await.map(drop).ok_or(ServiceError::NoStart)
}

/// Stops the kubelet. Pods go on.
///
/// # Errors
/// [`ServiceError`]
pub async fn stop(clock: &SharedClock) -> Result<(), ServiceError> {
    if has_systemd() {
        return if Path::new(node_files::UNIT_PATH).exists() { systemctl(&["stop", "kubelet"]) } else { Ok(()) };
    }
    let Some(pid) = keeper_pid() else { return Ok(()) };
    let _ = kill(pid, Signal::SIGTERM); // gone this moment is as good
    let gone = async {
        while keeper_pid() == Some(pid) {
            clock.sleep(PROBE_PERIOD).await;
        }
    };
    clock::timeout(&**clock, STOP_LIMIT, gone).await.ok_or(ServiceError::NoStop)
}

/// The keeper, if it runs: the number in the file may have gone to a stranger.
fn keeper_pid() -> Option<Pid> {
    let pid: i32 = fs::read_to_string(PID_FILE).ok()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let is_keeper = command_line.split(|byte| *byte == 0).any(|word| word == b"keep-unit");
    is_keeper.then(|| Pid::from_raw(pid))
}

/// Waits for the kubelet's health port; gives what it took.
pub async fn wait_healthy(clock: &SharedClock) -> Option<Duration> {
    wait_until(clock, || async {
        let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", crate::roles::kubelet::HEALTH_PORT)).await
        else {
            return false;
        };
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut answer = Vec::new();
        let request = b"GET /healthz HTTP/1.0\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
        let asked = stream.write_all(request).await.is_ok();
        asked && stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.0 200")
            || answer.starts_with(b"HTTP/1.1 200")
    })
    .await
}

/// `pintle keep-unit`: runs the unit's process and starts it again whenever it ends, as the unit's `Restart=always` says.
///
/// # Errors
/// The pid file, signals.
pub async fn keep(unit: &str, clock: SharedClock) -> Result<(), Box<dyn std::error::Error>> {
    let pid_file = PathBuf::from(PID_FILE);
    files::write(&pid_file, &std::process::id().to_string())?;
    let shutdown = crate::roles::shutdown::on_signal()?;
    while !shutdown.is_cancelled() {
        let started = clock.monotonic();
        let mut command = tokio::process::Command::new("/proc/self/exe");
        command.args(["run-unit", unit]).stdin(Stdio::null());
        match command.spawn() {
            Ok(mut child) => tokio::select! {
                status = child.wait() => tracing::info!(unit, ?status, "ended"),
                () = shutdown.cancelled() => {
                    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
                    if let Some(pid) = pid {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM); // it may be gone this moment
                    }
                    if clock::timeout(&*clock, STOP_LIMIT, child.wait()).await.is_none() {
                        let _ = child.kill().await;
                    }
                    break;
                }
            },
            Err(error) => tracing::error!(unit, %error, "cannot start"),
        }
        if clock.monotonic().saturating_sub(started) < STARTED_WELL {
            tokio::select! {
                () = clock.sleep(RESTART_DELAY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
    Ok(files::remove(&pid_file)?)
}
