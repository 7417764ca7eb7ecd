//! Requests, limits and claims of containers. Those of the pod as a whole are in `pod_level`.

use super::Context;
use crate::At;
use crate::names;
use crate::pod::resources::is_supported_pod_level_resource;
use crate::quantity::Amount;
use api::field::{Error, ErrorList, Path};
use std::collections::BTreeSet;

/// Which names a list of resources may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Container,
    PodLevel,
}

/// `ValidateContainerResourceRequirements`
pub(super) fn validate_container(resources: &At, context: &Context<'_>, errors: &mut ErrorList) {
    if resources.is_empty() {
        return;
    }
    validate_requirements(resources, Names::Container, errors);
    validate_claim_names(&resources.at("claims"), context, errors);
}

/// `validateOverhead`: a list of resources shown as limits.
pub(crate) fn validate_overhead(overhead: &At, errors: &mut ErrorList) {
    let limits = overhead.elsewhere("limits", overhead.value());
    for (name, amount) in limits.entries() {
        let path = amount.path();
        validate_container_resource_name(name, &path, errors);
        validate_quantity(name, amount.str(), &path, errors);
        validate_huge_pages(name, &amount, errors);
    }
    let any = |test: fn(&str) -> bool| limits.entries().any(|(name, _)| test(name));
    if any(is_huge_page_resource) && !any(|name| matches!(name, "cpu" | "memory")) {
        errors.push(overhead.forbidden("HugePages require cpu or memory"));
    }
}

/// `validateResourceRequirements` without the claims.
pub(super) fn validate_requirements(resources: &At, names: Names, errors: &mut ErrorList) {
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    for (name, amount) in limits.entries() {
        validate_entry(name, &amount, names, errors);
    }
    for (name, amount) in requests.entries() {
        validate_name_and_quantity(name, &amount, names, errors);
        let (quantity, limit_at) = (amount.str(), limits.key(name));
        let overcommit = is_overcommit_allowed(name);
        if limit_at.exists() {
            let limit = limit_at.str();
            let order = Amount::parse(quantity).cmp(&Amount::parse(limit));
            if order.is_ne() && !overcommit {
                errors.push(requests.invalid_value(quantity, format!("must be equal to {name} limit of {limit}")));
            } else if order.is_gt() {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.push(requests.invalid_value(quantity, detail));
            }
        } else if !overcommit {
            errors.push(limits.required("Limit must be set for non overcommitable resources"));
        }
        validate_huge_pages(name, &amount, errors);
    }
    let any = |test: fn(&str) -> bool| limits.entries().chain(requests.entries()).any(|(name, _)| test(name));
    if any(is_huge_page_resource) && !any(|name| matches!(name, "cpu" | "memory")) {
        errors.push(resources.forbidden("HugePages require cpu or memory"));
    }
}

fn validate_entry(name: &str, amount: &At, names: Names, errors: &mut ErrorList) {
    validate_name_and_quantity(name, amount, names, errors);
    validate_huge_pages(name, amount, errors);
}

fn validate_name_and_quantity(name: &str, amount: &At, names: Names, errors: &mut ErrorList) {
    // The common names need no path, which is the costly part.
    let plain = matches!(name, "cpu" | "memory") || (names == Names::Container && name == "ephemeral-storage");
    let good = Amount::parse(amount.str()).is_some_and(|a| !a.is_negative());
    if plain && good {
        return;
    }
    let path = amount.path();
    match names {
        Names::Container => validate_container_resource_name(name, &path, errors),
        Names::PodLevel => {
            let before = errors.len();
            validate_resource_name(name, &path, errors);
            if errors.len() == before && !is_supported_pod_level_resource(name) {
                errors.push(amount.not_supported_value(name, &["cpu", "hugepages-", "memory"]));
            }
        }
    }
    validate_quantity(name, amount.str(), &path, errors);
}

fn validate_huge_pages(name: &str, amount: &At, errors: &mut ErrorList) {
    let Some(size) = name.strip_prefix("hugepages-").and_then(Amount::parse) else {
        return;
    };
    let Some(value) = Amount::parse(amount.str()) else {
        return;
    };
    let (value, size) = (value.value(), size.value());
    if size <= 0 || value % size != 0 {
        let detail = format!("{} is not positive integer multiple of {name}", amount.str());
        errors.push(amount.invalid(detail));
    }
}

/// `validateResourceName`
pub(crate) fn validate_resource_name(name: &str, path: &Path, errors: &mut ErrorList) {
    let wrong = names::qualified_name(name);
    if !wrong.is_empty() {
        errors.extend(wrong.into_iter().map(|w| Error::invalid(path, name, w)));
    } else if !name.contains('/') && !is_standard_resource(name) {
        errors.push(Error::invalid(path, name, "must be a standard resource type or fully qualified"));
    }
}

