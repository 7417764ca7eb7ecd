//! Nouns of pod sandboxes.

use super::container::ContainerResources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A sandbox's id: 64 hexadecimal digits, chosen by the runtime.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SandboxId(pub String);

impl std::fmt::Display for SandboxId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose namespace a sandbox's containers see (`NamespaceMode` of the CRI).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NamespaceMode {
    /// The pod's own.
    #[default]
    Pod,
    /// Each container its own: the default for process ids.
    Container,
    /// The node's.
    Node,
}

/// What identifies the pod behind a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PodSandboxMetadata {
    /// The pod's name.
    pub name: String,
    /// The pod's uid.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// How many sandboxes this pod had before.
    pub attempt: u32,
}

/// What /etc/resolv.conf says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DnsConfig {
    /// `nameserver` lines.
    pub servers: Vec<String>,
    /// The `search` line.
    pub searches: Vec<String>,
    /// The `options` line.
    pub options: Vec<String>,
}

/// What a sandbox is made from (`PodSandboxConfig`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PodSandboxConfig {
    /// Which pod.
    pub metadata: PodSandboxMetadata,
    /// Host name inside; empty with the host's network means the node's.
    pub hostname: String,
    /// Directory of the pod's log files; [`super::ContainerConfig::log_path`] is relative to it. Made if missing.
    pub log_directory: PathBuf,
    /// Written to the containers' /etc/resolv.conf; `None`: a copy of the node's. A mount of the container's own wins.
    pub dns: Option<DnsConfig>,
    /// Kept and returned; also what filters select by.
    pub labels: BTreeMap<String, String>,
    /// Kept and returned.
    pub annotations: BTreeMap<String, String>,
    /// `Pod` or `Node`.
    pub network: NamespaceMode,
    /// `Container` (default of pods), `Pod` (shareProcessNamespace) or `Node`.
    pub pid: NamespaceMode,
    /// `Pod` or `Node`.
    pub ipc: NamespaceMode,
    /// Namespaced kernel parameters, by dotted name.
    pub sysctls: BTreeMap<String, String>,
    /// The pod's cgroup, absolute and in cgroupfs form, such as `/kubepods/burstable/pod<uid>`; the systemd driver translates it.
    /// Made with its parents if missing; empty: containers go below `/pintle`.
    pub cgroup_parent: String,
    /// Limits of the pod's cgroup.
    pub resources: ContainerResources,
}

/// Whether a sandbox can hold containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxState {
    /// `SANDBOX_READY`.
    Ready,
    /// `SANDBOX_NOTREADY`: stopped, or its shim or namespaces are lost.
    NotReady,
}

/// A sandbox as the runtime knows it (`PodSandboxStatus`).
#[derive(Debug, Clone, PartialEq)]
pub struct PodSandboxStatus {
    /// Its id.
    pub id: SandboxId,
    /// Which pod.
    pub metadata: PodSandboxMetadata,
    /// Whether it can hold containers.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// Path of its network namespace; `None` on the host's network.
    pub netns_path: Option<PathBuf>,
    /// `Node` on the host's network.
    pub network: NamespaceMode,
    /// As given.
    pub labels: BTreeMap<String, String>,
    /// As given.
    pub annotations: BTreeMap<String, String>,
    /// Limits of the pod's cgroup, as last set.
    pub resources: ContainerResources,
}

/// Which sandboxes to list; empty selects all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxFilter {
    /// Only this one.
    pub id: Option<SandboxId>,
    /// Only those of the pod with this uid.
    pub pod_uid: Option<String>,
    /// Only those in this state.
    pub state: Option<SandboxState>,
    /// Only those with all these labels.
    pub labels: BTreeMap<String, String>,
}
