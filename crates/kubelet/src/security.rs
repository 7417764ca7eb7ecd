//! The effective security context of a container: its own over the pod's. Pure.

use crate::pod;
use k8s_openapi::api::core::v1::{Container, Pod, SeccompProfile as ApiSeccomp};
use runtime::service::{Capabilities, Image, SeccompProfile, SecurityContext};
use std::path::PathBuf;

/// A container that must not run as root would, or nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NonRootError {
    /// `runAsUser: 0` with `runAsNonRoot`.
    #[error("container's runAsUser breaks non-root policy (pod: {pod:?}, container: {container})")]
    UserIsRoot {
        /// `name_namespace(uid)`
        pod: String,
        /// Its name.
        container: String,
    },
    /// The image says root, or nothing.
    #[error("container has runAsNonRoot and image will run as root (pod: {pod:?}, container: {container})")]
    ImageIsRoot {
        /// `name_namespace(uid)`
        pod: String,
        /// Its name.
        container: String,
    },
    /// The image names a user by name.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root (pod: {pod:?}, container: {container})"
    )]
    NonNumeric {
        /// The image's user.
        user: String,
        /// `name_namespace(uid)`
        pod: String,
        /// Its name.
        container: String,
    },
}

fn run_as_user(pod: &Pod, container: &Container) -> Option<i64> {
    let own = container.security_context.as_ref().and_then(|s| s.run_as_user);
    own.or(pod::spec(pod).security_context.as_ref().and_then(|s| s.run_as_user))
}

/// Checks `runAsNonRoot` (`verifyRunAsNonRoot`).
///
/// # Errors
/// The user is root, or cannot be known not to be.
pub fn verify_non_root(pod: &Pod, container: &Container, image: &Image) -> Result<(), NonRootError> {
    let own = container.security_context.as_ref().and_then(|s| s.run_as_non_root);
    let wanted = own.or(pod::spec(pod).security_context.as_ref().and_then(|s| s.run_as_non_root));
    if wanted != Some(true) {
        return Ok(());
    }
    let (pod_text, name) = (pod::format_pod(pod), container.name.clone());
    match (run_as_user(pod, container), image.uid, &image.username) {
        (Some(0), ..) => Err(NonRootError::UserIsRoot { pod: pod_text, container: name }),
        (Some(_), ..) => Ok(()),
        (None, Some(0), _) => Err(NonRootError::ImageIsRoot { pod: pod_text, container: name }),
        (None, Some(_), _) => Ok(()),
        (None, None, Some(user)) if !user.is_empty() => {
            Err(NonRootError::NonNumeric { user: user.clone(), pod: pod_text, container: name })
        }
        (None, None, _) => Err(NonRootError::ImageIsRoot { pod: pod_text, container: name }),
    }
}

fn seccomp(profile: Option<&ApiSeccomp>, seccomp_root: &std::path::Path) -> SeccompProfile {
    match profile.map(|p| (p.type_.as_str(), p.localhost_profile.as_deref())) {
        Some(("RuntimeDefault", _)) => SeccompProfile::RuntimeDefault,
        Some(("Localhost", Some(file))) => SeccompProfile::Localhost(seccomp_root.join(PathBuf::from(file))),
        _ => SeccompProfile::Unconfined,
    }
}

/// What the runtime is told. `seccomp_root` is where profiles of the node lie.
pub fn effective(pod: &Pod, container: &Container, seccomp_root: &std::path::Path) -> SecurityContext {
    let of_pod = pod::spec(pod).security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let privileged = own.privileged == Some(true);
    let capabilities = own.capabilities.unwrap_or_default();
    let mut groups = of_pod.supplemental_groups.unwrap_or_default();
    groups.extend(of_pod.fs_group);
    let unmasked = own.proc_mount.as_deref() == Some("Unmasked");
    let profile = own.seccomp_profile.or(of_pod.seccomp_profile);
    SecurityContext {
        privileged,
        capabilities: Capabilities {
            add: capabilities.add.unwrap_or_default(),
            drop: capabilities.drop.unwrap_or_default(),
        },
        run_as_user: own.run_as_user.or(of_pod.run_as_user),
        run_as_group: own.run_as_group.or(of_pod.run_as_group),
        run_as_username: None,
        supplemental_groups: groups,
        strict_supplemental_groups: of_pod.supplemental_groups_policy.as_deref() == Some("Strict"),
        readonly_rootfs: own.read_only_root_filesystem == Some(true),
        no_new_privs: own.allow_privilege_escalation == Some(false),
        masked_paths: unmasked.then(Vec::new),
        readonly_paths: unmasked.then(Vec::new),
        seccomp: if privileged { SeccompProfile::Unconfined } else { seccomp(profile.as_ref(), seccomp_root) },
        ..SecurityContext::default()
    }
}
