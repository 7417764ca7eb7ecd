//! A container's image: present, on its way, or not to be had. Pulls run beside the worker and wake it.

use super::Worker;
use crate::events::PodEvents;
use crate::go_duration::go_duration;
use crate::pod::{self, Role};
use crate::pull_secrets;
use crate::shared::Shared;
use crate::status::Waiting;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, Secret};
use runtime::service::{Image, ImageError};
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
pub(super) enum Ensured {
    /// It can be used.
    Present(Box<Image>),
    /// A pull is under way; it wakes the worker.
    Pulling,
    /// It cannot be used; try again then.
    Failed(Waiting, Timestamp),
}

impl Worker {
    /// Makes sure of the image, as the pull policy says (`EnsureImageExists`).
    pub(super) async fn ensure_image(&mut self, role: Role, container: &Container) -> Ensured {
        let name = container.image.clone().unwrap_or_default();
        let policy = container.image_pull_policy.clone().unwrap_or_else(|| "IfNotPresent".to_owned());
        if let Some(ensured) = self.pull_in_flight(role, container, &name) {
            return ensured;
        }
        if let Err(error) = crate::image_name::check(&name) {
            let message =
                format!("Failed to apply default image tag {name:?}: couldn't parse image name {name:?}: {error}");
            self.events().warning(role, container, "InspectFailed", &message);
            return self.image_failed("InvalidImageName", message, MISCONFIGURED_RETRY);
        }
        let present = match self.shared.images.image_status(&name).await {
            Ok(image) => image,
            Err(error @ ImageError::InvalidName { .. }) => {
                let message = format!("Failed to apply default image tag {name:?}: {error}");
                self.events().warning(role, container, "InspectFailed", &message);
                return self.image_failed("InvalidImageName", message, MISCONFIGURED_RETRY);
            }
            Err(error) => {
                let message = format!("Failed to inspect image {name:?}: {error}");
                self.events().warning(role, container, "InspectFailed", &message);
                return self.image_failed("ImageInspectError", message, MISCONFIGURED_RETRY);
            }
        };
        match (present, policy.as_str()) {
            (Some(image), "IfNotPresent" | "Never") => {
                let message =
                    format!("Container image {name:?} already present on machine and can be accessed by the pod");
                self.events().normal(role, container, "Pulled", &message);
                self.pulls.remove(&container.name);
                Ensured::Present(Box::new(image))
            }
            (None, "Never") => {
                let message = format!("Container image {name:?} is not present with pull policy of Never");
                self.events().warning(role, container, "ErrImageNeverPull", &message);
                self.image_failed("ErrImageNeverPull", message, MISCONFIGURED_RETRY)
            }
            _ => self.pull(role, container, &name),
        }
    }

    fn image_failed(&self, reason: &str, message: String, wait: Duration) -> Ensured {
        let waiting = Waiting { reason: reason.to_owned(), message };
        Ensured::Failed(waiting, self.shared.clock.now() + wait)
    }

    fn pull_in_flight(&mut self, role: Role, container: &Container, name: &str) -> Option<Ensured> {
        let now = self.shared.clock.now();
        let pull = self.pulls.get_mut(&container.name)?;
        if pull.image != name {
            self.pulls.remove(&container.name);
            return None;
        }
        if pull.task.is_some() {
            let outcome = pull.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(outcome) = outcome else { return Some(Ensured::Pulling) };
            pull.task = None;
            let took = self.shared.clock.monotonic().saturating_sub(pull.began);
            return Some(self.pull_done(role, container, name, outcome, took));
        }
        let (message, until) = pull.failed.clone()?;
        if until <= now {
            return None;
        }
        // between two attempts
        let words = format!("Back-off pulling image {name:?}");
        self.events().normal(role, container, "BackOff", &words);
        let waiting =
            Waiting { reason: "ImagePullBackOff".to_owned(), message: format!("{words}: ErrImagePull: {message}") };
        Some(Ensured::Failed(waiting, until))
    }

    fn pull(&mut self, role: Role, container: &Container, name: &str) -> Ensured {
        self.events().normal(role, container, "Pulling", &format!("Pulling image {name:?}"));
        let outcome = Outcome::default();
        let (shared, pod, inbox) = (self.shared.clone(), self.pod.clone(), self.inbox.clone());
        let (result, reference) = (outcome.clone(), name.to_owned());
        let task = tokio::spawn(async move {
            let pulled = pull_with_credentials(&shared, &pod, &reference).await;
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(pulled);
            inbox.wake();
        });
        let failures = self.pulls.get(&container.name).map_or(0, |pull| pull.failures);
        let pull = Pull {
            image: name.to_owned(),
            began: self.shared.clock.monotonic(),
            outcome,
            task: Some(task),
            failures,
            failed: None,
        };
        self.pulls.insert(container.name.clone(), pull);
        Ensured::Pulling
    }

    fn pull_done(
        &mut self,
        role: Role,
        container: &Container,
        name: &str,
        outcome: Result<Image, ImageError>,
        took: Duration,
    ) -> Ensured {
        match outcome {
            Ok(image) => {
                self.pulls.remove(&container.name);
                let took = go_duration(Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
                let message = format!(
                    "Successfully pulled image {name:?} in {took} ({took} including waiting). Image size: {} bytes.",
                    image.size_bytes
                );
                self.events().normal(role, container, "Pulled", &message);
                Ensured::Present(Box::new(image))
            }
            Err(error) => {
                let words = error.to_string();
                let message = format!("Failed to pull image {name:?}: {words}");
                self.events().warning(role, container, "Failed", &message);
                let now = self.shared.clock.now();
                if let Some(pull) = self.pulls.get_mut(&container.name) {
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
