//! What clients may not choose when they write a pod: `PrepareForCreate` and `PrepareForUpdate`.

use super::defaults::CONTAINER_LISTS;
use super::qos::generic_qos;
use super::validate::resize::merge_resize;
use crate::Subresource;
use crate::object::{child, child_or_new, children, keep, put};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// A new pod is pending, has its class of service, and its status is the cluster's.
pub(super) fn prepare_for_create(pod: &mut Value) {
    let Value::Object(pod) = pod else { return };
    let created = pod.get("metadata").and_then(|m| m.get("creationTimestamp")).cloned().unwrap_or(Value::Null);
    let labels = pod.get("metadata").and_then(|m| m.get("labels")).cloned().unwrap_or(Value::Null);
    let annotations = pod.get("metadata").and_then(|m| m.get("annotations")).cloned().unwrap_or(Value::Null);
    let spec = child_or_new(pod, "spec");
    drop_disabled(spec);
    let grace = spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if grace.is_some_and(|seconds| seconds < 0) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
    }
    merge_label_keys(spec, &labels);
    apparmor_from_annotations(spec, &annotations);
    let mut status = json!({"phase": "Pending", "qosClass": generic_qos(spec).name()});
    if spec.get("schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        status["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": created,
            "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    pod.insert("status".to_owned(), status);
}

/// Keeps apart what the main resource and each subresource may change.
pub(super) fn prepare_for_update(new: &mut Value, old: &Value, subresource: Option<Subresource>) {
    match subresource {
        Some(Subresource::Status) => {
            keep(new, old, "spec");
            let class = old.get("status").and_then(|s| s.get("qosClass")).cloned();
            if let Value::Object(new) = new {
                // Old kubelets send broken owner references.
                let owners = old.get("metadata").and_then(|m| m.get("ownerReferences")).cloned();
                put(child_or_new(new, "metadata"), "ownerReferences", owners);
                let status = child_or_new(new, "status");
                if !status.contains_key("qosClass") {
                    put(status, "qosClass", class);
                }
                drop_disabled_status(status, &old["status"]);
            }
        }
        Some(Subresource::EphemeralContainers) => {
            let list = new.get("spec").and_then(|s| s.get("ephemeralContainers")).cloned();
            keep_metadata(new, old);
            keep(new, old, "status");
            keep(new, old, "spec");
            if let Value::Object(new) = new {
                put(child_or_new(new, "spec"), "ephemeralContainers", list);
            }
        }
        Some(Subresource::Resize) => {
            keep_metadata(new, old);
            keep(new, old, "status");
            merge_resize(new, old);
        }
        _ => {
            keep(new, old, "status");
            if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
                drop_disabled(spec);
            }
        }
    }
}

/// Subresources of the spec change no metadata; the API server's own bookkeeping stays.
fn keep_metadata(new: &mut Value, old: &Value) {
    let Value::Object(new) = new else { return };
    let mut metadata = old.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let sent = child_or_new(new, "metadata");
    for field in ["name", "namespace", "resourceVersion", "uid", "managedFields", "generation"] {
        put(&mut metadata, field, sent.remove(field));
    }
    *sent = metadata;
}

/// Fields behind feature gates that v1.36 leaves off (`DropDisabledPodFields`).
pub(crate) fn drop_disabled(spec: &mut Object) {
    spec.remove("schedulingGroup");
    for volume in children(spec, "volumes") {
        if let Some(projected) = child(volume, "projected") {
            for source in children(projected, "sources") {
                source.remove("clusterTrustBundle");
                source.remove("podCertificate");
            }
        }
    }
    for list in CONTAINER_LISTS {
        for container in children(spec, list) {
            if let Some(lifecycle) = child(container, "lifecycle") {
                lifecycle.remove("stopSignal");
            }
        }
    }
}

/// The same of a status, unless it is there already.
fn drop_disabled_status(status: &mut Object, old: &Value) {
    const CLAIMED: &str = "nodeAllocatableResourceClaimStatuses";
    if old.get(CLAIMED).is_none() {
        status.remove(CLAIMED);
    }
}

/// `matchLabelKeys` of pod affinity and of spread constraints become expressions of their selectors (KEP-3633, KEP-3243).
fn merge_label_keys(spec: &mut Object, labels: &Value) {
    children(spec, "topologySpreadConstraints").for_each(|constraint| merge_term(constraint, labels));
    let Some(affinity) = child(spec, "affinity") else {
        return;
    };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = child(affinity, kind) else { continue };
        for term in children(pods, "requiredDuringSchedulingIgnoredDuringExecution") {
            merge_term(term, labels);
        }
        for weighted in children(pods, "preferredDuringSchedulingIgnoredDuringExecution") {
            if let Some(term) = child(weighted, "podAffinityTerm") {
                merge_term(term, labels);
            }
        }
    }
}

fn merge_term(term: &mut Object, labels: &Value) {
    let mut added = Vec::new();
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    // Without a selector the term is invalid, which validation says.
    let Some(selector) = child(term, "labelSelector").filter(|_| !added.is_empty()) else {
        return;
    };
    match selector.entry("matchExpressions").or_insert_with(|| json!([])) {
        Value::Array(list) => list.extend(added),
        other => *other = added.into(),
    }
}

/// The annotation of old becomes the field (`applyAppArmorVersionSkew`), where the field is not set.
fn apparmor_from_annotations(spec: &mut Object, annotations: &Value) {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let Some(annotations) = annotations.as_object() else {
        return;
    };
    let is_windows = spec.get("os").and_then(|os| os.get("name")).is_some_and(|name| name == "windows");
    if is_windows || !annotations.keys().any(|key| key.starts_with(PREFIX)) {
        return;
    }
    let of_pod = spec.get("securityContext").and_then(|context| context.get("appArmorProfile")).cloned();
    for list in CONTAINER_LISTS {
        for container in children(spec, list) {
            let name = crate::object::str_at(container, "name");
            let profile = annotations.get(&format!("{PREFIX}{name}")).and_then(Value::as_str);
            let field = match profile {
                Some("unconfined") => json!({"type": "Unconfined"}),
                Some("runtime/default") => json!({"type": "RuntimeDefault"}),
                Some(other) => match other.strip_prefix("localhost/") {
                    Some(path) if !path.is_empty() => json!({"type": "Localhost", "localhostProfile": path}),
                    _ => continue,
                },
                None => continue,
            };
            // What the pod says for all of its containers is not said again.
            if of_pod.as_ref() != Some(&field) {
                child_or_new(container, "securityContext").entry("appArmorProfile").or_insert(field);
            }
        }
    }
}
