//! Kubelets with real containers. One is killed at chosen moments, and the next finds its way: nothing twice, nothing left;
//! and logs and images are kept as long as they are to be.

#[path = "../../runtime/tests/native/busybox.rs"]
mod busybox;
#[path = "native/retention.rs"]
mod retention;
#[path = "native/stops.rs"]
mod stops;

use clock::SharedClock;
use futures::future::BoxFuture;
use kubelet::{Config, Dependencies, NetworkError, NetworkRequest, NodeRoute, Paths, PodNetworking, Retention};
use runtime::native::{NativeConfig, NativeRuntime};
use runtime::service::{ContainerFilter, ContainerState, ImageService, RuntimeService, SandboxFilter};
use serde_json::json;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stops::{Stopping, Verb, When};
use tokio::sync::Notify;

/// No single wait takes longer, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// The namespaces of sandboxes, without any link in them.
#[derive(Debug)]
struct NoNetwork;

impl PodNetworking for NoNetwork {
    fn status(&self) -> Result<(), NetworkError> {
        Ok(())
    }
    fn set_pod_cidrs(&self, _: Vec<String>) -> BoxFuture<'_, Result<(), NetworkError>> {
        Box::pin(async { Ok(()) })
    }
    fn setup(&self, _: NetworkRequest) -> BoxFuture<'_, Result<Vec<IpAddr>, NetworkError>> {
        Box::pin(async { Ok(vec![IpAddr::from([10, 0, 0, 2])]) })
    }
    fn teardown<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), NetworkError>> {
        Box::pin(async { Ok(()) })
    }
    fn set_node_routes(&self, _: Vec<NodeRoute>) -> BoxFuture<'_, Result<(), NetworkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A kubelet and its runtime on a tokio runtime of their own, which can be taken away under them.
struct Running {
    tokio: tokio::runtime::Runtime,
    native: NativeRuntime,
}

struct Node {
    directory: tempfile::TempDir,
    cgroup: String,
    running: Option<Running>,
}

impl Node {
    fn new(number: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["manifests", "shared"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory, cgroup: format!("/pintle-crash-{}-{number}", std::process::id()), running: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a kubelet whose runtime stops at `moment`; resolves when it has.
    fn start(&mut self, moment: Option<(Verb, When)>) -> Arc<Notify> {
        self.start_with(moment, clock::system(), Retention::default())
    }

    /// The same on another clock than the machine's.
    fn start_with(&mut self, moment: Option<(Verb, When)>, clock: SharedClock, retention: Retention) -> Arc<Notify> {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let shim = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples/node");
        assert!(shim.exists(), "{} is missing: build the examples of the crate runtime", shim.display());
        let mut config = NativeConfig::new(self.path("root"), self.path("run"), clock::system());
        config.shim_command = vec![shim.into(), "shim".into()];
        let native = tokio.block_on(NativeRuntime::open(config)).unwrap();
        if tokio.block_on(native.list_images()).unwrap().is_empty() {
            let archive = self.path("busybox.tar");
            busybox::archive(&archive, &["busybox:latest"]).unwrap();
            tokio.block_on(native.import_image(archive, None)).unwrap();
        }
        let reached = Arc::new(Notify::new());
        let runtime = Stopping::new(Arc::new(native.clone()), moment, reached.clone());
        let config = Config {
            node_name: "n".to_owned(),
            node_ips: vec![IpAddr::from([192, 0, 2, 1])],
            paths: Paths {
                root: self.path("kubelet"),
                pod_logs: self.path("pods"),
                container_logs: self.path("containers"),
            },
            static_pod_path: Some(self.path("manifests")),
            cgroup_root: self.cgroup.clone(),
            retention,
            ..Config::default()
        };
        let dependencies = Dependencies {
            client: None,
            proxy_client: None,
            runtime: Arc::new(runtime),
            images: Arc::new(native.clone()),
            network: Arc::new(NoNetwork),
            clock,
        };
        tokio.spawn(kubelet::run(config, dependencies, client::Shutdown::new()));
        self.running = Some(Running { tokio, native });
        reached
    }

    /// Takes the kubelet away as kill -9 would.
    fn kill(&mut self) {
        let Running { tokio, native } = self.running.take().unwrap();
        drop(native);
        // what is in the middle of a system call ends it, as there
        tokio.shutdown_timeout(PATIENCE);
    }

    /// A pod that notes each of its starts down and then does this.
    fn write_manifest(&self, work: &str) {
        let script = format!("trap 'exit 0' TERM; echo started >> /shared/starts; {work}");
        let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "terminationGracePeriodSeconds": 20,
            "volumes": [{"name": "shared", "hostPath": {"path": self.path("shared")}}, {"name": "own", "emptyDir": {"medium": "Memory"}}],
            "containers": [{"name": "c", "image": "busybox", "imagePullPolicy": "Never", "command": ["sh", "-c", script],
                "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "sleep 0.2"]}}},
                "volumeMounts": [{"name": "shared", "mountPath": "/shared"}, {"name": "own", "mountPath": "/own"}]}]}});
        let hidden = self.path("manifests/.p");
        std::fs::write(&hidden, manifest.to_string()).unwrap();
        std::fs::rename(hidden, self.path("manifests/p")).unwrap();
    }

    fn remove_manifest(&self) {
        std::fs::remove_file(self.path("manifests/p")).unwrap();
    }

    fn wait(&self, reached: &Notify) {
        let tokio = &self.running.as_ref().unwrap().tokio;
        tokio.block_on(clock::timeout(&*clock::system(), PATIENCE, reached.notified())).expect("the moment never came");
    }

    /// Waits until the containers that run, the instances that there are, and the sandboxes are so many.
    fn until(&self, what: &str, holds: impl Fn(usize, usize, usize) -> bool) {
        let running = self.running.as_ref().unwrap();
        let clock = clock::system();
        let found = running.tokio.block_on(clock::timeout(&*clock, PATIENCE, async {
            loop {
                let containers = running.native.list_containers(ContainerFilter::default()).await.unwrap();
                let sandboxes = running.native.list_pod_sandboxes(SandboxFilter::default()).await.unwrap();
                let up = containers.iter().filter(|c| c.state == ContainerState::Running).count();
                if holds(up, containers.len(), sandboxes.len()) {
                    return;
                }
                clock.sleep(Duration::from_millis(10)).await;
            }
        }));
        assert!(found.is_some(), "never: {what}");
    }

    /// How often the container's command has begun.
    fn starts(&self) -> usize {
        std::fs::read_to_string(self.path("shared/starts")).unwrap_or_default().lines().count()
    }

    /// All that is left of pods: mounts, cgroups, directories, processes.
    fn left(&self) -> String {
        let mut left = String::new();
        let directory = self.directory.path().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        points.filter(|path| path.starts_with(&directory)).for_each(|path| writeln!(left, "mount {path}").unwrap());
        for name in ["run/sandboxes", "root/sandboxes", "root/containers", "kubelet/pods", "pods", "containers"] {
            for entry in std::fs::read_dir(self.path(name)).into_iter().flatten().flatten() {
                writeln!(left, "{}", entry.path().display()).unwrap();
            }
        }
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            pod_groups(&hierarchy.path().join(self.cgroup.trim_start_matches('/')), &mut left);
        }
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            if command.contains("\0shim\0") && command.contains(&directory) {
                writeln!(left, "process {}", command.replace('\0', " ")).unwrap();
            }
        }
        left
    }

    /// Waits until nothing is left, as processes end and groups are removed beside everything else.
    fn until_nothing_is_left(&self) {
        let running = self.running.as_ref().unwrap();
        let clock = clock::system();
        let clean = running.tokio.block_on(clock::timeout(&*clock, PATIENCE, async {
            while !self.left().is_empty() {
                clock.sleep(Duration::from_millis(20)).await;
            }
        }));
        assert!(clean.is_some(), "left:\n{}", self.left());
    }
}

