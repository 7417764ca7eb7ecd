//! Values as upstream's messages quote them: Go's internal structs, encoded as JSON.
//!
//! Internal types have no JSON tags, so that every field is written under its Go name and in the order of its
//! declaration, `null` or zero where nothing is set. `data/go-structs.txt` has names and order; whether a field is a
//! pointer, a list or a value follows from the type table of `api`. A type that is not in the file is printed as its
//! plain JSON. Not here: text that Go prints in its own syntax (see `diff`).

use api::field::go_json;
use api::schema::{Field, Kind, Object, Schema, Zero, builtin};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One field of an internal struct.
#[derive(Clone, Copy, Debug, PartialEq)]
enum GoField {
    /// A field that is always written.
    Plain {
        go: &'static str,
        json: Json,
        /// The value stands in the object above the struct.
        from_above: bool,
        /// Internally no pointer, although the external field is one.
        value: bool,
    },
    /// A field with a tag of its own: written when it is set.
    Tagged(&'static str),
    /// A struct whose fields are written among the others.
    Embedded(&'static str),
}

/// The name of the external field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Json {
    Named(&'static str),
    /// The Go name, whatever its case.
    LikeGo,
}

/// The file's lines by definition.
static STRUCTS: LazyLock<HashMap<String, Vec<GoField>>> = LazyLock::new(|| {
    let mut package = "";
    let mut structs = HashMap::new();
    for line in include_str!("../data/go-structs.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("package ") {
            package = name;
        } else if let Some((name, fields)) = line.split_once(':') {
            structs.insert(format!("{package}.{name}"), fields.split_whitespace().map(field).collect());
        }
    }
    structs
});

fn field(word: &'static str) -> GoField {
    if let Some(json) = word.strip_prefix('*') {
        return GoField::Embedded(json);
    }
    if word.starts_with(|c: char| c.is_ascii_lowercase()) {
        return GoField::Tagged(word);
    }
    let (from_above, word) = word.strip_prefix('^').map_or((false, word), |word| (true, word));
    let (value, word) = word.strip_suffix('!').map_or((false, word), |word| (true, word));
    let (go, json) = word.split_once('=').map_or((word, Json::LikeGo), |(go, json)| (go, Json::Named(json)));
    GoField::Plain { go, json, from_above, value }
}

/// `value` as Go prints the internal form of the built-in type `definition` (`io.k8s.api.core.v1.PodSpec`); nothing is
/// printed as the type's zero value.
pub(crate) fn go_text(definition: &str, value: Option<&Value>) -> String {
    let mut text = String::new();
    match builtin(definition) {
        Some(schema) => write(&mut text, schema, value, None),
        None => text.push_str(&go_json(value.unwrap_or(&Value::Null))),
    }
    text
}

/// Only these fields of a struct, by their Go names and in its order: a struct that is embedded in it.
pub(crate) fn go_text_of(definition: &str, names: &[&str], value: &Value) -> String {
    let mut written = Vec::new();
    let object = builtin(definition).and_then(Schema::object);
    if let Some((object, fields)) = object.and_then(|object| Some((object, STRUCTS.get(&*object.name)?))) {
        collect(&mut written, Struct { object, map: value.as_object() }, fields, None);
    }
    written.retain(|(name, _)| names.contains(name));
    let mut text = String::new();
    write_fields(&mut text, written);
    text
}

/// A compact text as `json.MarshalIndent` sets it, with one space a level.
pub(crate) fn indented(compact: &str) -> String {
    let mut text = String::with_capacity(compact.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let new_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', depth));
    };
    let mut rest = compact.chars().peekable();
    while let Some(c) = rest.next() {
        if quoted {
            text.push(c);
            (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
            continue;
        }
        match c {
            '{' | '[' => {
                text.push(c);
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            other => {
                quoted = other == '"';
                text.push(other);
            }
        }
    }
    text
}

/// A list of such values.
pub(crate) fn go_list_text(definition: &str, values: &[Value]) -> String {
    let items: Vec<String> = values.iter().map(|value| go_text(definition, Some(value))).collect();
    format!("[{}]", items.join(","))
}

/// A struct's type and what is set of it.
#[derive(Clone, Copy)]
struct Struct<'v> {
    object: &'v Object,
    map: Option<&'v Map<String, Value>>,
}

impl<'v> Struct<'v> {
    /// The external field of a Go name, and its value.
    fn field(self, go: &str, json: Json) -> Option<(&'v Field, Option<&'v Value>)> {
        let field = match json {
            Json::Named(name) => self.object.field(name),
            Json::LikeGo => self.object.fields.iter().find(|field| field.name.eq_ignore_ascii_case(go)),
        }?;
        Some((field, self.map.and_then(|map| map.get(&*field.name)).filter(|value| !value.is_null())))
    }
}

/// `above` is the struct that holds the value.
fn write(text: &mut String, schema: &Schema, value: Option<&Value>, above: Option<Struct>) {
    match (&schema.kind, value.filter(|value| !value.is_null())) {
        (Kind::Object(object), value) => {
            write_struct(text, Struct { object, map: value.and_then(Value::as_object) }, above);
        }
        (Kind::Map { values, .. }, Some(Value::Object(map))) => {
            separated(text, ['{', '}'], map.iter(), |text, (key, value)| {
                text.push_str(&go_json(&key.as_str().into()));
                text.push(':');
                write(text, values, Some(value), None);
            });
        }
        (Kind::List { items, .. }, Some(Value::Array(list))) => {
            separated(text, ['[', ']'], list.iter(), |text, item| write(text, items, Some(item), None));
        }
        (Kind::Json, Some(value)) => write_json(text, schema, value),
        (_, Some(value)) => text.push_str(&go_json(value)),
        (kind, None) => text.push_str(zero(kind)),
    }
}

/// What Go writes for a value that was never set.
fn zero(kind: &Kind) -> &'static str {
    match kind {
        Kind::String => "\"\"",
        Kind::Quantity => "\"0\"",
        Kind::Duration => "\"0s\"",
        Kind::Int32 | Kind::Int64 | Kind::Number | Kind::IntOrString => "0",
        Kind::Bool => "false",
        Kind::Object(_) | Kind::Map { .. } | Kind::List { .. } | Kind::Bytes | Kind::Time | Kind::MicroTime => "null",
        Kind::RawExtension | Kind::FieldsV1 | Kind::Json => "null",
    }
}

/// `begin first,second,… end`
fn separated<T>(
    text: &mut String,
    [begin, end]: [char; 2],
    items: impl Iterator<Item = T>,
    mut one: impl FnMut(&mut String, T),
) {
    text.push(begin);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        one(text, item);
    }
    text.push(end);
}

