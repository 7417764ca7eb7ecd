//! The runtime itself: sandboxes and containers by namespaces, overlayfs, and one shim per pod.
//!
//! Why: no daemon beside the kubelet, and nothing lost when the kubelet dies: records are files, processes belong to shims. What
//! not: no Kubernetes objects, no network configuration ([`crate::service::PodSandboxStatus::netns_path`] is handed out for that),
//! no decisions about restarts.
//!
//! On disk below `root`: `images/`, `sandboxes/<id>.json`, `containers/<id>/` (record, OCI configuration, status, writable layer).
//! Below `run`, gone after a reboot: `sandboxes/<id>/` (namespaces, socket, shm).

mod capabilities;
mod client;
mod containers;
mod devices;
mod io;
mod namespaces;
mod record;
mod recover;
mod rootfs;
mod sandboxes;
mod service;
mod spec;
mod user;

pub use crate::cgroup::driver::CgroupDriver;

use crate::cgroup::{Cgroups, driver};
use crate::events::EventHub;
use crate::images::ImageStore;
use crate::make_top_directory;
use crate::service::{ContainerEvent, ContainerEventKind, ContainerId, RuntimeError, SandboxId};
use client::{News, ShimClient};
use clock::SharedClock;
use record::{ContainerRecord, End, Phase, SandboxRecord};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// Directories on their way out, below the root.
const TRASH: &str = "trash";

/// Where a runtime keeps things and how it starts shims.
#[derive(Debug, Clone)]
pub struct NativeConfig {
    /// What must survive a reboot: images, records, writable layers. Must be on a file system that can be overlayfs's upper one.
    pub root: PathBuf,
    /// What need not: namespaces, sockets. Usually below /run.
    pub run: PathBuf,
    /// The command that is a shim when the sandbox's directory follows; see [`crate::shim::run_if_asked`].
    pub shim_command: Vec<OsString>,
    /// The time.
    pub clock: SharedClock,
    /// Who makes cgroups.
    pub cgroup_driver: CgroupDriver,
}

impl NativeConfig {
    /// The usual configuration: this executable is also the shim.
    pub fn new(root: impl Into<PathBuf>, run: impl Into<PathBuf>, clock: SharedClock) -> Self {
        let shim_command = vec!["/proc/self/exe".into(), crate::shim::SUBCOMMAND.into()];
        let cgroup_driver = CgroupDriver::default();
        Self { root: root.into(), run: run.into(), shim_command, clock, cgroup_driver }
    }
}

/// The runtime. Clones share it. Needs a tokio runtime, and root.
#[derive(Debug, Clone)]
pub struct NativeRuntime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: NativeConfig,
    images: Arc<ImageStore>,
    cgroups: Cgroups,
    events: EventHub,
    state: Mutex<State>,
    /// Capabilities that this process can hand on.
    bounding: u64,
    oom_floor: OomFloor,
}

#[derive(Debug, Default)]
struct State {
    sandboxes: BTreeMap<SandboxId, Sandbox>,
    containers: BTreeMap<ContainerId, Container>,
}

#[derive(Debug)]
struct Sandbox {
    record: SandboxRecord,
    shim: Option<ShimClient>,
    /// Its shim has died.
    lost: bool,
}

#[derive(Debug)]
struct Container {
    record: ContainerRecord,
    phase: watch::Sender<Phase>,
}

/// The lowest oom_score_adj that the kernel lets us give.
#[derive(Debug)]
struct OomFloor {
    lowest: i32,
    told: AtomicBool,
}

impl OomFloor {
    fn detect() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let may = capabilities::own_set(&status, "CapEff") & (1 << capabilities::SYS_RESOURCE) != 0;
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok());
        Self { lowest: if may { -1000 } else { own.unwrap_or(0) }, told: AtomicBool::new(false) }
    }

    fn clamp(&self, score: i32) -> i32 {
        if score < self.lowest && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(score, lowest = self.lowest, "without CAP_SYS_RESOURCE oom_score_adj is clamped");
        }
        score.max(self.lowest)
    }
}

