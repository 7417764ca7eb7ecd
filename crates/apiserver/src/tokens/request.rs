//! `POST serviceaccounts/NAME/token` (`k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go`).

use super::ServiceAccountTokens;
use super::claims::{NewClaims, text};
use crate::request::RequestInfo;
use api::field::{self, Path};
use api::status::{Status, Subject};
use serde_json::{Value, json};
use std::sync::Arc;

const GROUP: &str = "authentication.k8s.io";
const DEFAULT_EXPIRATION_SECONDS: i64 = 3600;
const MIN_EXPIRATION_SECONDS: i64 = 600;
const MAX_EXPIRATION_SECONDS: i64 = 1 << 32;
/// What the token volume of every pod asks for: an hour and seven seconds marks it as injected by admission.
const INJECTED_EXPIRATION_SECONDS: i64 = 3607;
/// Injected tokens really hold a year, for old clients that never read them again
/// (`--service-account-extend-token-expiration`).
const EXTENDED_EXPIRATION_SECONDS: i64 = 365 * 24 * 3600;

fn invalid(name: &str, errors: &[field::Error]) -> Status {
    // For 422 the subject's resource is the kind, qualified by its group.
    Status::invalid(&Subject { group: GROUP, resource: "TokenRequest", name }, errors)
}

fn not_found(resource: &str, name: &str) -> Status {
    Status::not_found(&Subject { group: "", resource, name })
}

struct Bound {
    kind: &'static str,
    object: Arc<Value>,
}

/// `SetDefaults_TokenRequestSpec`: an hour.
pub(crate) fn apply_defaults(body: &mut Value) {
    let spec = api::meta::child_mut(body, "spec");
    if spec.get("expirationSeconds").is_none_or(Value::is_null) {
        spec.insert("expirationSeconds".to_owned(), DEFAULT_EXPIRATION_SECONDS.into());
    }
}

impl ServiceAccountTokens {
    /// The answer to a TokenRequest.
    pub(crate) fn create(&self, request: &RequestInfo, body: &Value) -> Result<Value, Status> {
        check_names(request, body)?;
        let account = self
            .reader
            .get("", "serviceaccounts", &request.namespace, &request.name)
            .ok_or_else(|| not_found("serviceaccounts", &request.name))?;
        check_uid(request, body, &account)?;
        let spec = &body["spec"];
        let expiration = spec["expirationSeconds"].as_i64().unwrap_or(DEFAULT_EXPIRATION_SECONDS);
        check_expiration(expiration)?;
        let bound = self.bound(request, &spec["boundObjectRef"])?;
        let asked: Vec<String> = spec["audiences"].as_array().into_iter().flatten().map(text).collect();
        let audiences = if asked.is_empty() { self.audiences.clone() } else { asked };
        let now = self.clock.now();
        let extended = expiration == INJECTED_EXPIRATION_SECONDS
            && bound.as_ref().is_some_and(|bound| bound.kind == "pod")
            && audiences.iter().all(|audience| self.is_own_audience(audience));
        let lifetime = if extended { EXTENDED_EXPIRATION_SECONDS } else { expiration };
        let node = bound.as_ref().filter(|bound| bound.kind == "pod").and_then(|bound| {
            let node = bound.object["spec"]["nodeName"].as_str()?;
            let known = self.reader.get("", "nodes", "", node);
            known.or_else(|| Some(Arc::new(json!({"metadata": {"name": node}}))))
        });
        let claims = NewClaims {
            issuer: &self.issuer,
            audiences: &audiences,
            account: &account,
            bound: bound.as_ref().map(|bound| (bound.kind, &*bound.object)),
            node: node.as_deref(),
            now_seconds: now.as_second(),
            expires_seconds: now.as_second() + lifetime,
            warn_after_seconds: extended.then(|| now.as_second() + expiration),
            id: crate::metadata::uuid(),
        };
        let token = self.signer.sign(&claims.to_value()).map_err(Status::internal)?;
        Ok(answer(request, body, &account, (audiences, expiration), (token, now)))
    }

