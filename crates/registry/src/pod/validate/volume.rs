//! The list of volumes: names, one source each, and the sources that every cluster has. Sources of storage vendors are
//! in `volume_source`.

use super::Owner;
use super::env::{FILE_FIELDS, validate_field_selector, validate_resource_selector};
use super::volume_source::{self, validate_host_path, validate_local_non_reserved_path};
use crate::At;
use crate::labels::{validate_annotations, validate_labels};
use crate::names;
use crate::quantity::Amount;
use crate::volume_claim::validate_claim_spec;
use api::field::ErrorList;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Validates one source: where it stands and the name of its volume.
pub(super) type ValidateSource = fn(&At, &mut ErrorList);

/// Every kind of source in upstream's order: the field, what a second source is called in its error, what the first one
/// is called in errors within it, and its rules.
static SOURCES: [(&str, &str, &str, ValidateSource); 30] = [
    ("emptyDir", "emptyDir", "emptyDir", validate_empty_dir),
    ("hostPath", "hostPath", "hostPath", validate_host_path),
    ("gitRepo", "gitRepo", "gitRepo", volume_source::git_repo),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", volume_source::gce_persistent_disk),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", volume_source::aws_elastic_block_store),
    ("secret", "secret", "secret", validate_secret),
    ("nfs", "nfs", "nfs", volume_source::nfs),
    ("iscsi", "iscsi", "iscsi", volume_source::iscsi),
    ("glusterfs", "glusterfs", "glusterfs", volume_source::glusterfs),
    ("flocker", "flocker", "flocker", volume_source::flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", validate_claim),
    ("rbd", "rbd", "rbd", volume_source::rbd),
    ("cinder", "cinder", "cinder", volume_source::cinder),
    ("cephfs", "cephFS", "cephfs", volume_source::cephfs),
    ("quobyte", "quobyte", "quobyte", volume_source::quobyte),
    ("downwardAPI", "downwarAPI", "downwardAPI", validate_downward_api),
    ("fc", "fc", "fc", volume_source::fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", volume_source::flex_volume),
    ("configMap", "configMap", "configMap", validate_config_map),
    ("azureFile", "azureFile", "azureFile", volume_source::azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", volume_source::vsphere_volume),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", volume_source::photon_persistent_disk),
    ("portworxVolume", "portworxVolume", "portworxVolume", volume_source::portworx_volume),
    ("azureDisk", "azureDisk", "azureDisk", volume_source::azure_disk),
    ("storageos", "storageos", "storageos", volume_source::storageos),
    ("projected", "projected", "projected", validate_projected),
    ("scaleIO", "scaleIO", "scaleIO", volume_source::scale_io),
    ("csi", "csi", "csi", volume_source::csi),
    ("ephemeral", "ephemeral", "ephemeral", validate_ephemeral),
    ("image", "image", "image", validate_image),
];

/// `ValidateVolumes`: the valid volumes by name.
pub(super) fn validate_volumes<'v>(
    volumes: &At<'_, 'v>,
    owner: Owner<'_>,
    errors: &mut ErrorList,
) -> BTreeMap<&'v str, &'v Value> {
    let pod_name = match owner {
        Owner::Pod(name) => name,
        Owner::Template => "",
    };
    let mut valid = BTreeMap::new();
    for volume in volumes.items() {
        let before = errors.len();
        let name = volume.at("name");
        validate_source(&volume, owner, errors);
        name.require_and_check(errors, names::dns1123_label);
        if valid.contains_key(name.str()) {
            errors.push(name.duplicate());
        }
        if let (true, Some(value)) = (errors.len() == before, volume.value()) {
            valid.insert(name.str(), value);
        }
        let claim_at = volume.at("persistentVolumeClaim");
        let claim = claim_at.at("claimName");
        if !pod_name.is_empty() && is_created_claim(volumes, pod_name, claim.str()) {
            errors.push(claim.invalid("must not reference a PVC that gets created for an ephemeral volume"));
        }
    }
    valid
}

