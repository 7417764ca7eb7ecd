//! The files of a volume that is made from objects: names, contents, modes. Pure.

use super::{VolumeContext, VolumeObjects};
use crate::env::field_path;
use crate::pod;
use crate::resources;
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, DownwardAPIVolumeFile, KeyToPath, Pod, ProjectedVolumeSource, Secret,
    SecretVolumeSource, VolumeProjection,
};
use std::collections::BTreeMap;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProjection {
    /// Its contents.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// The owner, where it is not root: a token of a container that runs as another user.
    pub uid: Option<u32>,
}

/// Files by their path in the volume.
pub type Payload = BTreeMap<String, FileProjection>;

/// Why a payload could not be made, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// `configmap "x" not found`
    #[error("configmap {0:?} not found")]
    NoConfigMap(String),
    /// `secret "x" not found`
    #[error("secret {0:?} not found")]
    NoSecret(String),
    /// An item that names a key that is not there.
    #[error("configmap references non-existent config key: {0}")]
    NoConfigMapKey(String),
    /// As for configMaps.
    #[error("references non-existent secret key: {0}")]
    NoSecretKey(String),
    /// A field that the downward API has not.
    #[error("unsupported fieldPath: {0}")]
    FieldPath(String),
    /// A resource that the downward API has not, or a container that the pod has not.
    #[error("unsupported container resource : {0}")]
    Resource(String),
    /// No token could be had.
    #[error("failed to fetch token: {0}")]
    Token(String),
    /// A path that leads out of the volume.
    #[error("invalid path {0:?}: must be relative and may not contain '..'")]
    Path(String),
    /// What this kubelet does not know.
    #[error("volume source {0} is not supported")]
    Unsupported(&'static str),
}

/// A token that the pod's volumes need.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenFile {
    /// Empty: the API server itself.
    pub audience: String,
    /// Asked for.
    pub expiration_seconds: i64,
}

/// `expirationSeconds` where none is given.
const DEFAULT_TOKEN_EXPIRATION_SECONDS: i64 = 3600;
/// `defaultMode` of volumes where none is given.
const DEFAULT_MODE: i32 = 0o644;

/// All tokens that the pod's volumes need.
pub fn tokens(pod: &Pod) -> Vec<TokenFile> {
    let projected = pod::spec(pod).volumes.iter().flatten().filter_map(|v| v.projected.as_ref());
    let mut tokens: Vec<TokenFile> = projected
        .flat_map(|p| p.sources.iter().flatten())
        .filter_map(|s| s.service_account_token.as_ref())
        .map(|t| token_file(t.audience.as_deref(), t.expiration_seconds))
        .collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

fn token_file(audience: Option<&str>, expiration_seconds: Option<i64>) -> TokenFile {
    TokenFile {
        audience: audience.unwrap_or_default().to_owned(),
        expiration_seconds: expiration_seconds.unwrap_or(DEFAULT_TOKEN_EXPIRATION_SECONDS),
    }
}

/// Names and contents of an object's data.
type Data<'a> = BTreeMap<&'a str, &'a [u8]>;

fn config_map_data(object: &ConfigMap) -> Data<'_> {
    let text = object.data.iter().flatten().map(|(k, v)| (k.as_str(), v.as_bytes()));
    let binary = object.binary_data.iter().flatten().map(|(k, v)| (k.as_str(), v.0.as_slice()));
    text.chain(binary).collect()
}

fn secret_data(object: &Secret) -> Data<'_> {
    object.data.iter().flatten().map(|(k, v)| (k.as_str(), v.0.as_slice())).collect()
}

fn mode(item: Option<i32>, default: Option<i32>) -> u32 {
    u32::try_from(item.or(default).unwrap_or(DEFAULT_MODE)).unwrap_or(0o644) & 0o777
}

fn project(
    data: &Data<'_>,
    items: Option<&Vec<KeyToPath>>,
    default_mode: Option<i32>,
    optional: bool,
    missing: fn(String) -> PayloadError,
) -> Result<Payload, PayloadError> {
    let file = |data: &[u8], mode| FileProjection { data: data.to_vec(), mode, uid: None };
    let items = items.map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        let all = data.iter().map(|(key, value)| ((*key).to_owned(), file(value, mode(None, default_mode))));
        return Ok(all.collect());
    }
    let mut payload = Payload::new();
    for item in items {
        match data.get(item.key.as_str()) {
            Some(value) => {
                payload.insert(checked(&item.path)?, file(value, mode(item.mode, default_mode)));
            }
            None if optional => {}
            None => return Err(missing(item.key.clone())),
        }
    }
    Ok(payload)
}

fn checked(path: &str) -> Result<String, PayloadError> {
    let bad = path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..");
    if bad { Err(PayloadError::Path(path.to_owned())) } else { Ok(path.to_owned()) }
}

fn of_config_map(
    objects: &VolumeObjects,
    name: &str,
    items: Option<&Vec<KeyToPath>>,
    default_mode: Option<i32>,
    optional: bool,
) -> Result<Payload, PayloadError> {
    match objects.references.config_maps.get(name).and_then(Option::as_ref) {
        Some(object) => project(&config_map_data(object), items, default_mode, optional, PayloadError::NoConfigMapKey),
        None if optional => Ok(Payload::new()),
        None => Err(PayloadError::NoConfigMap(name.to_owned())),
    }
}

