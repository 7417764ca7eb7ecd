//! Volume sources of storage vendors and network file systems, and the rules for paths.

use crate::At;
use crate::kinds::validate_driver_name;
use crate::names;
use api::field::ErrorList;

/// For claims of an initiator's name.
pub(crate) const ISCSI_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";

/// `validatePathNoBacksteps`
pub(crate) fn validate_path_no_backsteps(path: &At, errors: &mut ErrorList) {
    if path.str().split('/').any(|part| part == "..") {
        errors.push(path.invalid("must not contain '..'"));
    }
}

/// `validateLocalDescendingPath`
pub(crate) fn validate_local_descending_path(path: &At, errors: &mut ErrorList) {
    if path.str().starts_with('/') {
        errors.push(path.invalid("must be a relative path"));
    }
    validate_path_no_backsteps(path, errors);
}

/// `ValidateLocalNonReservedPath`: names that begin with two dots are the kubelet's own.
pub(crate) fn validate_local_non_reserved_path(path: &At, errors: &mut ErrorList) {
    validate_local_descending_path(path, errors);
    let text = path.str();
    // What steps back was reported already.
    if text.starts_with("..") && !text.starts_with("../") {
        errors.push(path.invalid("must not start with '..'"));
    }
}

fn require_all(source: &At, fields: &[&str], errors: &mut ErrorList) {
    fields.iter().for_each(|field| source.at(field).require(errors));
}

/// A partition or unit number.
fn in_byte_range(at: &At, low: i64, errors: &mut ErrorList) {
    if at.int().is_some_and(|n| !(0..=255).contains(&n)) {
        errors.push(at.invalid(names::inclusive_range(low, 255)));
    }
}

/// A path of the node's own file system.
pub(crate) fn validate_host_path(source: &At, errors: &mut ErrorList) {
    let path = source.at("path");
    if path.is_empty() {
        errors.push(path.required(""));
        return;
    }
    validate_path_no_backsteps(&path, errors);
    let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    source.at("type").one_of(errors, &types);
}

pub(crate) fn git_repo(source: &At, errors: &mut ErrorList) {
    source.at("repository").require(errors);
    validate_local_descending_path(&source.at("directory"), errors);
}

pub(crate) fn gce_persistent_disk(source: &At, errors: &mut ErrorList) {
    source.at("pdName").require(errors);
    in_byte_range(&source.at("partition"), 1, errors);
}

pub(crate) fn aws_elastic_block_store(source: &At, errors: &mut ErrorList) {
    source.at("volumeID").require(errors);
    in_byte_range(&source.at("partition"), 1, errors);
}

pub(crate) fn nfs(source: &At, errors: &mut ErrorList) {
    require_all(source, &["server", "path"], errors);
    let path = source.at("path");
    if !path.str().starts_with('/') {
        errors.push(path.invalid_value(path.str(), "must be an absolute path"));
    }
}

/// `iqn.`, `eui.` and `naa.` names (RFC 3720). `other` is what is said of a name of no such kind.
fn validate_iscsi_name(name: &At, other: &str, errors: &mut ErrorList) {
    let text = name.str();
    if !["iqn", "eui", "naa"].iter().any(|kind| text.starts_with(kind)) {
        errors.push(name.invalid(other));
        return;
    }
    let hex = |digits: usize| {
        let rest = text.get(4..).unwrap_or_default();
        rest.len() == digits && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let valid = match &text[..3] {
        "iqn" => is_iqn(text),
        "eui" => hex(16),
        _ => hex(32),
    };
    if !valid {
        errors.push(name.invalid("must be valid format"));
    }
}

/// `iqn.2001-04.com.example:storage`
fn is_iqn(text: &str) -> bool {
    let Some((date, rest)) = text.strip_prefix("iqn.").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let dated = date.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2));
    let Some((domain, unit)) = rest.split_once(':') else {
        return false;
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    dated
        && !domain.is_empty()
        && domain.bytes().all(plain)
        && !unit.is_empty()
        && !unit.chars().any(|c| ",;*&$|".contains(c) || c.is_whitespace())
}

pub(crate) fn iscsi(source: &At, errors: &mut ErrorList) {
    source.at("targetPortal").require(errors);
    validate_iscsi(source, false, errors);
}

/// What pods and persistent volumes share of iSCSI; those of the cluster have shorter words, and name their secret.
pub(crate) fn validate_iscsi(source: &At, persistent: bool, errors: &mut ErrorList) {
    let other = if persistent { "must be valid format" } else { "must be valid format starting with iqn, eui, or naa" };
    source.at("iqn").require(errors);
    if !source.at("iqn").is_empty() {
        validate_iscsi_name(&source.at("iqn"), other, errors);
    }
    in_byte_range(&source.at("lun"), 0, errors);
    let authenticated = source.at("chapAuthDiscovery").bool() || source.at("chapAuthSession").bool();
    let secret = source.at("secretRef");
    if authenticated && !secret.exists() {
        errors.push(secret.required(""));
    }
    if persistent && secret.exists() {
        secret.at("name").require(errors);
    }
    if source.at("initiatorName").exists() {
        validate_iscsi_name(&source.at_as("initiatorName", "initiatorname"), other, errors);
    }
}

pub(crate) fn glusterfs(source: &At, errors: &mut ErrorList) {
    require_all(source, &["endpoints", "path"], errors);
}

