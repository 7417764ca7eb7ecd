//! A runtime that stops for ever at one moment of one verb: the moment at which a test kills the kubelet.

use futures::stream::BoxStream;
use futures::task::Poll;
use runtime::service::{
    ContainerConfig, ContainerEvent, ContainerFilter, ContainerId, ContainerIo, ContainerResources, ContainerStats,
    ContainerStatus, ExecError, ExecOutput, ExecRequest, PodSandboxConfig, PodSandboxStatus, Reply, RuntimeError,
    RuntimeService, SandboxFilter, SandboxId,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What the kubelet asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    RunPodSandbox,
    CreateContainer,
    StartContainer,
    /// The postStart hook.
    ExecSync,
    StopContainer,
    StopPodSandbox,
    RemovePodSandbox,
}

/// When, of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing of it was done.
    Before,
    /// It was begun, and waits for something.
    During,
    /// It is done, and the kubelet does not know it yet.
    After,
}

/// The decorated runtime.
#[derive(Debug)]
pub struct Stopping {
    inner: Arc<dyn RuntimeService>,
    moment: Option<(Verb, When)>,
    reached: Arc<Notify>,
    stopped: AtomicBool,
}

impl Stopping {
    /// `reached` is told when the moment has come, which it does once.
    pub fn new(inner: Arc<dyn RuntimeService>, moment: Option<(Verb, When)>, reached: Arc<Notify>) -> Self {
        Self { inner, moment, reached, stopped: AtomicBool::new(false) }
    }

    fn is(&self, verb: Verb, when: When) -> bool {
        self.moment == Some((verb, when)) && !self.stopped.load(Ordering::Relaxed)
    }

    async fn stop_for_ever<T>(&self) -> T {
        self.stopped.store(true, Ordering::Relaxed);
        self.reached.notify_one();
        std::future::pending().await
    }

    async fn carry_out<T>(&self, verb: Verb, work: impl Future<Output = T>) -> T {
        if self.is(verb, When::Before) {
            return self.stop_for_ever().await;
        }
        futures::pin_mut!(work);
        if self.is(verb, When::During)
            && let Poll::Ready(done) = futures::poll!(work.as_mut())
        {
            return done; // it does not wait for anything, so there is no such moment
        }
        if self.is(verb, When::During) {
            return self.stop_for_ever().await;
        }
        let done = work.await;
        if self.is(verb, When::After) { self.stop_for_ever().await } else { done }
    }
}

impl RuntimeService for Stopping {
    fn run_pod_sandbox(&self, config: PodSandboxConfig) -> Reply<'_, PodSandboxStatus, RuntimeError> {
        Box::pin(self.carry_out(Verb::RunPodSandbox, self.inner.run_pod_sandbox(config)))
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError> {
        Box::pin(self.carry_out(Verb::StopPodSandbox, self.inner.stop_pod_sandbox(id)))
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError> {
        Box::pin(self.carry_out(Verb::RemovePodSandbox, self.inner.remove_pod_sandbox(id)))
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, PodSandboxStatus, RuntimeError> {
        self.inner.pod_sandbox_status(id)
    }

    fn list_pod_sandboxes(&self, filter: SandboxFilter) -> Reply<'_, Vec<PodSandboxStatus>, RuntimeError> {
        self.inner.list_pod_sandboxes(filter)
    }

    fn update_pod_sandbox_resources<'a>(
        &'a self,
        id: &'a SandboxId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError> {
        self.inner.update_pod_sandbox_resources(id, resources, annotations)
    }

    fn create_container<'a>(
        &'a self,
        sandbox: &'a SandboxId,
        config: ContainerConfig,
    ) -> Reply<'a, ContainerId, RuntimeError> {
        Box::pin(self.carry_out(Verb::CreateContainer, self.inner.create_container(sandbox, config)))
    }

    fn start_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        Box::pin(self.carry_out(Verb::StartContainer, self.inner.start_container(id)))
    }

    fn stop_container<'a>(&'a self, id: &'a ContainerId, timeout: Duration) -> Reply<'a, (), RuntimeError> {
        Box::pin(self.carry_out(Verb::StopContainer, self.inner.stop_container(id, timeout)))
    }

    fn remove_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        self.inner.remove_container(id)
    }

    fn list_containers(&self, filter: ContainerFilter) -> Reply<'_, Vec<ContainerStatus>, RuntimeError> {
        self.inner.list_containers(filter)
    }

    fn container_status<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStatus, RuntimeError> {
        self.inner.container_status(id)
    }

    fn update_container_resources<'a>(
        &'a self,
        id: &'a ContainerId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError> {
        self.inner.update_container_resources(id, resources, annotations)
    }

    fn reopen_container_log<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        self.inner.reopen_container_log(id)
    }

    fn container_stats<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStats, RuntimeError> {
        self.inner.container_stats(id)
    }

    fn writable_layer_bytes<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, u64, RuntimeError> {
        self.inner.writable_layer_bytes(id)
    }

    fn pod_sandbox_stats<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, ContainerStats, RuntimeError> {
        self.inner.pod_sandbox_stats(id)
    }

    fn exec_sync<'a>(
        &'a self,
        id: &'a ContainerId,
        command: Vec<String>,
        timeout: Duration,
    ) -> Reply<'a, ExecOutput, ExecError> {
        Box::pin(self.carry_out(Verb::ExecSync, self.inner.exec_sync(id, command, timeout)))
    }

    fn exec<'a>(&'a self, id: &'a ContainerId, request: ExecRequest) -> Reply<'a, ContainerIo, ExecError> {
        self.inner.exec(id, request)
    }

    fn attach<'a>(&'a self, id: &'a ContainerId, stdin: bool) -> Reply<'a, ContainerIo, ExecError> {
        self.inner.attach(id, stdin)
    }

    fn port_forward<'a>(&'a self, id: &'a SandboxId, port: u16) -> Reply<'a, tokio::net::TcpStream, RuntimeError> {
        self.inner.port_forward(id, port)
    }

    fn container_events(&self) -> BoxStream<'static, ContainerEvent> {
        self.inner.container_events()
    }
}