fn write_struct(text: &mut String, own: Struct, above: Option<Struct>) {
    let Some(fields) = STRUCTS.get(&*own.object.name) else {
        text.push_str(&own.map.map_or_else(|| "{}".to_owned(), |map| go_json(&Value::Object(map.clone()))));
        return;
    };
    let mut written = Vec::with_capacity(fields.len());
    collect(&mut written, own, fields, above);
    write_fields(text, written);
}

fn write_fields(text: &mut String, written: Vec<(&'static str, String)>) {
    separated(text, ['{', '}'], written.into_iter(), |text, (name, value)| {
        text.push_str(&go_json(&name.into()));
        text.push(':');
        text.push_str(&value);
    });
}

/// The fields of a struct and of those that are embedded in it, with their values' text.
fn collect(written: &mut Vec<(&'static str, String)>, own: Struct, fields: &[GoField], above: Option<Struct>) {
    for field in fields {
        let mut text = String::new();
        match *field {
            GoField::Embedded(json) => {
                let Some((field, value)) = own.field(json, Json::Named(json)) else { continue };
                let embedded = field.schema.object().and_then(|object| Some((object, STRUCTS.get(&*object.name)?)));
                if let Some((object, fields)) = embedded {
                    collect(written, Struct { object, map: value.and_then(Value::as_object) }, fields, None);
                }
            }
            GoField::Tagged(json) => {
                if let Some((field, Some(value))) = own.field(json, Json::Named(json)) {
                    write(&mut text, &field.schema, Some(value), Some(own));
                    written.push((json, text));
                }
            }
            GoField::Plain { go, json, from_above, value: is_value } => {
                let holder = if from_above { above } else { Some(own) };
                let Some((field, value)) = holder.and_then(|holder| holder.field(go, json)) else { continue };
                if value.is_none() && !is_value && matches!(field.zero, Zero::Keep | Zero::WriteNull) {
                    text.push_str("null");
                } else {
                    write(&mut text, &field.schema, value, Some(own));
                }
                written.push((go, text));
            }
        }
    }
}

/// Values of a custom resource's schema that are of several types: internally a struct of pointers, one of them set.
fn write_json(text: &mut String, schema: &Schema, value: &Value) {
    let kind = schema.definition.as_deref().and_then(|name| name.rsplit('.').next()).unwrap_or_default();
    let one = |text: &mut String, value: &Value| match &schema.json_object {
        Some(object) => write(text, object, Some(value), None),
        None => text.push_str(&go_json(value)),
    };
    let (before, after) = match (kind, value) {
        ("JSONSchemaPropsOrArray", Value::Object(_)) => ("{\"Schema\":", ",\"JSONSchemas\":null}"),
        ("JSONSchemaPropsOrArray", _) => ("{\"Schema\":null,\"JSONSchemas\":", "}"),
        ("JSONSchemaPropsOrBool", Value::Object(_)) => ("{\"Allows\":true,\"Schema\":", "}"),
        ("JSONSchemaPropsOrBool", _) => ("{\"Allows\":", ",\"Schema\":null}"),
        ("JSONSchemaPropsOrStringArray", Value::Object(_)) => ("{\"Schema\":", ",\"Property\":null}"),
        ("JSONSchemaPropsOrStringArray", _) => ("{\"Schema\":null,\"Property\":", "}"),
        _ => ("", ""),
    };
    text.push_str(before);
    match value {
        Value::Object(_) => one(text, value),
        Value::Array(list) if kind == "JSONSchemaPropsOrArray" => separated(text, ['[', ']'], list.iter(), one),
        other => text.push_str(&go_json(other)),
    }
    text.push_str(after);
}

#[cfg(test)]
mod tests;
