//! Nouns of containers.

use super::image::ImageId;
use super::sandbox::{NamespaceMode, SandboxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A container's id: 64 hexadecimal digits, chosen by the runtime. Statuses of the API show it as `pintle://<id>` or the like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub String);

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What identifies a container within its sandbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ContainerMetadata {
    /// The container's name in its pod.
    pub name: String,
    /// How many instances there were before.
    pub attempt: u32,
}

/// One variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How mounts made below a mount after the start travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MountPropagation {
    /// They do not (`rprivate`).
    #[default]
    Private,
    /// From host to container (`rslave`).
    HostToContainer,
    /// Both ways (`rshared`).
    Bidirectional,
}

/// An image as the source of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageMount {
    /// Present in the store.
    pub image: ImageId,
    /// What of it; empty for all.
    pub sub_path: String,
}

/// A file or directory of the host in a container, or the files of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted; must exist. The runtime's to set where it is an image.
    pub host_path: PathBuf,
    /// In place of a path of the host: an image, which nobody can write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageMount>,
    /// Where; missing parts are made.
    pub container_path: PathBuf,
    /// Read-only.
    pub readonly: bool,
    /// Read-only for the mounts below it as well.
    pub recursive_readonly: bool,
    /// How mounts travel.
    pub propagation: MountPropagation,
}

/// A device node of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Device {
    /// The node on the host.
    pub host_path: PathBuf,
    /// Where it appears.
    pub container_path: PathBuf,
    /// Of `r`, `w`, `m`.
    pub permissions: String,
}

/// A resource limit of the process (setrlimit).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Such as `RLIMIT_NOFILE`.
    pub name: String,
    /// The soft limit.
    pub soft: u64,
    /// The hard limit.
    pub hard: u64,
}

/// Limits of a cgroup (`LinuxContainerResources`). `None` leaves a limit as it is, at creation: unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerResources {
    /// `cpu.cfs_period_us`, microseconds.
    pub cpu_period_us: Option<u64>,
    /// `cpu.cfs_quota_us`, microseconds per period; -1 is unlimited.
    pub cpu_quota_us: Option<i64>,
    /// `cpu.shares`, 2 to 262144; translated to a weight on cgroup v2.
    pub cpu_shares: Option<u64>,
    /// `memory.limit_in_bytes`; -1 is unlimited.
    pub memory_limit_bytes: Option<i64>,
    /// `cpuset.cpus`.
    pub cpuset_cpus: Option<String>,
    /// `cpuset.mems`.
    pub cpuset_mems: Option<String>,
    /// `pids.max`; -1 is unlimited.
    pub pids_limit: Option<i64>,
    /// Keys of cgroup v2, written as they are (`memory.min`, `memory.high`).
    pub unified: BTreeMap<String, String>,
    /// -1000 to 1000. A value that the kernel refuses to an unprivileged runtime is clamped, and logged once.
    pub oom_score_adj: Option<i32>,
}

impl ContainerResources {
    /// Takes over what `change` sets, and keeps the rest.
    pub fn update(&mut self, change: &Self) {
        fn set<T: Clone>(to: &mut Option<T>, what: &Option<T>) {
            if what.is_some() {
                to.clone_from(what);
            }
        }
        set(&mut self.cpu_period_us, &change.cpu_period_us);
        set(&mut self.cpu_quota_us, &change.cpu_quota_us);
        set(&mut self.cpu_shares, &change.cpu_shares);
        set(&mut self.memory_limit_bytes, &change.memory_limit_bytes);
        set(&mut self.cpuset_cpus, &change.cpuset_cpus);
        set(&mut self.cpuset_mems, &change.cpuset_mems);
        set(&mut self.pids_limit, &change.pids_limit);
        set(&mut self.oom_score_adj, &change.oom_score_adj);
        self.unified.extend(change.unified.clone());
    }
}

/// What may be called in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SeccompProfile {
    /// Everything.
    #[default]
    Unconfined,
    /// The runtime's default profile.
    RuntimeDefault,
    /// A profile in a file of the node.
    Localhost(PathBuf),
}

/// Capabilities against the runtime's default set; `ALL` stands for all, the prefix `CAP_` is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// Added.
    pub add: Vec<String>,
    /// Dropped; adding wins.
    pub drop: Vec<String>,
}

/// Who a container's process is and what it may do (`LinuxContainerSecurityContext`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SecurityContext {
    /// All capabilities, all devices, writable /sys, nothing masked.
    pub privileged: bool,
    /// Against the default set.
    pub capabilities: Capabilities,
    /// Numeric user; wins over `run_as_username` and the image's.
    pub run_as_user: Option<i64>,
    /// Numeric group; only together with a user.
    pub run_as_group: Option<i64>,
    /// A user of the container's /etc/passwd.
    pub run_as_username: Option<String>,
    /// More groups of the process.
    pub supplemental_groups: Vec<i64>,
    /// `supplementalGroupsPolicy: Strict`: groups of the image's /etc/group are not added.
    pub strict_supplemental_groups: bool,
    /// The root file system cannot be written.
    pub readonly_rootfs: bool,
    /// setuid and file capabilities have no effect.
    pub no_new_privs: bool,
    /// `None`: the runtime's default list; `Some` of empty: nothing (procMount Unmasked).
    pub masked_paths: Option<Vec<String>>,
    /// As `masked_paths`.
    pub readonly_paths: Option<Vec<String>>,
    /// What may be called in the kernel.
    pub seccomp: SeccompProfile,
    /// Overrides the sandbox's mode for process ids: an ephemeral container with a target joins that container's.
    pub pid: Option<NamespaceMode>,
    /// The container whose process ids are shared.
    pub pid_target: Option<ContainerId>,
}

