//! JSON patch, RFC 6902, with the liberties of the library that kube-apiserver uses (evanphx/json-patch v4): `replace`
//! of a missing map key adds it, negative list indices count from the end, `test` against null passes for a missing key.

use super::{PatchError, json_type};
use serde_json::Value;

/// The largest number of operations in one patch; upstream's `maxJSONPatchOperations`.
pub const MAX_OPERATIONS: usize = 10_000;
/// The most that all `copy` operations of one patch may add, in bytes of JSON; upstream's `JSONPatchMaxCopyBytes`.
pub const MAX_COPIED_BYTES: usize = 3 << 20;

/// Applies the operations of `patch` in order; the first that fails spoils the whole patch.
///
/// # Errors
/// [`PatchError::Decode`] for a patch that is no list of operations, [`PatchError::TooManyOperations`], and
/// [`PatchError::Operation`] for an operation that does not fit the object.
pub fn apply(original: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Array(operations) = patch else {
        let kind = json_type(patch);
        return Err(decode(&format!("json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp")));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { max: MAX_OPERATIONS, got: operations.len() });
    }
    let operations = operations.iter().map(Operation::parse).collect::<Result<Vec<_>, _>>()?;
    let mut patched = original.clone();
    let mut copied_bytes = 0;
    for operation in &operations {
        operation.run(&mut patched, &mut copied_bytes)?;
    }
    Ok(patched)
}

/// Members of operations that RFC 6902 does not know, as strict decoding names them: `json patch unknown field
/// "[0].extra"`. They are ignored otherwise.
pub fn unknown_members(patch: &Value) -> Vec<String> {
    let operations = patch.as_array().into_iter().flatten().enumerate();
    let members = operations.flat_map(|(at, operation)| {
        let names = operation.as_object().into_iter().flat_map(|map| map.keys());
        let unknown = names.filter(|name| !matches!(name.as_str(), "op" | "from" | "path" | "value"));
        unknown.map(move |name| format!("json patch unknown field \"[{at}].{name}\""))
    });
    members.collect()
}

fn decode(words: &str) -> PatchError {
    PatchError::Decode(words.to_owned())
}

fn missing(verb: &str, what: &str, path: &str) -> PatchError {
    PatchError::Operation(format!("{verb} operation does not apply: doc is missing {what}: {path}"))
}

/// One operation; `value` is null where the patch gives none.
struct Operation<'a> {
    op: &'a str,
    from: Option<&'a str>,
    path: Option<&'a str>,
    value: &'a Value,
}

impl<'a> Operation<'a> {
    fn parse(operation: &'a Value) -> Result<Self, PatchError> {
        let Value::Object(map) = operation else {
            let kind = json_type(operation);
            return Err(decode(&format!("json: cannot unmarshal {kind} into Go value of type handlers.jsonPatchOp")));
        };
        let text = |field: &str| match map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(decode(&format!(
                "json: cannot unmarshal {} into Go struct field jsonPatchOp.{field} of type string",
                json_type(other)
            ))),
        };
        Ok(Self {
            op: text("op")?.unwrap_or("unknown"),
            from: text("from")?,
            path: text("path")?,
            value: map.get("value").unwrap_or(&Value::Null),
        })
    }

    fn run(&self, document: &mut Value, copied_bytes: &mut usize) -> Result<(), PatchError> {
        let path = self.path.ok_or_else(|| missing(self.op, "path", ""));
        match self.op {
            "add" => add(document, "add", path?, self.value.clone()),
            "remove" => take(document, "remove", path?).map(drop),
            "replace" => replace(document, path?, self.value.clone()),
            "move" => {
                let value = take(document, "move", self.source()?)?;
                add(document, "move", path?, value)
            }
            "copy" => {
                let from = self.source()?;
                let (parent, key) = locate(document, from).ok_or_else(|| missing("copy", "from path", from))?;
                let value = get(parent, &key).ok_or_else(|| missing("copy", "key", from))?.clone();
                *copied_bytes += value.to_string().len();
                if *copied_bytes > MAX_COPIED_BYTES {
                    return Err(PatchError::Operation(format!(
                        "unable to complete the copy, the accumulated size increase of copy is {copied_bytes}, exceeding the limit {MAX_COPIED_BYTES}"
                    )));
                }
                add(document, "copy", path?, value)
            }
            "test" => test(document, path?, self.value),
            other => Err(PatchError::Operation(format!("Unexpected kind: {other}"))),
        }
    }

    fn source(&self) -> Result<&'a str, PatchError> {
        self.from.ok_or_else(|| missing(self.op, "from path", ""))
    }
}

