//! Bringing running containers and their pod's cgroup to what is granted, in place (KEP-1287): what to change, in which
//! order. Pure.
//!
//! What was applied is what the runtime's records say, so that a kubelet that is killed half-way goes on where it was. What not:
//! whether a resize is granted, which is `allocation`.

#[cfg(test)]
mod tests;

use crate::allocation::{Allocation, Pending, same_amounts};
use crate::observed::Observed;
use crate::pod::{self, labels};
use crate::resources;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use runtime::service::{ContainerId, ContainerResources, ContainerState, ContainerStatus, SandboxId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The two resources that can be changed in place, in the order in which they are.
const RESOURCES: [&str; 2] = ["memory", "cpu"];

/// One change of a cgroup.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The pod's own.
    Pod {
        /// Its sandbox.
        sandbox: SandboxId,
        /// What changes.
        resources: ContainerResources,
    },
    /// A running container's.
    Container {
        /// Which instance.
        id: ContainerId,
        /// Its name.
        name: String,
        /// What changes.
        resources: ContainerResources,
        /// Requests and limits that hold afterwards.
        applied: ResourceRequirements,
    },
}

/// Requests and limits as they are kept in the runtime's records.
pub fn to_annotation(requirements: Option<&ResourceRequirements>) -> BTreeMap<String, String> {
    let own = ResourceRequirements { claims: None, ..requirements.cloned().unwrap_or_default() };
    let text = serde_json::to_string(&own).unwrap_or_default();
    BTreeMap::from([(labels::RESOURCES.to_owned(), text)])
}

fn from_annotation(annotations: &BTreeMap<String, String>) -> Option<ResourceRequirements> {
    serde_json::from_str(annotations.get(labels::RESOURCES)?).ok()
}

/// What an instance was made with or last changed to; `None` where its record does not say.
pub fn applied(container: &ContainerStatus) -> Option<ResourceRequirements> {
    from_annotation(&container.annotations)
}

/// What the pod's newest instances have, and its cgroup; what there is no instance of has what the pod asks for.
pub fn found(pod: &Pod, observed: &Observed) -> Allocation {
    let mut allocation = Allocation::of(pod);
    for (name, own) in &mut allocation.containers {
        if let Some(applied) = observed.latest(name).and_then(applied) {
            *own = ResourceRequirements { claims: own.claims.clone(), ..applied };
        }
    }
    if let Some(sandbox) = observed.ready_sandbox().filter(|s| s.annotations.contains_key(labels::RESOURCES)) {
        let own = from_annotation(&sandbox.annotations).unwrap_or_default();
        allocation.pod = (own != ResourceRequirements::default()).then_some(own);
    }
    allocation
}

/// The pod as it runs now: running containers with what was applied, all else as granted.
pub fn actual(pod: &Arc<Pod>, observed: &Observed) -> Arc<Pod> {
    let mut allocation = Allocation::of(pod);
    for running in observed.running() {
        if let (Some(own), Some(applied)) = (allocation.containers.get_mut(&running.metadata.name), applied(running)) {
            *own = ResourceRequirements { claims: own.claims.clone(), ..applied };
        }
    }
    allocation.onto(pod)
}

fn lists(requirements: &ResourceRequirements) -> [Option<&BTreeMap<String, Quantity>>; 2] {
    [requirements.requests.as_ref(), requirements.limits.as_ref()]
}

fn one(list: Option<&BTreeMap<String, Quantity>>, name: &str) -> BTreeMap<String, Quantity> {
    list.into_iter().flatten().filter(|(key, _)| *key == name).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn differs(name: &str, wanted: &ResourceRequirements, applied: &ResourceRequirements) -> bool {
    let pairs = lists(wanted).into_iter().zip(lists(applied));
    pairs.into_iter().any(|(wanted, applied)| !same_amounts(Some(&one(wanted, name)), Some(&one(applied, name))))
}

/// What of a running container is not as granted.
fn changes(container: &Container, current: &ContainerStatus) -> Vec<&'static str> {
    let Some(applied) = applied(current) else { return Vec::new() };
    let wanted = container.resources.clone().unwrap_or_default();
    RESOURCES.into_iter().filter(|name| differs(name, &wanted, &applied)).collect()
}

/// Whether a running container has to be started anew to get what is granted: its `resizePolicy` says so.
pub fn requires_restart(container: &Container, current: &ContainerStatus) -> bool {
    let policies = container.resize_policy.as_deref().unwrap_or_default();
    let restarts =
        |name: &str| policies.iter().any(|p| p.resource_name == name && p.restart_policy == "RestartContainer");
    changes(container, current).into_iter().any(restarts)
}

