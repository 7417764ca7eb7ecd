//! Reads `data/types.txt`.
//!
//! ```text
//! package io.k8s.api.core.v1              the names below are in it
//! scalar Quantity quantity                a definition that is a scalar
//! scalar AOrB json A                       any JSON, in which objects are of type A
//! type Pod atomic gvk=core/v1/Pod union=type:field=Value,…
//!  spec PodSpec ! write                   field, type, required, Go's zero value (drop when nothing is said), more facts
//! ```
//! Types are `string bytes int32 int64 number bool`, `[]T`, `{}T`, or a definition (of this package when without dots).
//! The file is part of the program and is checked by a test, so that what is malformed panics.

use super::builtin::Table;
use super::{
    Field, GroupVersionKind, Kind, ListType, MapType, Object, Origin, PatchStrategy, Ref, Schema, Union, Zero,
};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) static STRING: Schema = Schema::go(Kind::String);
static BYTES: Schema = Schema::go(Kind::Bytes);
static INT32: Schema = Schema::go(Kind::Int32);
static INT64: Schema = Schema::go(Kind::Int64);
static NUMBER: Schema = Schema::go(Kind::Number);
static BOOL: Schema = Schema::go(Kind::Bool);

/// One definition as the first pass finds it.
struct Definition {
    package: &'static str,
    /// The words after `type` or `scalar`.
    head: &'static str,
    is_scalar: bool,
    fields: Vec<&'static str>,
}

/// The table that `text` describes.
pub(super) fn table(text: &'static str) -> Table {
    let definitions = split(text);
    let mut names: HashMap<(&str, &str), u16> = HashMap::with_capacity(definitions.len());
    for (number, definition) in (0u16..).zip(&definitions) {
        names.insert((definition.package, first_word(definition.head)), number);
    }
    let mut table =
        Table { schemas: Vec::with_capacity(definitions.len()), by_name: HashMap::new(), by_gvk: HashMap::new() };
    for (number, definition) in (0u16..).zip(&definitions) {
        let name = full_name(definition);
        for gvk in definition.head.split(' ').filter_map(|word| word.strip_prefix("gvk=")) {
            let mut parts = gvk.split('/');
            let mut next = || parts.next().expect("types.txt: gvk=group/version/kind");
            table.by_gvk.insert((next(), next(), next()), number);
        }
        table.schemas.push(schema(definition, name, &names));
        table.by_name.insert(name, number);
    }
    mark(&mut table.schemas);
    table
}

/// Sets `defaulted` and `nulled` of every object. Types refer to each other, so that it takes some rounds until nothing changes.
fn mark(schemas: &mut [Schema]) {
    loop {
        let defaults: Vec<bool> = schemas.iter().map(Schema::has_defaults).collect();
        let nulls: Vec<bool> = schemas.iter().map(Schema::has_nulled).collect();
        let mut changed = false;
        for schema in schemas.iter_mut() {
            let Kind::Object(object) = &mut schema.kind else { continue };
            // `+default=""` on a field that drops empty strings does nothing.
            let idle = |field: &Field| {
                field.zero == Zero::Drop && field.default.as_deref() == Some(&serde_json::Value::from(""))
            };
            let has =
                |field: &Field| (field.default.is_some() && !idle(field)) || refers_to_marked(&field.schema, &defaults);
            let defaulted = numbers(&object.fields, has);
            let nulled = numbers(&object.fields, |field| {
                field.is_forgotten_when_empty() || refers_to_marked(&field.schema, &nulls)
            });
            changed |= defaulted != object.defaulted || nulled != object.nulled;
            (object.defaulted, object.nulled) = (defaulted, nulled);
        }
        if !changed {
            return;
        }
    }
}

/// The numbers of the fields that `wanted` takes.
pub(super) fn numbers(fields: &[Field], wanted: impl Fn(&Field) -> bool) -> Box<[usize]> {
    fields.iter().enumerate().filter(|(_, field)| wanted(field)).map(|(number, _)| number).collect()
}