impl NativeRuntime {
    /// Opens the runtime's directories and finds again what still runs there.
    ///
    /// # Errors
    /// A directory cannot be made or read; no cgroups; cgroups by systemd where that does not run the machine.
    pub async fn open(config: NativeConfig) -> Result<Self, RuntimeError> {
        if config.cgroup_driver == CgroupDriver::Systemd && !std::path::Path::new(driver::SYSTEMD_RUNS).is_dir() {
            let message = format!(
                "cgroupDriver is systemd, and systemd does not run this machine ({} is missing): use cgroupfs",
                driver::SYSTEMD_RUNS
            );
            return Err(RuntimeError::InvalidArgument(message));
        }
        let trash = config.root.join(TRASH);
        if trash.exists() {
            std::fs::remove_dir_all(&trash).map_err(RuntimeError::io(format!("clear {}", trash.display())))?;
        }
        for directory in
            [trash, config.root.join("sandboxes"), config.root.join("containers"), config.run.join("sandboxes")]
        {
            make_top_directory(&directory).map_err(RuntimeError::io(format!("create {}", directory.display())))?;
        }
        let images = ImageStore::open(&config.root.join("images"))?;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let inner = Arc::new(Inner {
            images: Arc::new(images),
            cgroups: Cgroups::detect().map_err(RuntimeError::io("find cgroups"))?,
            events: EventHub::default(),
            state: Mutex::default(),
            bounding: capabilities::own_set(&status, "CapBnd"),
            oom_floor: OomFloor::detect(),
            config,
        });
        inner.recover().await?;
        inner.collect_images().await?;
        Ok(Self { inner })
    }

