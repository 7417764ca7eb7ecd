//! Types as OpenAPI has them, from the schema table.

use super::Dialect;
use super::descriptions;
use super::operations::PATCH;
use api::schema::{Field, Kind, ListType, MapType, Object, Schema, builtin};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Where upstream says what is so anyway, or does not say it: definition, field, keyword, value.
const AGAINST_THE_RULE: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "io.k8s.api.core.v1.PersistentVolumeClaimStatus",
        "allocatedResourceStatuses",
        "x-kubernetes-map-type",
        Some("granular"),
    ),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.APIResource", "verbs", "x-kubernetes-list-type", None),
];

/// The definitions named in `wanted` and all that they refer to, by name.
/// `custom` has those that are not in the table, and what they refer to is wanted too.
pub(super) fn definitions(
    wanted: BTreeSet<String>,
    custom: Map<String, Value>,
    dialect: Dialect,
) -> Map<String, Value> {
    let mut done = custom;
    let mut open: Vec<String> = wanted.into_iter().collect();
    while let Some(name) = open.pop() {
        if done.contains_key(&name) {
            continue;
        }
        let mut printer = Printer { dialect, referred: Vec::new() };
        if let Some(value) = printer.definition(&name) {
            done.insert(name, value);
            open.append(&mut printer.referred);
        }
    }
    done
}

/// A `$ref` to a definition.
pub(super) fn reference(name: &str, dialect: Dialect) -> Value {
    match dialect {
        Dialect::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        Dialect::V2 => json!({"$ref": format!("#/definitions/{name}")}),
    }
}

/// Whether a type is a `PodList`, `NodeList`, …
fn is_list(object: &Object) -> bool {
    let metadata = object.field("metadata").and_then(|field| field.schema.object());
    metadata.is_some_and(|metadata| *metadata.name == *format!("{META}.ListMeta"))
}

struct Printer {
    dialect: Dialect,
    /// Definitions that were referred to.
    referred: Vec<String>,
}

impl Printer {
    fn definition(&mut self, name: &str) -> Option<Value> {
        let schema = builtin(name)?;
        let mut value = match &schema.kind {
            Kind::Object(object) => self.object(name, object),
            // Any JSON to the server, but to clients a map.
            Kind::Json if name == PATCH => json!({"type": "object"}),
            // Only v3 can say that either will do.
            Kind::Quantity if self.dialect == Dialect::V3 => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            Kind::IntOrString if self.dialect == Dialect::V3 => {
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
            }
            _ => self.scalar_or_container(schema),
        };
        if let Some(words) = descriptions::of_type(name) {
            value["description"] = words.into();
        }
        Some(value)
    }

    fn object(&mut self, name: &str, object: &Object) -> Value {
        let of_object = !object.group_version_kinds.is_empty();
        let mut value = Map::new();
        value.insert("type".to_owned(), "object".into());
        let mut properties = Map::new();
        for field in &object.fields {
            let mut property = self.property(name, field, of_object);
            // Upstream says nothing about the items of a list of objects: they are never applied.
            if let Value::Object(property) = &mut property
                && &*field.name == "items"
                && is_list(object)
            {
                property.remove("x-kubernetes-list-type");
            }
            properties.insert(field.name.to_string(), property);
        }
        if !properties.is_empty() {
            value.insert("properties".to_owned(), properties.into());
        }
        let required: Vec<Value> =
            object.fields.iter().filter(|field| field.required).map(|field| Value::from(&*field.name)).collect();
        if !required.is_empty() {
            value.insert("required".to_owned(), required.into());
        }
        if object.map_type == MapType::Atomic {
            value.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
        }
        if of_object {
            let kinds = object.group_version_kinds.iter();
            let kinds: Value =
                kinds.map(|gvk| json!({"group": gvk.group, "kind": gvk.kind, "version": gvk.version})).collect();
            value.insert("x-kubernetes-group-version-kind".to_owned(), kinds);
        }
        if !object.unions.is_empty() {
            let unions = object.unions.iter().map(|union| {
                let fields: Map<String, Value> =
                    union.fields.iter().map(|(field, value)| (field.to_string(), Value::from(&**value))).collect();
                let mut value = json!({"fields-to-discriminateBy": fields});
                if !union.discriminator.is_empty() {
                    value["discriminator"] = Value::from(&*union.discriminator);
                }
                value
            });
            value.insert("x-kubernetes-unions".to_owned(), unions.collect());
        }
        if object.preserve_unknown_fields {
            value.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
        }
        value.into()
    }

