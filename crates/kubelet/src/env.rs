//! The environment of a container: what is named in `env` and `envFrom`, and the variables of services. Pure: whoever
//! calls has fetched the objects.

mod expansion;
pub mod field_path;
pub mod files;
mod services;
#[cfg(test)]
mod tests;

pub use expansion::expand;
pub use services::service_environment;

use crate::pod;
use crate::resources::{self, Amounts};
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, EnvVarSource, Pod, Secret};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The objects that containers of a pod refer to, by name; `None` for one that does not exist.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// Of the pod's namespace.
    pub config_maps: BTreeMap<String, Option<Arc<ConfigMap>>>,
    /// Of the pod's namespace.
    pub secrets: BTreeMap<String, Option<Arc<Secret>>>,
}

/// What values may come from beside the object.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentInput<'a> {
    /// Whose.
    pub pod: &'a Pod,
    /// Which container.
    pub container: &'a Container,
    /// Fetched before.
    pub references: &'a References,
    /// The pod's addresses.
    pub pod_addresses: &'a [IpAddr],
    /// The node's addresses.
    pub host_addresses: &'a [IpAddr],
    /// What the node can give.
    pub allocatable: &'a Amounts,
    /// Files of variables, from [`files::read`].
    pub files: &'a files::EnvFiles,
    /// Variables of services, from [`service_environment`].
    pub services: &'a BTreeMap<String, String>,
}

/// Why no environment could be made: `CreateContainerConfigError`, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// `configmap "x" not found`
    #[error("configmap {0:?} not found")]
    NoConfigMap(String),
    /// `secret "x" not found`
    #[error("secret {0:?} not found")]
    NoSecret(String),
    /// A configMap without the key.
    #[error("couldn't find key {key} in ConfigMap {namespace}/{name}")]
    NoConfigMapKey {
        /// The missing key.
        key: String,
        /// The pod's namespace.
        namespace: String,
        /// The configMap.
        name: String,
    },
    /// A secret without the key.
    #[error("couldn't find key {key} in Secret {namespace}/{name}")]
    NoSecretKey {
        /// The missing key.
        key: String,
        /// The pod's namespace.
        namespace: String,
        /// The secret.
        name: String,
    },
    /// A field that cannot be referred to.
    #[error("unsupported fieldPath: {0}")]
    FieldPath(String),
    /// A resource that cannot be referred to.
    #[error("unsupported container resource : {0}")]
    Resource(String),
    /// A file of variables.
    #[error(transparent)]
    File(#[from] files::EnvFileError),
    /// A reference to a container that the pod has not.
    #[error("container {0} not found")]
    NoContainer(String),
}

/// The names of the configMaps and secrets that the containers' variables need.
pub fn referenced(pod: &Pod) -> (Vec<String>, Vec<String>) {
    let (mut config_maps, mut secrets) = (Vec::new(), Vec::new());
    for (_, container) in pod::containers(pod) {
        for source in container.env_from.iter().flatten() {
            config_maps.extend(source.config_map_ref.as_ref().map(|r| r.name.clone()));
            secrets.extend(source.secret_ref.as_ref().map(|r| r.name.clone()));
        }
        for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
            config_maps.extend(source.config_map_key_ref.as_ref().map(|r| r.name.clone()));
            secrets.extend(source.secret_key_ref.as_ref().map(|r| r.name.clone()));
        }
    }
    for list in [&mut config_maps, &mut secrets] {
        list.sort();
        list.dedup();
    }
    (config_maps, secrets)
}

/// The environment: services first, then `envFrom`, then `env`; later ones win.
///
/// # Errors
/// A reference that is not optional and leads nowhere.
pub fn environment(input: &EnvironmentInput<'_>) -> Result<BTreeMap<String, String>, EnvError> {
    let mut own = env_from(input)?;
    let mut from_env = BTreeMap::new();
    for variable in input.container.env.iter().flatten() {
        let Some(value) = value_of(input, variable, &from_env, &own)? else { continue };
        from_env.insert(variable.name.clone(), value);
    }
    own.extend(from_env);
    let mut all = input.services.clone();
    all.extend(own);
    Ok(all)
}

