//! Events about pods and the node: the seam to the recorder, so that tests can read what was recorded.

use crate::pod::{self, Role};
use client::{EventRecorder, EventType};
use k8s_openapi::api::core::v1::{Container, ObjectReference, Pod};

/// Takes events; never blocks.
pub trait EventSink: Send + Sync + std::fmt::Debug + 'static {
    /// One event about an object.
    fn record(&self, regarding: &ObjectReference, event_type: EventType, reason: &str, message: &str);
}

impl EventSink for EventRecorder {
    fn record(&self, regarding: &ObjectReference, event_type: EventType, reason: &str, message: &str) {
        self.event(regarding, event_type, reason, message);
    }
}

/// A kubelet without an API server has only its log.
#[derive(Debug)]
pub struct LogSink;

impl EventSink for LogSink {
    fn record(&self, regarding: &ObjectReference, event_type: EventType, reason: &str, message: &str) {
        let (kind, name) = (regarding.kind.as_deref(), regarding.name.as_deref());
        match event_type {
            EventType::Normal => tracing::info!(kind, name, reason, message, "event"),
            EventType::Warning => tracing::warn!(kind, name, reason, message, "event"),
        }
    }
}

/// A reference to a pod.
pub fn pod_reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        resource_version: pod.metadata.resource_version.clone(),
        field_path: None,
    }
}

/// A reference to a container of a pod.
pub fn container_reference(pod: &Pod, role: Role, name: &str) -> ObjectReference {
    ObjectReference { field_path: Some(pod::field_path(role, name)), ..pod_reference(pod) }
}

/// A reference to a node. Upstream has the node's name in the place of the uid.
pub fn node_reference(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

/// Events about one pod, with less to write.
#[derive(Debug, Clone, Copy)]
pub struct PodEvents<'a> {
    /// Where they go.
    pub sink: &'a dyn EventSink,
    /// What they are about.
    pub pod: &'a Pod,
}

impl PodEvents<'_> {
    /// A Normal event about a container.
    pub fn normal(&self, role: Role, container: &Container, reason: &str, message: &str) {
        let regarding = container_reference(self.pod, role, &container.name);
        self.sink.record(&regarding, EventType::Normal, reason, message);
    }

    /// A Warning event about a container.
    pub fn warning(&self, role: Role, container: &Container, reason: &str, message: &str) {
        let regarding = container_reference(self.pod, role, &container.name);
        self.sink.record(&regarding, EventType::Warning, reason, message);
    }

    /// A Normal event about the pod.
    pub fn pod_normal(&self, reason: &str, message: &str) {
        self.sink.record(&pod_reference(self.pod), EventType::Normal, reason, message);
    }

    /// A Warning event about the pod.
    pub fn pod_warning(&self, reason: &str, message: &str) {
        self.sink.record(&pod_reference(self.pod), EventType::Warning, reason, message);
    }
}
