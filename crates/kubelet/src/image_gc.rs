//! Images that nobody uses make room: by age, and when the disk fills up. Mirrors upstream's image GC manager.
//!
//! The order and the amounts are pure; the task removes what they name. What not: containers, which are the workers'.

#[cfg(test)]
mod tests;

use crate::config::Retention;
use crate::events::node_reference;
use crate::shared::Shared;
use client::{EventType, Shutdown};
use jiff::Timestamp;
use runtime::service::{ContainerFilter, ContainerStatus, Image, ImageError, ImageFsUsage, ImageId, RuntimeError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// `ImageGCPeriod`
const PERIOD: Duration = Duration::from_mins(5);

/// What is remembered of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    /// `None`: it was there when the kubelet started.
    first_detected: Option<Timestamp>,
    /// `None`: never, as far as this kubelet knows.
    last_used: Option<Timestamp>,
    size_bytes: u64,
    pinned: bool,
}

/// All images, and since when they are of no use. Bounded by the images that there are.
#[derive(Debug)]
pub struct ImageRecords {
    records: BTreeMap<ImageId, Record>,
    began: Timestamp,
    detected_before: bool,
}

/// Why room could not be made, in upstream's words.
#[derive(Debug, thiserror::Error)]
pub enum ImageGcError {
    /// The file system does not say how large it is.
    #[error("invalid capacity 0 on image filesystem")]
    InvalidCapacity,
    /// What nobody uses is not enough.
    #[error(
        "Failed to garbage collect required amount of images. Attempted to free {wanted_bytes} bytes, but only found \
         {freed_bytes} bytes eligible to free."
    )]
    NotEnough {
        /// Bytes to free.
        wanted_bytes: u64,
        /// Bytes freed.
        freed_bytes: u64,
    },
    /// The store's.
    #[error(transparent)]
    Store(#[from] ImageError),
    /// The runtime's, which knows what images are in use.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl ImageGcError {
    /// The reason of its own event on the node, if it has one.
    fn event(&self) -> Option<&'static str> {
        match self {
            Self::InvalidCapacity => Some("InvalidDiskCapacity"),
            Self::NotEnough { .. } => Some("FreeDiskSpaceFailed"),
            Self::Store(_) | Self::Runtime(_) => None,
        }
    }
}

impl ImageRecords {
    /// Nothing known yet, at the kubelet's start.
    pub fn new(began: Timestamp) -> Self {
        Self { records: BTreeMap::new(), began, detected_before: false }
    }

    /// Takes note of what there is and what is used now (`detectImages`).
    pub fn detect(&mut self, images: &[Image], in_use: &BTreeSet<ImageId>, now: Timestamp) {
        let first_detected = self.detected_before.then_some(now);
        self.detected_before = true;
        let here: BTreeSet<&ImageId> = images.iter().map(|image| &image.id).collect();
        self.records.retain(|id, _| here.contains(id));
        for image in images {
            let fresh = Record { first_detected, last_used: None, size_bytes: 0, pinned: false };
            let record = self.records.entry(image.id.clone()).or_insert(fresh);
            record.size_bytes = image.size_bytes;
            record.pinned = image.pinned;
            if in_use.contains(&image.id) {
                record.last_used = Some(now);
            }
        }
    }

    /// What may go, the longest unused first (`imagesInEvictionOrder`): neither in use, nor pinned, nor too young.
    fn candidates(
        &self,
        in_use: &BTreeSet<ImageId>,
        minimum_age: Duration,
        now: Timestamp,
    ) -> Vec<(&ImageId, &Record)> {
        let old = |record: &Record| record.first_detected.is_none_or(|at| elapsed(at, now) >= minimum_age);
        let may_go = |(id, record): &(&ImageId, &Record)| !in_use.contains(*id) && !record.pinned && old(record);
        let mut all: Vec<_> = self.records.iter().filter(may_go).collect();
        all.sort_by_key(|(_, record)| (record.last_used, record.first_detected));
        all
    }

    /// What has not been used for too long. The kubelet has to have looked for that long itself.
    pub fn too_old(&self, settings: &Retention, in_use: &BTreeSet<ImageId>, now: Timestamp) -> Vec<ImageId> {
        let maximum = settings.image_maximum_gc_age;
        if maximum.is_zero() || elapsed(self.began, now) <= maximum {
            return Vec::new();
        }
        let unused = |record: &Record| record.last_used.is_none_or(|at| elapsed(at, now) > maximum);
        let all = self.candidates(in_use, settings.image_minimum_gc_age, now);
        all.into_iter().filter(|(_, record)| unused(record)).map(|(id, _)| id.clone()).collect()
    }

