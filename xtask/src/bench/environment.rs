//! What a row runs against: a server of our own, started for it and thrown away, or a peer that is there already.

use super::Programs;
use crate::command::{self, at};
use crate::images;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What has to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Nothing,
    /// An API server alone.
    Api,
    /// A control plane without a node.
    Plane,
    /// All in one process, with this machine as the node, in namespaces of its own.
    Node,
}

/// A server and the means to put load on it. What it started ends with it.
pub struct Environment<'a> {
    pub programs: &'a Programs,
    pub kubeconfig: PathBuf,
    /// Whether it is ours, so that memory and files can be looked at.
    pub own: bool,
    /// More text for the record, as a trace.
    pub extra: Option<String>,
    pub directory: PathBuf,
    server: Option<Child>,
    others: Vec<Child>,
    place: Place,
    /// Namespaces made on a peer, which are removed in the end.
    guests: RefCell<BTreeSet<String>>,
}

/// The node's name.
pub const NODE: &str = "bench";

/// Makes a network for the one node, inside of its own namespaces: the machine's links stay untouched. `$1` is the
/// directory for what a node has in fixed places.
const NODE_SETUP: &str = "set -e; own=$1; shift
ip link set lo up; ip link add uplink type veth peer name nowhere; ip addr add 192.0.2.10/24 dev uplink
ip link set nowhere up; ip link set uplink up
ip route add default dev uplink; hostname bench
for path in /var/lib/kubelet /var/log/pods /var/log/containers /var/lib/pintle; do
  mkdir -p $own$path $path; mount --bind $own$path $path
done
mkdir -p /run/pintle; mount -t tmpfs -o mode=755 tmpfs /run/pintle
exec \"$@\"";
/// Says so in a line when it runs, so in its namespaces: who enters them sooner finds the machine's.
const TELL: &str = "echo made; exec \"$@\" > /dev/null";

