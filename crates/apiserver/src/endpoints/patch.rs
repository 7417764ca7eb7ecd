//! `PATCH`: JSON patch, merge patch, strategic merge patch, server-side apply.

use super::create;
use super::options;
use super::ownership;
use super::update::{Change, Made, change};
use crate::answer::Answer;
use crate::call::Call;
use crate::decode::{self, FieldValidation, Wanted};
use api::apply::{self, ApplyRequest, Reset, Writer};
use api::codec;
use api::meta::ObjectMeta;
use api::patch::{self, PatchType};
use api::schema::Schema;
use api::status::Status;
use registry::Subresource;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// `PATCH` of the object itself.
pub async fn patch(call: &mut Call<'_>) -> Result<Answer, Status> {
    patch_part(call, None).await
}

/// `PATCH` of an object or one of its parts.
pub async fn patch_part(call: &mut Call<'_>, subresource: Option<Subresource>) -> Result<Answer, Status> {
    let patch = Patch::read(call)?;
    let row = call.row.clone();
    let part = subresource.map(Subresource::name).unwrap_or_default();
    let reset = ownership::reset_of(&row, part);
    let target = Target {
        schema: decode::schema_of(&row)?,
        wanted: create::wanted(&row),
        typed: row.custom.is_none(),
        subresource: part,
        reset: &reset,
    };
    let make = |call: &Call<'_>, live: Option<&Value>| patch.make(call, live, &target);
    let creates = patch.kind == PatchType::Apply && subresource.is_none();
    let name = call.info.name.clone();
    let outcome = change(call, Change { name, subresource, make: &make, creates, is_put: false }).await;
    patch.warn(call);
    let (written, created) = outcome?;
    written.answer(call, if created { 201 } else { 200 }).await
}

/// What a patch is made to: an object or its Scale.
pub struct Target<'a> {
    /// Its type.
    pub schema: &'a Schema,
    /// The name of that.
    pub wanted: Wanted<'a>,
    /// Whether upstream has a Go type for it.
    pub typed: bool,
    /// The part that the path names; empty for the object itself.
    pub subresource: &'a str,
    /// What an apply cannot own.
    pub reset: &'a Reset,
}

/// A patch as it came.
pub struct Patch {
    kind: PatchType,
    value: Value,
    duplicates: Vec<String>,
    strict: FieldValidation,
    force: bool,
    /// Retries of one request warn once.
    warnings: Mutex<Vec<String>>,
}

impl Patch {
    /// The patch of a request, whose options are checked.
    pub fn read(call: &mut Call<'_>) -> Result<Self, Status> {
        let kind = patch_type(call)?;
        options::check_write(call, "PatchOptions", kind == PatchType::Apply)?;
        let body = &call.body;
        let decoded = match kind {
            PatchType::Apply => codec::decode_yaml(body).map_err(|error| {
                Status::bad_request(format!("error decoding YAML: error converting YAML to JSON: {error}"))
            })?,
            PatchType::Json | PatchType::Merge => codec::decode_json(body)
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?,
            PatchType::StrategicMerge => {
                codec::decode_json(body).map_err(|error| Status::bad_request(error.to_string()))?
            }
        };
        if kind == PatchType::Apply
            && let Some(why) = codec::no_map(&decoded.value)
        {
            return Err(Status::bad_request(format!("error decoding YAML: {why}")));
        }
        Ok(Self {
            kind,
            value: decoded.value,
            duplicates: decoded.duplicates,
            strict: call.field_validation()?,
            force: call.info.query.flag("force"),
            warnings: Mutex::new(Vec::new()),
        })
    }

    /// What the patch makes of `live`.
    pub fn make(&self, call: &Call<'_>, live: Option<&Value>, target: &Target<'_>) -> Result<Made, Status> {
        if self.kind == PatchType::Apply {
            let made = apply_to(call, live, (&self.value, self.force), target)?;
            self.report_of_apply()?;
            return Ok(made);
        }
        let live = live.ok_or_else(|| call.not_found(&call.info.name))?;
        let patched = || patched(self.kind, live, &self.value, target.schema);
        let strategic = (self.kind == PatchType::StrategicMerge).then_some(&self.value);
        let shown = Shown { patched: &patched, strategic, applied: false };
        let (object, mut found) = conformed(&shown, target)?;
        found.splice(0..0, self.duplicates.iter().cloned());
        if self.kind == PatchType::Json {
            found.extend(unknown_members(&self.value));
        }
        report(self.strict, found, &shown, &self.warnings)?;
        super::identity::check_name(call, &object)?;
        Ok(Made { object, tracked: false })
    }

