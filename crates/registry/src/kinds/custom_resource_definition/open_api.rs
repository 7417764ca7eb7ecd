//! `validateCustomResourceDefinitionValidation`: what a schema may be at all, then whether it is structural, then its
//! defaults, then its rules.

use super::rules::{self, Context};
use super::{defaults, structural};
use crate::At;
use crate::go_text::go_text;
use api::field::{Error, ErrorList, Path};
use api::structural::format;
use serde_json::Value;

const JSON_SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// What may stand beside `type` at the root when `status` is taken out of the schema.
const ALLOWED_AT_ROOT: [&str; 13] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "required",
    "properties",
    "items",
];
/// The members of JSON schema that custom resources cannot have.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("id", "id is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("$ref", "$ref is not supported"),
];

/// What is known on the way down.
#[derive(Clone, Debug)]
struct Inside {
    /// Below `metadata` of a resource.
    metadata: bool,
    /// Why there may be no defaults.
    no_defaults: Option<String>,
    /// The list or combination that cuts the way to old values.
    uncorrelatable: Option<Path>,
    /// How often values stand here at most; none when only the size of a request tells.
    times: Option<u64>,
}

impl Inside {
    fn multiplied(&self, by: Option<u64>) -> Option<u64> {
        Some(self.times?.saturating_mul(by?))
    }
}

/// What is wrong with a `schema` (at the top: `validation`).
pub(super) fn validate(validation: &At<'_, '_>, status_enabled: bool, errors: &mut ErrorList) {
    let place = validation.at("openAPIV3Schema");
    let Some(schema) = place.value().filter(|schema| schema.is_object()) else { return };
    let path = place.path();
    let mut found = ErrorList::new();
    if status_enabled {
        check_root_for_status(schema, &path, &mut found);
    }
    if schema["nullable"] == true {
        found.push(Error::forbidden(&path.child("nullable"), "nullable cannot be true at the root"));
    }
    let mut context = None;
    if is_convertible(schema) {
        let wrong = structural::validate(schema, &path);
        if wrong.is_empty() {
            let wrong = defaults::validate(schema, &path);
            if wrong.is_empty() {
                context = Some(Context::new(schema));
            }
            found.extend(wrong);
        } else {
            found.extend(wrong);
        }
    }
    let mut walk = Walk { errors: ErrorList::new(), context };
    let root = Inside { metadata: false, no_defaults: None, uncorrelatable: None, times: Some(1) };
    walk.schema(schema, &path, &root, true);
    found.extend(walk.errors);
    if let Some(context) = walk.context {
        context.finish(&path, &mut found);
    }
    errors.extend(found);
}

fn check_root_for_status(schema: &Value, path: &Path, errors: &mut ErrorList) {
    if schema["type"].as_str().is_some_and(|kind| kind != "object") {
        let words =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(Error::invalid(&path.child("type"), schema["type"].clone(), words));
        return;
    }
    let allowed = |name: &str| {
        ALLOWED_AT_ROOT.contains(&name)
            || name.starts_with("x-kubernetes-")
            || matches!(
                name,
                "externalDocs" | "example" | "pattern" | "maxItems" | "minItems" | "uniqueItems" | "multipleOf"
            )
    };
    if schema.as_object().into_iter().flatten().any(|(name, _)| !allowed(name)) {
        let words = "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                     MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs \
                     Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the \
                     status subresource is enabled";
        let printed = go_text(JSON_SCHEMA, Some(schema));
        errors.push(Error::invalid(path, schema.clone(), words).printed_as(printed));
    }
}

/// Whether upstream can make a structural schema of it; if not, the reasons are reported elsewhere.
fn is_convertible(schema: &Value) -> bool {
    let Some(map) = schema.as_object() else { return true };
    if UNSUPPORTED.iter().any(|(name, _)| map.contains_key(*name)) || map.get("items").is_some_and(Value::is_array) {
        return false;
    }
    map.iter().all(|(name, value)| match name.as_str() {
        "items" | "additionalProperties" | "not" => is_convertible(value),
        "properties" => value.as_object().into_iter().flatten().all(|(_, below)| is_convertible(below)),
        "allOf" | "anyOf" | "oneOf" => value.as_array().into_iter().flatten().all(is_convertible),
        _ => true,
    })
}

struct Walk<'v> {
    errors: ErrorList,
    /// Where rules are compiled; none when the schema is too broken for types.
    context: Option<Context<'v>>,
}

