//! What the pod as a whole asks for and may use (KEP-2837): it covers what its containers do.

use super::Context;
use super::requirements::{Names, is_huge_page_resource, validate_claim_names, validate_requirements};
use crate::At;
use crate::pod::resources::{aggregate_container_limits, aggregate_container_requests, typed_spec};
use crate::quantity::Amount;
use api::field::{Error, ErrorList};

/// `validatePodResources`
pub(super) fn validate_pod_level(spec: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let resources = spec.at("resources");
    if !resources.exists() {
        return;
    }
    if spec.at("os").at("name").str() == "windows" {
        errors.push(resources.forbidden("may not be set for a windows pod"));
        return;
    }
    if resources.at("claims").exists() {
        errors.push(resources.at("claims").forbidden("claims cannot be set for Resources at pod-level"));
    }
    validate_requirements(&resources, Names::PodLevel, errors);
    validate_claim_names(&resources.at("claims"), context, errors);
    validate_consistency(spec, &resources, errors);
}

/// `validatePodResourceConsistency`: what the pod does not name its containers are free to ask for.
fn validate_consistency(spec: &At, resources: &At, errors: &mut ErrorList) {
    let Some(map) = spec.map() else { return };
    let typed = typed_spec(map);
    let mut covers = |list: &str, name: &str, sum: Amount| {
        let amounts = resources.at(list);
        let own = amounts.key(name);
        if Amount::parse(own.str()).is_some_and(|own| sum > own) {
            let detail = format!("must be greater than or equal to aggregate container {list} of {sum}");
            errors.push(own.invalid(detail));
        }
    };
    aggregate_container_requests(&typed).into_iter().for_each(|(name, sum)| covers("requests", &name, sum));
    let limits = aggregate_container_limits(&typed).into_iter().filter(|(name, _)| is_huge_page_resource(name));
    limits.for_each(|(name, sum)| covers("limits", &name, sum));
    let limits = resources.at("limits");
    for (index, container) in spec.at("containers").items().enumerate() {
        for (name, limit) in container.at("resources").at("limits").entries() {
            let own = limits.key(name);
            if own.exists() && Amount::parse(limit.str()) > Amount::parse(own.str()) {
                let path = resources.at("containers").path().index(index).key(name).child("limits");
                let detail = format!("must be less than or equal to pod limits of {}", own.str());
                errors.push(Error::invalid(&path, limit.str(), detail));
            }
        }
    }
}
