//! Where the data of a volume is (`ValidatePersistentVolumeSpec`). Most sources are those of pods; some name secrets and
//! endpoints of other namespaces.

use crate::At;
use crate::kinds::csi::validate_driver_name;
use crate::names;
use crate::pod::volume_source::{self, validate_host_path, validate_path_no_backsteps};
use api::field::{Error, ErrorList};
use serde_json::Value;

type Validate = fn(&At<'_, '_>, &mut ErrorList);

/// Upstream's order: the field, its name in the refusal of a second source, its name in paths within.
const SOURCES: [(&str, &str, &str, Validate); 22] = [
    ("hostPath", "hostPath", "hostPath", validate_host_path),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", volume_source::gce_persistent_disk),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", volume_source::aws_elastic_block_store),
    ("glusterfs", "glusterfs", "glusterfs", glusterfs),
    ("flocker", "flocker", "flocker", volume_source::flocker),
    ("nfs", "nfs", "nfs", volume_source::nfs),
    ("rbd", "rbd", "rbd", volume_source::rbd),
    ("quobyte", "quobyte", "quobyte", volume_source::quobyte),
    ("cephfs", "cephFS", "cephfs", volume_source::cephfs),
    ("iscsi", "iscsi", "iscsi", iscsi),
    ("cinder", "cinder", "cinder", cinder),
    ("fc", "fc", "fc", volume_source::fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", volume_source::flex_volume),
    ("azureFile", "azureFile", "azureFile", azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", volume_source::vsphere_volume),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", volume_source::photon_persistent_disk),
    ("portworxVolume", "portworxVolume", "portworxVolume", volume_source::portworx_volume),
    ("azureDisk", "azureDisk", "azureDisk", volume_source::azure_disk),
    ("scaleIO", "scaleIO", "scaleIO", volume_source::scale_io),
    ("local", "local", "local", local),
    ("storageos", "storageos", "storageos", storageos),
    ("csi", "csi", "csi", csi),
];

/// The sources' names in Go.
pub(super) const GO_NAMES: [&str; 22] = [
    "GCEPersistentDisk",
    "AWSElasticBlockStore",
    "HostPath",
    "Glusterfs",
    "NFS",
    "RBD",
    "Quobyte",
    "ISCSI",
    "FlexVolume",
    "Cinder",
    "CephFS",
    "FC",
    "Flocker",
    "AzureFile",
    "VsphereVolume",
    "AzureDisk",
    "PhotonPersistentDisk",
    "PortworxVolume",
    "ScaleIO",
    "Local",
    "StorageOS",
    "CSI",
];

/// The source alone: what never changes.
pub(super) fn source_of(spec: &At) -> Value {
    let own = SOURCES.iter().filter_map(|(field, ..)| Some(((*field).to_owned(), spec.at(field).value()?.clone())));
    Value::Object(own.collect())
}

/// Exactly one source, and what is wrong with it.
pub(super) fn validate_sources(spec: &At, name: &str, errors: &mut ErrorList) {
    let mut count = 0;
    for (field, second, within, validate) in &SOURCES {
        if !spec.at(field).exists() {
            continue;
        }
        count += 1;
        // Upstream does not ask whether there was another source before a flexVolume.
        if count > 1 && *field != "flexVolume" {
            errors.push(spec.at_as(field, second).forbidden("may not specify more than 1 volume type"));
            continue;
        }
        if *field == "iscsi" {
            validate_portal(&spec.at("iscsi"), name, errors);
        }
        validate(&spec.at_as(field, within), errors);
        if *field == "local" && !spec.at("nodeAffinity").exists() {
            errors.push(spec.at("nodeAffinity").required("Local volume requires node affinity"));
        }
    }
    if count == 0 {
        errors.push(Error::required(&spec.path(), "must specify a volume type"));
    }
}

/// Together with the volume's name and an initiator the address is the name of a file.
fn validate_portal(iscsi: &At, name: &str, errors: &mut ErrorList) {
    let portal = iscsi.at("targetPortal");
    portal.require(errors);
    if iscsi.at("initiatorName").exists() && name.len() + 1 + portal.len() > 64 {
        let at = iscsi.at_as("targetPortal", "targetportal");
        errors.push(at.invalid(volume_source::ISCSI_TOO_LONG));
    }
}

fn iscsi(source: &At, errors: &mut ErrorList) {
    volume_source::validate_iscsi(source, true, errors);
}

fn glusterfs(source: &At, errors: &mut ErrorList) {
    volume_source::glusterfs(source, errors);
    let namespace = source.at("endpointsNamespace");
    if namespace.exists() && namespace.is_empty() {
        errors.push(namespace.invalid("if the endpointnamespace is set, it must be a valid namespace name"));
    } else if namespace.exists() {
        namespace.check(errors, names::dns1123_label);
    }
}

fn cinder(source: &At, errors: &mut ErrorList) {
    volume_source::cinder(source, errors);
    require_namespace(&source.at("secretRef"), errors);
}

fn storageos(source: &At, errors: &mut ErrorList) {
    volume_source::storageos(source, errors);
    require_namespace(&source.at("secretRef"), errors);
}

fn require_namespace(secret: &At, errors: &mut ErrorList) {
    if secret.exists() {
        secret.at("namespace").require(errors);
    }
}

fn azure_file(source: &At, errors: &mut ErrorList) {
    volume_source::azure_file(source, errors);
    let namespace = source.at("secretNamespace");
    if namespace.exists() {
        namespace.require(errors);
    }
}

fn local(source: &At, errors: &mut ErrorList) {
    let path = source.at("path");
    path.require(errors);
    validate_path_no_backsteps(&path, errors);
}

/// `validateCSIPersistentVolumeSource`
fn csi(source: &At, errors: &mut ErrorList) {
    const SECRETS: [&str; 4] =
        ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"];
    validate_driver_name(&source.at("driver"), errors);
    source.at("volumeHandle").require(errors);
    for field in SECRETS {
        let secret = source.at(field);
        if secret.exists() {
            secret.at("name").require_and_check(errors, names::dns1123_subdomain);
            secret.at("namespace").require_and_check(errors, names::dns1123_label);
        }
    }
}
