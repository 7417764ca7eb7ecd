//! Gives a value the shape that Go's typed decoder and encoder would give it.
//!
//! Types are checked, unknown fields dropped and reported, `null` and zero values treated as the field says, quantities,
//! times and base64 made canonical. A value that has passed once passes again unchanged. For custom resources
//! ([`Origin::Structural`]) only unknown fields are dropped: their values are validated elsewhere.

use super::place::{At, Step};
use super::{base64_text, zero};
use crate::quantity::{self, QuantityError};
use crate::schema::{Field, Kind, Object, Origin, Schema, Zero};
use crate::time::{self, TimeError};
use serde_json::{Map, Value};

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conformed {
    /// The paths of fields that the type does not have (`spec.containers[0].immage`), in the order of sorted keys.
    /// They are gone from the value.
    pub unknown: Vec<String>,
    /// Nulls of custom resources stay for the validation to judge.
    keeps_nulls: bool,
}

impl Conformed {
    /// `unknown field "a.b"` for each.
    pub fn unknown_field_errors(&self) -> impl Iterator<Item = String> {
        self.unknown.iter().map(|path| format!("unknown field {path:?}"))
    }
}

/// Why a value has not the type. The words are Go's; the API server puts its own around them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformError {
    /// A value of another JSON type, or a number out of range.
    #[error("json: cannot unmarshal {value} into Go {target} of type {go_type}")]
    Type {
        /// `string`, `number 1.5`, `object` …
        value: String,
        /// `struct field PodSpec.spec.nodeName`, or `value` where there is no field.
        target: String,
        /// `int32`, `[]v1.Container` …
        go_type: String,
        /// The whole in the words of [`ConformError::converter_words`].
        converter: String,
    },
    /// No quantity.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// No time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// What the type's own decoder says.
    #[error("{0}")]
    Own(&'static str),
    /// No base64.
    #[error("{0}")]
    Base64(String),
}

impl ConformError {
    /// What `DefaultUnstructuredConverter` says, which reads the outcome of strategic merge patches.
    pub fn converter_words(&self) -> String {
        match self {
            Self::Type { converter, .. } => converter.clone(),
            Self::Base64(words) => format!("error decoding from json: {words}"),
            Self::Quantity(_) | Self::Time(_) | Self::Own(_) => self.to_string(),
        }
    }
}

/// Gives `value` the shape of `schema`.
///
/// # Errors
/// At the first value (in the order of sorted keys) of a wrong type. The value is then half done.
pub fn conform(value: &mut Value, schema: &Schema) -> Result<Conformed, ConformError> {
    conform_into(value, schema, Conformed::default())
}

/// The same for what server-side apply came to: of a custom resource upstream prunes nulls where it decodes, and this is
/// not decoded any more.
///
/// # Errors
/// As [`conform`].
pub fn conform_applied(value: &mut Value, schema: &Schema) -> Result<Conformed, ConformError> {
    conform_into(value, schema, Conformed { keeps_nulls: true, ..Conformed::default() })
}

fn conform_into(value: &mut Value, schema: &Schema, mut conformed: Conformed) -> Result<Conformed, ConformError> {
    let at = At { parent: None, step: Step::Root, object: None, field: None };
    if value.is_null() && schema.origin == Origin::Go {
        *value = zero::zero_value(schema);
    }
    conform_value(value, schema, &at, &mut conformed)?;
    Ok(conformed)
}

fn conform_value(value: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) -> Result<(), ConformError> {
    if schema.origin == Origin::Structural {
        return structural(value, schema, at, found);
    }
    match (&schema.kind, &mut *value) {
        (Kind::Object(object), Value::Object(map)) => struct_fields(map, object, at, found),
        (Kind::Map { values, .. }, Value::Object(map)) => {
            for (key, item) in map.iter_mut() {
                element(item, values, &at.below(Step::Key(key)), found)?;
            }
            Ok(())
        }
        (Kind::List { items, .. }, Value::Array(list)) => {
            for (index, item) in list.iter_mut().enumerate() {
                element(item, items, &at.below(Step::Index(index)), found)?;
            }
            Ok(())
        }
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
        Value::Object(_) => conform_value(value, object, at, &mut Conformed::default()),
        Value::Array(items) => items.iter_mut().try_for_each(|item| json_objects(item, object, at)),
        _ => Ok(()),
    }
}

