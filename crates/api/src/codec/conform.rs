//! Gives a value the shape that Go's typed decoder and encoder would give it.
//!
//! Types are checked, unknown fields dropped and reported, `null` and zero values treated as the field says, quantities,
//! times and base64 made canonical. A value that has passed once passes again unchanged. For custom resources
//! ([`Origin::Structural`]) only unknown fields are dropped: their values are validated elsewhere.

use super::{base64_text, zero};
use crate::quantity::{self, QuantityError};
use crate::schema::{Field, Kind, Object, Origin, Schema, Zero};
use crate::time::{self, TimeError};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conformed {
    /// The paths of fields that the type does not have (`spec.containers[0].immage`), in the order of sorted keys.
    /// They are gone from the value.
    pub unknown: Vec<String>,
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
    },
    /// No quantity.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// No time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// No base64.
    #[error("{0}")]
    Base64(String),
}

/// Where in the object a value stands. On the stack, so that nothing is allocated unless something is wrong.
#[derive(Clone, Copy)]
struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
    /// The Go struct around the value.
    object: Option<&'a Object>,
    field: Option<&'a Field>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    fn below(&'a self, step: Step<'a>) -> At<'a> {
        At { parent: Some(self), step, object: self.object, field: self.field }
    }

    /// `spec.containers[0].image`
    fn write_path(&self, path: &mut String) {
        if let Some(parent) = self.parent {
            parent.write_path(path);
        }
        match self.step {
            Step::Root => {}
            Step::Index(index) => drop(write!(path, "[{index}]")),
            Step::Field(name) | Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
        }
    }

    /// `spec.containers.image`: as Go's decoder names fields, without indices and keys.
    fn write_go_path(&self, path: &mut String) {
        if let Some(parent) = self.parent {
            parent.write_go_path(path);
        }
        if let Step::Field(name) = self.step {
            path.push('.');
            path.push_str(name);
        }
    }

    fn mismatch(&self, value: &Value, schema: &Schema) -> ConformError {
        let target = match self.object {
            None => "value".to_owned(),
            Some(object) => {
                let mut target = format!("struct field {}", last_part(&object.name));
                self.write_go_path(&mut target);
                target
            }
        };
        let own = matches!(self.step, Step::Field(_));
        let go_type = match self.field.and_then(|field| field.go_type.as_deref()) {
            Some(name) if own => name.to_owned(),
            // Of `[]v1.Capability`, an item is a `v1.Capability`.
            Some(name) if name.starts_with("[]") => name[2..].to_owned(),
            _ => go_type(schema),
        };
        let value = match (value, &schema.kind) {
            (Value::Number(number), Kind::Int32 | Kind::Int64) => format!("number {number}"),
            (Value::Number(_), _) => "number".to_owned(),
            (Value::String(_), _) => "string".to_owned(),
            (Value::Bool(_), _) => "bool".to_owned(),
            (Value::Array(_), _) => "array".to_owned(),
            (Value::Object(_), _) => "object".to_owned(),
            (Value::Null, _) => "null".to_owned(),
        };
        ConformError::Type { value, target, go_type }
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// How Go prints the type where a field does not say otherwise.
fn go_type(schema: &Schema) -> String {
    match &schema.kind {
        Kind::Object(object) => {
            let mut parts = object.name.rsplit('.');
            let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            format!("{package}.{name}")
        }
        Kind::Map { values, .. } => format!("map[string]{}", go_type(values)),
        Kind::List { items, .. } => format!("[]{}", go_type(items)),
        Kind::Bytes => "[]uint8".to_owned(),
        Kind::Int32 | Kind::IntOrString => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Number => "float64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Quantity => "resource.Quantity".to_owned(),
        Kind::Time => "v1.Time".to_owned(),
        Kind::MicroTime => "v1.MicroTime".to_owned(),
        Kind::RawExtension => "runtime.RawExtension".to_owned(),
        Kind::FieldsV1 => "v1.FieldsV1".to_owned(),
        Kind::String | Kind::Duration | Kind::Json => "string".to_owned(),
    }
}

/// Gives `value` the shape of `schema`.
///
/// # Errors
/// At the first value (in the order of sorted keys) of a wrong type. The value is then half done.
pub fn conform(value: &mut Value, schema: &Schema) -> Result<Conformed, ConformError> {
    let mut conformed = Conformed::default();
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
        (Kind::Json, _) | (Kind::RawExtension | Kind::FieldsV1, Value::Object(_)) => Ok(()),
        (Kind::RawExtension, _) => Ok(()),
        _ => scalar(value, schema, at),
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
    let plain = At { object: None, ..*at };
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
        (Kind::Time | Kind::MicroTime, other) => return Err(plain.mismatch(other, &Schema::go(Kind::String))),
        (Kind::Bytes, Value::String(text)) => {
            if let Some(canonical) = base64_text::canonical(text).map_err(ConformError::Base64)? {
                *text = canonical;
            }
        }
        (Kind::IntOrString, Value::String(_)) | (Kind::Duration, Value::String(_)) => {}
        (Kind::IntOrString, Value::Number(number)) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {}
        (Kind::IntOrString, other) => return Err(plain.mismatch(other, &Schema::go(Kind::Int32))),
        (_, other) => return Err(at.mismatch(other, schema)),
    }
    Ok(())
}

fn struct_fields(map: &mut Map<String, Value>, object: &Object, at: &At<'_>, found: &mut Conformed) -> Result<(), ConformError> {
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
            !value.is_null() || matches!(field.schema.kind, Kind::Time | Kind::MicroTime | Kind::RawExtension | Kind::Json | Kind::Bytes)
        }
        Zero::WriteNull => {
            // Upstream stores objects as protobuf, in which an empty list is none. The `items` of lists are never stored.
            let is_stored = &*field.name != "items";
            if is_stored && zero::is_empty(value) && matches!(field.schema.kind, Kind::List { .. } | Kind::Map { .. }) {
                *value = Value::Null;
            }
            true
        }
    }
}

fn add_always(map: &mut Map<String, Value>, object: &Object) {
    for field in object.always.iter().map(|at| &object.fields[usize::from(*at)]) {
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
                        let below = At { object: go.then_some(object), field: Some(field), ..below };
                        if failed.is_none() && !value.is_null() {
                            failed = conform_value(value, &field.schema, &below, found).err();
                        }
                        !(go && value.is_null())
                    }
                }
            });
            failed.map_or(Ok(()), Err)
        }
        (Kind::Map { values, .. }, Value::Object(map)) => {
            map.iter_mut().try_for_each(|(key, item)| conform_value(item, values, &at.below(Step::Key(key)), found))
        }
        (Kind::List { items, .. }, Value::Array(list)) => list
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| conform_value(item, items, &at.below(Step::Index(index)), found)),
        _ => Ok(()),
    }
}
