//! LimitRanger: defaults and bounds that a namespace's LimitRanges set for containers, pods and claims
//! (`k8s.io/kubernetes/plugin/pkg/admission/limitranger`).

mod constraint;

use super::{Plugin, forbidden, is, list, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::meta::{child_mut, metadata_mut};
use api::status::Status;
use constraint::Amounts;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Where it is noted what was set.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

pub(super) struct LimitRanger {
    reader: SharedReader,
}

impl LimitRanger {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn ranges(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.reader.list("", "limitranges", Some(namespace))
    }
}

/// Whether the plugin looks at this at all; an object on its way out is left alone.
fn concerns(attributes: &Attributes<'_>) -> bool {
    let write = matches!(attributes.operation, Operation::Create | Operation::Update);
    let going = !attributes.old["metadata"]["deletionTimestamp"].is_null();
    let pod = is(attributes, "", "pods", "") && attributes.operation == Operation::Create
        || is(attributes, "", "pods", "resize");
    write && !going && (pod || is(attributes, "", "persistentvolumeclaims", ""))
}

/// Fills what a container leaves out from a list of defaults; the names of what was set, sorted.
fn fill(resources: &mut Map<String, Value>, side: &str, defaults: &Map<String, Value>) -> Vec<String> {
    let mut set = Vec::new();
    for (name, amount) in defaults {
        let own = resources.entry(side).or_insert_with(|| json!({}));
        if let Some(own) = own.as_object_mut().filter(|own| !own.contains_key(name)) {
            own.insert(name.clone(), amount.clone());
            set.push(name.clone());
        }
    }
    set
}

/// `defaultContainerResourceRequirements`: later items of type Container add to earlier ones.
fn container_defaults(range: &Value, field: &str) -> Map<String, Value> {
    let mut defaults = Map::new();
    for item in list(&range["spec"]["limits"]).filter(|item| item["type"] == "Container") {
        defaults.extend(item[field].as_object().cloned().unwrap_or_default());
    }
    defaults
}

/// `mergePodResourceRequirements`
fn set_defaults(pod: &mut Value, range: &Value) {
    let (limits, requests) = (container_defaults(range, "default"), container_defaults(range, "defaultRequest"));
    let mut notes = Vec::new();
    let spec = child_mut(pod, "spec");
    for (member, kind) in [("containers", "container"), ("initContainers", "init container")] {
        let Some(Value::Array(containers)) = spec.get_mut(member) else { continue };
        for container in containers {
            let name = text(&container["name"]).to_owned();
            let resources = child_mut(container, "resources");
            let (set_limits, set_requests) =
                (fill(resources, "limits", &limits), fill(resources, "requests", &requests));
            for (set, side) in [(set_requests, "request"), (set_limits, "limit")] {
                if !set.is_empty() {
                    notes.push(format!("{} {side} for {kind} {name}", set.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        let annotations = metadata_mut(pod).entry("annotations").or_insert_with(|| json!({}));
        annotations[ANNOTATION] = format!("LimitRanger plugin set: {}", notes.join("; ")).into();
    }
}

/// All that a pod does against one range.
fn check_pod(pod: &Value, range: &Value, wrong: &mut Vec<String>) {
    let spec = &pod["spec"];
    for item in list(&range["spec"]["limits"]) {
        match text(&item["type"]) {
            "Container" => {
                for container in list(&spec["containers"]).chain(list(&spec["initContainers"])) {
                    constraint::check(item, &Amounts::of_container(container), wrong);
                }
            }
            "Pod" => constraint::check(item, &Amounts::of_pod(spec), wrong),
            _ => {}
        }
    }
}

impl Plugin for LimitRanger {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if !concerns(attributes) || &*attributes.resource.plural != "pods" {
            return Ok(());
        }
        for range in self.ranges(&attributes.namespace) {
            set_defaults(&mut attributes.object, &range);
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        if !concerns(attributes) {
            return Ok(());
        }
        for range in self.ranges(&attributes.namespace) {
            let mut wrong = Vec::new();
            if &*attributes.resource.plural == "pods" {
                check_pod(&attributes.object, &range, &mut wrong);
            } else {
                let requests = &attributes.object["spec"]["resources"]["requests"];
                let of_claims = |item: &&Value| item["type"] == "PersistentVolumeClaim";
                for item in list(&range["spec"]["limits"]).filter(of_claims) {
                    constraint::check_claim(item, requests, &mut wrong);
                }
            }
            if !wrong.is_empty() {
                return Err(forbidden(attributes, &super::aggregate(&wrong)));
            }
        }
        Ok(())
    }
}
