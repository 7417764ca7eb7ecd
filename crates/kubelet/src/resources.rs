//! What containers ask for and may use: effective requests, QoS class, cgroup limits, oom score. Pure.

use crate::amount::Milli;
use crate::pod;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use runtime::service::ContainerResources;
use std::collections::BTreeMap;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Milli>;

/// How the kernel treats the pod when memory runs short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QosClass {
    /// Requests equal limits, for cpu and memory of every container.
    Guaranteed,
    /// Something is requested.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl QosClass {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The pod's class. Mirrors `ComputePodQOS`; the registry computes the same for the API.
pub fn qos_class(pod: &Pod) -> QosClass {
    match registry::pod::qos::pod_qos(pod::spec(pod)) {
        registry::pod::qos::QosClass::Guaranteed => QosClass::Guaranteed,
        registry::pod::qos::QosClass::Burstable => QosClass::Burstable,
        registry::pod::qos::QosClass::BestEffort => QosClass::BestEffort,
    }
}

#[derive(Clone, Copy)]
enum Side {
    Requests,
    Limits,
}

fn side(resources: Option<&ResourceRequirements>, side: Side) -> Option<&BTreeMap<String, Quantity>> {
    let resources = resources?;
    match side {
        Side::Requests => resources.requests.as_ref(),
        Side::Limits => resources.limits.as_ref(),
    }
}

fn amounts(list: Option<&BTreeMap<String, Quantity>>) -> Amounts {
    list.into_iter().flatten().map(|(name, quantity)| (name.clone(), Milli::of(quantity))).collect()
}

fn add(to: &mut Amounts, what: &Amounts) {
    for (name, amount) in what {
        to.entry(name.clone()).or_default().0 += amount.0;
    }
}

