//! The verbs of the pretended runtime.

use super::{Call, FakeContainer, FakeRuntime, FakeSandbox, Script};
use crate::service::{
    ContainerConfig, ContainerEvent, ContainerEventKind, ContainerFilter, ContainerId, ContainerIo, ContainerResources,
    ContainerState, ContainerStats, ContainerStatus, ExecError, ExecOutput, ExecRequest, ExitOutcome, ExitReason,
    NamespaceMode, PodSandboxConfig, PodSandboxStatus, Reply, RuntimeError, RuntimeService, SandboxFilter, SandboxId,
    SandboxState,
};
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

fn no_sandbox(id: &SandboxId) -> RuntimeError {
    RuntimeError::NotFound { kind: "sandbox", id: id.0.clone() }
}

fn no_container(id: &ContainerId) -> RuntimeError {
    RuntimeError::NotFound { kind: "container", id: id.0.clone() }
}

impl FakeRuntime {
    fn make_sandbox(&self, config: PodSandboxConfig) -> PodSandboxStatus {
        let mut inner = self.lock();
        let id = SandboxId(inner.new_id());
        inner.calls.push(Call::RunPodSandbox(config.metadata.name.clone()));
        let netns_path = (config.network == NamespaceMode::Pod).then(|| PathBuf::from(format!("/fake/netns/{id}")));
        let status = PodSandboxStatus {
            id: id.clone(),
            metadata: config.metadata.clone(),
            state: SandboxState::Ready,
            created_at: self.clock.now(),
            netns_path,
            network: config.network,
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            resources: config.resources.clone(),
        };
        inner.sandboxes.insert(id, FakeSandbox { config, status: status.clone() });
        status
    }

    fn make_container(&self, sandbox: &SandboxId, config: ContainerConfig) -> Result<ContainerStatus, RuntimeError> {
        let mut inner = self.lock();
        inner.calls.push(Call::CreateContainer(config.metadata.name.clone()));
        let sandbox_entry = inner.sandboxes.get(sandbox).ok_or_else(|| no_sandbox(sandbox))?;
        if sandbox_entry.status.state != SandboxState::Ready {
            return Err(RuntimeError::InvalidState(format!("sandbox {sandbox} is not ready")));
        }
        let log_path = sandbox_entry.config.log_directory.join(&config.log_path);
        let (image, image_id, image_ref) = inner
            .image(&config.image)
            .ok_or_else(|| RuntimeError::NotFound { kind: "image", id: config.image.clone() })?;
        let id = ContainerId(inner.new_id());
        let script = inner.next_script(&config.metadata.name);
        let status = ContainerStatus {
            id: id.clone(),
            sandbox_id: sandbox.clone(),
            metadata: config.metadata.clone(),
            state: ContainerState::Created,
            created_at: self.clock.now(),
            started_at: None,
            finished_at: None,
            exit_code: 0,
            signal: None,
            reason: None,
            message: String::new(),
            image,
            image_ref,
            image_id,
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            mounts: config.mounts.clone(),
            log_path,
            resources: config.resources.clone(),
            user: None,
            stop_signal: config.stop_signal.clone().unwrap_or_else(|| "SIGTERM".to_owned()),
            pid: None,
        };
        inner.containers.insert(id, FakeContainer { config, status: status.clone(), script });
        Ok(status)
    }

    fn start(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let now = self.clock.now();
        let (status, script) = {
            let mut inner = self.lock();
            let container = inner.containers.get_mut(id).ok_or_else(|| no_container(id))?;
            if container.status.state != ContainerState::Created {
                return Err(RuntimeError::InvalidState(format!("container {id} is not in created state")));
            }
            let script = container.script.clone();
            if let Script::FailStart(failure) = &script {
                container.status.state = ContainerState::Exited;
                container.status.finished_at = Some(now);
                container.status.exit_code = 128;
                container.status.reason = Some(ExitReason::StartError);
                container.status.message = failure.message.clone();
            } else {
                container.status.state = ContainerState::Running;
                container.status.started_at = Some(now);
                container.status.pid = Some(1);
            }
            let (status, name) = (container.status.clone(), container.config.metadata.name.clone());
            inner.calls.push(Call::StartContainer(name));
            (status, script)
        };
        match script {
            Script::FailStart(failure) => {
                self.emit(&status, ContainerEventKind::Stopped);
                return Err(RuntimeError::Start(failure));
            }
            Script::Exit { after, exit_code } => {
                self.emit(&status, ContainerEventKind::Started);
                self.finish_later(id.clone(), after, exit_code);
            }
            Script::Run { .. } | Script::RunStubborn => self.emit(&status, ContainerEventKind::Started),
        }
        Ok(())
    }

