//! Rows of volumes, claims and what provides them.

use super::Row;
use super::cells::{age, name, or_unset};
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

/// Marks the default class.
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
/// Names the class of claims and volumes of old.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// `RWO,ROX`, in a fixed order and each once.
fn access_modes(modes: &At) -> Value {
    let order =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| modes.strings().any(|m| m == mode);
    let short: Vec<&str> = order.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect();
    short.join(",").into()
}

fn class_of(object: &At) -> Value {
    let (metadata, spec) = (object.at("metadata"), object.at("spec"));
    let annotations = metadata.at("annotations");
    match annotations.key(CLASS_ANNOTATION).str() {
        "" => spec.at("storageClassName").str().into(),
        class => class.into(),
    }
}

/// The phase, unless the object is on its way out.
fn phase(object: &At) -> Value {
    let (metadata, status) = (object.at("metadata"), object.at("status"));
    if metadata.at("deletionTimestamp").is_empty() { status.at("phase").str().into() } else { "Terminating".into() }
}

pub(super) fn volume(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let claim = spec.at("claimRef");
    let claim_text = match claim.exists() {
        true => format!("{}/{}", claim.at("namespace").str(), claim.at("name").str()),
        false => String::new(),
    };
    vec![
        name(object),
        spec.at("capacity").key("storage").str().into(),
        access_modes(&spec.at("accessModes")),
        spec.at("persistentVolumeReclaimPolicy").str().into(),
        phase(&root),
        claim_text.into(),
        class_of(&root),
        or_unset(spec.at("volumeAttributesClassName").str()),
        status.at("reason").str().into(),
        age(object, now),
        or_unset(spec.at("volumeMode").str()),
    ]
    .into()
}

pub(super) fn claim(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let volume = spec.at("volumeName").str();
    let (capacity, modes) = if volume.is_empty() {
        ("".into(), "".into())
    } else {
        let capacity = status.at("capacity");
        (super::cells::or(capacity.key("storage").str(), "0").into(), access_modes(&status.at("accessModes")))
    };
    vec![
        name(object),
        phase(&root),
        volume.into(),
        capacity,
        modes,
        class_of(&root),
        or_unset(spec.at("volumeAttributesClassName").str()),
        age(object, now),
        or_unset(spec.at("volumeMode").str()),
    ]
    .into()
}

pub(super) fn class(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let metadata = root.at("metadata");
    let annotations = metadata.at("annotations");
    let default = DEFAULT_CLASS.iter().any(|key| annotations.key(key).str() == "true");
    let mark = if default { " (default)" } else { "" };
    vec![
        format!("{}{mark}", metadata.at("name").str()).into(),
        root.at("provisioner").str().into(),
        root.at("reclaimPolicy").str().into(),
        root.at("volumeBindingMode").str().into(),
        root.at("allowVolumeExpansion").bool().into(),
        age(object, now),
    ]
    .into()
}

pub(super) fn attachment(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    vec![
        name(object),
        spec.at("attacher").str().into(),
        spec.at("source").at("persistentVolumeName").str().into(),
        spec.at("nodeName").str().into(),
        status.at("attached").bool().into(),
        age(object, now),
    ]
    .into()
}

pub(super) fn attributes_class(object: &Value, now: Timestamp) -> Row {
    vec![name(object), At::root(object).at("driverName").str().into(), age(object, now)].into()
}

pub(super) fn csi_driver(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    let flag = |field: &str, default: bool| -> Value {
        spec.at(field).value().and_then(Value::as_bool).unwrap_or(default).into()
    };
    let requests = spec.at("tokenRequests");
    let audiences: Vec<&str> = requests.items().map(|request| request.at("audience").str()).collect();
    let modes: Vec<&str> = spec.at("volumeLifecycleModes").strings().collect();
    vec![
        name(object),
        flag("attachRequired", true),
        flag("podInfoOnMount", false),
        flag("storageCapacity", false),
        or_unset(&audiences.join(",")),
        flag("requiresRepublish", false),
        or_unset(&modes.join(",")),
        age(object, now),
    ]
    .into()
}

pub(super) fn csi_node(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let spec = root.at("spec");
    vec![name(object), spec.at("drivers").len().into(), age(object, now)].into()
}