/// Whether the claim is one that an ephemeral volume of the pod makes.
fn is_created_claim(volumes: &At, pod_name: &str, claim: &str) -> bool {
    let Some(volume) = claim.strip_prefix(pod_name).and_then(|rest| rest.strip_prefix('-')) else {
        return false;
    };
    volumes.items().any(|v| v.at("ephemeral").exists() && v.at("name").str() == volume)
}

/// `validateVolumeSource`
fn validate_source(volume: &At, owner: Owner<'_>, errors: &mut ErrorList) {
    let mut count = 0;
    // A volume has a name and a source: to compare with both is quicker than to look for thirty.
    let there: Vec<&str> = volume.map().into_iter().flat_map(|volume| volume.keys()).map(String::as_str).collect();
    for (field, second, within, validate) in &SOURCES {
        if !there.contains(field) || !volume.at(field).exists() {
            continue;
        }
        count += 1;
        if count > 1 {
            errors.push(volume.at_as(field, second).forbidden("may not specify more than 1 volume type"));
        } else {
            // A template may leave the image to whoever makes the pods.
            if *field == "image" && owner.is_pod() {
                volume.at("image").at("reference").require(errors);
            }
            validate(&volume.at_as(field, within), errors);
        }
        let name = volume.at("name");
        if *field == "iscsi" {
            let iscsi = volume.at("iscsi");
            if iscsi.at("initiatorName").exists() && name.len() + 1 + iscsi.at("targetPortal").len() > 64 {
                errors.push(name.invalid_value(name.str(), volume_source::ISCSI_TOO_LONG));
            }
        }
        if let Owner::Pod(pod_name) = owner
            && *field == "ephemeral"
            && count == 1
            && !pod_name.is_empty()
            && !name.is_empty()
        {
            let claim = format!("{pod_name}-{}", name.str());
            let wrong = names::dns1123_subdomain(&claim);
            errors.extend(wrong.into_iter().map(|w| name.invalid(format!("PVC name {claim:?}: {w}"))));
        }
    }
    if count == 0 {
        errors.push(volume.required("must specify a volume type"));
    }
}

fn validate_empty_dir(source: &At, errors: &mut ErrorList) {
    let limit = source.at("sizeLimit");
    if Amount::parse(limit.str()).is_some_and(Amount::is_negative) {
        errors.push(limit.forbidden("SizeLimit field must be a valid resource quantity"));
    }
}

fn validate_claim(source: &At, errors: &mut ErrorList) {
    source.at("claimName").require(errors);
}

