//! The command line. Flag names are upstream's wherever upstream has the flag.

use crate::cluster::lifecycle::DEFAULT_NODES;
use crate::kubeadm::certs_verb::CertsVerb;
use crate::kubeadm::init::InitFlags;
use crate::kubeadm::join::JoinFlags;
use crate::kubeadm::reset::ResetFlags;
use crate::kubeadm::token::TokenVerb;
use crate::roles::api_server::ApiServerFlags;
use crate::roles::controller_manager::ControllerManagerFlags;
use crate::roles::images::DEFAULT_ROOT;
use crate::roles::kubelet::KubeletFlags;
use crate::roles::scheduler::SchedulerFlags;
use crate::roles::server::ServerFlags;
use crate::roles::simulate::AgentFlags;
use crate::upstream_flags::{self, RefusedFlag};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A complete Kubernetes in one binary.
#[derive(Debug, Parser)]
#[command(name = "pintle", version, args_override_self = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The roles and verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole cluster on this machine, each node in namespaces of its own.
    Up {
        #[command(flatten)]
        data: DataDir,
        /// The nodes' names; the first carries the control plane.
        #[arg(long, value_name = "NAMES", help = format!("The nodes' names; the first carries the control plane [default: {DEFAULT_NODES}]"))]
        nodes: Option<String>,
        /// Also write the administrator's kubeconfig here.
        #[arg(long, value_name = "FILE")]
        write_kubeconfig: Option<PathBuf>,
        /// Import every image archive (*.tar) of this directory on every node.
        #[arg(long, value_name = "DIR")]
        images: Option<PathBuf>,
        /// Make the machines alone, with nothing on them, for `init` and `join`.
        #[arg(long, conflicts_with_all = ["write_kubeconfig", "images"])]
        bare: bool,
    },
    /// Stop the cluster of `up`. Its state is kept.
    Down {
        #[command(flatten)]
        data: DataDir,
        /// Delete the state too.
        #[arg(long)]
        delete: bool,
    },
    /// A control plane, and this machine's node, in one process.
    Server(ServerFlags),
    /// Worker nodes of a server elsewhere; with --simulate ones that only exist in the API.
    Agent(AgentFlags),
    /// A node agent alone, with upstream's flags.
    Kubelet(KubeletFlags),
    /// The API server alone, with upstream's flags.
    KubeApiserver(Box<ApiServerFlags>),
    /// The controllers alone, with upstream's flags.
    KubeControllerManager(Box<ControllerManagerFlags>),
    /// The scheduler alone, with upstream's flags.
    KubeScheduler(Box<SchedulerFlags>),
    /// Make this machine the control plane of a new cluster, as kubeadm does.
    Init(Box<InitFlags>),
    /// Make this machine a worker node of a cluster, as kubeadm does.
    Join(Box<JoinFlags>),
    /// Take back what `init` or `join` did to this machine.
    Reset(ResetFlags),
    /// Bootstrap tokens, which let new nodes in.
    Token {
        #[command(subcommand)]
        verb: TokenVerb,
    },
    /// The certificates of this control plane.
    Certs {
        #[command(subcommand)]
        verb: CertsVerb,
    },
    /// This node's image store.
    Image {
        #[command(subcommand)]
        verb: ImageVerb,
    },
    /// Step into a node of `up`, as ssh would.
    Node {
        #[command(subcommand)]
        verb: NodeVerb,
    },
    /// Start a systemd unit's process directly, with its drop-ins: for machines without systemd.
    RunUnit {
        /// `kubelet` for kubelet.service.
        name: String,
    },
    /// Keep a unit's process running, as systemd would.
    #[command(hide = true)]
    KeepUnit {
        /// `kubelet` for kubelet.service.
        name: String,
    },
    /// Start a kept unit's process again, as `systemctl restart` would.
    #[command(hide = true)]
    RestartUnit {
        /// `kubelet` for kubelet.service.
        name: String,
    },
    /// Run a command in a node's namespaces.
    #[command(hide = true)]
    InNode {
        #[command(flatten)]
        data: DataDir,
        /// Which node.
        #[arg(long)]
        node: String,
        /// Join this cgroup first.
        #[arg(long)]
        cgroup: Option<String>,
        /// Be killed when the process that started this one ends.
        #[arg(long)]
        die_with_parent: bool,
        /// Hand the inherited listener on.
        #[arg(long)]
        keep_listener: bool,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Make a node's namespaces and hold them while standard input is open.
    #[command(hide = true)]
    MakeNode {
        #[command(flatten)]
        data: DataDir,
        /// Which node.
        #[arg(long)]
        node: String,
    },
    /// Keep the components of a cluster running.
    #[command(hide = true)]
    Supervise {
        #[command(flatten)]
        data: DataDir,
    },
}

