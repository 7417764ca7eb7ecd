//! Slices of a driver's pool: which devices there are, and where.

use super::names::validate_pool_name;
use super::offer::{Where, default_device, has_advanced_features, validate_counters, validate_device};
use super::{name_of, refuse_duplicates};
use crate::kinds::csi::validate_driver_name;
use crate::names;
use crate::object::{child, children, validate_immutable};
use crate::pod::validate_node_selector;
use crate::{At, Occasion, Strategy, Update};
use api::field::ErrorList;
use serde_json::Value;
use std::borrow::Cow;

const MAX_DEVICES: usize = 128;
/// The same where devices are tainted or consume counters.
const MAX_ADVANCED_DEVICES: usize = 64;
const MAX_COUNTER_SETS: usize = 8;
const MAX_COUNTERS_PER_SET: usize = 32;
const ONE_PLACE: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
const TERM: &str = "io.k8s.api.core.v1.NodeSelectorTerm";

/// The strategy of slices.
#[derive(Debug)]
pub(crate) struct ResourceSlice;

impl Strategy for ResourceSlice {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = object.as_object_mut().and_then(|slice| child(slice, "spec")) {
            children(spec, "devices").for_each(default_device);
        }
    }

    /// `SetDefaults_DeviceTaint`: a taint without a time is one of now.
    fn stamp(&self, new: &mut Value, _old: Option<&Value>, occasion: &Occasion<'_>) {
        let Some(spec) = new.as_object_mut().and_then(|slice| child(slice, "spec")) else { return };
        for device in children(spec, "devices") {
            children(device, "taints").for_each(|taint| crate::object::default(taint, "timeAdded", occasion.now));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate(object, None)
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        validate(update.new, Some(update.old))
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let driver = new["spec"]["driver"].as_str().unwrap_or_default();
        if driver.chars().any(char::is_uppercase) {
            let quoted = api::field::go_quote(driver);
            return vec![format!(
                "spec.driver: driver names should be lowercase; {quoted} contains uppercase characters"
            )];
        }
        Vec::new()
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let text = |field: &str| object["spec"][field].as_str().unwrap_or_default().to_owned();
        vec![("spec.driver".into(), text("driver")), ("spec.nodeName".into(), text("nodeName"))]
    }
}

/// `validateResourceSliceSpec`
fn validate(new: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = At::root(new);
    let (spec, pool) = (root.at("spec"), root.at("spec"));
    let pool = pool.at("pool");
    validate_driver_name(&spec.at("driver"), &mut errors);
    validate_pool_name(&pool.at("name"), &mut errors);
    let (slices, generation) = (pool.at("resourceSliceCount"), pool.at("generation"));
    if slices.int().unwrap_or(0) <= 0 {
        errors.push(slices.invalid_value(slices.int().unwrap_or(0), "must be greater than zero"));
    }
    if generation.int().unwrap_or(0) < 0 {
        errors.push(generation.invalid("must be greater than or equal to zero"));
    }
    if let Some(old) = old {
        let old_root = At::root(old);
        let old = old_root.at("spec");
        validate_immutable(&pool.at("name"), &old.at("pool").at("name"), &mut errors);
        validate_immutable(&spec.at("driver"), &old.at("driver"), &mut errors);
        validate_immutable(&spec.at("nodeName"), &old.at("nodeName"), &mut errors);
    }
    validate_place(&spec, &mut errors);
    let (counters, devices) = (spec.at("sharedCounters"), spec.at("devices"));
    if counters.exists() && devices.exists() {
        errors.push(spec.invalid_value("", "only one of `sharedCounters` or `devices` is allowed"));
    }
    let advanced = devices.items().any(|device| has_advanced_features(&device));
    if !devices.is_too_many(&mut errors, if advanced { MAX_ADVANCED_DEVICES } else { MAX_DEVICES }) {
        let place = if spec.at("perDeviceNodeSelection").bool() { Where::EachItself } else { Where::SliceSays };
        let before = |name: &str| {
            let devices = old.and_then(|old| old["spec"]["devices"].as_array());
            devices.into_iter().flatten().find(|device| device["name"] == name)
        };
        devices.items().for_each(|device| validate_device(&device, before(name_of(&device)), place, &mut errors));
        refuse_duplicates(&devices, name_of, &mut errors);
    }
    if !counters.is_too_many(&mut errors, MAX_COUNTER_SETS) {
        for set in counters.items() {
            set.at("name").require_and_check(&mut errors, names::dns1123_label);
            validate_counters(&set.at("counters"), MAX_COUNTERS_PER_SET, &mut errors);
        }
        refuse_duplicates(&counters, name_of, &mut errors);
    }
    errors
}

/// Where the devices are: on one node, on some, on all, or each tells.
fn validate_place(spec: &At, errors: &mut ErrorList) {
    let mut set = Vec::new();
    let (node, selector) = (spec.at("nodeName"), spec.at("nodeSelector"));
    if node.exists() && node.is_empty() {
        errors.push(node.invalid("must be either unset or set to a non-empty string"));
    } else if node.exists() {
        set.push("`nodeName`");
        node.check(errors, names::dns1123_subdomain);
    }
    if selector.exists() {
        set.push("`nodeSelector`");
        validate_node_selector(&selector, errors);
        let terms = selector.at("nodeSelectorTerms");
        if terms.len() != 1 {
            errors.push(terms.invalid_structs(TERM, "must have exactly one node selector term"));
        }
    }
    for (field, shown) in [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")] {
        let flag = spec.at(field);
        if flag.exists() && !flag.bool() {
            errors.push(flag.invalid("must be either unset or set to true"));
        } else if flag.exists() {
            set.push(shown);
        }
    }
    match set.len() {
        0 => errors.push(spec.required(ONE_PLACE)),
        1 => {}
        _ => {
            let why = format!("{ONE_PLACE}, but multiple fields are set");
            errors.push(spec.invalid_value(format!("{{{}}}", set.join(", ")), why));
        }
    }
}
