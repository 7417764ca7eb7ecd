//! Manifests in a file or directory: read as a whole whenever inotify says so, and every `fileCheckFrequency`.

use super::{Source, SourceUpdate, decode::decode_manifest};
use crate::pod;
use client::Shutdown;
use clock::SharedClock;
use futures::StreamExt;
use inotify::{Inotify, WatchMask};
use k8s_openapi::api::core::v1::Pod;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// A larger file is no manifest (upstream's `maxConfigLength`), bytes.
const MAX_MANIFEST_BYTES: u64 = 10 << 20;

/// Reads `path` now and at every change until `shutdown`.
pub async fn run(
    path: PathBuf,
    frequency: Duration,
    node_name: String,
    clock: SharedClock,
    updates: mpsc::Sender<SourceUpdate>,
    shutdown: Shutdown,
) {
    let mut watch = None;
    loop {
        if watch.is_none() {
            watch = open_watch(&path).ok();
        }
        match read(&path, &node_name, clock.now()) {
            Ok(update) => {
                if updates.send(update).await.is_err() {
                    return;
                }
            }
            // what runs goes on: the files are not gone, only unreadable
            Err(error) => tracing::error!(path = %path.display(), %error, "cannot read static pods"),
        }
        let changed = async {
            match watch.as_mut() {
                Some(events) => events.next().await.is_some_and(|event| event.is_ok()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            alive = changed => {
                if !alive {
                    watch = None;
                }
            }
            () = clock.sleep(frequency) => {
                // the directory may have been replaced by another of the same name
                watch = None;
            }
            () = shutdown.cancelled() => return,
        }
    }
}

fn open_watch(path: &Path) -> io::Result<inotify::EventStream<Vec<u8>>> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::ATTRIB | WatchMask::CREATE;
    // of a single file the directory is watched, as editors replace files
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    inotify.watches().add(directory, mask)?;
    inotify.into_event_stream(vec![0; 4096])
}

/// All manifests at `path`. A path that does not exist holds none.
///
/// # Errors
/// The directory cannot be read.
pub fn read(path: &Path, node_name: &str, now: jiff::Timestamp) -> io::Result<SourceUpdate> {
    let mut update = SourceUpdate { source: Source::File, pods: Vec::new(), problems: Vec::new() };
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(update),
        other => other?,
    };
    let files = if metadata.is_dir() { files_in(path)? } else { vec![path.to_owned()] };
    for file in files {
        match read_manifest(&file, node_name, now) {
            Ok(pods) => take(&mut update, &file, pods),
            Err(problem) => update.problems.push((file.display().to_string(), problem)),
        }
    }
    Ok(update)
}

/// Of two manifests with one pod name or uid the first counts.
fn take(update: &mut SourceUpdate, file: &Path, pods: Vec<Pod>) {
    for pod in pods {
        let (name, uid) = (pod::full_name(&pod), pod::uid(&pod));
        if update.pods.iter().any(|known| pod::full_name(known) == name || pod::uid(known) == uid) {
            let problem = format!("pod {name} ({uid}) is already defined by another manifest, which counts");
            update.problems.push((file.display().to_string(), problem));
        } else {
            update.pods.push(pod);
        }
    }
}

/// Regular files, links followed, in the order of their names. Dot files are somebody's editor's.
fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_manifest(file: &Path, node_name: &str, now: jiff::Timestamp) -> Result<Vec<Pod>, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size == 0 {
        // somebody is about to write it, and closing it will be seen
        return Ok(Vec::new());
    }
    if size > MAX_MANIFEST_BYTES {
        return Err(format!("{size} bytes are too many for a manifest"));
    }
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    decode_manifest(&bytes, Source::File, node_name, now).map_err(|error| error.to_string())
}
