//! The quality-of-service class of a pod (`k8s.io/kubernetes/pkg/apis/core/helper/qos`).

use super::resources::{Resources, container_limits, container_requests, typed_spec};
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::{Map, Value};
use std::fmt;

/// How the kubelet treats a pod when memory runs short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QosClass {
    /// Every container limits cpu and memory, and asks for as much.
    Guaranteed,
    /// Something is asked for or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl QosClass {
    /// As it stands in `status.qosClass`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

impl fmt::Display for QosClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The resources that the class looks at.
const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// The class of a pod by its spec (`ComputePodQOS`).
pub fn pod_qos(spec: &PodSpec) -> QosClass {
    let pod_level = spec.resources.as_ref().filter(|r| {
        r.requests.as_ref().is_some_and(|l| !l.is_empty()) || r.limits.as_ref().is_some_and(|l| !l.is_empty())
    });
    let one;
    let containers: Vec<&Container> = match pod_level {
        // What the pod asks for as a whole decides alone.
        Some(resources) => {
            one = Container { resources: Some(resources.clone()), ..Container::default() };
            vec![&one]
        }
        None => spec.containers.iter().chain(spec.init_containers.iter().flatten()).collect(),
    };
    class_of(&containers)
}

fn class_of(containers: &[&Container]) -> QosClass {
    let compute = |resources: Resources| -> Resources {
        let positive = |(name, amount): &(String, Amount)| COMPUTE.contains(&&**name) && *amount > Amount::ZERO;
        resources.into_iter().filter(positive).collect()
    };
    let mut guaranteed = true;
    let mut requests = Resources::new();
    let mut limits = Resources::new();
    for container in containers {
        for (name, amount) in compute(container_requests(container)) {
            *requests.entry(name).or_default() += amount;
        }
        let own = compute(container_limits(container));
        guaranteed &= COMPUTE.iter().all(|name| own.contains_key(*name));
        for (name, amount) in own {
            *limits.entry(name).or_default() += amount;
        }
    }
    if requests.is_empty() && limits.is_empty() {
        return QosClass::BestEffort;
    }
    let equal = requests.iter().all(|(name, amount)| limits.get(name) == Some(amount));
    if guaranteed && equal && requests.len() == limits.len() { QosClass::Guaranteed } else { QosClass::Burstable }
}

/// The class of a pod in generic form.
pub(crate) fn generic_qos(spec: &Map<String, Value>) -> QosClass {
    // Most pods in tests and benches name no resources at all; they are spared the typed form.
    let named = |value: &Value| value.get("resources").and_then(Value::as_object).is_some_and(|r| !r.is_empty());
    let lists = ["containers", "initContainers"];
    let containers = lists.iter().filter_map(|l| spec.get(*l)).filter_map(Value::as_array).flatten();
    if !spec.contains_key("resources") && !containers.into_iter().any(named) {
        return QosClass::BestEffort;
    }
    pod_qos(&typed_spec(spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: Value, want: QosClass) {
        assert_eq!(generic_qos(spec.as_object().unwrap()), want, "{spec}");
    }

    #[test]
    fn classes() {
        let container = |requests: Value, limits: Value| json!({"resources": {"requests": requests, "limits": limits}});
        let both = json!({"cpu": "1", "memory": "1Gi"});
        check(json!({"containers": [{"resources": {}}]}), QosClass::BestEffort);
        check(json!({"containers": [container(both.clone(), both.clone())]}), QosClass::Guaranteed);
        check(json!({"containers": [container(both.clone(), json!({}))]}), QosClass::Burstable);
        check(json!({"containers": [container(json!({"cpu": "0"}), json!({}))]}), QosClass::BestEffort);
        check(json!({"containers": [container(both.clone(), both.clone()), {}]}), QosClass::Burstable);
        check(json!({"containers": [container(json!({"cpu": "1"}), json!({"cpu": "1"}))]}), QosClass::Burstable);
        check(json!({"containers": [{}], "resources": {"requests": both, "limits": both}}), QosClass::Guaranteed);
    }
}
