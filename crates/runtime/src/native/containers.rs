//! Making, starting, stopping and removing containers.

use super::client::{CallError, ShimClient};
use super::record::{ContainerRecord, End, Phase, write_json};
use super::rootfs::RootFs;
use super::spec::{self, Inputs};
use super::{CgroupDriver, Container, Inner, devices, namespaces, new_id, no_container, no_sandbox, user};
use crate::images::{HeldLayers, ImageStore};
use crate::service::{
    ContainerConfig, ContainerEventKind, ContainerId, ContainerResources, ImageMount, Mount, NamespaceMode,
    PodSandboxConfig, RuntimeError, SandboxId, StartFailure, StartFailureKind,
};
use crate::shim::PID_NAMESPACE;
use crate::shim::protocol::{Failure, Request, Response, StartRequest};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A container's record, in its directory.
pub(super) const RECORD: &str = "container.json";
/// Its OCI configuration.
pub(super) const SPEC: &str = "config.json";
/// How long a killed container may take to be reaped: uninterruptible I/O is the only excuse.
const KILL_WAIT: Duration = Duration::from_secs(120);

impl Inner {
    pub(super) async fn create_container(
        self: &Arc<Self>,
        sandbox: &SandboxId,
        config: ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        let (this, sandbox) = (Arc::clone(self), sandbox.clone());
        let id = ContainerId(new_id());
        let made = super::blocking(move || {
            let made = this.make_container(&id, &sandbox, config);
            if made.is_err() {
                let directory = this.container_directory(&id);
                RootFs { directory: directory.clone() }.unmount();
                let _ = std::fs::remove_dir_all(&directory); // the error that counts is the first
            }
            made
        });
        let record = made.await?;
        let (id, sandbox_id) = (record.id.clone(), record.sandbox_id.clone());
        self.lock().containers.insert(id.clone(), Container { record, phase: watch::Sender::new(Phase::Created) });
        self.emit(&id, &sandbox_id, ContainerEventKind::Created);
        Ok(id)
    }

    fn make_container(
        &self,
        id: &ContainerId,
        sandbox_id: &SandboxId,
        mut config: ContainerConfig,
    ) -> Result<ContainerRecord, RuntimeError> {
        let sandbox = {
            let state = self.lock();
            let sandbox = state.sandboxes.get(sandbox_id).ok_or_else(|| no_sandbox(sandbox_id))?;
            if sandbox.record.stopped || sandbox.lost {
                return Err(RuntimeError::InvalidState(format!("sandbox {sandbox_id} is not ready")));
            }
            sandbox.record.config.clone()
        };
        let (image_id, image) = self
            .images
            .find_record(&config.image)
            .ok_or_else(|| RuntimeError::NotFound { kind: "image", id: config.image.clone() })?;
        let _held = self.images.hold_layers(&image.diff_ids);
        let root = RootFs { directory: self.container_directory(id) };
        std::fs::create_dir_all(&root.directory)
            .map_err(RuntimeError::io(format!("create {}", root.directory.display())))?;
        let mut layers = ImageStore::layer_names(&image);
        root.mount(&self.images.layers_directory(), &layers).map_err(RuntimeError::io("mount the container's root"))?;
        let (mounted, _held_too) = self.mount_images(&root, &mut config.mounts)?;
        layers.extend(mounted);
        let user =
            user::resolve(&config.security, &image.config.user, &root.read("/etc/passwd"), &root.read("/etc/group"))
                .map_err(RuntimeError::InvalidArgument)?;
        let mut extra_mounts = self.sandbox_mounts(sandbox_id, &sandbox);
        extra_mounts
            .extend(root.image_volumes(&image.config, &config.mounts).map_err(RuntimeError::io("fill image volumes"))?);
        let mut all_mounts = extra_mounts.clone();
        all_mounts.extend(config.mounts.iter().cloned());
        root.make_working_directory(spec::working_directory(&config, &image.config), &all_mounts)
            .map_err(RuntimeError::io("make the working directory"))?;
        let group = self.config.cgroup_driver.container_group(&sandbox.cgroup_parent, &id.0);
        let spec = spec::build(&Inputs {
            config: &config,
            image: &image.config,
            user: &user,
            hostname: &self.hostname(&sandbox),
            rootfs: &root.path(),
            namespaces: self.namespaces(sandbox_id, &sandbox, &config)?,
            cgroup: &group.oci,
            extra_mounts,
            devices: devices_of(&config)?,
            bounding: self.bounding,
        })
        .map_err(RuntimeError::InvalidArgument)?;
        write_json(&root.directory.join(SPEC), &spec)?;
        let stop_signal = config.stop_signal.clone().or_else(|| image.config.stop_signal.clone());
        let record = ContainerRecord {
            id: id.clone(),
            sandbox_id: sandbox_id.clone(),
            image_ref: image.digests.first().cloned().unwrap_or_else(|| image_id.0.clone()),
            image_name: image.name_for(&config.user_specified_image),
            image_id,
            created_at: self.now(),
            log_path: if config.log_path.as_os_str().is_empty() {
                PathBuf::new()
            } else {
                sandbox.log_directory.join(&config.log_path)
            },
            stop_signal: signal_name(stop_signal.as_deref()),
            user,
            layers,
            cgroup: group.path,
            end: None,
            config,
        };
        write_json(&root.directory.join(RECORD), &record)?;
        Ok(record)
    }

