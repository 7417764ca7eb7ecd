//! Environment variables and where they come from.

use super::Context;
use super::volume_source::validate_local_non_reserved_path;
use crate::At;
use crate::names;
use api::field::ErrorList;

/// Fields of the pod that an environment variable may show, sorted.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields of the pod that a file of a downward API volume may show, sorted.
pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Resources that may be shown, sorted.
const RESOURCE_FIELDS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// Divisors of resources that count bytes.
const BYTE_DIVISORS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// `ValidateEnv`
pub(super) fn validate_env(variables: &At, context: &Context<'_>, errors: &mut ErrorList) {
    for variable in variables.items() {
        variable.at("name").require_and_check(errors, names::env_var_name);
        let source = variable.at("valueFrom");
        if source.exists() {
            validate_source(&source, !variable.at("value").is_empty(), context, errors);
        }
    }
}

/// `validateEnvVarValueFrom`
fn validate_source(source: &At, has_value: bool, context: &Context<'_>, errors: &mut ErrorList) {
    let mut count = 0;
    let field = source.at("fieldRef");
    if field.exists() {
        count += 1;
        validate_field_selector(&field, &ENV_FIELDS, errors);
    }
    let resource = source.at("resourceFieldRef");
    if resource.exists() {
        count += 1;
        validate_resource_selector(&resource, false, errors);
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let selector = source.at(kind);
        if selector.exists() {
            count += 1;
            selector.at("name").check(errors, names::dns1123_subdomain);
            selector.at("key").require_and_check(errors, names::config_map_key);
        }
    }
    let file = source.at("fileKeyRef");
    if file.exists() {
        count += 1;
        validate_file_selector(&file, context, errors);
    }
    if count == 0 {
        let detail =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.push(source.invalid_value("", detail));
    } else if has_value {
        errors.push(source.invalid_value("", "may not be specified when `value` is not empty"));
    } else if count > 1 {
        errors.push(source.invalid_value("", "may not have more than one field specified at a time"));
    }
}

/// `validateFileKeySelector`: KEP-3721.
fn validate_file_selector(file: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let volume = file.at("volumeName");
    if volume.is_empty() {
        errors.push(volume.required(""));
    } else if !context.volumes.contains_key(volume.str()) {
        errors.push(volume.not_found());
    }
    let path = file.at("path");
    path.require(errors);
    if !path.is_empty() {
        validate_local_non_reserved_path(&path, errors);
    }
    file.at("key").require_and_check(errors, names::env_var_name);
}

/// `validateObjectFieldSelector`
pub(super) fn validate_field_selector(selector: &At, supported: &[&str], errors: &mut ErrorList) {
    for field in ["apiVersion", "fieldPath"] {
        if selector.at(field).is_empty() {
            errors.push(selector.at(field).required(""));
            return;
        }
    }
    let path_at = selector.at("fieldPath");
    let path = path_at.str();
    if let Err(why) = known_field(selector.at("apiVersion").str(), path) {
        errors.push(path_at.invalid(format!("error converting fieldPath: {why}")));
        return;
    }
    match subscript(path) {
        Some(("metadata.annotations", key)) => {
            let wrong = names::qualified_name(&key.to_lowercase());
            errors.extend(wrong.into_iter().map(|w| selector.invalid_value(key.to_lowercase(), w)));
        }
        Some(("metadata.labels", key)) => {
            errors.extend(names::qualified_name(key).into_iter().map(|w| selector.invalid_value(key, w)));
        }
        Some((path, _)) => errors.push(selector.invalid_value(path, "does not support subscript")),
        None if !supported.contains(&path) => errors.push(path_at.not_supported(supported)),
        None => {}
    }
}

/// `metadata.labels['key']` in two parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (name, key) = path.strip_suffix("']")?.split_once("['")?;
    (!name.is_empty()).then_some((name, key))
}

/// What `ConvertDownwardAPIFieldLabel` says of a path that no pod has.
fn known_field(api_version: &str, path: &str) -> Result<(), String> {
    if api_version != "v1" {
        return Err(format!("unsupported pod version: {api_version}"));
    }
    if let Some((name, _)) = subscript(path) {
        return match name {
            "metadata.annotations" | "metadata.labels" => Ok(()),
            _ => Err(format!("field label does not support subscript: {path}")),
        };
    }
    match path {
        "metadata.annotations"
        | "metadata.labels"
        | "metadata.name"
        | "metadata.namespace"
        | "metadata.uid"
        | "spec.nodeName"
        | "spec.restartPolicy"
        | "spec.serviceAccountName"
        | "spec.schedulerName"
        | "status.phase"
        | "status.hostIP"
        | "status.hostIPs"
        | "status.podIP"
        | "status.podIPs"
        | "spec.host" => Ok(()),
        _ => Err(format!("field label not supported: {path}")),
    }
}

/// `validateContainerResourceFieldSelector`; in a volume the container must be named.
pub(super) fn validate_resource_selector(selector: &At, in_volume: bool, errors: &mut ErrorList) {
    let resource = selector.at("resource");
    let name = resource.str();
    let huge_pages = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if in_volume && selector.at("containerName").is_empty() {
        errors.push(selector.at("containerName").required(""));
    } else if resource.is_empty() {
        errors.push(resource.required(""));
    } else if !RESOURCE_FIELDS.contains(&name) && !huge_pages {
        errors.push(resource.not_supported(&RESOURCE_FIELDS));
    }
    let divisor_at = selector.at("divisor");
    let divisor = divisor_at.str();
    if matches!(divisor, "" | "0") {
        return;
    }
    let bytes = BYTE_DIVISORS.join(", ");
    let (allowed, of): (&[&str], &str) = match name.split_once('.').map(|(_, resource)| resource) {
        Some("cpu") => (&["1m", "1"], "cpu"),
        Some("memory") => (&BYTE_DIVISORS, "memory"),
        Some("ephemeral-storage") => (&BYTE_DIVISORS, "local ephemeral storage"),
        _ if huge_pages => (&BYTE_DIVISORS, "hugepages"),
        _ => return,
    };
    if !allowed.contains(&divisor) {
        let values = if of == "cpu" { "1m and 1".to_owned() } else { bytes };
        let detail = format!("only divisor's values {values} are supported with the {of} resource");
        errors.push(divisor_at.invalid_value(name, detail));
    }
}

/// `ValidateEnvFrom`
pub(super) fn validate_env_from(sources: &At, errors: &mut ErrorList) {
    for source in sources.items() {
        let prefix = source.at("prefix");
        if !prefix.is_empty() {
            prefix.check(errors, names::env_var_name);
        }
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            let reference = source.at(kind);
            if reference.exists() {
                count += 1;
                reference
                    .at("name")
                    .require_and_check(errors, |n| names::dns1123_subdomain(&names::mask_trailing_dash(n)));
            }
        }
        match count {
            0 => errors.push(sources.invalid_value("", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => errors.push(sources.invalid_value("", "may not have more than one field specified at a time")),
        }
    }
}
