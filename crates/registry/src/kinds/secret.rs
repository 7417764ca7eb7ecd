//! Secrets: the keys that each well-known type must have.

use crate::names;
use crate::object::{child_or_new, default_str, validate_immutable};
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::borrow::Cow;

/// All values of a secret or config map together (`MaxSecretSize`).
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The strategy of secrets.
#[derive(Debug)]
pub(crate) struct Secret;

impl Strategy for Secret {
    /// `stringData` is written into `data`, and never read back.
    fn default(&self, object: &mut Value) {
        let Value::Object(secret) = object else { return };
        if let Some(Value::Object(texts)) = secret.remove("stringData") {
            let data = child_or_new(secret, "data");
            for (key, text) in texts {
                data.insert(key, STANDARD.encode(text.as_str().unwrap_or_default()).into());
            }
            if data.is_empty() {
                secret.remove("data");
            }
        }
        default_str(secret, "type", "Opaque");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let secret = At::root(object);
        let data = secret.at("data");
        let mut total = 0;
        for (key, value) in data.entries() {
            errors.extend(names::config_map_key(key).into_iter().map(|w| value.invalid_value(key, w)));
            total += decoded_len(value.str());
        }
        if total > MAX_BYTES {
            errors.push(data.too_long(MAX_BYTES));
        }
        validate_type(&secret, &data, &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        validate_immutable(&new.at("type"), &old.at("type"), &mut errors);
        validate_frozen(&new, &old, &["data"], &mut errors);
        errors.extend(self.validate(update.new));
        errors
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let secret = At::root(new);
        let certificate = secret.at("data").key("tls.crt").str();
        if secret.at("type").str() != "kubernetes.io/tls" {
            return Vec::new();
        }
        let pem = STANDARD.decode(certificate).unwrap_or_default();
        let armored = pem.windows(11).any(|window| window == b"-----BEGIN ");
        if armored { Vec::new() } else { vec!["tls: failed to find any PEM data in certificate input".to_owned()] }
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        vec![("type".into(), At::root(object).at("type").str().to_owned())]
    }
}

/// How many bytes a base64 text stands for.
pub(super) fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// What `immutable: true` forbids: to change the data, and to take it back.
pub(super) fn validate_frozen(new: &At, old: &At, fields: &[&str], errors: &mut ErrorList) {
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !old.at("immutable").bool() {
        return;
    }
    if !new.at("immutable").bool() {
        errors.push(new.at("immutable").forbidden(DETAIL));
    }
    for field in fields {
        if new.at(field).value() != old.at(field).value() {
            errors.push(new.at(field).forbidden(DETAIL));
        }
    }
}

fn validate_type(secret: &At, data: &At, errors: &mut ErrorList) {
    let require = |key: &str, errors: &mut ErrorList| {
        if !data.key(key).exists() {
            errors.push(data.key(key).required(""));
        }
    };
    match secret.at("type").str() {
        "kubernetes.io/service-account-token" => {
            let metadata = secret.at("metadata");
            let annotations = metadata.at("annotations");
            let account = annotations.key("kubernetes.io/service-account.name");
            account.require(errors);
        }
        "kubernetes.io/dockercfg" => validate_json(&data.key(".dockercfg"), errors),
        "kubernetes.io/dockerconfigjson" => validate_json(&data.key(".dockerconfigjson"), errors),
        "kubernetes.io/basic-auth" if !data.key("username").exists() && !data.key("password").exists() => {
            require("username", errors);
            require("password", errors);
        }
        "kubernetes.io/ssh-auth" => data.key("ssh-privatekey").require(errors),
        "kubernetes.io/tls" => {
            require("tls.crt", errors);
            require("tls.key", errors);
        }
        _ => {}
    }
}

/// The value must be there and be a JSON object. What is wrong is said without showing the secret.
fn validate_json(value: &At, errors: &mut ErrorList) {
    if !value.exists() {
        errors.push(value.required(""));
        return;
    }
    let bytes = STANDARD.decode(value.str()).unwrap_or_default();
    let wrong = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(other) => {
            let kind = match other {
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                Value::Array(_) => "array",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        }
        // what is wrong for us alone has no words of Go's
        Err(error) => api::codec::syntax_error(&bytes).unwrap_or_else(|| error.to_string()),
    };
    errors.push(value.invalid_value("<secret contents redacted>", wrong));
}
