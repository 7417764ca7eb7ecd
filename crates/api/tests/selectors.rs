//! Selectors: the corpus' words, upstream's grammar, and matching.

use api::selector::{FieldSelector, LabelSelector};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

fn label(text: &str, expected: Expect) {
    expected.assert_eq(&LabelSelector::parse(text).map_or_else(|e| format!("error: {e}"), |s| s.to_string()));
}

#[test]
fn label_selectors_parse_in_upstreams_words() {
    label(
        "b=1,a==2,c!=3,d in (y,x,y),e notin (),!f,g,h>5,i<7",
        expect!["a=2,b=1,c!=3,d in (x,y),e notin (),!f,g,h>5,i<7"],
    );
    label("", expect![""]);
    label(" a = b , c ", expect!["a=b,c"]);
    label("a=", expect!["a="]);
    label("a=,b", expect!["a=,b"]);
    label("in in (in,notin)", expect!["in in (in,notin)"]);
    label("x in (,a,,b,)", expect!["x in (,a,b)"]);
    label("a b=c", expect!["error: unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"]);
    label("tier=no!", expect!["error: found '!', expected: ',' or 'end of string'"]);
    label("tier in back", expect!["error: unable to parse requirement: found 'back' expected: '('"]);
    label("tier in (a", expect!["error: unable to parse requirement: found '', expected: ',' or ')'"]);
    label("tier=>x", expect!["error: unable to parse requirement: found '>', expected: identifier"]);
    label(
        "n>x",
        expect![[
            r#"error: unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer"#
        ]],
    );
    label(
        "x=-",
        expect![[
            r#"error: unable to parse requirement: values[0][x]: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#
        ]],
    );
    label("a,", expect!["error: found '', expected: identifier after ','"]);
    label(",a", expect!["error: found ',', expected: !, identifier, or 'end of string'"]);
    label("a=b=c", expect!["error: found '=', expected: ',' or 'end of string'"]);
    label("!", expect!["error: unable to parse requirement: found '', expected: identifier"]);
    label(
        "-a=b",
        expect![[
            r#"error: unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#
        ]],
    );
}

fn matches(selector: &str, labels: Value) -> bool {
    LabelSelector::parse(selector).unwrap().matches(labels.as_object().unwrap())
}

#[test]
fn label_selectors_match() {
    for (selector, labels, expected) in [
        ("", json!({}), true),
        ("a=1", json!({"a": "1"}), true),
        ("a=1", json!({}), false),
        ("a!=1", json!({}), true),
        ("a!=1", json!({"a": "1"}), false),
        ("a in (1,2)", json!({"a": "2"}), true),
        ("a notin (1,2)", json!({"a": "3"}), true),
        ("a", json!({"a": ""}), true),
        ("!a", json!({"a": ""}), false),
        ("a>5", json!({"a": "10"}), true),
        ("a<5", json!({"a": "10"}), false),
        ("a>5", json!({"a": "x"}), false),
        ("a=1,b=2", json!({"a": "1"}), false),
    ] {
        assert_eq!(matches(selector, labels.clone()), expected, "{selector} {labels}");
    }
}

#[test]
fn selectors_of_objects() {
    let selector =
        |value: Value| LabelSelector::from_object(Some(&value)).map(|s| s.to_string()).map_err(|e| e.to_string());
    let full = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
        {"key": "c", "operator": "In", "values": ["y", "x"]}, {"key": "d", "operator": "DoesNotExist"}]});
    assert_eq!(selector(full), Ok("a=b,c in (x,y),!d".to_owned()));
    let bad = json!({"matchExpressions": [{"key": "c", "operator": "Like"}]});
    assert_eq!(selector(bad), Err("\"Like\" is not a valid label selector operator".to_owned()));
    assert!(LabelSelector::from_object(Some(&json!({}))).unwrap().is_everything());
    assert!(!LabelSelector::from_object(None).unwrap().matches(&serde_json::Map::new()));
}

fn field(text: &str, expected: Expect) {
    expected.assert_eq(&FieldSelector::parse(text).map_or_else(|e| format!("error: {e}"), |s| s.to_string()));
}

#[test]
fn field_selectors_parse_in_upstreams_words() {
    field("b=1,a!=2,,c==3", expect!["a!=2,b=1,c=3"]);
    field(r"a=x\,y\=z\\", expect![[r"a=x\,y\=z\\"]]);
    field("a=", expect!["a="]);
    field("metadata.name", expect!["error: invalid selector: 'metadata.name'; can't understand 'metadata.name'"]);
    field(
        "metadata.name in (a)",
        expect!["error: invalid selector: 'metadata.name in (a)'; can't understand 'metadata.name in (a)'"],
    );
    field("a=b=c", expect!["error: invalid field selector: unescaped character in value: 61"]);
    field(r"a=\x", expect![[r"error: invalid field selector: invalid escape sequence: \x"]]);
    let selector = FieldSelector::parse("a=1,b!=2").unwrap();
    assert!(selector.matches_by(|name| (name == "a").then_some("1")));
    assert!(!selector.matches_by(|name| Some(if name == "a" { "1" } else { "2" })));
    assert_eq!(selector.requires_exact_match("a"), Some("1"));
    assert_eq!(selector.requires_exact_match("b"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in "[a-c!=<>(), in\\\\é\u{0}-]{0,40}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).map(|s| s.to_string()), Ok(selector.to_string()));
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()), Ok(selector));
        }
    }
}

/// Sixty thousand brackets are as many words, none of which looks at all that follow: it took a minute once.
#[test]
fn long_runs_of_operators_are_read_in_one_go() {
    let error = LabelSelector::parse(&"(".repeat(60_000)).unwrap_err();
    assert_eq!(error.to_string(), "found '(', expected: !, identifier, or 'end of string'");
    let parse = |text: &str| LabelSelector::parse(text).map(|selector| selector.to_string());
    assert_eq!(parse("a!=b").unwrap(), "a!=b");
    assert_eq!(parse("a==b").unwrap(), "a=b");
    assert!(parse("a===b").is_err() && parse("a!==b").is_err());
}
