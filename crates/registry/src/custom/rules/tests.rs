//! What rules say, and of what they only warn.

use super::*;
use serde_json::json;

fn say(schema: &Value, new: &Value, old: Option<&Value>) -> Vec<String> {
    let node = Node::compile(schema).unwrap();
    let errors = Rules::compile(&node).unwrap().validate(&node, new, old, &Path::default());
    errors.iter().map(|error| format!("{}{error}", if error.is_tolerated { "Warning: " } else { "" })).collect()
}

fn schema(spec: Value) -> Value {
    json!({"type": "object", "properties": {"spec": spec}})
}

#[test]
fn what_has_not_changed_is_only_warned_of() {
    let small = json!([{"rule": "self < 5", "message": "too large"}]);
    let item = json!({"type": "object", "properties": {"k": {"type": "string"},
        "n": {"type": "integer", "x-kubernetes-validations": small}}});
    let schema = schema(json!({"type": "object", "properties": {
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item},
        "list": {"type": "array", "items": item},
        "n": {"type": "integer", "x-kubernetes-validations": small}}}));
    let old = json!({"spec": {"map": [{"k": "a", "n": 7}, {"k": "b", "n": 8}], "list": [{"n": 9}], "n": 6}});
    let said = |new: Value| say(&schema, &json!({"spec": new}), Some(&old));
    // Moved, and followed by its key.
    assert_eq!(
        said(json!({"map": [{"k": "b", "n": 9}, {"k": "a", "n": 7}]})),
        ["spec.map[0].n: Invalid value: 9: too large", "Warning: spec.map[1].n: Invalid value: 7: too large"]
    );
    // Items of a list without keys count with the list.
    assert_eq!(said(json!({"list": [{"n": 9}]})), ["Warning: spec.list[0].n: Invalid value: 9: too large"]);
    assert_eq!(said(json!({"list": [{"n": 9}, {"n": 1}]})), ["spec.list[0].n: Invalid value: 9: too large"]);
    assert_eq!(said(json!({"n": 6})), ["Warning: spec.n: Invalid value: 6: too large"]);
    assert_eq!(say(&schema, &json!({"spec": {"n": 6}}), None), ["spec.n: Invalid value: 6: too large"]);
}

#[test]
fn transitions_and_what_cannot_be_evaluated_are_refused_always() {
    let rules = json!([{"rule": "self > oldSelf"}, {"rule": "10 / self > 3"}]);
    let schema = schema(json!({"type": "integer", "x-kubernetes-validations": rules}));
    let object = json!({"spec": 0});
    assert_eq!(
        say(&schema, &object, Some(&object)),
        [
            "spec: Invalid value: 0: failed rule: self > oldSelf",
            "spec: Invalid value: \"integer\": division by zero evaluating rule: 10 / self > 3"
        ]
    );
}

#[test]
fn errors_stand_where_the_rule_says() {
    let rule =
        |reason: &str, path: &str| json!({"rule": "false", "message": " no \t", "reason": reason, "fieldPath": path});
    let schema = schema(json!({"type": "object", "properties": {
            "a": {"type": "object", "properties": {"b.c": {"type": "string"}}},
            "m": {"type": "object", "additionalProperties": {"type": "string"}}},
        "x-kubernetes-validations": [
            rule("FieldValueRequired", ".a['b.c']"), rule("FieldValueDuplicate", ".m['k']"), rule("FieldValueForbidden", ".a"),
            {"rule": "false", "messageExpression": "'said ' + string(size(self.a))"}]}));
    assert_eq!(
        say(&schema, &json!({"spec": {"a": {}}}), None),
        [
            "spec.a.b.c: Required value: no",
            "spec.m[k]: Duplicate value",
            "spec.a: Forbidden: no",
            "spec: Invalid value: failed rule: false"
        ]
    );
}

#[test]
fn messages_see_no_optional_value() {
    let with = |message: &str| {
        let rule = json!({"rule": "oldSelf.hasValue() && self > 5", "optionalOldSelf": true, "messageExpression": message, "message": "no"});
        schema(json!({"type": "integer", "x-kubernetes-validations": [rule]}))
    };
    let (old, new) = (json!({"spec": 1}), json!({"spec": 2}));
    assert_eq!(say(&with("'at ' + string(self)"), &new, Some(&old)), ["spec: Invalid value: 2: at 2"]);
    assert_eq!(say(&with("'was ' + string(oldSelf.value())"), &new, Some(&old)), ["spec: Invalid value: 2: no"]);
}
