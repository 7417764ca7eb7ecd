//! The store itself: finding, importing, removing and collecting images.

use super::archive::{FoundImage, Source};
use super::index::{ImageRecord, Index};
use super::members::Membership;
use super::reference::Reference;
use super::unpack::unpack;
use crate::service::{Image, ImageConfig, ImageError, ImageFsUsage, ImageId};
use sha2::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The index as it was read last.
#[derive(Debug)]
struct Loaded {
    index: Index,
    /// Of the file that was read.
    version: Option<Version>,
}

/// What tells one version of a file from another: it is replaced, never written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { inode: metadata.ino(), changed: (metadata.ctime(), metadata.ctime_nsec()) })
    }
}

/// Digits of a layer's digest in its directory's name: enough to tell layers apart, short enough for many of them to fit
/// into overlayfs's mount options.
const LAYER_NAME_DIGITS: usize = 24;
/// Layers of one image, as Docker limits them.
const LAYERS_MAX: usize = 127;

/// Images under one directory, for any number of threads and processes: what one imports the others see at once.
#[derive(Debug)]
pub struct ImageStore {
    root: PathBuf,
    members: Membership,
    index: Mutex<Loaded>,
    /// Names of layers being added, how often each: no image names them yet, and still they must not be collected.
    held: Mutex<BTreeMap<String, usize>>,
}