    fn property(&mut self, definition: &str, field: &Field, of_object: bool) -> Value {
        let mut value = self.of(&field.schema);
        let mut extras = Map::new();
        let mut put = |key: &str, value: Value| {
            extras.insert(key.to_owned(), value);
        };
        if let Some(words) = descriptions::of_field(definition, &field.name, of_object) {
            put("description", words.into());
        }
        if let Some(default) = field.default.as_deref().filter(|_| self.dialect == Dialect::V3) {
            put("default", default.clone());
        }
        if let Some(key) = &field.patch.merge_key {
            put("x-kubernetes-patch-merge-key", Value::from(&**key));
        }
        let strategies: Vec<&str> =
            [(field.patch.merge, "merge"), (field.patch.retain_keys, "retainKeys"), (field.patch.replace, "replace")]
                .into_iter()
                .filter_map(|(has, name)| has.then_some(name))
                .collect();
        if !strategies.is_empty() {
            put("x-kubernetes-patch-strategy", strategies.join(",").into());
        }
        if let Some(map_type) = field.map_type {
            put("x-kubernetes-map-type", if map_type == MapType::Atomic { "atomic" } else { "granular" }.into());
        }
        if field.atomic_list {
            put("x-kubernetes-list-type", "atomic".into());
        }
        for (_, _, keyword, said) in
            AGAINST_THE_RULE.iter().filter(|rule| rule.0 == definition && *rule.1 == *field.name)
        {
            match said {
                Some(said) => value[keyword] = (*said).into(),
                None => drop(value.as_object_mut().and_then(|value| value.remove(*keyword))),
            }
        }
        // In v3 nothing may stand beside a reference.
        if !extras.is_empty() && self.dialect == Dialect::V3 && value.get("$ref").is_some() {
            value = json!({"allOf": [value]});
        }
        if let Value::Object(map) = &mut value {
            map.extend(extras);
        }
        value
    }

    /// A type where it is used: a reference to its definition, or the type itself.
    fn of(&mut self, schema: &Schema) -> Value {
        match &schema.kind {
            Kind::Object(object) if !object.name.is_empty() => self.refer(object.name.to_string()),
            Kind::Object(object) => self.object("", object),
            Kind::Quantity => self.refer("io.k8s.apimachinery.pkg.api.resource.Quantity".to_owned()),
            Kind::Time => self.refer(format!("{META}.Time")),
            Kind::MicroTime => self.refer(format!("{META}.MicroTime")),
            Kind::Duration => self.refer(format!("{META}.Duration")),
            Kind::FieldsV1 => self.refer(format!("{META}.FieldsV1")),
            Kind::IntOrString => self.refer("io.k8s.apimachinery.pkg.util.intstr.IntOrString".to_owned()),
            Kind::RawExtension => self.refer("io.k8s.apimachinery.pkg.runtime.RawExtension".to_owned()),
            Kind::Json if schema.definition.is_some() => {
                self.refer(schema.definition.as_deref().unwrap_or_default().into())
            }
            _ => self.scalar_or_container(schema),
        }
    }

    fn refer(&mut self, name: String) -> Value {
        // What the table has no definition for must not be referred to.
        if builtin(&name).is_none() {
            return json!({"type": "object"});
        }
        let value = reference(&name, self.dialect);
        self.referred.push(name);
        value
    }

    fn scalar_or_container(&mut self, schema: &Schema) -> Value {
        let mut value = match &schema.kind {
            Kind::Map { values, map_type } => {
                let mut of_values = self.of(values);
                if let (Value::Object(list), Kind::List { list_type: ListType::Atomic, .. }) =
                    (&mut of_values, &values.kind)
                {
                    // Lists in maps are always taken whole; upstream does not say so.
                    list.remove("x-kubernetes-list-type");
                }
                let mut value = json!({"type": "object", "additionalProperties": of_values});
                if *map_type == MapType::Atomic {
                    value["x-kubernetes-map-type"] = "atomic".into();
                }
                value
            }
            Kind::List { items, list_type } => {
                let mut value = json!({"type": "array", "items": self.of(items)});
                match list_type {
                    ListType::Atomic => value["x-kubernetes-list-type"] = "atomic".into(),
                    ListType::Set => value["x-kubernetes-list-type"] = "set".into(),
                    ListType::Map(keys) => {
                        value["x-kubernetes-list-type"] = "map".into();
                        value["x-kubernetes-list-map-keys"] = keys.iter().map(|key| Value::from(&**key)).collect();
                    }
                }
                value
            }
            Kind::String | Kind::Quantity | Kind::Duration => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "format": "byte"}),
            Kind::Int32 => json!({"type": "integer", "format": "int32"}),
            Kind::Int64 => json!({"type": "integer", "format": "int64"}),
            Kind::Number => json!({"type": "number", "format": "double"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Time | Kind::MicroTime => json!({"type": "string", "format": "date-time"}),
            Kind::IntOrString => json!({"type": "string", "format": "int-or-string"}),
            Kind::RawExtension | Kind::FieldsV1 => json!({"type": "object"}),
            Kind::Json | Kind::Object(_) => json!({}),
        };
        if !schema.enum_values.is_empty() {
            value["enum"] = schema.enum_values.iter().map(|word| Value::from(&**word)).collect();
        }
        value
    }
}
