//! Schemas of custom resources: the same [`Schema`] from a CustomResourceDefinition's `openAPIV3Schema`.
//!
//! Values stay as they are ([`Origin::Structural`]), except below `metadata`, which is Go's `ObjectMeta`. Here is only
//! the shape: validation of values and the rules for structural schemas belong to the API server's CRD code.

use super::{Field, Kind, ListType, MapType, Object, Origin, PatchStrategy, Ref, Schema, Zero, builtin, parse};
use serde_json::{Map, Value};
use std::sync::Arc;

/// How deep a schema may nest. Deeper ones are refused, so that neither building nor walking can overflow the stack.
pub const MAX_SCHEMA_DEPTH: usize = 100;

/// Why no schema could be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StructuralError {
    /// More than [`MAX_SCHEMA_DEPTH`] levels.
    #[error("schema is nested more than {MAX_SCHEMA_DEPTH} levels deep")]
    TooDeep,
    /// No built-in `ObjectMeta`: the table is broken.
    #[error("the type table has no ObjectMeta")]
    NoObjectMeta,
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The schema of the custom resource whose version has this `openAPIV3Schema`.
///
/// # Errors
/// When the schema nests too deep.
pub fn structural(open_api_v3_schema: &Value) -> Result<Arc<Schema>, StructuralError> {
    let empty = Map::new();
    let mut root = build(open_api_v3_schema.as_object().unwrap_or(&empty), 0)?;
    if !matches!(root.kind, Kind::Object(_)) {
        root.kind = Kind::Object(object(&empty, 0)?);
    }
    if let Kind::Object(object) = &mut root.kind {
        object.embedded_resource = true;
        add_type_and_metadata(object)?;
    }
    Ok(Arc::new(root))
}

fn build(schema: &Map<String, Value>, depth: usize) -> Result<Schema, StructuralError> {
    if depth > MAX_SCHEMA_DEPTH {
        return Err(StructuralError::TooDeep);
    }
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
    let kind = if flag("x-kubernetes-int-or-string") {
        Kind::IntOrString
    } else {
        match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
            "object" => object_or_map(schema, depth)?,
            "array" => list(schema, depth)?,
            "string" => Kind::String,
            "integer" if schema.get("format").and_then(Value::as_str) == Some("int32") => Kind::Int32,
            "integer" => Kind::Int64,
            "number" => Kind::Number,
            "boolean" => Kind::Bool,
            _ => Kind::Json,
        }
    };
    let enums = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(Schema {
        kind,
        origin: Origin::Structural,
        nullable: flag("nullable"),
        enum_values: enums.iter().filter_map(Value::as_str).map(Box::from).collect(),
        definition: None,
        json_object: None,
    })
}

fn child(schema: &Value, depth: usize) -> Result<Ref, StructuralError> {
    let empty = Map::new();
    Ok(Ref::Owned(Arc::new(build(schema.as_object().unwrap_or(&empty), depth + 1)?)))
}

fn map_type(schema: &Map<String, Value>) -> MapType {
    match schema.get("x-kubernetes-map-type").and_then(Value::as_str) {
        Some("atomic") => MapType::Atomic,
        _ => MapType::Granular,
    }
}

fn object_or_map(schema: &Map<String, Value>, depth: usize) -> Result<Kind, StructuralError> {
    match schema.get("additionalProperties") {
        Some(values @ Value::Object(_)) => Ok(Kind::Map { values: child(values, depth)?, map_type: map_type(schema) }),
        Some(Value::Bool(true)) => {
            let values = Ref::Owned(Arc::new(Schema { origin: Origin::Structural, ..Schema::go(Kind::Json) }));
            Ok(Kind::Map { values, map_type: map_type(schema) })
        }
        _ => Ok(Kind::Object(object(schema, depth)?)),
    }
}

fn object(schema: &Map<String, Value>, depth: usize) -> Result<Object, StructuralError> {
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = Vec::new();
    // The map is sorted by key, so that the fields are.
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let field = Field {
            required: required.contains(&name.as_str()),
            default: property.get("default").cloned().map(Box::new),
            ..plain_field(name, child(property, depth)?)
        };
        fields.push(field);
    }
    let defaulted = parse::numbers(&fields, |field| field.default.is_some() || field.schema.has_defaults());
    let mut object = Object {
        name: "".into(),
        fields: fields.into(),
        always: Box::new([]),
        defaulted,
        nulled: Box::new([]),
        map_type: map_type(schema),
        group_version_kinds: Box::new([]),
        unions: Box::new([]),
        preserve_unknown_fields: flag("x-kubernetes-preserve-unknown-fields"),
        embedded_resource: flag("x-kubernetes-embedded-resource"),
    };
    if object.embedded_resource {
        add_type_and_metadata(&mut object)?;
    }
    Ok(object)
}

fn plain_field(name: &str, schema: Ref) -> Field {
    Field {
        name: name.into(),
        schema,
        required: false,
        zero: Zero::Keep,
        default: None,
        patch: PatchStrategy::default(),
        map_type: None,
        atomic_list: false,
        go_type: None,
        embedded_in: None,
    }
}

/// Gives an object the three fields that every resource has, of built-in type.
fn add_type_and_metadata(object: &mut Object) -> Result<(), StructuralError> {
    let number = builtin::number_of(OBJECT_META).ok_or(StructuralError::NoObjectMeta)?;
    let own = ["apiVersion", "kind", "metadata"];
    let mut fields: Vec<Field> =
        std::mem::take(&mut object.fields).into_vec().into_iter().filter(|f| !own.contains(&&*f.name)).collect();
    fields.push(plain_field("apiVersion", Ref::Static(&parse::STRING)));
    fields.push(plain_field("kind", Ref::Static(&parse::STRING)));
    fields.push(plain_field("metadata", Ref::Builtin(number)));
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    object.defaulted = parse::numbers(&fields, |field| field.default.is_some() || field.schema.has_defaults());
    object.fields = fields.into();
    Ok(())
}

fn list(schema: &Map<String, Value>, depth: usize) -> Result<Kind, StructuralError> {
    let items = child(schema.get("items").unwrap_or(&Value::Null), depth)?;
    let list_type = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
            ListType::Map(keys.filter_map(Value::as_str).map(Box::from).collect())
        }
        _ => ListType::Atomic,
    };
    Ok(Kind::List { items, list_type })
}
