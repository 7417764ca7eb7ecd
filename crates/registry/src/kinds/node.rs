//! Nodes.

use super::annotated_list;
use crate::labels::validate_label_name;
use crate::names;
use crate::object::{child, keep, put, str_at};
use crate::pod::defaults::round_quantities;
use crate::pod::{validate_quantity, validate_taint_effect};
use crate::{At, Strategy, Subresource, Update};
use api::field::{Error, ErrorList, Path};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The strategy of nodes.
#[derive(Debug)]
pub(crate) struct Node;

impl Strategy for Node {
    fn default(&self, object: &mut Value) {
        let Value::Object(node) = object else { return };
        if let Some(spec) = child(node, "spec") {
            default_pod_cidrs(spec);
        }
        let Some(status) = child(node, "status") else { return };
        let capacity = status.get("capacity").cloned();
        if !status.contains_key("allocatable") {
            put(status, "allocatable", capacity);
        }
        round_quantities(status, "capacity");
        round_quantities(status, "allocatable");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let node = At::root(object);
        validate_annotations(&node, &mut errors);
        validate_taints_of(&node, &mut errors);
        validate_resources(&node, &mut errors);
        validate_pod_cidrs(&node.at("spec").at("podCIDRs"), &mut errors);
        errors
    }

    fn prepare_for_create(&self, object: &mut Value) {
        drop_config(object, "spec", "configSource", &Value::Null);
        drop_config(object, "status", "config", &Value::Null);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        if subresource == Some(Subresource::Status) {
            keep(new, old, "spec");
            drop_config(new, "status", "config", old);
        } else {
            keep(new, old, "status");
            drop_config(new, "spec", "configSource", old);
        }
    }

    /// An update of the node itself is also looked at as a new node would be.
    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let is_status = update.subresource == Some(Subresource::Status);
        let mut errors = if is_status { ErrorList::new() } else { self.validate(update.new) };
        let (node, old) = (At::root(update.new), At::root(update.old));
        validate_annotations(&node, &mut errors);
        validate_resources(&node, &mut errors);
        let status = node.at("status");
        let mut seen = Vec::new();
        for address in status.at("addresses").items() {
            if seen.contains(&address.value()) {
                errors.push(address.duplicate_struct("io.k8s.api.core.v1.NodeAddress"));
            }
            seen.push(address.value());
        }
        let (spec, old_spec) = (node.at("spec"), old.at("spec"));
        let (ranges, old_ranges) = (spec.at("podCIDRs"), old_spec.at("podCIDRs"));
        for _ in 0..changed_ranges(&ranges, &old_ranges) {
            let detail = "node updates may not change podCIDR except from \"\" to valid";
            errors.push(ranges.forbidden(detail));
        }
        let (provider, old_provider) = (spec.at("providerID"), old_spec.at("providerID"));
        if !old_provider.is_empty() && provider.str() != old_provider.str() {
            let detail = "node updates may not change providerID except from \"\" to valid";
            errors.push(provider.forbidden(detail));
        }
        validate_taints_of(&node, &mut errors);
        if spec.at("externalID").str() != old_spec.at("externalID").str() {
            errors.push(spec.at("externalID").forbidden("may not be updated"));
        }
        errors
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        let node = At::root(new);
        let spec = node.at("spec");
        if spec.at("configSource").exists() {
            warnings.push("spec.configSource: the feature is removed".to_owned());
        }
        if !spec.at("externalID").is_empty() {
            let why = "this field is deprecated, and is unused by Kubernetes";
            warnings.push(format!("spec.externalID: {why}"));
        }
        for range in spec.at("podCIDRs").items() {
            warnings.extend(names::cidr_warnings(&range.path().to_string(), range.str()));
        }
        warnings
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let cordoned = At::root(object).at("spec").at("unschedulable").bool();
        vec![("spec.unschedulable".into(), cordoned.to_string())]
    }
}

/// Kubelets' configuration from the cluster went with v1.24: only nodes that have it keep it.
fn drop_config(node: &mut Value, part: &str, field: &str, old: &Value) {
    if let Some(part) = node.get_mut(part).and_then(Value::as_object_mut).filter(|_| old[part].get(field).is_none()) {
        part.remove(field);
    }
}

/// `podCIDR` and `podCIDRs[0]` are one value; when they differ, the single one stands.
fn default_pod_cidrs(spec: &mut serde_json::Map<String, Value>) {
    let first = spec.get("podCIDRs").and_then(|list| list.get(0)).and_then(Value::as_str).unwrap_or_default();
    let one = str_at(spec, "podCIDR");
    if one == first {
        return;
    }
    let (field, value) = if one.is_empty() { ("podCIDR", json!(first)) } else { ("podCIDRs", json!([one])) };
    spec.insert(field.to_owned(), value);
}

