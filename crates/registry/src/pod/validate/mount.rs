//! Where containers see the pod's volumes: as directories and as block devices.

use super::Context;
use super::volume_source::{validate_local_descending_path, validate_path_no_backsteps};
use crate::At;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// `ValidateVolumeMounts`
pub(super) fn validate_volume_mounts(container: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let mounts = container.at("volumeMounts");
    let devices = container.at("volumeDevices");
    let mut paths = BTreeSet::new();
    for mount in mounts.items() {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        name.require(errors);
        if !context.volumes.contains_key(name.str()) {
            errors.push(name.not_found());
        }
        path.require(errors);
        if !paths.insert(path.str()) {
            errors.push(path.invalid_value(path.str(), "must be unique"));
        }
        if devices.items().any(|device| device.at("name").str() == name.str()) {
            errors.push(name.invalid_value(name.str(), "must not already exist in volumeDevices"));
        }
        if devices.items().any(|device| device.at("devicePath").str() == path.str()) {
            errors.push(path.invalid_value(path.str(), "must not already exist as a path in volumeDevices"));
        }
        validate_sub_paths(&mounts, &mount, errors);
        validate_propagation(&mounts, &mount, container, errors);
        validate_recursive_read_only(&mounts, &mount, errors);
    }
}

/// Upstream's paths leave out the index from here on.
fn validate_sub_paths(mounts: &At, mount: &At, errors: &mut ErrorList) {
    for field in ["subPath", "subPathExpr"] {
        let at = mount.at(field);
        if at.is_empty() {
            continue;
        }
        if field == "subPathExpr" && !mount.at("subPath").is_empty() {
            errors.push(at.invalid("subPathExpr and subPath are mutually exclusive"));
        }
        validate_local_descending_path(&mounts.elsewhere(field, at.value()), errors);
    }
}

/// `validateMountPropagation`
fn validate_propagation(mounts: &At, mount: &At, container: &At, errors: &mut ErrorList) {
    let propagation = mounts.elsewhere("mountPropagation", mount.at("mountPropagation").value());
    if !propagation.exists() {
        return;
    }
    propagation.one_of(errors, &["Bidirectional", "HostToContainer", "None"]);
    if propagation.str() == "Bidirectional" && !container.at("securityContext").at("privileged").bool() {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(propagation.forbidden(detail));
    }
}

/// `validateMountRecursiveReadOnly`
fn validate_recursive_read_only(mounts: &At, mount: &At, errors: &mut ErrorList) {
    let recursive = mounts.elsewhere("recursiveReadOnly", mount.at("recursiveReadOnly").value());
    if !recursive.exists() {
        return;
    }
    match recursive.str() {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.at("readOnly").bool() {
                errors.push(recursive.forbidden("may only be specified when readOnly is true"));
            }
            if !matches!(mount.at("mountPropagation").str(), "" | "None") {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.push(recursive.forbidden(detail));
            }
        }
        _ => errors.push(recursive.not_supported(&["Disabled", "Enabled", "IfPossible"])),
    }
}

/// `ValidateVolumeDevices`
pub(super) fn validate_volume_devices(container: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let mounts = container.at("volumeMounts");
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for device in container.at("volumeDevices").items() {
        let (name, path) = (device.at("name"), device.at("devicePath"));
        name.require(errors);
        if names.contains(name.str()) {
            errors.push(name.invalid("must be unique"));
        }
        match context.volumes.get(name.str()) {
            None => errors.push(name.not_found()),
            Some(volume) if volume.get("persistentVolumeClaim").or(volume.get("ephemeral")).is_none() => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(name.invalid(detail));
            }
            Some(_) => {}
        }
        path.require(errors);
        if paths.contains(path.str()) {
            errors.push(path.invalid("must be unique"));
        }
        let mut backsteps = ErrorList::new();
        validate_path_no_backsteps(&path, &mut backsteps);
        if backsteps.is_empty() {
            paths.insert(path.str());
        } else {
            errors.push(path.invalid("can not contain backsteps ('..')"));
        }
        if mounts.items().any(|mount| mount.at("name").str() == name.str()) {
            errors.push(name.invalid_value(name.str(), "must not already exist in volumeMounts"));
        }
        if mounts.items().any(|mount| mount.at("mountPath").str() == path.str()) {
            errors.push(path.invalid_value(path.str(), "must not already exist as a path in volumeMounts"));
        }
        if !name.is_empty() {
            names.insert(name.str());
        }
    }
}
