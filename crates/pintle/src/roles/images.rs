//! `pintle image`: the node's image store, used directly, whether a kubelet runs or not.

use runtime::images::ImageStore;
use runtime::service::{Image, ImageError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a node keeps images and containers unless told otherwise.
pub const DEFAULT_ROOT: &str = "/var/lib/pintle/runtime";
/// Where it keeps namespaces and sockets.
pub const RUN_DIR: &str = "/run/pintle";

/// Imports every image of every archive and prints their names.
pub fn import(root: &Path, archives: &[PathBuf]) -> Result<(), ImageError> {
    let store = ImageStore::open(root)?;
    for archive in archives {
        let images = store.import(archive, None)?;
        images.iter().flat_map(|image| &image.repo_tags).for_each(|name| println!("{name}"));
    }
    Ok(())
}

/// Prints what there is, in the columns of `crictl images`.
pub fn list(root: &Path) -> Result<(), ImageError> {
    println!("{:<40} {:<20} {:<15} SIZE", "IMAGE", "TAG", "IMAGE ID");
    ImageStore::open(root)?.list().iter().flat_map(rows).for_each(|row| println!("{row}"));
    Ok(())
}

/// Bytes of the id that are shown, as everyone shows them.
const SHORT_ID_BYTES: usize = 13;

fn rows(image: &Image) -> Vec<String> {
    let id = image.id.to_string();
    let id = id.strip_prefix("sha256:").unwrap_or(&id);
    let id = id.get(..SHORT_ID_BYTES).unwrap_or(id);
    let row = |name: &String| {
        let (name, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        format!("{name:<40} {tag:<20} {id:<15} {}", megabytes(image.size_bytes))
    };
    image.repo_tags.iter().map(row).collect()
}

#[allow(clippy::cast_precision_loss)] // three digits are shown
fn megabytes(bytes: u64) -> String {
    format!("{:.1}MB", bytes as f64 / 1e6)
}

/// Takes names away; with its last name an image goes.
pub fn remove(root: &Path, names: &[String]) -> Result<(), ImageError> {
    let store = ImageStore::open(root)?;
    names.iter().try_for_each(|name| store.remove(name))
}

/// Pulls images and prints their full names.
pub async fn pull(root: &Path, names: &[String]) -> Result<(), ImageError> {
    let store = Arc::new(ImageStore::open(root)?);
    for name in names {
        let image = store.pull(name, None).await?;
        image.repo_tags.iter().for_each(|name| println!("{name}"));
    }
    Ok(())
}
