//! NamespaceLifecycle: nothing is created in a namespace that is not there or is going; three namespaces stay.

use super::{Plugin, forbidden, is, name_of};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::status::{Status, Subject};
use registry::Scope;
use serde_json::json;

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) struct NamespaceLifecycle {
    reader: SharedReader,
}

impl NamespaceLifecycle {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }
}

impl Plugin for NamespaceLifecycle {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        let namespaces = is(attributes, "", "namespaces", attributes.subresource);
        if attributes.operation == Operation::Delete {
            if namespaces && IMMORTAL.contains(&name_of(attributes)) {
                return Err(forbidden(attributes, "this namespace may not be deleted"));
            }
            return Ok(());
        }
        // Access reviews in a namespace are questions: they may be asked of one that is not there.
        let question = is(attributes, "authorization.k8s.io", "localsubjectaccessreviews", "");
        if namespaces || question || attributes.resource.scope == Scope::Cluster || attributes.namespace.is_empty() {
            return Ok(());
        }
        let name = attributes.namespace.as_str();
        let Some(namespace) = self.reader.get("", "namespaces", "", name) else {
            return Err(Status::not_found(&Subject { group: "", resource: "namespaces", name }));
        };
        let going =
            namespace["status"]["phase"] == "Terminating" || namespace["metadata"]["deletionTimestamp"].is_string();
        if attributes.operation != Operation::Create || !going {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {name} because it is being terminated");
        let mut status = forbidden(attributes, &why);
        status.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {name} is being terminated"),
            "field": "metadata.namespace",
        }]);
        Err(status)
    }
}