fn of_secret(
    objects: &VolumeObjects,
    name: &str,
    items: Option<&Vec<KeyToPath>>,
    default_mode: Option<i32>,
    optional: bool,
) -> Result<Payload, PayloadError> {
    match objects.references.secrets.get(name).and_then(Option::as_ref) {
        Some(object) => project(&secret_data(object), items, default_mode, optional, PayloadError::NoSecretKey),
        None if optional => Ok(Payload::new()),
        None => Err(PayloadError::NoSecret(name.to_owned())),
    }
}

/// Files of a configMap volume.
pub fn config_map(objects: &VolumeObjects, source: &ConfigMapVolumeSource) -> Result<Payload, PayloadError> {
    let optional = source.optional == Some(true);
    of_config_map(objects, &source.name, source.items.as_ref(), source.default_mode, optional)
}

/// Files of a secret volume.
pub fn secret(objects: &VolumeObjects, source: &SecretVolumeSource) -> Result<Payload, PayloadError> {
    let name = source.secret_name.as_deref().unwrap_or_default();
    of_secret(objects, name, source.items.as_ref(), source.default_mode, source.optional == Some(true))
}

/// Files of a downwardAPI volume.
pub fn downward_api(
    context: &VolumeContext<'_>,
    items: Option<&Vec<DownwardAPIVolumeFile>>,
    default_mode: Option<i32>,
) -> Result<Payload, PayloadError> {
    let mut payload = Payload::new();
    for item in items.into_iter().flatten() {
        let data = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => field_path::value(context.pod, &field.field_path, &context.addresses)
                .ok_or_else(|| PayloadError::FieldPath(field.field_path.clone()))?,
            (None, Some(resource)) => {
                let unknown = || PayloadError::Resource(resource.resource.clone());
                let name = resource.container_name.as_deref().unwrap_or_default();
                let (_, container) = pod::container(context.pod, name).ok_or_else(unknown)?;
                resources::resource_field(
                    &container,
                    &resource.resource,
                    resource.divisor.as_ref(),
                    context.allocatable,
                )
                .ok_or_else(unknown)?
            }
            (None, None) => continue,
        };
        let file = FileProjection { data: data.into_bytes(), mode: mode(item.mode, default_mode), uid: None };
        payload.insert(checked(&item.path)?, file);
    }
    Ok(payload)
}

/// Files of a projected volume.
pub fn projected(context: &VolumeContext<'_>, source: &ProjectedVolumeSource) -> Result<Payload, PayloadError> {
    let mut payload = Payload::new();
    for projection in source.sources.iter().flatten() {
        payload.extend(one_projection(context, projection, source.default_mode)?);
    }
    Ok(payload)
}

fn one_projection(
    context: &VolumeContext<'_>,
    source: &VolumeProjection,
    default_mode: Option<i32>,
) -> Result<Payload, PayloadError> {
    let objects = context.objects;
    if let Some(source) = &source.config_map {
        let optional = source.optional == Some(true);
        return of_config_map(objects, &source.name, source.items.as_ref(), default_mode, optional);
    }
    if let Some(source) = &source.secret {
        let optional = source.optional == Some(true);
        return of_secret(objects, &source.name, source.items.as_ref(), default_mode, optional);
    }
    if let Some(source) = &source.downward_api {
        return downward_api(context, source.items.as_ref(), default_mode);
    }
    if let Some(source) = &source.service_account_token {
        let wanted = token_file(source.audience.as_deref(), source.expiration_seconds);
        let token = match objects.tokens.get(&wanted) {
            Some(Ok(token)) => token,
            Some(Err(message)) => return Err(PayloadError::Token(message.clone())),
            None => return Err(PayloadError::Token("no token was asked for".to_owned())),
        };
        let file = token_projection(context.pod, token, mode(None, default_mode));
        return Ok(Payload::from([(checked(&source.path)?, file)]));
    }
    Err(PayloadError::Unsupported(if source.cluster_trust_bundle.is_some() {
        "clusterTrustBundle"
    } else {
        "of this kind"
    }))
}

/// A token can be read by the user that the containers run as: where all have one user it owns the file (0600), else
/// with an fsGroup its group reads it.
fn token_projection(pod: &Pod, token: &str, default_mode: u32) -> FileProjection {
    let of_pod = pod::spec(pod).security_context.as_ref();
    let users: Vec<Option<i64>> = pod::containers(pod)
        .iter()
        .map(|(_, c)| c.security_context.as_ref().and_then(|s| s.run_as_user).or(of_pod.and_then(|s| s.run_as_user)))
        .collect();
    let data = token.as_bytes().to_vec();
    let fs_group = of_pod.and_then(|s| s.fs_group);
    match users.first().copied().flatten() {
        Some(user) if fs_group.is_none() && users.iter().all(|u| *u == Some(user)) => {
            FileProjection { data, mode: 0o600, uid: u32::try_from(user).ok() }
        }
        _ if fs_group.is_some() => FileProjection { data, mode: 0o600, uid: None },
        _ => FileProjection { data, mode: default_mode, uid: None },
    }
}