    /// Mounts the images that a container has beside its own. The names of their layers, and what holds these until the
    /// container names them.
    fn mount_images(
        &self,
        root: &RootFs,
        mounts: &mut [Mount],
    ) -> Result<(Vec<String>, Vec<HeldLayers<'_>>), RuntimeError> {
        let (mut used, mut held) = (Vec::new(), Vec::new());
        for (number, mount) in mounts.iter_mut().enumerate() {
            let Some(ImageMount { image, sub_path }) = &mount.image else { continue };
            let found = self.images.find_record(&image.0);
            let (_, record) = found.ok_or_else(|| RuntimeError::NotFound { kind: "image", id: image.0.clone() })?;
            held.push(self.images.hold_layers(&record.diff_ids));
            let layers = ImageStore::layer_names(&record);
            let mounted = root.mount_image(number, &self.images.layers_directory(), &layers, sub_path);
            mount.host_path = mounted.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound if !sub_path.is_empty() => {
                    RuntimeError::InvalidArgument(format!("image {image} has no {sub_path:?} to mount"))
                }
                _ => RuntimeError::io(format!("mount image {image}"))(error),
            })?;
            used.extend(layers);
        }
        Ok((used, held))
    }

    /// What every container of a sandbox gets unless it mounts something else there.
    fn sandbox_mounts(&self, id: &SandboxId, config: &PodSandboxConfig) -> Vec<Mount> {
        let run = self.sandbox_run(id);
        let shm = if config.ipc == NamespaceMode::Node { PathBuf::from("/dev/shm") } else { run.join("shm") };
        [(run.join("hostname"), "/etc/hostname"), (run.join("resolv.conf"), "/etc/resolv.conf"), (shm, "/dev/shm")]
            .into_iter()
            .map(|(host_path, path)| Mount { host_path, container_path: path.into(), ..Mount::default() })
            .collect()
    }

    fn namespaces(
        &self,
        id: &SandboxId,
        sandbox: &PodSandboxConfig,
        config: &ContainerConfig,
    ) -> Result<Vec<(&'static str, Option<PathBuf>)>, RuntimeError> {
        let run = self.sandbox_run(id);
        let mut out = vec![("mount", None)];
        if matches!(self.cgroups, crate::cgroup::Cgroups::V2(_)) && !config.security.privileged {
            out.push(("cgroup", None));
        }
        if sandbox.network != NamespaceMode::Node {
            out.push(("network", Some(namespaces::file(&run, "net"))));
            out.push(("uts", Some(namespaces::file(&run, "uts"))));
        }
        if sandbox.ipc != NamespaceMode::Node {
            out.push(("ipc", Some(namespaces::file(&run, "ipc"))));
        }
        if let Some(target) = &config.security.pid_target {
            let state = self.lock();
            let container = state.containers.get(target).ok_or_else(|| no_container(target))?;
            let Phase::Running(run) = &*container.phase.borrow() else {
                return Err(RuntimeError::InvalidState(format!("target container {target} does not run")));
            };
            out.push(("pid", Some(PathBuf::from(format!("/proc/{}/ns/pid", run.pid)))));
            return Ok(out);
        }
        match config.security.pid.unwrap_or(sandbox.pid) {
            NamespaceMode::Container => out.push(("pid", None)),
            NamespaceMode::Pod if sandbox.pid == NamespaceMode::Pod => out.push(("pid", Some(run.join(PID_NAMESPACE)))),
            NamespaceMode::Pod => out.push(("pid", None)),
            NamespaceMode::Node => {}
        }
        Ok(out)
    }

    pub(super) async fn start_container(self: &Arc<Self>, id: &ContainerId) -> Result<(), RuntimeError> {
        let (request, shim, sandbox_id) = self.begin_start(id)?;
        // Whoever is told that it runs finds it again after a power cut. A start takes longer than this.
        let (result, ()) =
            futures::future::join(shim.call(Request::Start(request), Vec::new()), self.settle_records(&sandbox_id, id))
                .await;
        let failure = match result {
            Ok(Response::Started(run)) => {
                let running = self.lock().containers.get(id).is_some_and(|container| {
                    container.phase.send_if_modified(|phase| {
                        let fresh = *phase == Phase::Starting;
                        if fresh {
                            *phase = Phase::Running(run);
                        }
                        fresh
                    })
                });
                if running {
                    self.emit(id, &sandbox_id, ContainerEventKind::Started);
                }
                return Ok(());
            }
            Err(CallError::Failed(Failure::Start(failure))) => {
                StartFailure { message: format!("OCI runtime create failed: {}", failure.message), ..failure }
            }
            Err(CallError::Failed(Failure::Other(message))) => StartFailure::new(StartFailureKind::CannotRun, message),
            Ok(_) | Err(CallError::Failed(Failure::NotRunning)) => {
                StartFailure::new(StartFailureKind::CannotRun, "the shim gave an unexpected answer")
            }
            Err(CallError::Gone) => return Err(RuntimeError::ShimGone { sandbox: sandbox_id.0 }), // `on_shim_gone` ends it
        };
        self.fail_start(id, &failure)?;
        self.emit(id, &sandbox_id, ContainerEventKind::Stopped);
        Err(RuntimeError::Start(failure))
    }

    /// Returns when the records of a container and its sandbox are on the disk.
    async fn settle_records(&self, sandbox: &SandboxId, id: &ContainerId) {
        let files = [self.container_directory(id).join(RECORD), self.sandbox_file(sandbox)];
        let settled = super::blocking(move || {
            let doing = |file: &Path| RuntimeError::io(format!("flush {}", file.display()));
            files.iter().try_for_each(|file| crate::replace::settle(file).map_err(doing(file)))
        });
        if let Err(error) = settled.await {
            tracing::warn!(container = %id, %error, "a power cut may lose a container's record");
        }
    }

    fn begin_start(&self, id: &ContainerId) -> Result<(StartRequest, ShimClient, SandboxId), RuntimeError> {
        let state = self.lock();
        let container = state.containers.get(id).ok_or_else(|| no_container(id))?;
        let record = &container.record;
        let sandbox = state.sandboxes.get(&record.sandbox_id).ok_or_else(|| no_sandbox(&record.sandbox_id))?;
        let gone = || RuntimeError::ShimGone { sandbox: record.sandbox_id.0.clone() };
        let shim = sandbox.shim.clone().filter(|shim| !shim.is_gone()).ok_or_else(gone)?;
        let fresh = container.phase.send_if_modified(|phase| {
            let fresh = *phase == Phase::Created;
            if fresh {
                *phase = Phase::Starting;
            }
            fresh
        });
        if !fresh {
            return Err(RuntimeError::InvalidState(format!("container {id} is not in created state")));
        }
        let bundle = self.container_directory(id);
        let request = StartRequest {
            container: id.clone(),
            rootfs: RootFs { directory: bundle.clone() }.path(),
            bundle,
            log: (!record.log_path.as_os_str().is_empty()).then(|| record.log_path.clone()),
            tty: record.config.tty,
            stdin: record.config.stdin,
            stdin_once: record.config.stdin_once,
            oom_score_adj: record.config.resources.oom_score_adj.map(|score| self.oom_floor.clamp(score)),
            cgroup: record.cgroup.clone(),
            systemd_cgroup: self.config.cgroup_driver == CgroupDriver::Systemd,
        };
        Ok((request, shim, record.sandbox_id.clone()))
    }

    fn fail_start(&self, id: &ContainerId, failure: &StartFailure) -> Result<(), RuntimeError> {
        let mut state = self.lock();
        let Some(container) = state.containers.get_mut(id) else { return Ok(()) };
        let end = End::FailedStart { failure: failure.clone(), at: self.config.clock.now() };
        container.record.end = Some(end.clone());
        container.phase.send_replace(Phase::Ended(end, None));
        self.remove_cgroup_soon(&container.record.cgroup);
        write_json(&self.container_directory(id).join(RECORD), &container.record)
    }

    pub(super) async fn stop_container(
        self: &Arc<Self>,
        id: &ContainerId,
        timeout: Duration,
    ) -> Result<(), RuntimeError> {
        let Some((mut phase, shim, signal)) = self.stopping(id) else { return Ok(()) };
        // A start under way ends first, one way or the other: it is short.
        if phase.wait_for(|phase| *phase != Phase::Starting).await.is_err()
            || !Self::is_running(&phase.borrow().clone())
        {
            return Ok(());
        }
        let Some(shim) = shim else { return Ok(()) }; // `lose_containers` ends it
        if !timeout.is_zero() {
            send(&shim, id, signal, false).await?;
            let over = phase.wait_for(Phase::is_over);
            if clock::timeout(&*self.config.clock, timeout, over).await.is_some() {
                return Ok(());
            }
        }
        send(&shim, id, Signal::SIGKILL, true).await?;
        let over = phase.wait_for(Phase::is_over);
        match clock::timeout(&*self.config.clock, KILL_WAIT, over).await {
            Some(_) => Ok(()),
            None => Err(RuntimeError::Shim(format!("container {id} does not die"))),
        }
    }

    fn stopping(&self, id: &ContainerId) -> Option<(watch::Receiver<Phase>, Option<ShimClient>, Signal)> {
        let state = self.lock();
        let container = state.containers.get(id)?;
        let phase = container.phase.subscribe();
        if !Self::is_running(&phase.borrow()) {
            return None;
        }
        let shim = state.sandboxes.get(&container.record.sandbox_id).and_then(|sandbox| sandbox.shim.clone());
        Some((phase, shim, parse_signal(&container.record.stop_signal).unwrap_or(Signal::SIGTERM)))
    }

    pub(super) async fn remove_container(self: &Arc<Self>, id: &ContainerId) -> Result<(), RuntimeError> {
        self.stop_container(id, Duration::ZERO).await?;
        let (shim, record) = {
            let state = self.lock();
            let Some(container) = state.containers.get(id) else { return Ok(()) };
            let shim = state.sandboxes.get(&container.record.sandbox_id).and_then(|sandbox| sandbox.shim.clone());
            (shim, container.record.clone())
        };
        if let Some(shim) = shim {
            let _ = shim.call(Request::Forget { container: id.clone() }, Vec::new()).await; // one that is gone has forgotten
        }
        let (directory, this, cgroup) = (self.container_directory(id), Arc::clone(self), record.cgroup.clone());
        super::blocking(move || {
            RootFs { directory: directory.clone() }.unmount();
            this.cgroups.kill(&cgroup);
            let _ = this.cgroups.remove(&cgroup); // a process that is still ending keeps it; it goes with the pod's
            this.discard(&directory)
        })
        .await?;
        self.lock().containers.remove(id);
        self.emit(id, &record.sandbox_id, ContainerEventKind::Deleted);
        Ok(())
    }

    pub(super) fn update_container(
        &self,
        id: &ContainerId,
        resources: &ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Result<(), RuntimeError> {
        let mut state = self.lock();
        let container = state.containers.get_mut(id).ok_or_else(|| no_container(id))?;
        if matches!(*container.phase.borrow(), Phase::Running(_)) {
            self.limit(&container.record.cgroup, resources)?;
        }
        container.record.config.resources.update(resources);
        container.record.config.annotations.extend(annotations);
        write_json(&self.container_directory(id).join(RECORD), &container.record)
    }

    /// The shim of a container that runs, and what its phase is.
    pub(super) fn shim_of(
        &self,
        id: &ContainerId,
    ) -> Result<(Option<ShimClient>, watch::Receiver<Phase>), RuntimeError> {
        let state = self.lock();
        let container = state.containers.get(id).ok_or_else(|| no_container(id))?;
        let shim = state.sandboxes.get(&container.record.sandbox_id).and_then(|sandbox| sandbox.shim.clone());
        Ok((shim, container.phase.subscribe()))
    }
}