/// Whether anything that runs is not as granted.
pub fn in_progress(pod: &Pod, observed: &Observed, steps: &[Step]) -> bool {
    !steps.is_empty() || running(pod, observed).iter().any(|(c, current)| !changes(c, current).is_empty())
}

fn running<'a>(pod: &'a Pod, observed: &'a Observed) -> Vec<(&'a Container, &'a ContainerStatus)> {
    let spec = pod::spec(pod);
    let all = spec.containers.iter().chain(pod::init_containers(pod));
    all.filter_map(|c| Some((c, observed.current(&c.name).filter(|s| s.state == ContainerState::Running)?))).collect()
}

/// Of `all`, what belongs to one resource.
fn part(all: &ContainerResources, name: &str) -> ContainerResources {
    match name {
        "memory" => ContainerResources { memory_limit_bytes: all.memory_limit_bytes, ..ContainerResources::default() },
        _ => ContainerResources {
            cpu_period_us: all.cpu_quota_us.and(all.cpu_period_us),
            cpu_quota_us: all.cpu_quota_us,
            cpu_shares: all.cpu_shares,
            ..ContainerResources::default()
        },
    }
}

/// Amounts of two cgroups in an order; no limit is more than any.
fn more(a: Option<i64>, than: Option<i64>) -> bool {
    let amount = |limit: Option<i64>| limit.filter(|l| *l >= 0).unwrap_or(i64::MAX);
    amount(a) > amount(than)
}

/// What of the pod's cgroup is to become more (`rising`) or less. A limit that is not given stays, as upstream cannot take
/// limits of pods away either.
fn pod_change(now: &ContainerResources, wanted: &ContainerResources, rising: bool) -> Option<ContainerResources> {
    let pick = |now: Option<i64>, wanted: Option<i64>| {
        let wanted = wanted.filter(|_| wanted != now)?;
        (more(Some(wanted), now) == rising).then_some(wanted)
    };
    let signed = |shares: Option<u64>| shares.and_then(|s| i64::try_from(s).ok());
    let cpu_quota_us = pick(now.cpu_quota_us, wanted.cpu_quota_us);
    let change = ContainerResources {
        cpu_quota_us,
        cpu_period_us: cpu_quota_us.and(wanted.cpu_period_us),
        cpu_shares: pick(signed(now.cpu_shares), signed(wanted.cpu_shares)).map(i64::unsigned_abs),
        memory_limit_bytes: pick(now.memory_limit_bytes, wanted.memory_limit_bytes),
        ..ContainerResources::default()
    };
    (change != ContainerResources::default()).then_some(change)
}

/// The steps, memory before cpu: the pod's cgroup grows before its containers and shrinks after them; of the containers those
/// first that shrink. Mirrors `doPodResizeAction`.
pub fn plan(pod: &Pod, observed: &Observed, node_memory_bytes: i64) -> Vec<Step> {
    let Some(sandbox) = observed.ready_sandbox() else { return Vec::new() };
    let wanted = resources::pod_cgroup_resources(pod);
    // one that has to be started anew keeps what it has until it is gone
    let (leaving, staying): (Vec<_>, Vec<_>) =
        running(pod, observed).into_iter().partition(|(c, s)| requires_restart(c, s));
    let mut applied_by_name: BTreeMap<&str, ResourceRequirements> = BTreeMap::new();
    let mut steps = Vec::new();
    for resource in RESOURCES {
        let pod_step = |rising| {
            let change = pod_change(&part(&sandbox.resources, resource), &part(&wanted, resource), rising)?;
            Some(Step::Pod { sandbox: sandbox.id.clone(), resources: change })
        };
        steps.extend(pod_step(true));
        let (mut shrinking, mut growing) = (Vec::new(), Vec::new());
        for (container, current) in &staying {
            if !changes(container, current).contains(&resource) {
                continue;
            }
            let before = applied_by_name.get(container.name.as_str()).cloned().or_else(|| applied(current));
            let granted = container.resources.clone().unwrap_or_default();
            let now = with_resource(&before.unwrap_or_default(), &granted, resource);
            let target = part(&resources::container_resources(pod, container, node_memory_bytes), resource);
            let less = more(current.resources.memory_limit_bytes, target.memory_limit_bytes) && resource == "memory"
                || more(current.resources.cpu_quota_us, target.cpu_quota_us) && resource == "cpu"
                || current.resources.cpu_quota_us == target.cpu_quota_us
                    && resource == "cpu"
                    && current.resources.cpu_shares > target.cpu_shares;
            applied_by_name.insert(&container.name, now.clone());
            let step = Step::Container {
                id: current.id.clone(),
                name: container.name.clone(),
                resources: unlimited_where_absent(target, &current.resources, resource),
                applied: now,
            };
            if less { shrinking.push(step) } else { growing.push(step) }
        }
        steps.extend(shrinking);
        steps.extend(growing);
        if leaving.is_empty() {
            steps.extend(pod_step(false));
        }
    }
    steps
}