    async fn stop(&self, id: &ContainerId, timeout: Duration) {
        let script = {
            let mut inner = self.lock();
            let Some(container) = inner.containers.get(id) else { return };
            let (name, script) = (container.config.metadata.name.clone(), container.script.clone());
            inner.calls.push(Call::StopContainer(name, timeout));
            script
        };
        match script {
            _ if timeout.is_zero() => self.finish(id, 137, ExitReason::Error),
            Script::Run { exit_code_on_stop: 0 } => self.finish(id, 0, ExitReason::Completed),
            Script::Run { exit_code_on_stop } => self.finish(id, exit_code_on_stop, ExitReason::Error),
            Script::Exit { .. } | Script::RunStubborn | Script::FailStart(_) => {
                let exited = self.wait_exited(id);
                if clock::timeout(&*self.clock, timeout, exited).await.is_none() {
                    self.finish(id, 137, ExitReason::Error);
                }
            }
        }
    }

    fn remove(&self, id: &ContainerId) {
        self.finish(id, 137, ExitReason::Error);
        let removed = {
            let mut inner = self.lock();
            inner.calls.push(Call::RemoveContainer(id.clone()));
            inner.containers.remove(id)
        };
        if let Some(container) = removed {
            self.emit(&container.status, ContainerEventKind::Deleted);
        }
    }

    fn containers_of(&self, sandbox: &SandboxId) -> Vec<ContainerId> {
        let inner = self.lock();
        inner.containers.values().filter(|c| c.status.sandbox_id == *sandbox).map(|c| c.status.id.clone()).collect()
    }

    fn running(&self, id: &ContainerId) -> Result<(), ExecError> {
        match self.lock().containers.get(id) {
            None => Err(ExecError::NotFound(id.0.clone())),
            Some(c) if c.status.state == ContainerState::Running => Ok(()),
            Some(_) => Err(ExecError::NotRunning("CONTAINER_EXITED".to_owned())),
        }
    }
}

