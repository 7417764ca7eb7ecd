//! A runtime that only pretends, for the kubelet's tests: in memory, by script, on a clock that the test moves.
//!
//! Why: back-offs, restarts and start failures can be played through in no time, without root. What not: no processes, no
//! files; log files are not written.

mod images;
mod script;
mod service;
#[cfg(test)]
mod tests;

pub use script::{Call, Script};

use crate::events::EventHub;
use crate::service::{
    ContainerConfig, ContainerEvent, ContainerEventKind, ContainerId, ContainerState, ContainerStats, ContainerStatus,
    ExecOutput, ExitReason, Image, ImageFsUsage, ImageId, PodSandboxConfig, PodSandboxStatus, RegistryAuth, SandboxId,
    SandboxState,
};
use clock::SharedClock;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The pretended runtime. Clones share their state.
#[derive(Debug, Clone)]
pub struct FakeRuntime {
    clock: SharedClock,
    events: EventHub,
    inner: Arc<Mutex<Inner>>,
    changed: Arc<tokio::sync::Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    sandboxes: BTreeMap<SandboxId, FakeSandbox>,
    containers: BTreeMap<ContainerId, FakeContainer>,
    images: BTreeMap<String, Image>,
    registry: BTreeMap<String, Image>,
    /// Who may pull which image; others are for all.
    private: BTreeMap<String, RegistryAuth>,
    scripts: HashMap<String, VecDeque<Script>>,
    execs: HashMap<Vec<String>, ExecOutput>,
    calls: Vec<Call>,
    stats: ContainerStats,
    writable_layer_bytes: u64,
    image_fs_usage: ImageFsUsage,
}

#[derive(Debug)]
struct FakeSandbox {
    config: PodSandboxConfig,
    status: PodSandboxStatus,
}

#[derive(Debug)]
struct FakeContainer {
    config: ContainerConfig,
    status: ContainerStatus,
    script: Script,
}