/// What a container is made from (`ContainerConfig`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Which container.
    pub metadata: ContainerMetadata,
    /// The image: its id, or any reference that [`super::ImageService::image_status`] finds.
    pub image: String,
    /// The name the user gave the image; reported back in the status.
    pub user_specified_image: String,
    /// Replaces the image's Entrypoint (and then its Cmd is not used) unless empty.
    pub command: Vec<String>,
    /// Replaces the image's Cmd unless empty.
    pub args: Vec<String>,
    /// Empty: the image's, or `/`. Made if missing.
    pub working_dir: String,
    /// Added to the image's.
    pub envs: Vec<EnvVar>,
    /// In this order.
    pub mounts: Vec<Mount>,
    /// Added to the default ones.
    pub devices: Vec<Device>,
    /// Of the process.
    pub rlimits: Vec<Rlimit>,
    /// Kept and returned; also what filters select by.
    pub labels: BTreeMap<String, String>,
    /// Kept and returned.
    pub annotations: BTreeMap<String, String>,
    /// The log file, relative to the sandbox's directory; empty: no log.
    pub log_path: PathBuf,
    /// Keep an open standard input.
    pub stdin: bool,
    /// Close it when the first attached client is done.
    pub stdin_once: bool,
    /// Give it a terminal.
    pub tty: bool,
    /// Overrides the image's StopSignal (KEP-4960): a name such as `SIGUSR1`.
    pub stop_signal: Option<String>,
    /// Limits.
    pub resources: ContainerResources,
    /// Who and what may.
    pub security: SecurityContext,
}

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Recorded, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended, or could not be started.
    Exited,
    /// The runtime has lost sight of it (its shim was killed); reported as Exited with [`ExitReason::Unknown`] once that is certain.
    Unknown,
}

/// Why a container is not running: the words that statuses use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// Exit code 0.
    Completed,
    /// Any other exit code or a signal.
    Error,
    /// The kernel killed it for memory.
    OOMKilled,
    /// The command could not be started: exit code 128.
    StartError,
    /// Its environment could not be set up (a mount, a cgroup): exit code 128.
    ContainerCannotRun,
    /// Its shim is gone, so nobody knows: exit code 255, as containerd has it.
    Unknown,
}

impl ExitReason {
    /// The word in `state.terminated.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Error => "Error",
            Self::OOMKilled => "OOMKilled",
            Self::StartError => "StartError",
            Self::ContainerCannotRun => "ContainerCannotRun",
            Self::Unknown => "Unknown",
        }
    }
}

/// The user that the process has, as resolved (`ContainerUser` of the CRI).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerUser {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// All other groups.
    pub supplemental_groups: Vec<u32>,
}

/// A container as the runtime knows it (`ContainerStatus`).
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerStatus {
    /// Its id.
    pub id: ContainerId,
    /// Its sandbox.
    pub sandbox_id: SandboxId,
    /// Which container.
    pub metadata: ContainerMetadata,
    /// Where in its life.
    pub state: ContainerState,
    /// When it was recorded.
    pub created_at: jiff::Timestamp,
    /// When its process started; `None` if it never did.
    pub started_at: Option<jiff::Timestamp>,
    /// When its process ended.
    pub finished_at: Option<jiff::Timestamp>,
    /// 0 to 255; 128 + n for signal n. Meaningful when exited.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it exited.
    pub reason: Option<ExitReason>,
    /// Words about it: the start error.
    pub message: String,
    /// The image's name as the user gave it.
    pub image: String,
    /// The image's digest reference (`docker.io/library/nginx@sha256:…`) or, without one, its id.
    pub image_ref: String,
    /// The image's id.
    pub image_id: ImageId,
    /// As given.
    pub labels: BTreeMap<String, String>,
    /// As given.
    pub annotations: BTreeMap<String, String>,
    /// As given.
    pub mounts: Vec<Mount>,
    /// Absolute.
    pub log_path: PathBuf,
    /// As last set.
    pub resources: ContainerResources,
    /// As resolved at the start.
    pub user: Option<ContainerUser>,
    /// The signal that stops it: a name.
    pub stop_signal: String,
    /// The process id on the host while it runs.
    pub pid: Option<i32>,
}

/// Which containers to list; empty selects all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerFilter {
    /// Only this one.
    pub id: Option<ContainerId>,
    /// Only those of this sandbox.
    pub sandbox_id: Option<SandboxId>,
    /// Only those in this state.
    pub state: Option<ContainerState>,
    /// Only those with all these labels.
    pub labels: BTreeMap<String, String>,
}

/// Use of resources, from the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContainerStats {
    /// CPU time used in all, nanoseconds.
    pub cpu_usage_nanoseconds: u64,
    /// Memory without inactive file pages, bytes (`workingSetBytes`).
    pub memory_working_set_bytes: u64,
    /// Memory in all, bytes.
    pub memory_usage_bytes: u64,
    /// Anonymous memory, bytes.
    pub memory_rss_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// What happened to a container (`ContainerEventType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerEventKind {
    /// Recorded.
    Created,
    /// Its process runs.
    Started,
    /// Its process ended, or its shim was lost.
    Stopped,
    /// Its records are gone.
    Deleted,
}

/// One item of [`super::RuntimeService::container_events`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEvent {
    /// A container changed.
    Container {
        /// Which.
        id: ContainerId,
        /// Its sandbox.
        sandbox_id: SandboxId,
        /// How.
        kind: ContainerEventKind,
        /// When.
        at: jiff::Timestamp,
    },
    /// A sandbox is no longer ready though nobody stopped it: its shim is gone.
    SandboxLost {
        /// Which.
        id: SandboxId,
        /// When it was noticed.
        at: jiff::Timestamp,
    },
    /// Events were missed: list anew.
    Lagged,
}
