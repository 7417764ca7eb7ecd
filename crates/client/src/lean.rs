//! Objects on arrival, without what an informer never keeps: decoding `managedFields` costs as much as all the rest of an
//! object, only to throw them away, and most of a pod is for kubelets alone.

use k8s_openapi::api::core::v1::{Container, Pod};
use memchr::memmem;
use std::borrow::Cow;

/// Takes out of objects what none of an informer's users reads.
#[derive(Debug)]
pub struct Trim<K> {
    /// Tells trims apart.
    pub name: &'static str,
    /// Takes it out.
    pub of: fn(&mut K),
}

impl<K> Clone for Trim<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Trim<K> {}

/// Pods as scheduler and controllers keep them: without how containers are started, volumes, and the states of containers.
/// A component that comes to need more of it takes it out of here, and is still served by the informer of all.
pub const CONTROL_PLANE_PODS: Trim<Pod> = Trim { name: "control plane", of: trim_pod };

fn trim_pod(pod: &mut Pod) {
    pod.metadata.annotations = None;
    if let Some(spec) = &mut pod.spec {
        spec.volumes = None;
        spec.ephemeral_containers = None;
        spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()).for_each(trim_container);
    }
    if let Some(status) = &mut pod.status {
        status.container_statuses = None;
        status.init_container_statuses = None;
        status.ephemeral_container_statuses = None;
    }
}

fn trim_container(container: &mut Container) {
    *container = Container {
        name: std::mem::take(&mut container.name),
        image: container.image.take(),
        ports: container.ports.take(),
        resources: container.resources.take(),
        restart_policy: container.restart_policy.take(),
        ..Container::default()
    };
}

const KEY: &[u8] = b"\"managedFields\":[";

/// The text with every `managedFields` array emptied. Text that is not compact JSON comes back as it is.
pub(crate) fn without_managed_fields(json: &[u8]) -> Cow<'_, [u8]> {
    let (mut rest, mut out) = (json, Vec::new());
    // Quotes inside of strings are escaped, so that no string holds the key.
    while let Some(at) = memmem::find(rest, KEY) {
        let start = at + KEY.len();
        let Some(length) = array_length(&rest[start..]) else { break };
        if out.is_empty() {
            out.reserve(json.len());
        }
        out.extend_from_slice(&rest[..start]);
        rest = &rest[start + length..];
    }
    if out.is_empty() {
        return Cow::Borrowed(json);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// How many bytes there are before the bracket that closes an array whose opening one has been read.
fn array_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (1_usize, 0);
    loop {
        at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}'))?;
        match text[at] {
            b'"' => at += string_length(&text[at + 1..])? + 1,
            b'[' | b'{' => depth += 1,
            _ => depth -= 1,
        }
        if depth == 0 {
            return Some(at);
        }
        at += 1;
    }
}

/// How many bytes there are before the quote that closes a string.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{trim_pod, without_managed_fields};
    use serde_json::json;

    #[test]
    fn of_pods_what_places_and_counts_them_stays() {
        let container = json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}, "restartPolicy": "Always",
            "ports": [{"containerPort": 80, "hostPort": 80}]});
        let kept = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"containers": [container], "initContainers": [container], "nodeName": "n", "nodeSelector": {"a": "b"},
                "tolerations": [{"key": "t"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let mut whole = kept.clone();
        whole["metadata"]["annotations"] = json!({"x": "y"});
        whole["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        whole["status"]["containerStatuses"] =
            json!([{"name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 0}]);
        for kind in ["containers", "initContainers"] {
            whole["spec"][kind][0]["env"] = json!([{"name": "E", "value": "1"}]);
            whole["spec"][kind][0]["command"] = json!(["sh"]);
        }
        let mut pod = serde_json::from_value(whole).unwrap();
        trim_pod(&mut pod);
        assert_eq!(serde_json::to_value(pod).unwrap(), kept);
    }

    #[test]
    fn arrays_of_managed_fields_are_emptied_and_nothing_else() {
        for (given, left) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (
                r#"{"metadata":{"managedFields":[{"f:a]":{"k:{\"n\":\"]\"}":[{}]}},{}],"name":"x"},"spec":[]}"#,
                r#"{"metadata":{"managedFields":[],"name":"x"},"spec":[]}"#,
            ),
            (
                r#"{"items":[{"managedFields":[1],"b":2},{"managedFields":[],"b":"\\"}]}"#,
                r#"{"items":[{"managedFields":[],"b":2},{"managedFields":[],"b":"\\"}]}"#,
            ),
            (r#"{"data":"\"managedFields\":[1]"}"#, r#"{"data":"\"managedFields\":[1]"}"#),
            (r#"{"managedFields":[{"cut"#, r#"{"managedFields":[{"cut"#),
            (r#"{"managedFields":["cut \"#, r#"{"managedFields":["cut \"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_managed_fields(given.as_bytes())), left);
        }
    }
}
