//! A value together with the path that leads to it: what validation walks with.
//!
//! Missing fields read as Go's zero values, as upstream's validation sees them. The path is a chain of borrowed
//! segments on the stack and becomes text only when something is wrong, so that a valid object costs no allocation.

use crate::go_text::{go_list_text, go_text};
use api::field::{Error, ErrorList, Path};
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

    /// The value as it stands in a message.
    fn bad_value(&self) -> Value {
        self.value.cloned().unwrap_or(Value::Null)
    }

    /// `Required value`
    pub fn required(&self, detail: &str) -> Error {
        Error::required(&self.path(), detail)
    }

    /// `Invalid value`, quoting the value here.
    pub fn invalid(&self, detail: impl Into<String>) -> Error {
        Error::invalid(&self.path(), self.bad_value(), detail)
    }

    /// `Invalid value`, quoting the Go struct here, which is the internal form of `definition`.
    pub fn invalid_struct(&self, definition: &str, detail: impl Into<String>) -> Error {
        self.invalid(detail).printed_as(self.go_text(definition))
    }

    /// `Invalid value`, quoting the list of such structs here.
    pub fn invalid_structs(&self, definition: &str, detail: impl Into<String>) -> Error {
        let list = self.value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        self.invalid(detail).printed_as(go_list_text(definition, list))
    }

    /// `Duplicate value`, quoting the Go struct here, which is the internal form of `definition`.
    pub fn duplicate_struct(&self, definition: &str) -> Error {
        self.duplicate().printed_as(self.go_text(definition))
    }

    /// The value here as Go prints the internal form of `definition`; what is not there is a nil pointer.
    pub fn go_text(&self, definition: &str) -> String {
        if self.exists() { go_text(definition, self.value) } else { "null".to_owned() }
    }

    /// `Invalid value`, quoting another value.
    pub fn invalid_value(&self, value: impl Into<Value>, detail: impl Into<String>) -> Error {
        Error::invalid(&self.path(), value, detail)
    }

    /// `Invalid value` without the value (`field.OmitValueType`).
    pub fn wrong(&self, detail: &str) -> Error {
        self.invalid_value(Value::Null, "").printed_as(detail.to_owned())
    }

    /// `Forbidden`
    pub fn forbidden(&self, detail: impl Into<String>) -> Error {
        Error::forbidden(&self.path(), detail)
    }

    /// `Duplicate value`, quoting the value here.
    pub fn duplicate(&self) -> Error {
        Error::duplicate(&self.path(), self.bad_value())
    }

    /// `Not found`, quoting the string here.
    pub fn not_found(&self) -> Error {
        Error::not_found(&self.path(), self.str())
    }

    /// `Unsupported value`, quoting the string here. The supported ones are printed in the order given, as upstream
    /// sorts some lists and not others.
    pub fn not_supported(&self, supported: &[&str]) -> Error {
        self.not_supported_value(self.str(), supported)
    }

    /// `Unsupported value`, quoting another value.
    pub fn not_supported_value(&self, value: impl Into<Value>, supported: &[&str]) -> Error {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let mut error = Error::not_supported(&self.path(), value, &[]);
        error.detail = format!("supported values: {}", quoted.join(", "));
        error
    }

    /// `Too long`
    pub fn too_long(&self, max: usize) -> Error {
        Error::too_long(&self.path(), max)
    }

    /// `Too many`, when the list or map has more than `max` entries. Upstream looks no further then, so that a huge list
    /// costs nothing.
    pub fn is_too_many(&self, errors: &mut ErrorList, max: usize) -> bool {
        let too_many = self.len() > max;
        if too_many {
            errors.push(Error::too_many(&self.path(), self.len(), max));
        }
        too_many
    }

    /// `Invalid value` for each thing that `rule` finds wrong with the string here.
    pub fn check(&self, errors: &mut ErrorList, rule: impl Fn(&str) -> Vec<String>) {
        errors.extend(rule(self.str()).into_iter().map(|wrong| self.invalid_value(self.str(), wrong)));
    }

    /// The same by a rule that is younger than stored objects: what was there before may stay.
    pub fn check_unless_kept(&self, errors: &mut ErrorList, rule: impl Fn(&str) -> Vec<String>) {
        let wrong = rule(self.str()).into_iter();
        errors.extend(wrong.map(|wrong| self.invalid_value(self.str(), wrong).ratcheting()));
    }

    /// The string must be there.
    pub fn require(&self, errors: &mut ErrorList) {
        if self.is_empty() {
            errors.push(self.required(""));
        }
    }

    /// The string must be there and pass `rule`.
    pub fn require_and_check(&self, errors: &mut ErrorList, rule: impl Fn(&str) -> Vec<String>) {
        if self.is_empty() {
            errors.push(self.required(""));
        } else {
            self.check(errors, rule);
        }
    }

    /// The string, if there is one, must be one of `supported`.
    pub fn one_of(&self, errors: &mut ErrorList, supported: &[&str]) {
        if self.exists() && !supported.contains(&self.str()) {
            errors.push(self.not_supported(supported));
        }
    }

    /// The string must be there and be one of `supported`.
    pub fn require_one_of(&self, errors: &mut ErrorList, supported: &[&str]) {
        self.require(errors);
        if !self.is_empty() {
            self.one_of(errors, supported);
        }
    }

    /// `ValidateNonnegativeField`
    pub fn nonnegative(&self, errors: &mut ErrorList) {
        if self.int().is_some_and(|n| n < 0) {
            errors.push(self.invalid("must be greater than or equal to 0"));
        }
    }
}
