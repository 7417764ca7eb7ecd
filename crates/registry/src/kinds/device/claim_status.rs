//! What a claim has been given, who may use it, and what drivers tell of the devices.

use super::claim_spec::RequestNames;
use super::configuration::{validate_configuration, validate_raw, validate_request_names};
use super::names::{validate_pool_name, validate_uid};
use super::refuse_duplicates;
use super::taint::{validate_binding, validate_toleration};
use crate::At;
use crate::conditions::validate_conditions;
use crate::kinds::csi::validate_driver_name;
use crate::names;
use crate::object::validate_immutable_struct;
use crate::pod::validate_node_selector;
use api::field::{Error, ErrorList};
use serde_json::Value;
use std::collections::BTreeSet;

const MAX_RESERVATIONS: usize = 256;
const MAX_RESULTS: usize = 32;
/// Those of the class and those of the claim.
const MAX_CONFIGURATIONS: usize = 2 * 32;
const MAX_CONDITIONS: usize = 8;
const MAX_ADDRESSES: usize = 16;
/// The longest texts, in bytes.
const MAX_DATA_BYTES: usize = 10 * 1024;
const MAX_INTERFACE_NAME_BYTES: usize = 256;
const MAX_HARDWARE_ADDRESS_BYTES: usize = 128;
const ALLOCATION: &str = "io.k8s.api.resource.v1.AllocationResult";

/// Driver, pool, device and share: what a device is known by. The share is left out where shares do not count.
fn device_id(device: &Value, with_share: bool) -> [&str; 4] {
    let text = |field: &str| device.get(field).and_then(Value::as_str).unwrap_or_default();
    [text("driver"), text("pool"), text("device"), if with_share { text("shareID") } else { "" }]
}

fn results(claim: &Value) -> impl Iterator<Item = &Value> {
    claim["status"]["allocation"]["devices"]["results"].as_array().into_iter().flatten()
}

/// `dropDeallocatedStatusDevices`: what drivers told of devices goes with the devices.
pub(super) fn drop_released_devices(new: &mut Value, old: &Value) {
    let kept: BTreeSet<[&str; 4]> = results(new).map(|result| device_id(result, false)).collect();
    let released: BTreeSet<[&str; 4]> =
        results(old).map(|result| device_id(result, false)).filter(|id| !kept.contains(id)).collect();
    let Some(devices) = new["status"]["devices"].as_array() else { return };
    let left: Vec<Value> =
        devices.iter().filter(|device| !released.contains(&device_id(device, false))).cloned().collect();
    if let Some(status) = new["status"].as_object_mut() {
        crate::object::put(status, "devices", (!left.is_empty()).then_some(Value::Array(left)));
    }
}

/// `ValidateResourceClaimStatusUpdate`
pub(super) fn validate_status_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (new_root, old_root) = (At::root(new), At::root(old));
    let (status, old_status) = (new_root.at("status"), old_root.at("status"));
    let known = RequestNames::of(&new_root.at("spec").at("devices"));
    let reserved = status.at("reservedFor");
    if !reserved.is_too_many(&mut errors, MAX_RESERVATIONS) {
        for user in reserved.items() {
            ["resource", "name", "uid"].iter().for_each(|field| user.at(field).require(&mut errors));
        }
        refuse_duplicates(&reserved, |user| user.at("uid").str(), &mut errors);
    }
    validate_devices(new, &status.at("devices"), &mut errors);
    let is_deleted = new_root.at("metadata").at("deletionTimestamp").exists();
    validate_reservations(&status, &old_status, is_deleted, &mut errors);
    let (allocation, old_allocation) = (status.at("allocation"), old_status.at("allocation"));
    if allocation.exists() && old_allocation.exists() {
        validate_immutable_struct(&allocation, &old_allocation, ALLOCATION, &mut errors);
    } else if allocation.exists() {
        validate_allocation(&allocation, &known, &mut errors);
    }
    errors
}

fn validate_reservations(status: &At, old: &At, is_deleted: bool, errors: &mut ErrorList) {
    let reserved = status.at("reservedFor");
    if reserved.is_empty() {
        return;
    }
    if !status.at("allocation").exists() {
        errors.push(reserved.forbidden("may not be specified when `allocated` is not set"));
        return;
    }
    let before = old.at("reservedFor");
    let is_new = |user: &Value| before.items().all(|one| one.value() != Some(user));
    if is_deleted && reserved.items().any(|user| user.value().is_some_and(is_new)) {
        let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.push(reserved.forbidden(why));
    }
}

