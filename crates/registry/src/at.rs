//! A value together with the path that leads to it: what validation walks with.
//!
//! Missing fields read as Go's zero values, as upstream's validation sees them. The path is a chain of borrowed
//! segments on the stack and becomes text only when something is wrong, so that a valid object costs no allocation.
//! What can be wrong there is in `errors`, the rules that many kinds share in `rules`.

mod errors;
mod rules;

use api::field::Path;
use serde_json::{Map, Value};

/// One step of a path.
#[derive(Clone, Copy, Debug)]
enum Segment<'p> {
    Root(&'p str),
    Child(&'p str),
    Index(usize),
    Key(&'p str),
}

/// A place in an object: the value (or its absence) and the path to it. `'p` is the life of the path, `'v` the object's.
#[derive(Clone, Copy, Debug)]
pub struct At<'p, 'v> {
    value: Option<&'v Value>,
    segment: Segment<'p>,
    parent: Option<&'p At<'p, 'v>>,
}

impl<'p, 'v> At<'p, 'v> {
    /// The object itself; its fields are named without a prefix.
    pub fn root(object: &'v Value) -> Self {
        Self { value: Some(object), segment: Segment::Root(""), parent: None }
    }

    /// A value under a path of its own, as `spec` of an object that is not at hand.
    pub fn named(path: &'p str, value: Option<&'v Value>) -> Self {
        Self { value, segment: Segment::Root(path), parent: None }
    }

    /// The field `name`.
    pub fn at<'q>(&'q self, name: &'q str) -> At<'q, 'v>
    where
        'p: 'q,
    {
        let value = match self.value {
            Some(Value::Object(map)) => map.get(name),
            _ => None,
        };
        At { value, segment: Segment::Child(name), parent: Some(self) }
    }

    /// The field `name`, shown as `shown` in the path: upstream's paths misname some fields.
    pub fn at_as<'q>(&'q self, name: &str, shown: &'q str) -> At<'q, 'v>
    where
        'p: 'q,
    {
        let value = match self.value {
            Some(Value::Object(map)) => map.get(name),
            _ => None,
        };
        At { value, segment: Segment::Child(shown), parent: Some(self) }
    }

    /// A value from elsewhere, under the path of a field here.
    pub fn elsewhere<'q>(&'q self, shown: &'q str, value: Option<&'v Value>) -> At<'q, 'v>
    where
        'p: 'q,
    {
        At { value, segment: Segment::Child(shown), parent: Some(self) }
    }

    /// The map entry `key`, shown as such: `data[key]`.
    pub fn key<'q>(&'q self, key: &'q str) -> At<'q, 'v>
    where
        'p: 'q,
    {
        let value = match self.value {
            Some(Value::Object(map)) => map.get(key),
            _ => None,
        };
        At { value, segment: Segment::Key(key), parent: Some(self) }
    }

    /// A value from elsewhere, under the path of a map's entry here.
    pub fn elsewhere_key<'q>(&'q self, shown: &'q str, value: Option<&'v Value>) -> At<'q, 'v>
    where
        'p: 'q,
    {
        At { value, segment: Segment::Key(shown), parent: Some(self) }
    }

    /// The list's elements; none when there is no list.
    pub fn items<'q>(&'q self) -> impl Iterator<Item = At<'q, 'v>> + use<'q, 'p, 'v>
    where
        'p: 'q,
    {
        let list: &[Value] = match self.value {
            Some(Value::Array(list)) => list,
            _ => &[],
        };
        list.iter().enumerate().map(move |(index, value)| At {
            value: Some(value),
            segment: Segment::Index(index),
            parent: Some(self),
        })
    }

    /// The map's entries, sorted by key; none when there is no map.
    pub fn entries<'q>(&'q self) -> impl Iterator<Item = (&'v str, At<'q, 'v>)> + use<'q, 'p, 'v>
    where
        'p: 'q,
        'v: 'q,
    {
        let map = match self.value {
            Some(Value::Object(map)) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(move |(key, value)| {
            (key.as_str(), At { value: Some(value), segment: Segment::Key(key), parent: Some(self) })
        })
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&'v Value> {
        self.value
    }

    /// Whether the field is there: a non-nil pointer, slice or map in Go's terms.
    pub fn exists(&self) -> bool {
        self.value.is_some_and(|v| !v.is_null())
    }

    /// The string; empty when missing.
    pub fn str(&self) -> &'v str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    /// The integer, if there is one.
    pub fn int(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    /// The boolean; false when missing.
    pub fn bool(&self) -> bool {
        self.value.and_then(Value::as_bool).unwrap_or_default()
    }

    /// The list or map has no entries, the string no characters, or there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries or bytes there are.
    pub fn len(&self) -> usize {
        match self.value {
            Some(Value::Array(list)) => list.len(),
            Some(Value::Object(map)) => map.len(),
            Some(Value::String(text)) => text.len(),
            None | Some(Value::Null) => 0,
            Some(Value::Bool(_) | Value::Number(_)) => 1,
        }
    }

    /// The map, if there is one.
    pub fn map(&self) -> Option<&'v Map<String, Value>> {
        self.value.and_then(Value::as_object)
    }

    /// The strings of a list of strings.
    pub fn strings(&self) -> impl Iterator<Item = &'v str> + use<'v> {
        let list: &[Value] = match self.value {
            Some(Value::Array(list)) => list,
            _ => &[],
        };
        list.iter().filter_map(Value::as_str)
    }

    /// The path as text.
    pub fn path(&self) -> Path {
        let above = self.parent.map(At::path);
        match (self.segment, above) {
            (Segment::Root(name) | Segment::Child(name), None) => Path::new(name),
            (Segment::Root(name) | Segment::Child(name), Some(above)) => above.child(name),
            (Segment::Index(index), above) => above.unwrap_or_default().index(index),
            (Segment::Key(key), above) => above.unwrap_or_default().key(key),
        }
    }
}
