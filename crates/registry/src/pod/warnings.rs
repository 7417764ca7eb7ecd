//! What is allowed in a pod but hardly meant (`k8s.io/kubernetes/pkg/api/pod/warnings.go`).

use super::defaults::CONTAINER_LISTS;
use crate::At;
use crate::quantity::Amount;
use serde_json::Value;
use std::collections::BTreeMap;

/// Node labels of old and what took their place.
const OLD_LABELS: [(&str, &str, &str); 5] = [
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// Volume sources that no longer do anything: the field, its name in the warning, and the warning.
const OLD_VOLUMES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const SELECTOR_NULL: &str = "a null labelSelector results in matching no pod";

/// `GetWarningsForPod`. An update that leaves the spec alone does not warn again.
pub(super) fn pod_warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    if old.is_some_and(|old| old.get("spec") == new.get("spec")) {
        return Vec::new();
    }
    let pod = At::root(new);
    spec_warnings(&pod.at("spec"), &pod.at("metadata"))
}

/// `GetWarningsForPodTemplate`
pub(crate) fn template_warnings(template: &At) -> Vec<String> {
    spec_warnings(&template.at("spec"), &template.at("metadata"))
}

fn spec_warnings(spec: &At, metadata: &At) -> Vec<String> {
    let mut warnings = Vec::new();
    for (key, at) in spec.at("nodeSelector").entries() {
        warn_of_label(key, &at, &mut warnings);
    }
    warn_of_affinity(&spec.at("affinity"), &mut warnings);
    for constraint in spec.at("topologySpreadConstraints").items() {
        warn_of_label(constraint.at("topologyKey").str(), &constraint.at("topologyKey"), &mut warnings);
        if !constraint.at("labelSelector").exists() {
            warnings.push(format!("{}: {SELECTOR_NULL}", constraint.at("labelSelector").path()));
        }
    }
    let annotations = metadata.at("annotations");
    let critical = annotations.key("scheduler.alpha.kubernetes.io/critical-pod");
    if critical.exists() {
        warnings.push(format!(
            "{}: non-functional in v1.16+; use the \"priorityClassName\" field instead",
            critical.path()
        ));
    }
    warn_of_duplicate_aliases(spec, &mut warnings);
    for volume in spec.at("volumes").items() {
        warn_of_volume(&volume, &mut warnings);
    }
    for secret in spec.at("imagePullSecrets").items() {
        if secret.at("name").is_empty() {
            warnings.push(format!("{}: invalid empty name \"\"", secret.path()));
        }
    }
    let grace = spec.at("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds < 0) {
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        warnings.push(format!("{}: {why}", grace.path()));
    }
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            warn_of_container(&container, &mut warnings);
        }
    }
    warnings
}

fn warn_of_label(key: &str, at: &At, warnings: &mut Vec<String>) {
    if let Some((_, since, instead)) = OLD_LABELS.iter().find(|(old, ..)| *old == key) {
        warnings.push(format!("{}: deprecated since {since}; use {instead:?} instead", at.path()));
    }
}

fn warn_of_affinity(affinity: &At, warnings: &mut Vec<String>) {
    if !affinity.exists() {
        return;
    }
    let node = affinity.at("nodeAffinity");
    let required = node.at("requiredDuringSchedulingIgnoredDuringExecution");
    for term in required.at("nodeSelectorTerms").items() {
        for expression in term.at("matchExpressions").items() {
            warn_of_label(expression.at("key").str(), &expression.at("key"), warnings);
        }
    }
    for preferred in node.at("preferredDuringSchedulingIgnoredDuringExecution").items() {
        let preference = preferred.at("preference");
        for expression in preference.at("matchExpressions").items() {
            warn_of_label(expression.at("key").str(), &expression.at("key"), warnings);
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(kind);
        let mut check = |term: &At| {
            warn_of_label(term.at("topologyKey").str(), &term.at("topologyKey"), warnings);
            if !term.at("labelSelector").exists() {
                warnings.push(format!("{}: {SELECTOR_NULL}", term.at("labelSelector").path()));
            }
        };
        pods.at("requiredDuringSchedulingIgnoredDuringExecution").items().for_each(|term| check(&term));
        for term in pods.at("preferredDuringSchedulingIgnoredDuringExecution").items() {
            check(&term.at("podAffinityTerm"));
        }
    }
}

fn warn_of_duplicate_aliases(spec: &At, warnings: &mut Vec<String>) {
    let mut seen = BTreeMap::new();
    for (index, alias) in spec.at("hostAliases").items().enumerate() {
        let ip = alias.at("ip").str();
        if let Some(first) = seen.get(ip) {
            let aliases = spec.at("hostAliases");
            let first = aliases.path().index(*first).child("ip");
            warnings.push(format!("{}: duplicates ip with {first}", alias.at("ip").path()));
        } else {
            seen.insert(ip, index);
        }
    }
}

fn warn_of_volume(volume: &At, warnings: &mut Vec<String>) {
    for (field, shown, why) in OLD_VOLUMES {
        if volume.at(field).exists() {
            warnings.push(format!("{}: {why}", volume.at_as(field, shown).path()));
        }
    }
    let projected = volume.at("projected");
    if projected.at("sources").items().any(|source| source.is_empty()) {
        warnings.push(format!("volume {:?} (Projected) has no sources provided", volume.at("name").str()));
    }
}

fn warn_of_container(container: &At, warnings: &mut Vec<String>) {
    let mut seen = BTreeMap::new();
    for variable in container.at("env").items() {
        let (name, value) = (variable.at("name").str(), variable.at("value").str());
        // A variable that only extends itself is meant.
        let extends = value.contains(&format!("$({name})"));
        if seen.insert(name, ()).is_some() && !extends {
            warnings.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                variable.path()
            ));
        }
    }
    let resources = container.at("resources");
    for list in ["limits", "requests"] {
        let amounts = resources.at(list);
        for name in ["memory", "ephemeral-storage"] {
            let amount = amounts.key(name);
            if Amount::parse(amount.str()).is_some_and(|a| !a.is_integer()) {
                let text = amount.str();
                warnings
                    .push(format!("{}: fractional byte value {text:?} is invalid, must be an integer", amount.path()));
            }
        }
    }
    warn_of_duplicate_ports(container, warnings);
}

fn warn_of_duplicate_ports(container: &At, warnings: &mut Vec<String>) {
    let ports = container.at("ports");
    let key = |port: &At| (port.at("containerPort").int(), port.at("protocol").str().to_owned());
    let host = |port: &At| (port.at("hostPort").int().unwrap_or(0), port.at("hostIP").str().to_owned());
    for (index, port) in ports.items().enumerate() {
        let same = ports.items().take(index).find(|first| key(first) == key(&port) && host(first) == host(&port));
        if let Some(first) = same {
            warnings.push(format!("{}: duplicate port definition with {}", port.path(), first.path()));
        }
    }
}