/// An item of a list or map: `null` is the zero value here.
fn element(item: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) -> Result<(), ConformError> {
    if item.is_null() && schema.origin == Origin::Go {
        *item = zero::zero_value(schema);
        return Ok(());
    }
    conform_value(item, schema, at, found)
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

fn struct_fields(
    map: &mut Map<String, Value>,
    object: &Object,
    at: &At<'_>,
    found: &mut Conformed,
) -> Result<(), ConformError> {
    let mut failed = None;
    let mut always_present = 0;
    // Keys and fields are both sorted, so that the search for the next field starts where the last one ended.
    let mut fields = &*object.fields;
    map.retain(|key, value| {
        if failed.is_some() {
            return true;
        }
        let skipped = fields.iter().position(|field| *field.name >= **key).unwrap_or(fields.len());
        fields = &fields[skipped..];
        let Some(field) = fields.first().filter(|field| *field.name == **key) else {
            let mut path = String::new();
            at.below(Step::Field(key)).write_path(&mut path);
            found.unknown.push(path);
            return false;
        };
        if !value.is_null() {
            let below = At { parent: Some(at), step: Step::Field(key), object: Some(object), field: Some(field) };
            if let Err(error) = conform_value(value, &field.schema, &below, found) {
                failed = Some(error);
                return true;
            }
        }
        let kept = keeps(value, field);
        always_present += usize::from(kept && matches!(field.zero, Zero::Write | Zero::WriteNull));
        kept
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if always_present < object.always.len() {
        add_always(map, object);
    }
    Ok(())
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

/// Custom resources: only prunes. What has another type than the schema says stays for the validation to refuse.
fn structural(value: &mut Value, schema: &Schema, at: &At<'_>, found: &mut Conformed) -> Result<(), ConformError> {
    match (&schema.kind, value) {
        (Kind::Object(object), Value::Object(map)) => {
            let mut failed = None;
            map.retain(|key, value| {
                let below = at.below(Step::Field(key));
                match object.field(key) {
                    None if object.preserve_unknown_fields => true,
                    None => {
                        let mut path = String::new();
                        below.write_path(&mut path);
                        found.unknown.push(path);
                        false
                    }
                    Some(field) => {
                        // `metadata` is a Go struct even here.
                        let go = field.schema.origin == Origin::Go;
                        let step = if go { Step::GoRoot(key) } else { Step::Field(key) };
                        let below = At { object: go.then_some(object), field: Some(field), step, ..below };
                        if failed.is_none() && !value.is_null() {
                            failed = conform_value(value, &field.schema, &below, found).err();
                        }
                        // A null that may not be is none (`PruneNonNullableNullsWithoutDefaults`, and defaulting).
                        !value.is_null() || (!go && (found.keeps_nulls || field.schema.nullable))
                    }
                }
            });
            failed.map_or(Ok(()), Err)
        }
        (Kind::Map { values, .. }, Value::Object(map)) => {
            let keeps = found.keeps_nulls || values.nullable || matches!(values.kind, Kind::Json);
            map.retain(|_, item| keeps || !item.is_null());
            map.iter_mut().try_for_each(|(key, item)| conform_value(item, values, &at.below(Step::Key(key)), found))
        }
        (Kind::List { items, .. }, Value::Array(list)) => list
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| conform_value(item, items, &at.below(Step::Index(index)), found)),
        (_, Value::Number(number)) if number.is_f64() => {
            *number = super::yaml_scalar::integral(number.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}
