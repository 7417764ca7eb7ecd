//! `PATCH`: JSON patch, merge patch, strategic merge patch, server-side apply.

use super::create;
use super::options;
use super::ownership;
use super::patched::{Shown, conformed, report};
use super::update::{Change, Made, change};
use crate::answer::Answer;
use crate::call::Call;
use crate::decode::{self, FieldValidation, Wanted};
use api::apply::{self, ApplyRequest, Reset, Writer};
use api::codec::{self, Decoded};
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
    /// What is wrong with its text is told only where there is something to be patched.
    decoded: Result<Decoded, Status>,
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
        let strict = call.field_validation()?;
        Ok(Self {
            kind,
            decoded: decode(&call.body, kind, strict),
            strict,
            force: call.info.query.flag("force"),
            warnings: Mutex::new(Vec::new()),
        })
    }

    /// What the patch makes of `live`.
    pub fn make(&self, call: &Call<'_>, live: Option<&Value>, target: &Target<'_>) -> Result<Made, Status> {
        let Decoded { value, duplicates } = self.decoded.as_ref().map_err(Status::clone)?;
        if self.kind == PatchType::Apply {
            let made = apply_to(call, live, (value, self.force), target)?;
            self.report_of_apply(duplicates)?;
            return Ok(made);
        }
        let live = live.ok_or_else(|| call.not_found(&call.info.name))?;
        let patched = || patched(self.kind, live, value, target.schema);
        let strategic = (self.kind == PatchType::StrategicMerge).then_some(value);
        let shown = Shown { patched: &patched, strategic, applied: false };
        let (object, mut found) = conformed(&shown, target)?;
        if self.kind == PatchType::Json {
            found.splice(0..0, duplicates.iter().map(|duplicate| format!("json patch {duplicate}")));
            found.extend(unknown_members(value));
        } else {
            found.splice(0..0, duplicates.iter().cloned());
        }
        report(self.strict, found, &shown, &self.warnings)?;
        super::identity::check_name(call, &object)?;
        Ok(Made { object, tracked: false })
    }

    /// Deals with keys that came twice in what was applied.
    fn report_of_apply(&self, duplicates: &[String]) -> Result<(), Status> {
        match self.strict {
            _ if duplicates.is_empty() => {}
            FieldValidation::Ignore => {}
            FieldValidation::Warn => {
                *self.warnings.lock().unwrap_or_else(PoisonError::into_inner) =
                    codec::strict_warnings(duplicates.to_vec());
            }
            FieldValidation::Strict => {
                let words = duplicates.join(", ");
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

/// Reads a patch. Who does not want to hear of its fields has it decoded by the one that merges.
fn decode(body: &[u8], kind: PatchType, strict: FieldValidation) -> Result<Decoded, Status> {
    match kind {
        PatchType::Apply => {
            let decoded = codec::decode_yaml(body).map_err(|error| {
                Status::bad_request(format!("error decoding YAML: error converting YAML to JSON: {error}"))
            })?;
            match codec::no_map(&decoded.value) {
                Some(why) => Err(Status::bad_request(format!("error decoding YAML: {why}"))),
                None => Ok(decoded),
            }
        }
        PatchType::Merge if strict == FieldValidation::Ignore => {
            codec::decode_json(body).map_err(|_| Status::bad_request("Invalid JSON Patch"))
        }
        PatchType::Json | PatchType::Merge => {
            codec::decode_json(body).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))
        }
        PatchType::StrategicMerge => codec::decode_json(body).map_err(|error| Status::bad_request(error.to_string())),
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
    // A webhook that converts the object may have left out which state it is of.
    if let Some(live) = live.filter(|_| object.resource_version().is_empty()) {
        api::meta::metadata_mut(&mut object).insert("resourceVersion".to_owned(), live.resource_version().into());
    }
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
