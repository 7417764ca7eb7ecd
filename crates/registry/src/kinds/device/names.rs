//! Names of pools, attributes and requests.

use crate::At;
use crate::kinds::csi::validate_driver_name;
use crate::names;
use api::field::ErrorList;
use serde_json::Value;

/// The longest name of a pool, and the longest identifier of an attribute, in bytes.
const MAX_POOL_BYTES: usize = 253;
const MAX_IDENTIFIER_BYTES: usize = 32;
/// The longest qualified name that a path shows whole: a domain, a slash and an identifier, in bytes.
const MAX_SHOWN_BYTES: usize = 63 + 1 + MAX_IDENTIFIER_BYTES;

/// `validatePoolName`: subdomains between slashes.
pub(super) fn validate_pool_name(pool: &At, errors: &mut ErrorList) {
    if pool.is_empty() {
        errors.push(pool.required(""));
        return;
    }
    if pool.len() > MAX_POOL_BYTES {
        errors.push(pool.too_long(MAX_POOL_BYTES));
    }
    for part in pool.str().split('/') {
        errors.extend(names::dns1123_subdomain(part).into_iter().map(|wrong| pool.invalid_value(part, wrong)));
    }
}

/// `validateQualifiedName`: an identifier, perhaps with a domain before it. Errors name `at`, not the key.
pub(super) fn validate_qualified_name(at: &At, name: &str, errors: &mut ErrorList) {
    match name.split_once('/') {
        None => validate_identifier(at, name, errors),
        Some((_, rest)) if rest.contains('/') => {
            errors.push(at.invalid_value(name, "must not contain more than one slash"));
        }
        Some((domain, identifier)) => {
            if domain.is_empty() {
                errors.push(at.invalid_value("", "the domain must not be empty"));
            } else {
                let domain = Value::from(domain);
                let mut wrong = ErrorList::new();
                validate_driver_name(&At::named("", Some(&domain)), &mut wrong);
                let path = at.path().to_string();
                errors.extend(wrong.into_iter().map(|error| api::field::Error { field: path.clone(), ..error }));
            }
            if identifier.is_empty() {
                errors.push(at.invalid_value("", "the name must not be empty"));
            } else {
                validate_identifier(at, identifier, errors);
            }
        }
    }
}

fn validate_identifier(at: &At, name: &str, errors: &mut ErrorList) {
    if name.len() > MAX_IDENTIFIER_BYTES {
        errors.push(at.too_long(MAX_IDENTIFIER_BYTES));
    }
    errors.extend(names::c_identifier(name).into_iter().map(|wrong| at.invalid_value(name, wrong)));
}

/// `validateFullyQualifiedName`: with a domain.
pub(super) fn validate_full_name(name: &At, errors: &mut ErrorList) {
    validate_qualified_name(name, name.str(), errors);
    if !name.str().contains('/') {
        errors.push(name.invalid("a fully qualified name must be a domain and a name separated by a slash"));
    }
}

/// `truncateIfTooLong`: a key as paths show it.
pub(super) fn shown(key: &str) -> String {
    if key.len() <= MAX_SHOWN_BYTES {
        return key.to_owned();
    }
    let rest = MAX_SHOWN_BYTES - 3;
    let (head, tail) = (rest.div_ceil(2), key.len() - rest / 2);
    let head = key.floor_char_boundary(head);
    let tail = key.ceil_char_boundary(tail);
    format!("{}...{}", &key[..head], &key[tail..])
}

/// `validateUID`: as RFC 4122 writes it.
pub(super) fn validate_uid(uid: &At, errors: &mut ErrorList) {
    let text = uid.str();
    let bare = match text.len() {
        32 | 36 => Some(text),
        38 => text.get(1..37),
        45 => text.get(9..),
        length => {
            errors.push(uid.invalid(format!("error validating uid: invalid UUID length: {length}")));
            return;
        }
    };
    let hyphens = [8, 13, 18, 23];
    let is_form = bare.is_some_and(|bare| {
        bare.bytes().enumerate().all(|(at, byte)| {
            if bare.len() == 36 && hyphens.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
    });
    if !is_form {
        errors.push(uid.invalid("error validating uid: invalid UUID format"));
    } else if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        errors.push(uid.invalid("uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"));
    }
}
