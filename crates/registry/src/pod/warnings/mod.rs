//! What is allowed in a pod but hardly meant (`k8s.io/kubernetes/pkg/api/pod/warnings.go`), in upstream's order.

mod ports;
mod volumes;

pub(crate) use volumes::warn_of_claim;

use super::defaults::CONTAINER_LISTS;
use crate::At;
use crate::names;
use crate::quantity::Amount;
use serde_json::Value;
use std::collections::BTreeSet;

/// Node labels of old and what took their place.
const OLD_LABELS: [(&str, &str, &str); 5] = [
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// Annotations that no longer do anything.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

const SELECTOR_NULL: &str = "a null labelSelector results in matching no pod";
const OLD_SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `GetWarningsForPod` and the warning about the name. Upstream does not warn of changes of pods, which people hardly
/// make.
pub(super) fn pod_warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    if old.is_some() {
        return Vec::new();
    }
    let pod = At::root(new);
    let mut warnings = name_warnings(new, "in the Pod's hostname");
    warnings.extend(spec_warnings(&pod.at("spec"), &pod.at("metadata"), false));
    warnings
}

/// The warning about a name that becomes a part of host names and is no DNS label. `place` is where it is used.
fn name_warnings(object: &Value, place: &str) -> Vec<String> {
    let wrong = names::dns1123_label(object["metadata"]["name"].as_str().unwrap_or_default());
    if wrong.is_empty() {
        return Vec::new();
    }
    let why = "which can result in surprising behavior; a DNS label is recommended";
    vec![format!("metadata.name: this is used {place}, {why}: [{}]", wrong.join(" "))]
}

/// The same for what makes pods.
pub(crate) fn owner_name_warnings(object: &Value) -> Vec<String> {
    name_warnings(object, "in Pod names and hostnames")
}

/// `GetWarningsForPodTemplate`
pub(crate) fn template_warnings(template: &At) -> Vec<String> {
    spec_warnings(&template.at("spec"), &template.at("metadata"), true)
}

/// The warnings of a workload: of its name when it is new (`owner_name_warnings`), and of its template unless a change left the spec alone.
pub(crate) fn workload_warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let mut warnings = if old.is_none() { owner_name_warnings(new) } else { Vec::new() };
    if is_changed(new, old) {
        warnings.extend(template_warnings(&At::root(new).at("spec").at("template")));
    }
    warnings
}

/// Whether there is a spec that was not there before: upstream asks for a new generation.
pub(crate) fn is_changed(new: &Value, old: Option<&Value>) -> bool {
    old.is_none_or(|old| old.get("spec") != new.get("spec"))
}

fn spec_warnings(spec: &At, metadata: &At, is_template: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for (key, at) in spec.at("nodeSelector").entries() {
        warnings.extend(old_label(key).map(|why| format!("{}: {why}", at.path())));
    }
    warn_of_node_affinity(&spec.at("affinity").at("nodeAffinity"), &mut warnings);
    for constraint in spec.at("topologySpreadConstraints").items() {
        warn_of_key(&constraint.at("topologyKey"), &mut warnings);
        warn_of_null_selector(&constraint, &mut warnings);
    }
    let annotations = metadata.at("annotations");
    for (key, why) in OLD_ANNOTATIONS {
        if annotations.key(key).exists() {
            warnings.push(format!("{}: {why}", annotations.key(key).path()));
        }
    }
    volumes::warn(spec, &mut warnings);
    warn_of_lists(spec, &mut warnings);
    warn_of_fractions(&spec.at("overhead"), &mut warnings);
    let context = spec.at("securityContext");
    let pod_seccomp = annotations.key("seccomp.security.alpha.kubernetes.io/pod");
    if pod_seccomp.exists() && !context.at("seccompProfile").exists() {
        warnings.push(format!("{}: {OLD_SECCOMP}", pod_seccomp.path()));
    }
    let is_confined = context.at("appArmorProfile").exists() || !is_template;
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            warn_of_annotations(&container, &annotations, is_confined, &mut warnings);
            warn_of_container(&container, &mut warnings);
        }
    }
    ports::warn(spec, &mut warnings);
    let grace = spec.at("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds < 0) {
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        warnings.push(format!("{}: {why}", grace.path()));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let affinity = spec.at("affinity");
        let pods = affinity.at(kind);
        pods.at(REQUIRED).items().for_each(|term| warn_of_null_selector(&term, &mut warnings));
        for term in pods.at(PREFERRED).items() {
            warn_of_null_selector(&term.at("podAffinityTerm"), &mut warnings);
        }
    }
    warnings
}

