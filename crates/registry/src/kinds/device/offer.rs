//! One device that a driver offers: attributes, capacities, counters that it shares with others, taints.

use super::capacity::validate_capacity;
use super::names::{shown, validate_qualified_name};
use super::refuse_duplicates;
use super::taint::{validate_binding, validate_taint};
use crate::At;
use crate::names;
use crate::object::child;
use crate::pod::validate_node_selector;
use api::field::ErrorList;
use serde_json::{Map, Value};

/// How many attributes and capacities a device has together, how many taints, how many sets of counters it consumes.
const MAX_ATTRIBUTES_AND_CAPACITIES: usize = 32;
const MAX_TAINTS: usize = 16;
const MAX_CONSUMED_SETS: usize = 2;
const MAX_COUNTERS_PER_CONSUMPTION: usize = 32;
/// The longest value of an attribute, in bytes.
const MAX_VALUE_BYTES: usize = 64;
const ITSELF: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";

/// Who says where a device is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Where {
    /// The slice, for all of its devices.
    SliceSays,
    /// Each device.
    EachItself,
}

/// Drops what belongs to features that are off: lists as attributes, node-allocatable mappings.
pub(super) fn default_device(device: &mut Map<String, Value>) {
    device.remove("nodeAllocatableResourceMappings");
    let Some(attributes) = child(device, "attributes") else { return };
    for attribute in attributes.values_mut().filter_map(Value::as_object_mut) {
        attribute.retain(|field, _| !matches!(field.as_str(), "bools" | "ints" | "strings" | "versions"));
    }
}

/// Whether slices with such a device may only hold half as many.
pub(super) fn has_advanced_features(device: &At) -> bool {
    !device.at("taints").is_empty() || !device.at("consumesCounters").is_empty()
}

/// `validateDevice`. What is as it was in `old` is not looked at again where upstream has become stricter.
pub(super) fn validate_device(device: &At, old: Option<&Value>, place: Where, errors: &mut ErrorList) {
    let (attributes, capacity, taints) = (device.at("attributes"), device.at("capacity"), device.at("taints"));
    let is_as_before = |field: &At, name: &str| old.is_some_and(|old| old.get(name) == field.value());
    device.at("name").check(errors, names::dns1123_label);
    let count = attributes.len() + capacity.len();
    if count > MAX_ATTRIBUTES_AND_CAPACITIES {
        let max = MAX_ATTRIBUTES_AND_CAPACITIES;
        let why = format!("the total number of attributes and capacities must not exceed {max}");
        errors.push(device.invalid_value(count, why));
    }
    for (name, attribute) in attributes.entries() {
        validate_qualified_name(&attributes, name, errors);
        validate_attribute(&attributes.elsewhere_key(&shown(name), attribute.value()), errors);
    }
    if !is_as_before(&capacity, "capacity") {
        let is_shared = device.at("allowMultipleAllocations").bool();
        for (name, amount) in capacity.entries() {
            validate_qualified_name(&capacity, name, errors);
            validate_capacity(&capacity.elsewhere_key(&shown(name), amount.value()), is_shared, errors);
        }
    }
    if !is_as_before(&taints, "taints") && !taints.is_too_many(errors, MAX_TAINTS) {
        taints.items().for_each(|taint| validate_taint(&taint, errors));
    }
    validate_consumption(&device.at("consumesCounters"), errors);
    validate_place(device, place, errors);
    validate_binding(device, errors);
}

/// Versions of semver.org 2.0.0, without a regular expression: three numbers, pre-release, build.
fn is_semantic_version(text: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_pre_release = |part: &str| is_word(part) && (is_number(part) || !part.bytes().all(|b| b.is_ascii_digit()));
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (numbers, pre_release) = text.split_once('-').map_or((text, None), |(text, pre)| (text, Some(pre)));
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && pre_release.is_none_or(|pre| pre.split('.').all(is_pre_release))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn validate_attribute(attribute: &At, errors: &mut ErrorList) {
    let (text, version) = (attribute.at("string"), attribute.at("version"));
    if text.len() > MAX_VALUE_BYTES {
        errors.push(text.too_long(MAX_VALUE_BYTES));
    }
    if version.exists() {
        if !is_semantic_version(version.str()) {
            errors.push(version.invalid("must be a string compatible with semver.org spec 2.0.0"));
        }
        if version.len() > MAX_VALUE_BYTES {
            errors.push(version.too_long(MAX_VALUE_BYTES));
        }
    }
    let set = ["bool", "int", "string", "version"].iter().filter(|field| attribute.at(field).exists()).count();
    match set {
        0 => errors.push(attribute.invalid_value("", "exactly one value must be specified")),
        1 => {}
        _ => {
            let definition = "io.k8s.api.resource.v1.DeviceAttribute";
            errors.push(attribute.invalid_struct(definition, "exactly one value must be specified"));
        }
    }
}

/// The counters of a set, or those that a device takes from one.
pub(super) fn validate_counters(counters: &At, max: usize, errors: &mut ErrorList) {
    if counters.is_empty() {
        errors.push(counters.required(""));
    } else if !counters.is_too_many(errors, max) {
        for (name, _) in counters.entries() {
            let wrong = names::dns1123_label(name);
            errors.extend(wrong.into_iter().map(|wrong| counters.invalid_value(name, wrong)));
        }
    }
}

fn validate_consumption(consumption: &At, errors: &mut ErrorList) {
    if consumption.is_too_many(errors, MAX_CONSUMED_SETS) {
        return;
    }
    for set in consumption.items() {
        set.at("counterSet").require_and_check(errors, names::dns1123_label);
        validate_counters(&set.at("counters"), MAX_COUNTERS_PER_CONSUMPTION, errors);
    }
    refuse_duplicates(consumption, |set| set.at("counterSet").str(), errors);
}

fn validate_place(device: &At, place: Where, errors: &mut ErrorList) {
    let (node, selector, all) = (device.at("nodeName"), device.at("nodeSelector"), device.at("allNodes"));
    if place == Where::SliceSays {
        if node.exists() || selector.exists() || all.exists() {
            let why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errors.push(device.invalid_value(Value::Null, why));
        }
        return;
    }
    let mut set = Vec::new();
    if node.exists() && node.is_empty() {
        errors.push(node.invalid("must not be empty"));
    } else if node.exists() {
        set.push("`nodeName`");
        node.check(errors, names::dns1123_subdomain);
    }
    if selector.exists() {
        set.push("`nodeSelector`");
        validate_node_selector(&selector, errors);
    }
    if all.exists() && !all.bool() {
        errors.push(all.invalid("must be either unset or set to true"));
    } else if all.exists() {
        set.push("`allNodes`");
    }
    match set.len() {
        0 => errors.push(device.required(ITSELF)),
        1 => {}
        _ => errors.push(device.invalid_value(format!("{{{}}}", set.join(", ")), ITSELF)),
    }
}