/// The groups of pods and containers below `group`.
fn pod_groups(group: &Path, left: &mut String) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        if entry.file_name().to_string_lossy().starts_with("pod") {
            writeln!(left, "cgroup {}", entry.path().display()).unwrap();
        }
        pod_groups(&entry.path(), left);
    }
}

fn remove_group(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        remove_group(&entry.path());
    }
    let _ = std::fs::remove_dir(group);
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
        let _ = std::fs::remove_file(self.path("manifests/p")); // a test that went well has removed it
        if std::thread::panicking() {
            self.start(None);
            let native = self.running.as_ref().unwrap().native.clone();
            self.running.as_ref().unwrap().tokio.block_on(async {
                for sandbox in native.list_pod_sandboxes(SandboxFilter::default()).await.unwrap_or_default() {
                    let _ = native.remove_pod_sandbox(&sandbox.id).await; // the first failure counts
                }
            });
            drop(native);
            self.kill();
        }
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove_group(&hierarchy.path().join(self.cgroup.trim_start_matches('/')));
        }
    }
}

fn possible() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: real containers need root");
    }
    root
}

const FOR_EVER: &str = "while :; do sleep 0.05; done";
const WHEN: [When; 3] = [When::Before, When::During, When::After];

#[test]
fn a_pod_that_was_being_started_runs_once() {
    if !possible() {
        return;
    }
    let verbs = [Verb::RunPodSandbox, Verb::CreateContainer, Verb::StartContainer, Verb::ExecSync];
    let moments = verbs.into_iter().flat_map(|verb| WHEN.map(|when| (verb, when)));
    for (number, moment) in moments.enumerate() {
        eprintln!("{moment:?}");
        let mut node = Node::new(number);
        node.write_manifest(FOR_EVER);
        let reached = node.start(Some(moment));
        node.wait(&reached);
        node.kill();
        node.start(None);
        node.until("one container runs", |up, _, sandboxes| (up, sandboxes) == (1, 1));
        node.until("its command has begun", |_, _, _| node.starts() > 0);
        assert_eq!(node.starts(), 1, "{moment:?}: started twice");
        node.remove_manifest();
        node.until("it is gone", |_, instances, sandboxes| (instances, sandboxes) == (0, 0));
        node.until_nothing_is_left();
        assert_eq!(node.starts(), 1, "{moment:?}: started twice");
    }
}

#[test]
fn a_pod_that_was_being_stopped_goes() {
    if !possible() {
        return;
    }
    let verbs = [Verb::StopContainer, Verb::StopPodSandbox, Verb::RemovePodSandbox];
    let moments = verbs.into_iter().flat_map(|verb| WHEN.map(|when| (verb, when)));
    for (number, moment) in moments.enumerate() {
        eprintln!("{moment:?}");
        let mut node = Node::new(100 + number);
        node.write_manifest(FOR_EVER);
        let reached = node.start(Some(moment));
        node.until("it runs", |up, _, _| up == 1 && node.starts() == 1);
        node.remove_manifest();
        node.wait(&reached);
        node.kill();
        node.start(None);
        node.until("it is gone", |_, instances, sandboxes| (instances, sandboxes) == (0, 0));
        node.until_nothing_is_left();
        assert_eq!(node.starts(), 1, "{moment:?}: started again");
    }
}
