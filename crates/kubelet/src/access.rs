//! The kubelet as its HTTPS API sees it. All answers come from memory.

use crate::kubelet::Kubelet;
use crate::observed::Observed;
use crate::pod;
use crate::server::{ContainerInstance, PodAccess};
use crate::worker::Desired;
use k8s_openapi::api::core::v1::Pod;
use runtime::service::{ContainerState, RuntimeService, SandboxId};
use std::sync::Arc;

impl Kubelet {
    fn find(&self, namespace: &str, name: &str) -> Option<Desired> {
        let matches = |d: &Desired| pod::namespace(&d.pod) == namespace && pod::name(&d.pod) == name;
        let all = self.workers.all();
        // of two with one name the one that is not on its way out
        all.iter().find(|d| matches(d) && !d.gone()).or_else(|| all.iter().find(|d| matches(d))).cloned()
    }

    fn with_status(&self, pod: &Arc<Pod>) -> Arc<Pod> {
        let status = self.shared.statuses.get(&pod::uid(pod)).or_else(|| pod.status.clone());
        Arc::new(Pod { status, ..(**pod).clone() })
    }

    fn observed(&self, namespace: &str, name: &str) -> Option<Arc<Observed>> {
        self.shared.observed.get(&pod::uid(&self.find(namespace, name)?.pod))
    }
}

impl PodAccess for Kubelet {
    fn pods(&self) -> Vec<Arc<Pod>> {
        self.workers.all().iter().map(|desired| self.with_status(&desired.pod)).collect()
    }

    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        Some(self.with_status(&self.find(namespace, name)?.pod))
    }

    fn container(&self, namespace: &str, name: &str, container: &str, previous: bool) -> Option<ContainerInstance> {
        let observed = self.observed(namespace, name)?;
        let mut instances = observed.instances(container).filter(|c| c.state != ContainerState::Created);
        let found = instances.nth(usize::from(previous))?;
        Some(ContainerInstance {
            id: found.id.clone(),
            log_path: found.log_path.clone(),
            running: found.state == ContainerState::Running,
        })
    }

    fn sandbox(&self, namespace: &str, name: &str) -> Option<SandboxId> {
        self.observed(namespace, name)?.ready_sandbox().map(|sandbox| sandbox.id.clone())
    }

    fn runtime(&self) -> Arc<dyn RuntimeService> {
        self.shared.runtime.clone()
    }
}
