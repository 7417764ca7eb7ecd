//! Gives a value the shape that Go's typed decoder and encoder would give it.
//!
//! Types are checked, unknown fields dropped and reported, `null` and zero values treated as the field says, quantities,
//! times and base64 made canonical. A value that has passed once passes again unchanged. For custom resources
//! ([`Origin::Structural`]) only unknown fields are dropped: their values are validated elsewhere.

use super::conform_error::ConformError;
use super::misfit::Misfits;
use super::place::{At, Step};
use super::{base64_text, structural, zero};
use crate::quantity;
use crate::schema::{Field, Kind, Object, Origin, Schema, Zero};
use crate::time;
use serde_json::{Map, Value};

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conformed {
    /// The paths of fields that the type does not have (`spec.containers[0].immage`), in the order of sorted keys.
    /// They are gone from the value.
    pub unknown: Vec<String>,
    /// Nulls of custom resources stay for the validation to judge.
    pub(super) keeps_nulls: bool,
    /// How long the paths of `unknown` are together.
    unknown_bytes: usize,
    pub(super) misfits: Misfits,
}

/// How much of paths is remembered. Upstream tells of a hundred fields, and a path may be as long as the body: a million
/// short objects below one long key are not to be written down.
const MAX_UNKNOWN_BYTES: usize = 1 << 20;

impl Conformed {
    /// `unknown field "a.b"` for each.
    pub fn unknown_field_errors(&self) -> impl Iterator<Item = String> {
        self.unknown.iter().map(|path| format!("unknown field {path:?}"))
    }

    /// What is to be found in a part that is judged by itself; the room for paths is that of the whole.
    pub(super) fn of_part(&self) -> Self {
        Self { unknown_bytes: self.unknown_bytes, ..Self::default() }
    }

    /// Takes over what was unknown in a part.
    pub(super) fn take_unknown(&mut self, part: &mut Self) {
        self.unknown.append(&mut part.unknown);
        self.unknown_bytes = part.unknown_bytes;
    }

    pub(super) fn add_unknown(&mut self, at: &At<'_>) {
        if self.unknown_bytes > MAX_UNKNOWN_BYTES {
            return;
        }
        let path = at.path();
        self.unknown_bytes += path.len();
        self.unknown.push(path);
    }
}

/// Gives `value` the shape of `schema`.
///
/// # Errors
/// At the first value (in the order of sorted keys) of a wrong type. The value is then half done.
pub fn conform(value: &mut Value, schema: &Schema) -> Result<Conformed, ConformError> {
    let mut found = conform_into(value, schema, Conformed::default());
    std::mem::take(&mut found.misfits).first().map_or(Ok(found), Err)
}

/// The same for what stood in `body`.
///
/// # Errors
/// At the first value in the order of the document, or, of a custom resource, of which only the metadata has types, in that
/// of sorted keys.
pub fn conform_document(body: &[u8], value: &mut Value, schema: &Schema) -> Result<Conformed, ConformError> {
    if schema.origin == Origin::Structural {
        return conform(value, schema);
    }
    let mut found = conform_into(value, schema, Conformed::default());
    std::mem::take(&mut found.misfits).first_in(body).map_or(Ok(found), Err)
}

/// The same for what server-side apply came to: of a custom resource upstream prunes nulls where it decodes, and this is
/// not decoded any more.
///
/// # Errors
/// As [`conform`].
pub fn conform_applied(value: &mut Value, schema: &Schema) -> Result<Conformed, ConformError> {
    let mut found = conform_into(value, schema, Conformed { keeps_nulls: true, ..Conformed::default() });
    std::mem::take(&mut found.misfits).first().map_or(Ok(found), Err)
}

fn conform_into(value: &mut Value, schema: &Schema, mut conformed: Conformed) -> Conformed {
    let at = At { parent: None, step: Step::Root, object: None, field: None };
    if value.is_null() && schema.origin == Origin::Go {
        *value = zero::zero_value(schema);
    }
    conform_value(value, schema, &at, &mut conformed);
    conformed
}

pub(super) fn conform_value(value: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) {
    if schema.origin == Origin::Structural {
        return structural::prune(value, schema, at, found);
    }
    match (&schema.kind, &mut *value) {
        (Kind::Object(object), Value::Object(map)) => struct_fields(map, object, at, found),
        (Kind::Map { values, .. }, Value::Object(map)) => {
            for (key, item) in map.iter_mut() {
                element(item, values, &at.below(Step::Key(key)), found);
            }
        }
        (Kind::List { items, .. }, Value::Array(list)) => {
            for (index, item) in list.iter_mut().enumerate() {
                element(item, items, &at.below(Step::Index(index)), found);
            }
        }
        // refused already, and by the first of those that are remembered
        _ if found.misfits.is_full() => {}
        _ => {
            if let Err(error) = leaf(value, schema, at) {
                found.misfits.add(|| at.path(), error, decodes_itself(&schema.kind));
            }
        }
    }
}

/// Whether Go's type has a decoder of its own, whose errors end everything.
fn decodes_itself(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Quantity
            | Kind::Time
            | Kind::MicroTime
            | Kind::IntOrString
            | Kind::Duration
            | Kind::Json
            | Kind::FieldsV1
    )
}

