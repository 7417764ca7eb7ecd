//! `kubernetes.io/enforce-mountable-secrets`: pods of such an account use no secrets but those that it lists. Deprecated
//! upstream, and enforced all the same.

use super::{list, text};
use serde_json::Value;
use std::collections::HashSet;

const ANNOTATION: &str = "kubernetes.io/enforce-mountable-secrets";

/// Whether the account wants it, as Go's `ParseBool` reads it.
pub(super) fn is_enforced(account: &Value) -> bool {
    matches!(text(&account["metadata"]["annotations"][ANNOTATION]), "1" | "t" | "T" | "TRUE" | "true" | "True")
}

fn names(references: &Value) -> HashSet<&str> {
    list(references).map(|reference| text(&reference["name"])).collect()
}

/// The first secret that a new pod may not use, in upstream's words.
pub(super) fn refused_in_pod(account: &Value, pod: &Value) -> Option<String> {
    let (spec, allowed) = (&pod["spec"], names(&account["secrets"]));
    let because = not_referenced(account, "secret");
    let volumes = list(&spec["volumes"]).filter(|volume| volume["secret"].is_object());
    for name in volumes.map(|volume| text(&volume["secret"]["secretName"])) {
        if !allowed.contains(name) {
            return Some(format!("volume with secret.secretName=\"{name}\" {because}"));
        }
    }
    for (member, kind) in [("initContainers", "init container"), ("containers", "container")] {
        if let Some(why) = refused_in_containers(account, &spec[member], kind) {
            return Some(why);
        }
    }
    let pull = names(&account["imagePullSecrets"]);
    let because = not_referenced(account, "imagePullSecret");
    let mut references = list(&spec["imagePullSecrets"]).map(|reference| text(&reference["name"])).enumerate();
    let (index, name) = references.find(|(_, name)| !pull.contains(name))?;
    Some(format!("imagePullSecrets[{index}].name=\"{name}\" {because}"))
}

/// The same of containers that are added to a pod later.
pub(super) fn refused_in_ephemeral_containers(account: &Value, pod: &Value) -> Option<String> {
    refused_in_containers(account, &pod["spec"]["ephemeralContainers"], "ephemeral container")
}

fn refused_in_containers(account: &Value, containers: &Value, kind: &str) -> Option<String> {
    let allowed = names(&account["secrets"]);
    let because = not_referenced(account, "secret");
    list(containers).find_map(|container| {
        let name = text(&container["name"]);
        let in_variable = list(&container["env"]).find_map(|variable| {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let secret = text(&reference["name"]);
            let refused = reference.is_object() && !allowed.contains(secret);
            let variable = text(&variable["name"]);
            refused.then(|| format!("envVar {variable} referencing secret.secretName=\"{secret}\""))
        });
        let in_source = || {
            list(&container["envFrom"]).find_map(|source| {
                let secret = text(&source["secretRef"]["name"]);
                let refused = source["secretRef"].is_object() && !allowed.contains(secret);
                refused.then(|| format!("envFrom referencing secret.secretName=\"{secret}\""))
            })
        };
        Some(format!("{kind} {name} with {} {because}", in_variable.or_else(in_source)?))
    })
}

fn not_referenced(account: &Value, what: &str) -> String {
    let account = text(&account["metadata"]["name"]);
    format!("is not allowed because service account {account} does not reference that {what}")
}
