//! Generic validation of `metadata` on create and update (`ValidateObjectMeta`, `ValidateObjectMetaUpdate`).

use crate::field::{Error, ErrorList, Path};
use crate::meta::{ObjectMeta as _, metadata_mut};
use crate::names;
use serde_json::{Map, Value, json};

/// How large all annotations of an object may be together, keys and values: 256 KiB.
pub const TOTAL_ANNOTATION_SIZE_LIMIT_BYTES: usize = 256 << 10;
/// How long the name of a field manager may be.
pub const FIELD_MANAGER_MAX_BYTES: usize = 128;
/// How long a subresource's name may be in `managedFields`.
pub const SUBRESOURCE_MAX_BYTES: usize = 256;
/// `FieldImmutableErrorMsg`
pub const FIELD_IS_IMMUTABLE: &str = "field is immutable";

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// All that is wrong with the metadata of a new object, after a name was generated. `name_rule` is the kind's
/// (`ValidateNameFunc`): the name, and whether it is the beginning of one (`generateName`).
pub fn validate(object: &Value, namespaced: bool, name_rule: impl Fn(&str, bool) -> Vec<String>) -> ErrorList {
    let path = Path::new("metadata");
    let mut errors = ErrorList::new();
    let check = |errors: &mut ErrorList, field: &str, text: &str, wrong: Vec<String>| {
        errors.extend(wrong.into_iter().map(|w| Error::invalid(&path.child(field), text, w)));
    };
    let generate_name = object.meta_str("generateName");
    if !generate_name.is_empty() {
        check(&mut errors, "generateName", generate_name, name_rule(generate_name, true));
    }
    match object.name() {
        "" => errors.push(Error::required(&path.child("name"), "name or generateName is required")),
        name => check(&mut errors, "name", name, name_rule(name, false)),
    }
    match (namespaced, object.namespace()) {
        (true, "") => errors.push(Error::required(&path.child("namespace"), "")),
        (true, namespace) => check(&mut errors, "namespace", namespace, names::dns1123_label(namespace)),
        (false, "") => {}
        (false, _) => errors.push(Error::forbidden(&path.child("namespace"), "not allowed on this type")),
    }
    let generation = generation(object);
    if generation < 0 {
        errors.push(Error::invalid(&path.child("generation"), generation, "must be greater than or equal to 0"));
    }
    errors.extend(validate_labels(object.labels(), &path.child("labels")));
    errors.extend(validate_annotations(object.annotations(), &path.child("annotations")));
    errors.extend(validate_owner_references(owner_references(object), &path.child("ownerReferences")));
    errors.extend(validate_finalizers(&object.finalizers(), &path.child("finalizers")));
    errors.extend(validate_managed_fields(object, &path.child("managedFields")));
    errors
}

/// All that is wrong with a change of metadata. The server's own fields are kept before by [`keep_system_fields`].
pub fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let path = Path::new("metadata");
    let mut errors = ErrorList::new();
    if old.is_deleting() {
        errors.extend(validate_no_new_finalizers(&new.finalizers(), &old.finalizers(), &path.child("finalizers")));
    }
    if new.resource_version().is_empty() {
        errors.push(Error::invalid(&path.child("resourceVersion"), "", "must be specified for an update"));
    }
    if generation(new) < generation(old) {
        errors.push(Error::invalid(&path.child("generation"), generation(new), "must not be decremented"));
    }
    for field in ["name", "namespace", "uid"] {
        if new.meta_str(field) != old.meta_str(field) {
            errors.push(Error::invalid(&path.child(field), new.meta_str(field), FIELD_IS_IMMUTABLE));
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let value = |object: &Value| object.metadata().get(field).cloned().unwrap_or_default();
        if value(new) != value(old) {
            errors.push(Error::invalid(&path.child(field), value(new), FIELD_IS_IMMUTABLE));
        }
    }
    errors.extend(validate_labels(new.labels(), &path.child("labels")));
    errors.extend(validate_annotations(new.annotations(), &path.child("annotations")));
    errors.extend(validate_owner_references(owner_references(new), &path.child("ownerReferences")));
    errors.extend(validate_managed_fields(new, &path.child("managedFields")));
    errors
}

