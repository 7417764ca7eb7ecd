//! JSON patches, merge patches and strategic merge patches of objects of every kind.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::patch;
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::words::word;
use pintle_fuzz::{Unstructured, life, row, shape};
use serde_json::{Map, Value, json};

/// Keys of strategic merge patches that are commands.
const DIRECTIVES: [&str; 4] = ["$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/"];

/// A pointer into `value`, or just beside it.
fn pointer(choices: &mut Unstructured<'_>, value: &Value) -> String {
    let (mut path, mut at) = (String::new(), Some(value));
    for _ in 0..choices.int_in_range(0..=6).unwrap_or(0) {
        let step = match at {
            Some(Value::Object(map)) if !map.is_empty() => {
                map.keys().nth(usize::from(choices.arbitrary::<u8>().unwrap_or(0)) % map.len()).cloned()
            }
            Some(Value::Array(list)) => {
                let index = usize::from(choices.arbitrary::<u8>().unwrap_or(0)) % (list.len() + 2);
                Some(if index == list.len() { "-".to_owned() } else { index.to_string() })
            }
            _ => None,
        };
        let step = step.unwrap_or_else(|| word(choices));
        path.push('/');
        path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        at = at.and_then(|value| match value {
            Value::Array(list) => step.parse::<usize>().ok().and_then(|index| list.get(index)),
            value => value.get(&step),
        });
    }
    path
}

fn json_patch(choices: &mut Unstructured<'_>, value: &Value) -> Value {
    let operations = ["add", "remove", "replace", "move", "copy", "test", "other"];
    let count = choices.int_in_range(0..=5).unwrap_or(0);
    let operation = |choices: &mut Unstructured<'_>| {
        let op = operations[choices.int_in_range(0..=6).unwrap_or(0)];
        let mut operation = json!({"op": op, "path": pointer(choices, value)});
        if choices.arbitrary().unwrap_or(false) {
            operation["from"] = pointer(choices, value).into();
        }
        if choices.arbitrary().unwrap_or(false) {
            operation["value"] = shape::any(choices);
        }
        operation
    };
    (0..count).map(|_| operation(choices)).collect()
}

/// Puts directives into a patch, where the bytes say so.
fn direct(choices: &mut Unstructured<'_>, patch: &mut Value) {
    match patch {
        Value::Array(list) => list.iter_mut().for_each(|item| direct(choices, item)),
        Value::Object(map) => {
            map.values_mut().for_each(|value| direct(choices, value));
            match choices.arbitrary::<u8>().unwrap_or(0) & 31 {
                31 => drop(map.insert("$patch".to_owned(), "delete".into())),
                30 => drop(map.insert("$patch".to_owned(), "replace".into())),
                29 => drop(map.insert("$patch".to_owned(), shape::any(choices))),
                28 => drop(map.insert("$retainKeys".to_owned(), map.keys().cloned().collect())),
                directive @ (26 | 27) => {
                    let lists = map.iter().filter(|(_, value)| value.is_array());
                    let named: Map<String, Value> = lists
                        .map(|(key, value)| {
                            (format!("{}{key}", DIRECTIVES[usize::from(directive - 24)]), value.clone())
                        })
                        .collect();
                    map.extend(named);
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// Whether a patch does the same a second time. Directives do not, nor do lists that may name one item twice, nor does
/// `null`: upstream leaves it out of a map or list that is new, and keeps it in one that is replaced.
fn is_idempotent(patch: &Value) -> bool {
    match patch {
        Value::Object(map) => map.iter().all(|(key, value)| !key.starts_with('$') && is_idempotent(value)),
        Value::Array(list) => list.len() < 2 && list.iter().all(is_idempotent),
        value => !value.is_null(),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Unstructured::new(data);
    let row = row(&mut choices);
    let Some(schema) = row.schema() else { return };
    let Some(object) = life::decoded(row, shape::value(&mut choices, schema)) else { return };
    let patched = match choices.int_in_range(0..=2).unwrap_or(0) {
        0 => patch::json::apply(&object, &json_patch(&mut choices, &object)),
        1 => {
            let patch = shape::value(&mut choices, schema);
            let patched = patch::merge::apply(&object, &patch);
            if let Ok(once) = &patched {
                assert_eq!(patch::merge::apply(once, &patch).as_ref(), Ok(once), "a merge patch twice");
            }
            patched
        }
        _ => {
            let mut patch = shape::value(&mut choices, schema);
            direct(&mut choices, &mut patch);
            let patched = patch::strategic::apply(&object, &patch, schema);
            if let Ok(once) = &patched
                && is_idempotent(&patch)
            {
                // A new list takes items without their key, which are refused where the list is there, upstream too.
                if let Ok(twice) = patch::strategic::apply(once, &patch, schema) {
                    assert_eq!(&twice, once, "a strategic merge patch twice");
                }
            }
            patched
        }
    };
    match patched {
        Ok(patched) => drop(life::decoded(row, patched)),
        Err(error) => assert!(error.to_status().to_value().is_object()),
    }
});