impl ImageStore {
    /// Opens the store, making its directories, and clears away what a crash left half done, unless another process is
    /// at work there. Layers are not collected: only who knows the containers can tell which are of use.
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        for directory in ["layers", "configs"] {
            let path = root.join(directory);
            std::fs::create_dir_all(&path).map_err(ImageError::io(format!("create {}", path.display())))?;
        }
        let tmp = root.join("tmp");
        let clear = || if tmp.exists() { std::fs::remove_dir_all(&tmp) } else { Ok(()) };
        let members =
            Membership::join(root, clear).map_err(ImageError::io(format!("open the store {}", root.display())))?;
        std::fs::create_dir_all(&tmp).map_err(ImageError::io(format!("create {}", tmp.display())))?;
        let file = root.join("index.json");
        let version = Version::of(&file);
        let loaded = Loaded { index: Index::load(&file)?, version };
        Ok(Self { root: root.to_owned(), members, index: Mutex::new(loaded), held: Mutex::default() })
    }

    /// The directory that holds the unpacked layers.
    pub fn layers_directory(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Names of an image's layer directories below [`ImageStore::layers_directory`], lowest first.
    pub(crate) fn layer_names(record: &ImageRecord) -> Vec<String> {
        record.diff_ids.iter().map(|id| layer_name(id)).collect()
    }

    /// All images, by id.
    pub fn list(&self) -> Vec<Image> {
        self.lock().index.images.iter().map(|(id, record)| record.to_image(id)).collect()
    }

    /// The image with this id, name or digest reference.
    pub fn find(&self, reference: &str) -> Option<Image> {
        self.find_record(reference).map(|(id, record)| record.to_image(&id))
    }

    pub(crate) fn find_record(&self, reference: &str) -> Option<(ImageId, ImageRecord)> {
        let loaded = self.lock();
        let id = find_id(&loaded.index, reference)?;
        loaded.index.images.get(&id).map(|record| (id.clone(), record.clone()))
    }

    /// Imports every image of a directory or archive. Blocks.
    pub fn import(&self, source: &Path, name: Option<&str>) -> Result<Vec<Image>, ImageError> {
        let name = name.map(|name| {
            Reference::parse(name)
                .map(|reference| reference.to_string())
                .map_err(|error| ImageError::InvalidName { reference: name.to_owned(), message: error.to_string() })
        });
        let name = name.transpose()?;
        let scratch = self.scratch()?;
        let source = Source::open(source, scratch.path())?;
        let mut added = Vec::new();
        let mut guards = Vec::new();
        for mut found in source.images()? {
            if found.tags.is_empty() {
                found.tags.extend(name.clone());
            }
            let (id, record, guard) = self.import_one(&source, found)?;
            guards.push(guard);
            added.push((id, record));
        }
        self.commit(added)
    }

    fn import_one(
        &self,
        source: &Source,
        found: FoundImage,
    ) -> Result<(ImageId, ImageRecord, HeldLayers<'_>), ImageError> {
        let (id, mut record) = self.add_config(&found.config)?;
        if record.diff_ids.len() != found.layers.len() {
            return Err(ImageError::invalid(id.0, "configuration and manifest differ in their number of layers"));
        }
        let guard = self.hold_layers(&record.diff_ids);
        record.size_bytes = found.config.len() as u64;
        for (diff_id, path) in record.diff_ids.iter().zip(&found.layers) {
            let (reader, size) = source.read(path)?;
            record.size_bytes += size;
            self.add_layer(diff_id, reader)?;
        }
        if let Some(digest) = &found.manifest_digest {
            for tag in &found.tags {
                let name = tag.rsplit_once(':').map_or(tag.as_str(), |(name, _)| name);
                record.digests.insert(format!("{name}@{digest}"));
            }
        }
        if found.tags.is_empty() && record.digests.is_empty() {
            // Without a name it could never be removed but by its id: the id is its name.
            record.digests.insert(format!("localhost/imported@{}", id.0));
        }
        record.tags.extend(found.tags);
        Ok((id, record, guard))
    }

    /// Records a configuration; the image's id is its digest.
    pub(super) fn add_config(&self, bytes: &[u8]) -> Result<(ImageId, ImageRecord), ImageError> {
        let digest = hex::encode(sha2::Sha256::digest(bytes));
        let id = ImageId(format!("sha256:{digest}"));
        let parsed: oci_spec::image::ImageConfiguration =
            serde_json::from_slice(bytes).map_err(|error| ImageError::invalid(format!("configuration {id}"), error))?;
        let diff_ids: Vec<String> = parsed.rootfs().diff_ids().to_vec();
        if diff_ids.len() > LAYERS_MAX {
            return Err(ImageError::invalid(id.0, format!("more than {LAYERS_MAX} layers")));
        }
        for diff_id in &diff_ids {
            super::reference::valid_digest(diff_id).map_err(|error| ImageError::invalid(diff_id.as_str(), error))?;
        }
        let path = self.root.join("configs").join(format!("{digest}.json"));
        let staged = self.scratch()?;
        let file = staged.path().join("config");
        std::fs::write(&file, bytes)
            .and_then(|()| std::fs::rename(&file, &path))
            .map_err(ImageError::io(format!("write {}", path.display())))?;
        Ok((id, ImageRecord { diff_ids, config: image_config(&parsed), ..ImageRecord::default() }))
    }

    /// Whether a layer is here already.
    pub(super) fn has_layer(&self, diff_id: &str) -> bool {
        self.layers_directory().join(layer_name(diff_id)).exists()
    }

    /// Unpacks a layer, gzipped or not, unless it is here already; checks its digest.
    pub(super) fn add_layer(&self, diff_id: &str, reader: impl Read + 'static) -> Result<(), ImageError> {
        if self.has_layer(diff_id) {
            return Ok(());
        }
        let staged = self.scratch()?;
        let directory = staged.path().join("layer");
        let broken = |error: std::io::Error| ImageError::invalid(format!("layer {diff_id}"), error);
        std::fs::create_dir(&directory).map_err(broken)?;
        set_mode(&directory, 0o755).map_err(broken)?;
        let mut reader = Hashing { inner: inflate(reader).map_err(broken)?, hash: sha2::Sha256::new() };
        unpack(&mut reader, &directory).map_err(broken)?;
        std::io::copy(&mut reader, &mut std::io::sink()).map_err(broken)?; // the padding after the last entry counts
        let digest = format!("sha256:{}", hex::encode(reader.hash.finalize()));
        if digest != diff_id {
            return Err(ImageError::invalid(format!("layer {diff_id}"), format!("its content has digest {digest}")));
        }
        self.place_layer(diff_id, &directory)
    }

    /// Moves a whole layer from its scratch directory to where layers are.
    pub(super) fn place_layer(&self, diff_id: &str, directory: &Path) -> Result<(), ImageError> {
        match std::fs::rename(directory, self.layers_directory().join(layer_name(diff_id))) {
            Ok(()) => Ok(()),
            Err(_) if self.has_layer(diff_id) => Ok(()), // someone else was faster
            Err(error) => Err(ImageError::invalid(format!("layer {diff_id}"), error)),
        }
    }

    /// Every image with its record.
    pub(super) fn records(&self) -> Vec<(ImageId, ImageRecord)> {
        self.lock().index.images.iter().map(|(id, record)| (id.clone(), record.clone())).collect()
    }

    /// Where an image's configuration is.
    pub(super) fn config_path(&self, id: &ImageId) -> PathBuf {
        self.root.join("configs").join(format!("{}.json", id.0.trim_start_matches("sha256:")))
    }

    /// Names the images: from here on they exist.
    pub(super) fn commit(&self, added: Vec<(ImageId, ImageRecord)>) -> Result<Vec<Image>, ImageError> {
        self.change(|index| {
            for (id, record) in &added {
                index.insert(id.clone(), record.clone());
            }
        })?;
        let loaded = self.lock();
        Ok(added.iter().filter_map(|(id, _)| loaded.index.images.get(id).map(|record| record.to_image(id))).collect())
    }

    /// Removes a name or, by its id, a whole image. Layers stay until [`ImageStore::collect`].
    pub fn remove(&self, reference: &str) -> Result<(), ImageError> {
        let parsed = Reference::parse(reference).ok().map(|reference| reference.to_string());
        self.change(|index| {
            let named = parsed.as_ref().filter(|name| {
                index.images.values().any(|record| record.tags.contains(*name) || record.digests.contains(*name))
            });
            match named {
                Some(name) => index.remove_name(name),
                None => {
                    if let Some(id) = find_id(index, reference) {
                        index.images.remove(&id);
                    }
                }
            }
        })
    }

    /// Marks images as never to be collected: those that no registry has.
    pub fn pin(&self, ids: &[ImageId]) -> Result<(), ImageError> {
        self.change(|index| {
            for id in ids {
                if let Some(record) = index.images.get_mut(id) {
                    record.pinned = true;
                }
            }
        })
    }

    /// Deletes the layers and configurations that no image names and no container uses. Blocks. Nothing goes while another
    /// process has the store open: what it adds no index names yet.
    pub fn collect(&self, in_use: &BTreeSet<String>) -> Result<(), ImageError> {
        let doing = || ImageError::io(format!("collect {}", self.root.display()));
        let gate = self.members.gate().map_err(doing())?;
        if !self.members.is_alone(&gate).map_err(doing())? {
            tracing::debug!(root = %self.root.display(), "another process uses the store: nothing is collected");
            return Ok(());
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.lock().index.clone();
        let used: BTreeSet<String> = index.layers().into_iter().map(layer_name).collect();
        let keep = |name: &str| used.contains(name) || in_use.contains(name) || held.contains_key(name);
        sweep(&self.layers_directory(), keep)?;
        let configs: BTreeSet<String> =
            index.images.keys().map(|id| format!("{}.json", id.0.trim_start_matches("sha256:"))).collect();
        if held.is_empty() {
            sweep(&self.root.join("configs"), |name| configs.contains(name))?;
        }
        Ok(())
    }

    /// What the store uses, by the images' own sizes, and its file system's.
    pub fn usage(&self) -> Result<ImageFsUsage, ImageError> {
        let stat = rustix::fs::statvfs(&self.root)
            .map_err(|error| ImageError::io(format!("statvfs {}", self.root.display()))(error.into()))?;
        Ok(ImageFsUsage {
            mountpoint: self.root.clone(),
            used_bytes: self.lock().index.images.values().map(|record| record.size_bytes).sum(),
            capacity_bytes: stat.f_blocks * stat.f_frsize,
            available_bytes: stat.f_bavail * stat.f_frsize,
        })
    }

    /// Changes the index in memory and on disk, or neither.
    fn change(&self, edit: impl FnOnce(&mut Index)) -> Result<(), ImageError> {
        let file = self.root.join("index.json");
        let _gate = self.members.gate().map_err(ImageError::io(format!("lock {}", file.display())))?;
        let mut loaded = self.lock();
        let mut next = loaded.index.clone();
        edit(&mut next);
        if next != loaded.index {
            next.save(&file)?;
            *loaded = Loaded { index: next, version: Version::of(&file) };
        }
        Ok(())
    }

    /// The index, read again where another process has replaced it.
    fn lock(&self) -> MutexGuard<'_, Loaded> {
        let mut loaded = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.root.join("index.json");
        let version = Version::of(&file);
        if version != loaded.version {
            match Index::load(&file) {
                Ok(index) => *loaded = Loaded { index, version },
                Err(error) => tracing::warn!(%error, "the index of images cannot be read again"),
            }
        }
        loaded
    }

    /// Keeps these layers from being collected until the guard is dropped.
    pub(crate) fn hold_layers(&self, diff_ids: &[String]) -> HeldLayers<'_> {
        let names: Vec<String> = diff_ids.iter().map(|id| layer_name(id)).collect();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &names {
            *held.entry(name.clone()).or_default() += 1;
        }
        HeldLayers { store: self, names }
    }

    /// A directory of one's own that goes away with its guard.
    pub(super) fn scratch(&self) -> Result<Scratch, ImageError> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = self.root.join("tmp").join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(ImageError::io(format!("create {}", path.display())))?;
        Ok(Scratch(path))
    }
}