/// `GetNodeLabelDeprecatedMessage`
pub(crate) fn old_label(key: &str) -> Option<String> {
    let (_, since, instead) = OLD_LABELS.iter().find(|(old, ..)| *old == key)?;
    Some(format!("deprecated since {since}; use {instead:?} instead"))
}

/// What took the place of a label of old.
pub(crate) fn new_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(old, ..)| *old == key).map(|(.., instead)| *instead)
}

fn warn_of_key(key: &At, warnings: &mut Vec<String>) {
    warnings.extend(old_label(key.str()).map(|why| format!("{}: {} is {why}", key.path(), key.str())));
}

fn warn_of_null_selector(term: &At, warnings: &mut Vec<String>) {
    let selector = term.at("labelSelector");
    if !selector.exists() {
        warnings.push(format!("{}: {SELECTOR_NULL}", selector.path()));
    }
}

/// `GetWarningsForNodeSelectorTerm`
pub(crate) fn warn_of_node_term(term: &At, warnings: &mut Vec<String>) {
    term.at("matchExpressions").items().for_each(|expression| warn_of_key(&expression.at("key"), warnings));
}

fn warn_of_node_affinity(node: &At, warnings: &mut Vec<String>) {
    node.at(REQUIRED).at("nodeSelectorTerms").items().for_each(|term| warn_of_node_term(&term, warnings));
    for preferred in node.at(PREFERRED).items() {
        warn_of_node_term(&preferred.at("preference"), warnings);
    }
}

/// Host aliases, pull secrets and name servers.
fn warn_of_lists(spec: &At, warnings: &mut Vec<String>) {
    let address = |at: &At| names::ip_warning(&at.path().to_string(), at.str());
    let mut seen = BTreeSet::new();
    for alias in spec.at("hostAliases").items() {
        let ip = alias.at("ip");
        if !seen.insert(ip.str()) {
            warnings.push(format!("{}: duplicate ip {:?}", ip.path(), ip.str()));
        }
        warnings.extend(address(&ip));
    }
    let mut seen = BTreeSet::new();
    let secrets = spec.at("imagePullSecrets");
    for secret in secrets.items() {
        if !seen.insert(secret.at("name").str()) {
            warnings.push(format!("{}: duplicate name {:?}", secret.at("name").path(), secret.at("name").str()));
        }
    }
    for secret in secrets.items().filter(|secret| secret.at("name").is_empty()) {
        warnings.push(format!("{}: invalid empty name \"\"", secret.at("name").path()));
    }
    spec.at("dnsConfig").at("nameservers").items().for_each(|server| warnings.extend(address(&server)));
}

/// The annotations from before there were fields. Pods have had theirs turned into fields.
fn warn_of_annotations(container: &At, annotations: &At, is_confined: bool, warnings: &mut Vec<String>) {
    let (name, context) = (container.at("name").str(), container.at("securityContext"));
    let seccomp = format!("container.seccomp.security.alpha.kubernetes.io/{name}");
    if annotations.key(&seccomp).exists() && !context.at("seccompProfile").exists() {
        warnings.push(format!("{}: {OLD_SECCOMP}", annotations.key(&seccomp).path()));
    }
    let app_armor = format!("container.apparmor.security.beta.kubernetes.io/{name}");
    if annotations.key(&app_armor).exists() && !is_confined && !context.at("appArmorProfile").exists() {
        let why = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
        warnings.push(format!("{}: {why}", annotations.key(&app_armor).path()));
    }
}

/// Amounts of memory that are no whole number of bytes.
fn warn_of_fractions(amounts: &At, warnings: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        warn_of_fraction(&amounts.key(name), warnings);
    }
}

/// An amount of bytes that is no whole number.
pub(crate) fn warn_of_fraction(amount: &At, warnings: &mut Vec<String>) {
    if Amount::parse(amount.str()).is_some_and(|a| !a.is_integer()) {
        let text = amount.str();
        warnings.push(format!("{}: fractional byte value {text:?} is invalid, must be an integer", amount.path()));
    }
}

fn warn_of_container(container: &At, warnings: &mut Vec<String>) {
    let resources = container.at("resources");
    for name in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            warn_of_fraction(&resources.at(list).key(name), warnings);
        }
    }
    let mut seen = BTreeSet::new();
    for variable in container.at("env").items() {
        let (name, value) = (variable.at("name").str(), variable.at("value").str());
        // A variable that only extends itself is meant.
        let own = format!("$({name})");
        let extends = value.contains(&own) && value != own && !variable.at("valueFrom").exists();
        if !seen.insert(name) && !extends {
            let why = format!("hides previous definition of {name:?}, which may be dropped when using apply");
            warnings.push(format!("{}: {why}", variable.path()));
        }
    }
}
