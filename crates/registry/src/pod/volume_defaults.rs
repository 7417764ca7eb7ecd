//! Defaults of volumes (`SetDefaults_Volume` and its like).

use super::defaults::{default_downward, default_pull_policy};
use crate::object::{child, child_or_new, children, default, default_int, default_str, str_at};
use crate::volume_claim::default_claim_spec;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// 0644, as files of secrets, config maps and their like are.
const DEFAULT_MODE: i64 = 0o644;

/// Defaults of one volume. One without any source is an `emptyDir`.
pub(super) fn default_volume(volume: &mut Object) {
    if !volume.iter().any(|(field, source)| field != "name" && !source.is_null()) {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for kind in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = child(volume, kind) {
            default(source, "defaultMode", DEFAULT_MODE);
        }
    }
    if let Some(downward) = child(volume, "downwardAPI") {
        children(downward, "items").for_each(default_downward);
    }
    if let Some(projected) = child(volume, "projected") {
        children(projected, "sources").for_each(default_projection);
    }
    if let Some(host) = child(volume, "hostPath") {
        default(host, "type", "");
    }
    if let Some(ephemeral) = child(volume, "ephemeral")
        && let Some(template) = child(ephemeral, "volumeClaimTemplate")
    {
        default_claim_spec(child_or_new(template, "spec"));
    }
    if let Some(image) = child(volume, "image")
        && str_at(image, "pullPolicy").is_empty()
    {
        let policy = default_pull_policy(str_at(image, "reference"));
        image.insert("pullPolicy".to_owned(), policy.into());
    }
    default_network_volume(volume);
}

fn default_projection(source: &mut Object) {
    if let Some(token) = child(source, "serviceAccountToken") {
        default_int(token, "expirationSeconds", 60 * 60);
    }
    if let Some(downward) = child(source, "downwardAPI") {
        children(downward, "items").for_each(default_downward);
    }
}

/// The network volumes of old, persistent volumes among them.
pub(crate) fn default_network_volume(volume: &mut Object) {
    if let Some(iscsi) = child(volume, "iscsi") {
        default_str(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = child(volume, "rbd") {
        default_str(rbd, "pool", "rbd");
        default_str(rbd, "user", "admin");
        default_str(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = child(volume, "azureDisk") {
        default(disk, "cachingMode", "ReadWrite");
        default(disk, "kind", "Shared");
        default(disk, "fsType", "ext4");
        default(disk, "readOnly", false);
    }
    if let Some(scale) = child(volume, "scaleIO") {
        default_str(scale, "storageMode", "ThinProvisioned");
        default_str(scale, "fsType", "xfs");
    }
}
