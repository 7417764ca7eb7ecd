//! A pod's volumes: what each is made from, made real on the node, and kept up to date.
//!
//! Files of configMaps, secrets, tokens and the downward API are computed first (`payload`, pure) and then written in
//! one step (`atomic`). What not: attaching, CSI, persistent volumes.

mod atomic;
mod mounts;
mod payload;
#[cfg(test)]
mod tests;
mod types;

pub use mounts::{MountError, container_mounts};
pub use payload::{FileProjection, Payload, PayloadError, TokenFile, tokens};
pub use types::{VolumeError, VolumeObjects, local_path};

use crate::env::field_path::Addresses;
use crate::paths::Paths;
use crate::pod;
use crate::resources::Amounts;
use k8s_openapi::api::core::v1::{Pod, Volume};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A volume that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedVolume {
    /// On the node; empty for an image, which has no place of its own.
    pub path: PathBuf,
    /// Nothing may write to it.
    pub read_only: bool,
}

/// By the volume's name in the pod.
pub type MountedVolumes = BTreeMap<String, MountedVolume>;

/// What the making of volumes depends on.
#[derive(Debug)]
pub struct VolumeContext<'a> {
    /// Whose.
    pub pod: &'a Pod,
    /// Where things are.
    pub paths: &'a Paths,
    /// The objects that volumes are made from, fetched before.
    pub objects: &'a VolumeObjects,
    /// Addresses for the downward API.
    pub addresses: Addresses<'a>,
    /// For resourceFieldRef.
    pub allocatable: &'a Amounts,
    /// Total memory of the node, which bounds Memory emptyDirs. Bytes.
    pub node_memory_bytes: i64,
    /// Now, for the name of the data directory.
    pub now: jiff::Timestamp,
}

/// A volume that could not be made, for the event: `MountVolume.SetUp failed for volume "s" : …`.
#[derive(Debug, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {source}")]
pub struct SetUpError {
    /// Which.
    pub volume: String,
    /// Why.
    #[source]
    pub source: VolumeError,
}

/// Makes all volumes real, or brings their files up to date. Blocking: to be run where blocking is allowed.
///
/// # Errors
/// Each volume that could not be made; the others are there all the same.
pub fn set_up(context: &VolumeContext<'_>) -> Result<MountedVolumes, Vec<SetUpError>> {
    let (mut mounted, mut errors) = (MountedVolumes::new(), Vec::new());
    for volume in pod::spec(context.pod).volumes.iter().flatten() {
        match types::set_up(context, volume) {
            Ok(done) => {
                mounted.insert(volume.name.clone(), done);
            }
            Err(source) => errors.push(SetUpError { volume: volume.name.clone(), source }),
        }
    }
    if errors.is_empty() { Ok(mounted) } else { Err(errors) }
}

/// Unmounts and removes everything below a pod's directory. Blocking; idempotent.
///
/// # Errors
/// The file system's.
pub fn tear_down(paths: &Paths, uid: &str) -> std::io::Result<()> {
    let directory = paths.pod(uid);
    types::unmount_below(&directory)?;
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names of the configMaps and secrets that the pod's volumes are made from.
pub fn referenced(pod: &Pod) -> (Vec<String>, Vec<String>) {
    let (mut config_maps, mut secrets) = (Vec::new(), Vec::new());
    for volume in pod::spec(pod).volumes.iter().flatten() {
        names_of(volume, &mut config_maps, &mut secrets);
    }
    for list in [&mut config_maps, &mut secrets] {
        list.sort();
        list.dedup();
    }
    (config_maps, secrets)
}

fn names_of(volume: &Volume, config_maps: &mut Vec<String>, secrets: &mut Vec<String>) {
    config_maps.extend(volume.config_map.as_ref().map(|v| v.name.clone()));
    secrets.extend(volume.secret.as_ref().and_then(|v| v.secret_name.clone()));
    for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
        config_maps.extend(source.config_map.as_ref().map(|v| v.name.clone()));
        secrets.extend(source.secret.as_ref().map(|v| v.name.clone()));
    }
}
