//! Who may use devices past their owners, and who may say what of the status of a claim
//! (`k8s.io/kubernetes/pkg/registry/resource`; upstream asks in the strategy, which here knows no users).

use super::{Plugin, list, text};
use crate::SharedReader;
use crate::authz::{Rbac, forbidden};
use crate::chain::{Attributes, Authorizer, Decision, Operation};
use crate::request::RequestInfo;
use crate::user::SYSTEM_PRIVILEGED_GROUP;
use api::field::{Error, ErrorList, Path};
use api::status::{Status, Subject};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

const GROUP: &str = "resource.k8s.io";
/// Namespaces in which devices may be used past their owners.
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";
/// Where a service account's token says on which node its pod runs.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// `AuthorizedForAdmin`, `AuthorizedForBinding` and `AuthorizedForDeviceStatus`.
pub(super) struct DeviceClaims {
    reader: SharedReader,
    rbac: Arc<Rbac>,
}

impl DeviceClaims {
    pub fn new(reader: SharedReader, rbac: Arc<Rbac>) -> Self {
        Self { reader, rbac }
    }

    /// What is wrong with access at `path` in a namespace that does not allow it.
    fn check_admin_access(&self, attributes: &Attributes<'_>, path: &Path, errors: &mut ErrorList) {
        let namespace = self.reader.get("", "namespaces", "", &attributes.namespace);
        if namespace.is_none_or(|namespace| namespace["metadata"]["labels"][ADMIN_LABEL] != "true") {
            let why =
                format!("admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace");
            errors.push(Error::forbidden(path, why));
        }
    }

    /// Whether the user may do `verb` with a synthetic subresource of claims; `Err`: why not.
    fn may(&self, attributes: &Attributes<'_>, question: &RequestInfo) -> Result<(), String> {
        if attributes.user.in_group(SYSTEM_PRIVILEGED_GROUP) {
            return Ok(());
        }
        match self.rbac.authorize(attributes.user, question) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) | Decision::NoOpinion(why) => Err(forbidden(attributes.user, question, &why).message),
        }
    }

    fn check_binding(&self, attributes: &Attributes<'_>, errors: &mut ErrorList) {
        let (new, old) = (&attributes.object["status"], &attributes.old["status"]);
        if new["allocation"] == old["allocation"] && new["reservedFor"] == old["reservedFor"] {
            return;
        }
        let verb = attributes.request.verb.clone();
        let question = question(&verb, "binding");
        if let Err(why) = self.may(attributes, &question) {
            let needed = format!("resource=\"resourceclaims/binding\", verb=\"{verb}\"");
            let why = format!("changing status.allocation or status.reservedFor requires {needed} permission: {why}");
            errors.push(Error::forbidden(&Path::new("status"), why));
        }
    }

    fn check_drivers(&self, attributes: &Attributes<'_>, errors: &mut ErrorList) {
        let changed = changed_drivers(&attributes.object["status"], &attributes.old["status"]);
        if changed.is_empty() {
            return;
        }
        let verb = &attributes.request.verb;
        let mut verbs = vec![format!("arbitrary-node:{verb}")];
        if is_on_allocated_node(attributes) {
            verbs.insert(0, format!("associated-node:{verb}"));
        }
        for driver in changed {
            let ask = |verb: &String| {
                let namespace = attributes.namespace.clone();
                self.may(attributes, &RequestInfo { namespace, name: driver.to_owned(), ..question(verb, "driver") })
            };
            let refusals: Vec<String> = verbs.iter().map_while(|verb| ask(verb).err()).collect();
            if refusals.len() == verbs.len() {
                let needed = format!("resource=\"resourceclaims/driver\", verb=\"[{}]\"", verbs.join(" "));
                let why = format!("changing status.devices requires {needed} permission: {}", refusals[0]);
                errors.push(Error::forbidden(&Path::new("status"), why));
            }
        }
    }
}

fn question(verb: &str, subresource: &str) -> RequestInfo {
    RequestInfo {
        is_resource_request: true,
        verb: verb.to_owned(),
        api_group: GROUP.to_owned(),
        api_version: "v1".to_owned(),
        resource: "resourceclaims".to_owned(),
        subresource: subresource.to_owned(),
        ..RequestInfo::default()
    }
}

/// Drivers of whose devices something is told that was not told before, or no longer.
fn changed_drivers<'v>(new: &'v Value, old: &'v Value) -> BTreeSet<&'v str> {
    let missing_in = |there: &'v Value| move |device: &&'v Value| list(&there["devices"]).all(|one| one != *device);
    let added = list(&new["devices"]).filter(missing_in(old));
    let gone = list(&old["devices"]).filter(missing_in(new));
    added.chain(gone).map(|device| text(&device["driver"])).collect()
}

/// Whether the writer is a service account on the one node that the claim's devices are on.
fn is_on_allocated_node(attributes: &Attributes<'_>) -> bool {
    let selector = &attributes.object["status"]["allocation"]["nodeSelector"]["nodeSelectorTerms"];
    let [term] = selector.as_array().map_or(&[][..], Vec::as_slice) else { return false };
    let has_expressions = list(&term["matchExpressions"]).next().is_some();
    let mut fields = list(&term["matchFields"]);
    let (Some(field), None, false) = (fields.next(), fields.next(), has_expressions) else { return false };
    let [node] = field["values"].as_array().map_or(&[][..], Vec::as_slice) else { return false };
    let is_name = field["key"] == "metadata.name" && field["operator"] == "In";
    let is_account = attributes.user.name.starts_with("system:serviceaccount:");
    let own = attributes.user.extra.get(NODE_NAME).map_or(&[][..], Vec::as_slice);
    is_name && is_account && matches!(own, [own] if own == node)
}

/// The first entry of `entries` with admin access, by its index.
fn admin_entry<'v>(mut entries: impl Iterator<Item = &'v Value>) -> Option<usize> {
    entries.position(|entry| entry["adminAccess"] == true)
}

impl Plugin for DeviceClaims {
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let mut errors = ErrorList::new();
        if &*attributes.resource.group != GROUP {
            return Ok(());
        }
        let plural = &*attributes.resource.plural;
        match (attributes.operation, plural, attributes.subresource) {
            (Operation::Create, "resourceclaims" | "resourceclaimtemplates", "") => {
                let spec = &attributes.object["spec"];
                let spec = if plural == "resourceclaims" { spec } else { &spec["spec"] };
                if let Some(index) = admin_entry(list(&spec["devices"]["requests"]).map(|request| &request["exactly"]))
                {
                    let path = Path::new("spec").child("devices").child("requests").index(index);
                    self.check_admin_access(attributes, &path.child("exactly").child("adminAccess"), &mut errors);
                }
            }
            (Operation::Update, "resourceclaims", "status") => {
                let results = |claim: &Value| admin_entry(list(&claim["status"]["allocation"]["devices"]["results"]));
                if let (Some(index), None) = (results(&attributes.object), results(attributes.old)) {
                    let path = Path::new("status").child("allocation").child("devices").child("results").index(index);
                    self.check_admin_access(attributes, &path.child("adminAccess"), &mut errors);
                }
                self.check_binding(attributes, &mut errors);
                self.check_drivers(attributes, &mut errors);
            }
            _ => {}
        }
        if errors.is_empty() {
            return Ok(());
        }
        let name = super::name_of(attributes);
        Err(Status::invalid(&Subject { group: GROUP, resource: &attributes.resource.kind, name }, &errors))
    }
}
