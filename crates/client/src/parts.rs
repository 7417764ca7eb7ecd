//! Decoding parts of objects: what an informer never keeps is passed over in the text, and no memory is taken for it.
//!
//! `managedFields` cost as much as all the rest of an object, only to be thrown away, and most of a pod is for kubelets
//! alone. What not: which parts those are; that is said where objects are kept.

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use std::borrow::Cow;
use std::fmt;

/// What is decoded of a field.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// All of it.
    Whole,
    /// Nothing, as if it were not there.
    Nothing,
    /// These fields of it; of a list, those of each item.
    Fields(&'a Fields<'a>),
}

/// What is decoded of an object.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// By name.
    pub named: &'a [(&'a str, Part<'a>)],
    /// All that are not named.
    pub others: Part<'a>,
}

impl<'a> Fields<'a> {
    fn part(&self, name: &str) -> Part<'a> {
        self.named.iter().find(|(field, _)| *field == name).map_or(self.others, |(_, part)| *part)
    }
}

/// Decodes JSON without the fields that are not wanted.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(json: &'de [u8], fields: &Fields<'_>) -> serde_json::Result<T> {
    let mut text = serde_json::Deserializer::from_slice(json);
    let value = T::deserialize(Partly { inner: &mut text, fields })?;
    text.end()?;
    Ok(value)
}

/// A deserializer, visitor, sequence or seed that hands on only what is wanted.
struct Partly<'a, T> {
    inner: T,
    fields: &'a Fields<'a>,
}

impl<'a, T> Partly<'a, T> {
    fn with<U>(&self, inner: U) -> Partly<'a, U> {
        Partly { inner, fields: self.fields }
    }
}

macro_rules! forward_to_inner {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.with(visitor);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Partly<'_, D> {
    type Error = D::Error;

    forward_to_inner! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_ignored_any() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str) deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

macro_rules! forward_values {
    ($($method:ident($type:ty))*) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Partly<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_values! {
        visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) visit_borrowed_str(&'de str)
        visit_string(String)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<V::Value, D::Error> {
        let some = self.with(some);
        self.inner.visit_some(some)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inside: D) -> Result<V::Value, D::Error> {
        let inside = self.with(inside);
        self.inner.visit_newtype_struct(inside)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.with(items);
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(PartlyMap { inner: map, fields: self.fields, next: Part::Whole })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(data)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Partly<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.with(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Partly<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        let from = self.with(from);
        self.inner.deserialize(from)
    }
}

struct PartlyMap<'a, A> {
    inner: A,
    fields: &'a Fields<'a>,
    /// Of the field whose name was given last.
    next: Part<'a>,
}

/// A field's name, which is copied only where it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for PartlyMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Name(name)) = self.inner.next_key()? {
            self.next = self.fields.part(&name);
            if !matches!(self.next, Part::Nothing) {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            self.inner.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.next {
            Part::Whole => self.inner.next_value_seed(seed),
            Part::Fields(fields) => self.inner.next_value_seed(Partly { inner: seed, fields }),
            Part::Nothing => Err(A::Error::custom("a value was asked for that has no name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Part, from_slice};
    use expect_test::{Expect, expect};
    use serde_json::Value;

    const ONLY_NAME: Fields<'_> = Fields { named: &[("name", Part::Whole)], others: Part::Nothing };
    const SOME: Fields<'_> =
        Fields { named: &[("gone", Part::Nothing), ("items", Part::Fields(&ONLY_NAME))], others: Part::Whole };

    fn check(given: &str, left: Expect) {
        let decoded: Result<Value, _> = from_slice(given.as_bytes(), &SOME);
        left.assert_eq(&decoded.map_or_else(|error| error.to_string(), |value| value.to_string()));
    }

    #[test]
    fn fields_are_left_out_at_their_place_and_nowhere_else() {
        check(r#"{"gone":{"a":[1,"]"]},"kept":{"gone":1}}"#, expect![[r#"{"kept":{"gone":1}}"#]]);
        check(
            r#"{"items":[{"name":"a","other":[{}]},{"other":1},"text",null,[{"name":"b","x":2}]]}"#,
            expect![[r#"{"items":[{"name":"a"},{},"text",null,[{"name":"b"}]]}"#]],
        );
        check(r#"{"go\u006ee":1,"items":{"name":"a","x":1}}"#, expect![[r#"{"items":{"name":"a"}}"#]]);
        check(r#"[1.5,-2,true,{"gone":1}]"#, expect!["[1.5,-2,true,{}]"]);
    }

    #[test]
    fn what_is_no_json_is_refused_in_what_is_left_out_too() {
        check(r#"{"gone":{"a":}}"#, expect!["expected value at line 1 column 14"]);
        check(r#"{"gone":1} x"#, expect!["trailing characters at line 1 column 12"]);
    }
}
