//! A cluster for one test: in a directory of its own, ended with the test, also when it fails.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long anything may take that is not late by design. Two busy cores are slow; nothing that works takes this long.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How often an outside process is asked again whether it has come to where it should be.
const PERIOD: Duration = Duration::from_millis(50);
/// Lines of each component's log that a failed test shows.
const LOG_LINES: usize = 25;

/// A running cluster.
pub struct Cluster {
    directory: tempfile::TempDir,
}

/// The binary under test.
pub fn pintle() -> &'static str {
    env!("CARGO_BIN_EXE_pintle")
}

/// Where `cargo xtask images` has put the images.
pub fn images() -> PathBuf {
    let named = std::env::var_os("PINTLE_IMAGES").map(PathBuf::from);
    let directory = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/images"));
    assert!(directory.join("nginx.tar").exists(), "no images in {}: run `cargo xtask images`", directory.display());
    directory
}

/// The kubectl to type with: 1.36 when `PINTLE_KUBECTL` names one, else the machine's.
pub fn kubectl() -> PathBuf {
    std::env::var_os("PINTLE_KUBECTL").map_or_else(|| PathBuf::from("kubectl"), PathBuf::from)
}

/// The corpus beside the repository; `None` where it is not.
pub fn golden() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    directory.is_dir().then_some(directory)
}

impl Cluster {
    /// Starts a cluster of these nodes.
    pub fn up(nodes: &str) -> Self {
        let cluster = Self::prepare();
        cluster.start(&["--nodes", nodes]);
        cluster
    }

    /// A place for a cluster that is not up yet.
    pub fn prepare() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Types `pintle up`, which must succeed.
    pub fn start(&self, arguments: &[&str]) {
        let output = self.pintle(&["up"]).args(arguments).arg("--images").arg(images()).output().expect("run pintle");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pintle up: {text}\n{}", self.logs());
    }

    /// `pintle` with this cluster's data directory.
    pub fn pintle(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(pintle());
        command.args(arguments).env("PINTLE_DATA_DIR", self.data_dir());
        command
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("cluster")
    }

    /// What stands at `path` on a node.
    pub fn node_path(&self, node: &str, path: &str) -> PathBuf {
        self.data_dir().join("nodes").join(node).join(path.trim_start_matches('/'))
    }

    /// The same, to be written to: /etc of a node is an overlay, which only processes of the node see.
    pub fn inside(&self, node: &str, path: &str) -> PathBuf {
        let pid = self.pid(&format!("kubelet-{node}"));
        Path::new("/proc").join(pid.trim()).join("root").join(path.trim_start_matches('/'))
    }

    /// An empty directory to work in.
    pub fn work_dir(&self) -> PathBuf {
        let directory = self.directory.path().join("work");
        std::fs::create_dir_all(&directory).expect("make a directory");
        directory
    }

    /// Writes a file into the directory that commands are typed in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.work_dir().join(name), content).expect("write a file");
    }

    /// A command line that types `command` on a node, with these variables.
    pub fn on_node(node: &str, variables: &str, command: &str) -> String {
        format!("pintle node exec {node} -- env {variables} bash -c '{}'", command.replace('\'', "'\\''"))
    }

    /// A shell that will run a command as the tutorial's reader would type it: `kubectl` and `pintle` mean this cluster.
    fn bash(&self, command: &str) -> Command {
        let tools = self.directory.path().join("bin");
        std::fs::create_dir_all(&tools).expect("make a directory");
        for (name, target) in [("pintle", PathBuf::from(pintle())), ("kubectl", kubectl())] {
            let link = tools.join(name);
            if target.is_absolute() && !link.exists() {
                std::os::unix::fs::symlink(&target, &link).expect("link a tool");
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash");
        bash.arg("-c")
            .arg(command)
            .current_dir(self.work_dir())
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("KUBECONFIG", self.data_dir().join("kubeconfig"))
            .env("PINTLE_DATA_DIR", self.data_dir())
            .env("HOME", self.directory.path())
            .stdin(Stdio::null());
        bash
    }

    /// Runs a shell command.
    pub fn shell(&self, command: &str) -> Output {
        self.bash(command).output().expect("run bash")
    }

    /// Starts a shell command whose output is read while it runs.
    pub fn spawn(&self, command: &str) -> Child {
        // bash makes place for the program, so that killing the child ends it
        let mut bash = self.bash(&format!("exec {command}"));
        bash.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("run bash")
    }

    /// Standard output of a command that must succeed.
    pub fn ok(&self, command: &str) -> String {
        let output = self.shell(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {error}\n{}", self.logs());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Standard error of a command that must fail.
    pub fn refused(&self, command: &str) -> String {
        let output = self.shell(command);
        assert!(!output.status.success(), "{command} succeeded: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Types a command again and again until its standard output is as it should be; returns that output.
    pub fn until(&self, command: &str, is_right: impl Fn(&str) -> bool) -> String {
        let clock = clock::system();
        let started = clock.monotonic();
        loop {
            let output = self.shell(command);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() && is_right(&text) {
                return text;
            }
            if clock.monotonic().saturating_sub(started) > LIMIT {
                let error = String::from_utf8_lossy(&output.stderr);
                panic!("{command} did not come to what it should be; last:\n{text}{error}\n{}", self.logs());
            }
            pause();
        }
    }

    /// Waits until a pod (with options such as `-n`) is Ready.
    pub fn ready(&self, pod: &str) {
        self.until(&format!("kubectl get pod {pod} -o jsonpath='{READY}'"), |text| text == "True");
    }

    /// The ids of a pod's containers, which change when one is started anew.
    pub fn container_ids(&self, pod: &str) -> String {
        self.ok(&format!("kubectl get pod {pod} -o jsonpath='{{.status.containerStatuses[*].containerID}}'"))
    }

    /// The process of a component (`server`, `kubelet-NODE`, `supervisor`), as its pid file has it.
    pub fn pid(&self, component: &str) -> String {
        let path = self.data_dir().join("run").join(format!("{component}.pid"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The ends of the components' logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        let directory = self.data_dir().join("log");
        let mut text = String::new();
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
            text.push_str(&format!("--- {}\n{}\n", entry.file_name().to_string_lossy(), tail.join("\n")));
        }
        text
    }
}

/// A pod's Ready condition, as a JSON path.
const READY: &str = r#"{.status.conditions[?(@.type=="Ready")].status}"#;

/// A moment before an outside process is asked again.
#[allow(clippy::disallowed_methods)] // an outside process has no event to wait for
pub fn pause() {
    std::thread::sleep(PERIOD);
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.pintle(&["down"]).output(); // there may be no cluster, and the test has its own verdict
    }
}
