//! A schema seen as structured merge sees it: only leaves, maps that are merged key by key, and lists that are merged by
//! element.

use crate::fieldset::PathElement;
use crate::schema::{Field, Kind, ListType, MapType, Origin, Schema, Zero};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The type at one place of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Typed<'s> {
    /// A type from the table, with the map type that its field overrides it with.
    Known(&'s Schema, Option<MapType>),
    /// Any JSON: maps merge by key, everything else is a leaf (upstream's `__untyped_deduced_`).
    Untyped,
}

/// How a value of a type is merged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'s> {
    /// As a whole.
    Leaf,
    /// Key by key.
    Map,
    /// Element by element.
    List(Typed<'s>, &'s ListType),
}

impl<'s> Typed<'s> {
    pub(super) fn root(schema: &'s Schema) -> Self {
        Self::Known(schema, None)
    }

    /// How `value` is merged; what its type is not decided by (untyped) is decided by the value.
    pub(super) fn shape(self, value: &Value) -> Shape<'s> {
        let Self::Known(schema, map_type) = self else {
            return if value.is_object() { Shape::Map } else { Shape::Leaf };
        };
        match &schema.kind {
            Kind::Object(object) if map_type.unwrap_or(object.map_type) == MapType::Granular => Shape::Map,
            Kind::Map { map_type: own, .. } if map_type.unwrap_or(*own) == MapType::Granular => Shape::Map,
            Kind::List { list_type: ListType::Atomic, .. } => Shape::Leaf,
            Kind::List { items, list_type } => Shape::List(Self::Known(items, None), list_type),
            Kind::FieldsV1 if value.is_object() => Shape::Map,
            // a part of a custom resource that says no type
            Kind::Json if schema.origin == Origin::Structural && value.is_object() => Shape::Map,
            _ => Shape::Leaf,
        }
    }

    /// The type of the value at `key` of a map, and whether the key is one that the type names. `None`: the type has
    /// no such key.
    pub(super) fn child(self, key: &str) -> Option<(Self, bool)> {
        let Self::Known(schema, _) = self else {
            return Some((Self::Untyped, false));
        };
        match &schema.kind {
            Kind::Object(object) => match object.field(key) {
                Some(field) => Some((Self::Known(&field.schema, field.map_type), true)),
                None => object.preserve_unknown_fields.then_some((Self::Untyped, false)),
            },
            Kind::Map { values, .. } => Some((Self::Known(values, None), false)),
            _ => Some((Self::Untyped, false)),
        }
    }

    /// The same, where an unknown key does no harm: stored objects may hold what an older schema knew.
    pub(super) fn child_or_untyped(self, key: &str) -> (Self, bool) {
        self.child(key).unwrap_or((Self::Untyped, false))
    }

    /// The type of a list's items.
    pub(super) fn items(self) -> Option<Self> {
        match self {
            Self::Known(Schema { kind: Kind::List { items, .. }, .. }, _) => Some(Self::Known(items, None)),
            _ => None,
        }
    }

    /// Whether this is a map or a list that is merged as a whole.
    pub(super) fn is_atomic(self) -> bool {
        let Self::Known(schema, map_type) = self else { return false };
        match &schema.kind {
            Kind::Object(object) => map_type.unwrap_or(object.map_type) == MapType::Atomic,
            Kind::Map { map_type: own, .. } => map_type.unwrap_or(*own) == MapType::Atomic,
            Kind::List { list_type, .. } => *list_type == ListType::Atomic,
            _ => false,
        }
    }

    fn field(self, name: &str) -> Option<&'s Field> {
        match self {
            Self::Known(schema, _) => schema.field(name),
            Self::Untyped => None,
        }
    }
}

/// The path element of one item of a list that is merged by element.
///
/// # Errors
/// In upstream's words, for items that cannot be told apart from others.
pub(super) fn list_element(items: Typed<'_>, list_type: &ListType, item: &Value) -> Result<PathElement, String> {
    match list_type {
        ListType::Map(keys) => keyed_element(items, keys, item),
        ListType::Set | ListType::Atomic => match item {
            Value::Object(_) | Value::Array(_) | Value::Null => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            scalar => Ok(PathElement::value(scalar)),
        },
    }
}

fn keyed_element(items: Typed<'_>, keys: &[Box<str>], item: &Value) -> Result<PathElement, String> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    if let [key] = keys
        && let Some(value) = map.get(&**key)
    {
        return Ok(PathElement::sorted_key(std::iter::once((&**key, value))));
    }
    let mut found: Vec<(&str, Cow<'_, Value>)> = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(value) = map.get(&**key).map(Cow::Borrowed).or_else(|| key_default(items, key)) {
            found.push((key, value));
        }
    }
    if found.is_empty() {
        let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    found.sort_by_key(|(name, _)| *name);
    Ok(PathElement::sorted_key(found.iter().map(|(name, value)| (*name, &**value))))
}

/// What a missing key counts as: its default, or Go's zero value where that is always written.
fn key_default<'s>(items: Typed<'s>, key: &str) -> Option<Cow<'s, Value>> {
    let field = items.field(key)?;
    if let Some(default) = &field.default {
        return Some(Cow::Borrowed(default));
    }
    (field.zero == Zero::Write).then(|| Cow::Owned(zero_value(&field.schema)))
}

/// The value that Go writes for an object of this type on which nothing is set: what a new object is compared with.
pub(super) fn zero_value(schema: &Schema) -> Value {
    match &schema.kind {
        Kind::Object(object) => {
            let mut map = Map::new();
            for field in &object.fields {
                match field.zero {
                    Zero::Write => map.insert(field.name.to_string(), zero_value(&field.schema)),
                    Zero::WriteNull => map.insert(field.name.to_string(), Value::Null),
                    Zero::Drop | Zero::Keep => None,
                };
            }
            Value::Object(map)
        }
        Kind::String | Kind::Bytes => "".into(),
        Kind::Int32 | Kind::Int64 | Kind::Number | Kind::IntOrString => 0.into(),
        Kind::Bool => false.into(),
        Kind::Quantity => "0".into(),
        Kind::Duration => "0s".into(),
        _ => Value::Null,
    }
}