fn validate_allocation(allocation: &At, known: &RequestNames<'_>, errors: &mut ErrorList) {
    let devices = allocation.at("devices");
    let results = devices.at("results");
    if !results.is_too_many(errors, MAX_RESULTS) {
        results.items().for_each(|result| validate_result(&result, known, errors));
    }
    let configurations = devices.at("config");
    if !configurations.is_too_many(errors, MAX_CONFIGURATIONS) {
        for configuration in configurations.items() {
            configuration.at("source").require_one_of(errors, &["FromClaim", "FromClass"]);
            validate_request_names(&configuration.at("requests"), known, errors);
            validate_configuration(&configuration, false, errors);
        }
    }
    if allocation.at("nodeSelector").exists() {
        validate_node_selector(&allocation.at("nodeSelector"), errors);
    }
}

fn validate_result(result: &At, known: &RequestNames<'_>, errors: &mut ErrorList) {
    known.validate(&result.at("request"), errors);
    validate_driver_name(&result.at("driver"), errors);
    validate_pool_name(&result.at("pool"), errors);
    result.at("device").check(errors, names::dns1123_label);
    validate_binding(result, errors);
    result.at("tolerations").items().for_each(|toleration| validate_toleration(&toleration, errors));
    if result.at("shareID").exists() {
        validate_uid(&result.at("shareID"), errors);
    }
}

fn validate_devices(claim: &Value, devices: &At, errors: &mut ErrorList) {
    let allocated: BTreeSet<[&str; 4]> = results(claim).map(|result| device_id(result, true)).collect();
    let id = |device: &At<'_, '_>| device.value().map(|value| device_id(value, true).map(str::to_owned));
    for device in devices.items() {
        validate_driver_name(&device.at("driver"), errors);
        validate_pool_name(&device.at("pool"), errors);
        device.at("device").check(errors, names::dns1123_label);
        if device.at("shareID").exists() {
            validate_uid(&device.at("shareID"), errors);
        }
        if device.value().is_some_and(|value| !allocated.contains(&device_id(value, true))) {
            errors.push(device.invalid("must be an allocated device in the claim").printed_as(OPAQUE_ID.to_owned()));
        }
        validate_told(&device, errors);
    }
    let mut seen = BTreeSet::new();
    for device in devices.items().filter(|device| !seen.insert(id(device))) {
        errors.push(device.duplicate().printed_as(OPAQUE_ID.to_owned()));
    }
}

/// The id of a device as upstream prints it: interned strings, which show nothing.
const OPAQUE_ID: &str = r#"{"Driver":{},"Pool":{},"Device":{},"ShareID":{}}"#;

/// What a driver tells of a device.
fn validate_told(device: &At, errors: &mut ErrorList) {
    let (conditions, data, network) = (device.at("conditions"), device.at("data"), device.at("networkData"));
    conditions.is_too_many(errors, MAX_CONDITIONS);
    validate_conditions(&conditions, errors);
    if data.exists() {
        validate_raw(&data, MAX_DATA_BYTES, errors);
    }
    let limits = [("interfaceName", MAX_INTERFACE_NAME_BYTES), ("hardwareAddress", MAX_HARDWARE_ADDRESS_BYTES)];
    for (field, max) in limits {
        if network.at(field).len() > max {
            errors.push(network.at(field).too_long(max));
        }
    }
    let addresses = network.at("ips");
    if !addresses.is_too_many(errors, MAX_ADDRESSES) {
        errors.extend(addresses.items().filter_map(|address| wrong_address(&address)));
        refuse_duplicates(&addresses, |item| item.str(), errors);
    }
}

/// `IsValidInterfaceAddress`
fn wrong_address(address: &At) -> Option<Error> {
    let Some((ip, bits)) = names::parse_cidr(address.str()) else {
        let why = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        return Some(address.invalid(why));
    };
    let canonical = format!("{ip}/{bits}");
    (canonical != address.str()).then(|| address.invalid(format!("must be in canonical form (\"{canonical}\")")))
}
