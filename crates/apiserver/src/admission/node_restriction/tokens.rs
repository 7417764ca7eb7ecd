//! A node asks for tokens only for pods that it runs, and only for audiences that those pods ask for.

use super::super::{forbidden, list, text};
use crate::SharedReader;
use crate::authz::Rbac;
use crate::chain::{Attributes, Authorizer, Decision, Operation};
use crate::request::RequestInfo;
use api::status::{Status, Subject};
use serde_json::Value;

pub(super) fn create(
    reader: &SharedReader,
    rbac: &Rbac,
    node: &str,
    attributes: &Attributes<'_>,
) -> Result<(), Status> {
    if attributes.operation != Operation::Create {
        return Ok(());
    }
    let spec = &attributes.object["spec"];
    let bound = &spec["boundObjectRef"];
    if bound["apiVersion"] != "v1" || bound["kind"] != "Pod" || text(&bound["name"]).is_empty() {
        return Err(forbidden(attributes, "node requested token not bound to a pod"));
    }
    if text(&bound["uid"]).is_empty() {
        return Err(forbidden(attributes, "node requested token with a pod binding without a uid"));
    }
    let name = text(&bound["name"]);
    let Some(pod) = reader.get("", "pods", &attributes.namespace, name) else {
        return Err(Status::not_found(&Subject { group: "", resource: "pods", name }));
    };
    if bound["uid"] != pod["metadata"]["uid"] {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            text(&bound["uid"])
        );
        return Err(forbidden(attributes, &why));
    }
    if pod["spec"]["nodeName"] != node {
        return Err(forbidden(attributes, "node requested token bound to a pod scheduled on a different node"));
    }
    audience(reader, rbac, attributes, &pod)
}

/// The one audience asked for must be one that a volume of the pod projects, or that RBAC lets this node ask for.
fn audience(reader: &SharedReader, rbac: &Rbac, attributes: &Attributes<'_>, pod: &Value) -> Result<(), Status> {
    let asked: Vec<&str> = list(&attributes.object["spec"]["audiences"]).map(text).collect();
    let asked = match asked.as_slice() {
        [] => "",
        [one] => one,
        _ => return Err(forbidden(attributes, "node may only request 0 or 1 audiences")),
    };
    let volumes = || list(&pod["spec"]["volumes"]);
    let projected = volumes().flat_map(|volume| list(&volume["projected"]["sources"])).any(|source| {
        let token = &source["serviceAccountToken"];
        token.is_object() && text(&token["audience"]) == asked
    });
    let by_driver = volumes().filter_map(|volume| volume["csi"]["driver"].as_str()).any(|driver| {
        let driver = reader.get("storage.k8s.io", "csidrivers", "", driver);
        driver.is_some_and(|driver| list(&driver["spec"]["tokenRequests"]).any(|one| text(&one["audience"]) == asked))
    });
    let question = RequestInfo {
        is_resource_request: true,
        verb: "request-serviceaccounts-token-audience".to_owned(),
        resource: asked.to_owned(),
        namespace: attributes.namespace.clone(),
        name: attributes.name.clone(),
        ..RequestInfo::default()
    };
    if projected || by_driver || matches!(rbac.authorize(attributes.user, &question), Decision::Allow(_)) {
        return Ok(());
    }
    let user = &attributes.user.name;
    let why = format!(
        "audience {asked:?} not found in pod spec volume, {user} is not authorized to request tokens for this audience"
    );
    Err(forbidden(attributes, &why))
}
