//! What of a job's pod template may change: nothing, but of a job that is suspended and has no pods, what its pods ask
//! for and where they run (KEP-2926, KEP-5440).

use crate::At;
use api::field::ErrorList;
use serde_json::{Map, Value};

/// Where pods run, besides the affinity to nodes.
const SCHEDULING: [&str; 3] = ["nodeSelector", "schedulingGates", "tolerations"];

/// `validatePodTemplateUpdate`
pub(super) fn validate_kept(spec: &At, old_job: &At, errors: &mut ErrorList) {
    let (old_spec, old_status) = (old_job.at("spec"), old_job.at("status"));
    let waiting = old_spec.at("suspend").bool() && old_status.at("active").int().unwrap_or(0) == 0;
    let (template, old_template) = (spec.at("template"), old_spec.at("template"));
    if !waiting && template.at("metadata").value() != old_template.at("metadata").value() {
        errors.push(template.invalid_struct("io.k8s.api.core.v1.PodTemplateSpec", "field is immutable"));
        return;
    }
    let (pod, old_pod) = (template.at("spec"), old_template.at("spec"));
    let fixed = |pod: &At| {
        let mut pod = pod.map().cloned().unwrap_or_default();
        if waiting {
            forget_mutable(&mut pod);
        }
        pod
    };
    if fixed(&pod) != fixed(&old_pod) {
        errors.push(pod.invalid_struct("io.k8s.api.core.v1.PodSpec", "field is immutable"));
    }
}

/// Takes away what may change.
fn forget_mutable(pod: &mut Map<String, Value>) {
    SCHEDULING.iter().for_each(|field| drop(pod.remove(*field)));
    if let Some(Value::Object(affinity)) = pod.get_mut("affinity") {
        affinity.remove("nodeAffinity");
        if affinity.is_empty() {
            pod.remove("affinity");
        }
    }
    for list in ["containers", "initContainers"] {
        for container in crate::object::children(pod, list) {
            let Some(resources) = crate::object::child(container, "resources") else { continue };
            resources.remove("limits");
            resources.remove("requests");
            if resources.is_empty() {
                container.remove("resources");
            }
        }
    }
}
