//! Conversion strategy `Webhook`: what a ConversionReview says, and what an answer must be like
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go`).
//!
//! Pure: who asks, and when, is the API server's.

use super::conversion::Versions;
use super::{go_type, text, words};
use crate::At;
use crate::labels::{validate_annotations, validate_labels};
use api::field::{ErrorList, aggregate};
use api::meta::{ObjectMeta, metadata_mut};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Versions of ConversionReview that are spoken.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const REVIEW_GROUP: &str = "apiextensions.k8s.io";

/// How objects of one definition are converted by a webhook.
#[derive(Debug)]
pub struct ConversionWebhook {
    /// `spec.conversion.webhook.clientConfig`: where to ask.
    pub client: Value,
    /// `v1` or `v1beta1`.
    review_version: &'static str,
    versions: Arc<Versions>,
}

/// Why a webhook's answer is no conversion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The answer as a whole is none, or says that it failed.
    #[error("conversion webhook for {kind} failed: {why}")]
    Failed {
        /// Version and kind of what was to be converted.
        kind: String,
        /// Upstream's words, or the webhook's.
        why: String,
    },
    /// More or fewer objects than were sent.
    #[error("conversion webhook for {kind} returned {got} objects, expected {expected}")]
    Count {
        /// As above.
        kind: String,
        /// How many came.
        got: usize,
        /// How many were sent.
        expected: usize,
    },
    /// What came back is no object.
    #[error("{0}")]
    NoObject(String),
    /// An object is not what was asked for.
    #[error("conversion webhook for {kind} returned invalid {what}: {why}")]
    Invalid {
        /// As above.
        kind: String,
        /// `object`, `object at index 0` or `metadata`.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// `example.com/v1, Kind=Widget`
fn kind_of(object: &Value) -> String {
    format!("{}, Kind={}", text(object, "apiVersion"), text(object, "kind"))
}

impl ConversionWebhook {
    /// Of a definition whose strategy it is.
    pub(super) fn of(spec: &Value, versions: &Arc<Versions>) -> Option<Self> {
        let conversion = &spec["conversion"];
        if text(conversion, "strategy") != "Webhook" {
            return None;
        }
        let webhook = &conversion["webhook"];
        // Validation saw to it that there is one; else the newest is as good as any.
        let spoken = words(webhook, "conversionReviewVersions");
        let found = spoken.iter().find_map(|one| REVIEW_VERSIONS.into_iter().find(|version| *version == &**one));
        let review_version = found.unwrap_or(REVIEW_VERSIONS[0]);
        Some(Self { client: webhook["clientConfig"].clone(), review_version, versions: versions.clone() })
    }

    /// Whether an object has to be sent to come to be of `version`.
    pub fn concerns(&self, object: &Value, version: &str) -> bool {
        text(object, "apiVersion") != self.versions.api_version(version)
    }

    /// The version that is stored.
    pub fn stored(&self) -> &str {
        &self.versions.stored
    }

    /// What an object that was read from the store goes through before anything else.
    pub fn fill_in(&self, object: &mut Value) {
        self.versions.fill_in(object);
    }

    /// Drops what the version does not know.
    pub fn prune(&self, object: &mut Value, version: &str) {
        self.versions.rename(object, version);
    }

    /// The review that asks for `objects` in `version`.
    pub fn request(&self, uid: &str, objects: &[Value], version: &str) -> Value {
        json!({
            "kind": "ConversionReview",
            "apiVersion": format!("{REVIEW_GROUP}/{}", self.review_version),
            "request": {"uid": uid, "desiredAPIVersion": self.versions.api_version(version), "objects": objects},
        })
    }

    /// The converted objects of an answer, in the order of `originals`, with the metadata that conversions cannot change.
    ///
    /// # Errors
    /// [`ConversionError`], in upstream's words.
    pub fn accept(
        &self,
        uid: &str,
        answer: &[u8],
        originals: &[Value],
        version: &str,
    ) -> Result<Vec<Value>, ConversionError> {
        let kind = originals.first().map(kind_of).unwrap_or_default();
        let failed = |why: String| ConversionError::Failed { kind: kind.clone(), why };
        let mut review: Value = serde_json::from_slice(answer)
            .map_err(|error| failed(format!("couldn't get version/kind; json parse error: {error}")))?;
        self.check(uid, &review).map_err(failed)?;
        let converted = match review["response"]["convertedObjects"].take() {
            Value::Array(objects) => objects,
            _ => Vec::new(),
        };
        if converted.len() != originals.len() {
            return Err(ConversionError::Count { kind, got: converted.len(), expected: originals.len() });
        }
        let wanted = self.versions.api_version(version);
        originals.iter().zip(converted).map(|(original, object)| finish(original, object, &wanted)).collect()
    }

    /// There is no answer.
    pub fn unanswered(&self, originals: &[Value], why: String) -> ConversionError {
        ConversionError::Failed { kind: originals.first().map(kind_of).unwrap_or_default(), why }
    }

    /// Whether the answer is one to this question, and says that all went well.
    fn check(&self, uid: &str, review: &Value) -> Result<(), String> {
        let is_v1 = self.review_version == "v1";
        let wanted = format!("{REVIEW_GROUP}/{}, Kind=ConversionReview", self.review_version);
        let got = kind_of(review);
        // Upstream does not look at these of v1beta1.
        if is_v1 && got != wanted {
            return Err(format!("expected webhook response of {wanted}, got {got}"));
        }
        let response = &review["response"];
        if !response.is_object() {
            return Err("no response provided".to_owned());
        }
        if is_v1 && text(response, "uid") != uid {
            return Err(format!("expected response.uid={uid:?}, got {:?}", text(response, "uid")));
        }
        let result = &response["result"];
        match (text(result, "status"), text(result, "message")) {
            ("Success", _) => Ok(()),
            (status, "") => Err(format!("response.result.status was '{status}', not 'Success'")),
            (_, message) => Err(message.to_owned()),
        }
    }
}

/// One converted object: checked, and with the original's metadata but for labels and annotations.
fn finish(original: &Value, mut object: Value, wanted: &str) -> Result<Value, ConversionError> {
    if text(&object, "kind").is_empty() {
        return Err(ConversionError::NoObject(format!("Object 'Kind' is missing in '{object}'")));
    }
    let invalid = |what, why| ConversionError::Invalid { kind: kind_of(original), what, why };
    let (version, kind) = (text(&object, "apiVersion"), text(&object, "kind"));
    if version != wanted {
        let why = format!("invalid groupVersion (expected {wanted}, received {version})");
        return Err(invalid("object at index 0", why));
    }
    if kind != text(original, "kind") {
        let why = format!("invalid kind (expected {}, received {kind})", text(original, "kind"));
        return Err(invalid("object at index 0", why));
    }
    for (what, before, after) in [
        ("name", original.name(), object.name()),
        ("namespace", original.namespace(), object.namespace()),
        ("UID", original.uid(), object.uid()),
    ] {
        if before != after {
            return Err(invalid("object", format!("must have the same {what}: {before} != {after}")));
        }
    }
    let metadata = restored(original, &object).map_err(|why| invalid("metadata", why))?;
    *metadata_mut(&mut object) = metadata;
    Ok(object)
}

/// `restoreObjectMeta`
fn restored(original: &Value, object: &Value) -> Result<Map<String, Value>, String> {
    let returned = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(other) => return Err(format!("invalid metadata of type {} in converted object", go_type(other))),
        None => return Err("missing metadata in converted object".to_owned()),
    };
    let mut metadata = original.metadata().clone();
    for (field, validate) in
        [("labels", validate_labels as fn(&At, &mut ErrorList)), ("annotations", validate_annotations)]
    {
        let Some(value) = returned.get(field).filter(|value| !value.is_null()) else {
            metadata.remove(field);
            continue;
        };
        let Value::Object(map) = value else {
            return Err(format!("invalid metadata.{field} of type {} in converted object", go_type(value)));
        };
        if let Some((key, value)) = map.iter().find(|(_, value)| !value.is_string()) {
            let got = go_type(value);
            return Err(format!("metadata.{field}[{key}] must be a string, but is {got} in converted object"));
        }
        if metadata.get(field) != Some(value) {
            let path = if field == "labels" { "metadata.labels" } else { "metadata.annotation" };
            let mut errors = ErrorList::new();
            validate(&At::named(path, Some(value)), &mut errors);
            if !errors.is_empty() {
                return Err(aggregate(&errors));
            }
        }
        metadata.insert(field.to_owned(), value.clone());
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn webhook(review_version: &str) -> ConversionWebhook {
        let versions = Versions { group: "example.com".into(), stored: "v1".into(), shapes: BTreeMap::new() };
        let spec = json!({"conversion": {"strategy": "Webhook", "webhook": {
            "clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v9", review_version]}}});
        ConversionWebhook::of(&spec, &Arc::new(versions)).unwrap()
    }

    fn original() -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"size": "1"}, "metadata": {
            "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"l": "1"}, "annotations": {"a": "1"}}})
    }

    fn converted() -> Value {
        json!({"apiVersion": "example.com/v2", "kind": "Widget", "spec": {"size": 1}, "metadata": {
            "name": "a", "namespace": "n", "uid": "u", "labels": {"l": "2"}, "finalizers": ["mine"]}})
    }

    fn accept(response: Value) -> Result<Vec<Value>, String> {
        let review = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response});
        let answer = serde_json::to_vec(&review).unwrap();
        webhook("v1").accept("id", &answer, &[original()], "v2").map_err(|error| error.to_string())
    }

    fn accept_object(object: Value) -> Result<Vec<Value>, String> {
        accept(json!({"uid": "id", "result": {"status": "Success"}, "convertedObjects": [object]}))
    }

    #[test]
    fn labels_and_annotations_are_the_webhooks_and_nothing_else_of_metadata() {
        let wanted = json!({"apiVersion": "example.com/v2", "kind": "Widget", "spec": {"size": 1}, "metadata": {
            "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"l": "2"}}});
        assert_eq!(accept_object(converted()), Ok(vec![wanted]));
    }

    #[test]
    fn answers_must_be_answers() {
        let failed = |why: &str| Err(format!("conversion webhook for example.com/v1, Kind=Widget failed: {why}"));
        assert_eq!(accept(Value::Null), failed("no response provided"));
        assert_eq!(accept(json!({"uid": "other"})), failed(r#"expected response.uid="id", got "other""#));
        let result = |result: Value| accept(json!({"uid": "id", "result": result}));
        assert_eq!(result(json!({"status": "Failed", "message": "no way"})), failed("no way"));
        assert_eq!(result(json!({})), failed("response.result.status was '', not 'Success'"));
        let count = "conversion webhook for example.com/v1, Kind=Widget returned 0 objects, expected 1";
        assert_eq!(result(json!({"status": "Success"})), Err(count.to_owned()));
        let other = webhook("v1").accept("id", b"{}", &[original()], "v2").unwrap_err().to_string();
        let words = "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind=";
        assert_eq!(Err::<Vec<Value>, _>(other), failed(words));
        let broken = webhook("v1").accept("id", b"{", &[original()], "v2").unwrap_err().to_string();
        assert!(broken.contains("couldn't get version/kind; json parse error: "), "{broken}");
    }

    #[test]
    fn the_old_review_needs_neither_kind_nor_uid() {
        let answer = json!({"response": {"result": {"status": "Success"}, "convertedObjects": [converted()]}});
        let answer = serde_json::to_vec(&answer).unwrap();
        assert_eq!(webhook("v1beta1").accept("id", &answer, &[original()], "v2").unwrap().len(), 1);
        assert_eq!(webhook("v1beta1").request("id", &[], "v2")["apiVersion"], "apiextensions.k8s.io/v1beta1");
    }

    #[test]
    fn objects_must_be_the_same() {
        let with = |change: fn(&mut Value)| {
            let mut object = converted();
            change(&mut object);
            accept_object(object).unwrap_err()
        };
        let begin = "conversion webhook for example.com/v1, Kind=Widget returned invalid ";
        for (change, words) in [
            (
                (|o| o["apiVersion"] = "example.com/v3".into()) as fn(&mut Value),
                "object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
            ),
            (|o| o["kind"] = "Other".into(), "object at index 0: invalid kind (expected Widget, received Other)"),
            (|o| o["metadata"]["name"] = "b".into(), "object: must have the same name: a != b"),
            (|o| o["metadata"]["namespace"] = "m".into(), "object: must have the same namespace: n != m"),
            (|o| o["metadata"]["uid"] = "v".into(), "object: must have the same UID: u != v"),
            (
                |o| o["metadata"]["labels"] = json!({"l": 1}),
                "metadata: metadata.labels[l] must be a string, but is int64 in converted object",
            ),
            (
                |o| o["metadata"]["annotations"] = json!([]),
                "metadata: invalid metadata.annotations of type []interface {} in converted object",
            ),
        ] {
            assert_eq!(with(change), format!("{begin}{words}"));
        }
        let label = with(|o| o["metadata"]["labels"] = json!({"l": "no label"}));
        assert!(
            label.starts_with(&format!("{begin}metadata: metadata.labels: Invalid value: \"no label\": ")),
            "{label}"
        );
        assert_eq!(accept_object(json!({"a": 1})).unwrap_err(), "Object 'Kind' is missing in '{\"a\":1}'");
    }
}
