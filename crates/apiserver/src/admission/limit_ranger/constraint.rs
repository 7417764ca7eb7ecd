//! The bounds of one item of a LimitRange: min, max, and how far limit and request may lie apart.

use super::text;
use api::quantity::Quantity;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Amounts up to this are compared by thousandths.
const MAX_MILLI_VALUE: i64 = i64::MAX / 1000;

/// What a container or a pod asks for and may use at most.
pub(super) struct Amounts {
    requests: BTreeMap<String, Quantity>,
    limits: BTreeMap<String, Quantity>,
}

impl Amounts {
    pub fn of_container(container: &Value) -> Self {
        Self { requests: read(&container["resources"]["requests"]), limits: read(&container["resources"]["limits"]) }
    }

    /// The pod as a whole.
    pub fn of_pod(spec: &Value) -> Self {
        let empty = Map::new();
        let spec = spec.as_object().unwrap_or(&empty);
        Self { requests: registry::quota::pod_requests(spec), limits: registry::quota::pod_limits(spec) }
    }
}

fn read(amounts: &Value) -> BTreeMap<String, Quantity> {
    let entries = amounts.as_object().into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.clone(), Quantity::parse(text(amount)).ok()?))).collect()
}

/// `minConstraint`, `maxConstraint` and `limitRequestRatioConstraint`.
pub(super) fn check(item: &Value, amounts: &Amounts, wrong: &mut Vec<String>) {
    let kind = text(&item["type"]);
    let both = |name: &str| (amounts.requests.get(name), amounts.limits.get(name));
    for (name, least) in read(&item["min"]) {
        let (request, limit) = both(&name);
        let must = format!("minimum {name} usage per {kind} is {least}");
        match (request, limit) {
            (None, _) => wrong.push(format!("{must}.  No request is specified")),
            (Some(request), _) if *request < least => wrong.push(format!("{must}, but request is {request}")),
            (_, Some(limit)) if *limit < least => wrong.push(format!("{must}, but limit is {limit}")),
            _ => {}
        }
    }
    for (name, most) in read(&item["max"]) {
        let (request, limit) = both(&name);
        let must = format!("maximum {name} usage per {kind} is {most}");
        match (request, limit) {
            (_, None) => wrong.push(format!("{must}.  No limit is specified")),
            (_, Some(limit)) if *limit > most => wrong.push(format!("{must}, but limit is {limit}")),
            (Some(request), _) if *request > most => wrong.push(format!("{must}, but request is {request}")),
            _ => {}
        }
    }
    for (name, most) in read(&item["maxLimitRequestRatio"]) {
        let (request, limit) = both(&name);
        let must = format!("{name} max limit to request ratio per {kind} is {most}, but");
        let positive = |amount: Option<&Quantity>| amount.copied().filter(|amount| !amount.is_zero());
        match (positive(request), positive(limit)) {
            (None, _) => wrong.push(format!("{must} no request is specified or request is 0")),
            (_, None) => wrong.push(format!("{must} no limit is specified or limit is 0")),
            (Some(request), Some(limit)) => {
                let ratio = ratio(&limit, &request);
                if ratio * 1000.0 > most.milli_value() as f64 {
                    wrong.push(format!("{must} provided ratio is {ratio:.6}"));
                }
            }
        }
    }
}

/// Limit over request; in thousandths where both can be counted so.
fn ratio(limit: &Quantity, request: &Quantity) -> f64 {
    if limit.value() <= MAX_MILLI_VALUE && request.value() <= MAX_MILLI_VALUE {
        limit.milli_value() as f64 / request.milli_value() as f64
    } else {
        limit.value() as f64 / request.value() as f64
    }
}

/// Bounds of what a claim asks for.
pub(super) fn check_claim(item: &Value, requests: &Value, wrong: &mut Vec<String>) {
    let kind = text(&item["type"]);
    let requests = read(requests);
    for (bound, field) in [("minimum", "min"), ("maximum", "max")] {
        for (name, amount) in read(&item[field]) {
            let must = format!("{bound} {name} usage per {kind} is {amount}");
            match requests.get(&name) {
                None => wrong.push(format!("{must}.  No request is specified")),
                Some(request)
                    if (bound == "minimum" && *request < amount) || (bound == "maximum" && *request > amount) =>
                {
                    wrong.push(format!("{must}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
    }
}