pub(crate) fn flocker(source: &At, errors: &mut ErrorList) {
    let (name, uuid) = (source.at("datasetName"), source.at("datasetUUID"));
    if name.is_empty() && uuid.is_empty() {
        errors.push(source.required("one of datasetName and datasetUUID is required"));
    }
    if !name.is_empty() && !uuid.is_empty() {
        let detail = "datasetName and datasetUUID can not be specified simultaneously";
        errors.push(source.invalid_value("resource", detail));
    }
    if name.str().contains('/') {
        errors.push(name.invalid("must not contain '/'"));
    }
}

pub(crate) fn rbd(source: &At, errors: &mut ErrorList) {
    require_all(source, &["monitors", "image"], errors);
}

pub(crate) fn cinder(source: &At, errors: &mut ErrorList) {
    source.at("volumeID").require(errors);
    let secret = source.at("secretRef");
    if secret.exists() {
        secret.at("name").require(errors);
    }
}

pub(crate) fn cephfs(source: &At, errors: &mut ErrorList) {
    source.at("monitors").require(errors);
}

pub(crate) fn quobyte(source: &At, errors: &mut ErrorList) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = source.at("registry");
    if registry.is_empty() {
        errors.push(registry.required(PAIRS));
    } else if source.at("tenant").len() >= 65 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.push(source.at("tenant").required(detail));
    } else {
        let bad = registry.str().split(',').filter(|pair| !is_host_port(pair));
        errors.extend(bad.map(|_| registry.invalid(PAIRS)));
    }
    source.at("volume").require(errors);
}

/// What Go's `net.SplitHostPort` takes: one colon outside of brackets, which stand around the whole host.
fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host =
        host.strip_prefix('[').map_or(Some(host).filter(|host| !host.contains(':')), |host| host.strip_suffix(']'));
    host.is_some_and(|host| !host.contains(['[', ']'])) && !port.contains(['[', ']'])
}

pub(crate) fn fibre_channel(source: &At, errors: &mut ErrorList) {
    let (names_at, ids) = (source.at("targetWWNs"), source.at("wwids"));
    if names_at.is_empty() && ids.is_empty() {
        errors.push(names_at.required("must specify either targetWWNs or wwids, but not both"));
    }
    if names_at.is_empty() {
        return;
    }
    if !ids.is_empty() {
        errors.push(names_at.invalid("targetWWNs and wwids can not be specified simultaneously"));
    }
    if source.at("lun").exists() {
        in_byte_range(&source.at("lun"), 0, errors);
    } else {
        errors.push(source.at("lun").required("lun is required if targetWWNs is specified"));
    }
}

pub(crate) fn flex_volume(source: &At, errors: &mut ErrorList) {
    source.at("driver").require(errors);
    for (key, _) in source.at("options").entries() {
        let namespace = key.split_once('/').map_or(key, |(namespace, _)| namespace);
        let normalized = format!(".{}", namespace.to_lowercase());
        if normalized.ends_with(".kubernetes.io") || normalized.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            errors.push(source.at("options").key(key).invalid_value(key, detail));
        }
    }
}

pub(crate) fn azure_file(source: &At, errors: &mut ErrorList) {
    require_all(source, &["secretName", "shareName"], errors);
}

pub(crate) fn azure_disk(source: &At, errors: &mut ErrorList) {
    require_all(source, &["diskName", "diskURI"], errors);
    source.at("cachingMode").one_of(errors, &["None", "ReadOnly", "ReadWrite"]);
    let kind = source.at("kind");
    kind.one_of(errors, &["Dedicated", "Managed", "Shared"]);
    let uri = source.at("diskURI");
    if kind.str() == "Managed" && !uri.str().starts_with("/subscriptions/") {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        errors.push(uri.not_supported(&[form]));
    }
    if kind.exists() && kind.str() != "Managed" && !uri.str().starts_with("https://") {
        let form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
        errors.push(uri.not_supported(&[form]));
    }
}

pub(crate) fn vsphere_volume(source: &At, errors: &mut ErrorList) {
    source.at("volumePath").require(errors);
}

pub(crate) fn photon_persistent_disk(source: &At, errors: &mut ErrorList) {
    source.at("pdID").require(errors);
}

pub(crate) fn portworx_volume(source: &At, errors: &mut ErrorList) {
    source.at("volumeID").require(errors);
}

pub(crate) fn storageos(source: &At, errors: &mut ErrorList) {
    let name = source.at("volumeName");
    name.require_and_check(errors, names::dns1123_label);
    if !source.at("volumeNamespace").is_empty() {
        source.at("volumeNamespace").check(errors, names::dns1123_label);
    }
    let secret = source.at("secretRef");
    if secret.exists() {
        secret.at("name").require(errors);
    }
}

pub(crate) fn scale_io(source: &At, errors: &mut ErrorList) {
    require_all(source, &["gateway", "system", "volumeName"], errors);
}

pub(crate) fn csi(source: &At, errors: &mut ErrorList) {
    validate_driver_name(&source.at("driver"), errors);
    let secret = source.at("nodePublishSecretRef");
    if secret.exists() {
        let name = secret.at("name");
        name.require(errors);
        if !name.is_empty() {
            // Upstream's path leaves out the reference.
            source.elsewhere("name", name.value()).check(errors, names::dns1123_subdomain);
        }
    }
}
