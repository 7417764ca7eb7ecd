//! Values as Go's `%v` prints them (`map[a:1 b:[x y]]`): some messages of patches quote them so.

use serde_json::Value;
use std::fmt::Write;

/// A JSON value in Go's `%v` form: maps with sorted keys, strings without quotes.
pub fn go_text(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push_str("map[");
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(key);
                text.push(':');
                write_value(text, item);
            }
            text.push(']');
        }
        // Writing to a string cannot fail.
        Value::Bool(_) | Value::Number(_) => write!(text, "{value}").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_go_prints() {
        let value = json!({"name": "q", "list": [1, "two", null, true], "map": {"b": 1.5, "a": {}}});
        assert_eq!(go_text(&value), "map[list:[1 two <nil> true] map:map[a:map[] b:1.5] name:q]");
    }
}
