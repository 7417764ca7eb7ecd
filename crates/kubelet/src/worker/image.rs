//! A container's images, its own and those that it mounts (KEP-4639): present, on their way, or not to be had. Pulls run
//! beside the worker and wake it.

use super::Worker;
use crate::events::{PodEvents, container_reference, pod_reference};
use crate::go_duration::go_duration;
use crate::pod::{self, Role};
use crate::pull_secrets;
use crate::shared::Shared;
use crate::status::Waiting;
use client::EventType;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ObjectReference, Pod, Secret};
use runtime::service::{Image, ImageError, ImageId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Back-off of pulls: 10 s, doubling, at most 300 s.
const PULL_RETRY_INITIAL: Duration = Duration::from_secs(10);
const PULL_RETRY_MAX: Duration = Duration::from_secs(300);
/// How often something is tried again that only a change of the node can mend.
pub(super) const MISCONFIGURED_RETRY: Duration = Duration::from_secs(10);

type Outcome = Arc<Mutex<Option<Result<Image, ImageError>>>>;

/// A pull in flight, or what came of the last one.
#[derive(Debug)]
pub(super) struct Pull {
    image: String,
    began: Duration,
    outcome: Outcome,
    task: Option<tokio::task::JoinHandle<()>>,
    failures: u32,
    /// The last failure's words, and when to try again.
    failed: Option<(String, Timestamp)>,
}

impl Drop for Pull {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// What is known of an image.
#[derive(Debug)]
pub(super) enum Ensured<T> {
    /// It can be used.
    Present(T),
    /// A pull is under way; it wakes the worker.
    Pulling,
    /// It cannot be used; try again then.
    Failed(Waiting, Timestamp),
}

/// An image that a container needs.
#[derive(Debug)]
struct Wanted {
    /// Sets its pull apart from others of the pod.
    key: String,
    name: String,
    policy: String,
    /// What its events are about.
    regarding: ObjectReference,
}

impl Wanted {
    /// The container's own.
    fn own(pod: &Pod, role: Role, container: &Container) -> Self {
        Self {
            key: container.name.clone(),
            name: container.image.clone().unwrap_or_default(),
            policy: container.image_pull_policy.clone().unwrap_or_else(|| IF_NOT_PRESENT.to_owned()),
            regarding: container_reference(pod, role, &container.name),
        }
    }

    fn place(&self) -> (String, String) {
        (self.key.clone(), self.name.clone())
    }

    /// Those that it mounts, by their volumes. Upstream's events of them are about the pod.
    fn mounted(pod: &Pod, container: &Container) -> Vec<(String, Self)> {
        let mounts = |name: &str| container.volume_mounts.iter().flatten().any(|mount| mount.name == name);
        let volumes = pod::spec(pod).volumes.iter().flatten().filter(|volume| mounts(&volume.name));
        let images = volumes.filter_map(|volume| Some((volume.name.clone(), volume.image.as_ref()?)));
        let wanted = images.map(|(volume, source)| {
            let wanted = Self {
                key: format!("{}/{volume}", container.name),
                name: source.reference.clone().unwrap_or_default(),
                policy: source.pull_policy.clone().unwrap_or_else(|| IF_NOT_PRESENT.to_owned()),
                regarding: pod_reference(pod),
            };
            (volume, wanted)
        });
        wanted.collect()
    }
}

/// The images of a container, once all are there.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) own: Box<Image>,
    /// By the volumes that they are.
    pub(super) mounted: BTreeMap<String, ImageId>,
}

const IF_NOT_PRESENT: &str = "IfNotPresent";

impl Worker {
    /// Makes sure of all images that the container needs, at once; those that are there are remembered until all are.
    pub(super) async fn ensure_images(&mut self, role: Role, container: &Container) -> Ensured<Images> {
        let (own, mounted) = (Wanted::own(&self.pod, role, container), Wanted::mounted(&self.pod, container));
        let (mut pulling, mut failed) = (false, None);
        for wanted in std::iter::once(&own).chain(mounted.iter().map(|(_, wanted)| wanted)) {
            if self.present.contains_key(&wanted.place()) {
                continue;
            }
            match self.ensure_image(wanted).await {
                Ensured::Present(image) => {
                    self.present.insert(wanted.place(), image);
                }
                Ensured::Pulling => pulling = true,
                Ensured::Failed(waiting, until) => failed = failed.or(Some((waiting, until))),
            }
        }
        if failed.is_none() && pulling {
            return Ensured::Pulling;
        }
        let mut take = |wanted: &Wanted| self.present.remove(&wanted.place());
        let own = take(&own);
        let mounted: Vec<_> = mounted.iter().map(|(volume, wanted)| (volume, take(wanted))).collect();
        if let Some((waiting, until)) = failed {
            return Ensured::Failed(waiting, until);
        }
        let mounted = mounted.into_iter().filter_map(|(volume, image)| Some((volume.clone(), image?.id)));
        match own {
            Some(own) => Ensured::Present(Images { own, mounted: mounted.collect() }),
            None => Ensured::Pulling,
        }
    }

    /// Makes sure of one image, as the pull policy says (`EnsureImageExists`).
    async fn ensure_image(&mut self, wanted: &Wanted) -> Ensured<Box<Image>> {
        let (name, policy) = (wanted.name.clone(), wanted.policy.as_str());
        if let Some(ensured) = self.pull_in_flight(wanted) {
            return ensured;
        }
        if let Err(error) = registry::image_name::check(&name) {
            let message =
                format!("Failed to apply default image tag {name:?}: couldn't parse image name {name:?}: {error}");
            self.image_event(wanted, EventType::Warning, "InspectFailed", &message);
            return self.image_failed("InvalidImageName", message, MISCONFIGURED_RETRY);
        }
        let present = match self.shared.images.image_status(&name).await {
            Ok(image) => image,
            Err(error @ ImageError::InvalidName { .. }) => {
                let message = format!("Failed to apply default image tag {name:?}: {error}");
                self.image_event(wanted, EventType::Warning, "InspectFailed", &message);
                return self.image_failed("InvalidImageName", message, MISCONFIGURED_RETRY);
            }
            Err(error) => {
                let message = format!("Failed to inspect image {name:?}: {error}");
                self.image_event(wanted, EventType::Warning, "InspectFailed", &message);
                return self.image_failed("ImageInspectError", message, MISCONFIGURED_RETRY);
            }
        };
        match (present, policy) {
            (Some(image), IF_NOT_PRESENT | "Never") => {
                let message =
                    format!("Container image {name:?} already present on machine and can be accessed by the pod");
                self.image_event(wanted, EventType::Normal, "Pulled", &message);
                self.pulls.remove(&wanted.key);
                Ensured::Present(Box::new(image))
            }
            (None, "Never") => {
                let message = format!("Container image {name:?} is not present with pull policy of Never");
                self.image_event(wanted, EventType::Warning, "ErrImageNeverPull", &message);
                self.image_failed("ErrImageNeverPull", message, MISCONFIGURED_RETRY)
            }
            _ => self.pull(wanted),
        }
    }

    fn image_event(&self, wanted: &Wanted, event_type: EventType, reason: &str, message: &str) {
        self.shared.events.record(&wanted.regarding, event_type, reason, message);
    }

    fn image_failed<T>(&self, reason: &str, message: String, wait: Duration) -> Ensured<T> {
        let waiting = Waiting { reason: reason.to_owned(), message };
        Ensured::Failed(waiting, self.shared.clock.now() + wait)
    }

    fn pull_in_flight(&mut self, wanted: &Wanted) -> Option<Ensured<Box<Image>>> {
        let name = &wanted.name;
        let now = self.shared.clock.now();
        let pull = self.pulls.get_mut(&wanted.key)?;
        if pull.image != *name {
            self.pulls.remove(&wanted.key);
            return None;
        }
        if pull.task.is_some() {
            let outcome = pull.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(outcome) = outcome else { return Some(Ensured::Pulling) };
            pull.task = None;
            let took = self.shared.clock.monotonic().saturating_sub(pull.began);
            return Some(self.pull_done(wanted, outcome, took));
        }
        let (message, until) = pull.failed.clone()?;
        if until <= now {
            return None;
        }
        // between two attempts
        let words = format!("Back-off pulling image {name:?}");
        self.image_event(wanted, EventType::Normal, "BackOff", &words);
        let waiting =
            Waiting { reason: "ImagePullBackOff".to_owned(), message: format!("{words}: ErrImagePull: {message}") };
        Some(Ensured::Failed(waiting, until))
    }

    fn pull(&mut self, wanted: &Wanted) -> Ensured<Box<Image>> {
        let name = &wanted.name;
        self.image_event(wanted, EventType::Normal, "Pulling", &format!("Pulling image {name:?}"));
        let outcome = Outcome::default();
        let (shared, pod, inbox) = (self.shared.clone(), self.pod.clone(), self.inbox.clone());
        let (result, reference) = (outcome.clone(), name.clone());
        let task = tokio::spawn(async move {
            let pulled = pull_with_credentials(&shared, &pod, &reference).await;
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(pulled);
            inbox.wake();
        });
        let failures = self.pulls.get(&wanted.key).map_or(0, |pull| pull.failures);
        let pull = Pull {
            image: name.clone(),
            began: self.shared.clock.monotonic(),
            outcome,
            task: Some(task),
            failures,
            failed: None,
        };
        self.pulls.insert(wanted.key.clone(), pull);
        Ensured::Pulling
    }

    fn pull_done(
        &mut self,
        wanted: &Wanted,
        outcome: Result<Image, ImageError>,
        took: Duration,
    ) -> Ensured<Box<Image>> {
        let name = &wanted.name;
        match outcome {
            Ok(image) => {
                self.pulls.remove(&wanted.key);
                let took = go_duration(Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
                let message = format!(
                    "Successfully pulled image {name:?} in {took} ({took} including waiting). Image size: {} bytes.",
                    image.size_bytes
                );
                self.image_event(wanted, EventType::Normal, "Pulled", &message);
                Ensured::Present(Box::new(image))
            }
            Err(error) => {
                let words = error.to_string();
                let message = format!("Failed to pull image {name:?}: {words}");
                self.image_event(wanted, EventType::Warning, "Failed", &message);
                let now = self.shared.clock.now();
                if let Some(pull) = self.pulls.get_mut(&wanted.key) {
                    let wait = PULL_RETRY_INITIAL.saturating_mul(1 << pull.failures.min(8)).min(PULL_RETRY_MAX);
                    pull.failures = pull.failures.saturating_add(1);
                    pull.failed = Some((words.clone(), now + wait));
                }
                // now: the next look finds the back-off, and says so
                Ensured::Failed(Waiting { reason: "ErrImagePull".to_owned(), message: words }, now)
            }
        }
    }
}

/// Pulls with the first of the credentials that the registry takes; without any, as nobody in particular.
async fn pull_with_credentials(shared: &Shared, pod: &Pod, image: &str) -> Result<Image, ImageError> {
    let credentials = pull_secrets::credentials(&secrets(shared, pod).await, image);
    let mut tries = credentials.into_iter().map(Some).collect::<Vec<_>>();
    let last = tries.pop().unwrap_or_default();
    for credentials in tries {
        if let Ok(image) = shared.images.pull_image(image, credentials).await {
            return Ok(image);
        }
    }
    shared.images.pull_image(image, last).await
}

/// The pod's `imagePullSecrets`, as far as they are to be had.
async fn secrets(shared: &Shared, pod: &Pod) -> Vec<Secret> {
    let Some(api) = &shared.api else { return Vec::new() };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for reference in pod::spec(pod).image_pull_secrets.iter().flatten().filter(|r| !r.name.is_empty()) {
        match api.get_secret(pod::namespace(pod), &reference.name).await {
            Ok(Some(secret)) => found.push(secret),
            Ok(None) | Err(_) => missing.push(reference.name.as_str()),
        }
    }
    if !missing.is_empty() {
        let message = format!(
            "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
            missing.join(", ")
        );
        PodEvents { sink: &*shared.events, pod }.pod_warning("FailedToRetrieveImagePullSecret", &message);
    }
    found
}
