//! Roles and bindings grant only what their writer has, unless the writer may `escalate` or `bind`
//! (`k8s.io/kubernetes/pkg/registry/rbac/*/policybased`).

use super::{Plugin, forbidden, name_of, text};
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
    fn may(&self, attributes: &Attributes<'_>, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let question = RequestInfo {
            is_resource_request: true,
            verb: verb.to_owned(),
            api_group: GROUP.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..RequestInfo::default()
        };
        matches!(self.rbac.authorize(attributes.user, &question), Decision::Allow(_))
    }

    fn role(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let (new, old) = (&attributes.object, attributes.old);
        if !old.is_null() && new["rules"] == old["rules"] && new["aggregationRule"] == old["aggregationRule"] {
            return Ok(());
        }
        let resource = &*attributes.resource.plural;
        if self.may(attributes, "escalate", resource, &attributes.namespace, name_of(attributes)) {
            return Ok(());
        }
        let confirm = |rules: &[Rule]| escalation::confirm(&self.rbac, attributes.user, &attributes.namespace, rules);
        let aggregates = |role: &Value| role["aggregationRule"].is_object();
        if aggregates(new) || aggregates(old) {
            let mut urls = Rule::resources(&["*"], &[], &[]);
            urls.non_resource_urls = vec!["*".to_owned()];
            let all = [Rule::resources(&["*"], &["*"], &["*"]), urls];
            confirm(&all).map_err(|why| {
                forbidden(attributes, &format!("must have cluster-admin privileges to use an aggregationRule: {why}"))
            })?;
        }
        confirm(&Rule::read_all(new)).map_err(|why| forbidden(attributes, &why))
    }

    fn binding(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let (new, old) = (&attributes.object, attributes.old);
        if !old.is_null() && new["roleRef"] == old["roleRef"] && new["subjects"] == old["subjects"] {
            return Ok(());
        }
        let role = crate::authz::RoleRef {
            kind: text(&new["roleRef"]["kind"]).to_owned(),
            name: text(&new["roleRef"]["name"]).to_owned(),
        };
        let resource = if role.kind == "ClusterRole" { "clusterroles" } else { "roles" };
        if self.may(attributes, "bind", resource, &attributes.namespace, &role.name) {
            return Ok(());
        }
        let Some(rules) = self.rbac.role_rules(&role, &attributes.namespace) else {
            let resource = &*attributes.resource.plural;
            return Err(Status::not_found(&Subject { group: GROUP, resource, name: &role.name }));
        };
        escalation::confirm(&self.rbac, attributes.user, &attributes.namespace, &rules)
            .map_err(|why| forbidden(attributes, &why))
    }
}

const GROUP: &str = crate::authz::RBAC_GROUP;

impl Plugin for RbacEscalation {
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
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
