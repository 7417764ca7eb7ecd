//! The options of requests, from the query or a body, checked in upstream's words.

use crate::call::Call;
use api::field::{Error, ErrorList, Path};
use api::status::{Status, Subject};
use std::num::IntErrorKind;

/// The 500 of a `resourceVersion` that is no number, on get and watch.
pub fn bad_revision(text: &str) -> Status {
    Status::plain(500, "", bad_revision_words(text))
}

/// What is wrong with such a text, in the words of Go's parser.
pub fn bad_revision_words(text: &str) -> String {
    format!("resourceVersion: Invalid value: {text:?}: {}", unsigned_words(text))
}

/// What Go's parser of unsigned numbers says.
pub fn unsigned_words(text: &str) -> String {
    let why = match text.parse::<u64>().as_ref().map_err(std::num::ParseIntError::kind) {
        // Go knows no sign there.
        Err(IntErrorKind::PosOverflow) if !text.starts_with('+') => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.ParseUint: parsing {text:?}: {why}")
}

/// The numbers among the options of a list, which are read before all else.
///
/// # Errors
/// As [`number`].
pub fn check_list_numbers(call: &Call<'_>) -> Result<(), Status> {
    number(call, "timeoutSeconds")?;
    number(call, "limit").map(drop)
}

/// An option that is a number.
///
/// # Errors
/// 400 in the words of Go's parser.
pub fn number(call: &Call<'_>, name: &str) -> Result<Option<i64>, Status> {
    match call.info.query.get(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: std::num::ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        }),
    }
}

/// Checks `dryRun`, `fieldManager` and `fieldValidation` of a write; `kind` is `CreateOptions`, `UpdateOptions`, …
///
/// # Errors
/// 422 with a cause for each.
pub fn check_write(call: &Call<'_>, kind: &str, applies: bool) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let query = &call.info.query;
    let manager = query.get("fieldManager").unwrap_or_default();
    let force = query.get("force").is_some();
    if kind == "PatchOptions" {
        if applies && manager.is_empty() {
            errors.push(Error::required(&Path::new("fieldManager"), "is required for apply patch"));
        }
        if !applies && force {
            errors.push(Error::forbidden(&Path::new("force"), "may not be specified for non-apply patch"));
        }
    }
    errors.extend(api::apply::validate_manager(manager, &Path::new("fieldManager")));
    errors.extend(dry_run_errors(query.all("dryRun")));
    let validation = query.get("fieldValidation").unwrap_or_default();
    if !matches!(validation, "" | "Ignore" | "Warn" | "Strict") {
        errors.push(Error::not_supported(&Path::new("fieldValidation"), validation, &["Ignore", "Strict", "Warn", ""]));
    }
    invalid(kind, &errors)
}

/// What is wrong with `dryRun`.
pub fn dry_run_errors<'a>(values: impl Iterator<Item = &'a str>) -> ErrorList {
    let wrong: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
    if wrong.iter().all(|value| *value == "All") {
        return ErrorList::new();
    }
    vec![Error::not_supported(&Path::new("dryRun"), wrong, &["All"])]
}

/// 422 of options, if anything is wrong.
///
/// # Errors
/// When `errors` is not empty.
pub fn invalid(kind: &str, errors: &[Error]) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&Subject { group: "meta.k8s.io", resource: kind, name: "" }, errors))
}
