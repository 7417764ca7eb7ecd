//! The terms of a pod's affinity to other pods, in a form that can be compared, kept and matched quickly.

use crate::pod::PodInfo;
use crate::selector::{Labels, selects};
use k8s_openapi::api::core::v1::{Affinity, PodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::sync::Arc;

/// What other pods' required affinity counts when it is about a pod (`hardPodAffinityWeight`).
const HARD_POD_AFFINITY_WEIGHT: i64 = 1;

/// One term, with the namespace of the pod that has it. Equal when the texts are.
#[derive(Clone)]
pub struct Term(Arc<Parts>);

struct Parts {
    text: String,
    owner_namespace: String,
    /// With the pairs of matchLabelKeys and mismatchLabelKeys.
    selector: Option<LabelSelector>,
    term: PodAffinityTerm,
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for Term {}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Term {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.text.cmp(&other.0.text)
    }
}

impl Term {
    fn new(namespace: &str, labels: &Labels, term: &PodAffinityTerm) -> Self {
        let selector = term.label_selector.clone().map(|selector| with_label_keys(selector, labels, term));
        let text = format!(
            "{namespace} {:?} {:?} {:?} {selector:?}",
            term.topology_key, term.namespaces, term.namespace_selector
        );
        Self(Arc::new(Parts { text, owner_namespace: namespace.to_owned(), selector, term: term.clone() }))
    }

    /// `topologyKey`
    pub fn topology_key(&self) -> &str {
        &self.0.term.topology_key
    }

    /// Whether the term is about `other`.
    pub fn selects(&self, other: &PodInfo) -> bool {
        let Parts { owner_namespace, selector, term, .. } = &*self.0;
        let listed = term.namespaces.as_deref().unwrap_or_default();
        let all = term.namespace_selector.as_ref().is_some_and(|selector| {
            selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
                && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
        });
        let own = listed.is_empty() && term.namespace_selector.is_none() && owner_namespace == other.namespace();
        let namespace = all || own || listed.iter().any(|namespace| namespace == other.namespace());
        namespace && selector.as_ref().is_some_and(|selector| selects(selector, other.labels()))
    }
}

/// matchLabelKeys and mismatchLabelKeys are requirements on the values that the owner has.
fn with_label_keys(mut selector: LabelSelector, labels: &Labels, term: &PodAffinityTerm) -> LabelSelector {
    let requirement = |key: &String, operator: &str| {
        let values = Some(vec![labels.get(key)?.clone()]);
        Some(LabelSelectorRequirement { key: key.clone(), operator: operator.to_owned(), values })
    };
    let wanted = term.match_label_keys.iter().flatten().filter_map(|key| requirement(key, "In"));
    let unwanted = term.mismatch_label_keys.iter().flatten().filter_map(|key| requirement(key, "NotIn"));
    let more: Vec<LabelSelectorRequirement> = wanted.chain(unwanted).collect();
    if !more.is_empty() {
        selector.match_expressions.get_or_insert_default().extend(more);
    }
    selector
}

/// A term that adds to or takes from a score.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// About whom, and within what.
    pub term: Term,
    /// Negative for anti-affinity.
    pub weight: i64,
    /// It is required by its owner; only for others it is a wish.
    pub is_requirement: bool,
}

/// All terms of a pod.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Required affinity.
    pub requirements: Vec<Term>,
    /// Required anti-affinity.
    pub refusals: Vec<Term>,
    /// Preferred affinity and anti-affinity, and required affinity as it looks to others.
    pub wishes: Vec<Wish>,
}

impl Terms {
    /// Of a pod in `namespace` with `labels`.
    pub fn new(namespace: &str, labels: &Labels, affinity: Option<&Affinity>) -> Self {
        let mut terms = Self::default();
        let Some(affinity) = affinity else { return terms };
        let term = |term: &PodAffinityTerm| Term::new(namespace, labels, term);
        if let Some(with) = &affinity.pod_affinity {
            let required = with.required_during_scheduling_ignored_during_execution.iter().flatten();
            terms.requirements.extend(required.map(term));
            let as_wishes = terms.requirements.iter().cloned();
            let as_wish = |term| Wish { term, weight: HARD_POD_AFFINITY_WEIGHT, is_requirement: true };
            terms.wishes.extend(as_wishes.map(as_wish));
            for preferred in with.preferred_during_scheduling_ignored_during_execution.iter().flatten() {
                let (term, weight) = (term(&preferred.pod_affinity_term), i64::from(preferred.weight));
                terms.wishes.push(Wish { term, weight, is_requirement: false });
            }
        }
        if let Some(away) = &affinity.pod_anti_affinity {
            let required = away.required_during_scheduling_ignored_during_execution.iter().flatten();
            terms.refusals.extend(required.map(term));
            for preferred in away.preferred_during_scheduling_ignored_during_execution.iter().flatten() {
                let (term, weight) = (term(&preferred.pod_affinity_term), -i64::from(preferred.weight));
                terms.wishes.push(Wish { term, weight, is_requirement: false });
            }
        }
        terms
    }
}
