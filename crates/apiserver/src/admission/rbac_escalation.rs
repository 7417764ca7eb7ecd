//! Roles and bindings grant only what their writer has, unless the writer may `escalate` or `bind`
//! (`k8s.io/kubernetes/pkg/registry/rbac/*/policybased`).

use super::text;
use crate::authz::{Rbac, escalation, rule::Rule};
use crate::chain::{Attributes, Authorizer, Decision, Operation};
use crate::request::RequestInfo;
use crate::user::SYSTEM_PRIVILEGED_GROUP;
use api::status::{Status, Subject};
use serde_json::Value;
use std::sync::Arc;

pub(super) struct RbacEscalation {
    rbac: Arc<Rbac>,
}

impl RbacEscalation {
    pub fn new(rbac: Arc<Rbac>) -> Self {
        Self { rbac }
    }

    /// Whether the writer has a special verb on a role.
    fn may(&self, attributes: &Attributes<'_>, verb: &str, (group, resource): (&str, &str), name: &str) -> bool {
        let question = RequestInfo {
            is_resource_request: true,
            verb: verb.to_owned(),
            api_group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: attributes.namespace.clone(),
            name: name.to_owned(),
            ..RequestInfo::default()
        };
        matches!(self.rbac.authorize(attributes.user, &question), Decision::Allow(_))
    }

    fn role(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let (new, old) = (&attributes.object, attributes.old);
        // the name of the request: who may escalate a role of that name may not make it
        let (resource, name) = (&*attributes.resource.plural, &attributes.request.name);
        if only_for_collection(new, old) || self.may(attributes, "escalate", (GROUP, resource), name) {
            return Ok(());
        }
        let confirm = |rules: &[Rule]| escalation::confirm(&self.rbac, attributes.user, &attributes.namespace, rules);
        confirm(&Rule::read_all(new)).map_err(|why| forbidden(attributes, &why))?;
        let aggregates = |role: &Value| {
            let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array();
            selectors.is_some_and(|selectors| !selectors.is_empty())
        };
        if aggregates(new) || aggregates(old) {
            let mut urls = Rule::resources(&["*"], &[], &[]);
            urls.non_resource_urls = vec!["*".to_owned()];
            let all = [Rule::resources(&["*"], &["*"], &["*"]), urls];
            let why = "must have cluster-admin privileges to use the aggregationRule";
            confirm(&all).map_err(|_| forbidden(attributes, why))?;
        }
        Ok(())
    }

    fn binding(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let (new, old) = (&attributes.object, attributes.old);
        if only_for_collection(new, old) {
            return Ok(());
        }
        let role = crate::authz::RoleRef {
            kind: text(&new["roleRef"]["kind"]).to_owned(),
            name: text(&new["roleRef"]["name"]).to_owned(),
        };
        let resource = match role.kind.as_str() {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            kind => return Err(Status::unreasoned(format!("unsupported role reference kind: {kind:?}"))),
        };
        // The group is judged as it stands: validation, which would refuse another, comes later.
        let group = text(&new["roleRef"]["apiGroup"]);
        if self.may(attributes, "bind", (group, resource), &role.name) {
            return Ok(());
        }
        if resource == "roles" && attributes.namespace.is_empty() {
            return Err(Status::bad_request("Namespace parameter required."));
        }
        if role.name.is_empty() {
            return Err(Status::bad_request("Name parameter required."));
        }
        let Some(rules) = self.rbac.role_rules(&role, &attributes.namespace) else {
            let resource = &*attributes.resource.plural;
            return Err(Status::not_found(&Subject { group: GROUP, resource, name: &role.name }));
        };
        escalation::confirm(&self.rbac, attributes.user, &attributes.namespace, &rules)
            .map_err(|why| forbidden(attributes, &why))
    }
}

/// Whether an update changes only what the garbage collector needs to change (`IsOnlyMutatingGCFields`): whoever changes
/// anything else of a role or binding, be it a label, must be allowed to write it.
fn only_for_collection(new: &Value, old: &Value) -> bool {
    let strip = |object: &Value| {
        let mut object = object.clone();
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            ["ownerReferences", "finalizers", "managedFields"].iter().for_each(|field| drop(metadata.remove(*field)));
        }
        object
    };
    !old.is_null() && strip(new) == strip(old)
}

const GROUP: &str = crate::authz::RBAC_GROUP;

/// Unlike a plugin's refusal this knows an object only by a name of its own.
fn forbidden(attributes: &Attributes<'_>, why: &str) -> Status {
    let name = text(&attributes.object["metadata"]["name"]);
    Status::forbidden(&Subject { group: GROUP, resource: &attributes.resource.plural, name }, why)
}

impl RbacEscalation {
    /// Whether the writer of a role or binding may grant what it grants.
    pub fn check(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let write = matches!(attributes.operation, Operation::Create | Operation::Update);
        if !write || &*attributes.resource.group != GROUP || attributes.user.in_group(SYSTEM_PRIVILEGED_GROUP) {
            return Ok(());
        }
        match &*attributes.resource.plural {
            "roles" | "clusterroles" => self.role(attributes),
            "rolebindings" | "clusterrolebindings" => self.binding(attributes),
            _ => Ok(()),
        }
    }
}
