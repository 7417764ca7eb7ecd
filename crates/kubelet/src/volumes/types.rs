//! The kinds of volumes, one function each.

use super::payload::{self, Payload, PayloadError, TokenFile};
use super::{MountedVolume, VolumeContext, atomic};
use crate::amount::Milli;
use crate::env::References;
use crate::paths::Paths;
use crate::pod;
use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, HostPathVolumeSource, Pod, Volume};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Plugins' names, as they stand in paths.
const EMPTY_DIR: &str = "kubernetes.io/empty-dir";
const CONFIG_MAP: &str = "kubernetes.io/configmap";

/// Where the files of an emptyDir or a configMap are.
pub fn local_path(paths: &Paths, pod: &Pod, volume: &Volume) -> Option<PathBuf> {
    let plugin = if volume.empty_dir.is_some() {
        EMPTY_DIR
    } else if volume.config_map.is_some() {
        CONFIG_MAP
    } else {
        return None;
    };
    Some(paths.volume(&pod::uid(pod).0, plugin, &volume.name))
}

/// What volumes are made from.
#[derive(Debug, Clone, Default)]
pub struct VolumeObjects {
    /// ConfigMaps and secrets.
    pub references: References,
    /// Tokens, or why there is none.
    pub tokens: BTreeMap<TokenFile, Result<String, String>>,
}

/// Why a volume could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// Its files are not to be had.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A hostPath that is not what its type says.
    #[error("hostPath type check failed: {path} is not {what}")]
    HostPathType {
        /// On the node.
        path: PathBuf,
        /// `a directory`, `a file`, …
        what: &'static str,
    },
    /// A kind that this kubelet does not have.
    #[error("volume plugin for {0} is not available on this node")]
    Unsupported(String),
    /// The file system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was done, with the path.
        doing: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> VolumeError {
    let doing = doing.into();
    move |source| VolumeError::Io { doing, source }
}

/// Makes one volume real.
pub fn set_up(context: &VolumeContext<'_>, volume: &Volume) -> Result<MountedVolume, VolumeError> {
    if let Some(source) = &volume.empty_dir {
        return empty_dir(context, &volume.name, source);
    }
    if let Some(source) = &volume.host_path {
        return host_path(source);
    }
    if let Some(source) = &volume.config_map {
        let files = payload::config_map(context.objects, source)?;
        return files_volume(context, CONFIG_MAP, &volume.name, &files);
    }
    if let Some(source) = &volume.secret {
        let files = payload::secret(context.objects, source)?;
        return files_volume(context, "kubernetes.io/secret", &volume.name, &files);
    }
    if let Some(source) = &volume.downward_api {
        let files = payload::downward_api(context, source.items.as_ref(), source.default_mode)?;
        return files_volume(context, "kubernetes.io/downward-api", &volume.name, &files);
    }
    if let Some(source) = &volume.projected {
        let files = payload::projected(context, source)?;
        return files_volume(context, "kubernetes.io/projected", &volume.name, &files);
    }
    if volume.image.is_some() {
        // the runtime mounts it into each container
        return Ok(MountedVolume { path: PathBuf::new(), read_only: true });
    }
    Err(VolumeError::Unsupported(volume.name.clone()))
}

fn fs_group(context: &VolumeContext<'_>) -> Option<u32> {
    let group = pod::spec(context.pod).security_context.as_ref().and_then(|s| s.fs_group)?;
    u32::try_from(group).ok()
}

fn make_dir(path: &Path, mode: u32) -> Result<(), VolumeError> {
    fs::create_dir_all(path).map_err(io_error(format!("make {}", path.display())))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io_error(format!("chmod {}", path.display())))
}

/// With a group, files made in the volume belong to it.
fn set_group(path: &Path, group: Option<u32>) -> Result<(), VolumeError> {
    let Some(group) = group else { return Ok(()) };
    let error = || format!("set the group of {}", path.display());
    chown(path, None, Some(group)).map_err(io_error(error()))?;
    let mode = fs::metadata(path).map_err(io_error(error()))?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o2070)).map_err(io_error(error()))
}