/// The container that holds the last element of `path`, and that element unescaped. `None` when a step on the way is
/// missing or no container, and for the root itself, which the library cannot change.
fn locate<'d>(document: &'d mut Value, path: &str) -> Option<(&'d mut Value, String)> {
    let mut steps = path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    let mut key = steps.next()?;
    let mut container = document;
    for next in steps {
        let here = std::mem::replace(&mut key, next);
        container = match container {
            Value::Object(map) => map.get_mut(&here)?,
            Value::Array(list) => {
                let index = index(&here, list.len())?;
                list.get_mut(index)?
            }
            _ => return None,
        };
    }
    (container.is_object() || container.is_array()).then_some((container, key))
}

/// The position that `key` names in a list of `len` elements; negative ones count from the end.
fn index(key: &str, len: usize) -> Option<usize> {
    let number: i64 = key.parse().ok()?;
    let index = if number < 0 { number + i64::try_from(len).ok()? } else { number };
    usize::try_from(index).ok().filter(|&index| index < len)
}

fn get<'d>(container: &'d Value, key: &str) -> Option<&'d Value> {
    match container {
        Value::Object(map) => map.get(key),
        Value::Array(list) => index(key, list.len()).and_then(|index| list.get(index)),
        _ => None,
    }
}

fn add(document: &mut Value, verb: &str, path: &str, value: Value) -> Result<(), PatchError> {
    match locate(document, path).ok_or_else(|| missing(verb, "path", path))? {
        (Value::Object(map), key) => {
            map.insert(key, value);
        }
        (Value::Array(list), key) if key == "-" => list.push(value),
        // One more position than the list has: the place behind the last element.
        (Value::Array(list), key) => {
            let index = index(&key, list.len() + 1).ok_or_else(|| missing(verb, "key", path))?;
            list.insert(index, value);
        }
        _ => return Err(missing(verb, "path", path)),
    }
    Ok(())
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
    match locate(document, path).ok_or_else(|| missing("replace", "path", path))? {
        (Value::Object(map), key) => {
            map.insert(key, value);
        }
        (Value::Array(list), key) => {
            let index = index(&key, list.len()).ok_or_else(|| missing("replace", "key", path))?;
            list[index] = value;
        }
        _ => return Err(missing("replace", "path", path)),
    }
    Ok(())
}

fn take(document: &mut Value, verb: &str, path: &str) -> Result<Value, PatchError> {
    match locate(document, path).ok_or_else(|| missing(verb, "path", path))? {
        (Value::Object(map), key) => map.remove(&key).ok_or_else(|| missing(verb, "key", path)),
        (Value::Array(list), key) => {
            let index = index(&key, list.len()).ok_or_else(|| missing(verb, "key", path))?;
            Ok(list.remove(index))
        }
        _ => Err(missing(verb, "path", path)),
    }
}