impl<'v> Walk<'v> {
    /// `ValidateCustomResourceDefinitionOpenAPISchema`
    fn schema(&mut self, schema: &'v Value, path: &Path, inside: &Inside, is_root: bool) {
        let before = self.errors.len();
        self.standard(schema, path, inside);
        if schema["uniqueItems"] == true {
            let words = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.errors.push(Error::forbidden(&path.child("uniqueItems"), words));
        }
        self.below(schema, path, inside, is_root);
        self.extensions(schema, path);
        let rules = schema["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rules.is_empty() {
            return;
        }
        let at = path.child("x-kubernetes-validations");
        rules::validate_sources(rules, schema, &at, &mut self.errors);
        if self.errors.len() == before
            && let Some(context) = &mut self.context
        {
            context.compile(rules, schema, path, inside.uncorrelatable.as_ref(), inside.times, &mut self.errors);
        }
    }

    fn below(&mut self, schema: &'v Value, path: &Path, inside: &Inside, is_root: bool) {
        let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
        if let Some(values) = schema.get("additionalProperties") {
            let at = path.child("additionalProperties");
            if properties.is_some() {
                self.errors.push(Error::forbidden(&at, "additionalProperties and properties are mutual exclusive"));
            }
            if values.is_object() {
                let mut below = inside.clone();
                if inside.metadata {
                    below.no_defaults = Some("inside additionalProperties applying to object metadata".to_owned());
                }
                below.times = inside.multiplied(schema["maxProperties"].as_u64());
                self.schema(values, &at, &below, false);
            }
        }
        for (name, property) in properties.into_iter().flatten() {
            let mut below = inside.clone();
            let is_resource = is_root || schema["x-kubernetes-embedded-resource"] == true;
            if is_resource && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
                below.metadata = true;
                if is_root {
                    below.no_defaults = Some(format!("in top-level {name}"));
                }
            }
            self.schema(property, &path.child("properties").key(name), &below, false);
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            for (index, one) in schema[name].as_array().into_iter().flatten().enumerate() {
                self.nested(one, &path.child(name).index(index), inside, name);
            }
        }
        if let Some(not) = schema.get("not") {
            self.nested(not, &path.child("not"), inside, "not");
        }
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            let mut below = inside.clone();
            let correlatable = schema["x-kubernetes-list-type"] == "map";
            if !correlatable && below.uncorrelatable.is_none() {
                below.uncorrelatable = Some(path.clone());
            }
            below.times = inside.multiplied(schema["maxItems"].as_u64());
            self.schema(items, &path.child("items"), &below, false);
        }
    }

    /// Below a combination there are no types and no rules.
    fn nested(&mut self, schema: &'v Value, path: &Path, inside: &Inside, name: &str) {
        let context = self.context.take();
        let below = Inside { no_defaults: Some(format!("inside {name}")), ..inside.clone() };
        self.schema(schema, path, &below, false);
        self.context = context;
    }

    /// `specStandardValidatorV3`
    fn standard(&mut self, schema: &Value, path: &Path, inside: &Inside) {
        let errors = &mut self.errors;
        let kind = schema["type"].as_str().unwrap_or_default();
        if !kind.is_empty() && !TYPES.contains(&kind) {
            errors.push(Error::not_supported(&path.child("type"), kind, &TYPES));
        }
        if let (Some(reason), Some(_)) = (&inside.no_defaults, schema.get("default")) {
            errors.push(Error::forbidden(&path.child("default"), format!("must not be set {reason}")));
        }
        for (name, words) in UNSUPPORTED {
            if schema.get(name).is_some() {
                errors.push(Error::forbidden(&path.child(name), words));
            }
        }
        if kind == "null" {
            let words = "type cannot be set to null, use nullable as an alternative";
            errors.push(Error::forbidden(&path.child("type"), words));
        }
        if schema.get("items").is_some_and(Value::is_array) {
            errors.push(Error::forbidden(&path.child("items"), "items must be a schema object and not an array"));
        }
        if inside.metadata && schema["x-kubernetes-embedded-resource"] == true {
            let words = "must not be used inside of resource meta";
            errors.push(Error::forbidden(&path.child("x-kubernetes-embedded-resource"), words));
        }
        if kind == "array" && schema.get("items").is_none() {
            errors.push(Error::required(&path.child("items"), "must be specified"));
        }
    }

    fn extensions(&mut self, schema: &Value, path: &Path) {
        let errors = &mut self.errors;
        if schema["x-kubernetes-preserve-unknown-fields"] == false {
            let at = path.child("x-kubernetes-preserve-unknown-fields");
            errors.push(Error::invalid(&at, false, "must be true or undefined"));
        }
        let kind = schema["type"].as_str().unwrap_or_default();
        let mut wants_type = |wanted: &str, extension: &str| {
            if kind == wanted {
                return;
            }
            let words = format!("must be {wanted} if {extension} is specified");
            let at = path.child("type");
            errors.push(if kind.is_empty() { Error::required(&at, words) } else { Error::invalid(&at, kind, words) });
        };
        let (map_type, list_type) =
            (schema["x-kubernetes-map-type"].as_str(), schema["x-kubernetes-list-type"].as_str());
        if map_type.is_some() {
            wants_type("object", "x-kubernetes-map-type");
        }
        if list_type.is_some() {
            wants_type("array", "x-kubernetes-list-type");
        }
        if let Some(other) = map_type.filter(|word| !matches!(*word, "atomic" | "granular")) {
            errors.push(Error::not_supported(&path.child("x-kubernetes-map-type"), other, &["atomic", "granular"]));
        }
        if let Some(other) = list_type.filter(|word| !matches!(*word, "atomic" | "set" | "map")) {
            errors.push(Error::not_supported(&path.child("x-kubernetes-list-type"), other, &["atomic", "map", "set"]));
        }
        list_keys(schema, list_type, path, errors);
        list_items(schema, list_type, path, errors);
    }
}

