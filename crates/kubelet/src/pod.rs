//! What the kubelet asks of a Pod object: identity, kinds of containers, policies. Pure.
//!
//! What not: nothing observed; only what the object says.

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec};
use std::collections::BTreeMap;
use std::fmt;

/// Labels and annotations that the kubelet puts on sandboxes and containers, with upstream's names.
pub mod labels {
    /// The pod's name.
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    /// The pod's namespace.
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// The pod's uid.
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    /// The container's name.
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    /// Annotation: hash of what a running container cannot change.
    pub const CONTAINER_HASH: &str = "io.kubernetes.container.hash";
    /// Annotation: where the termination message is read from.
    pub const TERMINATION_MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
    /// Annotation: `File` or `FallbackToLogsOnError`.
    pub const TERMINATION_MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
    /// Annotation: the file of the node that holds the termination message.
    pub const TERMINATION_MESSAGE_FILE: &str = "pintle.io/terminationMessageFile";
    /// Annotation: the pod's grace period, for pods whose object is gone. Seconds.
    pub const GRACE_PERIOD_SECONDS: &str = "io.kubernetes.pod.terminationGracePeriod";
    /// Annotation: requests and limits that were applied, as JSON. Of the sandbox: those of the pod as a whole, if it has any.
    pub const RESOURCES: &str = "pintle.io/resources";
    /// Annotation of the sandbox: the pod's kind of source.
    pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
}

/// Annotation: where the pod came from: `api`, `file` or `http`.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
/// Annotation: the hash of a static pod.
pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// Annotation: when the kubelet first saw the pod.
pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";
/// Annotation of mirror pods: the hash of the static pod.
pub const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod's uid. Static pods have the hash of their manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodUid(pub String);

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FullName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// When an ended container starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Whatever its exit code.
    Always,
    /// After a failure.
    OnFailure,
    /// Not.
    Never,
}

impl RestartPolicy {
    fn parse(text: &str) -> Self {
        match text {
            "OnFailure" => Self::OnFailure,
            "Never" => Self::Never,
            _ => Self::Always,
        }
    }

    /// Whether a container that ended with this code starts again.
    pub fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

/// What part a container plays in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Runs to its end before the next one.
    Init,
    /// An init container with restartPolicy Always.
    Sidecar,
    /// One of `spec.containers`.
    App,
    /// Added to a running pod for debugging.
    Ephemeral,
}

/// A pod's uid.
pub fn uid(pod: &Pod) -> PodUid {
    PodUid(pod.metadata.uid.clone().unwrap_or_default())
}

/// A pod's namespace.
pub fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or("default")
}

/// A pod's name.
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// A pod's namespace and name.
pub fn full_name(pod: &Pod) -> FullName {
    FullName { namespace: namespace(pod).to_owned(), name: name(pod).to_owned() }
}

/// `name_namespace(uid)`: upstream's `format.Pod`, as it stands in messages.
pub fn format_pod(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), pod.metadata.uid.as_deref().unwrap_or_default())
}

/// A pod's spec; an empty one where it has none.
pub fn spec(pod: &Pod) -> &PodSpec {
    static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
    pod.spec.as_ref().unwrap_or(&EMPTY)
}

/// An annotation's value.
pub fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The pod's labels.
pub fn pod_labels(pod: &Pod) -> BTreeMap<String, String> {
    pod.metadata.labels.clone().unwrap_or_default()
}

/// Whether it came from a file or URL.
pub fn is_static(pod: &Pod) -> bool {
    annotation(pod, CONFIG_SOURCE).is_some_and(|source| source != "api")
}

/// Whether it is the API's picture of a static pod.
pub fn is_mirror(pod: &Pod) -> bool {
    annotation(pod, CONFIG_MIRROR).is_some()
}

/// Upstream's `IsNodeCriticalPod`'s lower bound: the priority of system-cluster-critical.
const SYSTEM_CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// Whether admission makes room for it: static, or of a system priority (upstream's `IsCriticalPod`).
pub fn is_critical(pod: &Pod) -> bool {
    is_static(pod) || is_mirror(pod) || spec(pod).priority.is_some_and(|p| p >= SYSTEM_CRITICAL_PRIORITY)
}

/// The pod's restart policy.
pub fn restart_policy(pod: &Pod) -> RestartPolicy {
    RestartPolicy::parse(spec(pod).restart_policy.as_deref().unwrap_or("Always"))
}

