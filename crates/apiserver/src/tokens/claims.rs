//! What a token claims, and whether it still holds: an account, pod, secret or node that is gone ends its tokens.

use crate::SharedReader;
use crate::authn::CREDENTIAL_ID;
use crate::user::UserInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How long after its deletion time stamp a bound object still counts, seconds: pods that shut down in order may need
/// their token to the end (upstream's `gracefulDeletionLeeway`).
const DELETION_LEEWAY_SECONDS: i64 = 60;
/// How far the clocks of servers may be apart, seconds.
const CLOCK_LEEWAY_SECONDS: i64 = 60;
const EXTRA_PREFIX: &str = "authentication.kubernetes.io/";

/// What the claims of a new token are made of.
pub(super) struct NewClaims<'a> {
    pub issuer: &'a str,
    pub audiences: &'a [String],
    pub account: &'a Value,
    /// `pod`, `secret` or `node`, with the object.
    pub bound: Option<(&'static str, &'a Value)>,
    /// The node of a bound pod.
    pub node: Option<&'a Value>,
    pub now_seconds: i64,
    pub expires_seconds: i64,
    pub warn_after_seconds: Option<i64>,
    pub id: String,
}

impl NewClaims<'_> {
    pub fn to_value(&self) -> Value {
        let reference = |object: &Value| json!({"name": object["metadata"]["name"], "uid": object["metadata"]["uid"]});
        let metadata = &self.account["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let mut private = Map::new();
        private.insert("namespace".to_owned(), namespace.clone().into());
        private.insert("serviceaccount".to_owned(), reference(self.account));
        if let Some((kind, object)) = self.bound {
            private.insert(kind.to_owned(), reference(object));
        }
        if let Some(node) = self.node {
            private.insert("node".to_owned(), reference(node));
        }
        if let Some(warn_after) = self.warn_after_seconds {
            private.insert("warnafter".to_owned(), warn_after.into());
        }
        json!({
            "iss": self.issuer, "aud": self.audiences, "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "iat": self.now_seconds, "nbf": self.now_seconds, "exp": self.expires_seconds, "jti": self.id,
            "kubernetes.io": private,
        })
    }
}

/// The user of verified claims that hold at `now`.
pub(super) fn user(claims: &Value, reader: &SharedReader, now: jiff::Timestamp) -> Option<UserInfo> {
    let seconds = now.as_second();
    if claims["exp"].as_i64()? <= seconds || claims["nbf"].as_i64()? > seconds + CLOCK_LEEWAY_SECONDS {
        return None;
    }
    let private = &claims["kubernetes.io"];
    let namespace = private["namespace"].as_str()?;
    let account = &private["serviceaccount"];
    let name = account["name"].as_str()?;
    if claims["sub"] != format!("system:serviceaccount:{namespace}:{name}") {
        return None;
    }
    lives(reader, "serviceaccounts", namespace, account, now)?;
    let mut extra = BTreeMap::new();
    let mut note = |key: &str, value: &Value| {
        if let Some(value) = value.as_str() {
            extra.insert(format!("{EXTRA_PREFIX}{key}"), vec![value.to_owned()]);
        }
    };
    if private["secret"].is_object() {
        lives(reader, "secrets", namespace, &private["secret"], now)?;
    }
    let (pod, node) = (&private["pod"], &private["node"]);
    if pod.is_object() {
        lives(reader, "pods", namespace, pod, now)?;
        note("pod-name", &pod["name"]);
        note("pod-uid", &pod["uid"]);
    } else if node.is_object() {
        lives(reader, "nodes", "", node, now)?;
    }
    if node.is_object() {
        note("node-name", &node["name"]);
        note("node-uid", &node["uid"]);
    }
    if let Some(id) = claims["jti"].as_str() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
    }
    Some(UserInfo {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: text(&account["uid"]),
        groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        extra,
    })
}

/// Whether the very object (by uid) is there and not long since deleted.
fn lives(reader: &SharedReader, plural: &str, namespace: &str, reference: &Value, now: jiff::Timestamp) -> Option<()> {
    let object = reader.get("", plural, namespace, reference["name"].as_str()?)?;
    if object["metadata"]["uid"] != reference["uid"] {
        return None;
    }
    let Some(deleted) = object["metadata"]["deletionTimestamp"].as_str() else {
        return Some(());
    };
    let deleted: jiff::Timestamp = deleted.parse().ok()?;
    (now.as_second() <= deleted.as_second() + DELETION_LEEWAY_SECONDS).then_some(())
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
