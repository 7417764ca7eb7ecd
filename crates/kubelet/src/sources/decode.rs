//! From a manifest's bytes to a pod of this node: decoding, defaults, validation, identity. Pure.

use super::Source;
use crate::pod;
use api::codec::{self, ConformError, DecodeError};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Why a manifest is no static pod.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Neither JSON nor YAML.
    #[error("couldn't parse as pod({0}), please check config file")]
    Decode(#[from] DecodeError),
    /// A value of a wrong type.
    #[error("couldn't parse as pod({0}), please check config file")]
    Conform(#[from] ConformError),
    /// Another kind of object.
    #[error(
        "couldn't parse as pod(no kind \"Pod\" in version \"v1\": kind {kind:?} in version {api_version:?}), please check config file"
    )]
    Kind {
        /// What it is.
        kind: String,
        /// Its version.
        api_version: String,
    },
    /// Not valid.
    #[error("invalid pod: {0}")]
    Invalid(String),
    /// A reference to an object of the API.
    #[error("static pods may not reference {0}")]
    Reference(&'static str),
    /// The typed form does not take it: a fault of ours, as it was validated.
    #[error("decode pod: {0}")]
    Typed(#[from] serde_json::Error),
}

/// The pods of a manifest: one, or those of a list.
///
/// # Errors
/// What is wrong with the first bad one.
pub fn decode_manifest(
    bytes: &[u8],
    source: Source,
    node_name: &str,
    now: jiff::Timestamp,
) -> Result<Vec<Pod>, ManifestError> {
    let value = codec::decode_any(bytes)?.value;
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    if matches!(kind, "PodList" | "List") {
        let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        return items.into_iter().map(|item| decode_pod(item, source, node_name, now)).collect();
    }
    Ok(vec![decode_pod(value, source, node_name, now)?])
}

fn decode_pod(mut value: Value, source: Source, node_name: &str, now: jiff::Timestamp) -> Result<Pod, ManifestError> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, api_version) = (text(&value, "kind"), text(&value, "apiVersion"));
    if (kind.as_str(), api_version.as_str()) != ("Pod", "v1") && !(kind.is_empty() && api_version.is_empty()) {
        return Err(ManifestError::Kind { kind, api_version });
    }
    if !value.is_object() {
        return Err(ManifestError::Kind { kind, api_version });
    }
    let resource = registry::find("", "v1", "pods");
    if let Some(schema) = resource.and_then(|r| api::schema::builtin(&r.definition)) {
        codec::conform(&mut value, schema)?;
    }
    value["kind"] = json!("Pod");
    value["apiVersion"] = json!("v1");
    identify(&mut value, source, node_name, now);
    if let Some(resource) = resource {
        resource.strategy.default(&mut value);
        let errors = resource.strategy.validate(&value);
        if !errors.is_empty() {
            let words: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return Err(ManifestError::Invalid(words.join(", ")));
        }
    }
    let pod: Pod = serde_json::from_value(value)?;
    check_references(&pod)?;
    Ok(pod)
}

/// Name, namespace, uid, annotations, node and toleration of a static pod (`applyDefaults` of `pkg/kubelet/config`).
fn identify(value: &mut Value, source: Source, node_name: &str, now: jiff::Timestamp) {
    let manifest_hash = hash(value, source, node_name);
    let metadata = &mut value["metadata"];
    let given = |metadata: &Value, key: &str| {
        metadata.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let name = given(metadata, "name").unwrap_or_default();
    let namespace = given(metadata, "namespace").unwrap_or_else(|| "default".to_owned());
    let uid = given(metadata, "uid").unwrap_or(manifest_hash);
    metadata["name"] = json!(format!("{name}-{}", node_name.to_lowercase()));
    metadata["namespace"] = json!(namespace);
    metadata["uid"] = json!(uid);
    if !metadata.get("annotations").is_some_and(Value::is_object) {
        metadata["annotations"] = json!({});
    }
    let annotations = &mut metadata["annotations"];
    annotations[pod::CONFIG_HASH] = json!(uid);
    annotations[pod::CONFIG_SEEN] = json!(now.to_string());
    annotations[pod::CONFIG_SOURCE] = json!(source.as_str());
    let spec = &mut value["spec"];
    spec["nodeName"] = json!(node_name);
    let toleration = json!({"operator": "Exists", "effect": "NoExecute"});
    match spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        Some(list) if list.contains(&toleration) => {}
        Some(list) => list.push(toleration),
        None => spec["tolerations"] = json!([toleration]),
    }
}

/// Digits of a static pod's uid and hash, as of upstream's MD5 sums.
const HASH_DIGITS: usize = 32;

/// The identity of a manifest: what it says, its kind of source, the node. Not its file's name: a renamed file is the
/// same pod.
fn hash(value: &Value, source: Source, node_name: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("host:{node_name}\nsource:{}\n", source.as_str()));
    hash.update(codec::encode_json(value));
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(HASH_DIGITS);
    digits
}

/// A static pod must run with no API server at all.
fn check_references(pod: &Pod) -> Result<(), ManifestError> {
    let spec = pod::spec(pod);
    let refuse = |what| Err(ManifestError::Reference(what));
    if spec.service_account_name.as_deref().is_some_and(|name| !name.is_empty()) {
        return refuse("serviceaccounts");
    }
    if !pod::ephemeral_containers(pod).is_empty() {
        return refuse("ephemeral containers");
    }
    if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        return refuse("resourceclaims");
    }
    let (env_config_maps, env_secrets) = crate::env::referenced(pod);
    let (volume_config_maps, volume_secrets) = crate::volumes::referenced(pod);
    if !env_config_maps.is_empty() || !volume_config_maps.is_empty() {
        return refuse("configmaps");
    }
    if !env_secrets.is_empty() || !volume_secrets.is_empty() {
        return refuse("secrets");
    }
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    if volumes.iter().any(|v| v.persistent_volume_claim.is_some() || v.ephemeral.is_some()) {
        return refuse("persistentvolumeclaims");
    }
    if !crate::volumes::tokens(pod).is_empty() {
        return refuse("serviceaccounts");
    }
    Ok(())
}