/// A limit that there was and is no more has to be taken away in so many words.
fn unlimited_where_absent(
    mut target: ContainerResources,
    now: &ContainerResources,
    resource: &str,
) -> ContainerResources {
    if resource == "memory" && now.memory_limit_bytes.is_some() {
        target.memory_limit_bytes = target.memory_limit_bytes.or(Some(-1));
    }
    if resource == "cpu" && now.cpu_quota_us.is_some() {
        target.cpu_quota_us = target.cpu_quota_us.or(Some(-1));
    }
    target
}

/// `before` with one resource as in `granted`.
fn with_resource(before: &ResourceRequirements, granted: &ResourceRequirements, name: &str) -> ResourceRequirements {
    let merge = |before: Option<&BTreeMap<String, Quantity>>, granted: Option<&BTreeMap<String, Quantity>>| {
        let mut list: BTreeMap<String, Quantity> = before.cloned().unwrap_or_default();
        list.remove(name);
        list.extend(one(granted, name));
        (!list.is_empty()).then_some(list)
    };
    ResourceRequirements {
        requests: merge(before.requests.as_ref(), granted.requests.as_ref()),
        limits: merge(before.limits.as_ref(), granted.limits.as_ref()),
        claims: None,
    }
}

/// The cgroups whose memory limit the steps lower: the pod's, and containers' by name.
pub fn memory_lowered<'a>(steps: &'a [Step], observed: &Observed) -> Vec<(&'a Step, i64)> {
    steps
        .iter()
        .filter_map(|step| {
            let (before, after) = match step {
                Step::Pod { resources, .. } => {
                    (observed.ready_sandbox()?.resources.memory_limit_bytes, resources.memory_limit_bytes?)
                }
                Step::Container { id, resources, .. } => {
                    let current = observed.containers.iter().find(|c| c.id == *id)?;
                    (current.resources.memory_limit_bytes, resources.memory_limit_bytes?)
                }
            };
            more(before, Some(after)).then_some((step, after))
        })
        .collect()
}

/// Why memory cannot be lowered, given what is used in the order of [`memory_lowered`], in upstream's words.
pub fn memory_refusal(lowered: &[(&Step, i64)], usage_bytes: &[u64]) -> Option<String> {
    let mut refusals: Vec<String> = Vec::new();
    for ((step, limit), usage) in lowered.iter().zip(usage_bytes) {
        if *usage < limit.unsigned_abs() {
            continue;
        }
        refusals.push(match step {
            Step::Pod { .. } => format!("attempting to set pod memory limit ({limit}) below current usage ({usage})"),
            Step::Container { name, .. } => {
                format!("attempting to set container {name:?} memory limit ({limit}) below current usage ({usage})")
            }
        });
    }
    // the pod's comes first, as upstream has it
    refusals.sort_by_key(|text| text.contains(" container "));
    let words = match refusals.as_slice() {
        [] => return None,
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Some(format!("cannot decrease memory limits: {words}"))
}

/// What resize events say of a pod: `Pod resize started: {"containers":[…],"generation":2}`.
pub fn event_message(what: &str, pod: &Pod, generation: i64, error: Option<&str>) -> String {
    #[derive(serde::Serialize)]
    struct One<'a> {
        name: &'a str,
        resources: ResourceRequirements,
    }
    #[derive(serde::Serialize)]
    struct Summary<'a> {
        #[serde(rename = "initContainers", skip_serializing_if = "Vec::is_empty")]
        init_containers: Vec<One<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        containers: Vec<One<'a>>,
        generation: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    }
    fn all(containers: &[Container]) -> Vec<One<'_>> {
        containers.iter().map(|c| One { name: &c.name, resources: c.resources.clone().unwrap_or_default() }).collect()
    }
    let summary = Summary {
        init_containers: all(pod::init_containers(pod)),
        containers: all(&pod::spec(pod).containers),
        generation,
        error,
    };
    format!("Pod resize {what}: {}", serde_json::to_string(&summary).unwrap_or_default())
}

/// How far a pod's resize is; what its conditions say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResizeProgress {
    /// Asked for, and not granted.
    pub pending: Option<Pending>,
    /// The generation whose resize is granted and not carried out yet.
    pub in_progress: Option<i64>,
    /// Why it is not.
    pub error: Option<String>,
}