/// `x-kubernetes-list-map-keys` and what they name.
fn list_keys(schema: &Value, list_type: Option<&str>, path: &Path, errors: &mut ErrorList) {
    let keys_at = path.child("x-kubernetes-list-map-keys");
    let list = &schema["x-kubernetes-list-map-keys"];
    let keys: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let words = "must be map if x-kubernetes-list-map-keys is non-empty";
    let type_at = path.child("x-kubernetes-list-type");
    match list_type {
        None if !keys.is_empty() => errors.push(Error::required(&type_at, words)),
        Some(other) if other != "map" && !keys.is_empty() => errors.push(Error::invalid(&type_at, other, words)),
        Some("map") if keys.is_empty() => {
            errors.push(Error::required(&keys_at, "must not be empty if x-kubernetes-list-type is map"));
        }
        _ => {}
    }
    if list_type != Some("map") {
        return;
    }
    let Some(items) = schema.get("items") else { return };
    let items_at = path.child("items");
    let kind = items["type"].as_str().unwrap_or_default();
    if kind != "object" {
        let words = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(Error::invalid(&items_at.child("type"), kind, words));
    }
    let required: Vec<&str> = items["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (at, key) in keys.iter().enumerate() {
        let place = items_at.child("properties").key(key);
        match items["properties"].get(key) {
            None => {
                let words = "entries must all be names of item properties";
                errors.push(Error::invalid(&keys_at, list.clone(), words));
            }
            Some(property) => {
                if let Some(kind @ ("array" | "object")) = property["type"].as_str() {
                    let words = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                    errors.push(Error::invalid(&place.child("type"), kind, words));
                }
                if !required.contains(key) && property.get("default").is_none() {
                    let words = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                                 required property";
                    errors.push(Error::required(&place.child("default"), words));
                }
                if property["nullable"] == true {
                    let words = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
                    errors.push(Error::forbidden(&place.child("nullable"), words));
                }
            }
        }
        if keys[..at].contains(key) {
            errors.push(Error::invalid(&keys_at, list.clone(), "must not contain duplicate entries"));
        }
    }
}

/// What items of sets and maps must be like.
fn list_items(schema: &Value, list_type: Option<&str>, path: &Path, errors: &mut ErrorList) {
    let (Some(list_type @ ("set" | "map")), Some(items)) = (list_type, schema.get("items")) else { return };
    let at = path.child("items");
    if items["nullable"] == true {
        let words = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(Error::forbidden(&at.child("nullable"), words));
    }
    if list_type != "set" {
        return;
    }
    let must_be_atomic = |extension: &str| -> Option<Error> {
        let is = items[extension].as_str();
        let words = "must be atomic as item of a list with x-kubernetes-list-type=set";
        (is != Some("atomic")).then(|| Error::invalid(&at.child(extension), items[extension].clone(), words))
    };
    match items["type"].as_str() {
        Some("object") => errors.extend(must_be_atomic("x-kubernetes-map-type")),
        Some("array") if items.get("x-kubernetes-list-type").is_some() => {
            errors.extend(must_be_atomic("x-kubernetes-list-type"));
        }
        _ => {}
    }
}

/// Formats that are ignored since nobody knows them; each once.
pub(super) fn unrecognized_formats(spec: &Value) -> Vec<String> {
    fn walk(schema: &Value, found: &mut Vec<String>) {
        if let Some(name) = schema["format"].as_str()
            && !name.is_empty()
            && format::supported(name).is_empty()
            && !found.iter().any(|one| one == name)
        {
            found.push(name.to_owned());
        }
        for below in ["items", "additionalProperties", "not"] {
            if let Some(below) = schema.get(below) {
                walk(below, found);
            }
        }
        for below in ["allOf", "anyOf", "oneOf"] {
            schema[below].as_array().into_iter().flatten().for_each(|below| walk(below, found));
        }
        schema["properties"].as_object().into_iter().flatten().for_each(|(_, below)| walk(below, found));
    }
    let mut found = Vec::new();
    for version in spec["versions"].as_array().into_iter().flatten() {
        walk(&version["schema"]["openAPIV3Schema"], &mut found);
    }
    found.sort();
    found
}
