//! The field numbers of every message, from `data/protobuf.txt` (its head says how to read it).

use std::collections::HashMap;
use std::sync::LazyLock;

/// How a field stands in the JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    One,
    /// A list.
    Repeated,
    /// A map from strings.
    Map,
    /// Its own fields stand in the object around it.
    Inline,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A float.
    Double,
    /// base64 in JSON.
    Bytes,
    /// Another message.
    Message(&'static str),
}

/// A field of a message.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key in JSON.
    pub name: &'static str,
    /// The number on the wire.
    pub number: u32,
    /// How it stands there.
    pub shape: Shape,
    /// What it is.
    pub kind: Kind,
}

static TABLE: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let lines = include_str!("../../data/protobuf.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.filter_map(field).collect()))
        })
        .collect()
});

fn field(word: &'static str) -> Option<Field> {
    let (name, rest) = word.split_once('=')?;
    let (number, kind) = rest.split_once(':')?;
    let shape = match name.as_bytes().last()? {
        b'*' => Shape::Repeated,
        b'%' => Shape::Map,
        b'^' => Shape::Inline,
        _ => Shape::One,
    };
    let kind = match kind {
        "s" => Kind::String,
        "b" => Kind::Bool,
        "i" => Kind::Integer,
        "d" => Kind::Double,
        "B" => Kind::Bytes,
        name => Kind::Message(name),
    };
    Some(Field { name: name.trim_end_matches(['*', '%', '^']), number: number.parse().ok()?, shape, kind })
}

/// The fields of a message; none for one that is not known.
pub fn message(name: &str) -> &'static [Field] {
    TABLE.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// The fields of an object's type.
pub fn object(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    if matches!(kind, "DeleteOptions" | "APIGroup" | "APIGroupList" | "APIResourceList" | "APIVersions") {
        return TABLE.get(format!("meta.v1.{kind}").as_str()).map(Vec::as_slice);
    }
    let package = match group {
        "flowcontrol.apiserver.k8s.io" => "flowcontrol",
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    };
    TABLE.get(format!("{package}.{version}.{kind}").as_str()).map(Vec::as_slice)
}

/// Every type that a field names is in the table.
#[cfg(test)]
pub fn check() {
    assert!(TABLE.len() > 400);
    for (name, fields) in TABLE.iter() {
        for field in fields {
            if let Kind::Message(inner) = field.kind {
                assert!(TABLE.contains_key(inner), "{name}.{}: {inner}", field.name);
            }
        }
    }
}
