//! What CSI drivers tell a cluster: drivers, their nodes, capacities, classes of volume attributes.

use super::storage::{validate_parameters, validate_provisioner};
use crate::labels::{LABEL_SELECTOR, validate_label_selector};
use crate::object::{child, default, validate_immutable, validate_immutable_struct};
use crate::pod::old_label;
use crate::quantity::Amount;
use crate::{At, Strategy, Subresource, Update, names};
use api::field::{Error, ErrorList};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The longest name of a driver, in bytes.
const MAX_DRIVER_NAME_BYTES: usize = 63;
/// The longest id that a driver has for a node, in bytes.
const MAX_NODE_ID_BYTES: usize = 256;
/// The shortest life of a token, in seconds.
const MIN_TOKEN_SECONDS: i64 = 600;

/// Upstream's paths misname this field.
const ATTACH_REQUIRED: (&str, &str) = ("attachRequired", "attachedRequired");

/// `ValidateCSIDriverName`
pub(crate) fn validate_driver_name(name: &At, errors: &mut ErrorList) {
    name.require(errors);
    if name.len() > MAX_DRIVER_NAME_BYTES {
        errors.push(name.too_long(MAX_DRIVER_NAME_BYTES));
    }
    if !name.is_empty() {
        let wrong = names::dns1123_subdomain(&name.str().to_lowercase());
        errors.extend(wrong.into_iter().map(|why| name.invalid(why)));
    }
}

/// The strategy of CSI drivers.
#[derive(Debug)]
pub(crate) struct CsiDriver;

impl Strategy for CsiDriver {
    fn default(&self, object: &mut Value) {
        let Value::Object(driver) = object else { return };
        let Some(spec) = child(driver, "spec") else { return };
        default(spec, "attachRequired", true);
        default(spec, "podInfoOnMount", false);
        default(spec, "storageCapacity", false);
        default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        default(spec, "volumeLifecycleModes", json!(["Persistent"]));
        default(spec, "requiresRepublish", false);
        default(spec, "seLinuxMount", false);
    }

    fn prepare_for_create(&self, object: &mut Value) {
        drop_scheduling(object, &Value::Null);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, _subresource: Option<Subresource>) {
        drop_scheduling(new, old);
        if MUTABLE_FIELDS.iter().any(|field| new["spec"][field] != old["spec"][field]) {
            let before = old["metadata"]["generation"].as_i64().unwrap_or(0);
            new["metadata"]["generation"] = (before + 1).into();
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let driver = At::root(object);
        let metadata = driver.at("metadata");
        validate_driver_name(&metadata.elsewhere("name", metadata.at("name").value()), &mut errors);
        let spec = driver.at("spec");
        for (field, shown) in
            [ATTACH_REQUIRED, ("podInfoOnMount", "podInfoOnMount"), ("storageCapacity", "storageCapacity")]
        {
            let flag = spec.at_as(field, shown);
            if !flag.exists() {
                errors.push(flag.required(""));
            }
        }
        spec.at("fsGroupPolicy").one_of(&mut errors, &["File", "None", "ReadWriteOnceWithFSType"]);
        validate_token_requests(&spec.at("tokenRequests"), &mut errors);
        let modes = spec.at("volumeLifecycleModes");
        for mode in modes.strings().filter(|mode| !matches!(*mode, "Ephemeral" | "Persistent")) {
            errors.push(modes.not_supported_value(mode, &["Persistent", "Ephemeral"]));
        }
        let period = spec.at("nodeAllocatableUpdatePeriodSeconds");
        if period.int().is_some_and(|seconds| seconds < 10) {
            errors.push(period.invalid("must be greater than or equal to 10 seconds"));
        }
        let in_secrets = spec.at("serviceAccountTokenInSecrets");
        if in_secrets.exists() && spec.at("tokenRequests").is_empty() {
            let why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
            errors.push(in_secrets.invalid(why));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        for (field, shown) in [ATTACH_REQUIRED, ("volumeLifecycleModes", "volumeLifecycleModes")] {
            let (spec, old_spec) = (new.at("spec"), old.at("spec"));
            validate_immutable(&spec.at_as(field, shown), &old_spec.at(field), &mut errors);
        }
        errors
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let driver = At::root(new);
        let spec = driver.at("spec");
        if spec.at("tokenRequests").is_empty() || spec.at("serviceAccountTokenInSecrets").exists() {
            return Vec::new();
        }
        let why = "is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";
        vec![format!("spec.serviceAccountTokenInSecrets {why}")]
    }
}

/// What counts in a driver's generation, which starts at none.
const MUTABLE_FIELDS: [&str; 5] = [
    "tokenRequests",
    "requiresRepublish",
    "seLinuxMount",
    "nodeAllocatableUpdatePeriodSeconds",
    "serviceAccountTokenInSecrets",
];

/// Scheduling by where drivers are is an alpha feature (VolumeLimitScaling), off in v1.36.
fn drop_scheduling(new: &mut Value, old: &Value) {
    const FIELD: &str = "preventPodSchedulingIfMissing";
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut).filter(|_| old["spec"].get(FIELD).is_none())
    {
        spec.remove(FIELD);
    }
}

fn validate_token_requests(requests: &At, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for request in requests.items() {
        let (audience, seconds) = (request.at("audience"), request.at("expirationSeconds"));
        if !seen.insert(audience.str()) {
            errors.push(Error::duplicate(&audience.path(), audience.str()));
            continue;
        }
        if seconds.int().is_some_and(|n| n < MIN_TOKEN_SECONDS) {
            errors.push(seconds.invalid("may not specify a duration less than 10 minutes"));
        }
        if seconds.int().is_some_and(|n| n > 1 << 32) {
            errors.push(seconds.invalid("may not specify a duration larger than 2^32 seconds"));
        }
    }
}

/// The strategy of CSI nodes: the drivers of one node.
#[derive(Debug)]
pub(crate) struct CsiNode;

impl Strategy for CsiNode {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let drivers = root.at("spec").at("drivers").value();
        let spec = root.at("spec");
        let mut seen = BTreeSet::new();
        for driver in spec.elsewhere("drivers", drivers).items() {
            let name = driver.at("name");
            validate_driver_name(&name, &mut errors);
            validate_node_driver(&driver, &mut errors);
            if !name.is_empty() && !seen.insert(name.str()) {
                errors.push(name.duplicate());
            }
        }
        errors
    }

