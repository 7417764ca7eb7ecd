//! TaintNodesByCondition: a new node gets no pods before it has said that it is ready.

use super::{Plugin, is, list_mut};
use crate::chain::{Attributes, Operation};
use api::status::Status;
use serde_json::json;

pub(super) struct TaintNodesByCondition;

impl Plugin for TaintNodesByCondition {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if attributes.operation == Operation::Create && is(attributes, "", "nodes", "") {
            let taints = list_mut(api::meta::child_mut(&mut attributes.object, "spec"), "taints");
            let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
            let there = taints.iter().any(|own| own["key"] == taint["key"] && own["effect"] == taint["effect"]);
            if !there {
                taints.push(taint);
            }
        }
        Ok(())
    }
}
