//! Cluster roles that gather others have the rules of all whose labels they select (upstream's
//! `clusterrole-aggregation`): `kubectl describe clusterrole admin` shows them.
//!
//! What not: deciding by them. The API server gathers for itself, at once.

use crate::Context;
use api::selector::LabelSelector;
use client::{Client, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use std::sync::Arc;

/// There is one thing to do: to look at all roles.
const WORKERS: usize = 1;

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let changed = queue.clone();
    // whichever role changes, any may gather it
    let roles = InformerBuilder::<ClusterRole>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |_| changed.add(ObjectKey::cluster("")))
        .start(context.shutdown.clone());
    if !roles.wait_synced().await {
        return;
    }
    run_workers("clusterrole-aggregation", &queue, WORKERS, &context.shutdown, |_| {
        let (all, client) = (roles.store().list(), client.clone());
        async move {
            // what gathers these roles follows when their changes come back
            for role in all.iter().filter_map(|role| gathered(role, &all)) {
                match client.update(&role).await {
                    Err(error) if error.is_not_found() => {}
                    written => drop(written?),
                }
            }
            Ok::<_, client::Error>(Outcome::Done)
        }
    })
    .await;
}

/// The role with the rules that it gathers; `None`: it gathers nothing, or has them.
fn gathered(role: &ClusterRole, all: &[Arc<ClusterRole>]) -> Option<ClusterRole> {
    let selectors = role.aggregation_rule.as_ref()?.cluster_role_selectors.as_deref().unwrap_or_default();
    let mut sorted: Vec<&Arc<ClusterRole>> =
        all.iter().filter(|other| other.metadata.name != role.metadata.name).collect();
    sorted.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors {
        // a selector that cannot be read selects nothing; there is none, since it was validated
        let selector = serde_json::to_value(selector).ok();
        let Ok(selector) = LabelSelector::from_object(selector.as_ref()) else { continue };
        for other in sorted.iter().filter(|other| selects(&selector, other)) {
            for rule in other.rules.as_deref().unwrap_or_default() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    let same = role.rules.as_deref().unwrap_or_default() == rules;
    (!same).then(|| ClusterRole { rules: Some(rules), ..role.clone() })
}

fn selects(selector: &LabelSelector, role: &ClusterRole) -> bool {
    let labels = role.metadata.labels.as_ref();
    selector.matches_by(|key| labels?.get(key).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn role(name: &str, labels: Value, verbs: &[&str], gathers: Option<Value>) -> Arc<ClusterRole> {
        let rules: Vec<Value> =
            verbs.iter().map(|verb| json!({"verbs": [verb], "apiGroups": [""], "resources": ["pods"]})).collect();
        let aggregation = gathers.map(|labels| json!({"clusterRoleSelectors": [{"matchLabels": labels}]}));
        let role =
            json!({"metadata": {"name": name, "labels": labels}, "rules": rules, "aggregationRule": aggregation});
        Arc::new(serde_json::from_value(role).unwrap())
    }

    fn verbs(role: &ClusterRole) -> Vec<&str> {
        role.rules.iter().flatten().map(|rule| rule.verbs[0].as_str()).collect()
    }

    #[test]
    fn a_role_has_the_rules_that_it_gathers_and_no_others() {
        let all = [
            role("sum", json!({"to": "sum"}), &["own"], Some(json!({"to": "sum"}))),
            role("b", json!({"to": "sum"}), &["list", "get"], None),
            role("a", json!({"to": "sum"}), &["get"], None),
            role("c", json!({}), &["delete"], None),
        ];
        let sum = gathered(&all[0], &all).unwrap();
        assert_eq!(verbs(&sum), ["get", "list"]);
        let after = [Arc::new(sum), all[1].clone(), all[2].clone(), all[3].clone()];
        assert_eq!(gathered(&after[0], &after), None);
        assert_eq!(gathered(&all[1], &all), None);
    }
}