impl FakeRuntime {
    /// An empty runtime on `clock`.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, events: EventHub::default(), inner: Arc::default(), changed: Arc::default() }
    }

    /// Makes an image present, by its name.
    pub fn add_image(&self, name: &str) {
        let image = images::fake_image(name);
        self.lock().images.insert(image.repo_tags[0].clone(), image);
    }

    /// Makes an image available to pulls, by its name.
    pub fn add_remote_image(&self, name: &str) {
        let image = images::fake_image(name);
        self.lock().registry.insert(image.repo_tags[0].clone(), image);
    }

    /// Makes an image available to those who have these credentials.
    pub fn add_private_image(&self, name: &str, auth: RegistryAuth) {
        self.add_remote_image(name);
        self.lock().private.insert(images::normal(name), auth);
    }

    /// Says what the next instance of the containers with this name will do; the last script given is used for all later ones.
    /// Without a script a container runs until it is stopped.
    pub fn script(&self, container_name: &str, script: Script) {
        self.lock().scripts.entry(container_name.to_owned()).or_default().push_back(script);
    }

    /// Says what a command answers in any container; without that it succeeds in silence.
    pub fn script_exec(&self, command: &[&str], output: ExecOutput) {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        self.lock().execs.insert(command, output);
    }

    /// Says what the image store uses.
    pub fn set_image_fs_usage(&self, usage: ImageFsUsage) {
        self.lock().image_fs_usage = usage;
    }

    /// Says what every container and every pod uses.
    pub fn set_stats(&self, stats: ContainerStats) {
        self.lock().stats = stats;
    }

    /// Says what every container has written to its own layer.
    pub fn set_writable_layer_bytes(&self, bytes: u64) {
        self.lock().writable_layer_bytes = bytes;
    }

    /// Every verb called so far that changes something, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The configuration a container was made from.
    pub fn container_config(&self, id: &ContainerId) -> Option<ContainerConfig> {
        self.lock().containers.get(id).map(|container| container.config.clone())
    }

    /// The configuration a sandbox was made from.
    pub fn sandbox_config(&self, id: &SandboxId) -> Option<PodSandboxConfig> {
        self.lock().sandboxes.get(id).map(|sandbox| sandbox.config.clone())
    }

    /// Ends a running container with this code, as if its process had.
    pub fn exit_container(&self, id: &ContainerId, exit_code: i32, reason: ExitReason) {
        self.finish(id, exit_code, reason);
    }

    /// Loses a sandbox, as when its shim is killed: its containers are gone, their codes unknown.
    pub fn lose_sandbox(&self, id: &SandboxId) {
        let now = self.clock.now();
        let ids: Vec<ContainerId> = {
            let mut inner = self.lock();
            if let Some(sandbox) = inner.sandboxes.get_mut(id) {
                sandbox.status.state = SandboxState::NotReady;
            }
            inner.containers.values().filter(|c| c.status.sandbox_id == *id).map(|c| c.status.id.clone()).collect()
        };
        self.events.send(ContainerEvent::SandboxLost { id: id.clone(), at: now });
        for container in ids {
            self.finish(&container, 255, ExitReason::Unknown);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emit(&self, status: &ContainerStatus, kind: ContainerEventKind) {
        self.events.send(ContainerEvent::Container {
            id: status.id.clone(),
            sandbox_id: status.sandbox_id.clone(),
            kind,
            at: self.clock.now(),
        });
        self.changed.notify_waiters();
    }

    /// Ends a container that runs; any other is left alone.
    fn finish(&self, id: &ContainerId, exit_code: i32, reason: ExitReason) {
        let now = self.clock.now();
        let status = {
            let mut inner = self.lock();
            let Some(container) = inner.containers.get_mut(id) else { return };
            if container.status.state != ContainerState::Running {
                return;
            }
            container.status.state = ContainerState::Exited;
            container.status.finished_at = Some(now);
            container.status.exit_code = exit_code;
            container.status.signal = (exit_code > 128 && exit_code < 192).then_some(exit_code - 128);
            container.status.reason = Some(reason);
            container.status.pid = None;
            container.status.clone()
        };
        self.emit(&status, ContainerEventKind::Stopped);
    }

    /// Ends the container when its scripted time has come.
    fn finish_later(&self, id: ContainerId, after: std::time::Duration, exit_code: i32) {
        let this = self.clone();
        let sleep = self.clock.sleep(after);
        tokio::spawn(async move {
            sleep.await;
            let reason = if exit_code == 0 { ExitReason::Completed } else { ExitReason::Error };
            this.finish(&id, exit_code, reason);
        });
    }

    /// Resolves when the container runs no more, or is gone.
    async fn wait_exited(&self, id: &ContainerId) {
        loop {
            let changed = self.changed.notified();
            futures::pin_mut!(changed);
            changed.as_mut().enable();
            let running = self
                .lock()
                .containers
                .get(id)
                .is_some_and(|container| container.status.state == ContainerState::Running);
            if !running {
                return;
            }
            changed.await;
        }
    }
}

impl Inner {
    fn new_id(&mut self) -> String {
        self.next_id += 1;
        format!("{:064x}", self.next_id)
    }

    /// The script of the next instance: the queue's front, which stays when it is the last.
    fn next_script(&mut self, name: &str) -> Script {
        match self.scripts.get_mut(name) {
            Some(queue) if queue.len() > 1 => queue.pop_front().unwrap_or_default(),
            Some(queue) => queue.front().cloned().unwrap_or_default(),
            None => Script::default(),
        }
    }

    fn image(&self, reference: &str) -> Option<(String, ImageId, String)> {
        let normal = images::normal(reference);
        let image = self.images.get(&normal).or_else(|| self.images.values().find(|image| image.id.0 == reference))?;
        Some((image.repo_tags.first().cloned().unwrap_or_default(), image.id.clone(), image.id.0.clone()))
    }
}