/// Files in memory (secrets never reach a disk), readable through `..data`.
fn files_volume(
    context: &VolumeContext<'_>,
    plugin: &str,
    name: &str,
    files: &Payload,
) -> Result<MountedVolume, VolumeError> {
    let path = context.paths.volume(&pod::uid(context.pod).0, plugin, name);
    let is_secret = plugin != CONFIG_MAP;
    if !path.join("..data").exists() {
        make_dir(&path, 0o777)?;
        if is_secret && !is_mount_point(&path) {
            mount_tmpfs(&path, None)?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))
            .map_err(io_error(format!("chmod {}", path.display())))?;
        set_group(&path, fs_group(context))?;
    }
    atomic::write(&path, files, fs_group(context), context.now)
        .map_err(io_error(format!("write files below {}", path.display())))?;
    Ok(MountedVolume { path, read_only: true })
}

fn empty_dir(
    context: &VolumeContext<'_>,
    name: &str,
    source: &EmptyDirVolumeSource,
) -> Result<MountedVolume, VolumeError> {
    let path = context.paths.volume(&pod::uid(context.pod).0, EMPTY_DIR, name);
    if path.exists() {
        return Ok(MountedVolume { path, read_only: false });
    }
    make_dir(&path, 0o777)?;
    if source.medium.as_deref() == Some("Memory") {
        let limit = source.size_limit.as_ref().map(|q| Milli::of(q).value()).filter(|bytes| *bytes > 0);
        mount_tmpfs(&path, Some(memory_size(context, limit)))?;
    }
    set_group(&path, fs_group(context))?;
    Ok(MountedVolume { path, read_only: false })
}

/// The least of the volume's limit, the pod's memory limit and the node's memory. Bytes.
fn memory_size(context: &VolumeContext<'_>, limit: Option<i64>) -> i64 {
    let pod_limit = crate::resources::pod_cgroup_resources(context.pod).memory_limit_bytes;
    [limit, pod_limit, Some(context.node_memory_bytes)].into_iter().flatten().min().unwrap_or(i64::MAX)
}

fn mount_tmpfs(path: &Path, size_bytes: Option<i64>) -> Result<(), VolumeError> {
    let options = size_bytes.map(|size| format!("size={size}"));
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), options.as_deref())
        .map_err(io::Error::from)
        .map_err(io_error(format!("mount tmpfs on {}", path.display())))
}

fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |p: &Path| fs::metadata(p).map(|m| m.dev()).ok();
    path.parent().is_some_and(|parent| device(path) != device(parent))
}

fn host_path(source: &HostPathVolumeSource) -> Result<MountedVolume, VolumeError> {
    let path = PathBuf::from(&source.path);
    let kind = fs::metadata(&path).map(|m| m.file_type()).ok();
    let wrong = |what| Err(VolumeError::HostPathType { path: path.clone(), what });
    match (source.type_.as_deref().unwrap_or_default(), kind) {
        ("DirectoryOrCreate", None) => make_dir(&path, 0o755)?,
        ("FileOrCreate", None) => {
            fs::File::create(&path).map_err(io_error(format!("make {}", path.display())))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
                .map_err(io_error(format!("chmod {}", path.display())))?;
        }
        // as container runtimes do: a missing directory is made
        ("", None) => make_dir(&path, 0o755)?,
        ("Directory" | "DirectoryOrCreate", kind) if !kind.is_some_and(|k| k.is_dir()) => return wrong("a directory"),
        ("File" | "FileOrCreate", kind) if !kind.is_some_and(|k| k.is_file()) => return wrong("a file"),
        ("Socket", kind) if !kind.is_some_and(|k| k.is_socket()) => return wrong("a socket file"),
        ("CharDevice", kind) if !kind.is_some_and(|k| k.is_char_device()) => return wrong("a character device"),
        ("BlockDevice", kind) if !kind.is_some_and(|k| k.is_block_device()) => return wrong("a block device"),
        _ => {}
    }
    Ok(MountedVolume { path, read_only: false })
}

/// Unmounts whatever is mounted below `directory`, deepest first.
pub fn unmount_below(directory: &Path) -> io::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut below: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(path.replace("\\040", " ")))
        .filter(|path| path.starts_with(directory))
        .collect();
    below.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    for path in below {
        match umount2(&path, MntFlags::MNT_DETACH) {
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