fn max(to: &mut Amounts, what: &Amounts) {
    for (name, amount) in what {
        let entry = to.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

/// max(Σ app + Σ sidecars, max over init i of (init i + Σ sidecars before i)), pod-level amounts in their place.
fn effective(pod: &Pod, which: Side) -> Amounts {
    let of = |c: &Container| amounts(side(c.resources.as_ref(), which));
    let mut total = Amounts::new();
    for container in &pod::spec(pod).containers {
        add(&mut total, &of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in pod::init_containers(pod) {
        let mut at_once = of(container);
        if pod::is_sidecar(container) {
            add(&mut total, &at_once);
            add(&mut sidecars, &at_once);
            at_once.clone_from(&sidecars);
        } else {
            add(&mut at_once, &sidecars);
        }
        max(&mut peak, &at_once);
    }
    max(&mut total, &peak);
    total.extend(amounts(side(pod::spec(pod).resources.as_ref(), which)));
    total
}

/// What the pod needs of the node: effective requests and overhead.
pub fn effective_requests(pod: &Pod) -> Amounts {
    let mut total = effective(pod, Side::Requests);
    add(&mut total, &amounts(pod::spec(pod).overhead.as_ref()));
    total
}

/// The limits of the pod as a whole (`PodLimits`, without overhead): of what no container limits there is none.
pub fn effective_limits(pod: &Pod) -> Amounts {
    effective(pod, Side::Limits)
}

/// The amounts as quantities; memory and the like in binary units.
fn quantities(amounts: &Amounts) -> Option<BTreeMap<String, Quantity>> {
    let text = |name: &str, amount: Milli| amount.to_quantity(name != "cpu");
    let list: BTreeMap<String, Quantity> = amounts.iter().map(|(n, a)| (n.clone(), text(n, *a))).collect();
    (!list.is_empty()).then_some(list)
}

/// `status.resources` of a pod: effective requests and limits of cpu and memory.
pub fn pod_status_resources(pod: &Pod) -> ResourceRequirements {
    let own = |which| {
        let mut all = effective(pod, which);
        all.retain(|name, _| name == "cpu" || name == "memory");
        quantities(&all)
    };
    ResourceRequirements { requests: own(Side::Requests), limits: own(Side::Limits), claims: None }
}

const CPU_PERIOD_US: u64 = 100_000;
const MIN_QUOTA_US: i64 = 1000;
const MIN_SHARES: i64 = 2;
const MAX_SHARES: i64 = 262_144;

/// `cpu.shares` for thousandths of a cpu.
fn shares(milli_cpu: i64) -> u64 {
    (milli_cpu.saturating_mul(1024) / 1000).clamp(MIN_SHARES, MAX_SHARES).unsigned_abs()
}

fn quota(milli_cpu: i64) -> Option<i64> {
    (milli_cpu > 0).then(|| (milli_cpu * CPU_PERIOD_US.cast_signed() / 1000).max(MIN_QUOTA_US))
}

/// Limits of one container's cgroup.
pub fn container_resources(pod: &Pod, container: &Container, node_memory_bytes: i64) -> ContainerResources {
    let requests = amounts(side(container.resources.as_ref(), Side::Requests));
    let limits = amounts(side(container.resources.as_ref(), Side::Limits));
    let limit_cpu = limits.get("cpu").map_or(0, |a| a.milli());
    let request_cpu = requests.get("cpu").map_or(limit_cpu, |a| a.milli());
    ContainerResources {
        cpu_period_us: quota(limit_cpu).map(|_| CPU_PERIOD_US),
        cpu_quota_us: quota(limit_cpu),
        cpu_shares: Some(shares(request_cpu)),
        memory_limit_bytes: limits.get("memory").map(|a| a.value()).filter(|bytes| *bytes > 0),
        oom_score_adj: Some(oom_score_adj(pod, container, node_memory_bytes)),
        ..ContainerResources::default()
    }
}

/// Limits of the pod's cgroup (`ResourceConfigForPod`): a limit only where every container has one.
pub fn pod_cgroup_resources(pod: &Pod) -> ContainerResources {
    let requests = effective(pod, Side::Requests);
    let limits = effective(pod, Side::Limits);
    let spec = pod::spec(pod);
    let pod_level = amounts(side(spec.resources.as_ref(), Side::Limits));
    let all_limit =
        |name: &str| {
            pod_level.contains_key(name)
                || spec.containers.iter().chain(pod::init_containers(pod)).all(|c| {
                    amounts(side(c.resources.as_ref(), Side::Limits)).get(name).is_some_and(|amount| amount.0 > 0)
                })
        };
    let cpu_quota_us = limits.get("cpu").filter(|_| all_limit("cpu")).and_then(|a| quota(a.milli()));
    ContainerResources {
        cpu_shares: Some(shares(requests.get("cpu").map_or(0, |a| a.milli()))),
        cpu_period_us: cpu_quota_us.map(|_| CPU_PERIOD_US),
        cpu_quota_us,
        memory_limit_bytes: limits.get("memory").filter(|_| all_limit("memory")).map(|a| a.value()),
        ..ContainerResources::default()
    }
}

const GUARANTEED_OOM_SCORE_ADJ: i32 = -997;
const BEST_EFFORT_OOM_SCORE_ADJ: i32 = 1000;
/// `system-node-critical`
const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;

/// Whom the kernel kills first (`GetContainerOOMScoreAdjust`): -997 to 1000.
pub fn oom_score_adj(pod: &Pod, container: &Container, node_memory_bytes: i64) -> i32 {
    if pod::spec(pod).priority.is_some_and(|p| p >= NODE_CRITICAL_PRIORITY) {
        return GUARANTEED_OOM_SCORE_ADJ;
    }
    let requested = |c: &Container| {
        amounts(side(c.resources.as_ref(), Side::Requests)).get("memory").map_or(0, |amount| amount.value())
    };
    match qos_class(pod) {
        QosClass::Guaranteed => GUARANTEED_OOM_SCORE_ADJ,
        QosClass::BestEffort => BEST_EFFORT_OOM_SCORE_ADJ,
        QosClass::Burstable => {
            let memory = requested(container);
            let score = 1000 - (1000 * memory) / node_memory_bytes.max(1);
            let score = i32::try_from(score).unwrap_or(0);
            if score < 1000 + GUARANTEED_OOM_SCORE_ADJ {
                1000 + GUARANTEED_OOM_SCORE_ADJ
            } else if score == BEST_EFFORT_OOM_SCORE_ADJ {
                score - 1
            } else {
                score
            }
        }
    }
}

/// The pod's cgroup in cgroupfs form, below `root` (empty for the top).
pub fn pod_cgroup(root: &str, pod: &Pod) -> String {
    let class = match qos_class(pod) {
        QosClass::Guaranteed => "",
        QosClass::Burstable => "/burstable",
        QosClass::BestEffort => "/besteffort",
    };
    format!("{}/kubepods{class}/pod{}", root.trim_end_matches('/'), pod::uid(pod))
}

/// A container's own amount, or the node's where it has no limit (`ExtractContainerResourceValue`). Whole numbers.
pub fn resource_field(
    container: &Container,
    resource: &str,
    divisor: Option<&Quantity>,
    allocatable: &Amounts,
) -> Option<String> {
    let divisor = divisor.map_or(Milli(1000), Milli::of);
    let (kind, name) = resource.split_once('.')?;
    let requests = amounts(side(container.resources.as_ref(), Side::Requests));
    let limits = amounts(side(container.resources.as_ref(), Side::Limits));
    let amount = match kind {
        "limits" => limits.get(name).or_else(|| allocatable.get(name)).copied().unwrap_or_default(),
        "requests" => requests.get(name).copied().unwrap_or_default(),
        _ => return None,
    };
    Some(amount.divided_by(divisor).to_string())
}