fn env_from(input: &EnvironmentInput<'_>) -> Result<BTreeMap<String, String>, EnvError> {
    let mut result = BTreeMap::new();
    for source in input.container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &source.config_map_ref {
            let found = input.references.config_maps.get(&reference.name).and_then(Option::as_ref);
            let Some(config_map) = found else {
                if reference.optional == Some(true) {
                    continue;
                }
                return Err(EnvError::NoConfigMap(reference.name.clone()));
            };
            let data = config_map.data.iter().flatten();
            result.extend(data.map(|(key, value)| (format!("{prefix}{key}"), value.clone())));
        }
        if let Some(reference) = &source.secret_ref {
            let found = input.references.secrets.get(&reference.name).and_then(Option::as_ref);
            let Some(secret) = found else {
                if reference.optional == Some(true) {
                    continue;
                }
                return Err(EnvError::NoSecret(reference.name.clone()));
            };
            let data = secret.data.iter().flatten();
            result.extend(data.map(|(key, value)| (format!("{prefix}{key}"), text(&value.0))));
        }
    }
    result.retain(|name, _| !name.is_empty() && !name.contains('=') && name.is_ascii());
    Ok(result)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn value_of(
    input: &EnvironmentInput<'_>,
    variable: &EnvVar,
    env: &BTreeMap<String, String>,
    env_from: &BTreeMap<String, String>,
) -> Result<Option<String>, EnvError> {
    match (&variable.value, &variable.value_from) {
        (Some(value), _) if !value.is_empty() => {
            let lookup =
                |name: &str| env.get(name).or_else(|| env_from.get(name)).or_else(|| input.services.get(name)).cloned();
            Ok(Some(expand(value, lookup)))
        }
        (_, Some(source)) => value_from(input, source),
        _ => Ok(Some(String::new())),
    }
}

fn value_from(input: &EnvironmentInput<'_>, source: &EnvVarSource) -> Result<Option<String>, EnvError> {
    let namespace = pod::namespace(input.pod).to_owned();
    if let Some(field) = &source.field_ref {
        let context = field_path::Addresses { pod: input.pod_addresses, host: input.host_addresses };
        return field_path::value(input.pod, &field.field_path, &context)
            .map(Some)
            .ok_or_else(|| EnvError::FieldPath(field.field_path.clone()));
    }
    if let Some(file) = &source.file_key_ref {
        return Ok(files::value_of(input.files, file)?);
    }
    if let Some(resource) = &source.resource_field_ref {
        let named = resource.container_name.as_deref().filter(|name| !name.is_empty());
        let other = match named {
            Some(name) => pod::container(input.pod, name).ok_or_else(|| EnvError::NoContainer(name.to_owned()))?.1,
            None => input.container.clone(),
        };
        return resources::resource_field(&other, &resource.resource, resource.divisor.as_ref(), input.allocatable)
            .map(Some)
            .ok_or_else(|| EnvError::Resource(resource.resource.clone()));
    }
    if let Some(reference) = &source.config_map_key_ref {
        let optional = reference.optional == Some(true);
        let Some(config_map) = input.references.config_maps.get(&reference.name).and_then(Option::as_ref) else {
            return if optional { Ok(None) } else { Err(EnvError::NoConfigMap(reference.name.clone())) };
        };
        return match config_map.data.as_ref().and_then(|data| data.get(&reference.key)) {
            Some(value) => Ok(Some(value.clone())),
            None if optional => Ok(None),
            None => {
                Err(EnvError::NoConfigMapKey { key: reference.key.clone(), namespace, name: reference.name.clone() })
            }
        };
    }
    if let Some(reference) = &source.secret_key_ref {
        let optional = reference.optional == Some(true);
        let Some(secret) = input.references.secrets.get(&reference.name).and_then(Option::as_ref) else {
            return if optional { Ok(None) } else { Err(EnvError::NoSecret(reference.name.clone())) };
        };
        return match secret.data.as_ref().and_then(|data| data.get(&reference.key)) {
            Some(value) => Ok(Some(text(&value.0))),
            None if optional => Ok(None),
            None => Err(EnvError::NoSecretKey { key: reference.key.clone(), namespace, name: reference.name.clone() }),
        };
    }
    Ok(Some(String::new()))
}
