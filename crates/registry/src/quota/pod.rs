//! What a pod uses of a quota: requests and limits of the whole pod by the names of quotas.

use super::Usage;
use crate::pod::is_native_resource;
use crate::pod::resources::{self, typed_spec};
use crate::quantity::Amount;
use api::quantity::{Format, Quantity};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Resources that each container must name once a quota counts them.
const MUST_BE_NAMED: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];
const COMPUTE: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

/// The pod's requests as a whole, in the form in which its containers write them.
pub fn pod_requests(spec: &Map<String, Value>) -> BTreeMap<String, Quantity> {
    in_form(resources::pod_requests(&typed_spec(spec)), spec)
}

/// The pod's limits as a whole.
pub fn pod_limits(spec: &Map<String, Value>) -> BTreeMap<String, Quantity> {
    in_form(resources::pod_limits(&typed_spec(spec)), spec)
}

fn in_form(amounts: BTreeMap<String, Amount>, spec: &Map<String, Value>) -> BTreeMap<String, Quantity> {
    let lists = ["containers", "initContainers"].iter().filter_map(|list| spec.get(*list)?.as_array()).flatten();
    let holders: Vec<&Value> = lists.filter_map(|c| c.get("resources")).chain(spec.get("resources")).collect();
    let written = |name: &str| {
        let sides = holders.iter().flat_map(|holder| [&holder["requests"][name], &holder["limits"][name]]);
        sides.filter_map(|text| Quantity::parse(text.as_str()?).ok()).find(|amount| !amount.is_zero())
    };
    let format = |name: &str| written(name).map_or(Format::DecimalSi, |amount| amount.format);
    amounts
        .into_iter()
        .map(|(name, amount)| {
            let quantity = amount.to_quantity(format(&name));
            (name, quantity)
        })
        .collect()
}

/// Whether a name in a quota is about pods.
pub(super) fn is_pod_resource(name: &str) -> bool {
    let plain = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
    COMPUTE.contains(&plain)
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
        || name.strip_prefix("requests.").is_some_and(|extended| extended.contains('/'))
}

/// A pod that has run to its end uses nothing but its place in the count.
fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"))
}

/// `podComputeUsageHelper`
pub(super) fn add_usage(pod: &Value, used: &mut Usage) {
    if has_ended(pod) {
        return;
    }
    used.insert("pods".to_owned(), Quantity::new(1, Format::DecimalSi));
    let empty = Map::new();
    let spec = pod["spec"].as_object().unwrap_or(&empty);
    add_amounts(&pod_requests(spec), &pod_limits(spec), used);
}

fn add_amounts(requests: &BTreeMap<String, Quantity>, limits: &BTreeMap<String, Quantity>, used: &mut Usage) {
    for (name, amount) in requests {
        if COMPUTE.contains(&&**name) || name.starts_with("hugepages-") {
            used.insert(name.clone(), *amount);
        } else if is_native_resource(name) {
            continue;
        }
        used.insert(format!("requests.{name}"), *amount);
    }
    for (name, amount) in limits.iter().filter(|(name, _)| COMPUTE.contains(&&***name)) {
        used.insert(format!("limits.{name}"), *amount);
    }
}

/// `podEvaluator.Constraints`: where a quota counts cpu or memory, every container names what it needs.
pub(super) fn check_constraints(required: &BTreeSet<&str>, pod: &Value) -> Result<(), String> {
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let lists = ["containers", "initContainers"].iter().filter_map(|list| pod["spec"][*list].as_array()).flatten();
    for container in lists {
        let resources = &container["resources"];
        for name in MUST_BE_NAMED.iter().filter(|name| required.contains(**name)) {
            let there = match name.split_once('.') {
                Some(("limits", plain)) => &resources["limits"][plain],
                Some((_, plain)) => &resources["requests"][plain],
                None => &resources["requests"][*name],
            };
            if there.is_null() {
                missing.entry(name).or_default().insert(container["name"].as_str().unwrap_or_default());
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let texts = missing.iter().map(|(resource, containers)| {
        let containers: Vec<&str> = containers.iter().copied().collect();
        format!("{resource} for: {}", containers.join(","))
    });
    Err(format!("must specify {}", texts.collect::<Vec<_>>().join("; ")))
}
