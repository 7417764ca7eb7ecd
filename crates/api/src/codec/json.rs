//! JSON: values with a report of duplicate keys.
//!
//! The common case is one pass that notes only *whether* a key came twice. Where one did, or where several strict errors
//! need sorting, a second pass walks the document for the paths in its order.

use super::{DecodeError, Decoded, MAX_DEPTH, MAX_STRICT_ERRORS, go_json};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

/// Decodes one JSON value.
///
/// # Errors
/// In the words of Go's decoder; [`DecodeError::TooDeep`] beyond [`MAX_DEPTH`].
pub fn decode_json(body: &[u8]) -> Result<Decoded, DecodeError> {
    let duplicate = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let result = Build(&duplicate).deserialize(&mut deserializer).and_then(|v| deserializer.end().map(|()| v));
    match result {
        Ok(value) => {
            let duplicates = if duplicate.get() { duplicates(body) } else { Vec::new() };
            Ok(Decoded { value, duplicates })
        }
        Err(error) => match go_json::syntax_error(body) {
            Some(words) => Err(DecodeError::Json(words)),
            None if std::str::from_utf8(body).is_err() => decode_json(replaced(body).as_bytes()),
            None if go_json::depth(body) > MAX_DEPTH => Err(DecodeError::TooDeep),
            None => Err(match go_json::infinite_number(body) {
                Some(number) => DecodeError::Number(number.to_owned()),
                None => DecodeError::Json(error.to_string()),
            }),
        },
    }
}

/// Text with a sign of replacement for each byte that is none, as Go's decoder reads strings.
fn replaced(body: &[u8]) -> String {
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Builds a value and notes whether a key came twice.
#[derive(Clone, Copy)]
struct Build<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.insert(key, entries.next_value_seed(self)?).is_some() {
                self.0.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}

/// What is at a path that the walk comes by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The first of a key.
    Key,
    /// A key that was there before in the same object.
    KeyAgain,
    /// An item of a list.
    Item,
}

/// Paths in the order of the document. They are only shown, not kept: a body may have a million of them, each as long as
/// the body.
struct Paths<'a> {
    current: String,
    see: &'a mut dyn FnMut(&str, Seen),
}

/// Walks a value and notes the path of each key.
struct Walk<'a, 'b>(&'a mut Paths<'b>);

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let length = self.0.current.len();
        for index in 0usize.. {
            // The one beyond the last is seen too: nobody asks for it.
            self.0.current.push_str(&format!("[{index}]"));
            (self.0.see)(&self.0.current, Seen::Item);
            let more = items.next_element_seed(Walk(self.0))?;
            self.0.current.truncate(length);
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let length = self.0.current.len();
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if length > 0 {
                self.0.current.push('.');
            }
            self.0.current.push_str(&key);
            let seen = if keys.insert(key) { Seen::Key } else { Seen::KeyAgain };
            (self.0.see)(&self.0.current, seen);
            entries.next_value_seed(Walk(self.0))?;
            self.0.current.truncate(length);
        }
        Ok(())
    }
}

/// Shows all paths of a body, if it is JSON.
fn walk(body: &[u8], mut see: impl FnMut(&str, Seen)) {
    let mut paths = Paths { current: String::new(), see: &mut see };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // Where it is no JSON there is no order of it.
    let _ = Walk(&mut paths).deserialize(&mut deserializer);
}

/// How much of paths is told of one body.
const MAX_TOLD_BYTES: usize = 1 << 20;

fn duplicates(body: &[u8]) -> Vec<String> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    walk(body, |path, seen| {
        if seen == Seen::KeyAgain && found.len() < MAX_STRICT_ERRORS && bytes < MAX_TOLD_BYTES {
            bytes += path.len();
            found.push(format!("duplicate field {path:?}"));
        }
    });
    found
}

/// Sorts strict errors as they arise in the document; not at all if it is not JSON.
pub(super) fn sort_strict_errors(body: &[u8], errors: &mut [String]) {
    let longest = errors.iter().map(String::len).max().unwrap_or(0);
    let mut places: HashMap<&str, usize> = errors.iter().map(|error| (error.as_str(), usize::MAX)).collect();
    let mut at = 0;
    walk(body, |path, seen| {
        at += 1;
        if seen == Seen::Item || path.len() > longest {
            return;
        }
        let what = if seen == Seen::KeyAgain { "duplicate" } else { "unknown" };
        if let Some(place) = places.get_mut(format!("{what} field {path:?}").as_str()) {
            *place = at.min(*place);
        }
    });
    let places: HashMap<String, usize> = places.into_iter().map(|(error, at)| (error.to_owned(), at)).collect();
    errors.sort_by_key(|error| places.get(error).copied());
}

/// Where in the document each of these paths stands. Empty when the body is not JSON.
pub(super) fn places<'a>(body: &[u8], wanted: impl Iterator<Item = &'a str>) -> HashMap<String, usize> {
    let mut places: HashMap<String, usize> = wanted.map(|path| (path.to_owned(), usize::MAX)).collect();
    let longest = places.keys().map(String::len).max().unwrap_or(0);
    let mut at = 0;
    walk(body, |path, _| {
        at += 1;
        if path.len() <= longest
            && let Some(place) = places.get_mut(path)
        {
            *place = at.min(*place);
        }
    });
    places
}