    /// The image store, for whoever imports without a kubelet.
    pub fn images(&self) -> &Arc<ImageStore> {
        &self.inner.images
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> jiff::Timestamp {
        self.config.clock.now()
    }

    fn sandbox_run(&self, id: &SandboxId) -> PathBuf {
        self.config.run.join("sandboxes").join(&id.0)
    }

    fn sandbox_file(&self, id: &SandboxId) -> PathBuf {
        self.config.root.join("sandboxes").join(format!("{id}.json"))
    }

    fn container_directory(&self, id: &ContainerId) -> PathBuf {
        self.config.root.join("containers").join(&id.0)
    }

    fn emit(&self, id: &ContainerId, sandbox_id: &SandboxId, kind: ContainerEventKind) {
        let at = self.now();
        self.events.send(ContainerEvent::Container { id: id.clone(), sandbox_id: sandbox_id.clone(), kind, at });
    }

    /// Connects to a sandbox's shim; its news come to `self` as long as that lives.
    fn connect(self: &Arc<Self>, id: &SandboxId) -> std::io::Result<ShimClient> {
        let (weak, sandbox): (Weak<Self>, SandboxId) = (Arc::downgrade(self), id.clone());
        let path = self.sandbox_run(id).join(crate::shim::SOCKET);
        ShimClient::connect(&path, move |news| {
            let Some(inner) = weak.upgrade() else { return };
            match news {
                News::Exited(container, run) => inner.on_exited(&container, run),
                News::Gone => inner.on_shim_gone(&sandbox),
            }
        })
    }

    fn on_exited(&self, id: &ContainerId, run: crate::shim::protocol::ContainerRun) {
        let (sandbox_id, was_starting) = {
            let state = self.lock();
            let Some(container) = state.containers.get(id) else { return };
            let before = container.phase.send_replace(Phase::Exited(run));
            self.remove_cgroup_soon(&container.record.cgroup);
            (container.record.sandbox_id.clone(), before == Phase::Starting)
        };
        if was_starting {
            self.emit(id, &sandbox_id, ContainerEventKind::Started); // its end overtook the answer to its start
        }
        self.emit(id, &sandbox_id, ContainerEventKind::Stopped);
    }

    /// Removes an exited container's cgroup, without anyone waiting for it. One that is still busy goes with the container.
    fn remove_cgroup_soon(&self, path: &str) {
        let (cgroups, path) = (self.cgroups.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || cgroups.remove(&path));
    }

    /// Writes limits, and where systemd keeps the group tells it of them first. Blocks.
    fn limit(&self, path: &str, resources: &crate::service::ContainerResources) -> Result<(), RuntimeError> {
        self.ask_systemd(self.config.cgroup_driver.limit(path, resources, self.cgroups.is_v2()))?;
        self.cgroups.apply(path, resources)
    }

    /// Carries out what the cgroup driver asks of systemd, if anything. Blocks.
    fn ask_systemd(&self, arguments: Option<Vec<String>>) -> Result<(), RuntimeError> {
        let Some(arguments) = arguments else { return Ok(()) };
        let asked = format!("systemctl {}", arguments.join(" "));
        let output = std::process::Command::new("systemctl").args(&arguments).output();
        let output = output.map_err(RuntimeError::io(asked.clone()))?;
        if output.status.success() {
            return Ok(());
        }
        let message = format!("{asked}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Err(RuntimeError::Cgroup { path: arguments.last().cloned().unwrap_or_default(), message })
    }

    /// Deletes a directory, at once as far as anyone can see, and later on the disk: that can take long.
    fn discard(&self, directory: &std::path::Path) -> Result<(), RuntimeError> {
        let trash = self.config.root.join(TRASH).join(new_id());
        match std::fs::rename(directory, &trash) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(RuntimeError::io(format!("remove {}", directory.display())))?,
        }
        tokio::task::spawn_blocking(move || std::fs::remove_dir_all(trash)); // what stays is cleared at the next start
        Ok(())
    }

    /// A shim's connection broke. Unless that was asked for, its containers are orphans, and their ends unknown.
    fn on_shim_gone(&self, id: &SandboxId) {
        {
            let mut state = self.lock();
            let Some(sandbox) = state.sandboxes.get_mut(id) else { return };
            if sandbox.record.stopped {
                return;
            }
            sandbox.lost = true;
            sandbox.shim = None;
        }
        self.events.send(ContainerEvent::SandboxLost { id: id.clone(), at: self.now() });
        self.lose_containers(id, false);
    }

    /// Ends every container of a sandbox whose shim is dead; also those that were only made, if `even_created`.
    fn lose_containers(&self, sandbox_id: &SandboxId, even_created: bool) {
        let at = self.now();
        let mut lost = Vec::new();
        {
            let mut state = self.lock();
            for container in state.containers.values_mut().filter(|c| c.record.sandbox_id == *sandbox_id) {
                let run = match &*container.phase.borrow() {
                    Phase::Running(run) => Some(run.clone()),
                    Phase::Starting => None,
                    Phase::Created if even_created => None,
                    Phase::Created | Phase::Exited(_) | Phase::Ended(..) => continue,
                };
                self.cgroups.kill(&container.record.cgroup);
                let end = End::Lost { at };
                container.record.end = Some(end.clone());
                let file = self.container_directory(&container.record.id).join(containers::RECORD);
                if let Err(error) = record::write_json(&file, &container.record) {
                    tracing::warn!(%error, "the loss of a container could not be recorded");
                }
                container.phase.send_replace(Phase::Ended(end, run));
                lost.push(container.record.id.clone());
            }
        }
        for id in lost {
            self.emit(&id, sandbox_id, ContainerEventKind::Stopped);
        }
    }
}

/// A new id: 64 hexadecimal digits.
fn new_id() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(RuntimeError::Shim(format!("worker: {error}"))))
}

/// Runs `work` to its end even when whoever waits for it goes away: half-made things would have no owner.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, RuntimeError>> + Send + 'static,
) -> Result<T, RuntimeError> {
    let joined = tokio::spawn(work).await;
    joined.unwrap_or_else(|error| Err(RuntimeError::Shim(format!("worker: {error}"))))
}

fn no_sandbox(id: &SandboxId) -> RuntimeError {
    RuntimeError::NotFound { kind: "sandbox", id: id.0.clone() }
}

fn no_container(id: &ContainerId) -> RuntimeError {
    RuntimeError::NotFound { kind: "container", id: id.0.clone() }
}
