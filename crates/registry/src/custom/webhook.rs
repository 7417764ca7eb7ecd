//! Conversion strategy `Webhook`: what a ConversionReview says, and what an answer must be like
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go`).
//!
//! Pure: who asks, and when, is the API server's.

mod converted;
#[cfg(test)]
mod tests;

pub use converted::ConversionError;

use super::conversion::Versions;
use super::{text, words};
use converted::{finish, kind_of};
use serde_json::{Value, json};
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
