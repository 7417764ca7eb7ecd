//! What the runtime is told to make: sandbox and container configurations. Pure.

use crate::config::Config;
use crate::dns;
use crate::env::expand;
use crate::network::{HostPort, Protocol};
use crate::paths::log_path;
use crate::pod::{self, Role, labels};
use crate::{resize, resources, security};
use k8s_openapi::api::core::v1::{Container, Pod};
use runtime::service::{
    ContainerConfig, ContainerId, ContainerMetadata, EnvVar, Image, Mount, NamespaceMode, PodSandboxConfig,
    PodSandboxMetadata,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The sandbox of a pod.
pub fn sandbox_config(pod: &Pod, config: &Config, attempt: u32) -> PodSandboxConfig {
    let spec = pod::spec(pod);
    let node_or = |node: Option<bool>, other| if node == Some(true) { NamespaceMode::Node } else { other };
    let pid = if spec.share_process_namespace == Some(true) { NamespaceMode::Pod } else { NamespaceMode::Container };
    let sysctls = spec.security_context.iter().flat_map(|s| s.sysctls.iter().flatten());
    let mut resources = resources::pod_cgroup_resources(pod);
    resources.pids_limit = Some(config.pod_pids_limit).filter(|limit| *limit > 0);
    PodSandboxConfig {
        metadata: PodSandboxMetadata {
            name: pod::name(pod).to_owned(),
            uid: pod::uid(pod).0,
            namespace: pod::namespace(pod).to_owned(),
            attempt,
        },
        hostname: if pod::host_network(pod) {
            String::new()
        } else {
            dns::sandbox_hostname(pod, &config.cluster_domain)
        },
        log_directory: config.paths.log_directory(pod),
        // every container has the pod's own resolv.conf mounted
        dns: None,
        labels: pod_labels(pod),
        annotations: BTreeMap::from([
            (labels::CONFIG_SOURCE.to_owned(), pod::annotation(pod, pod::CONFIG_SOURCE).unwrap_or("api").to_owned()),
            (labels::GRACE_PERIOD_SECONDS.to_owned(), grace(pod)),
        ])
        .into_iter()
        .chain(spec.resources.iter().flat_map(|own| resize::to_annotation(Some(own))))
        .collect(),
        network: node_or(spec.host_network, NamespaceMode::Pod),
        pid: node_or(spec.host_pid, pid),
        ipc: node_or(spec.host_ipc, NamespaceMode::Pod),
        sysctls: sysctls.map(|s| (s.name.clone(), s.value.clone())).collect(),
        cgroup_parent: resources::pod_cgroup(&config.cgroup_root, pod),
        resources,
    }
}

fn grace(pod: &Pod) -> String {
    pod::spec(pod).termination_grace_period_seconds.unwrap_or(pod::DEFAULT_GRACE_PERIOD_SECONDS).to_string()
}

fn pod_labels(pod: &Pod) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::POD_NAME.to_owned(), pod::name(pod).to_owned()),
        (labels::POD_NAMESPACE.to_owned(), pod::namespace(pod).to_owned()),
        (labels::POD_UID.to_owned(), pod::uid(pod).0),
    ])
}

/// The host ports that lead into a pod.
pub fn host_ports(pod: &Pod) -> Vec<HostPort> {
    let port = |number: i32| u16::try_from(number).ok().filter(|port| *port > 0);
    let containers = pod::containers(pod);
    let ports = containers.iter().flat_map(|(_, c)| c.ports.iter().flatten());
    ports
        .filter_map(|p| {
            Some(HostPort {
                host_port: port(p.host_port?)?,
                container_port: port(p.container_port)?,
                protocol: match p.protocol.as_deref() {
                    Some("UDP") => Protocol::Udp,
                    Some("SCTP") => Protocol::Sctp,
                    _ => Protocol::Tcp,
                },
                host_ip: p.host_ip.as_deref().and_then(|ip| ip.parse().ok()),
            })
        })
        .collect()
}