/// Looks through lists and maps without dereferencing: the table is not there yet.
fn refers_to_marked(reference: &Ref, marked: &[bool]) -> bool {
    match reference {
        Ref::Builtin(number) => marked[usize::from(*number)],
        Ref::Static(_) => false,
        Ref::Owned(schema) => match &schema.kind {
            Kind::Map { values: below, .. } | Kind::List { items: below, .. } => refers_to_marked(below, marked),
            _ => false,
        },
    }
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or(line)
}

/// The definition's whole name. It lives as long as the program, as the table does.
fn full_name(definition: &Definition) -> &'static str {
    String::leak(format!("{}.{}", definition.package, first_word(definition.head)))
}

fn split(text: &'static str) -> Vec<Definition> {
    let mut package = "";
    let mut definitions: Vec<Definition> = Vec::with_capacity(600);
    for line in text.lines() {
        if let Some(field) = line.strip_prefix(' ') {
            definitions.last_mut().expect("types.txt: a field stands below a type").fields.push(field);
        } else if let Some(head) = line.strip_prefix("type ") {
            definitions.push(Definition { package, head, is_scalar: false, fields: Vec::new() });
        } else if let Some(head) = line.strip_prefix("scalar ") {
            definitions.push(Definition { package, head, is_scalar: true, fields: Vec::new() });
        } else if let Some(name) = line.strip_prefix("package ") {
            package = name;
        }
    }
    definitions
}

fn schema(definition: &Definition, name: &str, names: &HashMap<(&str, &str), u16>) -> Schema {
    if definition.is_scalar {
        let mut words = definition.head.split(' ').skip(1);
        let kind = scalar(words.next().unwrap_or_default());
        let json_object =
            words.next().and_then(|name| names.get(&(definition.package, name))).map(|at| Ref::Builtin(*at));
        return Schema { json_object, definition: Some(name.into()), ..Schema::go(kind) };
    }
    let mut object = Object {
        name: name.into(),
        fields: definition.fields.iter().map(|line| field(line, definition.package, names)).collect(),
        always: Box::new([]),
        defaulted: Box::new([]),
        nulled: Box::new([]),
        map_type: MapType::Granular,
        group_version_kinds: Box::new([]),
        unions: Box::new([]),
        preserve_unknown_fields: false,
        embedded_resource: false,
    };
    let (mut gvks, mut unions) = (Vec::new(), Vec::new());
    for word in definition.head.split(' ').skip(1) {
        match word.split_once('=') {
            None if word == "atomic" => object.map_type = MapType::Atomic,
            Some(("gvk", gvk)) => {
                let parts: Vec<&str> = gvk.split('/').collect();
                let [group, version, kind] = parts[..] else { panic!("types.txt: {word}") };
                gvks.push(GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() });
            }
            Some(("union", union)) => unions.push(parse_union(union)),
            _ => panic!("types.txt: {word} in {name}"),
        }
    }
    object.group_version_kinds = gvks.into();
    object.unions = unions.into();
    object.always = numbers(&object.fields, |field| matches!(field.zero, Zero::Write | Zero::WriteNull));
    Schema::go(Kind::Object(object))
}

fn parse_union(text: &str) -> Union {
    let (discriminator, fields) = text.split_once(':').expect("types.txt: union=discriminator:field=Value,…");
    let pairs = fields.split(',').filter_map(|pair| pair.split_once('='));
    Union { discriminator: discriminator.into(), fields: pairs.map(|(f, v)| (f.into(), v.into())).collect() }
}

fn scalar(word: &str) -> Kind {
    match word {
        "quantity" => Kind::Quantity,
        "time" => Kind::Time,
        "microtime" => Kind::MicroTime,
        "duration" => Kind::Duration,
        "intorstring" => Kind::IntOrString,
        "rawextension" => Kind::RawExtension,
        "fieldsv1" => Kind::FieldsV1,
        "json" => Kind::Json,
        _ => panic!("types.txt: scalar {word}"),
    }
}

