//! The images that a new cluster starts with: every archive of a directory, on every node. They are unpacked once; the
//! nodes share the files. They are pinned, as no registry has them.

use super::layout::{Layout, Node};
use super::lifecycle::{ClusterError, system};
use crate::roles::images::DEFAULT_ROOT;
use runtime::images::ImageStore;
use runtime::service::ImageError;
use std::fs;
use std::path::{Path, PathBuf};

/// Imports every archive of `directory` on every node. No kubelet may run meanwhile: a store has one process at a time.
pub async fn import(layout: &Layout, nodes: &[Node], directory: &Path) -> Result<(), ClusterError> {
    let archives = archives(directory)?;
    let roots: Vec<PathBuf> =
        nodes.iter().map(|node| layout.node_path(&node.name, DEFAULT_ROOT).join("images")).collect();
    let work = tokio::task::spawn_blocking(move || import_blocking(&roots, &archives));
    let done = work.await.map_err(|error| system("import images")(error.into()))?;
    done.map_err(|error| ClusterError::Images(Box::new(error)))
}

fn import_blocking(roots: &[PathBuf], archives: &[PathBuf]) -> Result<(), ImageError> {
    let Some((first, others)) = roots.split_first() else { return Ok(()) };
    let first = ImageStore::open(first)?;
    for archive in archives {
        let images: Vec<_> = first.import(archive, None)?.into_iter().map(|image| image.id).collect();
        first.pin(&images)?;
    }
    others.iter().try_for_each(|root| ImageStore::open(root)?.adopt(&first).map(drop))
}

/// The archives of a directory, in the order of their names.
fn archives(directory: &Path) -> Result<Vec<PathBuf>, ClusterError> {
    let entries = fs::read_dir(directory).map_err(system(directory.display().to_string()))?;
    let mut archives: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    archives.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
    archives.sort();
    Ok(archives)
}
