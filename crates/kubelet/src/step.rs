//! The steps of a pod's start as spans, for `cargo xtask bench --only trace`: where each millisecond goes.
//!
//! They are of a target of their own, so that nothing is paid for them unless a trace is asked for.

use k8s_openapi::api::core::v1::Pod;

/// `namespace/name`, as all spans of all components name a pod.
pub(crate) fn key(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    format!("{}/{}", metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

/// A span about a pod.
macro_rules! step {
    ($name:literal, $pod:expr) => {
        tracing::trace_span!(target: "pintle::trace", $name, pod = %crate::step::key($pod))
    };
}
pub(crate) use step;
