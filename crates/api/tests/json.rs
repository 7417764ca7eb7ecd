//! JSON in: values, duplicate keys, and Go's words for what is broken.

use api::codec::{Conformed, DecodeError, Decoded, MAX_DEPTH, conform, decode_json, strict_errors};
use api::schema::builtin;
use expect_test::{Expect, expect};
use serde_json::json;

fn check(text: &str, expected: Expect) {
    let shown = match decode_json(text.as_bytes()) {
        Ok(Decoded { value, duplicates }) if duplicates.is_empty() => value.to_string(),
        Ok(Decoded { value, duplicates }) => format!("{value} {duplicates:?}"),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn broken_json_in_gos_words() {
    check("", expect!["error: unexpected end of JSON input"]);
    check("{\"a\":", expect!["error: unexpected end of JSON input"]);
    check("{\"a\":tru}", expect!["error: invalid character '}' in literal true (expecting 'e')"]);
    check("{\"a\" 1}", expect!["error: invalid character '1' after object key"]);
    check("{\"a\":1 \"b\"}", expect!["error: invalid character '\"' after object key:value pair"]);
    check("[1 2]", expect!["error: invalid character '2' after array element"]);
    check("{a:1}", expect!["error: invalid character 'a' looking for beginning of object key string"]);
    check("{\"a\":1,}", expect!["error: invalid character '}' looking for beginning of object key string"]);
    check("[1,]", expect!["error: invalid character ']' looking for beginning of value"]);
    check("01", expect!["error: invalid character '1' after top-level value"]);
    check("\"\u{1}\"", expect![[r"error: invalid character '\x01' in string literal"]]);
    check("\"\\q\"", expect!["error: invalid character 'q' in string escape code"]);
    check("-x", expect!["error: invalid character 'x' in numeric literal"]);
    check("1.x", expect!["error: invalid character 'x' after decimal point in numeric literal"]);
    check("1e", expect!["error: unexpected end of JSON input"]);
    check("'a'", expect![[r"error: invalid character '\'' looking for beginning of value"]]);
    check("é", expect!["error: invalid character 'Ã' looking for beginning of value"]);
    check("{} x", expect!["error: invalid character 'x' after top-level value"]);
}

#[test]
fn numbers_come_back_as_they_were() {
    // each of them is one unit off when digits and exponent are multiplied out without care
    for text in ["4.88888e+50", "2.2250738585072011e-308", "9007199254740993.5", "1.7976931348623157e308"] {
        let read = decode_json(text.as_bytes()).unwrap().value;
        assert_eq!(read.as_f64(), Some(text.parse::<f64>().unwrap()), "{text}");
        assert_eq!(decode_json(read.to_string().as_bytes()).unwrap().value, read, "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(decode_json(nested(MAX_DEPTH).as_bytes()).is_ok());
    for depth in [MAX_DEPTH + 1, 100_000] {
        assert_eq!(decode_json(nested(depth).as_bytes()), Err(DecodeError::TooDeep), "{depth}");
    }
}

#[test]
fn duplicates_are_named_and_the_last_counts() {
    check(
        r#"{"a":1,"b":[{"c":1,"c":2}],"a":3}"#,
        expect![[r#"{"a":3,"b":[{"c":2}]} ["duplicate field \"b[0].c\"", "duplicate field \"a\""]"#]],
    );
}

#[test]
fn strict_errors_are_in_the_order_of_the_document() {
    let body = br#"{"z":1,"metadata":{"x":1,"name":"a","name":"b"},"data":{"k":"1","k":"2"},"a":1,"metadata":{"x":1}}"#;
    let mut decoded = decode_json(body).unwrap();
    let conformed = conform(&mut decoded.value, builtin("io.k8s.api.core.v1.ConfigMap").unwrap()).unwrap();
    let errors = strict_errors(body, &decoded, &conformed);
    expect![[r#"
        unknown field "z"
        unknown field "metadata.x"
        duplicate field "metadata.name"
        duplicate field "data.k"
        unknown field "a"
        duplicate field "metadata""#]]
    .assert_eq(&errors.join("\n"));
    assert!(
        strict_errors(b"{}", &Decoded { value: json!({}), duplicates: Vec::new() }, &Conformed::default()).is_empty()
    );
}

/// As an apiextensions-apiserver 1.36.4 answered.
#[test]
fn what_is_no_text_is_replaced_and_numbers_may_be_too_large() {
    let value = |body: &[u8]| decode_json(body).map(|decoded| decoded.value.to_string()).map_err(|e| e.to_string());
    assert_eq!(value(b"{\"a\":\"\xff\xe2\x82\"}"), Ok("{\"a\":\"\u{fffd}\u{fffd}\u{fffd}\"}".to_owned()));
    assert_eq!(value(b"{\"\xff\":1}"), Ok("{\"\u{fffd}\":1}".to_owned()));
    let words = "json: cannot unmarshal number -1E400 into Go value of type float64";
    assert_eq!(value(br#"{"a\"1e999":[1, -1E400]}"#), Err(words.to_owned()));
}
