//! Making and ending sandboxes.

use super::record::{Phase, SandboxRecord, write_json};
use super::{Inner, Sandbox, namespaces, new_id, no_sandbox};
use crate::service::{
    ContainerId, ContainerResources, DnsConfig, NamespaceMode, PodSandboxConfig, PodSandboxStatus, RuntimeError,
    SandboxFilter, SandboxId,
};
use crate::shim::protocol::Request;
use crate::shim::{SHARE_PID, SOCKET};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Child;

/// Where containers without a pod's cgroup go.
const DEFAULT_CGROUP_PARENT: &str = "/pintle";

/// A shim whose sandbox is not written down yet: it ends with the making of that, however that ends. To ask it over its
/// socket would not do: a process on its way out may have lost the connection already.
struct NewShim(Option<Child>);

impl NewShim {
    /// Ends it and waits until it is gone.
    async fn end(mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill().await; // it has ended by itself
        }
    }

    /// From now on it is found by its sandbox's record.
    fn keep(mut self) {
        if let Some(mut child) = self.0.take() {
            tokio::spawn(async move {
                let _ = child.wait().await; // only so that it does not stay a zombie; its end is seen on the socket
            });
        }
    }
}

impl Drop for NewShim {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.start_kill(); // it has ended by itself
        }
    }
}

impl Inner {
    pub(super) async fn run_pod_sandbox(
        self: &Arc<Self>,
        config: PodSandboxConfig,
    ) -> Result<PodSandboxStatus, RuntimeError> {
        let id = SandboxId(new_id());
        let made = self.make_sandbox(&id, config).await;
        if made.is_err() {
            let run = self.sandbox_run(&id);
            namespaces::release(&run);
            let _ = std::fs::remove_dir_all(&run); // the error that counts is the first
            let _ = std::fs::remove_file(self.sandbox_file(&id));
        }
        made
    }

    async fn make_sandbox(
        self: &Arc<Self>,
        id: &SandboxId,
        mut config: PodSandboxConfig,
    ) -> Result<PodSandboxStatus, RuntimeError> {
        if config.cgroup_parent.is_empty() {
            config.cgroup_parent = DEFAULT_CGROUP_PARENT.to_owned();
        }
        config.cgroup_parent = self.config.cgroup_driver.pod_path(&config.cgroup_parent);
        let run = self.sandbox_run(id);
        let record = SandboxRecord { id: id.clone(), config, created_at: self.now(), stopped: false };
        let listener = {
            std::fs::create_dir_all(&run).map_err(RuntimeError::io(format!("create {}", run.display())))?;
            crate::socket::listen(&run.join(SOCKET)).map_err(RuntimeError::io("listen for the shim"))?
        };
        // The shim starts up while the namespaces are made; its socket is there already, so nobody waits for it. The pid namespace's
        // file lies in `ns`, so that directory is made first.
        std::fs::create_dir_all(run.join("ns")).map_err(RuntimeError::io(format!("create {}", run.display())))?;
        let process = self.spawn_shim(&run, listener.into(), record.config.pid == NamespaceMode::Pod)?;
        let shim = self.connect(id).map_err(RuntimeError::io("connect to the shim"))?;
        let (this, worker_record, worker_run) = (Arc::clone(self), record.clone(), run.clone());
        let prepared = super::blocking(move || this.prepare_sandbox(&worker_record, &worker_run)).await;
        if let Err(error) = prepared {
            process.end().await;
            return Err(error);
        }
        write_json(&self.sandbox_file(id), &record)?;
        process.keep();
        let status = record.status(false, namespaces::file(&run, "net"));
        self.lock().sandboxes.insert(id.clone(), Sandbox { record, shim: Some(shim), lost: false });
        Ok(status)
    }

    fn prepare_sandbox(&self, record: &SandboxRecord, run: &Path) -> Result<(), RuntimeError> {
        let config = &record.config;
        namespaces::create(run, config).map_err(RuntimeError::io("make the sandbox's namespaces"))?;
        if config.ipc != NamespaceMode::Node {
            namespaces::mount_shm(run).map_err(RuntimeError::io("mount the sandbox's shm"))?;
        }
        let write = |name: &str, text: String| {
            let path = run.join(name);
            std::fs::write(&path, text).map_err(RuntimeError::io(format!("write {}", path.display())))
        };
        write("hostname", format!("{}\n", self.hostname(config)))?;
        let node = || std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        write("resolv.conf", config.dns.as_ref().map_or_else(node, resolv_conf))?;
        if !config.log_directory.as_os_str().is_empty() {
            let path = &config.log_directory;
            std::fs::create_dir_all(path).map_err(RuntimeError::io(format!("create {}", path.display())))?;
        }
        let parent = &config.cgroup_parent;
        self.ask_systemd(self.config.cgroup_driver.start(parent))?;
        self.cgroups.create(parent).map_err(RuntimeError::io(format!("make cgroup {parent}")))?;
        self.limit(parent, &config.resources)
    }

    pub(super) fn hostname(&self, config: &PodSandboxConfig) -> String {
        if config.hostname.is_empty() {
            let own = nix::unistd::gethostname().unwrap_or_default();
            return own.to_string_lossy().into_owned();
        }
        config.hostname.clone()
    }