impl RuntimeService for FakeRuntime {
    fn run_pod_sandbox(&self, config: PodSandboxConfig) -> Reply<'_, PodSandboxStatus, RuntimeError> {
        Box::pin(async move { Ok(self.make_sandbox(config)) })
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            self.lock().calls.push(Call::StopPodSandbox(id.clone()));
            for container in self.containers_of(id) {
                self.finish(&container, 137, ExitReason::Error);
            }
            if let Some(sandbox) = self.lock().sandboxes.get_mut(id) {
                sandbox.status.state = SandboxState::NotReady;
            }
            Ok(())
        })
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            self.lock().calls.push(Call::RemovePodSandbox(id.clone()));
            for container in self.containers_of(id) {
                self.remove(&container);
            }
            self.lock().sandboxes.remove(id);
            Ok(())
        })
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, PodSandboxStatus, RuntimeError> {
        let found = self.lock().sandboxes.get(id).map(|s| s.status.clone()).ok_or_else(|| no_sandbox(id));
        Box::pin(async { found })
    }

    fn list_pod_sandboxes(&self, filter: SandboxFilter) -> Reply<'_, Vec<PodSandboxStatus>, RuntimeError> {
        let inner = self.lock();
        let found = inner.sandboxes.values().map(|s| s.status.clone()).filter(|s| filter.matches(s)).collect();
        Box::pin(async { Ok(found) })
    }

    fn update_pod_sandbox_resources<'a>(
        &'a self,
        id: &'a SandboxId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            let mut inner = self.lock();
            inner.calls.push(Call::UpdatePodSandboxResources(resources.clone()));
            let status = &mut inner.sandboxes.get_mut(id).ok_or_else(|| no_sandbox(id))?.status;
            status.resources.update(&resources);
            status.annotations.extend(annotations);
            Ok(())
        })
    }

    fn create_container<'a>(
        &'a self,
        sandbox: &'a SandboxId,
        config: ContainerConfig,
    ) -> Reply<'a, ContainerId, RuntimeError> {
        Box::pin(async move {
            let status = self.make_container(sandbox, config)?;
            self.emit(&status, ContainerEventKind::Created);
            Ok(status.id)
        })
    }

    fn start_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move { self.start(id) })
    }

    fn stop_container<'a>(&'a self, id: &'a ContainerId, timeout: Duration) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            self.stop(id, timeout).await;
            Ok(())
        })
    }

    fn remove_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            self.remove(id);
            Ok(())
        })
    }

    fn list_containers(&self, filter: ContainerFilter) -> Reply<'_, Vec<ContainerStatus>, RuntimeError> {
        let inner = self.lock();
        let found = inner.containers.values().map(|c| c.status.clone()).filter(|c| filter.matches(c)).collect();
        Box::pin(async { Ok(found) })
    }

    fn container_status<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStatus, RuntimeError> {
        let found = self.lock().containers.get(id).map(|c| c.status.clone()).ok_or_else(|| no_container(id));
        Box::pin(async { found })
    }

    fn update_container_resources<'a>(
        &'a self,
        id: &'a ContainerId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            let mut inner = self.lock();
            let status = &mut inner.containers.get_mut(id).ok_or_else(|| no_container(id))?.status;
            status.resources.update(&resources);
            status.annotations.extend(annotations);
            let name = status.metadata.name.clone();
            inner.calls.push(Call::UpdateContainerResources(name, resources));
            Ok(())
        })
    }

    fn reopen_container_log<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        self.lock().calls.push(Call::ReopenContainerLog(id.clone()));
        Box::pin(async { Ok(()) })
    }

    fn container_stats<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStats, RuntimeError> {
        Box::pin(async move {
            self.running(id).map_err(|_| no_container(id))?;
            Ok(self.lock().stats)
        })
    }

    fn writable_layer_bytes<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, u64, RuntimeError> {
        let inner = self.lock();
        let bytes = inner.containers.get(id).map(|_| inner.writable_layer_bytes).ok_or_else(|| no_container(id));
        Box::pin(async { bytes })
    }

    fn pod_sandbox_stats<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, ContainerStats, RuntimeError> {
        let inner = self.lock();
        let stats = inner.sandboxes.get(id).map(|_| inner.stats).ok_or_else(|| no_sandbox(id));
        Box::pin(async { stats })
    }

    fn exec_sync<'a>(
        &'a self,
        id: &'a ContainerId,
        command: Vec<String>,
        _timeout: Duration,
    ) -> Reply<'a, ExecOutput, ExecError> {
        Box::pin(async move {
            self.running(id)?;
            let mut inner = self.lock();
            inner.calls.push(Call::ExecSync(command.clone()));
            Ok(inner.execs.get(&command).cloned().unwrap_or_default())
        })
    }

    fn exec<'a>(&'a self, id: &'a ContainerId, request: ExecRequest) -> Reply<'a, ContainerIo, ExecError> {
        Box::pin(async move {
            let output = self.exec_sync(id, request.command, Duration::ZERO).await?;
            let outcome = ExitOutcome { exit_code: output.exit_code, signal: None };
            Ok(ContainerIo {
                stdin: request.stdin.then(|| Box::new(tokio::io::sink()) as _),
                stdout: request.stdout.then(|| Box::new(std::io::Cursor::new(output.stdout)) as _),
                stderr: request.stderr.then(|| Box::new(std::io::Cursor::new(output.stderr)) as _),
                resize: Box::new(|_| ()),
                exit: Box::pin(async move { Ok(outcome) }),
            })
        })
    }

    fn attach<'a>(&'a self, id: &'a ContainerId, stdin: bool) -> Reply<'a, ContainerIo, ExecError> {
        Box::pin(async move {
            self.running(id)?;
            let (this, id) = (self.clone(), id.clone());
            Ok(ContainerIo {
                stdin: stdin.then(|| Box::new(tokio::io::sink()) as _),
                stdout: Some(Box::new(tokio::io::empty())),
                stderr: Some(Box::new(tokio::io::empty())),
                resize: Box::new(|_| ()),
                exit: Box::pin(async move {
                    this.wait_exited(&id).await;
                    let inner = this.lock();
                    let status = &inner.containers.get(&id).ok_or_else(|| ExecError::NotFound(id.0.clone()))?.status;
                    Ok(ExitOutcome { exit_code: status.exit_code, signal: status.signal })
                }),
            })
        })
    }

    fn port_forward<'a>(&'a self, id: &'a SandboxId, _port: u16) -> Reply<'a, tokio::net::TcpStream, RuntimeError> {
        Box::pin(async move { Err(RuntimeError::InvalidState(format!("sandbox {id} is only pretended"))) })
    }

    fn container_events(&self) -> BoxStream<'static, ContainerEvent> {
        self.events.subscribe()
    }
}