impl<'a> Environment<'a> {
    /// Starts a server for `place`.
    pub fn own(programs: &'a Programs, place: Place) -> Result<Self, String> {
        let directory = command::target().join("bench").join(format!("{}", std::process::id()));
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(at(&directory))?;
        }
        fs::create_dir_all(&directory).map_err(at(&directory))?;
        let kubeconfig = directory.join("kubeconfig");
        let mut made = Self {
            programs,
            kubeconfig,
            own: true,
            extra: None,
            directory,
            server: None,
            others: Vec::new(),
            place,
            guests: RefCell::default(),
        };
        if place == Place::Node {
            made.import_image()?;
        }
        if matches!(place, Place::Api | Place::Plane | Place::Node) {
            made.start_server(&[])?;
        }
        Ok(made)
    }

    /// A directory of its own for a server that is not started here.
    pub fn fresh(&self, place: Place, number: usize) -> Self {
        let directory = self.directory.join(format!("{place:?}-{number}"));
        let kubeconfig = directory.join("kubeconfig");
        let _ = fs::create_dir_all(directory.join("own")); // where it cannot be made, the server says so
        let (server, others, guests) = (None, Vec::new(), RefCell::default());
        Self { programs: self.programs, kubeconfig, own: true, extra: None, directory, server, others, place, guests }
    }

    /// A Kubernetes that runs already.
    pub fn peer(programs: &'a Programs, kubeconfig: &Path) -> Self {
        let directory = command::target().join("bench").join(format!("{}-peer", std::process::id()));
        Self {
            programs,
            kubeconfig: kubeconfig.to_owned(),
            own: false,
            extra: None,
            directory,
            server: None,
            others: Vec::new(),
            place: Place::Nothing,
            guests: RefCell::default(),
        }
    }

    fn import_image(&self) -> Result<(), String> {
        let mut import = Command::new(&self.programs.pintle);
        import.args(["image", "import", "--runtime-root"]).arg(self.directory.join("data/agent/runtime"));
        command::output(import.arg(images::directory().join("busybox.tar"))).map(drop)
    }

    /// The server's command line for this place.
    pub fn server_command(&self) -> Command {
        let mut command = if self.place == Place::Node { self.in_new_namespaces() } else { Command::new("env") };
        if self.place == Place::Node {
            command.args(["sh", "-c", TELL, "sh"]);
        }
        command.arg(&self.programs.pintle).args(self.server_arguments());
        command
    }

    /// Arguments of `pintle` that start this place's server.
    pub fn server_arguments(&self) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let mut arguments = vec!["server".to_owned(), "--data-dir".to_owned(), text(&self.directory.join("data"))];
        arguments.extend(["--write-kubeconfig".to_owned(), text(&self.kubeconfig)]);
        arguments.extend(["--bind-address", "127.0.0.1", "--secure-port", "0"].map(str::to_owned));
        let more: &[&str] = match self.place {
            Place::Nothing => &[],
            Place::Api => &["--disable-agent", "--disable-scheduler", "--disable-controller-manager"],
            // room for /24 ranges of more than 5,000 nodes
            Place::Plane => &["--disable-agent", "--cluster-cidr", "10.128.0.0/9"],
            Place::Node => &["--node-name", NODE, "--advertise-address", "192.0.2.10", "--cgroup-root", CGROUP],
        };
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments
    }

    /// A command that makes network, mount and UTS namespaces and runs its further arguments there.
    pub fn in_new_namespaces(&self) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--uts", "--", "sh", "-c", NODE_SETUP, "sh"]);
        command.arg(self.directory.join("own"));
        command
    }

    /// Starts (again) the server, with further variables.
    pub fn start_server(&mut self, variables: &[(&str, &Path)]) -> Result<(), String> {
        let log = self.directory.join("server.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&log).map_err(at(&log))?;
        let mut command = self.server_command();
        let screen = if self.place == Place::Node { Stdio::piped() } else { Stdio::null() };
        command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(screen).stderr(log);
        let mut server = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let screen = server.stdout.take();
        self.server = Some(server);
        if let Some(screen) = screen {
            let mut made = String::new();
            BufReader::new(screen).read_line(&mut made).map_err(|error| format!("{command:?}: {error}"))?;
        }
        let kubeconfig = self.kubeconfig.display().to_string();
        self.load(&["ready", "--kubeconfig", &kubeconfig]).map(drop)?;
        if self.place == Place::Node {
            self.load(&["nodes", "--count", "1", "--kubeconfig", &kubeconfig])?;
        }
        Ok(())
    }

    /// Stops the server and what is left of its pods; its data stay.
    pub fn stop_server(&mut self) {
        let left = self.server_pid().filter(|_| self.place == Place::Node).map(super::memory::in_namespace_of);
        if let Some(mut server) = self.server.take() {
            terminate(&mut server);
        }
        for pid in left.into_iter().flatten() {
            // shims outlive the server; their network namespace was ours alone
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// The server's process.
    pub fn server_pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Runs `load` with these arguments, where it reaches the server, and reads what it measured.
    pub fn load(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut command = match (self.place, self.server_pid()) {
            (Place::Node, Some(pid)) => {
                let mut enter = Command::new("nsenter");
                enter.args(["--net", "--target", &pid.to_string(), "--"]).arg(&self.programs.load);
                enter
            }
            _ => Command::new(&self.programs.load),
        };
        let text = command::output(command.args(arguments))?;
        serde_json::from_str(&text).map_err(|error| format!("{command:?} printed {text:?}: {error}"))
    }

    /// The same for a measurement on this server in `namespace`.
    pub fn measure(&self, verb: &str, namespace: &str, arguments: &[&str]) -> Result<Value, String> {
        let kubeconfig = self.kubeconfig.display().to_string();
        if !self.own {
            self.guests.borrow_mut().insert(namespace.to_owned());
        }
        self.load(&[&[verb, "--kubeconfig", &kubeconfig, "--namespace", namespace], arguments].concat())
    }

    /// Starts a further program that ends with this.
    pub fn start(&mut self, command: &mut Command, log: &str) -> Result<u32, String> {
        let path = self.directory.join(log);
        fs::create_dir_all(&self.directory).map_err(at(&self.directory))?;
        let file = fs::File::create(&path).map_err(at(&path))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn();
        let child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let pid = child.id();
        self.others.push(child);
        Ok(pid)
    }

    /// Starts `count` simulated nodes and waits until all are usable.
    pub fn simulate(&mut self, count: usize, arguments: &[&str]) -> Result<u32, String> {
        let mut command = Command::new(&self.programs.pintle);
        command.args(["agent", "--simulate", &count.to_string(), "--kubeconfig"]).arg(&self.kubeconfig).args(arguments);
        let pid = self.start(&mut command, "simulate.log")?;
        let kubeconfig = self.kubeconfig.display().to_string();
        self.load(&["nodes", "--count", &count.to_string(), "--kubeconfig", &kubeconfig])?;
        Ok(pid)
    }
}

/// The cgroup above the node's pods; removed in the end.
const CGROUP: &str = "pintle-bench";

fn terminate(child: &mut Child) {
    // by its id, and politely: the server finishes what it writes
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
}

impl Drop for Environment<'_> {
    fn drop(&mut self) {
        self.others.iter_mut().for_each(terminate);
        let kubeconfig = self.kubeconfig.display().to_string();
        for guest in self.guests.take() {
            if let Err(error) = self.load(&["remove", "--kubeconfig", &kubeconfig, "--namespace", &guest]) {
                eprintln!("the peer keeps namespace {guest}: {error}");
            }
        }
        self.stop_server();
        if self.place == Place::Node {
            let script =
                format!("find /sys/fs/cgroup -depth -type d -path '*/{CGROUP}*' -exec rmdir {{}} + 2>/dev/null");
            let _ = Command::new("sh").args(["-c", &script]).status(); // empty by now, or busy and left for later
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
