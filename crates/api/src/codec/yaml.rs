//! YAML to JSON, as `sigs.k8s.io/yaml` converts: the first document of the stream, scalars by YAML 1.1, anchors, aliases
//! and merge keys followed, keys made strings.

use super::{DecodeError, Decoded, MAX_DEPTH, yaml_error, yaml_scalar};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// How many values a document may have with all aliases followed: an object of the greatest allowed size (3 MiB) has fewer.
const MAX_VALUES: usize = 2_000_000;

/// Decodes the first document.
///
/// # Errors
/// In the words of Go's YAML library as far as they can be known; [`DecodeError::TooDeep`] beyond [`MAX_DEPTH`].
pub fn decode_yaml(body: &[u8]) -> Result<Decoded, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| failed("yaml: invalid leading UTF-8 octet"))?;
    if text.chars().any(|c| !is_allowed(c)) {
        return Err(failed("yaml: control characters are not allowed"));
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.emit_anchor_events = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        anchor_names: HashMap::new(),
        duplicates: Vec::new(),
        values: 0,
    };
    let value = reader.document()?;
    let mut duplicates = Vec::new();
    if !reader.duplicates.is_empty() {
        duplicates.push(format!("yaml: unmarshal errors:\n  {}", reader.duplicates.join("\n  ")));
    }
    Ok(Decoded { value, duplicates })
}

/// Which characters may stand in YAML.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

fn failed(words: impl Into<String>) -> DecodeError {
    DecodeError::Yaml(words.into())
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    /// Finished anchored values; `None` while the value is still being read.
    anchors: HashMap<usize, Option<Value>>,
    /// For errors.
    anchor_names: HashMap<usize, Cow<'a, str>>,
    duplicates: Vec<String>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), DecodeError> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Anchor(id, name), _))) => drop(self.anchor_names.insert(id, name)),
                Some(event) => return event.map_err(|error| yaml_error::words(&error, self.text)),
                None => return Ok((Event::StreamEnd, Span::empty(granit_parser::Marker::new(0, 1, 0)))),
            }
        }
    }

    fn document(&mut self) -> Result<Value, DecodeError> {
        loop {
            match self.next()? {
                (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(Value::Null),
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (event, _) => {
                    let value = self.value(event, 0)?;
                    if !matches!(value, Value::Array(_) | Value::Object(_)) {
                        // What follows text may show that it was meant as a key.
                        self.next()?;
                    }
                    return Ok(value);
                }
            }
        }
    }

    fn count(&mut self, values: usize) -> Result<(), DecodeError> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES { Err(failed("yaml: document contains excessive aliasing")) } else { Ok(()) }
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value, DecodeError> {
        self.count(1)?;
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let anchor = event.anchor_id().filter(|id| *id > 0);
        if let Some(id) = anchor {
            self.anchors.insert(id, None);
        }
        let value = match event {
            Event::Scalar(text, style, _, tag) => scalar(text, style, tag.as_deref())?,
            Event::SequenceStart(..) => self.sequence(depth)?,
            Event::MappingStart(..) => self.mapping(depth)?,
            Event::Alias(id) => return self.alias(id, depth),
            Event::UnresolvedAlias(name) => return Err(failed(format!("yaml: unknown anchor '{name}' referenced"))),
            _ => Value::Null,
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, Some(value.clone()));
        }
        Ok(value)
    }

    fn alias(&mut self, id: usize, depth: usize) -> Result<Value, DecodeError> {
        match self.anchors.get(&id) {
            Some(Some(value)) => {
                let (value, (size, levels)) = (value.clone(), measure(value));
                self.count(size)?;
                if depth + levels > MAX_DEPTH { Err(DecodeError::TooDeep) } else { Ok(value) }
            }
            Some(None) => {
                let name = self.anchor_names.get(&id).map_or("", |name| name);
                Err(failed(format!("yaml: anchor '{name}' value contains itself")))
            }
            None => Err(failed("yaml: unknown anchor referenced")),
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Value::Array(list)),
                (event, _) => list.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.value(event, depth + 1)?;
            let (event, _) = self.next()?;
            let value = self.value(event, depth + 1)?;
            if is_merge {
                merged.push(value);
                continue;
            }
            let key = key_text(key, &value)?;
            if map.contains_key(&key) {
                self.duplicates.push(format!("line {}: key {key:?} already set in map", span.start.line()));
            }
            map.insert(key, value);
        }
        for source in merged {
            merge(&mut map, source)?;
        }
        Ok(Value::Object(map))
    }
}

/// How many values and levels a value has.
fn measure(value: &Value) -> (usize, usize) {
    let of_all = |values: &mut dyn Iterator<Item = &Value>| {
        let (size, levels) = values.map(measure).fold((0, 0), |(size, levels), (s, l)| (size + s, levels.max(l)));
        (size + 1, levels + 1)
    };
    match value {
        Value::Array(list) => of_all(&mut list.iter()),
        Value::Object(map) => of_all(&mut map.values()),
        _ => (1, 0),
    }
}

/// The merge key `<<`: entries that are not there yet.
fn merge(map: &mut Map<String, Value>, source: Value) -> Result<(), DecodeError> {
    match source {
        Value::Object(source) => {
            for (key, value) in source {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(sources) if sources.iter().all(Value::is_object) => {
            sources.into_iter().try_for_each(|source| merge(map, source))
        }
        _ => Err(failed("yaml: map merge requires map or sequence of maps as the value")),
    }
}

fn key_text(key: Value, value: &Value) -> Result<String, DecodeError> {
    match key {
        Value::String(text) => Ok(text),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => {
            let value = go_syntax(value);
            Err(failed(format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}")))
        }
        Value::Array(_) | Value::Object(_) => Err(failed(format!("yaml: invalid map key: {}", go_syntax(&key)))),
    }
}

/// A value as Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => format!("[]interface {{}}{{{}}}", list(items.iter().map(go_syntax).collect())),
        Value::Object(map) => {
            let entries =
                map.iter().map(|(key, value)| format!("{}:{}", crate::field::go_quote(key), go_syntax(value)));
            format!("map[interface {{}}]interface {{}}{{{}}}", list(entries.collect()))
        }
        Value::String(text) => crate::field::go_quote(text),
        other => other.to_string(),
    }
}

/// `!!binary`: the bytes as text; what is no UTF-8 is replaced, as Go's JSON encoder does.
fn binary(text: &str) -> Result<String, DecodeError> {
    use base64::Engine as _;
    let clean: String = text.split_ascii_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(clean);
    let bytes = bytes.map_err(|_| failed("yaml: !!binary value contains invalid base64 data"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, DecodeError> {
    let kind = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
    match kind.as_deref() {
        None if style == ScalarStyle::Plain && tag.is_none() => yaml_scalar::resolve(&text).map_err(failed),
        None | Some("str") => Ok(Value::String(text.into_owned())),
        Some("binary") => binary(&text).map(Value::String),
        Some(wanted) => {
            let value = yaml_scalar::resolve(&text).map_err(failed)?;
            let fits = match wanted {
                "bool" => value.is_boolean(),
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                "null" => value.is_null(),
                _ => true,
            };
            if fits { Ok(value) } else { Err(failed(format!("yaml: cannot decode !!str `{text}` as a !!{wanted}"))) }
        }
    }
}
