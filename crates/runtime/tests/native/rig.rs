//! A runtime in temporary directories, with its own cgroup, cleaned away whatever happens.

use crate::busybox;
use futures::StreamExt;
use runtime::native::{NativeConfig, NativeRuntime};
use runtime::service::{
    ContainerConfig, ContainerEvent, ContainerEventKind, ContainerId, ContainerState, ContainerStatus, ImageService,
    PodSandboxConfig, PodSandboxMetadata, PodSandboxStatus, RuntimeService, SandboxFilter,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// No single wait of a test takes longer, even on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rig {
    tokio: Option<tokio::runtime::Runtime>,
    native: Option<NativeRuntime>,
    directory: tempfile::TempDir,
    cgroup: String,
}

/// Whether tests of this file can run; says why not.
pub fn possible() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: real containers need root");
    }
    root
}

impl Rig {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cgroup = format!("/pintle-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let mut rig = Self { tokio: None, native: None, directory, cgroup };
        rig.start();
        let archive = rig.path("busybox.tar");
        busybox::archive(&archive, &["busybox:latest", "example.com/box:1"]).unwrap();
        rig.block(async |native| native.import_image(archive, None).await.unwrap());
        rig
    }

    fn start(&mut self) {
        let node = Self::shim_program();
        let mut config = NativeConfig::new(self.path("root"), self.path("run"), clock::system());
        config.shim_command = vec![node.into(), "shim".into()];
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        self.native = Some(tokio.block_on(NativeRuntime::open(config)).unwrap());
        self.tokio = Some(tokio);
    }

    pub fn shim_program() -> PathBuf {
        let node = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples/node");
        assert!(node.exists(), "{} is missing: build the examples of this crate", node.display());
        node
    }

    /// Takes the runtime away as kill -9 would: no goodbye to the shims.
    pub fn crash(&mut self) {
        self.native = None;
        self.tokio.take().unwrap().shutdown_background();
    }

    pub fn restart(&mut self) {
        self.start();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn block<T>(&self, work: impl AsyncFnOnce(NativeRuntime) -> T) -> T {
        let native = self.native.clone().unwrap();
        self.tokio.as_ref().unwrap().block_on(async {
            let bounded = tokio::time::timeout(PATIENCE, work(native));
            bounded.await.expect("a step of the test took too long")
        })
    }

    pub fn sandbox_config(&self, name: &str) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: PodSandboxMetadata {
                name: name.into(),
                uid: format!("uid-{name}"),
                namespace: "default".into(),
                attempt: 0,
            },
            hostname: name.into(),
            log_directory: self.path("logs").join(name),
            pid: runtime::service::NamespaceMode::Container,
            cgroup_parent: format!("{}/pod-{name}", self.cgroup),
            ..PodSandboxConfig::default()
        }
    }

    pub fn sandbox(&self, name: &str) -> PodSandboxStatus {
        let config = self.sandbox_config(name);
        self.block(async |native| native.run_pod_sandbox(config).await.unwrap())
    }

    /// Creates and starts a container.
    pub fn run(&self, sandbox: &PodSandboxStatus, config: ContainerConfig) -> ContainerId {
        self.block(async |native| {
            let id = native.create_container(&sandbox.id, config).await.unwrap();
            native.start_container(&id).await.unwrap();
            id
        })
    }

    /// Runs a shell script in a fresh container to its end.
    pub fn script(&self, sandbox: &PodSandboxStatus, text: &str) -> (ContainerStatus, String) {
        self.finish(self.run(sandbox, sh(text)))
    }

    /// Waits for a container's end; its status and the text of its log.
    pub fn finish(&self, id: ContainerId) -> (ContainerStatus, String) {
        let status = self.block(async |native| wait_exited(&native, &id).await);
        let log = log_text(&status.log_path);
        (status, log)
    }

    pub fn status(&self, id: &ContainerId) -> ContainerStatus {
        self.block(async |native| native.container_status(id).await.unwrap())
    }
}

/// A container that runs a shell script.
pub fn sh(text: &str) -> ContainerConfig {
    command(&["sh", "-c", text])
}

pub fn command(words: &[&str]) -> ContainerConfig {
    ContainerConfig {
        image: "busybox".into(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        log_path: "c.log".into(),
        ..ContainerConfig::default()
    }
}

pub async fn wait_exited(native: &NativeRuntime, id: &ContainerId) -> ContainerStatus {
    let mut events = native.container_events();
    loop {
        let status = native.container_status(id).await.unwrap();
        if status.state == ContainerState::Exited {
            return status;
        }
        loop {
            match events.next().await.unwrap() {
                ContainerEvent::Container { id: about, kind: ContainerEventKind::Stopped, .. } if about == *id => break,
                ContainerEvent::Lagged => break,
                _ => {}
            }
        }
    }
}

/// Waits until the log holds `text`; inotify would be the way, a test may look again and again.
pub async fn wait_log(path: &Path, text: &str) {
    let clock = clock::system();
    while !log_text(path).contains(text) {
        clock.sleep(Duration::from_millis(5)).await;
    }
}

/// The lines of a log without times, streams and tags.
pub fn log_text(path: &Path) -> String {
    let raw = std::fs::read_to_string(path).unwrap_or_default();
    raw.lines().map(|line| line.splitn(4, ' ').nth(3).unwrap_or_default().to_owned() + "\n").collect()
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.native.is_none() {
            self.start();
        }
        let failed: Vec<String> = self.block(async |native| {
            let mut failed = Vec::new();
            for sandbox in native.list_pod_sandboxes(SandboxFilter::default()).await.unwrap() {
                if let Err(error) = native.remove_pod_sandbox(&sandbox.id).await {
                    failed.push(error.to_string());
                }
            }
            failed
        });
        self.native = None;
        let directory = self.directory.path().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let left: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|path| path.starts_with(&directory))
            .collect();
        for path in left.iter().rev() {
            let _ = nix::mount::umount2(*path, nix::mount::MntFlags::MNT_DETACH);
        }
        let mut groups = Vec::new();
        for entry in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let group = entry.path().join(self.cgroup.trim_start_matches('/'));
            if group.exists() {
                remove_group(&group);
                groups.extend(group.exists().then_some(group));
            }
        }
        if !std::thread::panicking() {
            assert_eq!((failed, left, groups), (vec![], vec![], vec![]), "something was left behind");
        }
    }
}

fn remove_group(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        remove_group(&entry.path());
    }
    let _ = std::fs::remove_dir(group);
}