/// Whether the pod uses the node's network.
pub fn host_network(pod: &Pod) -> bool {
    spec(pod).host_network == Some(true)
}

/// The init containers, sidecars included.
pub fn init_containers(pod: &Pod) -> &[Container] {
    spec(pod).init_containers.as_deref().unwrap_or_default()
}

/// The ephemeral containers.
pub fn ephemeral_containers(pod: &Pod) -> &[EphemeralContainer] {
    spec(pod).ephemeral_containers.as_deref().unwrap_or_default()
}

/// Whether an init container is a sidecar.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// An ephemeral container in the form of the others; they have the same fields (`EphemeralContainerCommon`).
pub fn ephemeral_as_container(container: &EphemeralContainer) -> Container {
    Container {
        name: container.name.clone(),
        image: container.image.clone(),
        image_pull_policy: container.image_pull_policy.clone(),
        command: container.command.clone(),
        args: container.args.clone(),
        working_dir: container.working_dir.clone(),
        env: container.env.clone(),
        env_from: container.env_from.clone(),
        resources: container.resources.clone(),
        volume_mounts: container.volume_mounts.clone(),
        security_context: container.security_context.clone(),
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        termination_message_path: container.termination_message_path.clone(),
        termination_message_policy: container.termination_message_policy.clone(),
        ..Container::default()
    }
}

/// All containers with their roles: init containers, app containers, ephemeral ones.
pub fn containers(pod: &Pod) -> Vec<(Role, Container)> {
    let init = init_containers(pod).iter().map(|c| (if is_sidecar(c) { Role::Sidecar } else { Role::Init }, c.clone()));
    let app = spec(pod).containers.iter().map(|c| (Role::App, c.clone()));
    let ephemeral = ephemeral_containers(pod).iter().map(|c| (Role::Ephemeral, ephemeral_as_container(c)));
    init.chain(app).chain(ephemeral).collect()
}

/// One container by its name.
pub fn container(pod: &Pod, name: &str) -> Option<(Role, Container)> {
    containers(pod).into_iter().find(|(_, c)| c.name == name)
}

/// `spec.containers{name}`: how events name a container.
pub fn field_path(role: Role, name: &str) -> String {
    match role {
        Role::Init | Role::Sidecar => format!("spec.initContainers{{{name}}}"),
        Role::App => format!("spec.containers{{{name}}}"),
        Role::Ephemeral => format!("spec.ephemeralContainers{{{name}}}"),
    }
}

/// Whether a container that ended with this code starts again: its own rules (KEP-5307), its own policy, the pod's.
pub fn restarts_after(pod: &Pod, role: Role, container: &Container, exit_code: i32) -> bool {
    for rule in container.restart_policy_rules.iter().flatten() {
        let Some(codes) = &rule.exit_codes else { continue };
        let listed = codes.values.as_ref().is_some_and(|values| values.contains(&exit_code));
        if rule.action == "Restart" && (codes.operator == "In") == listed {
            return true;
        }
    }
    match role {
        Role::Sidecar => true,
        Role::Ephemeral => false,
        // an init container that succeeded is done, whatever the policy
        Role::Init => exit_code != 0 && own_policy(pod, container) != RestartPolicy::Never,
        Role::App => own_policy(pod, container).restarts_after(exit_code),
    }
}

fn own_policy(pod: &Pod, container: &Container) -> RestartPolicy {
    container.restart_policy.as_deref().map_or_else(|| restart_policy(pod), RestartPolicy::parse)
}

/// Hash of what makes a running container another one: its name and image (upstream's `HashContainer`).
pub fn container_hash(container: &Container) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(container.name.as_bytes());
    hash.update([0]);
    hash.update(container.image.as_deref().unwrap_or_default().as_bytes());
    hex::encode(&hash.finalize()[..4])
}

/// Upstream's default of `terminationGracePeriodSeconds`.
pub const DEFAULT_GRACE_PERIOD_SECONDS: i64 = 30;

/// How long the pod's containers get to stop: what the deletion asked for, else what the spec says. Seconds.
pub fn grace_period_seconds(pod: &Pod) -> i64 {
    let asked = pod.metadata.deletion_timestamp.as_ref().and(pod.metadata.deletion_grace_period_seconds);
    asked.or(spec(pod).termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE_PERIOD_SECONDS).max(0)
}

/// Whether the status says that nothing will run any more.
pub fn is_terminal_phase(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}
