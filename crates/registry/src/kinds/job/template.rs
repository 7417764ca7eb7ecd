//! What of a job's pod template may change: nothing, but of a job that is suspended and has no pods, what its pods ask
//! for, where they run, and their labels and annotations (KEP-2926, KEP-5440).

use crate::At;
use api::field::ErrorList;
use serde_json::{Map, Value};

/// Where pods run, besides the affinity to nodes.
const SCHEDULING: [&str; 3] = ["nodeSelector", "schedulingGates", "tolerations"];

const IMMUTABLE: &str = "field is immutable";

/// `validatePodTemplateUpdate`
pub(super) fn validate_kept(spec: &At, old_job: &At, errors: &mut ErrorList) {
    let old_spec = old_job.at("spec");
    let (template, old_template) = (spec.at("template"), old_spec.at("template"));
    let whole = |template: &At| template.map().cloned().unwrap_or_default();
    let (new, old) = (whole(&template), whole(&old_template));
    if !waits(old_job) {
        if new != old {
            errors.push(template.invalid_struct("io.k8s.api.core.v1.PodTemplateSpec", IMMUTABLE));
        }
        return;
    }
    if named(new) != named(old) {
        errors.push(template.invalid_struct("io.k8s.api.core.v1.PodTemplateSpec", IMMUTABLE));
    }
    let (pod, old_pod) = (template.at("spec"), old_template.at("spec"));
    if fixed(whole(&pod)) != fixed(whole(&old_pod)) {
        errors.push(pod.invalid_struct("io.k8s.api.core.v1.PodSpec", IMMUTABLE));
    }
}

/// Whether a job is suspended and its pods are gone, or it never had any. One that ran says so by its condition: until
/// then its controller may still count pods of the template of before.
fn waits(job: &At) -> bool {
    let status = job.at("status");
    let said = || {
        let conditions = status.at("conditions");
        conditions.items().any(|one| one.at("type").str() == "Suspended" && one.at("status").str() == "True")
    };
    job.at("spec").at("suspend").bool()
        && status.at("active").int().unwrap_or(0) == 0
        && (!status.at("startTime").exists() || said())
}

/// What of a waiting job's template may not change, besides the spec.
fn named(mut template: Map<String, Value>) -> Map<String, Value> {
    template.remove("spec");
    if let Some(Value::Object(metadata)) = template.get_mut("metadata") {
        metadata.remove("labels");
        metadata.remove("annotations");
        if metadata.is_empty() {
            template.remove("metadata");
        }
    }
    template
}

/// What of a waiting job's pods may not change.
fn fixed(mut pod: Map<String, Value>) -> Map<String, Value> {
    SCHEDULING.iter().for_each(|field| drop(pod.remove(*field)));
    if let Some(Value::Object(affinity)) = pod.get_mut("affinity") {
        affinity.remove("nodeAffinity");
        if affinity.is_empty() {
            pod.remove("affinity");
        }
    }
    for list in ["containers", "initContainers"] {
        for container in crate::object::children(&mut pod, list) {
            container.remove("resources");
        }
    }
    pod
}
