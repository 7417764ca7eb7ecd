//! A pod with everything about it that decisions need, computed once.

use crate::affinity_term::Terms;
use crate::resources::{Resources, pod_non_zero_requests, pod_requests};
use client::lean::{Pod, PodSpec};
use k8s_openapi::api::core::v1::{Affinity, Toleration};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `metadata.uid`: what the scheduler knows pods by, as a name may be used again.
pub type PodUid = String;

/// A host port as NodePorts compares it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// `hostIP`; empty means all addresses.
    pub ip: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The port.
    pub port: i32,
}

impl HostPort {
    /// Whether both cannot be open on one node.
    pub fn conflicts(&self, other: &Self) -> bool {
        let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0";
        let same_address = any(&self.ip) || any(&other.ip) || self.ip == other.ip;
        same_address && self.protocol == other.protocol && self.port == other.port
    }
}

/// A pod, parsed for scheduling. Shared between queue, cache and nodes.
#[derive(Debug)]
pub struct PodInfo {
    /// The object.
    pub pod: Arc<Pod>,
    /// `metadata.uid`
    pub uid: PodUid,
    /// What it requests.
    pub requests: Resources,
    /// The same, with defaults for containers without requests.
    pub non_zero: Resources,
    /// Host ports of its containers and sidecars.
    pub ports: Vec<HostPort>,
    /// Images of all its containers, with a tag or digest; of a pod with a node none, as nobody asks.
    pub images: Vec<String>,
    /// Its affinity to other pods.
    pub terms: Terms,
    /// `spec.priority`
    pub priority: i32,
    /// Pods of one class get the same answer from every plugin that looks at one node alone. Empty once it has a node.
    pub class: Class,
}

/// The scheduling constraints of a pod in comparable form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Class(Arc<str>);

impl PodInfo {
    /// Parses `pod`, which is to be given a node.
    pub fn new(pod: Arc<Pod>) -> Self {
        let mut info = Self::placed(pod);
        info.images = images(&info.pod);
        info.class = class_of(&info.pod, &info.requests, &info.non_zero, &info.ports, &info.images);
        info
    }

    /// Parses `pod`, which has a node: only others are decided about. What is for decisions about itself would be kept, half a
    /// kilobyte each, for as long as it lives.
    pub fn placed(pod: Arc<Pod>) -> Self {
        let empty = BTreeMap::new();
        let terms = Terms::new(
            pod.metadata.namespace.as_deref().unwrap_or_default(),
            pod.metadata.labels.as_ref().unwrap_or(&empty),
            pod.spec.as_ref().and_then(|spec| spec.affinity.as_deref()),
        );
        Self {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            priority: pod.spec.as_ref().and_then(|s| s.priority).unwrap_or(0),
            requests: pod_requests(&pod),
            non_zero: pod_non_zero_requests(&pod),
            ports: host_ports(&pod),
            images: Vec::new(),
            terms,
            class: Class::default(),
            pod,
        }
    }

    /// `spec`. The API never holds a pod without.
    pub fn spec(&self) -> &PodSpec {
        static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
        self.pod.spec.as_ref().unwrap_or(&EMPTY)
    }

    /// `metadata.namespace`
    pub fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// `metadata.labels`
    pub fn labels(&self) -> &BTreeMap<String, String> {
        static EMPTY: BTreeMap<String, String> = BTreeMap::new();
        self.pod.metadata.labels.as_ref().unwrap_or(&EMPTY)
    }

    /// `spec.tolerations`
    pub fn tolerations(&self) -> &[Toleration] {
        self.spec().tolerations.as_deref().unwrap_or_default()
    }

    /// `spec.affinity`
    pub fn affinity(&self) -> Option<&Affinity> {
        self.spec().affinity.as_deref()
    }

    /// Whether nothing differs that decisions about other pods look at.
    pub fn weighs_the_same(&self, other: &Self) -> bool {
        self.requests == other.requests
            && self.non_zero == other.non_zero
            && self.ports == other.ports
            && self.labels() == other.labels()
            && self.affinity() == other.affinity()
            && self.is_terminating() == other.is_terminating()
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }
}

fn host_ports(pod: &Pod) -> Vec<HostPort> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let sidecars = spec
        .init_containers
        .iter()
        .flat_map(|all| all.iter())
        .filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let number = port.host_port.filter(|number| *number > 0)?;
            Some(HostPort {
                ip: port.host_ip.clone().unwrap_or_default(),
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                port: number,
            })
        })
        .collect()
}

fn images(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let containers = spec.init_containers.iter().flat_map(|all| all.iter()).chain(spec.containers.iter());
    containers.filter_map(|container| container.image.as_deref().map(normalized_image)).collect()
}

/// Adds `:latest` where there is neither tag nor digest (`normalizedImageName`).
pub fn normalized_image(name: &str) -> String {
    let after_host = name.rfind('/').map_or(0, |slash| slash + 1);
    if name[after_host..].contains(':') || name.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

fn class_of(pod: &Pod, requests: &Resources, non_zero: &Resources, ports: &[HostPort], images: &[String]) -> Class {
    let spec = pod.spec.as_ref();
    let node_affinity = spec.and_then(|s| s.affinity.as_ref()).and_then(|a| a.node_affinity.as_ref());
    let text = format!(
        "{:?}|{:?}|{:?}|{:?}|{requests:?}|{non_zero:?}|{ports:?}|{images:?}",
        spec.and_then(|s| s.node_name.as_ref()),
        spec.and_then(|s| s.node_selector.as_ref()),
        node_affinity,
        spec.and_then(|s| s.tolerations.as_ref()),
    );
    Class(text.into())
}
