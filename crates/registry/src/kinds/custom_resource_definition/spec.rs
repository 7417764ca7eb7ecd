//! `validateCustomResourceDefinitionSpec`: group, scope, versions, names, and the parts of each version.

use super::internal::Part;
use super::{conversion, field_path, names, open_api, printing, subresources};
use crate::At;
use crate::names::{dns1035_label, dns1123_subdomain};
use api::field::{Error, ErrorList};
use serde_json::Value;
use std::collections::BTreeSet;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// Upstream's `MaxSelectableFields`.
const MAX_SELECTABLE_FIELDS: usize = 8;
/// How long a deprecation warning may be, in bytes.
const MAX_WARNING_BYTES: usize = 256;

/// All that is wrong with a spec; `checks_bundle`: also with the certificates of its webhook.
pub(super) fn validate(spec: &At<'_, '_>, checks_bundle: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_group(&spec.at("group"), &mut errors);
    enumerated(&spec.at("scope"), &["Cluster", "Namespaced"], &mut errors);
    let list = spec.at("versions");
    for version in list.items() {
        let schema = version.at("schema");
        if !schema.at("openAPIV3Schema").exists() {
            errors.push(schema.at("openAPIV3Schema").required(""));
        }
    }
    for version in list.items() {
        let wrong = dns1035_label(version.at("name").str());
        if !wrong.is_empty() {
            errors.push(version.at("name").invalid(wrong.join(",")));
        }
        validate_warning(&version, &mut errors);
        validate_version_parts(spec, &version, &mut errors);
    }
    validate_version_set(spec, &mut errors);
    let given = spec.at("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        if given.at(field).is_empty() {
            errors.push(given.at(field).required(""));
        }
    }
    names::validate(&given, &mut errors);
    validate_common_parts(spec, &mut errors);
    conversion::validate(&spec.at("conversion"), checks_bundle, &mut errors);
    errors
}

/// `validateEnumStrings`
pub(super) fn enumerated(place: &At<'_, '_>, accepted: &[&str], errors: &mut ErrorList) {
    if place.is_empty() {
        errors.push(place.required(""));
    } else if !accepted.contains(&place.str()) {
        errors.push(place.not_supported(accepted));
    }
}

fn validate_group(group: &At<'_, '_>, errors: &mut ErrorList) {
    if group.is_empty() {
        errors.push(group.required(""));
        return;
    }
    let wrong = dns1123_subdomain(group.str());
    if !wrong.is_empty() {
        errors.push(group.invalid(wrong.join(",")));
    } else if !group.str().contains('.') {
        errors.push(group.invalid("should be a domain with at least one dot"));
    }
}

fn validate_warning(version: &At<'_, '_>, errors: &mut ErrorList) {
    let warning = version.at("deprecationWarning");
    if !warning.exists() {
        return;
    }
    if !version.at("deprecated").bool() {
        errors.push(warning.invalid("can only be set for deprecated versions"));
    }
    if warning.len() > MAX_WARNING_BYTES {
        errors.push(warning.invalid(format!("must be <= {MAX_WARNING_BYTES} characters long")));
    }
    if warning.is_empty() {
        errors.push(warning.invalid("must not be an empty string"));
    }
    if let Some((at, _)) = warning.str().char_indices().find(|(_, c)| c.is_control()) {
        let words =
            format!("must only contain printable UTF-8 characters; non-printable character found at index {at}");
        errors.push(warning.invalid(words));
    }
}

fn has_status(version: &At<'_, '_>) -> bool {
    version.at("subresources").at("status").exists()
}

fn validate_version_parts(spec: &At<'_, '_>, version: &At<'_, '_>, errors: &mut ErrorList) {
    if !Part::Schema.is_common(spec) {
        open_api::validate(&version.at("schema"), has_status(version), errors);
    }
    if !Part::Subresources.is_common(spec) {
        subresources::validate(&version.at("subresources"), errors);
    }
    if !Part::Columns.is_common(spec) {
        validate_columns(&version.at("additionalPrinterColumns"), errors);
    }
    if !Part::SelectableFields.is_common(spec) {
        let schema = version.at("schema").at("openAPIV3Schema").value();
        validate_selectable(&version.at("selectableFields"), schema, errors);
    }
}

