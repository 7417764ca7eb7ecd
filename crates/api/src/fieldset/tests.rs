//! Cases of field sets and their written form.

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn set(value: Value) -> Set {
    Set::from_value(&value).unwrap()
}

fn check(actual: Set, expected: Expect) {
    expected.assert_eq(&actual.into_value().to_string());
}

#[test]
fn wire_form_round_trips() {
    for text in [
        r#"{}"#,
        r#"{"f:data":{}}"#,
        r#"{"f:data":{".":{},"f:k":{}}}"#,
        r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}"#,
        r#"{"f:metadata":{"f:finalizers":{"v:\"ex.com/a\"":{}}},"f:x":{"i:0":{}}}"#,
    ] {
        assert_eq!(set(serde_json::from_str(text).unwrap()).into_value().to_string(), text);
    }
    check(
        set(json!({"f:l": {"k:{ \"b\": 1, \"a\": \"x\" }": {}}, "f:d": {".": {}}})),
        expect![[r#"{"f:d":{},"f:l":{"k:{\"a\":\"x\",\"b\":1}":{}}}"#]],
    );
}

#[test]
fn keys_are_spelled_one_way() {
    for (text, canonical) in [
        (r#"{"name":"x"}"#, r#"{"name":"x"}"#),
        (r#"{"port":80,"protocol":"TCP"}"#, r#"{"port":80,"protocol":"TCP"}"#),
        (r#"{"protocol":"TCP","port":80}"#, r#"{"port":80,"protocol":"TCP"}"#),
        (r#"{"name": "x"}"#, r#"{"name":"x"}"#),
        (r#"{"name":"\u0041"}"#, r#"{"name":"A"}"#),
        (r#"{"name":"a\"b"}"#, r#"{"name":"a\"b"}"#),
        (r#"{"name":"ä","on":true}"#, r#"{"name":"ä","on":true}"#),
        (r#"{"n":-1}"#, r#"{"n":-1}"#),
    ] {
        let read = set(json!({format!("k:{text}"): {}}));
        assert_eq!(read.into_value(), json!({format!("k:{canonical}"): {}}));
    }
    for bad in [r#"{"a":1"#, r#"{"a":1}x"#, r#"{"a":01}"#, r#"{"a"}"#, r#"[]"#] {
        assert!(Set::from_value(&json!({format!("k:{bad}"): {}})).is_err(), "{bad}");
    }
}

#[test]
fn bad_wire_forms() {
    let bad = |value| Set::from_value(&value).unwrap_err();
    assert_eq!(bad(json!([])), FieldSetError::NotAMap);
    assert_eq!(bad(json!({"f:a": 1})), FieldSetError::NotAMap);
    assert_eq!(bad(json!({"x:a": {}})), FieldSetError::BadElement("x:a".to_owned()));
    assert_eq!(bad(json!({"k:{}": {}})), FieldSetError::BadElement("k:{}".to_owned()));
    assert_eq!(bad(json!({"i:x": {}})), FieldSetError::BadElement("i:x".to_owned()));
    assert_eq!(bad(json!({"": {}})), FieldSetError::BadElement(String::new()));
    let mut deep = json!({});
    for _ in 0..=MAX_DEPTH {
        deep = json!({"f:a": deep});
    }
    assert_eq!(bad(deep), FieldSetError::TooDeep);
}

#[test]
fn algebra() {
    let a = || set(json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:d": {}}));
    let b = || set(json!({"f:a": {"f:c": {}}, "f:d": {"f:e": {}}}));
    check(a().union(b()), expect![[r#"{"f:a":{".":{},"f:b":{},"f:c":{}},"f:d":{".":{},"f:e":{}}}"#]]);
    check(a().difference(&b()), expect![[r#"{"f:a":{".":{},"f:b":{}},"f:d":{}}"#]]);
    check(a().intersection(&b()), expect![[r#"{"f:a":{"f:c":{}}}"#]]);
    check(b().recursive_difference(&a()), expect!["{}"]);
    check(a().recursive_difference(&set(json!({"f:a": {}}))), expect![[r#"{"f:d":{}}"#]]);
    check(a().difference(&set(json!({"f:a": {}}))), expect![[r#"{"f:a":{"f:b":{},"f:c":{}},"f:d":{}}"#]]);
    check(
        set(json!({"f:spec": {"f:c": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}, "f:resources": {"f:x": {}}}}}, "f:y": {}}))
            .only_within(&set(json!({"f:spec": {"f:c": {"f:*": {"f:resources": {}}}}}))),
        expect![[r#"{"f:spec":{"f:c":{"k:{\"name\":\"a\"}":{".":{},"f:resources":{"f:x":{}}}}}}"#]],
    );
}

#[test]
fn paths_in_upstreams_order() {
    let set = set(json!({
        "f:spec": {"f:list": {"k:{\"p\":80}": {"f:v": {}}, "k:{\"p\":8080}": {"f:v": {}}}, "f:z": {}},
        "f:metadata": {"f:finalizers": {"v:\"a\"": {}}}, "f:i": {"i:3": {}},
    }));
    let paths: Vec<String> = set.paths().iter().map(|path| display_path(path)).collect();
    expect![[r#"
        .i[3]
        .metadata.finalizers[="a"]
        .spec.z
        .spec.list[p=80].v
        .spec.list[p=8080].v"#]]
    .assert_eq(&paths.join("\n"));
}

/// Random sets against the plain meaning of the operations on lists of paths.
mod model {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn any_paths() -> impl Strategy<Value = BTreeSet<Path>> {
        let element =
            prop_oneof!["[abc]".prop_map(|name| PathElement::field(&name)), (0..3usize).prop_map(PathElement::index),];
        prop::collection::btree_set(prop::collection::vec(element, 1..4), 0..12)
    }

    fn build(paths: &BTreeSet<Path>) -> Set {
        let mut set = Set::new();
        paths.iter().for_each(|path| set.insert(path));
        set
    }

    fn members(set: &Set) -> BTreeSet<Path> {
        set.paths().into_iter().collect()
    }

    proptest! {
        #[test]
        fn operations_mean_what_they_say(a in any_paths(), b in any_paths()) {
            let (sa, sb) = (build(&a), build(&b));
            prop_assert_eq!(&members(&sa), &a);
            prop_assert_eq!(members(&sa.clone().union(sb.clone())), a.union(&b).cloned().collect());
            prop_assert_eq!(members(&sa.clone().difference(&sb)), a.difference(&b).cloned().collect());
            prop_assert_eq!(members(&sa.intersection(&sb)), a.intersection(&b).cloned().collect());
            let below: BTreeSet<Path> = a.iter().filter(|p| !(1..=p.len()).any(|n| b.contains(&p[..n]))).cloned().collect();
            prop_assert_eq!(members(&sa.clone().recursive_difference(&sb)), below);
            prop_assert_eq!(Set::from_value(&sa.clone().into_value()).unwrap(), sa);
        }
    }
}
