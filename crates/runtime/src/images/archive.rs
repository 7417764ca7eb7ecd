//! Reads images out of OCI layouts (a directory or a tar) and docker archives.

use super::reference::{Reference, valid_digest};
use crate::service::ImageError;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Largest JSON file inside an archive: real manifests and configurations are far smaller.
const JSON_MAX_BYTES: u64 = 16 << 20;
/// How deep image indices may nest.
const INDEX_DEPTH_MAX: usize = 4;

/// Where a layout's files are.
pub(super) enum Source {
    /// An OCI layout in a directory.
    Directory(PathBuf),
    /// A tar, with the places of its members.
    Tar { file: File, members: HashMap<PathBuf, (u64, u64)> },
}

/// One image found in a source, nothing unpacked yet.
pub(super) struct FoundImage {
    /// Full names.
    pub tags: Vec<String>,
    /// The manifest's digest, where there is one.
    pub manifest_digest: Option<String>,
    /// The configuration as it came.
    pub config: Vec<u8>,
    /// Paths of its layers in the source, lowest first.
    pub layers: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: PathBuf,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

impl Source {
    /// Opens a directory or tar; a gzipped tar is first inflated into `scratch`.
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Self, ImageError> {
        let doing = || ImageError::io(format!("open {}", path.display()));
        let mut file = File::open(path).map_err(doing())?;
        if file.metadata().map_err(doing())?.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        let mut magic = [0; 2];
        let is_gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        file.seek(SeekFrom::Start(0)).map_err(doing())?;
        if is_gzip {
            let staged = scratch.join("archive.tar");
            let mut inflated = File::options().read(true).write(true).create_new(true).open(&staged).map_err(doing())?;
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(file), &mut inflated).map_err(doing())?;
            inflated.flush().map_err(doing())?;
            inflated.seek(SeekFrom::Start(0)).map_err(doing())?;
            file = inflated;
        }
        let members = members(&file).map_err(|error| ImageError::invalid(path.display().to_string(), error))?;
        Ok(Self::Tar { file, members })
    }

