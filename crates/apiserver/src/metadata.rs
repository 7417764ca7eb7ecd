//! The metadata of every object, whatever its kind: what the server fills in, and what may not be
//! (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`, `k8s.io/apiserver/pkg/registry/rest`).

use api::field::ErrorList;
use api::meta::{ObjectMeta, metadata_mut};
use registry::{Resource, Scope};
use serde_json::Value;

/// Letters of generated names: no vowels and nothing that looks like another.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many of them.
const SUFFIX_LENGTH: usize = 5;
/// The longest prefix that is kept whole, so that names stay within 63 bytes.
const MAX_PREFIX_BYTES: usize = 63 - SUFFIX_LENGTH;

/// A name from a prefix.
pub fn generate_name(prefix: &str) -> String {
    let mut end = prefix.len().min(MAX_PREFIX_BYTES);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let letter = || char::from(SUFFIX_LETTERS[rand::random_range(0..SUFFIX_LETTERS.len())]);
    prefix[..end].chars().chain(std::iter::repeat_with(letter).take(SUFFIX_LENGTH)).collect()
}

/// A random name for anything: of a generator that is seeded by the kernel, and does not ask it each time.
pub fn uuid() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// What the server writes into a new object: uid and times; what a client may not choose goes.
pub fn fill_system_fields(object: &mut Value, now: &str) {
    let metadata = metadata_mut(object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        metadata.remove(field);
    }
    metadata.insert("uid".to_owned(), uuid().into());
    metadata.insert("creationTimestamp".to_owned(), now.into());
}

/// What a client may not change, or may leave out, is taken from the stored object.
pub fn keep_system_fields(new: &mut Value, old: &Value) {
    let old_metadata = old.metadata();
    let metadata = metadata_mut(new);
    metadata.remove("selfLink");
    // Another uid is refused, and so is a time of deletion where there was none.
    for field in ["uid", "deletionGracePeriodSeconds"] {
        if let (None, Some(value)) = (metadata.get(field), old_metadata.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp"] {
        if let Some(value) = old_metadata.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    for field in ["generation", "resourceVersion"] {
        match old_metadata.get(field) {
            Some(value) => drop(metadata.insert(field.to_owned(), value.clone())),
            None => drop(metadata.remove(field)),
        }
    }
}

/// Finalizers without a domain that built-in kinds may have.
const STANDARD_FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// `validateKubeFinalizerName`: built-in kinds are stricter than custom ones.
pub fn validate_finalizers(object: &Value, row: &Resource) -> ErrorList {
    let mut errors = ErrorList::new();
    if row.custom.is_some() {
        return errors;
    }
    let path = api::field::Path::new("metadata").child("finalizers");
    for (index, name) in object.finalizers().into_iter().enumerate() {
        if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(api::field::Error::invalid(&path.index(index), name, why));
        }
    }
    errors
}

/// What is wrong with the metadata of an object.
pub fn validate(object: &Value, row: &Resource) -> ErrorList {
    api::objectmeta::validate(object, row.scope == Scope::Namespaced, |name, is_prefix| {
        if is_prefix {
            row.strategy.validate_name(&api::names::mask_trailing_dash(name))
        } else {
            row.strategy.validate_name(name)
        }
    })
}

/// What is wrong with a change of metadata.
pub fn validate_update(new: &Value, old: &Value) -> ErrorList {
    api::objectmeta::validate_update(new, old)
}
