//! Admission: a flat list of plugins, one file each, in upstream's order. Each looks at the object that is to be
//! written and may change or refuse it.
//!
//! What not: validation of fields, which is the registry's; and nothing here waits.

mod certificates;
mod default_class;
mod default_toleration_seconds;
mod device_claims;
mod limit_ranger;
mod mountable_secrets;
mod namespace_lifecycle;
mod node_restriction;
mod pod_resize;
mod pod_security;
mod pod_topology_labels;
mod priority;
mod rbac_escalation;
mod runtime_class;
mod service_account;
mod storage;
mod taint_nodes_by_condition;

use crate::SharedReader;
use crate::authz::Rbac;
use crate::chain::{Admission, Attributes};
use api::status::{Status, Subject};
use serde_json::Value;
use std::sync::Arc;

/// One plugin. Both phases let pass what they do not know.
pub(crate) trait Plugin: Send + Sync {
    /// May change the object, or refuse.
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        let _ = attributes;
        Ok(())
    }

    /// Sees the object after every plugin's changes; may only refuse.
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let _ = attributes;
        Ok(())
    }
}

/// The plugins that are on, and what stands between them and the storage of roles and bindings.
pub struct AdmissionChain {
    plugins: Vec<Box<dyn Plugin>>,
    escalation: rbac_escalation::RbacEscalation,
}

impl AdmissionChain {
    /// Those that are on by default, and NodeRestriction.
    pub fn standard(reader: SharedReader, rbac: Arc<Rbac>) -> Self {
        let plugins: Vec<Box<dyn Plugin>> = vec![
            Box::new(namespace_lifecycle::NamespaceLifecycle::new(reader.clone())),
            Box::new(limit_ranger::LimitRanger::new(reader.clone())),
            Box::new(service_account::ServiceAccount::new(reader.clone())),
            Box::new(node_restriction::NodeRestriction::new(reader.clone(), rbac.clone())),
            Box::new(taint_nodes_by_condition::TaintNodesByCondition),
            Box::new(pod_security::PodSecurity::new(reader.clone())),
            Box::new(priority::Priority::new(reader.clone())),
            Box::new(default_toleration_seconds::DefaultTolerationSeconds),
            Box::new(default_class::DefaultClass::new(reader.clone())),
            Box::new(storage::StorageObjectInUseProtection),
            Box::new(storage::PersistentVolumeClaimResize::new(reader.clone())),
            Box::new(runtime_class::RuntimeClass::new(reader.clone())),
            Box::new(device_claims::DeviceClaims::new(reader.clone(), rbac.clone())),
            Box::new(certificates::Certificates::new(rbac.clone())),
            Box::new(pod_topology_labels::PodTopologyLabels::new(reader.clone())),
            Box::new(pod_resize::PodResizeValidator::new(reader)),
        ];
        Self { plugins, escalation: rbac_escalation::RbacEscalation::new(rbac) }
    }
}

impl Admission for AdmissionChain {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        self.plugins.iter().try_for_each(|plugin| plugin.admit(attributes))
    }

    fn guard(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        self.escalation.check(attributes)
    }

    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        self.plugins.iter().try_for_each(|plugin| plugin.validate(attributes))
    }
}

/// Whether this is about `group/plural` and `subresource`.
fn is(attributes: &Attributes<'_>, group: &str, plural: &str, subresource: &str) -> bool {
    &*attributes.resource.group == group
        && &*attributes.resource.plural == plural
        && attributes.subresource == subresource
}

/// The object's name, also where the request has none yet.
fn name_of<'a>(attributes: &'a Attributes<'_>) -> &'a str {
    if attributes.name.is_empty() {
        attributes.object["metadata"]["name"].as_str().unwrap_or_default()
    } else {
        &attributes.name
    }
}

/// `admission.NewForbidden`: before it has a name, an object goes by the beginning of it.
pub(crate) fn forbidden(attributes: &Attributes<'_>, why: &str) -> Status {
    let prefix = text(&attributes.object["metadata"]["generateName"]);
    let name = [name_of(attributes), prefix].into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown");
    Status::forbidden(&Subject { group: &attributes.resource.group, resource: &attributes.resource.plural, name }, why)
}

/// `utilerrors.NewAggregate`: one message as it is, several in brackets, equal ones once.
fn aggregate(messages: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for message in messages {
        if !distinct.contains(&message.as_str()) {
            distinct.push(message);
        }
    }
    if distinct.len() == 1 { distinct[0].to_owned() } else { format!("[{}]", distinct.join(", ")) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The list `member` of an object; made when it is not there.
fn list_mut<'a>(object: &'a mut serde_json::Map<String, Value>, member: &str) -> &'a mut Vec<Value> {
    let value = object.entry(member).or_insert_with(|| Value::Array(Vec::new()));
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("made an array above"),
    }
}

#[cfg(test)]
mod tests;
