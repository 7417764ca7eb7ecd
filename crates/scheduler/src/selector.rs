//! Matching labels: label selectors of pods and services, node selector terms, tolerations against taints.

use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;

/// Labels as objects carry them.
pub type Labels = BTreeMap<String, String>;

/// Whether `selector` selects `labels`. An empty selector selects everything.
pub fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let pairs = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    pairs
        && selector.match_expressions.iter().flatten().all(|requirement| {
            let values = requirement.values.as_deref().unwrap_or_default();
            meets(&requirement.operator, labels.get(&requirement.key).map(String::as_str), values)
        })
}

/// Whether `pairs` all stand in `labels`.
pub fn contains_all(labels: &Labels, pairs: &Labels) -> bool {
    pairs.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether any term of `selector` matches `node`.
pub fn node_selector_matches(selector: &NodeSelector, node: &Node) -> bool {
    selector.node_selector_terms.iter().any(|term| term_matches(term, node))
}

/// Whether all requirements of `term` hold. A term without requirements matches nothing.
pub fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let empty = Labels::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let holds = |requirement: &NodeSelectorRequirement, value: Option<&str>| {
        meets(&requirement.operator, value, requirement.values.as_deref().unwrap_or_default())
    };
    expressions.iter().all(|requirement| holds(requirement, labels.get(&requirement.key).map(String::as_str)))
        && fields.iter().all(|requirement| match requirement.key.as_str() {
            "metadata.name" => holds(requirement, node.metadata.name.as_deref()),
            _ => false,
        })
}

fn meets(operator: &str, value: Option<&str>, values: &[String]) -> bool {
    let listed = |value: &str| values.iter().any(|candidate| candidate == value);
    let compare = |wanted: std::cmp::Ordering| {
        let number = value.and_then(|value| value.parse::<i64>().ok());
        let limit = values.first().and_then(|limit| limit.parse::<i64>().ok());
        number.zip(limit).is_some_and(|(number, limit)| number.cmp(&limit) == wanted)
    };
    match operator {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(std::cmp::Ordering::Greater),
        "Lt" => compare(std::cmp::Ordering::Less),
        _ => false,
    }
}

/// Whether `toleration` tolerates `taint` (`Toleration.ToleratesTaint`).
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    if !effect.is_empty() && effect != taint.effect || !key.is_empty() && key != taint.key {
        return false;
    }
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default(),
        "Exists" => true,
        _ => false,
    }
}