/// The verbs of `pintle node`.
#[derive(Debug, Subcommand)]
pub enum NodeVerb {
    /// The nodes, their addresses and whether they run.
    List {
        #[command(flatten)]
        data: DataDir,
    },
    /// Run a command on a node.
    Exec {
        #[command(flatten)]
        data: DataDir,
        /// Which node.
        node: String,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// A shell on a node.
    Shell {
        #[command(flatten)]
        data: DataDir,
        /// Which node.
        node: String,
    },
    /// Read unit, drop-ins and configuration again and restart the node's kubelet; pods keep running.
    Restart {
        #[command(flatten)]
        data: DataDir,
        /// Which node.
        node: String,
    },
}

/// The verbs of `pintle image`.
#[derive(Debug, Subcommand)]
pub enum ImageVerb {
    /// Import OCI layouts or docker archives.
    Import {
        #[command(flatten)]
        root: ImageRoot,
        /// Files or directories.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// The images of this node.
    Ls {
        #[command(flatten)]
        root: ImageRoot,
    },
    /// Pull images from their registries.
    Pull {
        #[command(flatten)]
        root: ImageRoot,
        /// Names, such as `nginx` or `registry.example:5000/team/app:1`.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove images by name.
    Rm {
        #[command(flatten)]
        root: ImageRoot,
        /// Names.
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Where the image store is.
#[derive(Clone, Debug, Args)]
pub struct ImageRoot {
    /// Where images and containers are kept.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_ROOT)]
    pub runtime_root: PathBuf,
}

impl ImageRoot {
    /// The images below it.
    pub fn images(&self) -> PathBuf {
        self.runtime_root.join("images")
    }
}

/// Which of several clusters on this machine.
#[derive(Clone, Debug, Args)]
pub struct DataDir {
    /// Where the cluster is kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/pintle", env = "PINTLE_DATA_DIR")]
    pub data_dir: PathBuf,
}

/// Upstream's program names, as links to this binary: `kubelet --config=…` is `pintle kubelet --config=…`.
const PROGRAMS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"];

/// Puts the subcommand in when the binary was called by the name of one of upstream's programs.
pub fn multi_call(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let called = arguments.first().and_then(|first| Path::new(first).file_name()?.to_str().map(str::to_owned));
    if let Some(program) = called.filter(|name| PROGRAMS.contains(&name.as_str())) {
        arguments.insert(1, program.into());
    }
    arguments
}

/// Takes upstream's flags out that mean nothing here, and says so.
///
/// # Errors
/// [`RefusedFlag`] for one that may not be ignored.
pub fn without_foreign_flags(mut arguments: Vec<OsString>) -> Result<Vec<OsString>, RefusedFlag> {
    let program = arguments.get(1).and_then(|word| word.to_str()).filter(|word| PROGRAMS.contains(word));
    let Some(program) = program.map(str::to_owned) else { return Ok(arguments) };
    let mut command = Arguments::command();
    command.build();
    let known: Vec<&str> = command
        .find_subcommand(&program)
        .map(|sub| sub.get_arguments().flat_map(|argument| argument.get_long_and_visible_aliases()).flatten().collect())
        .unwrap_or_default();
    let filtered = upstream_flags::filter(&program, &known, arguments.split_off(2))?;
    for name in &filtered.ignored {
        eprintln!("warning: {program}: flag --{name} has no meaning in this build and is ignored");
    }
    arguments.extend(filtered.arguments);
    Ok(arguments)
}
