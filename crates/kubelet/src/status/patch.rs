//! The strategic merge patch from one status to another, so that conditions of other writers stay as they are.

use super::conditions::PASSING;
use serde_json::{Map, Value, json};

/// Lists of a pod's status that are merged by a key; all others are replaced as a whole.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "podIPs" | "hostIPs" => Some("ip"),
        _ => None,
    }
}

/// What turns `old` into `new`; `None` when they are equal. Both are statuses as JSON objects.
pub fn status_patch(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => diff_object(old, new),
        _ => (old != new).then(|| new.clone()),
    }
}

fn diff_object(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<Value> {
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        let before = old.get(key);
        let change = match (before, value) {
            (Some(before), value) if before == value => None,
            (Some(Value::Object(before)), Value::Object(value)) => diff_object(before, value),
            (before, Value::Array(items)) => diff_list(key, before, items),
            _ => Some(value.clone()),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn diff_list(field: &str, old: Option<&Value>, new: &[Value]) -> Option<Value> {
    let Some(key) = merge_key(field) else { return Some(Value::Array(new.to_vec())) };
    let none = Vec::new();
    let old = old.and_then(Value::as_array).unwrap_or(&none);
    let find = |items: &[Value], id: &Value| items.iter().find(|i| i.get(key) == Some(id)).cloned();
    if field != "conditions" {
        // addresses are replaced as a whole; merging would keep the old ones
        let mut items = vec![json!({"$patch": "replace"})];
        items.extend(new.iter().cloned());
        return Some(Value::Array(items));
    }
    let mut changes = Vec::new();
    for item in new {
        let Some(id) = item.get(key) else { continue };
        match find(old, id) {
            Some(before) => {
                if let Some(Value::Object(mut change)) = status_patch(&before, item) {
                    change.insert(key.to_owned(), id.clone());
                    changes.push(Value::Object(change));
                }
            }
            None => changes.push(item.clone()),
        }
    }
    // of what is gone only the kubelet's own is taken away
    for gone in old.iter().filter_map(|item| item.get(key)).filter(|id| find(new, id).is_none()) {
        if gone.as_str().is_some_and(|id| PASSING.contains(&id)) {
            changes.push(json!({"$patch": "delete", key: gone}));
        }
    }
    (!changes.is_empty()).then_some(Value::Array(changes))
}
