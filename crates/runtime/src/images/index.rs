//! The store's table of contents: one small JSON file, replaced whole.

use super::reference::Reference;
use crate::service::{Image, ImageConfig, ImageError, ImageId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// Every image, and every name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// By id.
    pub images: BTreeMap<ImageId, ImageRecord>,
}

/// One image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// Full names with a tag.
    pub tags: BTreeSet<String>,
    /// Full names with a digest.
    pub digests: BTreeSet<String>,
    /// Bytes of its blobs as they came.
    pub size_bytes: u64,
    /// Layers, lowest first, by the digests of their unpacked tars.
    pub diff_ids: Vec<String>,
    /// What its configuration says.
    pub config: ImageConfig,
    /// Never collected.
    #[serde(default)]
    pub pinned: bool,
}

impl ImageRecord {
    /// The image as the service shows it.
    pub(crate) fn to_image(&self, id: &ImageId) -> Image {
        let user = self.config.user.split(':').next().unwrap_or_default();
        let uid = user.parse().ok();
        Image {
            id: id.clone(),
            repo_tags: self.tags.iter().cloned().collect(),
            repo_digests: self.digests.iter().cloned().collect(),
            size_bytes: self.size_bytes,
            uid,
            username: (uid.is_none() && !user.is_empty()).then(|| user.to_owned()),
            config: self.config.clone(),
            pinned: self.pinned,
        }
    }
}

impl ImageRecord {
    /// The image's full name: the one that was asked for if it has that, else its first; empty when it has none.
    pub(crate) fn name_for(&self, asked: &str) -> String {
        let asked = Reference::parse(asked).map(|reference| reference.to_string()).unwrap_or_default();
        let first = self.tags.first().or_else(|| self.digests.first());
        self.tags.get(&asked).or(first).cloned().unwrap_or_default()
    }
}

impl Index {
    /// Adds an image; its names are taken away from whoever had them.
    pub(crate) fn insert(&mut self, id: ImageId, record: ImageRecord) {
        for other in self.images.values_mut() {
            other.tags.retain(|tag| !record.tags.contains(tag));
        }
        let entry = self.images.entry(id).or_default();
        let (tags, digests, pinned) =
            (std::mem::take(&mut entry.tags), std::mem::take(&mut entry.digests), entry.pinned);
        *entry = record;
        entry.tags.extend(tags);
        entry.digests.extend(digests);
        entry.pinned |= pinned;
    }

    /// Removes one name; the image goes with its last.
    pub(crate) fn remove_name(&mut self, name: &str) {
        for record in self.images.values_mut() {
            record.tags.remove(name);
            record.digests.remove(name);
        }
        self.images.retain(|_, record| !record.tags.is_empty() || !record.digests.is_empty());
    }

    /// The layers that any image uses.
    pub(crate) fn layers(&self) -> BTreeSet<&str> {
        self.images.values().flat_map(|record| record.diff_ids.iter().map(String::as_str)).collect()
    }

    /// Reads the index; a missing one is empty.
    pub(crate) fn load(path: &Path) -> Result<Self, ImageError> {
        match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| ImageError::invalid(path.display().to_string(), error))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ImageError::io(format!("read {}", path.display()))(error)),
        }
    }

    /// Replaces the index on disk, after everything that it names has reached the disk.
    pub(crate) fn save(&self, path: &Path) -> Result<(), ImageError> {
        let doing = || ImageError::io(format!("write {}", path.display()));
        let bytes = serde_json::to_vec(self).map_err(|error| ImageError::invalid("index", error))?;
        let staged = path.with_extension("new");
        let mut file = std::fs::File::create(&staged).map_err(doing())?;
        file.write_all(&bytes).map_err(doing())?;
        // One flush for the layers, the configurations and this file alike.
        rustix::fs::syncfs(&file).map_err(|error| doing()(error.into()))?;
        std::fs::rename(&staged, path).map_err(doing())?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(doing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_called_what_it_was_asked_for() {
        let tags = ["docker.io/library/busybox:latest", "docker.io/library/centos:latest"].map(str::to_owned);
        let record = ImageRecord { tags: tags.into(), ..ImageRecord::default() };
        assert_eq!(record.name_for("centos"), "docker.io/library/centos:latest");
        assert_eq!(record.name_for("elsewhere"), "docker.io/library/busybox:latest");
        assert_eq!(ImageRecord::default().name_for("centos"), "");
    }
}
