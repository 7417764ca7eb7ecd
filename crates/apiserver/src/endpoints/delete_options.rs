//! `DeleteOptions`: from a body or the query, checked in upstream's words.

use super::options;
use crate::call::Call;
use api::codec::DecodeError;
use api::field::{Error, Path};
use api::meta::ObjectMeta;
use api::status::Status;
use registry::GarbageCollection;
use serde_json::{Value, json};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

const DEFINITION: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// `DeleteOptions`
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`
    pub grace_period_seconds: Option<i64>,
    /// `preconditions.uid`
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`
    pub resource_version: Option<String>,
    /// `propagationPolicy`
    pub policy: Option<String>,
    /// `orphanDependents`
    pub orphan_dependents: Option<bool>,
    /// `dryRun`
    pub dry_run: bool,
}

/// Where upstream's scheme of options is made, which is its name.
const SCHEME: &str = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";

impl DeleteOptions {
    /// From the body, or without one from the query.
    pub fn of(call: &Call<'_>) -> Result<Self, Status> {
        let query = &call.info.query;
        let given = if call.body.is_empty() {
            let mut given = json!({});
            if let Some(seconds) = options::number(call, "gracePeriodSeconds")? {
                given["gracePeriodSeconds"] = seconds.into();
            }
            if let Some(policy) = query.get("propagationPolicy") {
                given["propagationPolicy"] = policy.into();
            }
            if query.get("orphanDependents").is_some() {
                given["orphanDependents"] = query.flag("orphanDependents").into();
            }
            given["dryRun"] = query.all("dryRun").collect();
            given
        } else {
            let decoded = match call.content_type() {
                "application/vnd.kubernetes.protobuf" => {
                    let decoded = crate::protobuf::decode(&call.body, ("v1", "DeleteOptions"));
                    let value = decoded.map_err(|error| Status::bad_request(error.to_string()))?;
                    Ok(api::codec::Decoded { value, duplicates: Vec::new() })
                }
                "application/yaml" => api::codec::decode_yaml(&call.body),
                "" | "application/json" => api::codec::decode_json(&call.body),
                _ => return Err(crate::decode::unsupported_media()),
            };
            let mut value = decoded
                .map_err(|error| match error {
                    DecodeError::Yaml(words) => Status::bad_request(words),
                    error => Status::bad_request(format!("couldn't get version/kind; json parse error: {error}")),
                })?
                .value;
            let (version, kind) = api::codec::type_meta(&value).map_err(Status::bad_request)?;
            if !matches!(kind, "" | "DeleteOptions") {
                let version = if version.is_empty() { "meta.k8s.io/v1" } else { version };
                let why = format!("no kind {kind:?} is registered for version {version:?} in scheme {SCHEME:?}");
                return Err(Status::bad_request(why));
            }
            // What the type does not have is left out in silence; what has another type is not.
            if let Some(schema) = api::schema::builtin(DEFINITION) {
                api::codec::conform(&mut value, schema).map_err(|error| Status::bad_request(error.to_string()))?;
            }
            value
        };
        Self::from_value(&given)
    }

    /// From an object.
    ///
    /// # Errors
    /// 422 for what contradicts itself.
    pub fn from_value(given: &Value) -> Result<Self, Status> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let dry: Vec<&str> = given["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let out = Self {
            // Negative periods are taken for the shortest.
            grace_period_seconds: given["gracePeriodSeconds"]
                .as_i64()
                .map(|seconds| if seconds < 0 { 1 } else { seconds }),
            uid: text(&given["preconditions"]["uid"]),
            resource_version: text(&given["preconditions"]["resourceVersion"]),
            // an empty one is given too
            policy: given["propagationPolicy"].as_str().map(str::to_owned),
            orphan_dependents: given["orphanDependents"].as_bool(),
            dry_run: dry.iter().any(|value| !value.is_empty()),
        };
        let path = Path::new("propagationPolicy");
        let mut errors = Vec::new();
        match out.policy.as_deref() {
            Some(policy) if out.orphan_dependents.is_some() => {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                errors.push(Error::invalid(&path, policy, why));
            }
            None | Some("Background" | "Foreground" | "Orphan") => {}
            Some(other) => {
                let mut error = Error::not_supported(&path, other, &[]);
                error.detail = r#"supported values: "Foreground", "Background", "Orphan", "nil""#.to_owned();
                errors.push(error);
            }
        }
        errors.extend(options::dry_run_errors(dry.into_iter()));
        options::invalid("DeleteOptions", &errors)?;
        Ok(out)
    }

    /// The finalizers of an object after a deletion with these options.
    pub fn finalizers(&self, object: &Value, by_default: GarbageCollection) -> Vec<String> {
        let mut kept: Vec<String> = object.finalizers().into_iter().map(str::to_owned).collect();
        let (orphan, foreground) = match (self.orphan_dependents, self.policy.as_deref()) {
            _ if by_default == GarbageCollection::Unsupported => (false, false),
            (None, None) if by_default == GarbageCollection::Background => return kept,
            (None, None) => {
                let foreground = kept.iter().any(|finalizer| finalizer == FOREGROUND);
                (!foreground, foreground)
            }
            (Some(orphan), _) => (orphan, false),
            (None, policy) => (policy == Some("Orphan"), policy == Some("Foreground")),
        };
        let before = kept.clone();
        kept.retain(|finalizer| finalizer != ORPHAN && finalizer != FOREGROUND);
        if orphan {
            kept.push(ORPHAN.to_owned());
        }
        if foreground {
            kept.push(FOREGROUND.to_owned());
        }
        // The same ones stay in their order.
        let of = |finalizers: &[String]| finalizers.iter().cloned().collect::<std::collections::BTreeSet<_>>();
        if of(&before) == of(&kept) { before } else { kept }
    }
}
