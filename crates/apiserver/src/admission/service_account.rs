//! ServiceAccount: every pod has an account, and the account's token where it wants it
//! (`k8s.io/kubernetes/plugin/pkg/admission/serviceaccount`).

use super::{Plugin, forbidden, is, list, list_mut, mountable_secrets, name_of, text};
use crate::SharedReader;
use crate::authz::node::relations::secret_names;
use crate::chain::{Attributes, Operation};
use crate::metadata::generate_name;
use api::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;

const DEFAULT_ACCOUNT: &str = "default";
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
const MIRROR: &str = "kubernetes.io/config.mirror";
/// An hour, and seven seconds by which an injected token is known.
const TOKEN_EXPIRATION_SECONDS: i64 = 3607;

pub(super) struct ServiceAccount {
    reader: SharedReader,
}

impl ServiceAccount {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn account(&self, attributes: &Attributes<'_>, name: &str) -> Result<Arc<Value>, Status> {
        self.reader.get("", "serviceaccounts", &attributes.namespace, name).ok_or_else(|| {
            let namespace = &attributes.namespace;
            let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
            forbidden(attributes, &why)
        })
    }
}

impl Plugin for ServiceAccount {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if attributes.operation != Operation::Create || !is(attributes, "", "pods", "") {
            return Ok(());
        }
        if is_mirror(&attributes.object) {
            return mirror_refers_to_nothing(attributes);
        }
        let spec = &attributes.object["spec"];
        let asked = [&spec["serviceAccountName"], &spec["serviceAccount"]].map(text);
        let name = asked.into_iter().find(|name| !name.is_empty()).unwrap_or(DEFAULT_ACCOUNT).to_owned();
        let account = self.account(attributes, &name)?;
        let spec = api::meta::child_mut(&mut attributes.object, "spec");
        spec.insert("serviceAccountName".to_owned(), name.clone().into());
        spec.insert("serviceAccount".to_owned(), name.into());
        let own = spec.get("automountServiceAccountToken").and_then(Value::as_bool);
        if own.or_else(|| account["automountServiceAccountToken"].as_bool()).unwrap_or(true) {
            mount_token(spec);
        }
        if list_mut_is_empty(spec, "imagePullSecrets") && list(&account["imagePullSecrets"]).next().is_some() {
            spec.insert("imagePullSecrets".to_owned(), account["imagePullSecrets"].clone());
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let name = text(&attributes.object["spec"]["serviceAccountName"]);
        if attributes.operation == Operation::Update && is(attributes, "", "pods", "ephemeralcontainers") {
            let account = self.account(attributes, name)?;
            let limits = mountable_secrets::is_enforced(&account) && !is_mirror(&attributes.object);
            let refused = || mountable_secrets::refused_in_ephemeral_containers(&account, &attributes.object);
            return limits.then(refused).flatten().map_or(Ok(()), |why| Err(forbidden(attributes, &why)));
        }
        if attributes.operation != Operation::Create || !is(attributes, "", "pods", "") {
            return Ok(());
        }
        if is_mirror(&attributes.object) {
            return mirror_refers_to_nothing(attributes);
        }
        if name.is_empty() {
            let why = format!("no service account specified for pod {}/{}", attributes.namespace, name_of(attributes));
            return Err(forbidden(attributes, &why));
        }
        let account = self.account(attributes, name)?;
        let limits = mountable_secrets::is_enforced(&account);
        let refused = || mountable_secrets::refused_in_pod(&account, &attributes.object);
        limits.then(refused).flatten().map_or(Ok(()), |why| Err(forbidden(attributes, &why)))
    }
}

pub(super) fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}

fn list_mut_is_empty(object: &serde_json::Map<String, Value>, member: &str) -> bool {
    object.get(member).and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn mirror_refers_to_nothing(attributes: &Attributes<'_>) -> Result<(), Status> {
    let spec = &attributes.object["spec"];
    let projects_token =
        |volume: &Value| list(&volume["projected"]["sources"]).any(|source| source["serviceAccountToken"].is_object());
    let why = if !text(&spec["serviceAccountName"]).is_empty() {
        "a mirror pod may not reference service accounts"
    } else if !secret_names(spec).is_empty() {
        "a mirror pod may not reference secrets"
    } else if list(&spec["volumes"]).any(projects_token) {
        "a mirror pod may not use ServiceAccountToken volume projections"
    } else {
        return Ok(());
    };
    Err(forbidden(attributes, why))
}

/// Mounts the token into every container that has nothing at its place.
fn mount_token(spec: &mut serde_json::Map<String, Value>) {
    let volumes = spec.get("volumes").unwrap_or(&Value::Null);
    let own = list(volumes).map(|volume| text(&volume["name"])).find(|name| name.starts_with(VOLUME_PREFIX));
    let (name, there) = match own {
        Some(name) => (name.to_owned(), true),
        None => (generate_name(VOLUME_PREFIX), false),
    };
    let mut needed = false;
    for member in ["initContainers", "containers"] {
        let Some(containers) = spec.get_mut(member).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let mounts = container.get("volumeMounts").unwrap_or(&Value::Null);
            if list(mounts).all(|mount| mount["mountPath"] != TOKEN_PATH) {
                let mount = json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH});
                list_mut(container, "volumeMounts").push(mount);
                needed = true;
            }
        }
    }
    if needed && !there {
        list_mut(spec, "volumes").push(token_volume(&name));
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_EXPIRATION_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}
