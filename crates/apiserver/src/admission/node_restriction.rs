//! NodeRestriction: a node's own credentials change its own objects only, and only in the ways a kubelet does
//! (`k8s.io/kubernetes/plugin/pkg/admission/noderestriction`).

mod certificates;
mod claims;
mod labels;
mod pods;
mod tokens;

use super::{Plugin, forbidden, name_of};
use crate::SharedReader;
use crate::authz::{NODE_LEASE_NAMESPACE, Rbac, node_name};
use crate::chain::{Attributes, Operation};
use api::status::Status;
use std::sync::Arc;

pub(super) struct NodeRestriction {
    reader: SharedReader,
    rbac: Arc<Rbac>,
}

impl NodeRestriction {
    pub fn new(reader: SharedReader, rbac: Arc<Rbac>) -> Self {
        Self { reader, rbac }
    }
}

impl Plugin for NodeRestriction {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        let attributes = &*attributes;
        let Some(node) = node_name(attributes.user) else {
            return Ok(());
        };
        if node.is_empty() {
            return Err(forbidden(
                attributes,
                &format!("could not determine node from user {:?}", attributes.user.name),
            ));
        }
        match (&*attributes.resource.group, &*attributes.resource.plural, attributes.subresource) {
            ("", "pods", "") => pods::object(&self.reader, node, attributes),
            ("", "pods", "status") => pods::status(node, attributes),
            ("", "pods", "eviction") => pods::eviction(&self.reader, node, attributes),
            ("", "pods", other) if attributes.operation != Operation::Connect => {
                let why = format!("unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed");
                Err(forbidden(attributes, &why))
            }
            ("", "persistentvolumeclaims", "status") => claims::status(node, attributes),
            ("", "persistentvolumeclaims", _) => Err(forbidden(attributes, "may only update PVC status")),
            ("", "nodes", _) => own_node(node, attributes),
            ("", "serviceaccounts", "token") => tokens::create(&self.reader, &self.rbac, node, attributes),
            ("coordination.k8s.io", "leases", _) => lease(node, attributes),
            ("storage.k8s.io", "csinodes", _) => own_name(node, attributes, "CSINode"),
            ("resource.k8s.io", "resourceslices", _) => own_slice(node, attributes),
            ("certificates.k8s.io", "certificatesigningrequests", "") => certificates::own_name(attributes),
            _ => Ok(()),
        }
    }
}

fn own_node(node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    let (new, old) = (&attributes.object, attributes.old);
    let name = name_of(attributes);
    let why = if name != node {
        format!("node {node:?} is not allowed to modify node {name:?}")
    } else if attributes.operation == Operation::Create {
        let refused = labels::refused(&new["metadata"]["labels"], &serde_json::Value::Null);
        if refused.is_empty() {
            return Ok(());
        }
        format!("node {node:?} is not allowed to set the following labels: {}", refused.join(", "))
    } else if attributes.operation == Operation::Update {
        let refused = labels::refused(&new["metadata"]["labels"], &old["metadata"]["labels"]);
        // An absent list and an empty one are the same.
        let differ = |part: &str, member: &str| !super::list(&new[part][member]).eq(super::list(&old[part][member]));
        if differ("spec", "taints") {
            format!("node {node:?} is not allowed to modify taints")
        } else if !refused.is_empty() {
            format!("is not allowed to modify labels: {}", refused.join(", "))
        } else if differ("metadata", "ownerReferences") {
            format!("node {node:?} is not allowed to modify ownerReferences")
        } else {
            return Ok(());
        }
    } else {
        return Ok(());
    };
    Err(forbidden(attributes, &why))
}

fn own_name(node: &str, attributes: &Attributes<'_>, what: &str) -> Result<(), Status> {
    if name_of(attributes) == node {
        return Ok(());
    }
    Err(forbidden(attributes, &format!("can only access {what} with the same name as the requesting node")))
}

/// What a node offers bears its name; which node that is never changes.
fn own_slice(node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    let (slice, verb) = match attributes.operation {
        Operation::Create => (&attributes.object, "create"),
        Operation::Delete => (attributes.old, "delete"),
        _ => return Ok(()),
    };
    if slice["spec"]["nodeName"] == node {
        return Ok(());
    }
    let why = format!("can only {verb} ResourceSlice with the same NodeName as the requesting node");
    Err(forbidden(attributes, &why))
}

fn lease(node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    if attributes.namespace == NODE_LEASE_NAMESPACE {
        return own_name(node, attributes, "node lease");
    }
    let why = format!("can only access leases in the {NODE_LEASE_NAMESPACE:?} system namespace");
    Err(forbidden(attributes, &why))
}
