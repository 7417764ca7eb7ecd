//! Scopes of a quota: which of a namespace's pods and claims it counts.

use super::Kind;
use crate::pod::qos::{QosClass, pod_qos};
use crate::pod::resources::typed_spec;
use serde_json::{Map, Value};

/// One scope with its operator.
struct Scope<'a> {
    name: &'a str,
    operator: &'a str,
    values: Vec<&'a str>,
}

/// Both notations of scopes.
fn scopes(quota: &Value) -> Vec<Scope<'_>> {
    fn list(value: &Value) -> impl Iterator<Item = &Value> {
        value.as_array().into_iter().flatten()
    }
    let spec = &quota["spec"];
    let plain = list(&spec["scopes"]).filter_map(Value::as_str);
    let plain = plain.map(|name| Scope { name, operator: "Exists", values: Vec::new() });
    let selected = list(&spec["scopeSelector"]["matchExpressions"]).map(|expression| Scope {
        name: expression["scopeName"].as_str().unwrap_or_default(),
        operator: expression["operator"].as_str().unwrap_or_default(),
        values: list(&expression["values"]).filter_map(Value::as_str).collect(),
    });
    plain.chain(selected).collect()
}

impl Scope<'_> {
    /// The operator on a class name, which may be empty.
    fn selects(&self, class: &str) -> bool {
        match self.operator {
            "Exists" => !class.is_empty(),
            "DoesNotExist" => class.is_empty(),
            "In" => !class.is_empty() && self.values.contains(&class),
            "NotIn" => !self.values.contains(&class),
            _ => false,
        }
    }

    fn has_pod(&self, pod: &Value) -> bool {
        let spec = &pod["spec"];
        let terminates = spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0);
        let best_effort = || {
            let empty = Map::new();
            pod_qos(&typed_spec(spec.as_object().unwrap_or(&empty))) == QosClass::BestEffort
        };
        match self.name {
            "Terminating" => terminates,
            "NotTerminating" => !terminates,
            "BestEffort" => best_effort(),
            "NotBestEffort" => !best_effort(),
            "PriorityClass" => self.selects(spec["priorityClassName"].as_str().unwrap_or_default()),
            "CrossNamespacePodAffinity" => crosses_namespaces(&spec["affinity"]),
            _ => false,
        }
    }

    fn has_claim(&self, claim: &Value) -> bool {
        let named = [
            &claim["spec"]["volumeAttributesClassName"],
            &claim["status"]["currentVolumeAttributesClassName"],
            &claim["status"]["modifyVolumeStatus"]["targetVolumeAttributesClassName"],
        ];
        let classes: Vec<&str> =
            named.iter().filter_map(|name| name.as_str()).filter(|name| !name.is_empty()).collect();
        self.name == "VolumeAttributesClass"
            && if classes.is_empty() { self.selects("") } else { classes.iter().any(|class| self.selects(class)) }
    }
}

/// Whether a term of (anti-)affinity looks beyond the pod's own namespace.
fn crosses_namespaces(affinity: &Value) -> bool {
    let crosses = |term: &Value| {
        term["namespaces"].as_array().is_some_and(|list| !list.is_empty()) || !term["namespaceSelector"].is_null()
    };
    let terms = |kind: &Value| -> bool {
        let required = kind["requiredDuringSchedulingIgnoredDuringExecution"].as_array().into_iter().flatten();
        let preferred = kind["preferredDuringSchedulingIgnoredDuringExecution"].as_array().into_iter().flatten();
        required.into_iter().any(crosses) || preferred.into_iter().any(|term| crosses(&term["podAffinityTerm"]))
    };
    terms(&affinity["podAffinity"]) || terms(&affinity["podAntiAffinity"])
}

/// Whether all scopes of a quota hold for an object. A scope never holds for a kind that it does not know.
pub fn matches_scopes(quota: &Value, kind: Kind<'_>, object: &Value) -> bool {
    scopes(quota).iter().all(|scope| match (kind.group, kind.plural) {
        ("", "pods") => scope.has_pod(object),
        ("", "persistentvolumeclaims") => scope.has_claim(object),
        _ => false,
    })
}
