//! Paths and errors of fields, as upstream prints them.

use api::field::{Error, Path, aggregate, go_quote};
use expect_test::{Expect, expect};
use serde_json::json;

fn check(error: &Error, expected: Expect) {
    expected.assert_eq(&error.to_string());
}

#[test]
fn errors_print_as_gos() {
    let path = Path::new("spec").child("containers").index(0).child("name");
    check(&Error::required(&path, ""), expect!["spec.containers[0].name: Required value"]);
    check(&Error::invalid(&path, "a\"b", "bad"), expect![[r#"spec.containers[0].name: Invalid value: "a\"b": bad"#]]);
    check(&Error::invalid(&path, 1.5, "bad"), expect!["spec.containers[0].name: Invalid value: 1.5: bad"]);
    check(
        &Error::invalid(&path, json!({"a": "<b>&"}), "bad"),
        expect![[r#"spec.containers[0].name: Invalid value: {"a":"\u003cb\u003e\u0026"}: bad"#]],
    );
    check(
        &Error::not_supported(&Path::new("x"), "c", &["b", "a"]),
        expect![[r#"x: Unsupported value: "c": supported values: "a", "b""#]],
    );
    check(
        &Error::not_supported_as_listed(&Path::new("x"), "c", &["b", "a"]),
        expect![[r#"x: Unsupported value: "c": supported values: "b", "a""#]],
    );
    check(&Error::too_long(&Path::new("x"), 1), expect!["x: Too long: may not be more than 1 byte"]);
    check(&Error::too_long_characters(&Path::new("x"), 63), expect!["x: Too long: may not be more than 63 characters"]);
    check(&Error::too_many(&Path::new("x"), 3, 1), expect!["x: Too many: 3: must have at most 1 item"]);
    check(&Error::duplicate(&Path::new("x").key("k"), "v"), expect![[r#"x[k]: Duplicate value: "v""#]]);
    check(&Error::internal(&Path::default(), "oops"), expect!["<nil>: Internal error: oops"]);
}

#[test]
fn aggregates_print_equal_errors_once() {
    let (a, b) = (Error::required(&Path::new("a"), ""), Error::required(&Path::new("b"), "x"));
    assert_eq!(aggregate(std::slice::from_ref(&a)), "a: Required value");
    assert_eq!(aggregate(&[a.clone(), b.clone(), a.clone()]), "[a: Required value, b: Required value: x]");
    assert_eq!(aggregate(&[a.clone(), a]), "a: Required value");
}

#[test]
fn quoting_is_gos() {
    assert_eq!(go_quote("a\n\t\u{0}\u{7f}é😀\u{ad}'\\"), r#""a\n\t\x00\x7fé😀\u00ad'\\""#);
}