/// How many of a node's ranges are others than before; one that has more or fewer of them counts once.
fn changed_ranges(ranges: &At, old: &At) -> usize {
    if old.is_empty() {
        return 0;
    }
    if ranges.items().count() != old.items().count() {
        return 1;
    }
    ranges.items().zip(old.items()).filter(|(one, before)| one.value() != before.value()).count()
}

/// What became `spec.taints`, and a wish to keep pods of some controllers away.
const TAINTS: &str = "scheduler.alpha.kubernetes.io/taints";
const AVOID_PODS: &str = "scheduler.alpha.kubernetes.io/preferAvoidPods";

/// `ValidateNodeSpecificAnnotations`
fn validate_annotations(node: &At, errors: &mut ErrorList) {
    let metadata = node.at("metadata");
    let annotations = metadata.at("annotations");
    if let Some(list) = annotated_list(&annotations, TAINTS, "[]core.Taint", &annotations, errors) {
        validate_taints(&annotations.elsewhere(TAINTS, Some(&list)), errors);
    }
    validate_avoided_pods(&annotations, errors);
}

/// `ValidateAvoidPodsInNodeAnnotations`
fn validate_avoided_pods(annotations: &At, errors: &mut ErrorList) {
    let text = annotations.key(AVOID_PODS).str();
    if text.is_empty() {
        return;
    }
    let avoided = match serde_json::from_str::<Value>(text) {
        Ok(avoided) => avoided,
        Err(error) => {
            let why = api::codec::syntax_error(text.as_bytes()).unwrap_or_else(|| error.to_string());
            errors.push(annotations.at("AvoidPods").invalid_value(AVOID_PODS, why));
            return;
        }
    };
    for entry in annotations.elsewhere(AVOID_PODS, avoided.get("preferAvoidPods")).items() {
        let signature = entry.at_as("podSignature", "PodSignature");
        let controller = signature.at_as("podController", "PodController");
        if !controller.exists() {
            errors.push(signature.required(""));
        } else if !controller.at("controller").bool() {
            let detail = "must point to a controller";
            errors.push(controller.at("Controller").invalid_value(false, detail));
        }
    }
}

/// Upstream's path of a node's taints is below metadata.
fn validate_taints_of(node: &At, errors: &mut ErrorList) {
    let (metadata, spec) = (node.at("metadata"), node.at("spec"));
    validate_taints(&metadata.elsewhere("taints", spec.at("taints").value()), errors);
}

/// `validateNodeTaints`
fn validate_taints(taints: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for taint in taints.items() {
        let (key, value, effect) = (taint.at("key"), taint.at("value"), taint.at("effect"));
        let wrong = names::qualified_name(key.str());
        if key.exists() {
            validate_label_name(&key, errors);
        } else {
            errors.extend(wrong.into_iter().map(|w| key.invalid_value("", w)));
        }
        let wrong = names::label_value(value.str());
        if !wrong.is_empty() {
            errors.push(value.invalid(wrong.join(";")));
        }
        if effect.is_empty() {
            errors.push(effect.required(""));
        } else {
            validate_taint_effect(&effect, errors);
        }
        if !seen.insert((effect.str(), key.str())) {
            let mut error = taint.duplicate_struct("io.k8s.api.core.v1.Taint");
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

/// `ValidateNodeResources`
fn validate_resources(node: &At, errors: &mut ErrorList) {
    let status = node.at("status");
    for list in ["capacity", "allocatable"] {
        let list = status.at(list);
        for (name, amount) in list.entries() {
            validate_quantity(name, amount.str(), &list.at(name).path(), errors);
        }
    }
}

fn validate_pod_cidrs(ranges: &At, errors: &mut ErrorList) {
    ranges.items().for_each(|range| range.check_unless_kept(errors, names::cidr));
    if ranges.len() < 2 {
        return;
    }
    let parsed: Vec<_> = ranges.strings().map(names::parse_cidr_sloppy).collect();
    let path: Path = ranges.path();
    if parsed.iter().any(Option::is_none) {
        let detail = "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR address";
        errors.push(Error::internal(&path, detail));
    }
    let families: BTreeSet<bool> = parsed.iter().flatten().map(|(address, _)| address.is_ipv4()).collect();
    if families.len() != 2 || ranges.len() > 2 {
        errors.push(ranges.invalid("may specify no more than one CIDR for each IP family"));
    }
    let mut seen = BTreeSet::new();
    for range in ranges.items().filter(|range| !seen.insert(range.str())) {
        errors.push(range.duplicate());
    }
}
