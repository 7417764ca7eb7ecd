//! Service accounts.

use crate::object::{children, put};
use crate::{At, Strategy, Subresource};
use serde_json::Value;

/// The strategy of service accounts.
#[derive(Debug)]
pub(crate) struct ServiceAccount;

impl Strategy for ServiceAccount {
    fn prepare_for_create(&self, object: &mut Value) {
        keep_names_only(object);
    }

    fn prepare_for_update(&self, new: &mut Value, _old: &Value, _subresource: Option<Subresource>) {
        keep_names_only(new);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let account = At::root(new);
        let metadata = account.at("metadata");
        let annotations = metadata.at("annotations");
        let enforce = annotations.key("kubernetes.io/enforce-mountable-secrets");
        if !enforce.exists() {
            return Vec::new();
        }
        let why = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
        vec![format!("{}: {why}", enforce.path())]
    }
}

/// References to secrets are by name; the other fields of the reference's type mean nothing here.
fn keep_names_only(account: &mut Value) {
    let Value::Object(account) = account else { return };
    for secret in children(account, "secrets") {
        let name = secret.remove("name");
        secret.clear();
        put(secret, "name", name);
    }
}
