//! From a structural schema to the types that CEL rules see (`k8s.io/apiserver/pkg/cel/common/schemas.go`).

use api::structural::{JsonType, Node};
use cel_kubernetes::{Field, ObjectType, Type, escape};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest request, in bytes: what a schema leaves unbounded is bounded by it.
const MAX_REQUEST_BYTES: u64 = 3 << 20;
/// The longest date and the longest duration, in characters.
const MAX_DATE_CHARACTERS: u64 = 20;

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The type of a node; `None` where rules can see nothing (what has no type).
pub(crate) fn declare(node: &Node, is_resource: bool, name: &str) -> Option<Type> {
    if node.int_or_string {
        return Some(Type::Dyn);
    }
    Some(match node.kind? {
        JsonType::Boolean => Type::Bool,
        JsonType::Integer => Type::Int,
        JsonType::Number => Type::Double,
        JsonType::String => text(node),
        JsonType::Array => {
            let items = declare(node.items.as_deref()?, false, &format!("{name}.@idx"))?;
            match node.max_items {
                Some(most) => Type::List(Box::new(items), as_u64(most)),
                None => Type::list(items),
            }
        }
        JsonType::Object => return object(node, is_resource, name),
    })
}

fn text(node: &Node) -> Type {
    match node.format.as_str() {
        "byte" => Type::Bytes(node.max_length.map_or(MAX_REQUEST_BYTES, as_u64)),
        "duration" => Type::Duration,
        "date" | "date-time" => Type::Timestamp,
        _ => match (node.max_length, node.values.is_empty()) {
            (Some(most), _) => Type::String(as_u64(most)),
            (None, false) => {
                let longest = node.values.iter().filter_map(|value| value.as_str()).map(str::len).max();
                Type::String(as_u64(longest.unwrap_or(0)))
            }
            (None, true) if node.format == "datetime" => Type::String(MAX_DATE_CHARACTERS),
            (None, true) => Type::text(),
        },
    }
}

fn object(node: &Node, is_resource: bool, name: &str) -> Option<Type> {
    if let Some(values) = node.additional_node() {
        let values = declare(values, false, &format!("{name}.@elem"))?;
        return Some(match node.max_properties {
            Some(most) => Type::Map(Box::new(Type::text()), Box::new(values), as_u64(most)),
            None => Type::map(Type::text(), values),
        });
    }
    let mut fields = BTreeMap::new();
    for (field, below) in &node.properties {
        let (Some(escaped), Some(ty)) = (escape(field), declare(below, false, &format!("{name}.{field}"))) else {
            continue;
        };
        let required = node.required.contains(field) || below.default.is_some();
        fields.insert(escaped, Field { ty, required });
    }
    if is_resource || node.embedded_resource {
        let text = |required| Field { ty: Type::text(), required };
        fields.insert("apiVersion".to_owned(), text(true));
        fields.insert("kind".to_owned(), text(true));
        let names = [("name".to_owned(), text(false)), ("generateName".to_owned(), text(false))];
        let metadata = ObjectType { name: format!("{name}.metadata"), fields: names.into() };
        fields.insert("metadata".to_owned(), Field { ty: Type::Object(Arc::new(metadata)), required: true });
    }
    Some(Type::Object(Arc::new(ObjectType { name: name.to_owned(), fields })))
}

/// The environment of a rule at a place of this type.
pub(crate) fn environment(ty: &Type, optional_old_self: bool) -> cel_kubernetes::Environment {
    let old = if optional_old_self { Type::Optional(Box::new(ty.clone())) } else { ty.clone() };
    cel_kubernetes::Environment {
        variables: [("self".to_owned(), ty.clone()), ("oldSelf".to_owned(), old)].into(),
        ..cel_kubernetes::Environment::default()
    }
}
