//! PodTopologyLabels (KEP-4742): a pod has the zone and the region of its node as labels, so that its containers can be
//! told. What a binding is labelled with goes to the pod when it is bound.

use super::{Plugin, is, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::status::Status;

/// The labels of nodes that their pods get.
const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

pub(super) struct PodTopologyLabels {
    reader: SharedReader,
}

impl PodTopologyLabels {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }
}

impl Plugin for PodTopologyLabels {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        let target = &attributes.object["target"];
        let node = if is(attributes, "", "pods", "") {
            text(&attributes.object["spec"]["nodeName"])
        } else if attributes.subresource == "binding" && target["kind"] == "Node" {
            text(&target["name"])
        } else {
            ""
        };
        if node.is_empty() {
            return Ok(());
        }
        // who names a node that is not there is not stopped here
        let labels = LABELS.map(|label| (label, self.reader.label("", "nodes", "", node, label)));
        for (label, value) in labels {
            if let Some(value) = value {
                let metadata = api::meta::child_mut(&mut attributes.object, "metadata");
                let labels = metadata.entry("labels").or_insert_with(|| serde_json::json!({}));
                labels[label] = value.into();
            }
        }
        Ok(())
    }
}
