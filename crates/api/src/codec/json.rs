//! JSON: values with a report of duplicate keys.
//!
//! The common case is one pass that notes only *whether* a key came twice. Where one did, or where several strict errors
//! need sorting, a second pass walks the document for the paths in its order.

use super::{DecodeError, Decoded, MAX_DEPTH, go_json};
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
        Err(error) => Err(match go_json::syntax_error(body) {
            Some(words) => DecodeError::Json(words),
            None if go_json::depth(body) > MAX_DEPTH => DecodeError::TooDeep,
            None => DecodeError::Json(error.to_string()),
        }),
    }
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

/// Paths in the order of the document.
#[derive(Default)]
struct Paths {
    current: String,
    /// Each key's path, and whether it was there before in the same object.
    found: Vec<(String, bool)>,
}

/// Walks a value and notes the path of each key.
struct Walk<'a>(&'a mut Paths);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
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
            self.0.current.push_str(&format!("[{index}]"));
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
            let again = !keys.insert(key);
            self.0.found.push((self.0.current.clone(), again));
            entries.next_value_seed(Walk(self.0))?;
            self.0.current.truncate(length);
        }
        Ok(())
    }
}

fn paths(body: &[u8]) -> Vec<(String, bool)> {
    let mut paths = Paths::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match Walk(&mut paths).deserialize(&mut deserializer) {
        Ok(()) => paths.found,
        Err(_) => Vec::new(),
    }
}

fn duplicates(body: &[u8]) -> Vec<String> {
    paths(body).into_iter().filter(|(_, again)| *again).map(|(path, _)| format!("duplicate field {path:?}")).collect()
}

/// Where in the document each possible strict error arises. Empty when the body is not JSON.
pub(super) fn order(body: &[u8]) -> HashMap<String, usize> {
    let mut order = HashMap::new();
    for (place, (path, again)) in paths(body).into_iter().enumerate() {
        let error = if again { format!("duplicate field {path:?}") } else { format!("unknown field {path:?}") };
        order.entry(error).or_insert(place);
    }
    order
}