/// What has no fields, items or keys whose types are known.
fn leaf(value: &mut Value, schema: &Schema, at: &At<'_>) -> Result<(), ConformError> {
    match (&schema.kind, &mut *value) {
        (Kind::String, Value::String(_)) | (Kind::Bool, Value::Bool(_)) | (Kind::Number, Value::Number(_)) => Ok(()),
        (Kind::Int32, Value::Number(number)) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => Ok(()),
        (Kind::Int64, Value::Number(number)) if number.is_i64() => Ok(()),
        (Kind::Json, Value::Array(_) | Value::Number(_) | Value::String(_)) if is_schema_or_bool(schema) => {
            Err(ConformError::Own("boolean or JSON schema expected"))
        }
        (Kind::Json, value) => match &schema.json_object {
            Some(object) => json_objects(value, object, at),
            None => Ok(()),
        },
        (Kind::FieldsV1, Value::Object(_)) => Ok(()),
        (Kind::RawExtension, _) => Ok(()),
        _ => scalar(value, schema, at),
    }
}

/// `JSONSchemaPropsOrBool`
fn is_schema_or_bool(schema: &Schema) -> bool {
    schema.definition.as_deref().is_some_and(|name| name.ends_with(".JSONSchemaPropsOrBool"))
}

/// A value that is an object of a known type, a list of such, or something else. Go decodes it apart from the rest,
/// and so forgets the unknown fields that it finds.
fn json_objects(value: &mut Value, object: &Schema, at: &At<'_>) -> Result<(), ConformError> {
    match value {
        Value::Object(_) => {
            let mut found = Conformed::default();
            conform_value(value, object, at, &mut found);
            found.misfits.first().map_or(Ok(()), Err)
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| json_objects(item, object, at)),
        _ => Ok(()),
    }
}

/// An item of a list or map: `null` is the zero value here.
fn element(item: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) {
    if item.is_null() && schema.origin == Origin::Go {
        *item = zero::zero_value(schema);
        return;
    }
    conform_value(item, schema, at, found);
}

/// The kinds that are written in a form of their own, and all that does not fit.
fn scalar(value: &mut Value, schema: &Schema, at: &At<'_>) -> Result<(), ConformError> {
    match (&schema.kind, &mut *value) {
        (Kind::Quantity, Value::String(text)) => {
            if let Some(canonical) = quantity::canonical(text)? {
                *text = canonical;
            }
        }
        (Kind::Quantity, other) => {
            let text = other.to_string();
            *value = Value::String(quantity::canonical(&text)?.unwrap_or(text));
        }
        (Kind::Time, Value::String(text)) if time::is_canonical(text, false) => {}
        (Kind::Time, Value::String(text)) => *text = time::format_seconds(time::parse_seconds(text)?),
        (Kind::MicroTime, Value::String(text)) if time::is_canonical(text, true) => {}
        (Kind::MicroTime, Value::String(text)) => *text = time::format_micros(time::parse_micros(text)?),
        (Kind::Time | Kind::MicroTime, other) => return Err(at.own_mismatch(other, &Schema::go(Kind::String))),
        (Kind::Bytes, Value::String(text)) => {
            if let Some(canonical) = base64_text::canonical(text).map_err(ConformError::Base64)? {
                *text = canonical;
            }
        }
        (Kind::IntOrString, Value::String(_)) | (Kind::Duration, Value::String(_)) => {}
        (Kind::IntOrString, Value::Number(number)) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {}
        (Kind::IntOrString, other) => return Err(at.own_mismatch(other, &Schema::go(Kind::Int32))),
        (Kind::Duration, other) => return Err(at.own_mismatch(other, schema)),
        (_, other) => return Err(at.mismatch(other, schema)),
    }
    Ok(())
}

fn struct_fields(map: &mut Map<String, Value>, object: &Object, at: &At<'_>, found: &mut Conformed) {
    let mut always_present = 0;
    // Keys and fields are both sorted, so that the search for the next field starts where the last one ended.
    let mut fields = &*object.fields;
    map.retain(|key, value| {
        let skipped = fields.iter().position(|field| *field.name >= **key).unwrap_or(fields.len());
        fields = &fields[skipped..];
        let Some(field) = fields.first().filter(|field| *field.name == **key) else {
            found.add_unknown(&at.below(Step::Field(key)));
            return false;
        };
        if !value.is_null() {
            let below = At { parent: Some(at), step: Step::Field(key), object: Some(object), field: Some(field) };
            conform_value(value, &field.schema, &below, found);
        }
        let kept = keeps(value, field);
        always_present += usize::from(kept && matches!(field.zero, Zero::Write | Zero::WriteNull));
        kept
    });
    if always_present < object.always.len() {
        add_always(map, object);
    }
}

/// Whether Go's encoder would write this value of the field. What it writes differently is changed.
fn keeps(value: &mut Value, field: &Field) -> bool {
    match field.zero {
        Zero::Drop => !zero::is_empty(value),
        Zero::Keep => !value.is_null(),
        Zero::Write => {
            // Missing ones are added later; null means the same.
            !value.is_null()
                || matches!(
                    field.schema.kind,
                    Kind::Time | Kind::MicroTime | Kind::RawExtension | Kind::Json | Kind::Bytes
                )
        }
        Zero::WriteNull => true,
    }
}

fn add_always(map: &mut Map<String, Value>, object: &Object) {
    for field in object.always.iter().map(|at| &object.fields[*at]) {
        if !map.contains_key(&*field.name) {
            let value = if field.zero == Zero::Write { zero::zero_value(&field.schema) } else { Value::Null };
            map.insert(String::from(&*field.name), value);
        }
    }
}
