//! `pintle up`: every step can be repeated, so that a second `up` finishes what a first one began.

use super::files::{self, FilesError};
use super::layout::{Layout, NODE_PREFIX_LEN, Node, NodesError, parse_nodes};
use super::lock::{Lock, LockError};
use super::progress::Progress;
use super::readiness::{self, ReadinessError};
use super::record::{Record, RecordError};
use super::view::{self, ViewError};
use super::{down, images, node, supervisor};
use clock::SharedClock;
use network::{NodeLink, Switch, SwitchError};
use std::fs::{self, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The tutorial's cluster.
pub const DEFAULT_NODES: &str = "master,node1,node2";
/// Lines of a component's log that an error shows.
const LOG_LINES_SHOWN: usize = 5;

/// Why a cluster does not come up or go down.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// `--nodes`
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// cluster.json
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Certificates and configuration.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Namespaces.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The network between nodes.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// Somebody else is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It started, and does not work.
    #[error("{source}; {log} ends with:\n{last}\n`pintle down` stops what runs")]
    NotReady {
        /// Why.
        source: Box<ReadinessError>,
        /// Where to look.
        log: PathBuf,
        /// The end of that file.
        last: String,
    },
    /// The process that keeps the components running does not run itself.
    #[error("the supervisor ended ({status}); {log} ends with:\n{last}")]
    Supervisor {
        /// How.
        status: ExitStatus,
        /// Where to look.
        log: PathBuf,
        /// The end of that file.
        last: String,
    },
    /// SIGINT or SIGTERM came first.
    #[error("interrupted; {0}")]
    Interrupted(&'static str),
    /// Importing an image failed.
    #[error("import images: {0}")]
    Images(Box<runtime::service::ImageError>),
    /// Anything of the operating system's.
    #[error("{what}: {source}")]
    System {
        /// What was done.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A program that the nodes run is missing.
    #[error("{program} is not installed; on Debian, type: apt-get install {package}")]
    NotInstalled {
        /// What is missing.
        program: &'static str,
        /// What brings it.
        package: &'static str,
    },
    /// Not the superuser.
    #[error("pintle up makes namespaces and mounts: run it as root")]
    NotRoot,
}

pub(super) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> ClusterError {
    let what = what.into();
    move |source| ClusterError::System { what, source }
}

/// What `up` is asked for.
#[derive(Clone, Debug)]
pub struct Up {
    /// `--nodes`, when given.
    pub nodes: Option<String>,
    /// `--write-kubeconfig`, when given.
    pub write_kubeconfig: Option<PathBuf>,
    /// A directory of image archives to import on every node.
    pub images: Option<PathBuf>,
}

/// Brings the cluster of `layout` up, or finds that it is up. Prints progress, then the kubeconfig to use. When it is
/// interrupted it stops again what it has started.
pub async fn up(layout: &Layout, asked: &Up, clock: SharedClock) -> Result<(), ClusterError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(ClusterError::NotRoot);
    }
    let wanted = asked.nodes.as_deref().map(parse_nodes).transpose()?;
    check_programs()?;
    let _lock = Lock::take(layout)?;
    // caught from here on, so that whatever is begun is ended in order
    let (mut interrupt, mut terminate) = signals().map_err(system("wait for signals"))?;
    let record = Record::ensure(layout, wanted.as_deref(), &parse_nodes(DEFAULT_NODES)?)?;
    let progress = Progress::new(clock.clone());
    progress.say(&format!("pintle {}, cluster in {}", env!("CARGO_PKG_VERSION"), layout.data_dir().display()));
    let mut interrupted = pin!(async {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
    });
    if let Some(supervisor) = node::supervisor_pid(layout) {
        progress.say("the cluster is up already");
        tokio::select! {
            ready = wait_ready(layout, &record, &progress, &clock) => {
                ready?;
                return tell(layout, asked, &progress);
            }
            // one that was killed a moment ago is there until the kernel gets to it
            () = supervisor::gone(layout, supervisor, &clock) => progress.say("it has just ended, and is started again"),
            () = &mut interrupted => return Err(ClusterError::Interrupted("the cluster was up before, and goes on")),
        }
    }
    tokio::select! {
        done = start(layout, asked, record, &progress, &clock) => done,
        () = &mut interrupted => {
            eprintln!();
            down::stop(layout, &clock).await?;
            Err(ClusterError::Interrupted("the cluster is down again, and `pintle up` starts it"))
        }
    }
}