/// See [`ImageStore::hold_layers`].
pub(crate) struct HeldLayers<'a> {
    store: &'a ImageStore,
    names: Vec<String>,
}

impl Drop for HeldLayers<'_> {
    fn drop(&mut self) {
        let mut held = self.store.held.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &self.names {
            if let Some(count) = held.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    held.remove(name);
                }
            }
        }
    }
}

/// A temporary directory of the store.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // what stays is cleared at the next start
    }
}

fn find_id(index: &Index, reference: &str) -> Option<ImageId> {
    if let Some(id) =
        index.images.keys().find(|id| id.0 == reference || id.0.strip_prefix("sha256:") == Some(reference))
    {
        return Some(id.clone());
    }
    let parsed = Reference::parse(reference).ok()?;
    let full = parsed.to_string();
    let by_digest = parsed.digest.as_ref().map(|digest| format!("{}@{digest}", parsed.name()));
    let matches = |record: &ImageRecord| {
        record.tags.contains(&full)
            || record.digests.contains(&full)
            || by_digest.as_ref().is_some_and(|name| record.digests.contains(name))
    };
    index.images.iter().find(|(_, record)| matches(record)).map(|(id, _)| id.clone())
}

pub(super) fn layer_name(diff_id: &str) -> String {
    diff_id.trim_start_matches("sha256:").chars().take(LAYER_NAME_DIGITS).collect()
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

fn sweep(directory: &Path, keep: impl Fn(&str) -> bool) -> Result<(), ImageError> {
    let doing = || ImageError::io(format!("collect {}", directory.display()));
    for entry in std::fs::read_dir(directory).map_err(doing())? {
        let entry = entry.map_err(doing())?;
        if entry.file_name().to_str().is_some_and(&keep) {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(doing())?;
    }
    Ok(())
}

fn image_config(parsed: &oci_spec::image::ImageConfiguration) -> ImageConfig {
    let Some(config) = parsed.config() else { return ImageConfig::default() };
    ImageConfig {
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
        user: config.user().clone().unwrap_or_default(),
        working_dir: config.working_dir().clone().unwrap_or_default(),
        stop_signal: config.stop_signal().clone().filter(|signal| !signal.is_empty()),
        volumes: config.volumes().clone().unwrap_or_default(),
    }
}

/// Inflates what is gzipped; leaves a plain tar as it is.
fn inflate(mut reader: impl Read + 'static) -> std::io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let gzip = magic.starts_with(&[0x1f, 0x8b]);
    let zstd = magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let whole = std::io::Cursor::new(magic).chain(reader);
    if zstd {
        return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "zstd layers are not supported"));
    }
    Ok(if gzip { Box::new(flate2::read::MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

struct Hashing<R> {
    inner: R,
    hash: sha2::Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
