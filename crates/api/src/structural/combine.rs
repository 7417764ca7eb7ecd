//! A value against several schemas at once: `allOf`, `anyOf`, `oneOf`, `not`.

use super::former::Former;
use super::node::Node;
use super::validate::{Outcome, check as one_of_them};
use serde_json::Value;

/// `allOf`, `anyOf`, `oneOf`, `not`.
pub(super) fn check(node: &Node, value: &Value, old: Option<Former<'_>>, path: &str, found: &mut Outcome) {
    let nearest = |best: Option<Outcome>, next: Outcome| match best {
        Some(best) if best.checks >= next.checks => Some(best),
        _ => Some(next),
    };
    if !node.any_of.is_empty() {
        let mut best = None;
        let mut fits = false;
        for one in &node.any_of {
            let outcome = one_of_them(one, value, old, path);
            if outcome.errors.is_empty() {
                fits = true;
                break;
            }
            best = nearest(best, outcome);
        }
        if !fits {
            found.loose(format!("{path:?} must validate at least one schema (anyOf)"));
            found.merge(best.unwrap_or_default());
        }
    }
    if !node.one_of.is_empty() {
        let mut best = None;
        let mut valid = 0;
        for one in &node.one_of {
            let outcome = one_of_them(one, value, old, path);
            if outcome.errors.is_empty() {
                valid += 1;
            } else if valid == 0 {
                best = nearest(best, outcome);
            }
        }
        if valid != 1 {
            let how_many =
                if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
            found.loose(format!("{path:?} must validate one and only one schema (oneOf). {how_many}"));
            if valid == 0 {
                found.merge(best.unwrap_or_default());
            }
        }
    }
    let mut valid = 0;
    for one in &node.all_of {
        let outcome = one_of_them(one, value, old, path);
        valid += usize::from(outcome.errors.is_empty());
        found.merge(outcome);
    }
    if valid < node.all_of.len() {
        let none = if valid == 0 { ". None validated" } else { "" };
        found.loose(format!("{path:?} must validate all the schemas (allOf){none}"));
    }
    if let Some(not) = &node.not
        && one_of_them(not, value, old, path).errors.is_empty()
    {
        found.loose(format!("{path:?} must not validate the schema (not)"));
    }
}
