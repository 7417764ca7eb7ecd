//! What a kubelet asks of a container runtime: the CRI v1's verbs and nouns as plain Rust types.
//!
//! Why: the kubelet codes against these two traits, so that it can be tested with [`crate::fake::FakeRuntime`], run on
//! [`crate::native::NativeRuntime`], and later on containerd or CRI-O over a socket. What not: nothing here knows pods of
//! the API, volumes, probes or back-offs; nothing here does anything.

mod container;
mod error;
mod filter;
mod image;
mod sandbox;
pub mod stream;

pub use container::{
    Capabilities, ContainerConfig, ContainerEvent, ContainerEventKind, ContainerFilter, ContainerId, ContainerMetadata,
    ContainerResources, ContainerState, ContainerStats, ContainerStatus, ContainerUser, Device, EnvVar, ExitReason,
    ImageMount, Mount, MountPropagation, Rlimit, SeccompProfile, SecurityContext,
};
pub use error::{ExecError, ImageError, RuntimeError, StartFailure, StartFailureKind};
pub use image::{Image, ImageConfig, ImageFsUsage, ImageId, RegistryAuth};
pub use sandbox::{
    DnsConfig, NamespaceMode, PodSandboxConfig, PodSandboxMetadata, PodSandboxStatus, SandboxFilter, SandboxId,
    SandboxState,
};
pub use stream::{BoxRead, BoxWrite, ContainerIo, ExecOutput, ExecRequest, ExitOutcome, ResizeSender, TerminalSize};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The future that every verb returns. Boxed, so that the traits can be used as `Arc<dyn …>`.
pub type Reply<'a, T, E> = BoxFuture<'a, Result<T, E>>;

