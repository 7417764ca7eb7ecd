//! Cases that the corpus does not have.

use super::*;
use crate::field::Path;
use serde_json::{Value, json};

fn check(schema: Value, value: Value) -> Vec<String> {
    let node = Node::compile(&schema).unwrap();
    validate(&node, &value, None, &Path::default()).iter().map(ToString::to_string).collect()
}

#[test]
fn alternatives_are_counted() {
    let schema = json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"minimum": 5}]}}});
    assert!(check(schema.clone(), json!({"a": "x"})).is_empty());
    assert!(check(schema.clone(), json!({"a": 5})).is_empty());
    let errors = check(schema, json!({"a": 4}));
    assert_eq!(errors[0], "<nil>: Invalid value: \"\": \"a\" must validate at least one schema (anyOf)");
    let errors = check(json!({"not": {"required": ["x"]}}), json!({"x": 1}));
    assert_eq!(errors, ["<nil>: Invalid value: \"\": \"\" must not validate the schema (not)"]);
}

#[test]
fn an_update_does_not_complain_of_what_was_there() {
    let schema = json!({"type": "object", "properties": {
        "bad": {"type": "string", "maxLength": 1}, "n": {"type": "integer"},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer", "maximum": 1}}}}}});
    let node = Node::compile(&schema).unwrap();
    let old = json!({"bad": "long", "n": 1, "list": [{"k": "a", "v": 9}]});
    let new = json!({"bad": "long", "n": 2, "list": [{"k": "b", "v": 8}, {"k": "a", "v": 9}]});
    let errors = validate(&node, &new, Some(&old), &Path::default());
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].field, "list[0].v");
}

#[test]
fn items_are_followed_through_combinations_and_types_are_not() {
    let schema = json!({"type": "object", "properties": {
        "kind": {"type": "string", "maxLength": 1},
        "spec": {"type": "object", "properties": {"kind": {"type": "string", "maxLength": 1}}},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}},
            "allOf": [{"items": {"properties": {"v": {"maximum": 1}}}}]}}});
    let node = Node::compile(&schema).unwrap();
    let old = json!({"kind": "Long", "spec": {"kind": "Long"}, "list": [{"k": "a", "v": 9}, {"k": "a", "v": 8}]});
    let new = json!({"kind": "Long", "spec": {"kind": "Long", "n": 1}, "list": [{"k": "b"}, {"k": "a", "v": 9}]});
    let errors = validate(&node, &new, Some(&old), &Path::default());
    let words: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["kind: Too long: may not be more than 1 byte"]);
}

#[test]
fn formats_pass_what_they_should() {
    let good = [
        ("date", "2024-02-29"),
        ("duration", "1h30m"),
        ("duration", "3 days"),
        ("duration", "PT1S"),
        ("ipv4", "10.0.0.1"),
        ("ipv4", "010.0.0.1"),
        ("hostname", "a.example.com"),
        ("hostname", "a-1"),
        ("ipv6", "::1"),
        ("cidr", "10.0.0.0/8"),
        ("mac", "00:00:5e:00:53:01"),
        ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("uri", "https://example.com/x"),
        ("email", "a@b.c"),
        ("byte", "aGk="),
        ("isbn10", "0-306-40615-2"),
        ("creditcard", "4111 1111 1111 1111"),
        ("nonsense", "whatever"),
    ];
    for (name, text) in good {
        assert!(format::matches(name, text), "{name} {text}");
    }
    let bad = [
        ("date", "2023-02-29"),
        ("duration", "1x"),
        ("ipv4", "10.0.0.256"),
        ("hostname", "a.b"),
        ("hostname", "my-host"),
        ("byte", ""),
        ("cidr", "10.0.0.0/33"),
        ("uuid4", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("date-time", "2024-01-01"),
        ("uri", "no scheme"),
        ("creditcard", "4111111111111112"),
    ];
    for (name, text) in bad {
        assert!(!format::matches(name, text), "{name} {text}");
    }
}

#[test]
fn expressions_fail_in_go_words() {
    let words = |source: &str| Pattern::compile(source).unwrap_err().to_string();
    assert_eq!(words("("), "error parsing regexp: missing closing ): `(`");
    assert_eq!(words("a)"), "error parsing regexp: unexpected ): `a)`");
    assert_eq!(words("[a"), "error parsing regexp: missing closing ]: `[a`");
    assert_eq!(words("*"), "error parsing regexp: missing argument to repetition operator: `*`");
}
