//! Logs of running containers that have grown too large: set aside, gzipped, and the oldest removed. Mirrors upstream's
//! container log manager.
//!
//! `0.log` → `0.log.20260102-150405` → `0.log.20260102-150405.gz`: of the rotated files only the newest is plain, as whoever
//! collects logs may still read it. Which files go is pure. What not: reading logs; that is the server's, and it reads the
//! newest file only, as upstream does.

#[cfg(test)]
mod tests;

use crate::config::Retention;
use crate::shared::Shared;
use client::Shutdown;
use jiff::Timestamp;
use runtime::service::{ContainerFilter, ContainerState, ContainerStatus, RuntimeError};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a log could not be rotated.
#[derive(Debug, thiserror::Error)]
enum RotationError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("reopen the log: {0}")]
    Reopen(#[from] RuntimeError),
}

/// What to do with the files that were set aside before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Plan {
    /// Left over by a crash, or too many.
    remove: Vec<String>,
    /// Plain still.
    compress: Vec<String>,
}

const COMPRESSED: &str = ".gz";
const STAGED: &str = ".tmp";

/// The plan for `log` from the names beside it. `files_max` counts the log itself and the one about to be set aside.
fn plan(log: &str, names: &[String], files_max: usize) -> Plan {
    let prefix = format!("{log}.");
    let mut rotated: Vec<&String> = names.iter().filter(|name| name.starts_with(&prefix)).collect();
    rotated.sort();
    let mut plan = Plan::default();
    let useless = |name: &str| {
        name.ends_with(STAGED) || (!name.ends_with(COMPRESSED) && names.contains(&format!("{name}{COMPRESSED}")))
    };
    let (gone, mut kept): (Vec<&String>, Vec<&String>) = rotated.into_iter().partition(|name| useless(name));
    let excess = kept.len().saturating_sub(files_max.saturating_sub(2));
    plan.remove = gone.into_iter().chain(kept.drain(..excess)).cloned().collect();
    plan.compress = kept.into_iter().filter(|name| !name.ends_with(COMPRESSED)).cloned().collect();
    plan
}

/// Looks after the logs until `shutdown`.
pub async fn run(shared: Arc<Shared>, shutdown: Shutdown) {
    let settings = shared.config.retention.clone();
    if settings.container_log_max_size_bytes == 0 {
        return;
    }
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = shared.clock.sleep(settings.container_log_monitor_interval) => {}
        }
        let filter = ContainerFilter { state: Some(ContainerState::Running), ..ContainerFilter::default() };
        let running = match shared.runtime.list_containers(filter).await {
            Ok(running) => running,
            Err(error) => {
                tracing::warn!(%error, "cannot list containers to rotate their logs");
                continue;
            }
        };
        for container in running.iter().filter(|c| !c.log_path.as_os_str().is_empty()) {
            if let Err(error) = look_after(&shared, &settings, container).await {
                tracing::warn!(container = %container.id, %error, "cannot rotate a container's log");
            }
        }
    }
}

async fn look_after(shared: &Shared, settings: &Retention, container: &ContainerStatus) -> Result<(), RotationError> {
    let log = &container.log_path;
    let size_bytes = match fs::metadata(log) {
        Ok(metadata) => metadata.len(),
        // somebody has removed it: what is written from now on is to be found again
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(shared.runtime.reopen_container_log(&container.id).await?);
        }
        Err(error) => return Err(file(log)(error)),
    };
    if size_bytes < settings.container_log_max_size_bytes {
        return Ok(());
    }
    let (path, files_max) = (log.clone(), settings.container_log_max_files);
    let worked = tokio::task::spawn_blocking(move || make_room(&path, files_max)).await;
    worked.map_err(|error| file(log)(io::Error::other(error)))??;
    set_aside(shared, container).await
}

/// Removes and compresses what was set aside before.
fn make_room(log: &Path, files_max: usize) -> Result<(), RotationError> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let entries = fs::read_dir(directory).map_err(file(directory))?;
    let names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let plan = plan(name, &names, files_max);
    for name in &plan.remove {
        let path = directory.join(name);
        fs::remove_file(&path).map_err(file(&path))?;
    }
    for name in &plan.compress {
        let path = directory.join(name);
        compress(&path).map_err(file(&path))?;
    }
    Ok(())
}

/// Replaces a file by its gzipped form; a crash leaves either of them whole.
fn compress(path: &Path) -> io::Result<()> {
    let named = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let (whole, staged) = (named(COMPRESSED), named(&format!("{COMPRESSED}{STAGED}")));
    let mut from = File::open(path)?;
    let mut to = flate2::write::GzEncoder::new(File::create(&staged)?, flate2::Compression::default());
    io::copy(&mut from, &mut to)?;
    let to = to.finish()?;
    to.set_permissions(from.metadata()?.permissions())?;
    to.sync_data()?;
    fs::rename(&staged, &whole)?;
    fs::remove_file(path)
}

/// Renames the log, and has the runtime go on in a new file.
async fn set_aside(shared: &Shared, container: &ContainerStatus) -> Result<(), RotationError> {
    let log = &container.log_path;
    let rotated = rotated_path(log, shared.clock.now());
    fs::rename(log, &rotated).map_err(file(log))?;
    if let Err(error) = shared.runtime.reopen_container_log(&container.id).await {
        // it goes on writing to the old file, which gets its name back
        fs::rename(&rotated, log).map_err(file(log))?;
        return Err(error.into());
    }
    Ok(())
}

fn rotated_path(log: &Path, now: Timestamp) -> PathBuf {
    PathBuf::from(format!("{}.{}", log.display(), now.strftime("%Y%m%d-%H%M%S")))
}

/// Removes the log of an instance with all that was rotated out of it. What is left goes with the pod's directory.
pub fn remove(log: &Path) {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else { return };
    let prefix = format!("{name}.");
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let of_it = entry.file_name().to_str().is_some_and(|other| other == name || other.starts_with(&prefix));
        if of_it && let Err(error) = fs::remove_file(entry.path()) {
            tracing::debug!(log = %entry.path().display(), %error, "cannot remove a log");
        }
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> RotationError {
    let path = path.to_owned();
    move |source| RotationError::File { path, source }
}
