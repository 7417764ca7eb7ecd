//! What a token claims, and whether it still holds: an account, pod, secret or node that is gone ends its tokens.

use crate::SharedReader;
use crate::authn::CREDENTIAL_ID;
use crate::user::UserInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How long after its deletion time stamp a bound object still counts, seconds: pods that shut down in order may need
/// their token to the end (upstream's `gracefulDeletionLeeway`).
const DELETION_LEEWAY_SECONDS: i64 = 60;
/// How far the clocks of servers may be apart, seconds: a token is taken so long after its end too.
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
///
/// # Errors
/// Why they do not, in upstream's words.
pub(super) fn user(claims: &Value, reader: &SharedReader, now: jiff::Timestamp) -> Result<UserInfo, String> {
    check_times(claims, now.as_second())?;
    let private = &claims["kubernetes.io"];
    let namespace = private["namespace"].as_str().unwrap_or_default();
    let account = &private["serviceaccount"];
    let name = account["name"].as_str().unwrap_or_default();
    if claims["sub"] != format!("system:serviceaccount:{namespace}:{name}") {
        return Err("service account token claims could not be validated".to_owned());
    }
    check_account(reader, namespace, account, now)?;
    let mut extra = BTreeMap::new();
    let mut note = |key: &str, value: &Value| {
        if let Some(value) = value.as_str() {
            extra.insert(format!("{EXTRA_PREFIX}{key}"), vec![value.to_owned()]);
        }
    };
    if private["secret"].is_object() {
        check_bound(reader, SECRETS, namespace, &private["secret"], now)?;
    }
    let (pod, node) = (&private["pod"], &private["node"]);
    if pod.is_object() {
        check_bound(reader, PODS, namespace, pod, now)?;
        note("pod-name", &pod["name"]);
        note("pod-uid", &pod["uid"]);
    } else if node.is_object() {
        check_bound(reader, NODES, "", node, now)?;
    }
    if node.is_object() {
        note("node-name", &node["name"]);
        note("node-uid", &node["uid"]);
    }
    if let Some(id) = claims["jti"].as_str() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
    }
    Ok(UserInfo {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: text(&account["uid"]),
        groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        extra,
    })
}

/// The plural of what a token can be bound to, and how upstream speaks of it.
type Bound = (&'static str, &'static str, &'static str);
const SECRETS: Bound = ("secrets", "secret", "service account secret ref claim");
const PODS: Bound = ("pods", "pod", "service account pod ref claim");
const NODES: Bound = ("nodes", "node", "service account node ref claim");

/// `Validate` of Go's JWT library, with its minute of leeway.
fn check_times(claims: &Value, seconds: i64) -> Result<(), String> {
    let (expiry, start, issued) = (claims["exp"].as_i64(), claims["nbf"].as_i64(), claims["iat"].as_i64());
    let later = |time: Option<i64>| time.is_some_and(|time| time > seconds + CLOCK_LEEWAY_SECONDS);
    let why = if later(start) {
        "service account token is not valid yet"
    } else if expiry.is_some_and(|end| end < seconds - CLOCK_LEEWAY_SECONDS) {
        "service account token has expired"
    } else if later(issued) {
        "service account token is issued in the future"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

/// Whether the object is gone: long since deleted.
fn is_past(object: &Value, now: jiff::Timestamp) -> bool {
    let deleted = object["metadata"]["deletionTimestamp"].as_str();
    let deleted = deleted.and_then(|deleted| deleted.parse::<jiff::Timestamp>().ok());
    deleted.is_some_and(|deleted| now.as_second() > deleted.as_second() + DELETION_LEEWAY_SECONDS)
}

/// The account must be the very one (by uid).
fn check_account(
    reader: &SharedReader,
    namespace: &str,
    reference: &Value,
    now: jiff::Timestamp,
) -> Result<(), String> {
    let (name, claimed) = (text(&reference["name"]), text(&reference["uid"]));
    let found = reader.get("", "serviceaccounts", namespace, &name);
    let account = found.ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
    let uid = text(&account["metadata"]["uid"]);
    if uid != claimed {
        return Err(format!("service account UID ({uid}) does not match claim ({claimed})"));
    }
    if is_past(&account, now) {
        return Err(format!("service account {namespace}/{name} has been deleted"));
    }
    Ok(())
}

/// What the token is bound to must be the very object.
fn check_bound(
    reader: &SharedReader,
    (plural, kind, claim): Bound,
    namespace: &str,
    reference: &Value,
    now: jiff::Timestamp,
) -> Result<(), String> {
    let found = reader.get("", plural, namespace, &text(&reference["name"]));
    let object = found.filter(|object| !is_past(object, now));
    let object = object.ok_or_else(|| "service account token has been invalidated".to_owned())?;
    let (uid, claimed) = (text(&object["metadata"]["uid"]), text(&reference["uid"]));
    if uid != claimed {
        return Err(format!("{kind} UID ({uid}) does not match {claim} ({claimed})"));
    }
    Ok(())
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