    /// The object that the token shall live and die with.
    fn bound(&self, request: &RequestInfo, reference: &Value) -> Result<Option<Bound>, Status> {
        if reference.is_null() {
            return Ok(None);
        }
        let (version, kind) = (text(&reference["apiVersion"]), text(&reference["kind"]));
        let name = text(&reference["name"]);
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let (kind, plural, namespace) = match (group, kind.as_str()) {
            ("", "Pod") => ("pod", "pods", request.namespace.as_str()),
            ("", "Secret") => ("secret", "secrets", request.namespace.as_str()),
            ("", "Node") => ("node", "nodes", ""),
            _ => {
                // A version of the core group is printed with the empty group before it.
                let core = if version.contains('/') { "" } else { "/" };
                let message = format!("cannot bind token to object of type {core}{version}, Kind={kind}");
                return Err(Status::bad_request(message));
            }
        };
        let object = self.reader.get("", plural, namespace, &name).ok_or_else(|| not_found(plural, &name))?;
        if kind == "pod" && object["spec"]["serviceAccountName"] != request.name {
            let own = text(&object["spec"]["serviceAccountName"]);
            let message = format!(
                "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                request.name
            );
            tracing::debug!(pod = name, own, "token request refused");
            return Err(Status::bad_request(message));
        }
        let (asked, own) = (text(&reference["uid"]), text(&object["metadata"]["uid"]));
        if !asked.is_empty() && asked != own {
            let why = format!(
                "the UID in the bound object reference ({asked}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            // upstream puts the kind where the resource should be
            let kind = text(&reference["kind"]);
            return Err(Status::conflict(&Subject { group: "", resource: &kind, name: &name }, &why));
        }
        Ok(Some(Bound { kind, object }))
    }
}

/// The body may repeat what the path says.
fn check_names(request: &RequestInfo, body: &Value) -> Result<(), Status> {
    let metadata = &body["metadata"];
    for (member, own, words) in [
        ("name", &request.name, "must match the service account name if specified"),
        ("namespace", &request.namespace, "must match the service account namespace if specified"),
    ] {
        let given = metadata[member].as_str().unwrap_or_default();
        if !given.is_empty() && given != own {
            let path = Path::new("metadata").child(member);
            return Err(invalid(&request.name, &[field::Error::invalid(&path, given, words)]));
        }
    }
    Ok(())
}

/// A uid in the body is a precondition.
fn check_uid(request: &RequestInfo, body: &Value, account: &Value) -> Result<(), Status> {
    let (asked, own) = (text(&body["metadata"]["uid"]), text(&account["metadata"]["uid"]));
    if asked.is_empty() || asked == own {
        return Ok(());
    }
    let why = format!("the UID in the token request ({asked}) does not match the UID of the service account ({own})");
    Err(Status::conflict(&Subject { group: GROUP, resource: "TokenRequest", name: &request.name }, &why))
}

/// `ValidateTokenRequest`
fn check_expiration(expiration: i64) -> Result<(), Status> {
    let words = if expiration < MIN_EXPIRATION_SECONDS {
        "may not specify a duration less than 10 minutes"
    } else if expiration > MAX_EXPIRATION_SECONDS {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    let path = Path::new("spec").child("expirationSeconds");
    Err(invalid("", &[field::Error::invalid(&path, expiration, words)]))
}

fn answer(
    request: &RequestInfo,
    body: &Value,
    account: &Value,
    (audiences, expiration): (Vec<String>, i64),
    (token, now): (String, jiff::Timestamp),
) -> Value {
    let second = |seconds: i64| jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string();
    let mut answer = body.clone();
    let metadata = api::meta::child_mut(&mut answer, "metadata");
    metadata.insert("name".to_owned(), request.name.clone().into());
    metadata.insert("namespace".to_owned(), request.namespace.clone().into());
    metadata.insert("uid".to_owned(), account["metadata"]["uid"].clone());
    metadata.insert("creationTimestamp".to_owned(), second(now.as_second()).into());
    let spec = api::meta::child_mut(&mut answer, "spec");
    spec.insert("audiences".to_owned(), audiences.into());
    spec.insert("expirationSeconds".to_owned(), expiration.into());
    spec.entry("boundObjectRef").or_insert(Value::Null);
    answer["status"] = json!({"token": token, "expirationTimestamp": second(now.as_second() + expiration)});
    answer
}