    /// Deals with keys that came twice in what was applied.
    fn report_of_apply(&self) -> Result<(), Status> {
        match self.strict {
            _ if self.duplicates.is_empty() => {}
            FieldValidation::Ignore => {}
            FieldValidation::Warn => {
                *self.warnings.lock().unwrap_or_else(PoisonError::into_inner) =
                    codec::strict_warnings(self.duplicates.clone());
            }
            FieldValidation::Strict => {
                let words = self.duplicates.join(", ");
                let why = format!("error strict decoding YAML: error converting YAML to JSON: {words}");
                return Err(Status::bad_request(why));
            }
        }
        Ok(())
    }

    /// Hands over the warnings, which come before all others.
    pub fn warn(self, call: &mut Call<'_>) {
        let mut warnings = self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        warnings.append(&mut call.warnings);
        call.warnings = warnings;
    }
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

fn patched(kind: PatchType, live: &Value, patch: &Value, schema: &Schema) -> Result<Value, Status> {
    let outcome = match kind {
        PatchType::Json => patch::json::apply(live, patch),
        PatchType::Merge => patch::merge::apply(live, patch),
        PatchType::StrategicMerge | PatchType::Apply => patch::strategic::apply(live, patch, schema),
    };
    outcome.map_err(|error| error.to_status())
}

/// What a patch comes to, and what of it an error shows.
struct Shown<'a> {
    /// Makes the patched object; again where it has to be shown in an error, so that the usual way makes no copy of it.
    patched: &'a dyn Fn() -> Result<Value, Status>,
    /// The patch, if it is a strategic merge: then this is shown.
    strategic: Option<&'a Value>,
    /// It was applied by the server, and is not decoded anew.
    applied: bool,
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
fn conformed(shown: &Shown<'_>, target: &Target<'_>) -> Result<(Value, Vec<String>), Status> {
    let mut object = (shown.patched)()?;
    // Strategic merges end in a type that is known beforehand: upstream does not look at the one that they name.
    if target.typed && shown.strategic.is_none() {
        let type_meta = codec::type_meta(&object).map_err(|why| patch::undecodable(&object, &why))?;
        if let Some(why) = decode::other_type(&object, type_meta, target.wanted) {
            return Err(patch::undecodable(&object, &why));
        }
    }
    if !target.typed {
        let names = |field: &str| object[field].as_str().is_some_and(|text| !text.is_empty());
        if !names("kind") {
            return Err(patch::undecodable(&object, &format!("Object 'Kind' is missing in '{object}'")));
        }
        if !names("apiVersion") {
            return Err(Status::internal("Object 'apiVersion' is missing in 'object has no apiVersion field'"));
        }
        decode::check_patched_type(&object, target.wanted)?;
    }
    let conform = if shown.applied { codec::conform_applied } else { codec::conform };
    let conformed = match conform(&mut object, target.schema) {
        Ok(conformed) => conformed,
        Err(error) => {
            let words = if shown.strategic.is_some() { error.converter_words() } else { error.to_string() };
            return Err(shown.undecodable(&words)?);
        }
    };
    decode::set_type(&mut object, target.wanted);
    let unknown = match target.typed {
        true => conformed.unknown_field_errors().collect(),
        false => decode::unknown_of_custom(&conformed),
    };
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
            *warnings.lock().unwrap_or_else(PoisonError::into_inner) = codec::strict_warnings(strict);
            Ok(())
        }
        FieldValidation::Strict => Err(shown.undecodable(&codec::strict_decoding_error(&strict))?),
    }
}

fn apply_to(
    call: &Call<'_>,
    live: Option<&Value>,
    (config, force): (&Value, bool),
    target: &Target<'_>,
) -> Result<Made, Status> {
    let (manager, now, api_version) = (call.manager(), call.now(), target.wanted.api_version());
    let Target { schema, wanted, subresource, reset, .. } = *target;
    // A Scale shows all entries in its own version.
    let versions = call.sisters.as_deref().filter(|_| api_version == call.row.api_version());
    let versions = versions.map(|sisters| sisters as &dyn apply::Versions);
    let writer =
        Writer { schema, manager: &manager, api_version: &api_version, subresource, reset, now: &now, versions };
    let merged = || {
        let request = ApplyRequest { config, kind: wanted.kind, force };
        apply::apply(live, request, &writer).map_err(|error| error.to_status())
    };
    let (mut object, _) = conformed(&Shown { patched: &merged, strategic: None, applied: true }, target)?;
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
