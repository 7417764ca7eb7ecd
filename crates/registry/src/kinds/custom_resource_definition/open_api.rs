//! `validateCustomResourceDefinitionValidation`: what a schema may be at all, then whether it is structural, then its
//! defaults, then its rules.

use super::rules::{self, Context};
use super::{defaults, extensions, structural};
use crate::At;
use crate::go_text::go_text;
use api::field::{Error, ErrorList, Path};
use serde_json::Value;

const JSON_SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// What may stand beside `type` at the root when `status` is taken out of the schema.
const ALLOWED_AT_ROOT: [&str; 22] = [
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
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
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
    let mut walk = Walk { errors: ErrorList::new(), of_rules: ErrorList::new(), context };
    let root = Inside { metadata: false, no_defaults: None, uncorrelatable: None, times: Some(1) };
    walk.schema(schema, &path, &root, true);
    found.extend(walk.errors);
    found.extend(walk.of_rules);
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
    if schema.as_object().into_iter().flatten().any(|(name, _)| !ALLOWED_AT_ROOT.contains(&name.as_str())) {
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
    /// What is wrong with rules comes after all that is wrong with schemas.
    of_rules: ErrorList,
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
        extensions::validate(schema, path, &mut self.errors);
        let rules = schema["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rules.is_empty() {
            return;
        }
        let at = path.child("x-kubernetes-validations");
        rules::validate_sources(rules, schema, &at, &mut self.errors);
        if self.errors.len() == before
            && let Some(context) = &mut self.context
        {
            context.compile(rules, schema, path, inside.uncorrelatable.as_ref(), inside.times, &mut self.of_rules);
        }
    }

    fn below(&mut self, schema: &'v Value, path: &Path, inside: &Inside, is_root: bool) {
        let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
        if let Some(values) = schema.get("additionalProperties") {
            let at = path.child("additionalProperties");
            if properties.is_some() && values != true {
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
        if let Some(not) = schema.get("not") {
            self.nested(not, &path.child("not"), inside);
        }
        for name in ["allOf", "oneOf", "anyOf"] {
            for (index, one) in schema[name].as_array().into_iter().flatten().enumerate() {
                self.nested(one, &path.child(name).index(index), inside);
            }
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
    fn nested(&mut self, schema: &'v Value, path: &Path, inside: &Inside) {
        let context = self.context.take();
        self.schema(schema, path, inside, false);
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
    }
}
