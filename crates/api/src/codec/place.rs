//! Where in an object a value stands, and what Go's decoder says of a value of the wrong type there.

use super::{ConformError, converter};
use crate::schema::{Field, Kind, Object, Schema};
use serde_json::Value;
use std::fmt::Write as _;

/// Where in the object a value stands. On the stack, so that nothing is allocated unless something is wrong.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) parent: Option<&'a At<'a>>,
    pub(super) step: Step<'a>,
    /// The Go struct around the value.
    pub(super) object: Option<&'a Object>,
    pub(super) field: Option<&'a Field>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Root,
    Field(&'a str),
    /// A field whose value Go decodes on its own: messages about what is below begin there.
    GoRoot(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(super) fn below(&'a self, step: Step<'a>) -> At<'a> {
        At { parent: Some(self), step, object: self.object, field: self.field }
    }

    /// `spec.containers[0].image`
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        self.write_path(&mut path);
        path
    }

    fn write_path(&self, path: &mut String) {
        if let Some(parent) = self.parent {
            parent.write_path(path);
        }
        match self.step {
            Step::Root => {}
            Step::Index(index) => drop(write!(path, "[{index}]")),
            Step::Field(name) | Step::GoRoot(name) | Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
        }
    }

    /// `spec.containers.image`: as Go's decoder names fields, without indices and keys.
    fn write_go_path(&self, path: &mut String) {
        if matches!(self.step, Step::GoRoot(_)) {
            return;
        }
        if let Some(parent) = self.parent {
            parent.write_go_path(path);
        }
        if let Step::Field(name) = self.step {
            let embedded = self.field.and_then(|field| field.embedded_in.as_deref());
            for part in embedded.into_iter().chain([name]) {
                path.push('.');
                path.push_str(part);
            }
        }
    }

    pub(super) fn mismatch(&self, value: &Value, schema: &Schema) -> ConformError {
        let (json, target, go_type) = self.wrong_type(value, schema);
        let converter = converter::mismatch(value, schema, &go_type);
        ConformError::Type { value: json, target, go_type, converter }
    }

    /// The same of a value whose type decodes itself.
    pub(super) fn own_mismatch(&self, value: &Value, schema: &Schema) -> ConformError {
        let (json, target, own_type) = self.wrong_type(value, schema);
        let converter = converter::own_mismatch(&json, &go_type(schema));
        ConformError::Type { value: json, target, go_type: own_type, converter }
    }

    /// Go's words for the value, its place and the type there.
    fn wrong_type(&self, value: &Value, schema: &Schema) -> (String, String, String) {
        let target = match self.object {
            Some(object) if !matches!(self.step, Step::GoRoot(_)) => {
                let mut target = format!("struct field {}", last_part(&object.name));
                self.write_go_path(&mut target);
                target
            }
            _ => "value".to_owned(),
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
        (value, target, go_type)
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
        Kind::Json if schema.definition.is_some() => {
            let mut parts = schema.definition.as_deref().unwrap_or_default().rsplit('.');
            let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            format!("{package}.{name}")
        }
        Kind::String | Kind::Duration | Kind::Json => "string".to_owned(),
    }
}
