//! Lists that are sets or maps: no item twice (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype`).

use super::node::{ListKind, Node};
use super::validate::same;
use crate::field::{Error, ErrorList, Path};
use serde_json::{Map, Value};

/// The items that stand twice in lists of type set or map, anywhere in `value`.
pub fn validate_lists(node: &Node, value: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    walk(node, value, path, &mut errors);
    errors
}

fn walk(node: &Node, value: &Value, path: &Path, errors: &mut ErrorList) {
    if let Value::Array(list) = value {
        match &node.list_kind {
            ListKind::Atomic => {}
            ListKind::Set => check_unique(list, path, errors),
            ListKind::Map(keys) => {
                let key_of = |item: &Value| -> Value {
                    let pairs = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
                    Value::Object(pairs.collect::<Map<String, Value>>())
                };
                let keyed: Vec<Value> = list.iter().map(key_of).collect();
                check_unique(&keyed, path, errors);
            }
        }
    }
    node.each_below(value, path, |node, value, path| walk(node, value, path, errors));
}

/// Each item that stands again, once.
fn check_unique(list: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut reported: Vec<usize> = Vec::new();
    for at in 1..list.len() {
        let first = (0..at).find(|other| same(&list[*other], &list[at]));
        if let Some(first) = first
            && !reported.contains(&first)
        {
            reported.push(first);
            errors.push(Error::duplicate(&path.index(at), list[at].clone()));
        }
    }
}
