//! Of a claim a node says how far its growth has come, and nothing else.

use super::super::forbidden;
use crate::chain::{Attributes, Operation};
use api::status::Status;
use serde_json::Value;

/// The fields of the status that the kubelet writes when a volume grows.
const OWN: [&str; 4] = ["capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"];

pub(super) fn status(node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    let why = match attributes.operation {
        Operation::Update if rest(&attributes.object) == rest(attributes.old) => return Ok(()),
        Operation::Update => {
            format!("node {node:?} is not allowed to update fields other than status.quantity and status.conditions")
        }
        Operation::Create => "unexpected operation \"CREATE\"".to_owned(),
        Operation::Delete => "unexpected operation \"DELETE\"".to_owned(),
        Operation::Connect => return Ok(()),
    };
    Err(forbidden(attributes, &why))
}

/// A claim without what a node may change, and without what every write changes.
fn rest(claim: &Value) -> Value {
    let mut claim = claim.clone();
    let mut forget = |part: &str, fields: &[&str]| {
        if let Some(Value::Object(part)) = claim.get_mut(part) {
            fields.iter().for_each(|field| drop(part.remove(*field)));
        }
    };
    forget("metadata", &["resourceVersion", "managedFields"]);
    forget("status", &OWN);
    claim
}