/// The parts that all versions have in common, under their names in the internal form.
fn validate_common_parts(spec: &At<'_, '_>, errors: &mut ErrorList) {
    let any_status = spec.at("versions").items().any(|version| has_status(&version));
    if Part::Schema.is_common(spec) {
        Part::Schema.each(spec, |place, _| open_api::validate(place, any_status, errors));
    }
    if Part::Subresources.is_common(spec) {
        Part::Subresources.each(spec, |place, _| subresources::validate(place, errors));
    }
    if Part::Columns.is_common(spec) {
        Part::Columns.each(spec, |place, _| validate_columns(place, errors));
    }
    if Part::SelectableFields.is_common(spec) {
        Part::SelectableFields.each(spec, |place, version| {
            let schema = version.and_then(|version| version.at("schema").at("openAPIV3Schema").value());
            validate_selectable(place, schema, errors);
        });
    }
}

fn validate_version_set(spec: &At<'_, '_>, errors: &mut ErrorList) {
    let list = spec.at("versions");
    let names: Vec<&str> = list.items().map(|version| version.at("name").str()).collect();
    let quoted = |words: &str| -> Error {
        let error = list.invalid(words);
        if names.is_empty() { error.printed_as("[]".to_owned()) } else { error.printed_as(printing::versions(spec)) }
    };
    if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        errors.push(quoted("must contain unique version names"));
    }
    if list.items().filter(|version| version.at("storage").bool()).count() != 1 {
        errors.push(quoted("must have exactly one version marked as storage version"));
    }
    if let Some(first) = names.first().filter(|name| !name.is_empty()) {
        let wrong = dns1035_label(first);
        if !wrong.is_empty() {
            errors.push(spec.at("version").invalid_value(*first, wrong.join(",")));
        }
    }
}

fn validate_columns(columns: &At<'_, '_>, errors: &mut ErrorList) {
    for column in columns.items() {
        if column.at("name").is_empty() {
            errors.push(column.at("name").required(""));
        }
        let kind = column.at("type");
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        if kind.is_empty() {
            errors.push(kind.required(&types));
        } else if !COLUMN_TYPES.contains(&kind.str()) {
            errors.push(kind.invalid(types));
        }
        let format = column.at("format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format.str()) {
            errors.push(format.invalid(format!("must be one of {}", COLUMN_FORMATS.join(","))));
        }
        let path = column.at_as("jsonPath", "JSONPath");
        if path.is_empty() {
            errors.push(path.required(""));
        } else {
            validate_json_path(&path, errors);
        }
    }
}

/// A path that begins at the object. Whether it can be parsed is not asked: the columns of tables end before one that cannot.
pub(super) fn validate_json_path(path: &At<'_, '_>, errors: &mut ErrorList) -> bool {
    let fine = path.str().starts_with('.');
    if !fine {
        errors.push(path.invalid("must be a simple json path starting with ."));
    }
    fine
}

fn validate_selectable(fields: &At<'_, '_>, schema: Option<&Value>, errors: &mut ErrorList) {
    let Some(schema) = schema else {
        if fields.items().next().is_some() {
            errors.push(
                fields.invalid_value("", "may only be set when `version.schema.openAPIV3Schema` is not included"),
            );
        }
        return;
    };
    let mut seen = BTreeSet::new();
    for field in fields.items() {
        let path = field.at("jsonPath");
        if path.is_empty() {
            errors.push(path.required(""));
            continue;
        }
        let (found, shown) = match field_path::resolve(path.str(), schema, false) {
            Ok((found, shown)) => (found, shown.to_string()),
            Err(words) => {
                errors.push(path.invalid(format!("is an invalid path: {words}")));
                continue;
            }
        };
        if shown == "metadata" || shown.starts_with("metadata.") || shown.starts_with("metadata[") {
            errors.push(path.invalid("must not point to fields in metadata"));
        }
        if !matches!(found["type"].as_str(), Some("string" | "boolean" | "integer")) {
            let words = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                         formats are allowed.";
            errors.push(path.invalid(words));
        }
        if !seen.insert(shown) {
            errors.push(path.duplicate());
        }
    }
    if seen.len() > MAX_SELECTABLE_FIELDS {
        errors.push(Error::too_many(&fields.path(), seen.len(), MAX_SELECTABLE_FIELDS));
    }
}
