//! The verbs of the CRI, handed to the parts that do them.

use super::record::Phase;
use super::rootfs::RootFs;
use super::{Inner, NativeRuntime, no_container, no_sandbox, to_the_end};
use crate::service::{
    ContainerConfig, ContainerEvent, ContainerFilter, ContainerId, ContainerIo, ContainerResources, ContainerStats,
    ContainerStatus, ExecError, ExecOutput, ExecRequest, Image, ImageError, ImageFsUsage, ImageService,
    PodSandboxConfig, PodSandboxStatus, RegistryAuth, Reply, RuntimeError, RuntimeService, SandboxFilter, SandboxId,
};
use crate::shim::protocol::Request;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

impl Inner {
    fn container_status(&self, id: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        let state = self.lock();
        let container = state.containers.get(id).ok_or_else(|| no_container(id))?;
        let status = container.record.status(&container.phase.borrow());
        Ok(status)
    }

    fn list_containers(&self, filter: &ContainerFilter) -> Vec<ContainerStatus> {
        let state = self.lock();
        let all = state.containers.values().map(|container| container.record.status(&container.phase.borrow()));
        let mut out: Vec<_> = all.filter(|status| filter.matches(status)).collect();
        out.sort_by_key(|status| status.created_at);
        out
    }

    /// Deletes layers that no image names and no container uses.
    pub(super) async fn collect_images(self: &Arc<Self>) -> Result<(), ImageError> {
        let in_use = {
            let state = self.lock();
            state.containers.values().flat_map(|container| container.record.layers.iter().cloned()).collect()
        };
        let images = Arc::clone(&self.images);
        image_work(move || images.collect(&in_use)).await
    }
}

async fn image_work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(ImageError::invalid("image store", error)))
}

impl RuntimeService for NativeRuntime {
    fn run_pod_sandbox(&self, config: PodSandboxConfig) -> Reply<'_, PodSandboxStatus, RuntimeError> {
        let inner = Arc::clone(&self.inner);
        Box::pin(to_the_end(async move { inner.run_pod_sandbox(config).await }))
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        Box::pin(to_the_end(async move { inner.stop_pod_sandbox(&id).await }))
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        Box::pin(to_the_end(async move { inner.remove_pod_sandbox(&id).await }))
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, PodSandboxStatus, RuntimeError> {
        let status = self.inner.sandbox_status(id);
        Box::pin(async { status })
    }

