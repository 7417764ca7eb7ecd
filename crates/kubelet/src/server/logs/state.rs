//! Whether a container has a log to show (upstream's `validateContainerLogStatus`), in its words.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// Finds the container's status among all kinds of containers.
fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    lists.into_iter().flatten().flatten().find(|one| one.name == container)
}

/// `Err`: why there is no log.
pub(super) fn check(pod: &Pod, name: &str, container: &str, previous: bool) -> Result<(), String> {
    let Some(status) = status(pod, container) else {
        return Err(format!("container {container:?} in pod {name:?} is not available"));
    };
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let has_last = last.is_some_and(|last| last.container_id.as_deref().is_some_and(|id| !id.is_empty()));
    if previous {
        return if has_last {
            Ok(())
        } else {
            Err(format!("previous terminated container {container:?} in pod {name:?} not found"))
        };
    }
    let state = status.state.clone().unwrap_or_default();
    if state.running.is_some() || has_last {
        return Ok(());
    }
    if let Some(terminated) = state.terminated {
        let known = terminated.container_id.is_some_and(|id| !id.is_empty());
        return if known { Ok(()) } else { Err(format!("container {container:?} in pod {name:?} is terminated")) };
    }
    let reason = state.waiting.and_then(|waiting| waiting.reason).unwrap_or_default();
    let words = match reason.as_str() {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        "" => "no logs yet",
        other => other,
    };
    Err(format!("container {container:?} in pod {name:?} is waiting to start: {words}"))
}