fn test(document: &mut Value, path: &str, expected: &Value) -> Result<(), PatchError> {
    let (parent, key) = locate(document, path).ok_or_else(|| missing("test", "path", path))?;
    if parent.is_array() && get(parent, &key).is_none() {
        return Err(missing("test", "key", path));
    }
    if get(parent, &key).unwrap_or(&Value::Null) == expected {
        return Ok(());
    }
    Err(PatchError::Operation(format!("testing value {path} failed")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(patch: Value, expected: Expect) {
        let original = json!({"m": {"k": "v", "a/b": 1, "t~": 2}, "l": ["x", "y", "z"], "n": null});
        let text = match apply(&original, &patch) {
            Ok(patched) => patched.to_string(),
            Err(error) => format!("{} {error}", error.to_status().code),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn operations() {
        check(
            json!([{"op": "add", "path": "/m/new", "value": 1}]),
            expect![[r#"{"l":["x","y","z"],"m":{"a/b":1,"k":"v","new":1,"t~":2},"n":null}"#]],
        );
        check(
            json!([{"op": "replace", "path": "/m/absent", "value": 1}]),
            expect![[r#"{"l":["x","y","z"],"m":{"a/b":1,"absent":1,"k":"v","t~":2},"n":null}"#]],
        );
        check(
            json!([{"op": "remove", "path": "/m/a~1b"}, {"op": "remove", "path": "/m/t~0"}]),
            expect![[r#"{"l":["x","y","z"],"m":{"k":"v"},"n":null}"#]],
        );
        check(
            json!([{"op": "move", "from": "/l/0", "path": "/l/-"}]),
            expect![[r#"{"l":["y","z","x"],"m":{"a/b":1,"k":"v","t~":2},"n":null}"#]],
        );
        check(
            json!([{"op": "copy", "from": "/m/k", "path": "/l/1"}]),
            expect![[r#"{"l":["x","v","y","z"],"m":{"a/b":1,"k":"v","t~":2},"n":null}"#]],
        );
        check(
            json!([{"op": "replace", "path": "/l/-1", "value": 3}]),
            expect![[r#"{"l":["x","y",3],"m":{"a/b":1,"k":"v","t~":2},"n":null}"#]],
        );
        check(
            json!([{"op": "add", "path": "/l/3", "value": 3}]),
            expect![[r#"{"l":["x","y","z",3],"m":{"a/b":1,"k":"v","t~":2},"n":null}"#]],
        );
        check(
            json!([{"op": "test", "path": "/m/absent", "value": null}, {"op": "test", "path": "/m/k", "value": "v"}]),
            expect![[r#"{"l":["x","y","z"],"m":{"a/b":1,"k":"v","t~":2},"n":null}"#]],
        );
    }

    #[test]
    fn members_that_are_not_known() {
        let patch = json!([{"op": "add", "path": "/a"}, {"op": "add", "path": "/a", "extra": 1}, 3]);
        assert_eq!(unknown_members(&patch), [r#"json patch unknown field "[1].extra""#]);
    }

    #[test]
    fn failures() {
        check(
            json!([{"op": "remove", "path": "/m/absent"}]),
            expect!["422 remove operation does not apply: doc is missing key: /m/absent"],
        );
        check(json!([{"op": "test", "path": "/m/k", "value": "w"}]), expect!["422 testing value /m/k failed"]);
        check(
            json!([{"op": "test", "path": "/l/7", "value": null}]),
            expect!["422 test operation does not apply: doc is missing key: /l/7"],
        );
        check(
            json!([{"op": "add", "path": "/no/such", "value": "w"}]),
            expect!["422 add operation does not apply: doc is missing path: /no/such"],
        );
        check(
            json!([{"op": "add", "path": "/n/such", "value": "w"}]),
            expect!["422 add operation does not apply: doc is missing path: /n/such"],
        );
        check(
            json!([{"op": "replace", "path": "", "value": {}}]),
            expect!["422 replace operation does not apply: doc is missing path: "],
        );
        check(
            json!([{"op": "replace", "path": "/l/9", "value": 1}]),
            expect!["422 replace operation does not apply: doc is missing key: /l/9"],
        );
        check(json!([{"op": "merge", "path": "/m/k"}]), expect!["422 Unexpected kind: merge"]);
        check(
            json!({"op": "add"}),
            expect![
                "400 error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
            ],
        );
        let many: Vec<Value> = vec![json!({"op": "test", "path": "/m/k", "value": "v"}); MAX_OPERATIONS + 1];
        check(many.into(), expect!["413 The allowed maximum operations in a JSON patch is 10000, got 10001"]);
    }
}