/// What a container's configuration is made from.
#[derive(Debug)]
pub struct ContainerInput<'a> {
    /// Whose.
    pub pod: &'a Pod,
    /// Its part.
    pub role: Role,
    /// Which.
    pub container: &'a Container,
    /// How many instances there were before.
    pub attempt: u32,
    /// Present on the node.
    pub image: &'a Image,
    /// All variables.
    pub environment: &'a BTreeMap<String, String>,
    /// Of volumeMounts.
    pub mounts: Vec<Mount>,
    /// The file for its termination message.
    pub termination_message_file: PathBuf,
    /// The container whose process ids an ephemeral one shares.
    pub pid_target: Option<ContainerId>,
    /// Memory of the machine, bytes.
    pub node_memory_bytes: i64,
    /// Settings.
    pub config: &'a Config,
}

/// Upstream's default of `terminationMessagePath`.
const DEFAULT_TERMINATION_MESSAGE_PATH: &str = "/dev/termination-log";

/// One container.
pub fn container_config(input: ContainerInput<'_>) -> ContainerConfig {
    let ContainerInput { pod, container, environment, .. } = input;
    let expanded = |list: &Option<Vec<String>>| -> Vec<String> {
        list.iter().flatten().map(|text| expand(text, |name| environment.get(name).cloned())).collect()
    };
    let message_path = container.termination_message_path.as_deref().unwrap_or(DEFAULT_TERMINATION_MESSAGE_PATH);
    let message_policy = container.termination_message_policy.as_deref().unwrap_or("File");
    let mut mounts = input.mounts;
    mounts.extend(own_files(pod, container, input.config, &mounts));
    mounts.push(Mount {
        host_path: input.termination_message_file.clone(),
        container_path: PathBuf::from(message_path),
        ..Mount::default()
    });
    let mut labels = pod_labels(pod);
    labels.insert(labels::CONTAINER_NAME.to_owned(), container.name.clone());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut security = security::effective(pod, container, &input.config.paths.seccomp());
    security.pid_target = input.pid_target;
    ContainerConfig {
        metadata: ContainerMetadata { name: container.name.clone(), attempt: input.attempt },
        image: input.image.id.0.clone(),
        user_specified_image: container.image.clone().unwrap_or_default(),
        command: expanded(&container.command),
        args: expanded(&container.args),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: environment.iter().map(|(name, value)| EnvVar { name: name.clone(), value: value.clone() }).collect(),
        mounts,
        labels,
        annotations: BTreeMap::from([
            (labels::CONTAINER_HASH.to_owned(), pod::container_hash(container)),
            (labels::TERMINATION_MESSAGE_PATH.to_owned(), message_path.to_owned()),
            (labels::TERMINATION_MESSAGE_POLICY.to_owned(), message_policy.to_owned()),
            (labels::TERMINATION_MESSAGE_FILE.to_owned(), text(&input.termination_message_file)),
            (labels::GRACE_PERIOD_SECONDS.to_owned(), grace(pod)),
        ])
        .into_iter()
        .chain(resize::to_annotation(container.resources.as_ref()))
        .collect(),
        log_path: log_path(&container.name, input.attempt),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        stop_signal: container.lifecycle.as_ref().and_then(|l| l.stop_signal.clone()),
        resources: resources::container_resources(pod, container, input.node_memory_bytes),
        security,
        ..ContainerConfig::default()
    }
}

/// /etc/hosts, /etc/resolv.conf and /etc/hostname, unless the container mounts something there itself.
fn own_files(pod: &Pod, container: &Container, config: &Config, mounts: &[Mount]) -> Vec<Mount> {
    let uid = pod::uid(pod).0;
    let readonly = container.security_context.as_ref().is_some_and(|s| s.read_only_root_filesystem == Some(true));
    let mut files = vec![
        (config.paths.hosts(&uid), "/etc/hosts", false),
        (config.paths.resolv_conf(&uid), "/etc/resolv.conf", readonly),
    ];
    if !pod::host_network(pod) {
        files.push((config.paths.hostname(&uid), "/etc/hostname", readonly));
    }
    files.retain(|(_, path, _)| !mounts.iter().any(|m| m.container_path == Path::new(path)));
    files
        .into_iter()
        .map(|(host_path, path, readonly)| Mount {
            host_path,
            container_path: PathBuf::from(path),
            readonly,
            ..Mount::default()
        })
        .collect()
}