    /// A driver that is there stays as it is, but for how much it takes; it can go, and others can come.
    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = self.validate(update.new);
        let drivers = |node: &Value| node["spec"]["drivers"].as_array().cloned().unwrap_or_default();
        let fixed = |driver: &Value| (driver["nodeID"].clone(), driver["topologyKeys"].clone());
        for new in drivers(update.new) {
            let old = drivers(update.old).into_iter().find(|old| old["name"] == new["name"]);
            if old.is_some_and(|old| fixed(&old) != fixed(&new)) {
                // The driver is shown without what may change.
                let mut shown = new.clone();
                shown.as_object_mut().map(|driver| driver.remove("allocatable"));
                let drivers = At::named("spec.drivers", Some(&shown));
                errors.push(drivers.invalid_struct("io.k8s.api.storage.v1.CSINodeDriver", "field is immutable"));
            }
        }
        errors
    }
}

fn validate_node_driver(driver: &At, errors: &mut ErrorList) {
    let id = driver.at("nodeID");
    if id.is_empty() {
        errors.push(id.required(""));
    } else if id.len() > MAX_NODE_ID_BYTES {
        errors.push(id.invalid(format!("must be {MAX_NODE_ID_BYTES} characters or less")));
    }
    let count = driver.at("allocatable");
    count.at("count").nonnegative(errors);
    let mut seen = BTreeSet::new();
    for key in driver.at("topologyKeys").items() {
        // Upstream blames the driver.
        if key.is_empty() {
            errors.push(driver.required(""));
        }
        if !seen.insert(key.str()) {
            errors.push(Error::duplicate(&driver.path(), key.str()));
        }
        let wrong = names::qualified_name(key.str());
        errors.extend(wrong.into_iter().map(|wrong| driver.invalid_value(key.str(), wrong)));
    }
}

/// The strategy of CSI storage capacities.
#[derive(Debug)]
pub(crate) struct CsiStorageCapacity;

impl Strategy for CsiStorageCapacity {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let capacity = At::root(object);
        validate_label_selector(&capacity.at("nodeTopology"), &mut errors);
        capacity.at("storageClassName").require_and_check(&mut errors, names::dns1123_subdomain);
        for field in ["capacity", "maximumVolumeSize"] {
            let amount = capacity.at(field);
            if Amount::parse(amount.str()).is_some_and(Amount::is_negative) {
                errors.push(amount.invalid("must be greater than or equal to 0"));
            }
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = self.validate(update.new);
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable_struct(&new.at("nodeTopology"), &old.at("nodeTopology"), LABEL_SELECTOR, &mut errors);
        validate_immutable(&new.at("storageClassName"), &old.at("storageClassName"), &mut errors);
        errors
    }

    /// `GetWarningsForCSIStorageCapacity`
    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        let capacity = At::root(new);
        let topology = capacity.at("nodeTopology");
        for expression in topology.at("matchExpressions").items() {
            let key = expression.at("key");
            let why = old_label(key.str());
            warnings.extend(why.map(|why| format!("{}: {} is {why}", key.path(), key.str())));
        }
        let labels = topology.at("matchLabels");
        for (key, _) in labels.entries() {
            warnings.extend(old_label(key).map(|why| format!("{}.{key}: {why}", labels.path())));
        }
        warnings
    }
}

/// The strategy of volume attributes classes.
#[derive(Debug)]
pub(crate) struct VolumeAttributesClass;

impl Strategy for VolumeAttributesClass {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let class = At::root(object);
        validate_provisioner(&class.at("driverName"), &mut errors);
        let parameters = class.at("parameters");
        validate_parameters(&parameters, &mut errors);
        if parameters.is_empty() {
            errors.push(parameters.required("must contain at least one key/value pair"));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        for field in ["driverName", "parameters"] {
            if new.at(field).value() != old.at(field).value() {
                errors.push(new.at(field).forbidden(format!("updates to {field} are forbidden.")));
            }
        }
        errors.extend(self.validate(update.new));
        errors
    }
}
