//! PodResizeValidator: a running pod is not made larger than its node, nor resized where nobody can
//! (`k8s.io/kubernetes/plugin/pkg/admission/podresize`).

use super::{Plugin, forbidden, is, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::quantity::{Format, Quantity};
use api::status::Status;
use serde_json::{Value, json};

const OS: &str = "kubernetes.io/os";

pub(super) struct PodResizeValidator {
    reader: SharedReader,
}

impl PodResizeValidator {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }
}

impl Plugin for PodResizeValidator {
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let pod = &attributes.object;
        let name = text(&pod["spec"]["nodeName"]);
        let is_resize = attributes.operation == Operation::Update && is(attributes, "", "pods", "resize");
        if !is_resize || name.is_empty() || pod["spec"] == attributes.old["spec"] {
            return Ok(());
        }
        let missing = || forbidden(attributes, &format!("node {name:?} not found"));
        let node = self.reader.get("", "nodes", "", name).ok_or_else(missing)?;
        let refused = |why: &str, reason: &str| {
            let mut status = forbidden(attributes, why);
            status.details["causes"] = json!([{"reason": reason}]);
            status
        };
        if let Some(why) = beyond(pod, &node["status"]["allocatable"]) {
            let why = format!("Node didn't have enough allocatable resources: {why}");
            return Err(refused(&why, "NodeCapacity"));
        }
        let system = text(&node["metadata"]["labels"][OS]);
        if system != "linux" {
            let why = format!("pod resize is only supported on linux nodes, node {name:?} is {system:?}");
            return Err(refused(&why, "UnsupportedPlatform"));
        }
        Ok(())
    }
}

/// What the pod wants more of than there is.
fn beyond(pod: &Value, allocatable: &Value) -> Option<String> {
    let requests = registry::quota::pod_requests(pod["spec"].as_object()?);
    let zero = || Quantity::new(0, Format::DecimalSi);
    let parse = |value: &Value| Quantity::parse(text(value)).unwrap_or_else(|_| zero());
    let amounts = |resource: &str, of: fn(&Quantity) -> i64| {
        let requested = requests.get(resource).map_or(0, of);
        (resource.to_owned(), requested, of(&parse(&allocatable[resource])))
    };
    let all = [amounts("cpu", Quantity::milli_value), amounts("memory", Quantity::value)];
    let beyond = all.into_iter().filter(|(_, requested, there)| requested > there);
    let words = beyond.map(|(what, requested, there)| format!("{what}, requested: {requested}, allocatable: {there}"));
    Some(words.collect::<Vec<_>>().join("; ")).filter(|words| !words.is_empty())
}
