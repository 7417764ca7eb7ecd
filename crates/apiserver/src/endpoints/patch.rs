//! `PATCH`: JSON patch, merge patch, strategic merge patch, server-side apply.

use super::create;
use super::options;
use super::update::{Change, Made, change};
use crate::answer::Answer;
use crate::call::Call;
use crate::decode::{self, FieldValidation};
use api::apply::{self, ApplyRequest, Writer};
use api::codec;
use api::meta::ObjectMeta;
use api::patch::{self, PatchType};
use api::status::Status;
use registry::Subresource;
use serde_json::Value;
use std::sync::Mutex;

/// `PATCH` of the object itself.
pub async fn patch(call: &mut Call<'_>) -> Result<Answer, Status> {
    patch_part(call, None).await
}

/// `PATCH` of an object or one of its parts.
pub async fn patch_part(call: &mut Call<'_>, subresource: Option<Subresource>) -> Result<Answer, Status> {
    let kind = patch_type(call)?;
    options::check_write(call, "PatchOptions", kind == PatchType::Apply)?;
    let body = call.body.clone();
    let decoded = match kind {
        PatchType::Apply => codec::decode_yaml(&body).map_err(|error| {
            Status::bad_request(format!("error decoding YAML: error converting YAML to JSON: {error}"))
        })?,
        PatchType::Json | PatchType::Merge => {
            codec::decode_json(&body).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?
        }
        PatchType::StrategicMerge => {
            codec::decode_json(&body).map_err(|error| Status::bad_request(error.to_string()))?
        }
    };
    let patch = decoded.value;
    let (strict, duplicates) = (call.field_validation()?, decoded.duplicates);
    let warnings = Mutex::new(Vec::new());
    let force = call.info.query.flag("force");
    let make = |call: &Call<'_>, live: Option<&Value>| -> Result<Made, Status> {
        if kind == PatchType::Apply {
            return apply_to(call, live, &patch, subresource, force);
        }
        let live = live.ok_or_else(|| call.not_found(&call.info.name))?;
        let patched = || patched(call, kind, live, &patch);
        let shown = Shown { patched: &patched, strategic: (kind == PatchType::StrategicMerge).then_some(&patch) };
        let (object, mut found) = conformed(call, &shown)?;
        found.splice(0..0, duplicates.iter().cloned());
        if kind == PatchType::Json {
            found.extend(unknown_members(&patch));
        }
        report(strict, found, &shown, &warnings)?;
        if object.name() != live.name() {
            let (new, old) = (object.name(), live.name());
            let why = format!("the name of the object ({new}) does not match the name on the URL ({old})");
            return Err(Status::bad_request(why));
        }
        Ok(Made { object, tracked: false })
    };
    let creates = kind == PatchType::Apply && subresource.is_none();
    let name = call.info.name.clone();
    let outcome = change(call, Change { name, subresource, make: &make, creates, is_put: false }).await;
    let mut warnings = warnings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    warnings.append(&mut call.warnings);
    call.warnings = warnings;
    let (written, created) = outcome?;
    written.answer(call, if created { 201 } else { 200 }).await
}

/// The form of the patch. Strategic merge needs Go types, which custom resources have not.
pub fn patch_type(call: &Call<'_>) -> Result<PatchType, Status> {
    let kind = PatchType::from_content_type(call.content_type());
    match kind {
        Some(PatchType::StrategicMerge) | None if call.row.custom.is_some() => {
            Err(Status::unsupported_media_type(&CUSTOM_PATCHES))
        }
        _ => kind.ok_or_else(Status::unsupported_patch_type),
    }
}

/// What custom resources can be patched with.
const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// Members of operations that no operation has.
fn unknown_members(patch: &Value) -> Vec<String> {
    let known = ["op", "path", "from", "value"];
    let operations = patch.as_array().into_iter().flatten().enumerate();
    operations
        .flat_map(|(index, operation)| {
            let members = operation.as_object().into_iter().flat_map(|members| members.keys());
            let unknown = members.filter(|member| !known.contains(&member.as_str()));
            unknown.map(move |member| format!("json patch unknown field \"[{index}].{member}\""))
        })
        .collect()
}