/// Sandboxes and containers: `runtime.v1.RuntimeService` of the CRI.
///
/// All verbs may be called concurrently. Stop and remove are idempotent, as in the CRI: an id that is unknown or already
/// stopped is no error.
pub trait RuntimeService: Send + Sync + std::fmt::Debug + 'static {
    /// Makes the sandbox's namespaces, its cgroup and its shim. The network namespace has no links but `lo` (down) yet:
    /// whoever calls sets it up by [`PodSandboxStatus::netns_path`] before the first container is started.
    fn run_pod_sandbox(&self, config: PodSandboxConfig) -> Reply<'_, PodSandboxStatus, RuntimeError>;

    /// Kills every container of the sandbox and lets go of its namespaces. Its records stay until it is removed.
    fn stop_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError>;

    /// Removes a sandbox with all its containers; one that still runs is stopped first.
    fn remove_pod_sandbox<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, (), RuntimeError>;

    /// One sandbox. [`RuntimeError::NotFound`] if there is none.
    fn pod_sandbox_status<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, PodSandboxStatus, RuntimeError>;

    /// The sandboxes that match, oldest first.
    fn list_pod_sandboxes(&self, filter: SandboxFilter) -> Reply<'_, Vec<PodSandboxStatus>, RuntimeError>;

    /// Changes the limits of the pod's own cgroup (`UpdatePodSandboxResources`, KEP-1287). The annotations are added to the
    /// sandbox's own in the same stroke.
    fn update_pod_sandbox_resources<'a>(
        &'a self,
        id: &'a SandboxId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError>;

    /// Records a container and prepares its files; no process runs yet. The image must be present.
    fn create_container<'a>(
        &'a self,
        sandbox: &'a SandboxId,
        config: ContainerConfig,
    ) -> Reply<'a, ContainerId, RuntimeError>;

    /// Starts a created container. A command that cannot be started is [`RuntimeError::Start`]; the container is then
    /// exited with code 128 and reason StartError.
    fn start_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError>;

    /// Sends the stop signal, and SIGKILL after `timeout` (at once when it is zero). Resolves when the container has exited.
    fn stop_container<'a>(&'a self, id: &'a ContainerId, timeout: Duration) -> Reply<'a, (), RuntimeError>;

    /// Removes a container's records and files, killing it first if it runs. The log file is the caller's.
    fn remove_container<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError>;

    /// The containers that match, oldest first.
    fn list_containers(&self, filter: ContainerFilter) -> Reply<'_, Vec<ContainerStatus>, RuntimeError>;

    /// One container. [`RuntimeError::NotFound`] if there is none.
    fn container_status<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStatus, RuntimeError>;

    /// Changes the limits of a running container in place (resize); what is `None` stays as it is. The annotations are added
    /// to the container's own in the same stroke, so that whoever asks later knows what was applied.
    fn update_container_resources<'a>(
        &'a self,
        id: &'a ContainerId,
        resources: ContainerResources,
        annotations: BTreeMap<String, String>,
    ) -> Reply<'a, (), RuntimeError>;

    /// Opens the container's log file anew, after whoever rotates logs has renamed it.
    fn reopen_container_log<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, (), RuntimeError>;

    /// CPU and memory use from the container's cgroup.
    fn container_stats<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, ContainerStats, RuntimeError>;

    /// CPU and memory use of the whole pod, from its own cgroup: what its ended containers left there counts as well.
    fn pod_sandbox_stats<'a>(&'a self, id: &'a SandboxId) -> Reply<'a, ContainerStats, RuntimeError>;

    /// What the container has written to its own layer over the image, bytes (`writableLayer.usedBytes` of the CRI's stats;
    /// apart from them, because all files have to be looked at).
    fn writable_layer_bytes<'a>(&'a self, id: &'a ContainerId) -> Reply<'a, u64, RuntimeError>;

    /// Runs a command in a running container to its end (probes, hooks). `timeout` of zero means none; past it the command
    /// is killed and the result is [`ExecError::Timeout`]. Keeps at most [`stream::EXEC_SYNC_OUTPUT_MAX_BYTES`] of each stream.
    fn exec_sync<'a>(
        &'a self,
        id: &'a ContainerId,
        command: Vec<String>,
        timeout: Duration,
    ) -> Reply<'a, ExecOutput, ExecError>;

    /// Starts a command in a running container, with its streams. Dropping the streams does not kill it; the end of its
    /// input usually does.
    fn exec<'a>(&'a self, id: &'a ContainerId, request: ExecRequest) -> Reply<'a, ContainerIo, ExecError>;

    /// Connects to the streams of the container's own process. Output begins now, with nothing of the past.
    /// `stdin` gives a writer only when the container was created with stdin.
    fn attach<'a>(&'a self, id: &'a ContainerId, stdin: bool) -> Reply<'a, ContainerIo, ExecError>;

    /// A connection to `127.0.0.1:port` (or `[::1]`) inside the sandbox's network namespace.
    fn port_forward<'a>(&'a self, id: &'a SandboxId, port: u16) -> Reply<'a, tokio::net::TcpStream, RuntimeError>;

    /// Container life-cycle events from now on. A reader that is too slow gets [`ContainerEvent::Lagged`] in place of what it
    /// missed, and must list anew.
    fn container_events(&self) -> BoxStream<'static, ContainerEvent>;
}

/// Images: `runtime.v1.ImageService` of the CRI.
pub trait ImageService: Send + Sync + std::fmt::Debug + 'static {
    /// All images, in the order of their ids.
    fn list_images(&self) -> Reply<'_, Vec<Image>, ImageError>;

    /// The image with this name, digest reference or id; `None` if it is not present. Names are normalised:
    /// `nginx` is `docker.io/library/nginx:latest`.
    fn image_status<'a>(&'a self, reference: &'a str) -> Reply<'a, Option<Image>, ImageError>;

    /// Pulls an image, or finds that what is there is what the registry has.
    fn pull_image<'a>(&'a self, reference: &'a str, auth: Option<RegistryAuth>) -> Reply<'a, Image, ImageError>;

    /// Removes a name; with its last name the image goes, with all layers that no other image uses. An id removes all names.
    /// Unknown references are no error.
    fn remove_image<'a>(&'a self, reference: &'a str) -> Reply<'a, (), ImageError>;

    /// Imports every image of an OCI layout (directory or tar) or a docker archive (`docker save`), tar possibly gzipped.
    /// `name` is given to an image that carries none.
    fn import_image(&self, source: PathBuf, name: Option<String>) -> Reply<'_, Vec<Image>, ImageError>;

    /// What the store uses on its disk.
    fn image_fs_usage(&self) -> Reply<'_, ImageFsUsage, ImageError>;
}
