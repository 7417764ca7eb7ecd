//! `ValidateStructural`: the rules by which a schema says of every field what it is
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/validation.go`).

use api::field::{Error, ErrorList, Path};
use api::structural::Pattern;
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What is wrong, sorted by text as upstream sorts it.
pub(super) fn validate(schema: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    invariants(schema, Level::Root, path, &mut errors);
    // Upstream asks this of what is said at the root alone.
    combinations(schema, schema, path, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn flag(schema: &Value, name: &str) -> bool {
    schema[name] == true
}

fn text<'v>(schema: &'v Value, name: &str) -> &'v str {
    schema[name].as_str().unwrap_or_default()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn list<'v>(schema: &'v Value, name: &str) -> impl Iterator<Item = (usize, &'v Value)> + use<'v> {
    schema[name].as_array().into_iter().flatten().enumerate()
}

fn invariants(schema: &Value, level: Level, path: &Path, errors: &mut ErrorList) {
    match schema.get("items") {
        Some(items) => invariants(items, Level::Item, &path.child("items"), errors),
        None if text(schema, "type") == "array" => {
            errors.push(Error::required(&path.child("items"), "must be specified"));
        }
        None => {}
    }
    for (name, property) in properties(schema) {
        invariants(property, Level::Field, &path.child("properties").key(name), errors);
    }
    let additional = path.child("additionalProperties");
    if let Some(values) = schema.get("additionalProperties") {
        if level == Level::Root {
            errors.push(Error::forbidden(&additional, "must not be used at the root"));
        }
        if values.is_object() {
            invariants(values, Level::Field, &additional, errors);
        }
    }
    extensions(schema, path, errors);
    let skips = IntOrString::of(schema);
    value_validation(schema, skips, path, errors);
    let kind = text(schema, "type");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let type_at = path.child("type");
    if embedded && kind != "object" {
        let words = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if kind.is_empty() {
            Error::required(&type_at, words)
        } else {
            Error::invalid(&type_at, kind, words)
        });
    } else if kind.is_empty()
        && !flag(schema, "x-kubernetes-int-or-string")
        && !flag(schema, "x-kubernetes-preserve-unknown-fields")
    {
        let words = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(Error::required(&type_at, words));
    }
    if embedded && schema.get("additionalProperties").is_some() {
        errors.push(Error::forbidden(&additional, "must not be used if x-kubernetes-embedded-resource is set"));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(Error::invalid(&type_at, kind, "must be object at the root"));
    }
    if level == Level::Root || embedded {
        resource_members(schema, level, path, errors);
    }
    let has_properties = schema["properties"].as_object().is_some_and(|map| !map.is_empty());
    if embedded && !flag(schema, "x-kubernetes-preserve-unknown-fields") && !has_properties {
        let words =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(Error::required(&path.child("properties"), words));
    }
}

/// `kind`, `apiVersion` and `metadata` of resources are given; of the metadata of the resource itself only names may be
/// restricted.
fn resource_members(schema: &Value, level: Level, path: &Path, errors: &mut ErrorList) {
    let at = |name: &str| path.child("properties").key(name);
    for name in ["kind", "apiVersion"] {
        if let Some(member) = schema["properties"].get(name)
            && text(member, "type") != "string"
        {
            errors.push(Error::invalid(&at(name).child("type"), text(member, "type"), "must be string"));
        }
    }
    let Some(metadata) = schema["properties"].get("metadata") else { return };
    if text(metadata, "type") != "object" {
        let place = at("metadata").child("type");
        errors.push(Error::invalid(&place, text(metadata, "type"), "must be object"));
    }
    let mut rest = metadata.clone();
    if level == Level::Root
        && let Value::Object(map) = &mut rest
    {
        map.remove("type");
        map.remove("default");
        if let Some(Value::Object(below)) = map.get_mut("properties") {
            below.remove("name");
            below.remove("generateName");
            if below.is_empty() {
                map.remove("properties");
            }
        }
        if !map.is_empty() {
            let words =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(Error::forbidden(&at("metadata"), words));
        }
    }
}

fn extensions(schema: &Value, path: &Path, errors: &mut ErrorList) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, name) {
            errors.push(Error::invalid(&path.child(name), true, "must be false if x-kubernetes-int-or-string is true"));
        }
    }
}

/// The two forms in which a schema may say once more that something is an integer or a string.
#[derive(Clone, Copy, Debug, Default)]
struct IntOrString {
    skip_any_of: bool,
    skip_first_all_of: bool,
}

impl IntOrString {
    fn of(schema: &Value) -> Self {
        let both = json!([{"type": "integer"}, {"type": "string"}]);
        Self { skip_any_of: schema["anyOf"] == both, skip_first_all_of: schema["allOf"][0]["anyOf"] == both }
    }
}

fn value_validation(schema: &Value, skips: IntOrString, path: &Path, errors: &mut ErrorList) {
    for (index, one) in list(schema, "anyOf").filter(|_| !skips.skip_any_of) {
        nested(one, IntOrString::default(), &path.child("anyOf").index(index), errors);
    }
    for (index, one) in list(schema, "allOf") {
        let skips = IntOrString { skip_any_of: skips.skip_first_all_of && index == 0, skip_first_all_of: false };
        nested(one, skips, &path.child("allOf").index(index), errors);
    }
    for (index, one) in list(schema, "oneOf") {
        nested(one, IntOrString::default(), &path.child("oneOf").index(index), errors);
    }
    if let Some(not) = schema.get("not") {
        nested(not, IntOrString::default(), &path.child("not"), errors);
    }
    if let Err(error) = Pattern::compile(text(schema, "pattern")) {
        let words = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(Error::invalid(&path.child("pattern"), text(schema, "pattern"), words));
    }
}

/// Inside combinations only values are judged; what things are is said outside.
fn nested(schema: &Value, skips: IntOrString, path: &Path, errors: &mut ErrorList) {
    value_validation(schema, skips, path, errors);
    if let Some(items) = schema.get("items") {
        nested(items, IntOrString::default(), &path.child("items"), errors);
    }
    for (name, property) in properties(schema) {
        nested(property, IntOrString::default(), &path.child("properties").key(name), errors);
    }
    let forbidden = [
        ("type", "must be empty to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ];
    for (name, words) in forbidden.into_iter().filter(|(name, _)| schema.get(*name).is_some()) {
        errors.push(Error::forbidden(&path.child(name), words));
    }
    let flags = [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
    ];
    for name in flags.into_iter().filter(|name| flag(schema, name)) {
        errors.push(Error::forbidden(&path.child(name), "must be false to be structural"));
    }
    if schema.get("additionalProperties").is_some_and(|values| *values != false) {
        errors.push(Error::forbidden(&path.child("additionalProperties"), "must be undefined to be structural"));
    }
    if schema["properties"].get("metadata").is_some() {
        let at = path.child("properties").key("metadata");
        errors.push(Error::forbidden(&at, "must not be specified in a nested context"));
    }
}

/// What combinations speak of must be specified outside of them.
fn combinations(values: &Value, outside: &Value, path: &Path, values_path: &Path, errors: &mut ErrorList) {
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, one) in list(values, name) {
            specified(one, Some(outside), path, &values_path.child(name).index(index), errors);
        }
    }
    if let Some(not) = values.get("not") {
        specified(not, Some(outside), path, &values_path.child("not"), errors);
    }
}

fn specified(values: &Value, outside: Option<&Value>, path: &Path, values_path: &Path, errors: &mut ErrorList) {
    let Some(outside) = outside else {
        errors.push(Error::required(path, format!("because it is defined in {values_path}")));
        return;
    };
    combinations(values, outside, path, values_path, errors);
    if let Some(items) = values.get("items") {
        let (path, values_path) = (path.child("items"), values_path.child("items"));
        specified(items, outside.get("items"), &path, &values_path, errors);
    }
    let empty = Map::new();
    let known = outside["properties"].as_object().unwrap_or(&empty);
    for (name, property) in properties(values) {
        let step = |path: &Path| path.child("properties").key(name);
        specified(property, known.get(name), &step(path), &step(values_path), errors);
    }
}
