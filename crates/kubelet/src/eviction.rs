//! Pods that take more of the node's disk than they may are ended: `sizeLimit` of emptyDirs and limits of
//! `ephemeral-storage`. Mirrors `localStorageEviction` of upstream's eviction manager.
//!
//! What is over its limit is pure; the task measures and ends. What not: pods that keep within theirs while the node runs
//! short, and use that has no limit, which is not even measured.

#[cfg(test)]
mod tests;

use crate::amount::Milli;
use crate::events::PodEvents;
use crate::pod;
use crate::pod_workers::PodWorkers;
use crate::resources;
use crate::shared::Shared;
use crate::status::Failure;
use crate::volumes;
use client::Shutdown;
use k8s_openapi::api::core::v1::{Container, Pod, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use runtime::disk;
use runtime::service::RuntimeError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// `evictionMonitoringPeriod`
const PERIOD: Duration = Duration::from_secs(10);
/// The reason of status and event.
const REASON: &str = "Evicted";
/// The resource.
const EPHEMERAL_STORAGE: &str = "ephemeral-storage";

/// What a pod has on the disk, bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Usage {
    /// By the volume's name.
    volumes: BTreeMap<String, u64>,
    /// Own layers and logs, by the container's name.
    containers: BTreeMap<String, u64>,
}

/// Why use could not be measured.
#[derive(Debug, thiserror::Error)]
enum MeasureError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("measure the pod's files: {0}")]
    Files(#[from] std::io::Error),
}

fn size_limit(volume: &Volume) -> Option<&Quantity> {
    volume.empty_dir.as_ref()?.size_limit.as_ref().filter(|limit| Milli::of(limit).0 > 0)
}

fn storage_limit(container: &Container) -> Option<&Quantity> {
    let limit = container.resources.as_ref()?.limits.as_ref()?.get(EPHEMERAL_STORAGE)?;
    (Milli::of(limit).0 != 0).then_some(limit)
}

/// Volumes that are files on the node's disk and go with the pod (`IsLocalEphemeralVolume`).
fn is_local(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.empty_dir.as_ref().is_some_and(|source| source.medium.as_deref().unwrap_or_default().is_empty())
}

fn limits_storage(pod: &Pod) -> bool {
    resources::effective_limits(pod).contains_key(EPHEMERAL_STORAGE)
}

/// Whether there is anything that the pod could be over.
fn has_limits(pod: &Pod) -> bool {
    limits_storage(pod) || pod::spec(pod).volumes.iter().flatten().any(|volume| size_limit(volume).is_some())
}

/// What the pod is over first, in upstream's words, the blank at their end with them.
fn excess(pod: &Pod, usage: &Usage) -> Option<String> {
    let exceeds = |used: Option<&u64>, limit: Milli| used.is_some_and(|bytes| i128::from(*bytes) * 1000 > limit.0);
    let spec = pod::spec(pod);
    for volume in spec.volumes.iter().flatten() {
        if let Some(limit) = size_limit(volume)
            && exceeds(usage.volumes.get(&volume.name), Milli::of(limit))
        {
            return Some(format!("Usage of EmptyDir volume {:?} exceeds the limit {:?}. ", volume.name, limit.0));
        }
    }
    if let Some(limit) = resources::effective_limits(pod).get(EPHEMERAL_STORAGE) {
        let local = spec.volumes.iter().flatten().filter(|volume| is_local(volume));
        let of_volumes = local.filter_map(|volume| usage.volumes.get(&volume.name));
        let total: u64 = of_volumes.chain(usage.containers.values()).sum();
        if exceeds(Some(&total), *limit) {
            let limit = limit.to_quantity(true).0;
            return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "));
        }
    }
    for container in &spec.containers {
        if let Some(limit) = storage_limit(container)
            && exceeds(usage.containers.get(&container.name), Milli::of(limit))
        {
            let name = &container.name;
            return Some(format!("Container {name} exceeded its local ephemeral storage limit {:?}. ", limit.0));
        }
    }
    None
}

async fn measure(shared: &Arc<Shared>, pod: &Arc<Pod>) -> Result<Usage, MeasureError> {
    let mut containers = BTreeMap::new();
    if let Some(observed) = shared.observed.get(&pod::uid(pod)).filter(|_| limits_storage(pod)) {
        for name in pod::containers(pod).into_iter().map(|(_, container)| container.name) {
            let Some(instance) = observed.latest(&name) else { continue };
            let layer_bytes = match shared.runtime.writable_layer_bytes(&instance.id).await {
                Err(RuntimeError::NotFound { .. }) => 0,
                other => other?,
            };
            containers.insert(name, layer_bytes);
        }
    }
    let (shared, pod) = (shared.clone(), pod.clone());
    let files = move || -> std::io::Result<Usage> {
        let logs = shared.config.paths.log_directory(&pod);
        for (name, bytes) in &mut containers {
            *bytes += disk::usage_bytes(&logs.join(name))?;
        }
        let mut volumes = BTreeMap::new();
        for volume in pod::spec(&pod).volumes.iter().flatten() {
            let counts = size_limit(volume).is_some() || (is_local(volume) && limits_storage(&pod));
            if let Some(path) = volumes::local_path(&shared.config.paths, &pod, volume).filter(|_| counts) {
                volumes.insert(volume.name.clone(), disk::usage_bytes(&path)?);
            }
        }
        Ok(Usage { volumes, containers })
    };
    Ok(tokio::task::spawn_blocking(files).await.map_err(std::io::Error::other).flatten()?)
}

/// Looks at all pods that have limits until `shutdown`.
pub async fn run(shared: Arc<Shared>, workers: Arc<PodWorkers>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = shared.clock.sleep(PERIOD) => {}
        }
        for desired in workers.all() {
            let over = desired.ends() || pod::is_terminal_phase(&desired.pod);
            // the node does not go on without critical pods: upstream does not evict them either
            if over || pod::is_critical(&desired.pod) || !has_limits(&desired.pod) {
                continue;
            }
            match measure(&shared, &desired.pod).await {
                Ok(usage) => {
                    if let Some(message) = excess(&desired.pod, &usage) {
                        evict(&shared, &workers, &desired.pod, message);
                    }
                }
                Err(error) => {
                    tracing::warn!(pod = %pod::format_pod(&desired.pod), %error, "cannot measure a pod's use of the disk");
                }
            }
        }
    }
}

fn evict(shared: &Shared, workers: &PodWorkers, pod: &Pod, message: String) {
    tracing::info!(pod = %pod::format_pod(pod), message, "evicting a pod");
    PodEvents { sink: &*shared.events, pod }.pod_warning(REASON, &message);
    workers.evict(&pod::uid(pod), Failure { reason: REASON.to_owned(), message });
}
