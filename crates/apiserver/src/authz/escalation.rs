//! Nobody may grant what they do not have: the check on writes of roles and bindings
//! (`k8s.io/kubernetes/pkg/registry/rbac/validation`).

use crate::authz::Rbac;
use crate::authz::rule::{Rule, go_quoted};
use crate::user::UserInfo;
use std::collections::{BTreeMap, BTreeSet};

/// What is missing, as upstream's sentence; `Ok` when the user has all of `wanted` in `namespace`.
pub(crate) fn confirm(rbac: &Rbac, user: &UserInfo, namespace: &str, wanted: &[Rule]) -> Result<(), String> {
    let (owned, errors) = rbac.user_rules(user, namespace);
    let missing = uncovered(&owned, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: BTreeSet<String> = compact(missing).iter().map(Rule::compact_string).collect();
    let lines: Vec<String> = lines.into_iter().collect();
    let mut message = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        go_quoted(&user.groups),
        lines.join("\n")
    );
    if !errors.is_empty() {
        message += &format!("; resolution errors: [{}]", errors.join(", "));
    }
    Err(message)
}

/// The parts of `wanted` that no single rule of `owned` grants.
fn uncovered(owned: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let parts = wanted.iter().flat_map(Rule::breakdown);
    parts.filter(|part| !owned.iter().any(|rule| rule.covers(part))).collect()
}

/// Joins parts that differ in their verbs alone (`CompactRules`).
fn compact(parts: Vec<Rule>) -> Vec<Rule> {
    let mut joined: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    for mut part in parts {
        let verbs = std::mem::take(&mut part.verbs);
        let all = joined.entry(part).or_default();
        for verb in verbs {
            if !all.contains(&verb) {
                all.push(verb);
            }
        }
    }
    joined.into_iter().map(|(rule, verbs)| Rule { verbs, ..rule }).collect()
}
