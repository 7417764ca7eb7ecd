//! What a node may do to pods: mirror its static pods, report on its own, delete and evict its own.

use super::super::service_account::is_mirror;
use super::super::{forbidden, list, name_of, text};
use crate::SharedReader;
use crate::authz::node::relations::{config_map_names, secret_names};
use crate::chain::{Attributes, Operation};
use api::status::{Status, Subject};
use serde_json::Value;

pub(super) fn object(reader: &SharedReader, node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    match attributes.operation {
        Operation::Create => mirror(reader, node, attributes),
        Operation::Delete => {
            let pod = reader.get("", "pods", &attributes.namespace, name_of(attributes));
            if pod.is_none_or(|pod| pod["spec"]["nodeName"] == node) {
                return Ok(());
            }
            let why = format!("node {node:?} can only delete pods with spec.nodeName set to itself");
            Err(forbidden(attributes, &why))
        }
        Operation::Update => Err(forbidden(
            attributes,
            &format!("unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"),
        )),
        Operation::Connect => Ok(()),
    }
}

fn mirror(reader: &SharedReader, node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    let pod = &attributes.object;
    let spec = &pod["spec"];
    let why = if !is_mirror(pod) {
        format!(
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node {node:?} can only create mirror pods"
        )
    } else if spec["nodeName"] != node {
        format!("node {node:?} can only create pods with spec.nodeName set to itself")
    } else if let Some(why) = owner(reader, node, &pod["metadata"]["ownerReferences"]) {
        why
    } else if !text(&spec["serviceAccountName"]).is_empty() {
        format!("node {node:?} can not create pods that reference a service account")
    } else if !secret_names(spec).is_empty() {
        format!("node {node:?} can not create pods that reference secrets")
    } else if !config_map_names(spec).is_empty() {
        format!("node {node:?} can not create pods that reference configmaps")
    } else if list(&spec["volumes"]).any(|volume| volume["persistentVolumeClaim"].is_object()) {
        format!("node {node:?} can not create pods that reference persistentvolumeclaims")
    } else if list(&spec["resourceClaims"]).next().is_some() {
        format!("node {node:?} can not create pods that reference resourceclaims")
    } else {
        return Ok(());
    };
    Err(forbidden(attributes, &why))
}

/// What is wrong with the owner references of a mirror pod: there must be one, to the node.
fn owner(reader: &SharedReader, node: &str, references: &Value) -> Option<String> {
    let all: Vec<&Value> = list(references).collect();
    let itself = format!("node {node:?} can only create pods with an owner reference set to itself");
    let owner = match all.as_slice() {
        [] => return Some(itself),
        [one] => one,
        _ => {
            return Some(format!("node {node:?} can only create pods with a single owner reference set to itself"));
        }
    };
    if owner["apiVersion"] != "v1" || owner["kind"] != "Node" || owner["name"] != node {
        return Some(itself);
    }
    if owner["controller"] != true {
        return Some(format!("node {node:?} can only create pods with a controller owner reference set to itself"));
    }
    if owner["blockOwnerDeletion"] == true {
        return Some(format!("node {node:?} must not set blockOwnerDeletion on an owner reference"));
    }
    let Some(object) = reader.get("", "nodes", "", node) else {
        return Some(format!("nodes {node:?} not found"));
    };
    let (expected, got) = (text(&object["metadata"]["uid"]), text(&owner["uid"]));
    (expected != got).then(|| format!("node {node} UID mismatch: expected {expected} got {got}"))
}

pub(super) fn status(node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    let why = if attributes.old["spec"]["nodeName"] != node {
        format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself")
    } else if attributes.operation == Operation::Update
        && attributes.object["metadata"]["labels"] != attributes.old["metadata"]["labels"]
    {
        format!("node {node:?} cannot update labels through pod status")
    } else if claims(&attributes.object).ne(claims(attributes.old)) {
        format!("node {node:?} cannot update resource claim statuses")
    } else {
        return Ok(());
    };
    Err(forbidden(attributes, &why))
}

/// The claims that were made for a pod: who could name others could read them.
fn claims(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["status"]["resourceClaimStatuses"])
}

pub(super) fn eviction(reader: &SharedReader, node: &str, attributes: &Attributes<'_>) -> Result<(), Status> {
    let name = name_of(attributes);
    let Some(pod) = reader.get("", "pods", &attributes.namespace, name) else {
        return Err(Status::not_found(&Subject { group: "", resource: "pods", name }));
    };
    if pod["spec"]["nodeName"] == node {
        return Ok(());
    }
    Err(forbidden(attributes, &format!("node {node} can only evict pods with spec.nodeName set to itself")))
}
