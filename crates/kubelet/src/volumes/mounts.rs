//! Which volumes a container sees where: volumeMounts with subPath, and the files that every container gets.

use super::MountedVolumes;
use crate::env::expand;
use k8s_openapi::api::core::v1::{Container, VolumeMount};
use runtime::service::{ImageId, ImageMount, Mount, MountPropagation};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why a container's mounts could not be made (`CreateContainerConfigError`).
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A volume that is not mounted.
    #[error("cannot find volume {0:?} to mount into container {1:?}")]
    NoVolume(String, String),
    /// A subPathExpr with variables that are unset or empty.
    #[error("missing value for {}", .0.join(", "))]
    NoValue(Vec<String>),
    /// A subPath that leads out of the volume.
    #[error("failed to prepare subPath for volumeMount {volume:?} of container {container:?}: {reason}")]
    SubPath {
        /// The volume.
        volume: String,
        /// The container.
        container: String,
        /// Why.
        reason: String,
    },
}

/// The mounts for the container's volumeMounts; `images` by the volumes that they are.
///
/// # Errors
/// A volume that is missing, a subPath that is not allowed.
pub fn container_mounts(
    container: &Container,
    volumes: &MountedVolumes,
    images: &BTreeMap<String, ImageId>,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<Mount>, MountError> {
    let all = container.volume_mounts.iter().flatten();
    all.map(|mount| one_mount(container, mount, volumes, images, environment)).collect()
}

fn one_mount(
    container: &Container,
    mount: &VolumeMount,
    volumes: &MountedVolumes,
    images: &BTreeMap<String, ImageId>,
    environment: &BTreeMap<String, String>,
) -> Result<Mount, MountError> {
    let Some(volume) = volumes.get(&mount.name) else {
        return Err(MountError::NoVolume(mount.name.clone(), container.name.clone()));
    };
    let sub_path = match (&mount.sub_path, &mount.sub_path_expr) {
        (_, Some(expression)) if !expression.is_empty() => expand_all(expression, environment)?,
        (Some(path), _) => path.clone(),
        _ => String::new(),
    };
    if let Some(image) = images.get(&mount.name) {
        return Ok(Mount {
            image: Some(ImageMount { image: image.clone(), sub_path }),
            container_path: absolute(&mount.mount_path),
            readonly: true,
            ..Mount::default()
        });
    }
    let refused =
        |reason: String| MountError::SubPath { volume: mount.name.clone(), container: container.name.clone(), reason };
    let host_path = if sub_path.is_empty() {
        volume.path.clone()
    } else {
        sub_path_of(&volume.path, &sub_path).map_err(|error| refused(error.to_string()))?
    };
    let readonly = mount.read_only == Some(true) || volume.read_only;
    Ok(Mount {
        host_path,
        image: None,
        container_path: absolute(&mount.mount_path),
        readonly,
        recursive_readonly: matches!(mount.recursive_read_only.as_deref(), Some("Enabled" | "IfPossible")),
        propagation: match mount.mount_propagation.as_deref() {
            Some("HostToContainer") => MountPropagation::HostToContainer,
            Some("Bidirectional") => MountPropagation::Bidirectional,
            _ => MountPropagation::Private,
        },
    })
}

/// Replaces the references of a subPathExpr, each of which must have a value (`ExpandContainerVolumeMounts`).
fn expand_all(expression: &str, environment: &BTreeMap<String, String>) -> Result<String, MountError> {
    let missing = RefCell::new(BTreeSet::new());
    let expanded = expand(expression, |name| {
        let value = environment.get(name).filter(|value| !value.is_empty());
        if value.is_none() {
            missing.borrow_mut().insert(name.to_owned());
        }
        value.cloned()
    });
    let missing = missing.into_inner();
    if missing.is_empty() { Ok(expanded) } else { Err(MountError::NoValue(missing.into_iter().collect())) }
}

fn absolute(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

/// The place of `sub_path` in the volume, made as a directory where it is missing. Links that lead out are refused:
/// what a container made in a volume must not open the node to the next container.
fn sub_path_of(volume: &Path, sub_path: &str) -> io::Result<PathBuf> {
    let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what.to_owned()));
    if sub_path.starts_with('/') {
        return refuse("subPath must not be an absolute path");
    }
    if sub_path.split('/').any(|part| part == "..") {
        return refuse("subPath must not contain '..'");
    }
    let root = fs::canonicalize(volume)?;
    let mut at = root.clone();
    for part in sub_path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let next = at.join(part);
        match fs::symlink_metadata(&next) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().mode(0o750).create(&next)?;
                // as the volume itself: whoever may write there may write here
                fs::set_permissions(&next, fs::metadata(&at)?.permissions())?;
            }
            Err(error) => return Err(error),
        }
        at = fs::canonicalize(&next)?;
        if !at.starts_with(&root) {
            return refuse("subPath leads out of the volume");
        }
    }
    Ok(at)
}
