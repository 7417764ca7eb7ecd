//! Authorization: `system:masters`, then the node authorizer, then RBAC; the first that has an opinion decides.
//!
//! What not: admission, which also knows the object; here only the request counts.

pub(crate) mod aggregation;
pub(crate) mod escalation;
pub(crate) mod node;
mod rbac;
pub(crate) mod rule;

pub use node::NodeAuthorizer;
pub(crate) use node::{NODE_LEASE_NAMESPACE, node_name};
pub use rbac::Rbac;
pub(crate) use rbac::{GROUP as RBAC_GROUP, RoleRef, service_account};

use crate::chain::{Authorizer, Decision};
use crate::request::RequestInfo;
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use api::status::{Status, Subject};
use serde_json::Value;
use std::sync::Arc;

/// Upstream's `--authorization-mode=Node,RBAC` behind the privileged group.
pub struct Authorizers {
    node: NodeAuthorizer,
    rbac: Arc<Rbac>,
}

impl Authorizers {
    /// Both authorizers over one view of the cluster.
    pub fn new(reader: crate::SharedReader, rbac: Arc<Rbac>) -> Self {
        Self { node: NodeAuthorizer::new(reader), rbac }
    }
}

impl Authorizer for Authorizers {
    fn authorize(&self, user: &UserInfo, request: &RequestInfo) -> Decision {
        if user.in_group(SYSTEM_PRIVILEGED_GROUP) {
            return Decision::Allow(String::new());
        }
        let mut reasons = Vec::new();
        for decision in [self.node.authorize(user, request), self.rbac.authorize(user, request)] {
            match decision {
                Decision::NoOpinion(reason) if reason.is_empty() => {}
                Decision::NoOpinion(reason) => reasons.push(reason),
                decided => return decided,
            }
        }
        Decision::NoOpinion(reasons.join("\n"))
    }

    fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Value>, Vec<Value>) {
        self.rbac.rules_for(user, namespace)
    }
}

/// The 403 of a request that no authorizer allowed, in upstream's words (`responsewriters.Forbidden`).
pub fn forbidden(user: &UserInfo, request: &RequestInfo, reason: &str) -> Status {
    let mut why = format!("User {:?} cannot {} ", user.name, request.verb);
    if request.is_resource_request {
        why += &format!("resource {:?} in API group {:?}", request.resource_and_subresource(), request.api_group);
        if request.namespace.is_empty() {
            why += " at the cluster scope";
        } else {
            why += &format!(" in the namespace {:?}", request.namespace);
        }
    } else {
        why += &format!("path {:?}", request.path);
    }
    if !reason.is_empty() {
        why += &format!(": {reason}");
    }
    if request.is_resource_request {
        // A list by `metadata.name=x` is about the collection.
        let name = if matches!(request.verb.as_str(), "list" | "watch") { "" } else { &request.name };
        Status::forbidden(&Subject { group: &request.api_group, resource: &request.resource, name }, &why)
    } else {
        Status { details: serde_json::json!({}), ..Status::plain(403, "Forbidden", format!("forbidden: {why}")) }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