    /// What may go for the sake of room, in this order, with its size in bytes.
    pub fn eviction_order(
        &self,
        settings: &Retention,
        in_use: &BTreeSet<ImageId>,
        now: Timestamp,
    ) -> Vec<(ImageId, u64)> {
        let all = self.candidates(in_use, settings.image_minimum_gc_age, now);
        all.into_iter().map(|(id, record)| (id.clone(), record.size_bytes)).collect()
    }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// How much has to go, bytes: past the high threshold as much as leads down to the low one.
pub fn bytes_to_free(settings: &Retention, usage: &ImageFsUsage) -> Result<u64, ImageGcError> {
    if usage.capacity_bytes == 0 {
        return Err(ImageGcError::InvalidCapacity);
    }
    let percent = |bytes: u64, of: u64| u64::try_from(u128::from(bytes) * 100 / u128::from(of)).unwrap_or(u64::MAX);
    let available = usage.available_bytes.min(usage.capacity_bytes);
    let used_percent = 100 - percent(available, usage.capacity_bytes);
    if used_percent < u64::from(settings.image_gc_high_threshold_percent) {
        return Ok(0);
    }
    let free_wanted = 100 - u128::from(settings.image_gc_low_threshold_percent);
    let free_wanted = u64::try_from(u128::from(usage.capacity_bytes) * free_wanted / 100).unwrap_or(u64::MAX);
    Ok(free_wanted.saturating_sub(available))
}

/// Looks after the images until `shutdown`.
pub async fn run(shared: Arc<Shared>, shutdown: Shutdown) {
    let mut records = ImageRecords::new(shared.clock.now());
    let settings = &shared.config.retention;
    // at 100 % nothing is ever too full; upstream does not look then
    if settings.image_gc_high_threshold_percent == 100 && settings.image_maximum_gc_age.is_zero() {
        return;
    }
    if let Err(error) = detect(&shared, &mut records).await {
        tracing::warn!(%error, "cannot look for images");
    }
    let mut failed_before = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = shared.clock.sleep(PERIOD) => {}
        }
        match collect(&shared, &mut records).await {
            Ok(()) => failed_before = false,
            Err(error) => {
                report(&shared, &error, failed_before);
                failed_before = true;
            }
        }
    }
}

fn report(shared: &Shared, error: &ImageGcError, failed_before: bool) {
    let node = node_reference(&shared.config.node_name);
    if let Some(reason) = error.event() {
        shared.events.record(&node, EventType::Warning, reason, &error.to_string());
    }
    if failed_before {
        tracing::error!(%error, "image garbage collection failed multiple times in a row");
        // only repeated failures create an event, as upstream has it
        shared.events.record(&node, EventType::Warning, "ImageGCFailed", &error.to_string());
    } else {
        tracing::warn!(%error, "image garbage collection failed once");
    }
}

async fn detect(shared: &Shared, records: &mut ImageRecords) -> Result<BTreeSet<ImageId>, ImageGcError> {
    let images = shared.images.list_images().await?;
    let containers = shared.runtime.list_containers(ContainerFilter::default()).await?;
    let mounted = |container: &ContainerStatus| -> Vec<ImageId> {
        container.mounts.iter().filter_map(|mount| Some(mount.image.as_ref()?.image.clone())).collect()
    };
    let used = containers.into_iter().flat_map(|container| {
        let mounted = mounted(&container);
        std::iter::once(container.image_id).chain(mounted)
    });
    let in_use: BTreeSet<ImageId> = used.collect();
    records.detect(&images, &in_use, shared.clock.now());
    Ok(in_use)
}

/// One round (`GarbageCollect`).
pub async fn collect(shared: &Shared, records: &mut ImageRecords) -> Result<(), ImageGcError> {
    let settings = &shared.config.retention;
    let in_use = detect(shared, records).await?;
    let now = shared.clock.now();
    for id in records.too_old(settings, &in_use, now) {
        tracing::info!(image = %id, "removing an image that was not used for too long");
        shared.images.remove_image(&id.0).await?;
        records.records.remove(&id);
    }
    let usage = shared.images.image_fs_usage().await?;
    let wanted_bytes = bytes_to_free(settings, &usage)?;
    let mut freed_bytes = 0;
    for (id, size_bytes) in records.eviction_order(settings, &in_use, now) {
        if freed_bytes >= wanted_bytes {
            break;
        }
        tracing::info!(image = %id, size_bytes, "removing an image to make room");
        // one that cannot be removed does not keep the others: if they are not enough, that is told
        if let Err(error) = shared.images.remove_image(&id.0).await {
            tracing::warn!(image = %id, %error, "cannot remove an image");
            continue;
        }
        records.records.remove(&id);
        freed_bytes += size_bytes;
    }
    if freed_bytes < wanted_bytes {
        return Err(ImageGcError::NotEnough { wanted_bytes, freed_bytes });
    }
    Ok(())
}
