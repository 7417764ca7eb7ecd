//! Topology spread constraints.

use super::affinity::validate_label_keys;
use crate::At;
use crate::labels::validate_label_selector;
use api::field::ErrorList;

/// `validateTopologySpreadConstraints`
pub(super) fn validate_topology_spread(constraints: &At, errors: &mut ErrorList) {
    for (index, constraint) in constraints.items().enumerate() {
        let skew = constraint.at("maxSkew");
        let number = skew.int().unwrap_or(0);
        if number <= 0 {
            errors.push(skew.invalid_value(number, "must be greater than zero"));
        }
        let key = constraint.at("topologyKey");
        if key.is_empty() {
            errors.push(key.required("can not be empty"));
        }
        let action = constraint.at("whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&action.str()) {
            errors.push(action.not_supported(&["DoNotSchedule", "ScheduleAnyway"]));
        }
        let equal = |other: &At| {
            other.at("topologyKey").str() == key.str() && other.at("whenUnsatisfiable").str() == action.str()
        };
        if constraints.items().skip(index + 1).any(|other| equal(&other)) {
            let mut error = constraint.at("{topologyKey, whenUnsatisfiable}").duplicate();
            error.bad_value = format!("{{{}, {}}}", key.str(), action.str()).into();
            errors.push(error);
        }
        validate_min_domains(&constraint.at("minDomains"), action.str(), errors);
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            constraint.at(policy).one_of(errors, &["Honor", "Ignore"]);
        }
        validate_label_keys(&constraint, errors);
        validate_label_selector(&constraint.at("labelSelector"), errors);
    }
}

fn validate_min_domains(domains: &At, action: &str, errors: &mut ErrorList) {
    let Some(number) = domains.int() else { return };
    if number <= 0 {
        errors.push(domains.invalid("must be greater than zero"));
    }
    if action != "DoNotSchedule" {
        let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.push(domains.invalid(detail));
    }
}