async fn send(shim: &ShimClient, id: &ContainerId, signal: Signal, all: bool) -> Result<(), RuntimeError> {
    let request = Request::Signal { container: id.clone(), signal: signal as i32, all };
    match shim.call(request, Vec::new()).await {
        // Gone or not running: its end has been told, or is on its way.
        Ok(_) | Err(CallError::Gone | CallError::Failed(Failure::NotRunning)) => Ok(()),
        Err(CallError::Failed(Failure::Other(message))) => Err(RuntimeError::Shim(message)),
        Err(CallError::Failed(Failure::Start(failure))) => Err(RuntimeError::Start(failure)),
    }
}

fn devices_of(config: &ContainerConfig) -> Result<Vec<spec::HostDevice>, RuntimeError> {
    let mut out = if config.security.privileged { devices::all() } else { Vec::new() };
    for device in &config.devices {
        let host: &Path = &device.host_path;
        out.push(
            devices::device(host, &device.container_path)
                .map_err(RuntimeError::io(format!("device {}", host.display())))?,
        );
    }
    Ok(out)
}

/// `SIGTERM`, `TERM` or `15`.
fn parse_signal(text: &str) -> Option<Signal> {
    if let Ok(number) = text.parse::<i32>() {
        return Signal::try_from(number).ok();
    }
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    Signal::from_str(&name).ok()
}

/// The name in full; what is no signal counts as SIGTERM.
fn signal_name(text: Option<&str>) -> String {
    text.and_then(parse_signal).unwrap_or(Signal::SIGTERM).as_str().to_owned()
}
