//! JSON merge patch, RFC 7386: maps merge, null removes, everything else replaces.

use super::{PatchError, json_type};
use serde_json::{Map, Value};

/// Applies `patch` to `original`.
///
/// # Errors
/// [`PatchError::Decode`] when the patch is not a map: Kubernetes objects are, so the RFC's other case is refused.
pub fn apply(original: &Value, patch: &Value) -> Result<Value, PatchError> {
    let patch = match patch {
        Value::Object(patch) => patch,
        // Go reads it as a map that is not there.
        Value::Null => return Err(PatchError::BadFormat("Invalid JSON Patch")),
        other => return Err(not_a_map(other)),
    };
    let mut patched = original.clone();
    merge_into(&mut patched, patch);
    Ok(patched)
}

pub(super) fn not_a_map(patch: &Value) -> PatchError {
    let kind = json_type(patch);
    PatchError::Decode(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
}

fn merge_into(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(change) => merge_into(target.entry(key.as_str()).or_insert(Value::Null), change),
            other => {
                let mut value = other.clone();
                // `evanphx/json-patch` looks into what is new, but not into what takes the place of a map.
                if !target.get(key).is_some_and(Value::is_object) {
                    forget_nulls(&mut value);
                }
                target.insert(key.clone(), value);
            }
        }
    }
}

/// Takes the nulls out of maps, also of those in lists.
fn forget_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(forget_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(original: Value, patch: Value, expected: Expect) {
        let text = match apply(&original, &patch) {
            Ok(patched) => patched.to_string(),
            Err(error) => format!("{} {error}", error.to_status().code),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn maps_merge_and_null_removes() {
        check(
            json!({"a": 1, "b": {"c": 1, "d": 2}}),
            json!({"b": {"c": null, "e": 3}}),
            expect![[r#"{"a":1,"b":{"d":2,"e":3}}"#]],
        );
        check(json!({"a": [1, 2]}), json!({"a": [3]}), expect![[r#"{"a":[3]}"#]]);
        check(json!({"a": "x"}), json!({"a": {"b": null, "c": 1}}), expect![[r#"{"a":{"c":1}}"#]]);
        check(json!({}), json!({"a": {"b": null}}), expect![[r#"{"a":{}}"#]]);
        check(json!({"a": 1}), json!({}), expect![[r#"{"a":1}"#]]);
        check(json!({"a": [{"b": 1}]}), json!({"a": [{"b": null}, null]}), expect![[r#"{"a":[{},null]}"#]]);
        check(json!({"a": {"c": 1}}), json!({"a": [{"b": null}]}), expect![[r#"{"a":[{"b":null}]}"#]]);
        check(json!({}), json!({"a": {"c": [[{"b": null}]]}}), expect![[r#"{"a":{"c":[[{}]]}}"#]]);
    }

    #[test]
    fn only_maps_are_patches() {
        check(json!({}), json!(null), expect!["400 Invalid JSON Patch"]);
        check(
            json!({}),
            json!([1]),
            expect![
                "400 error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
            ],
        );
    }
}