fn field(line: &str, package: &str, names: &HashMap<(&str, &str), u16>) -> Field {
    let (words, enum_values) = match line.split_once(" enum=") {
        Some((words, list)) => (words, list.split('|').map(Box::from).collect()),
        None => (line, Vec::new()),
    };
    let mut words = words.split(' ');
    let name = words.next().unwrap_or_default();
    let type_name = words.next().unwrap_or_default();
    let mut facts = Facts { list_type: ListType::Atomic, map_type: None, enum_values };
    let mut field = Field {
        name: name.into(),
        schema: Ref::Static(&STRING),
        required: false,
        zero: Zero::Drop,
        default: None,
        patch: PatchStrategy::default(),
        map_type: None,
        atomic_list: false,
        go_type: None,
        embedded_in: None,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("!", _) => field.required = true,
            ("keep", _) => field.zero = Zero::Keep,
            ("write", _) => field.zero = Zero::Write,
            ("null", _) => field.zero = Zero::WriteNull,
            ("default", json) => {
                field.default = Some(Box::new(serde_json::from_str(json).expect("types.txt: default")))
            }
            ("go", go_type) => field.go_type = Some(go_type.into()),
            ("in", embedded) => field.embedded_in = Some(embedded.into()),
            ("merge", "") => field.patch.merge = true,
            ("merge", key) => (field.patch.merge, field.patch.merge_key) = (true, Some(key.into())),
            ("retainKeys", _) => field.patch.retain_keys = true,
            ("replace", _) => field.patch.replace = true,
            ("list", "atomic") => field.atomic_list = true,
            ("list", "set") => facts.list_type = ListType::Set,
            ("list", keys) => {
                let keys = keys.strip_prefix("map:").expect("types.txt: list=map:…");
                facts.list_type = ListType::Map(keys.split(',').map(Box::from).collect());
            }
            ("map", "atomic") => facts.map_type = Some(MapType::Atomic),
            ("map", _) => facts.map_type = Some(MapType::Granular),
            _ => panic!("types.txt: {word} in {line}"),
        }
    }
    field.schema = type_ref(type_name, package, names, &mut facts);
    field.map_type = facts.map_type;
    field
}

/// Facts of a field's line that belong to its type.
struct Facts {
    list_type: ListType,
    map_type: Option<MapType>,
    enum_values: Vec<Box<str>>,
}

fn type_ref(text: &str, package: &str, names: &HashMap<(&str, &str), u16>, facts: &mut Facts) -> Ref {
    if let Some(items) = text.strip_prefix("[]") {
        let list_type = std::mem::replace(&mut facts.list_type, ListType::Atomic);
        let items = type_ref(items, package, names, facts);
        return Ref::Owned(Arc::new(Schema::go(Kind::List { items, list_type })));
    }
    if let Some(values) = text.strip_prefix("{}") {
        let map_type = facts.map_type.take().unwrap_or(MapType::Granular);
        let values = type_ref(values, package, names, facts);
        return Ref::Owned(Arc::new(Schema::go(Kind::Map { values, map_type })));
    }
    let scalar = match text {
        "string" if facts.enum_values.is_empty() => &STRING,
        "string" => {
            let enum_values = std::mem::take(&mut facts.enum_values);
            return Ref::Owned(Arc::new(Schema { enum_values, origin: Origin::Go, ..Schema::go(Kind::String) }));
        }
        "bytes" => &BYTES,
        "int32" => &INT32,
        "int64" => &INT64,
        "number" => &NUMBER,
        "bool" => &BOOL,
        _ => {
            let key = text.rsplit_once('.').unwrap_or((package, text));
            return Ref::Builtin(*names.get(&key).unwrap_or_else(|| panic!("types.txt: no type {text}")));
        }
    };
    Ref::Static(scalar)
}