/// What an update can never change or take away: a missing uid is the old one, times of creation and deletion and the
/// grace period are the old ones (the first part of upstream's `rest.BeforeUpdate`).
pub fn keep_system_fields(new: &mut Value, old: &Value) {
    let old = old.metadata();
    let new = metadata_mut(new);
    if new.get("uid").and_then(Value::as_str).unwrap_or_default().is_empty() {
        new.remove("uid");
        if let Some(uid) = old.get("uid") {
            new.insert("uid".to_owned(), uid.clone());
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if let Some(value) = old.get(field) {
            new.insert(field.to_owned(), value.clone());
        }
    }
}

fn generation(object: &Value) -> i64 {
    object.metadata().get("generation").and_then(Value::as_i64).unwrap_or_default()
}

fn owner_references(object: &Value) -> &[Value] {
    object.metadata().get("ownerReferences").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `ValidateLabels`
pub fn validate_labels(labels: &Map<String, Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels {
        errors.extend(names::qualified_name(key).into_iter().map(|wrong| Error::invalid(path, key.as_str(), wrong)));
        let value = value.as_str().unwrap_or_default();
        errors.extend(names::label_value(value).into_iter().map(|wrong| Error::invalid(path, value, wrong)));
    }
    errors
}

/// `ValidateAnnotations`
pub fn validate_annotations(annotations: &Map<String, Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.as_str().map_or(0, str::len);
        let wrong = if key.bytes().any(|b| b.is_ascii_uppercase()) {
            names::qualified_name(&key.to_lowercase())
        } else {
            names::qualified_name(key)
        };
        errors.extend(wrong.into_iter().map(|wrong| Error::invalid(path, key.as_str(), wrong)));
    }
    if size > TOTAL_ANNOTATION_SIZE_LIMIT_BYTES {
        errors.push(Error::too_long(path, TOTAL_ANNOTATION_SIZE_LIMIT_BYTES));
    }
    errors
}

/// `ValidateOwnerReferences`
pub fn validate_owner_references(references: &[Value], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<String> = None;
    for reference in references {
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("apiVersion");
        // Upstream takes a group version with more than one slash for none.
        let version = match api_version.split_once('/') {
            Some((_, version)) if !version.contains('/') => version,
            Some(_) => "",
            None => api_version,
        };
        if version.is_empty() {
            errors.push(Error::invalid(&path.child("apiVersion"), api_version, "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if text(field).is_empty() {
                errors.push(Error::invalid(&path.child(field), "", "must not be empty"));
            }
        }
        if api_version == "v1" && text("kind") == "Event" {
            let error = Error::invalid(path, reference.clone(), "/v1, Kind=Event is disallowed from being an owner");
            errors.push(error.printed_as(print_owner_reference(reference)));
        }
        if reference.get("controller") == Some(&Value::Bool(true)) {
            let current = format!("{}/{}", text("kind"), text("name"));
            let Some(first) = &controller else {
                controller = Some(current);
                continue;
            };
            let detail = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {current}"
            );
            let all: Vec<String> = references.iter().map(print_owner_reference).collect();
            errors.push(Error::invalid(path, references.to_vec(), detail).printed_as(format!("[{}]", all.join(","))));
        }
    }
    errors
}

/// JSON with the fields in Go's order.
fn print_owner_reference(reference: &Value) -> String {
    let fields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let printed = fields.iter().enumerate().filter_map(|(index, name)| match reference.get(name) {
        Some(value) => Some(format!("{:?}:{value}", name)),
        None => (index < 4).then(|| format!("{name:?}:\"\"")),
    });
    format!("{{{}}}", printed.collect::<Vec<_>>().join(","))
}

/// `ValidateFinalizers`
pub fn validate_finalizers(finalizers: &[&str], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for name in finalizers {
        errors.extend(names::qualified_name(name).into_iter().map(|wrong| Error::invalid(path, *name, wrong)));
    }
    if finalizers.contains(&ORPHAN) && finalizers.contains(&FOREGROUND) {
        let detail = format!("finalizer {ORPHAN} and {FOREGROUND} cannot be both set");
        errors.push(Error::invalid(path, json!(finalizers), detail));
    }
    errors
}

/// `ValidateNoNewFinalizers`
pub fn validate_no_new_finalizers(new: &[&str], old: &[&str], path: &Path) -> ErrorList {
    let mut extra: Vec<&str> = new.iter().filter(|name| !old.contains(name)).copied().collect();
    if extra.is_empty() {
        return ErrorList::new();
    }
    extra.sort_unstable();
    extra.dedup();
    let list: Vec<String> = extra.iter().map(|name| format!("{name:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        list.join(", ")
    );
    vec![Error::forbidden(path, detail)]
}

/// `ValidateFieldManager`; an empty name is none.
pub fn validate_field_manager(name: &str, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if name.len() > FIELD_MANAGER_MAX_BYTES {
        errors.push(Error::too_long(path, FIELD_MANAGER_MAX_BYTES));
    }
    for (at, c) in name.char_indices().filter(|(_, c)| c.is_control() || (c.is_whitespace() && *c != ' ')) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
        errors.push(Error::invalid(path, name, detail));
    }
    errors
}

fn validate_managed_fields(object: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let entries = object.metadata().get("managedFields").and_then(Value::as_array);
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        let path = path.index(index);
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        if !matches!(text("operation"), "Apply" | "Update") {
            errors.push(Error::invalid(&path.child("operation"), text("operation"), "must be `Apply` or `Update`"));
        }
        if !matches!(text("fieldsType"), "" | "FieldsV1") {
            errors.push(Error::invalid(&path.child("fieldsType"), text("fieldsType"), "must be `FieldsV1`"));
        }
        errors.extend(validate_field_manager(text("manager"), &path.child("manager")));
        if text("subresource").len() > SUBRESOURCE_MAX_BYTES {
            errors.push(Error::too_long(&path.child("subresource"), SUBRESOURCE_MAX_BYTES));
        }
    }
    errors
}
