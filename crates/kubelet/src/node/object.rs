//! The Node object's contents: a pure function of what is known.

use super::{machine, quantities};
use crate::amount::Milli;
use crate::config::Config;
use crate::resources::Amounts;
use crate::shared::NodeFacts;
use crate::status::whole_second;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use runtime::service::Image;
use std::collections::BTreeMap;

/// All that the object depends on.
#[derive(Debug, Clone)]
pub struct NodeInput {
    /// Settings.
    pub config: Config,
    /// What is known of the node.
    pub facts: NodeFacts,
    /// Names and versions.
    pub system: NodeSystemInfo,
    /// What is in the image store.
    pub images: Vec<Image>,
    /// Whether pods can be connected; else why not.
    pub network: Result<(), String>,
    /// Now.
    pub now: Timestamp,
}

/// The labels that a kubelet sets.
pub fn labels(config: &Config) -> BTreeMap<String, String> {
    let arch = machine::architecture();
    let own = [
        ("beta.kubernetes.io/arch", arch),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", arch),
        ("kubernetes.io/hostname", config.node_name.as_str()),
        ("kubernetes.io/os", "linux"),
    ];
    let mut labels = config.node_labels.clone();
    labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
    labels
}

/// `memory.available<100Mi`: the default of `evictionHard`, which pods cannot have. Bytes.
const EVICTION_MEMORY_BYTES: i128 = 100 << 20;

/// What pods can have: all but what is reserved, and what eviction would free (memory 100Mi, disk 10 %).
pub fn allocatable(capacity: &Amounts, reserved: &BTreeMap<String, String>) -> Amounts {
    let mut result = capacity.clone();
    for (name, text) in reserved {
        if let Some(amount) = result.get_mut(name) {
            amount.0 = (amount.0 - Milli::of(&Quantity(text.clone())).0).max(0);
        }
    }
    if let Some(memory) = result.get_mut("memory") {
        memory.0 = (memory.0 - EVICTION_MEMORY_BYTES * 1000).max(0);
    }
    if let Some(disk) = result.get_mut("ephemeral-storage") {
        disk.0 = disk.0 / 1000 * 9 / 10 * 1000;
    }
    result
}

/// The object as it is registered.
pub fn new_node(input: &NodeInput) -> Node {
    let taints = input.config.register_with_taints.clone();
    Node {
        metadata: ObjectMeta {
            name: Some(input.config.node_name.clone()),
            labels: Some(labels(&input.config)),
            annotations: Some(BTreeMap::from([(
                "volumes.kubernetes.io/controller-managed-attach-detach".to_owned(),
                "true".to_owned(),
            )])),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            taints: (!taints.is_empty()).then_some(taints),
            provider_id: Some(input.config.provider_id.clone()).filter(|id| !id.is_empty()),
            ..NodeSpec::default()
        }),
        status: Some(node_status(input, &NodeStatus::default())),
    }
}

/// More images are not named (`nodeStatusMaxImages`).
const MAX_IMAGES: usize = 50;
/// More names of one image are not given (`MaxNamesPerImageInNodeStatus`).
const MAX_NAMES_PER_IMAGE: usize = 5;

/// The whole status; what other writers set is kept.
pub fn node_status(input: &NodeInput, old: &NodeStatus) -> NodeStatus {
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    let mut addresses: Vec<NodeAddress> =
        input.facts.addresses.iter().map(|ip| address("InternalIP", ip.to_string())).collect();
    addresses.push(address("Hostname", input.config.node_name.clone()));
    let mut images: Vec<ContainerImage> = input
        .images
        .iter()
        .map(|image| ContainerImage {
            names: Some(image.repo_digests.iter().chain(&image.repo_tags).take(MAX_NAMES_PER_IMAGE).cloned().collect()),
            size_bytes: i64::try_from(image.size_bytes).ok(),
        })
        .collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.size_bytes));
    images.truncate(MAX_IMAGES);
    NodeStatus {
        addresses: Some(addresses),
        allocatable: Some(quantities(&input.facts.allocatable)),
        capacity: Some(quantities(&input.facts.capacity)),
        conditions: Some(conditions(input, old)),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: i32::from(input.config.port) }),
        }),
        images: Some(images),
        node_info: Some(input.system.clone()),
        ..old.clone()
    }
}

fn conditions(input: &NodeInput, old: &NodeStatus) -> Vec<NodeCondition> {
    let network = input.network.as_ref().err().map(|why| {
        format!(
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: {why}"
        )
    });
    let ready = match &network {
        None => ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        Some(why) => ("Ready", "False", "KubeletNotReady", why.as_str()),
    };
    let own = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ready,
    ];
    let before = old.conditions.as_deref().unwrap_or_default();
    let now = Time(whole_second(input.now));
    let mut conditions: Vec<NodeCondition> = own
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let same = before.iter().find(|c| c.type_ == kind && c.status == status);
            NodeCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message.to_owned()),
                last_heartbeat_time: Some(now.clone()),
                last_transition_time: same.and_then(|c| c.last_transition_time.clone()).or_else(|| Some(now.clone())),
            }
        })
        .collect();
    let others = before.iter().filter(|c| !conditions.iter().any(|own| own.type_ == c.type_)).cloned();
    let others: Vec<NodeCondition> = others.collect();
    conditions.extend(others);
    conditions
}

/// The reasons of the events that tell of the conditions.
pub fn condition_events(status: &NodeStatus) -> impl Iterator<Item = &'static str> {
    status.conditions.iter().flatten().filter_map(|c| match (c.type_.as_str(), c.status.as_str()) {
        ("MemoryPressure", "False") => Some("NodeHasSufficientMemory"),
        ("DiskPressure", "False") => Some("NodeHasNoDiskPressure"),
        ("PIDPressure", "False") => Some("NodeHasSufficientPID"),
        ("Ready", "True") => Some("NodeReady"),
        ("Ready", "False") => Some("NodeNotReady"),
        _ => None,
    })
}