/// `validateContainerResourceName`
pub(crate) fn validate_container_resource_name(name: &str, path: &Path, errors: &mut ErrorList) {
    validate_resource_name(name, path, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page_resource(name) {
            errors.push(Error::invalid(path, name, "must be a standard resource for containers"));
        }
    } else if !is_native_resource(name) && !is_extended_resource(name) {
        errors.push(Error::invalid(path, name, "doesn't follow extended resource name standard"));
    }
}

/// `ValidateResourceQuantityValue`
pub(crate) fn validate_quantity(name: &str, text: &str, path: &Path, errors: &mut ErrorList) {
    let Some(amount) = Amount::parse(text) else { return };
    if amount.is_negative() {
        errors.push(Error::invalid(path, text, "must be greater than or equal to 0"));
    }
    if is_integer_resource(name) && !amount.is_integer() {
        errors.push(Error::invalid(path, text, "must be an integer"));
    }
}

pub(super) fn is_huge_page_resource(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Without a domain, or in Kubernetes' own.
pub(crate) fn is_native_resource(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Someone else's resource, with a name that also works as `requests.<name>` in a quota.
pub(crate) fn is_extended_resource(name: &str) -> bool {
    !is_native_resource(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// `IsOvercommitAllowed`
pub(crate) fn is_overcommit_allowed(name: &str) -> bool {
    is_native_resource(name) && !is_huge_page_resource(name)
}

fn is_integer_resource(name: &str) -> bool {
    matches!(
        name,
        "pods"
            | "services"
            | "replicationcontrollers"
            | "resourcequotas"
            | "secrets"
            | "configmaps"
            | "persistentvolumeclaims"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_extended_resource(name)
}

/// `IsStandardResourceName`
fn is_standard_resource(name: &str) -> bool {
    let plain = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
    matches!(plain, "cpu" | "memory" | "ephemeral-storage")
        || is_huge_page_resource(name.strip_prefix("requests.").unwrap_or(name))
        || name == "requests.storage"
        || name == "storage"
        || matches!(name, "pods" | "services" | "replicationcontrollers" | "resourcequotas" | "secrets")
        || matches!(name, "configmaps" | "persistentvolumeclaims" | "services.nodeports" | "services.loadbalancers")
}

/// `validatePodResourceClaims`
pub(super) fn validate_pod_claims(claims: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for claim in claims.items() {
        let name = claim.at("name");
        if name.is_empty() {
            errors.push(name.required(""));
        } else if !seen.insert(name.str()) {
            errors.push(name.duplicate());
        } else {
            name.check(errors, names::dns1123_label);
        }
        let (direct, template) = (claim.at("resourceClaimName"), claim.at("resourceClaimTemplateName"));
        let detail = match (direct.exists(), template.exists()) {
            (true, true) => Some("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"),
            (false, false) => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            _ => None,
        };
        errors.extend(detail.map(|detail| claim.invalid_struct("io.k8s.api.core.v1.PodResourceClaim", detail)));
        for at in [direct, template].iter().filter(|at| at.exists()) {
            at.check(errors, names::dns1123_subdomain);
        }
    }
}

/// `validateResourceClaimNames`
pub(super) fn validate_claim_names(claims: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for claim in claims.items() {
        let (name, request) = (claim.at("name").str(), claim.at("request"));
        if name.is_empty() {
            errors.push(claim.required(""));
            continue;
        }
        let duplicate = |key: &str| Error::duplicate(&claim.path(), key);
        if seen.contains(name) {
            errors.push(duplicate(name));
        } else {
            let mut key = name.to_owned();
            if !request.is_empty() {
                request.check(errors, names::dns1123_label);
                key = format!("{name}/{}", request.str());
            }
            if seen.contains(&key) {
                errors.push(duplicate(&key));
            } else if request.is_empty() {
                let overlaps = seen.iter().filter(|k| k.split_once('/').is_some_and(|(claim, _)| claim == name));
                errors.extend(overlaps.map(|_| duplicate(name)));
            }
            seen.insert(key);
        }
        if !context.claims.contains(name) {
            let mut error = Error::not_found(&claim.path(), name);
            let known: Vec<&str> = context.claims.iter().copied().collect();
            let list = if known.is_empty() { " which is empty".to_owned() } else { format!(": {}", known.join(", ")) };
            error.detail = format!("must be one of the names in pod.spec.resourceClaims{list}");
            errors.push(error);
        }
    }
}