fn patched(call: &Call<'_>, kind: PatchType, live: &Value, patch: &Value) -> Result<Value, Status> {
    let outcome = match kind {
        PatchType::Json => patch::json::apply(live, patch),
        PatchType::Merge => patch::merge::apply(live, patch),
        PatchType::StrategicMerge | PatchType::Apply => {
            patch::strategic::apply(live, patch, decode::schema_of(&call.row)?)
        }
    };
    outcome.map_err(|error| error.to_status())
}

/// What a patch comes to, and what of it an error shows.
struct Shown<'a> {
    /// Makes the patched object; again where it has to be shown in an error, so that the usual way makes no copy of it.
    patched: &'a dyn Fn() -> Result<Value, Status>,
    /// The patch, if it is a strategic merge: then this is shown.
    strategic: Option<&'a Value>,
}

impl Shown<'_> {
    /// The answer to a patch that makes what cannot be decoded.
    fn undecodable(&self, words: &str) -> Result<Status, Status> {
        Ok(match self.strategic {
            Some(patch) => patch::undecodable_strategic(patch, words),
            None => patch::undecodable(&(self.patched)()?, words),
        })
    }
}

/// The patched object in the shape of its type, with its strict errors.
fn conformed(call: &Call<'_>, shown: &Shown<'_>) -> Result<(Value, Vec<String>), Status> {
    let row = &call.row;
    let mut object = (shown.patched)()?;
    // Strategic merges end in a type that is known beforehand: upstream does not look at the one that they name.
    if row.custom.is_none() && shown.strategic.is_none() {
        let type_meta = codec::type_meta(&object).map_err(|why| patch::undecodable(&object, &why))?;
        if let Some(why) = decode::other_type(&object, type_meta, create::wanted(row)) {
            return Err(patch::undecodable(&object, &why));
        }
    }
    let conformed = match codec::conform(&mut object, decode::schema_of(row)?) {
        Ok(conformed) => conformed,
        Err(error) => {
            let words = if shown.strategic.is_some() { error.converter_words() } else { error.to_string() };
            return Err(shown.undecodable(&words)?);
        }
    };
    decode::set_type(&mut object, create::wanted(row));
    let mut unknown: Vec<String> = conformed.unknown_field_errors().collect();
    if row.custom.is_some() {
        unknown.sort_unstable();
    }
    Ok((object, unknown))
}

/// Deals with strict errors; retries of one request warn once.
fn report(
    validation: FieldValidation,
    strict: Vec<String>,
    shown: &Shown<'_>,
    warnings: &Mutex<Vec<String>>,
) -> Result<(), Status> {
    match validation {
        _ if strict.is_empty() => Ok(()),
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            *warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = strict;
            Ok(())
        }
        FieldValidation::Strict => Err(shown.undecodable(&codec::strict_decoding_error(&strict))?),
    }
}

fn apply_to(
    call: &Call<'_>,
    live: Option<&Value>,
    config: &Value,
    subresource: Option<Subresource>,
    force: bool,
) -> Result<Made, Status> {
    let row = &call.row;
    let subresource = subresource.map(Subresource::name).unwrap_or_default();
    let reset = create::reset_of(row, subresource);
    let (manager, now, api_version) = (call.manager(), call.now(), row.api_version());
    let writer = Writer {
        schema: decode::schema_of(row)?,
        manager: &manager,
        api_version: &api_version,
        subresource,
        reset: &reset,
        now: &now,
    };
    let merged = || {
        let request = ApplyRequest { config, kind: &row.kind, force };
        apply::apply(live, request, &writer).map_err(|error| error.to_status())
    };
    let (mut object, _) = conformed(call, &Shown { patched: &merged, strategic: None })?;
    if object.name().is_empty() {
        api::meta::metadata_mut(&mut object).insert("name".to_owned(), call.info.name.as_str().into());
    } else if object.name() != call.info.name {
        let why = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            object.name(),
            call.info.name
        );
        return Err(Status::bad_request(why));
    }
    Ok(Made { object, tracked: true })
}
