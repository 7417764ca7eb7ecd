//! `pintle up` and `pintle down`.

use super::files::{self, FilesError};
use super::layout::{Layout, NODE_PREFIX_LEN, Node, NodesError, parse_nodes};
use super::progress::Progress;
use super::readiness::{self, ReadinessError};
use super::record::{Record, RecordError};
use super::view::{self, ViewError};
use super::{cgroups, node};
use clock::SharedClock;
use network::{NodeLink, Switch, SwitchError};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The tutorial's cluster.
pub const DEFAULT_NODES: &str = "master,node1,node2";
/// How long the supervisor may take to stop everything.
const DOWN_LIMIT: Duration = Duration::from_secs(30);
/// How often `down` looks whether it has: there is no event for the end of a process that is not one's child.
const DOWN_PERIOD: Duration = Duration::from_millis(20);

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
    /// It started, and does not work.
    #[error("{source}\nsee the logs in {logs}")]
    NotReady {
        /// Why.
        source: ReadinessError,
        /// Where to look.
        logs: PathBuf,
    },
    /// Importing an image failed.
    #[error("import images on {node}: {status}")]
    Images {
        /// Where.
        node: String,
        /// How the import ended.
        status: String,
    },
    /// Anything of the operating system's.
    #[error("{what}: {source}")]
    System {
        /// What was done.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// Not the superuser.
    #[error("pintle up makes namespaces and mounts: run it as root")]
    NotRoot,
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> ClusterError {
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

/// Brings the cluster of `layout` up, or finds that it is up. Prints progress, then the kubeconfig to use.
pub async fn up(layout: &Layout, asked: &Up, clock: SharedClock) -> Result<(), ClusterError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(ClusterError::NotRoot);
    }
    let wanted = asked.nodes.as_deref().map(parse_nodes).transpose()?;
    let record = Record::ensure(layout, wanted.as_deref(), &parse_nodes(DEFAULT_NODES)?)?;
    let nodes = record.nodes();
    let progress = Progress::new(clock.clone());
    if node::supervisor_pid(layout).is_none() {
        progress.step("certificates and configuration", prepare(layout, &record, &clock)).await?;
        progress.step("network and namespaces", make_nodes(layout, &nodes)).await?;
        if let Some(images) = &asked.images {
            progress.step("images", import_images(layout, &nodes, images)).await?;
        }
        start_supervisor(layout)?;
    }
    let not_ready = |source| ClusterError::NotReady { source, logs: layout.data_dir().join("log") };
    let own_kubeconfig = layout.kubeconfig();
    let api = readiness::api_server(&own_kubeconfig, &clock);
    let client = progress.step("API server", api).await.map_err(not_ready)?;
    let names = record.nodes.join(", ");
    let ready = readiness::nodes(&client, &nodes, &clock);
    progress.step(&format!("nodes {names}"), ready).await.map_err(not_ready)?;
    let kubeconfig = match &asked.write_kubeconfig {
        None => own_kubeconfig,
        Some(path) => {
            let copied = fs::read(&own_kubeconfig).and_then(|text| fs::write(path, text));
            copied.map_err(system(path.display().to_string()))?;
            path.clone()
        }
    };
    println!("export KUBECONFIG={}", kubeconfig.display());
    Ok(())
}

async fn prepare(layout: &Layout, record: &Record, clock: &SharedClock) -> Result<(), ClusterError> {
    files::ensure(layout, &record.nodes(), record.api_port, clock.now())?;
    Ok(files::write_hosts(layout, &record.nodes())?)
}

async fn make_nodes(layout: &Layout, nodes: &[Node]) -> Result<(), ClusterError> {
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

/// Imports every archive of `directory` on every node, all nodes at once.
async fn import_images(layout: &Layout, nodes: &[Node], directory: &Path) -> Result<(), ClusterError> {
    let entries = fs::read_dir(directory).map_err(system(directory.display().to_string()))?;
    let mut archives: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    archives.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
    archives.sort();
    let directory = std::path::absolute(directory).map_err(system("current directory"))?;
    let mut running = Vec::new();
    for node in nodes {
        let mut command = node::command(layout, &node.name);
        command.args(["--", "/proc/self/exe", "image", "import"]);
        command.args(archives.iter().filter_map(|path| path.file_name()).map(|name| directory.join(name)));
        let child = command.stdout(Stdio::null()).spawn().map_err(system("start image import"))?;
        running.push((node, child));
    }
    for (node, mut child) in running {
        let status = child.wait().map_err(system("image import"))?;
        if !status.success() {
            return Err(ClusterError::Images { node: node.name.clone(), status: status.to_string() });
        }
    }
    Ok(())
}

fn start_supervisor(layout: &Layout) -> Result<(), ClusterError> {
    let path = layout.log_file("supervisor");
    let log = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .and_then(|log| Ok((log.try_clone()?, log)));
    let (stdout, stderr) = log.map_err(system(path.display().to_string()))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("supervise").arg("--data-dir").arg(layout.data_dir()).current_dir("/");
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    command.spawn().map(drop).map_err(system("start the supervisor"))
}

/// Stops the cluster: components, then whatever still runs on its nodes. Its state stays, unless `delete`.
pub async fn down(layout: &Layout, delete: bool, clock: SharedClock) -> Result<(), ClusterError> {
    let record = Record::read(layout)?;
    if let Some(pid) = node::supervisor_pid(layout) {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM); // gone this moment is as good
        let gone = async {
            while node::supervisor_pid(layout).is_some() {
                clock.sleep(DOWN_PERIOD).await;
            }
        };
        if clock::timeout(&*clock, DOWN_LIMIT, gone).await.is_none() {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
    // processes die when the kernel gets to it; there is nothing of theirs to wait on
    let wait = || futures_wait(&clock);
    cgroups::kill(&layout.cgroup(), wait).map_err(system("end the cluster's processes"))?;
    for node in record.nodes() {
        view::remove(layout, &node.name);
    }
    Switch::remove(&layout.switch())?;
    while nix::mount::umount2(&layout.run_dir(), nix::mount::MntFlags::MNT_DETACH).is_ok() {}
    if delete {
        fs::remove_dir_all(layout.data_dir()).map_err(system(layout.data_dir().display().to_string()))?;
    }
    Ok(())
}

fn futures_wait(clock: &SharedClock) {
    let sleep = clock.sleep(DOWN_PERIOD);
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(sleep));
}
