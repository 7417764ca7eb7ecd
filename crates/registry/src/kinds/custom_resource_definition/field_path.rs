//! Paths to fields of a schema, as `fieldPath` of rules and `selectableFields` have them: `.spec.a`, `['a.b']`, `.map['k']`
//! (`ValidFieldPath` of `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`).

use api::field::Path;

/// The words for a path that leads nowhere.
const NO_FIELD: &str = "does not refer to a valid field";
const END: &str = "unexpected end of JSON path";

/// A schema that a path leads through.
pub(crate) trait Place: Copy {
    /// The place of a field; `None`: it has no fields, and so may be a map.
    fn field(self, name: &str) -> Option<Option<Self>>;
    /// The place of the values of a map; `None`: it is none.
    fn values(self) -> Option<Self>;
}

impl Place for &serde_json::Value {
    fn field(self, name: &str) -> Option<Option<Self>> {
        let properties = self.get("properties")?.as_object().filter(|properties| !properties.is_empty())?;
        Some(properties.get(name))
    }

    fn values(self) -> Option<Self> {
        self.get("additionalProperties")
    }
}

impl Place for &api::structural::Node {
    fn field(self, name: &str) -> Option<Option<Self>> {
        (!self.properties.is_empty()).then(|| self.properties.get(name))
    }

    fn values(self) -> Option<Self> {
        self.additional_node()
    }
}

/// The next token: a delimiter, a quoted string with its quotes, or what stands up to the next delimiter.
fn token(text: &str) -> (&str, &str) {
    let is_delimiter = |c: char| matches!(c, '.' | '[' | ']');
    let end = if text.starts_with('\'') {
        let close = (1..text.len()).find(|at| text.as_bytes()[*at] == b'\'' && text.as_bytes()[at - 1] != b'\\');
        close.map_or(text.len(), |at| at + 1)
    } else if text.starts_with(is_delimiter) {
        1
    } else {
        text.find(is_delimiter).unwrap_or(text.len())
    };
    text.split_at(end)
}

/// The text of a quoted string.
fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match rest.next() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(same @ ('\'' | '\\')) => same,
            Some(other) => return Err(format!("invalid string literal: invalid escape char \\{other}")),
            None => '\\',
        });
    }
    Ok(plain)
}

/// Follows a path; where it leads, and the path as errors show it. `brackets`: whether it may have any.
pub(crate) fn resolve<P: Place>(path: &str, schema: P, brackets: bool) -> Result<(P, Path), String> {
    let (mut place, mut shown, mut rest) = (schema, Path::default(), path);
    while !rest.is_empty() {
        let (first, after) = token(rest);
        let in_brackets = first == "[";
        if first != "." && !in_brackets {
            return Err(format!("expected [ or . but got: {first}"));
        }
        if in_brackets && !brackets {
            return Err("array notation is not allowed".to_owned());
        }
        if after.is_empty() {
            return Err(END.to_owned());
        }
        let (name, after) = token(after);
        rest = after;
        let name = if in_brackets {
            let quoted = name.strip_prefix('\'').and_then(|name| name.strip_suffix('\''));
            unescape(quoted.ok_or_else(|| format!("expected single quoted string but got {name}"))?)?
        } else {
            name.to_owned()
        };
        (place, shown) = match place.field(&name) {
            Some(field) => (field.ok_or(NO_FIELD)?, shown.child(&name)),
            None => (place.values().ok_or(NO_FIELD)?, shown.key(&name)),
        };
        if in_brackets {
            if rest.is_empty() {
                return Err(END.to_owned());
            }
            let (close, after) = token(rest);
            if close != "]" {
                return Err(format!("expected ] but got {close}"));
            }
            rest = after;
        }
    }
    Ok((place, shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_through_fields_and_maps() {
        let schema = json!({"properties": {"a": {"properties": {"b.c": {"type": "string"}, "it's": {}}},
            "m": {"additionalProperties": {"properties": {"x": {}}}}, "s": {"type": "string"}}});
        let lead = |path: &str, brackets| resolve(path, &schema, brackets).map(|(_, shown)| shown.to_string());
        assert_eq!(lead(".a['b.c']", true).unwrap(), "a.b.c");
        assert_eq!(lead(r".a['it\'s']", true).unwrap(), "a.it's");
        assert_eq!(lead(".m['k'].x", true).unwrap(), "m[k].x");
        for (path, words) in [
            ("s", "expected [ or . but got: s"),
            (".", END),
            (".a[", END),
            (".a['b.c'", END),
            (".a[0]", "expected single quoted string but got 0"),
            (".a['b.c'x", "expected ] but got x"),
            (".a['\\q']", "invalid string literal: invalid escape char \\q"),
            (".b", NO_FIELD),
            (".s.x", NO_FIELD),
        ] {
            assert_eq!(lead(path, true).unwrap_err(), words, "{path}");
        }
        assert_eq!(lead(".m['k']", false).unwrap_err(), "array notation is not allowed");
    }
}
