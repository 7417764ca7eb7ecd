//! What an object uses of its namespace's quota, which quotas it falls under, and what it must say to be counted:
//! upstream's evaluators (`k8s.io/kubernetes/pkg/quota/v1/evaluator/core`).
//!
//! Admission charges with these functions, the quota controller counts with them. What not: storing anything.

mod pod;
mod scope;

pub use pod::{pod_limits, pod_requests};
pub use scope::matches_scopes;

use api::quantity::{Format, Quantity};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Amounts by the names that quotas use: `pods`, `requests.cpu`, `count/deployments.apps`.
pub type Usage = BTreeMap<String, Quantity>;

/// A kind, as quotas name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind<'a> {
    /// API group; empty for core.
    pub group: &'a str,
    /// `pods`
    pub plural: &'a str,
}

/// Kinds that quotas counted by a plain name before there was `count/`.
const PLAIN: [&str; 7] =
    ["configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services"];
const CLASS_OF_STORAGE: &str = ".storageclass.storage.k8s.io/";
const CLASS_OF_DEVICES: &str = ".deviceclass.resource.k8s.io/devices";
/// The longest list of devices that one claim can get.
const MAX_DEVICES: i64 = 32;

impl Kind<'_> {
    fn is(self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// `count/pods`, `count/deployments.apps`.
    pub fn count_name(self) -> String {
        if self.group.is_empty() {
            format!("count/{}", self.plural)
        } else {
            format!("count/{}.{}", self.plural, self.group)
        }
    }

    /// Events and reviews come and go; nothing counts them.
    pub fn is_counted(self) -> bool {
        let transient = ["authentication.k8s.io", "authorization.k8s.io"];
        !(self.plural == "events" || self.is("", "bindings") || transient.contains(&self.group))
    }

    /// Whether a change can use more than before: then it is charged too.
    pub fn is_charged_on_update(self, subresource: &str) -> bool {
        match subresource {
            "" => {
                self.is("", "services")
                    || self.is("", "persistentvolumeclaims")
                    || self.is("resource.k8s.io", "resourceclaims")
            }
            "resize" => self.is("", "pods"),
            _ => false,
        }
    }

    /// Whether a name in a quota is about this kind (`MatchingResources`).
    pub fn is_concerned_by(self, resource: &str) -> bool {
        if resource == self.count_name()
            || (self.group.is_empty() && resource == self.plural && PLAIN.contains(&resource))
        {
            return true;
        }
        match (self.group, self.plural) {
            ("", "pods") => pod::is_pod_resource(resource),
            ("", "services") => matches!(resource, "services.nodeports" | "services.loadbalancers"),
            ("", "persistentvolumeclaims") => {
                resource == "requests.storage"
                    || resource.contains(CLASS_OF_STORAGE)
                        && (resource.ends_with("/requests.storage") || resource.ends_with("/persistentvolumeclaims"))
            }
            ("resource.k8s.io", "resourceclaims") => resource.ends_with(CLASS_OF_DEVICES),
            _ => false,
        }
    }
}

/// What one object uses.
pub fn usage(kind: Kind<'_>, object: &Value) -> Usage {
    let mut used = Usage::new();
    let one = Quantity::new(1, Format::DecimalSi);
    used.insert(kind.count_name(), one);
    if kind.is("", "pods") {
        pod::add_usage(object, &mut used);
        return used;
    }
    if kind.group.is_empty() && PLAIN.contains(&kind.plural) {
        used.insert(kind.plural.to_owned(), one);
    }
    match (kind.group, kind.plural) {
        ("", "services") => add_service(object, &mut used),
        ("", "persistentvolumeclaims") => add_claim(object, &mut used),
        ("resource.k8s.io", "resourceclaims") => add_devices(object, &mut used),
        _ => {}
    }
    used
}

fn add_service(service: &Value, used: &mut Usage) {
    let spec = &service["spec"];
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let with_node_port = ports.iter().filter(|port| port["nodePort"].as_i64().unwrap_or(0) != 0).count();
    let (node_ports, balancers) = match spec["type"].as_str() {
        Some("NodePort") => (ports.len(), 0),
        Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] == false => (with_node_port, 1),
        Some("LoadBalancer") => (ports.len(), 1),
        _ => (0, 0),
    };
    let number = |n: usize| Quantity::new(i64::try_from(n).unwrap_or(i64::MAX), Format::DecimalSi);
    used.insert("services.nodeports".to_owned(), number(node_ports));
    used.insert("services.loadbalancers".to_owned(), number(balancers));
}

fn add_claim(claim: &Value, used: &mut Usage) {
    let class = claim["spec"]["storageClassName"]
        .as_str()
        .or_else(|| claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str());
    let class = class.filter(|class| !class.is_empty());
    if let Some(class) = class {
        used.insert(format!("{class}{CLASS_OF_STORAGE}persistentvolumeclaims"), Quantity::new(1, Format::DecimalSi));
    }
    let amount = |value: &Value| Quantity::parse(value.as_str().unwrap_or_default()).ok();
    let asked = amount(&claim["spec"]["resources"]["requests"]["storage"]);
    // What an expansion has got hold of counts until it is given back.
    let allocated = amount(&claim["status"]["allocatedResources"]["storage"]);
    let Some(most) = asked.max(allocated) else { return };
    used.insert("requests.storage".to_owned(), most);
    if let Some(class) = class {
        used.insert(format!("{class}{CLASS_OF_STORAGE}requests.storage"), most);
    }
}

fn add_devices(claim: &Value, used: &mut Usage) {
    for request in claim["spec"]["devices"]["requests"].as_array().into_iter().flatten() {
        let choices = match request["firstAvailable"].as_array() {
            Some(choices) => choices.clone(),
            None => vec![request["exactly"].clone()],
        };
        // Of alternatives the worst counts, for each class.
        let mut by_class: BTreeMap<String, i64> = BTreeMap::new();
        for choice in choices {
            let class = choice["deviceClassName"].as_str().unwrap_or_default();
            let count = match choice["allocationMode"].as_str() {
                Some("All") => MAX_DEVICES,
                _ => choice["count"].as_i64().unwrap_or(1),
            };
            let most = by_class.entry(format!("{class}{CLASS_OF_DEVICES}")).or_default();
            *most = (*most).max(count);
        }
        for (name, count) in by_class {
            let more = Quantity::new(count, Format::DecimalSi);
            used.entry(name).and_modify(|sum| *sum = sum.add(&more)).or_insert(more);
        }
    }
}

/// Whether a quota (as stored) counts the object at all: it names something of the kind, and its scopes fit.
pub fn matches(quota: &Value, kind: Kind<'_>, object: &Value) -> bool {
    let hard = quota["status"]["hard"].as_object().or_else(|| quota["spec"]["hard"].as_object());
    hard.is_some_and(|hard| hard.keys().any(|name| kind.is_concerned_by(name))) && matches_scopes(quota, kind, object)
}

/// What an object must say, since a quota counts it; `Err`: what is missing, in upstream's words.
///
/// # Errors
/// For pods whose containers leave out a resource of the quota.
pub fn check_constraints(kind: Kind<'_>, required: &BTreeSet<&str>, object: &Value) -> Result<(), String> {
    if kind.is("", "pods") { pod::check_constraints(required, object) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
