//! What list filters select.

use super::{ContainerFilter, ContainerStatus, PodSandboxStatus, SandboxFilter};
use std::collections::BTreeMap;

fn has_all(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

impl SandboxFilter {
    /// Whether `status` is selected.
    pub fn matches(&self, status: &PodSandboxStatus) -> bool {
        self.id.as_ref().is_none_or(|id| *id == status.id)
            && self.pod_uid.as_ref().is_none_or(|uid| *uid == status.metadata.uid)
            && self.state.is_none_or(|state| state == status.state)
            && has_all(&status.labels, &self.labels)
    }
}

impl ContainerFilter {
    /// Whether `status` is selected.
    pub fn matches(&self, status: &ContainerStatus) -> bool {
        self.id.as_ref().is_none_or(|id| *id == status.id)
            && self.sandbox_id.as_ref().is_none_or(|id| *id == status.sandbox_id)
            && self.state.is_none_or(|state| state == status.state)
            && has_all(&status.labels, &self.labels)
    }
}
