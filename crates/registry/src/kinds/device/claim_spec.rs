//! What a claim asks for: requests, constraints between what they get, configurations.

use super::configuration::{MAX_REQUESTS, validate_configuration, validate_request_names};
use super::names::validate_full_name;
use super::selector::validate_selectors;
use super::taint::validate_toleration;
use super::{name_of, refuse_duplicates};
use crate::At;
use crate::names;
use crate::object::{child, children, default_int, default_str, str_at};
use api::field::ErrorList;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const MAX_CONSTRAINTS: usize = 32;
const MAX_CONFIGURATIONS: usize = 32;
const MAX_ALTERNATIVES: usize = 8;
const ONE_SORT: &str = "exactly one of `exactly` or `firstAvailable` is required";

/// `SetDefaults_ExactDeviceRequest`, `SetDefaults_DeviceSubRequest`: one device, and tolerations by equality.
pub(super) fn default_spec(spec: &mut Map<String, Value>) {
    let Some(devices) = child(spec, "devices") else { return };
    for request in children(devices, "requests") {
        if let Some(exactly) = child(request, "exactly") {
            default_request(exactly);
        }
        children(request, "firstAvailable").for_each(default_request);
    }
}

fn default_request(request: &mut Map<String, Value>) {
    default_str(request, "allocationMode", "ExactCount");
    if str_at(request, "allocationMode") == "ExactCount" {
        default_int(request, "count", 1);
    }
    children(request, "tolerations").for_each(|toleration| default_str(toleration, "operator", "Equal"));
}

/// The requests of a claim and the alternatives below each.
pub(super) struct RequestNames<'v>(BTreeMap<&'v str, BTreeSet<&'v str>>);

impl<'v> RequestNames<'v> {
    /// `gatherRequestNames`
    pub fn of(devices: &At<'_, 'v>) -> Self {
        let alternatives =
            |request: &At<'_, 'v>| request.at("firstAvailable").items().map(|sub| name_of(&sub)).collect();
        Self(devices.at("requests").items().map(|request| (name_of(&request), alternatives(&request))).collect())
    }

    fn has(&self, name: &str) -> bool {
        match name.split_once('/') {
            None => self.0.contains_key(name),
            Some((request, sub)) => self.0.get(request).is_some_and(|subs| subs.contains(sub)),
        }
    }

    /// `validateRequestNameRef`
    pub fn validate(&self, name: &At, errors: &mut ErrorList) {
        const UNKNOWN: &str =
            "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
        if name.str().matches('/').count() > 1 {
            errors.push(name.invalid(UNKNOWN));
            return;
        }
        for part in name.str().split('/') {
            errors.extend(names::dns1123_label(part).into_iter().map(|wrong| name.invalid_value(part, wrong)));
        }
        if !self.has(name.str()) {
            errors.push(name.invalid(UNKNOWN));
        }
    }
}

/// `validateResourceClaimSpec`
pub(super) fn validate_spec(spec: &At, errors: &mut ErrorList) {
    let devices = spec.at("devices");
    let known = RequestNames::of(&devices);
    let requests = devices.at("requests");
    if !requests.is_too_many(errors, MAX_REQUESTS) {
        requests.items().for_each(|request| validate_request(&request, errors));
        refuse_duplicates(&requests, name_of, errors);
    }
    let constraints = devices.at("constraints");
    if !constraints.is_too_many(errors, MAX_CONSTRAINTS) {
        constraints.items().for_each(|constraint| validate_constraint(&constraint, &known, errors));
    }
    let configurations = devices.at("config");
    if !configurations.is_too_many(errors, MAX_CONFIGURATIONS) {
        for configuration in configurations.items() {
            validate_request_names(&configuration.at("requests"), &known, errors);
            validate_configuration(&configuration, false, errors);
        }
    }
}

fn validate_request(request: &At, errors: &mut ErrorList) {
    request.at("name").check(errors, names::dns1123_label);
    let (exactly, alternatives) = (request.at("exactly"), request.at("firstAvailable"));
    match (exactly.exists(), !alternatives.is_empty()) {
        (false, false) => errors.push(request.required(ONE_SORT)),
        (true, true) => {
            errors.push(request.invalid_value(Value::Null, format!("{ONE_SORT}, but multiple fields are set")));
        }
        (true, false) => validate_one(&exactly, errors),
        (false, true) => {
            if alternatives.is_too_many(errors, MAX_ALTERNATIVES) {
                return;
            }
            for alternative in alternatives.items() {
                alternative.at("name").check(errors, names::dns1123_label);
                validate_one(&alternative, errors);
            }
            refuse_duplicates(&alternatives, name_of, errors);
        }
    }
}

fn validate_one(request: &At, errors: &mut ErrorList) {
    request.at("deviceClassName").require_and_check(errors, names::dns1123_subdomain);
    validate_selectors(&request.at("selectors"), false, errors);
    let (mode, count) = (request.at("allocationMode"), request.at("count"));
    let number = count.int().unwrap_or(0);
    match mode.str() {
        "All" if number != 0 => errors.push(count.invalid("must not be specified when allocationMode is 'All'")),
        "ExactCount" if number <= 0 => errors.push(count.invalid_value(number, "must be greater than zero")),
        "All" | "ExactCount" => {}
        _ => errors.push(mode.not_supported(&["All", "ExactCount"])),
    }
    request.at("tolerations").items().for_each(|toleration| validate_toleration(&toleration, errors));
}

fn validate_constraint(constraint: &At, known: &RequestNames<'_>, errors: &mut ErrorList) {
    validate_request_names(&constraint.at("requests"), known, errors);
    let (same, distinct) = (constraint.at("matchAttribute"), constraint.at("distinctAttribute"));
    if same.exists() {
        validate_full_name(&same, errors);
    } else if distinct.exists() {
        validate_full_name(&distinct, errors);
    } else {
        let why = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
        errors.push(constraint.required(why));
    }
}