async fn start(
    layout: &Layout,
    asked: &Up,
    mut record: Record,
    progress: &Progress,
    clock: &SharedClock,
) -> Result<(), ClusterError> {
    supervisor::remains_gone(layout, &record.nodes(), clock).await;
    let port = record.claim_port(layout)?;
    if let Some(taken) = port.taken {
        progress.say(&format!("127.0.0.1:{taken} is taken by another program: using port {}", record.api_port));
    }
    let nodes = record.nodes();
    progress.step("certificates and configuration", prepare(layout, &record, clock)).await?;
    progress.step("network and namespaces", make_nodes(layout, &nodes)).await?;
    if let Some(directory) = &asked.images {
        progress.step("images", images::import(layout, &nodes, directory)).await?;
    }
    let mut supervisor = start_supervisor(layout, port.listener)?;
    tokio::select! {
        ready = wait_ready(layout, &record, progress, clock) => ready?,
        ended = supervisor.wait() => {
            let log = layout.log_file("supervisor");
            let status = ended.map_err(system("wait for the supervisor"))?;
            return Err(ClusterError::Supervisor { status, last: last_lines(&log), log });
        }
    }
    tell(layout, asked, progress)
}

/// Says how the cluster is reached.
fn tell(layout: &Layout, asked: &Up, progress: &Progress) -> Result<(), ClusterError> {
    let kubeconfig = match &asked.write_kubeconfig {
        None => layout.kubeconfig(),
        Some(path) => {
            let copied = fs::read(layout.kubeconfig()).and_then(|text| fs::write(path, text));
            copied.map_err(system(path.display().to_string()))?;
            path.clone()
        }
    };
    progress.done("the cluster is ready");
    println!("export KUBECONFIG={}", shell_word(&kubeconfig.to_string_lossy()));
    Ok(())
}

/// Programs that a node runs, and the packages that bring them.
const PROGRAMS: [(&str, &str); 1] = [("nft", "nftables")];

fn check_programs() -> Result<(), ClusterError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let exists = |program: &str| std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    match PROGRAMS.into_iter().find(|(program, _)| !exists(program)) {
        Some((program, package)) => Err(ClusterError::NotInstalled { program, package }),
        None => Ok(()),
    }
}

fn signals() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

async fn wait_ready(
    layout: &Layout,
    record: &Record,
    progress: &Progress,
    clock: &SharedClock,
) -> Result<(), ClusterError> {
    let not_ready = |process: &str| {
        let log = layout.log_file(process);
        move |source| ClusterError::NotReady { source: Box::new(source), last: last_lines(&log), log }
    };
    let kubeconfig = layout.kubeconfig();
    let api = readiness::api_server(&kubeconfig, clock);
    let client = progress.step("API server", api).await.map_err(not_ready("server"))?;
    let nodes = record.nodes();
    let ready = readiness::nodes(&client, &nodes, clock);
    let what = format!("nodes {}", record.nodes.join(", "));
    let first = format!("kubelet-{}", record.nodes.first().map(String::as_str).unwrap_or_default());
    progress.step(&what, ready).await.map_err(not_ready(&first))
}

fn last_lines(log: &std::path::Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

async fn prepare(layout: &Layout, record: &Record, clock: &SharedClock) -> Result<(), ClusterError> {
    files::ensure(layout, &record.nodes(), record.api_port, clock.now())?;
    Ok(files::write_hosts(layout, &record.nodes())?)
}

/// Makes the nodes' namespaces and links, or finds that they are there.
pub(super) async fn make_nodes(layout: &Layout, nodes: &[Node]) -> Result<(), ClusterError> {
    view::ensure_run_dir(layout)?;
    let switch = Switch::ensure(&layout.switch()).await?;
    for node in nodes {
        let link = NodeLink {
            namespace: layout.namespace(&node.name, "net"),
            port: node.switch_port(),
            address: node.address(),
            prefix_len: NODE_PREFIX_LEN,
        };
        switch.attach(&link).await?;
        view::ensure(layout, node)?;
    }
    Ok(())
}

/// The supervisor gets the API server's port, where we hold it, as its standard input.
fn start_supervisor(layout: &Layout, listener: Option<TcpListener>) -> Result<Child, ClusterError> {
    let path = layout.log_file("supervisor");
    let log = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .and_then(|log| Ok((log.try_clone()?, log)));
    let (stdout, stderr) = log.map_err(system(path.display().to_string()))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("supervise").arg("--data-dir").arg(layout.data_dir()).current_dir("/");
    // a group of its own: what the terminal's keys send is not for it
    let stdin = listener.map_or_else(Stdio::null, |listener| Stdio::from(OwnedFd::from(listener)));
    command.stdin(stdin).stdout(stdout).stderr(stderr).process_group(0);
    command.spawn().map_err(system("start the supervisor"))
}

/// A path as a shell reads it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_when_they_must_be() {
        assert_eq!(shell_word("/var/lib/pintle/kubeconfig"), "/var/lib/pintle/kubeconfig");
        assert_eq!(shell_word("/my cluster/it's"), r"'/my cluster/it'\''s'");
    }
}