/// Modes of files, all of them octal in upstream's words.
fn validate_mode(mode: &At, errors: &mut ErrorList) {
    if mode.int().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        errors.push(mode.invalid("must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

fn validate_secret(source: &At, errors: &mut ErrorList) {
    source.at("secretName").require(errors);
    validate_mode(&source.at("defaultMode"), errors);
    source.at("items").items().for_each(|item| validate_key_to_path(&item, errors));
}

fn validate_config_map(source: &At, errors: &mut ErrorList) {
    source.at("name").require(errors);
    validate_mode(&source.at("defaultMode"), errors);
    source.at("items").items().for_each(|item| validate_key_to_path(&item, errors));
}

fn validate_key_to_path(item: &At, errors: &mut ErrorList) {
    item.at("key").require(errors);
    item.at("path").require(errors);
    validate_local_non_reserved_path(&item.at("path"), errors);
    validate_mode(&item.at("mode"), errors);
}

fn validate_downward_api(source: &At, errors: &mut ErrorList) {
    validate_mode(&source.at("defaultMode"), errors);
    source.at("items").items().for_each(|file| validate_downward_file(source, &file, errors));
}

/// `validateDownwardAPIVolumeFile`: upstream's paths name the volume, not the file.
fn validate_downward_file(source: &At, file: &At, errors: &mut ErrorList) {
    let path = source.elsewhere("path", file.at("path").value());
    path.require(errors);
    validate_local_non_reserved_path(&path, errors);
    let field = source.elsewhere("fieldRef", file.at("fieldRef").value());
    let resource = source.elsewhere("resourceFieldRef", file.at("resourceFieldRef").value());
    if field.exists() {
        validate_field_selector(&field, &FILE_FIELDS, errors);
        if resource.exists() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.push(source.invalid_value("resource", detail));
        }
    } else if resource.exists() {
        validate_resource_selector(&resource, true, errors);
    } else {
        errors.push(source.required("one of fieldRef and resourceFieldRef is required"));
    }
    validate_mode(&source.elsewhere("mode", file.at("mode").value()), errors);
}

fn validate_projected(projected: &At, errors: &mut ErrorList) {
    validate_mode(&projected.at("defaultMode"), errors);
    let mut paths = BTreeSet::new();
    for source in projected.at("sources").items() {
        let mut count = 0;
        for kind in ["secret", "configMap"] {
            let from = source.at(kind);
            if !from.exists() {
                continue;
            }
            count += 1;
            from.at("name").require(errors);
            for item in from.at("items").items() {
                validate_key_to_path(&item, errors);
                let path = item.at("path").str();
                if !path.is_empty() && !paths.insert(path) {
                    errors.push(projected.invalid_value(from.at("name").str(), "conflicting duplicate paths"));
                }
            }
        }
        let downward = source.at("downwardAPI");
        if downward.exists() {
            count += 1;
            for file in downward.at("items").items() {
                validate_downward_file(&downward, &file, errors);
                let path = file.at("path").str();
                if !path.is_empty() && !paths.insert(path) {
                    errors.push(projected.invalid_value(path, "conflicting duplicate paths"));
                }
            }
        }
        if source.at("serviceAccountToken").exists() {
            count += 1;
            validate_token_projection(projected, &source.at("serviceAccountToken"), errors);
        }
        if count > 1 {
            errors.push(source.forbidden("may not specify more than 1 volume type per source"));
        }
    }
}

fn validate_token_projection(projected: &At, token: &At, errors: &mut ErrorList) {
    let expiration = token.at("expirationSeconds");
    let seconds = expiration.int().unwrap_or(0);
    if seconds < 10 * 60 {
        errors.push(expiration.invalid_value(seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > 1 << 32 {
        errors.push(expiration.invalid_value(seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    let path = projected.elsewhere("path", token.at("path").value());
    path.require(errors);
    if !path.is_empty() {
        validate_local_non_reserved_path(&path, errors);
    }
}

fn validate_ephemeral(source: &At, errors: &mut ErrorList) {
    let template = source.at("volumeClaimTemplate");
    if !template.exists() {
        errors.push(template.required(""));
        return;
    }
    validate_template_metadata(&template.at("metadata"), errors);
    validate_claim_spec(&template.at("spec"), errors);
}

/// `ValidateTemplateObjectMeta`: what is made from a template gets labels and annotations from there.
pub(crate) fn validate_template_metadata(metadata: &At, errors: &mut ErrorList) {
    validate_annotations(&metadata.at("annotations"), errors);
    validate_labels(&metadata.at("labels"), errors);
    for (field, shown) in FIXED_METADATA {
        if metadata.at(field).exists() {
            errors.push(metadata.at_as(field, shown).forbidden("cannot be set"));
        }
    }
}

/// The rest of metadata in the order of Go's struct, with the name in the path where it differs.
const FIXED_METADATA: [(&str, &str); 13] = [
    ("name", "name"),
    ("generateName", "generateName"),
    ("namespace", "namespace"),
    ("selfLink", "selfLink"),
    ("uid", "uID"),
    ("resourceVersion", "resourceVersion"),
    ("generation", "generation"),
    ("creationTimestamp", "creationTimestamp"),
    ("deletionTimestamp", "deletionTimestamp"),
    ("deletionGracePeriodSeconds", "deletionGracePeriodSeconds"),
    ("ownerReferences", "ownerReferences"),
    ("finalizers", "finalizers"),
    ("managedFields", "managedFields"),
];

fn validate_image(source: &At, errors: &mut ErrorList) {
    source.at("pullPolicy").require_one_of(errors, &["Always", "IfNotPresent", "Never"]);
}