    /// A reader of one file of the source, with its size.
    pub(super) fn read(&self, path: &Path) -> Result<(Box<dyn Read>, u64), ImageError> {
        let missing = || ImageError::invalid(path.display().to_string(), "not in the archive");
        let io = || ImageError::io(format!("read {}", path.display()));
        match self {
            Self::Directory(root) => {
                if path.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
                    return Err(ImageError::invalid(path.display().to_string(), "path leaves the layout"));
                }
                let file = File::open(root.join(path)).map_err(io())?;
                let size = file.metadata().map_err(io())?.len();
                Ok((Box::new(file), size))
            }
            Self::Tar { file, members } => {
                let (offset, size) = *members.get(path).ok_or_else(missing)?;
                let reader = At { file: file.try_clone().map_err(io())?, offset };
                Ok((Box::new(reader.take(size)), size))
            }
        }
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, ImageError> {
        let (reader, size) = self.read(path)?;
        if size > JSON_MAX_BYTES {
            return Err(ImageError::invalid(path.display().to_string(), "too large"));
        }
        let mut bytes = Vec::new();
        reader
            .take(JSON_MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(ImageError::io(format!("read {}", path.display())))?;
        Ok(bytes)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T, ImageError> {
        serde_json::from_slice(&self.bytes(path)?)
            .map_err(|error| ImageError::invalid(path.display().to_string(), error))
    }

    fn has(&self, path: &Path) -> bool {
        match self {
            Self::Directory(root) => root.join(path).exists(),
            Self::Tar { members, .. } => members.contains_key(path),
        }
    }

    /// Every image of the source. A `manifest.json` is read first, since only it has full names.
    pub(super) fn images(&self) -> Result<Vec<FoundImage>, ImageError> {
        if self.has(Path::new("manifest.json")) {
            return self.docker_images();
        }
        if !self.has(Path::new("index.json")) {
            return Err(ImageError::invalid("archive", "neither manifest.json nor index.json is in it"));
        }
        let mut found = Vec::new();
        self.index_images(&self.json(Path::new("index.json"))?, None, 0, &mut found)?;
        Ok(found)
    }

    fn docker_images(&self) -> Result<Vec<FoundImage>, ImageError> {
        let images: Vec<DockerImage> = self.json(Path::new("manifest.json"))?;
        let found = images.into_iter().map(|image| {
            let tags = image.repo_tags.unwrap_or_default();
            Ok(FoundImage {
                tags: tags.iter().map(|tag| normal(tag)).collect::<Result<_, _>>()?,
                manifest_digest: None,
                config: self.bytes(&image.config)?,
                layers: image.layers,
            })
        });
        found.collect()
    }

    fn index_images(
        &self,
        index: &ImageIndex,
        inherited: Option<&str>,
        depth: usize,
        found: &mut Vec<FoundImage>,
    ) -> Result<(), ImageError> {
        if depth > INDEX_DEPTH_MAX {
            return Err(ImageError::invalid("index.json", "indices nest too deeply"));
        }
        let nested = inherited.is_some() || depth > 0;
        for descriptor in index.manifests() {
            let name = name_of(descriptor).or(inherited);
            let fits = descriptor.platform().as_ref().is_none_or(|platform| {
                platform.os().to_string() == "linux" && platform.architecture().to_string() == architecture()
            });
            if nested && !fits {
                continue;
            }
            let path = blob_path(descriptor.digest().as_ref())?;
            let bytes = self.bytes(&path)?;
            if let Ok(inner) = serde_json::from_slice::<ImageIndex>(&bytes)
                && !inner.manifests().is_empty()
            {
                self.index_images(&inner, name, depth + 1, found)?;
                continue;
            }
            let manifest: ImageManifest = serde_json::from_slice(&bytes)
                .map_err(|error| ImageError::invalid(path.display().to_string(), error))?;
            let layers = manifest.layers().iter().map(|layer| blob_path(layer.digest().as_ref()));
            found.push(FoundImage {
                tags: name.map(normal).transpose()?.into_iter().collect(),
                manifest_digest: Some(descriptor.digest().to_string()),
                config: self.bytes(&blob_path(manifest.config().digest().as_ref())?)?,
                layers: layers.collect::<Result<_, _>>()?,
            });
        }
        Ok(())
    }
}

/// This machine's architecture in Go's words.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn name_of(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    let full =
        annotations.get("io.containerd.image.name").or_else(|| annotations.get("org.opencontainers.image.ref.name"))?;
    // A bare tag is no name: `skopeo` writes it so.
    (full.contains(['/', ':']) || full.bytes().any(|b| b.is_ascii_alphabetic()) && full != "latest").then_some(full)
}

fn normal(name: &str) -> Result<String, ImageError> {
    let parsed = Reference::parse(name).map(|reference| reference.to_string());
    parsed.map_err(|error| ImageError::InvalidName { reference: name.to_owned(), message: error.to_string() })
}

fn blob_path(digest: &str) -> Result<PathBuf, ImageError> {
    let digest = valid_digest(digest).map_err(|error| ImageError::invalid(digest, error))?;
    Ok(Path::new("blobs").join(digest.replace(':', "/")))
}

fn members(file: &File) -> std::io::Result<HashMap<PathBuf, (u64, u64)>> {
    let mut archive = tar::Archive::new(file);
    let mut members = HashMap::new();
    let mut links = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let path: PathBuf =
            entry.path()?.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
        match (entry.header().entry_type(), entry.link_name()?) {
            (tar::EntryType::Regular, _) => {
                members.insert(path, (entry.raw_file_position(), entry.size()));
            }
            // Old `docker save` links equal layers to each other.
            (tar::EntryType::Symlink, Some(target)) => {
                let mut to = path.parent().unwrap_or(Path::new("")).to_path_buf();
                for part in target.components() {
                    match part {
                        std::path::Component::ParentDir => drop(to.pop()),
                        std::path::Component::Normal(part) => to.push(part),
                        _ => {}
                    }
                }
                links.push((path, to));
            }
            _ => {}
        }
    }
    for (path, to) in links {
        if let Some(place) = members.get(&to).copied() {
            members.insert(path, place);
        }
    }
    Ok(members)
}

/// Reads at its own offset, so that several readers share one file.
struct At {
    file: File,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(&self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
