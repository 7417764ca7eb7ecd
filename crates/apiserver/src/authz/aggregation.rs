//! Aggregated ClusterRoles: the rules of all roles whose labels match are its rules, at once.
//!
//! The clusterrole-aggregation controller writes the same union into `rules`, for readers of the object.

use crate::authz::rule::Rule;
use serde_json::Value;
use std::sync::Arc;

/// The rules of a ClusterRole among all of them. Those that it gathers may gather others: what is for `view` is for
/// `edit` and `admin` too.
pub(crate) fn rules_of(role: &Value, all: &[Arc<Value>]) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut gathered: Vec<&Value> = vec![role];
    let mut next = 0;
    while let Some(&role) = gathered.get(next) {
        next += 1;
        for rule in Rule::read_all(role) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        let Some(selectors) = role["aggregationRule"]["clusterRoleSelectors"].as_array() else { continue };
        for other in all {
            let known = gathered.iter().any(|role| role["metadata"]["name"] == other["metadata"]["name"]);
            if !known && selectors.iter().any(|selector| matches(selector, &other["metadata"]["labels"])) {
                gathered.push(other);
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