    fn spawn_shim(&self, run: &Path, listener: OwnedFd, share_pid: bool) -> Result<NewShim, RuntimeError> {
        let path = run.join("shim.log");
        let log = std::fs::File::create(&path).map_err(RuntimeError::io(format!("create {}", path.display())))?;
        let Some((program, args)) = self.config.shim_command.split_first() else {
            return Err(RuntimeError::InvalidArgument("no shim command is configured".to_owned()));
        };
        let mut command = tokio::process::Command::new(program);
        command.args(args).arg(run).args(share_pid.then_some(SHARE_PID));
        command.env_clear().stdin(Stdio::from(listener)).stdout(Stdio::null()).stderr(log);
        command.process_group(0);
        let child = command.spawn().map_err(RuntimeError::io("start the shim"))?;
        Ok(NewShim(Some(child)))
    }

    pub(super) async fn stop_pod_sandbox(self: &Arc<Self>, id: &SandboxId) -> Result<(), RuntimeError> {
        let shim = {
            let mut state = self.lock();
            let Some(sandbox) = state.sandboxes.get_mut(id) else { return Ok(()) };
            if sandbox.record.stopped {
                return Ok(());
            }
            sandbox.shim.clone()
        };
        for container in self.containers_of(id) {
            self.stop_container(&container, Duration::ZERO).await?;
        }
        {
            let mut state = self.lock();
            let Some(sandbox) = state.sandboxes.get_mut(id) else { return Ok(()) };
            sandbox.record.stopped = true;
            sandbox.shim = None;
        }
        if let Some(shim) = shim {
            let _ = shim.call(Request::Shutdown, Vec::new()).await; // it may end before it answers
        }
        let (run, file, this, id) = (self.sandbox_run(id), self.sandbox_file(id), Arc::clone(self), id.clone());
        super::blocking(move || {
            namespaces::release(&run);
            // Written down last: whoever finds it after a crash has nothing left to stop.
            match this.lock().sandboxes.get(&id) {
                Some(sandbox) => write_json(&file, &sandbox.record),
                None => Ok(()),
            }
        })
        .await
    }

    pub(super) async fn remove_pod_sandbox(self: &Arc<Self>, id: &SandboxId) -> Result<(), RuntimeError> {
        self.stop_pod_sandbox(id).await?;
        for container in self.containers_of(id) {
            self.remove_container(&container).await?;
        }
        let Some(sandbox) = self.lock().sandboxes.remove(id) else { return Ok(()) };
        let parent = sandbox.record.config.cgroup_parent;
        let shared = self.lock().sandboxes.values().any(|other| other.record.config.cgroup_parent == parent);
        let (this, id) = (Arc::clone(self), id.clone());
        super::blocking(move || {
            let driver = this.config.cgroup_driver;
            if !shared && parent != driver.pod_path(DEFAULT_CGROUP_PARENT) {
                // A process that is still ending keeps it busy: the next sandbox of the pod, or nobody, takes it then.
                let _ = this.ask_systemd(driver.stop(&parent));
                let _ = this.cgroups.remove(&parent);
            }
            let run = this.sandbox_run(&id);
            let _ = std::fs::remove_dir_all(&run); // what stays is cleared at the next start
            match std::fs::remove_file(this.sandbox_file(&id)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(RuntimeError::io(format!("remove sandbox {id}"))(error))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    pub(super) fn containers_of(&self, sandbox: &SandboxId) -> Vec<ContainerId> {
        let state = self.lock();
        let of = state.containers.values().filter(|container| container.record.sandbox_id == *sandbox);
        of.map(|container| container.record.id.clone()).collect()
    }

    pub(super) fn sandbox_status(&self, id: &SandboxId) -> Result<PodSandboxStatus, RuntimeError> {
        let state = self.lock();
        let sandbox = state.sandboxes.get(id).ok_or_else(|| no_sandbox(id))?;
        Ok(sandbox.record.status(sandbox.lost, namespaces::file(&self.sandbox_run(id), "net")))
    }

    pub(super) fn list_sandboxes(&self, filter: &SandboxFilter) -> Vec<PodSandboxStatus> {
        let ids: Vec<SandboxId> = self.lock().sandboxes.keys().cloned().collect();
        let mut out: Vec<_> =
            ids.iter().filter_map(|id| self.sandbox_status(id).ok()).filter(|s| filter.matches(s)).collect();
        out.sort_by_key(|status| status.created_at);
        out
    }

    pub(super) fn update_sandbox(
        &self,
        id: &SandboxId,
        resources: &ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Result<(), RuntimeError> {
        let mut state = self.lock();
        let sandbox = state.sandboxes.get_mut(id).ok_or_else(|| no_sandbox(id))?;
        self.limit(&sandbox.record.config.cgroup_parent, resources)?;
        sandbox.record.config.resources.update(resources);
        sandbox.record.config.annotations.extend(annotations);
        write_json(&self.sandbox_file(id), &sandbox.record)
    }

    /// Whether the container's process runs.
    pub(super) fn is_running(phase: &Phase) -> bool {
        matches!(phase, Phase::Running(_) | Phase::Starting)
    }
}

fn resolv_conf(dns: &DnsConfig) -> String {
    let mut out = String::new();
    if !dns.searches.is_empty() {
        out += &format!("search {}\n", dns.searches.join(" "));
    }
    for server in &dns.servers {
        out += &format!("nameserver {server}\n");
    }
    if !dns.options.is_empty() {
        out += &format!("options {}\n", dns.options.join(" "));
    }
    out
}