    fn list_pod_sandboxes(&self, filter: SandboxFilter) -> Reply<'_, Vec<PodSandboxStatus>, RuntimeError> {
        let list = self.inner.list_sandboxes(&filter);
        Box::pin(async { Ok(list) })
    }

    fn update_pod_sandbox_resources<'a>(
        &'a self,
        id: &'a SandboxId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError> {
        let result = self.inner.update_sandbox(id, &resources, annotations);
        Box::pin(async { result })
    }

    fn create_container<'a>(
        &'a self,
        sandbox: &'a SandboxId,
        config: ContainerConfig,
    ) -> Reply<'a, ContainerId, RuntimeError> {
        let (inner, sandbox) = (Arc::clone(&self.inner), sandbox.clone());
        Box::pin(to_the_end(async move { inner.create_container(&sandbox, config).await }))
    }

    fn start_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        Box::pin(to_the_end(async move { inner.start_container(&id).await }))
    }

    fn stop_container<'a>(&'a self, id: &'a ContainerId, timeout: Duration) -> Reply<'a, (), RuntimeError> {
        Box::pin(self.inner.stop_container(id, timeout)) // giving up leaves nothing half done
    }

    fn remove_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        Box::pin(to_the_end(async move { inner.remove_container(&id).await }))
    }

    fn list_containers(&self, filter: ContainerFilter) -> Reply<'_, Vec<ContainerStatus>, RuntimeError> {
        let list = self.inner.list_containers(&filter);
        Box::pin(async { Ok(list) })
    }

    fn container_status<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStatus, RuntimeError> {
        let status = self.inner.container_status(id);
        Box::pin(async { status })
    }

    fn update_container_resources<'a>(
        &'a self,
        id: &'a ContainerId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError> {
        let result = self.inner.update_container(id, &resources, annotations);
        Box::pin(async { result })
    }

    fn reopen_container_log<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError> {
        Box::pin(async move {
            let (shim, phase) = self.inner.shim_of(id)?;
            let running = matches!(*phase.borrow(), Phase::Running(_));
            let Some(shim) = shim.filter(|_| running) else {
                return Err(RuntimeError::InvalidState(format!("container {id} does not run")));
            };
            let answer = shim.call(Request::ReopenLog { container: id.clone() }, Vec::new()).await;
            answer.map(drop).map_err(|error| RuntimeError::Shim(format!("reopen the log of {id}: {error:?}")))
        })
    }

    fn container_stats<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStats, RuntimeError> {
        Box::pin(async move {
            let cgroup = {
                let state = self.inner.lock();
                state
                    .containers
                    .get(id)
                    .map(|container| container.record.cgroup.clone())
                    .ok_or_else(|| no_container(id))?
            };
            Ok(self.inner.cgroups.stats(&cgroup))
        })
    }

    fn pod_sandbox_stats<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, ContainerStats, RuntimeError> {
        let parent = self.inner.lock().sandboxes.get(id).map(|sandbox| sandbox.record.config.cgroup_parent.clone());
        let stats = parent.ok_or_else(|| no_sandbox(id)).map(|parent| self.inner.cgroups.stats(&parent));
        Box::pin(async { stats })
    }

    fn writable_layer_bytes<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, u64, RuntimeError> {
        let known = self.inner.lock().containers.contains_key(id);
        let layer = RootFs { directory: self.inner.container_directory(id) }.upper();
        Box::pin(async move {
            if !known {
                return Err(no_container(id));
            }
            let doing = format!("measure {}", layer.display());
            super::blocking(move || crate::disk::usage_bytes(&layer).map_err(RuntimeError::io(doing))).await
        })
    }

    fn exec_sync<'a>(
        &'a self,
        id: &'a ContainerId,
        command: Vec<String>,
        timeout: Duration,
    ) -> Reply<'a, ExecOutput, ExecError> {
        Box::pin(self.inner.exec_sync(id, command, timeout))
    }

    fn exec<'a>(&'a self, id: &'a ContainerId, request: ExecRequest) -> Reply<'a, ContainerIo, ExecError> {
        Box::pin(self.inner.exec(id, request))
    }

    fn attach<'a>(&'a self, id: &'a ContainerId, stdin: bool) -> Reply<'a, ContainerIo, ExecError> {
        Box::pin(self.inner.attach(id, stdin))
    }

    fn port_forward<'a>(&'a self, id: &'a SandboxId, port: u16) -> Reply<'a, tokio::net::TcpStream, RuntimeError> {
        Box::pin(self.inner.port_forward(id, port))
    }

    fn container_events(&self) -> BoxStream<'static, ContainerEvent> {
        self.inner.events.subscribe()
    }
}

impl ImageService for NativeRuntime {
    fn list_images(&self) -> Reply<'_, Vec<Image>, ImageError> {
        let list = self.inner.images.list();
        Box::pin(async { Ok(list) })
    }

    fn image_status<'a>(&'a self, reference: &'a str) -> Reply<'a, Option<Image>, ImageError> {
        let found = self.inner.images.find(reference);
        Box::pin(async { Ok(found) })
    }

    fn pull_image<'a>(&'a self, reference: &'a str, auth: Option<RegistryAuth>) -> Reply<'a, Image, ImageError> {
        Box::pin(self.inner.images.pull(reference, auth))
    }

    fn remove_image<'a>(&'a self, reference: &'a str) -> Reply<'a, (), ImageError> {
        Box::pin(async move {
            let (images, name) = (Arc::clone(&self.inner.images), reference.to_owned());
            image_work(move || images.remove(&name)).await?;
            self.inner.collect_images().await
        })
    }

    fn import_image(&self, source: PathBuf, name: Option<String>) -> Reply<'_, Vec<Image>, ImageError> {
        let images = Arc::clone(&self.inner.images);
        Box::pin(image_work(move || images.import(&source, name.as_deref())))
    }

    fn image_fs_usage(&self) -> Reply<'_, ImageFsUsage, ImageError> {
        let usage = self.inner.images.usage();
        Box::pin(async { usage })
    }
}
