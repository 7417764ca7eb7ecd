//! A resize while the pod runs: takes over what is granted, changes cgroups step by step, and says so.
//!
//! What not: what is granted (`allocation`), and which steps there are (`resize`): here they are only done.

use super::Worker;
use crate::allocation::Allocation;
use crate::events::PodEvents;
use crate::resize::{self, ResizeProgress, Step};
use jiff::Timestamp;
use runtime::service::{ContainerResources, RuntimeError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What this worker has seen and said of its pod's resizes.
#[derive(Debug, Default)]
pub(super) struct Resize {
    pub(super) progress: ResizeProgress,
    /// The newest generation whose start was told.
    told: Option<i64>,
    /// After a failure: not before.
    pub(super) retry_at: Option<Timestamp>,
}

/// Until a step that failed is tried again (upstream's `backOffPeriod`).
const RETRY: Duration = Duration::from_secs(10);

/// How long a resize that was granted waits at most until it is told that it began.
const TELL_MAX: Duration = Duration::from_secs(1);

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resized {
    /// A cgroup has changed: look again.
    Changed,
    /// There is nothing that can be done now.
    Settled,
}

impl Worker {
    /// Asks for what the object says, takes over what is granted, and tells of what is new.
    pub(super) fn take_grant(&mut self) {
        let now = self.shared.clock.now();
        let view = {
            let node = self.shared.node.read().unwrap_or_else(PoisonError::into_inner);
            self.shared.allocations.request(&self.desired, &node.allocatable, now)
        };
        if !Arc::ptr_eq(&view.pod, &self.pod) {
            // the downward API shows requests and limits
            self.volumes_dirty |= !Allocation::of(&self.pod).same(&Allocation::of(&view.pod));
            self.pod = view.pod;
        }
        if self.resize.progress.pending != view.pending {
            if let Some(pending) = &view.pending {
                let told = self.resize.progress.pending.as_ref();
                let same = told.is_some_and(|t| t.reason == pending.reason && t.message == pending.message);
                if !same || told.is_some_and(|t| t.generation != pending.generation) {
                    let generation = pending.generation.unwrap_or_default();
                    let (what, error) = (pending.reason.as_str(), Some(pending.message.as_str()));
                    let message = resize::event_message(what, &self.desired, generation, error);
                    let events = PodEvents { sink: &*self.shared.events, pod: &self.desired };
                    events.pod_warning(pending.reason.event(), &message);
                }
            }
            self.resize.progress.pending = view.pending;
        }
        if let Some(generation) = view.granted.filter(|granted| self.resize.told != Some(*granted)) {
            self.resize.told = Some(generation);
            self.resize.retry_at = None;
            self.resize.progress.in_progress = Some(generation);
            self.resize.progress.error = None;
            let message = resize::event_message("started", &self.pod, generation, None);
            self.events().pod_normal("ResizeStarted", &message);
        }
    }

    /// What a kubelet before this one had applied counts as granted until more is.
    pub(super) fn adopt_grant(&mut self) {
        if self.grant_adopted {
            return;
        }
        self.grant_adopted = true;
        if self.observed.containers.is_empty() {
            return;
        }
        let found = resize::found(&self.desired, &self.observed);
        if !found.same(&Allocation::of(&self.desired)) {
            self.shared.allocations.adopt(&crate::pod::uid(&self.desired), found);
            self.take_grant();
        }
    }

    /// Does what is left to do of a resize that is granted.
    pub(super) async fn resize(&mut self) -> Resized {
        if self.resize.retry_at.is_some_and(|at| at > self.shared.clock.now()) {
            return Resized::Settled;
        }
        let steps = resize::plan(&self.pod, &self.observed, self.shared.node().memory_bytes());
        if !resize::in_progress(&self.pod, &self.observed, &steps) {
            self.resize.progress.error = None;
            if let Some(generation) = self.resize.progress.in_progress.take() {
                let message = resize::event_message("completed", &self.pod, generation, None);
                self.events().pod_normal("ResizeCompleted", &message);
            }
            return Resized::Settled;
        }
        if steps.is_empty() {
            return Resized::Settled;
        }
        if self.resize.progress.in_progress.is_some() && self.resize.progress.error.is_none() {
            // whoever watches sees that it began
            self.publish_status();
            let uid = crate::pod::uid(&self.pod);
            let told = self.shared.statuses.delivered(&uid);
            // an API server that is away does not hold it up
            let _ = clock::timeout(&*self.shared.clock, TELL_MAX, told).await;
        }
        match self.apply(&steps).await {
            Ok(()) => Resized::Changed,
            Err(message) => {
                self.resize_failed(message);
                Resized::Settled
            }
        }
    }

    async fn apply(&self, steps: &[Step]) -> Result<(), String> {
        let lowered = resize::memory_lowered(steps, &self.observed);
        let mut usage_bytes = Vec::with_capacity(lowered.len());
        for (step, _) in &lowered {
            let stats = match step {
                Step::Pod { sandbox, .. } => self.shared.runtime.pod_sandbox_stats(sandbox).await,
                Step::Container { id, .. } => self.shared.runtime.container_stats(id).await,
            };
            usage_bytes.push(stats.map_err(|error| error.to_string())?.memory_usage_bytes);
        }
        if let Some(refusal) = resize::memory_refusal(&lowered, &usage_bytes) {
            return Err(refusal);
        }
        for step in steps {
            self.apply_one(step).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn apply_one(&self, step: &Step) -> Result<(), RuntimeError> {
        let runtime = &self.shared.runtime;
        match step {
            Step::Pod { sandbox, resources } => {
                let own = crate::pod::spec(&self.pod).resources.as_ref();
                let note = own.map(|own| resize::to_annotation(Some(own))).unwrap_or_default();
                runtime.update_pod_sandbox_resources(sandbox, ContainerResources::clone(resources), note).await
            }
            Step::Container { id, resources, applied, .. } => {
                runtime.update_container_resources(id, resources.clone(), resize::to_annotation(Some(applied))).await
            }
        }
    }

    fn resize_failed(&mut self, message: String) {
        let generation = self.resize.progress.in_progress.or(self.pod.metadata.generation).unwrap_or_default();
        self.resize.progress.in_progress = Some(generation);
        self.resize.retry_at = Some(self.shared.clock.now() + RETRY);
        if self.resize.progress.error.as_ref() != Some(&message) {
            let text = resize::event_message("error", &self.pod, generation, Some(&message));
            self.events().pod_warning("ResizeError", &text);
        }
        self.resize.progress.error = Some(message);
    }
}
