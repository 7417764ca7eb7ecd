//! The conditions of a namespace that waits for its content to go, in upstream's words (`status_condition_utils.go`).
//! Pure.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects of one kind that are still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// `pods.` or `deployments.apps`
    pub resource: String,
    /// How many.
    pub count: usize,
    /// How many of them each finalizer holds.
    pub finalizers: BTreeMap<String, usize>,
}

/// What an attempt to empty a namespace found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Discovery did not work.
    pub discovery_failure: Option<String>,
    /// Deletions that did not work.
    pub deletion_failures: Vec<String>,
    /// What is still there.
    pub remaining: Vec<Remaining>,
}

impl Findings {
    /// Whether the namespace is empty, as far as could be seen.
    pub fn is_empty(&self) -> bool {
        self.discovery_failure.is_none() && self.deletion_failures.is_empty() && self.remaining.is_empty()
    }

    /// Whether only pods in their grace period are waited for.
    pub fn waits_for_pods_only(&self) -> bool {
        self.discovery_failure.is_none()
            && self.deletion_failures.is_empty()
            && self.remaining.iter().all(|remaining| remaining.resource == "pods." && remaining.finalizers.is_empty())
    }
}

/// All five conditions, with the transition times of those that did not change.
pub fn conditions(findings: &Findings, present: &[Value], now: jiff::Timestamp) -> Vec<Value> {
    let discovery = findings
        .discovery_failure
        .clone()
        .map_or(("False", "ResourcesDiscovered", "All resources successfully discovered".to_owned()), |error| {
            ("True", "DiscoveryFailed", error)
        });
    let parsing = ("False", "ParsedGroupVersions", "All legacy kube types successfully parsed".to_owned());
    let deletion = if findings.deletion_failures.is_empty() {
        ("False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization".to_owned())
    } else {
        let failures = findings.deletion_failures.join(", ");
        (
            "True",
            "ContentDeletionFailed",
            format!("Failed to delete all resource types, {} remaining: {failures}", findings.deletion_failures.len()),
        )
    };
    let mut left: Vec<String> = findings
        .remaining
        .iter()
        .map(|remaining| format!("{} has {} resource instances", remaining.resource, remaining.count))
        .collect();
    left.sort();
    let content = if left.is_empty() {
        ("False", "ContentRemoved", "All content successfully removed".to_owned())
    } else {
        ("True", "SomeResourcesRemain", format!("Some resources are remaining: {}", left.join(", ")))
    };
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, count) in findings.remaining.iter().flat_map(|remaining| &remaining.finalizers) {
        *held.entry(name).or_default() += count;
    }
    let holding: Vec<String> =
        held.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    let finalizers = if holding.is_empty() {
        ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned())
    } else {
        let text = format!("Some content in the namespace has finalizers remaining: {}", holding.join(", "));
        ("True", "SomeFinalizersRemain", text)
    };
    [
        ("NamespaceDeletionDiscoveryFailure", discovery),
        ("NamespaceDeletionGroupVersionParsingFailure", parsing),
        ("NamespaceDeletionContentFailure", deletion),
        ("NamespaceContentRemaining", content),
        ("NamespaceFinalizersRemaining", finalizers),
    ]
    .into_iter()
    .map(|(kind, (status, reason, message))| condition(kind, status, reason, &message, present, now))
    .collect()
}

fn condition(kind: &str, status: &str, reason: &str, message: &str, present: &[Value], now: jiff::Timestamp) -> Value {
    let known = present.iter().find(|condition| condition["type"] == kind);
    let unchanged = known.filter(|condition| condition["status"] == status);
    let time = unchanged.map_or_else(
        || now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
        |condition| condition["lastTransitionTime"].clone(),
    );
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_is_said_and_times_are_kept() {
        let finalizers = BTreeMap::from([("example.com/f".to_owned(), 1)]);
        let findings = Findings {
            remaining: vec![
                Remaining { resource: "pods.".into(), count: 2, finalizers },
                Remaining { resource: "configmaps.".into(), count: 1, finalizers: BTreeMap::new() },
            ],
            ..Findings::default()
        };
        let first = conditions(&findings, &[], jiff::Timestamp::UNIX_EPOCH);
        let messages: Vec<&str> = first.iter().filter_map(|c| c["message"].as_str()).collect();
        assert_eq!(
            messages,
            [
                "All resources successfully discovered",
                "All legacy kube types successfully parsed",
                "All content successfully deleted, may be waiting on finalization",
                "Some resources are remaining: configmaps. has 1 resource instances, pods. has 2 resource instances",
                "Some content in the namespace has finalizers remaining: example.com/f in 1 resource instances",
            ]
        );
        let later = jiff::Timestamp::from_second(60).unwrap();
        assert_eq!(conditions(&findings, &first, later), first);
        assert!(!findings.waits_for_pods_only());
    }
}
