//! Aggregated ClusterRoles: the rules of all roles whose labels match are its rules, at once.
//!
//! Upstream's clusterrole-aggregation controller writes the same union into `rules`; it is for readers of the object.

use crate::authz::rule::Rule;
use serde_json::Value;
use std::sync::Arc;

/// The rules of a ClusterRole among all of them.
pub(crate) fn rules_of(role: &Value, all: &[Arc<Value>]) -> Vec<Rule> {
    let mut rules = Rule::read_all(role);
    let Some(selectors) = role["aggregationRule"]["clusterRoleSelectors"].as_array() else {
        return rules;
    };
    for other in all {
        let itself = other["metadata"]["name"] == role["metadata"]["name"];
        if !itself && selectors.iter().any(|selector| matches(selector, &other["metadata"]["labels"])) {
            for rule in Rule::read_all(other) {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }
    rules
}

/// `metav1.LabelSelectorAsSelector` on the labels of an object. An empty selector matches all.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let pairs = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    pairs.into_iter().all(|(key, value)| labels[key] == *value)
        && expressions.all(|expression| {
            let Some(key) = expression["key"].as_str() else {
                return false;
            };
            let label = labels.get(key);
            let listed = || {
                let values = expression["values"].as_array();
                label.is_some_and(|label| values.is_some_and(|values| values.contains(label)))
            };
            match expression["operator"].as_str() {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                _ => false,
            }
        })
}
