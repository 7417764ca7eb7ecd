//! Pretended images.

use super::{Call, FakeRuntime};
use crate::service::{Image, ImageError, ImageFsUsage, ImageId, ImageService, RegistryAuth, Reply};
use sha2::Digest;
use std::path::PathBuf;

/// The name as a key: with domain and tag. Just enough for tests; the real rules are in `native::reference`.
pub(super) fn normal(reference: &str) -> String {
    let tagged = if reference.rsplit('/').next().is_some_and(|last| last.contains([':', '@'])) {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    };
    match tagged.split_once('/') {
        None => format!("docker.io/library/{tagged}"),
        Some((domain, _)) if domain.contains(['.', ':']) || domain == "localhost" => tagged,
        Some(_) => format!("docker.io/{tagged}"),
    }
}

/// An image whose id depends on its name alone.
pub(super) fn fake_image(name: &str) -> Image {
    let tag = normal(name);
    Image {
        id: ImageId(format!("sha256:{}", hex::encode(sha2::Sha256::digest(tag.as_bytes())))),
        repo_tags: vec![tag],
        size_bytes: 1 << 20,
        ..Image::default()
    }
}

impl ImageService for FakeRuntime {
    fn list_images(&self) -> Reply<'_, Vec<Image>, ImageError> {
        let images = self.lock().images.values().cloned().collect();
        Box::pin(async { Ok(images) })
    }

    fn image_status<'a>(&'a self, reference: &'a str) -> Reply<'a, Option<Image>, ImageError> {
        let inner = self.lock();
        let found =
            inner.images.get(&normal(reference)).or_else(|| inner.images.values().find(|i| i.id.0 == reference));
        let found = found.cloned();
        Box::pin(async { Ok(found) })
    }

    fn pull_image<'a>(&'a self, reference: &'a str, auth: Option<RegistryAuth>) -> Reply<'a, Image, ImageError> {
        let reference = normal(reference);
        let mut inner = self.lock();
        inner.calls.push(Call::PullImage(reference.clone()));
        let refused = inner.private.get(&reference).is_some_and(|wanted| Some(wanted) != auth.as_ref());
        let result = match inner.registry.get(&reference).cloned() {
            Some(_) if refused => Err(ImageError::Unauthorized { message: "pull access denied".to_owned(), reference }),
            Some(image) => {
                inner.images.insert(reference, image.clone());
                Ok(image)
            }
            None => Err(ImageError::NotFound {
                message: format!("failed to resolve reference \"{reference}\": {reference}: not found"),
                reference,
            }),
        };
        Box::pin(async { result })
    }

    fn remove_image<'a>(&'a self, reference: &'a str) -> Reply<'a, (), ImageError> {
        let normal = normal(reference);
        self.lock().images.retain(|name, image| *name != normal && image.id.0 != reference);
        Box::pin(async { Ok(()) })
    }

    fn import_image(&self, _source: PathBuf, name: Option<String>) -> Reply<'_, Vec<Image>, ImageError> {
        let images: Vec<Image> = name.iter().map(|name| fake_image(name)).collect();
        for image in &images {
            self.lock().images.insert(image.repo_tags[0].clone(), image.clone());
        }
        Box::pin(async { Ok(images) })
    }

    fn image_fs_usage(&self) -> Reply<'_, ImageFsUsage, ImageError> {
        let usage = self.lock().image_fs_usage.clone();
        Box::pin(async { Ok(usage) })
    }
}
