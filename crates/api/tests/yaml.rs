//! YAML in and out, against what Go's library makes of it.

use api::codec::{DecodeError, decode_yaml, encode_yaml};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

fn reads(text: &str, expected: Expect) {
    let shown = match decode_yaml(text.as_bytes()) {
        Ok(decoded) if decoded.duplicates.is_empty() => decoded.value.to_string(),
        Ok(decoded) => format!("{} {:?}", decoded.value, decoded.duplicates),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn scalars_by_yaml_1_1() {
    reads("[y, n, yes, No, on, OFF, true]", expect!["[true,false,true,false,true,false,true]"]);
    reads("['y', \"no\", !!str on]", expect![[r#"["y","no","on"]"#]]);
    reads("[0777, 0o17, 0x1F, 0b101, 1_000, -5, +7]", expect!["[511,15,31,5,1000,-5,7]"]);
    reads("[1.5, 1e3, .5, 1., 09, 1:20, 08]", expect![[r#"[1.5,1000,0.5,1,9,"1:20",8]"#]]);
    reads("[~, null, Null, '', NULL]", expect![[r#"[null,null,null,"",null]"#]]);
    reads(
        "[2001-01-01, 2001-12-14t21:59:43.10-05:00, 1.2.3, 1e]",
        expect![[r#"["2001-01-01","2001-12-14t21:59:43.10-05:00","1.2.3","1e"]"#]],
    );
    reads("{1: a, true: b, 1.5: c}", expect![[r#"{"1":"a","1.5":"c","true":"b"}"#]]);
    reads("[!!binary aGVsbG8=, !!int \"5\", !foo bar]", expect![[r#"["hello",5,"bar"]"#]]);
    reads(".nan", expect!["error: json: unsupported value: NaN"]);
    reads("", expect!["null"]);
}

#[test]
fn anchors_merges_and_documents() {
    reads("a: &x {b: 1}\nc: *x\n", expect![[r#"{"a":{"b":1},"c":{"b":1}}"#]]);
    reads("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n", expect![[r#"{"a":{"b":1,"c":2},"d":{"b":3,"c":2}}"#]]);
    reads("a: 1\n---\nb: 2\n", expect![[r#"{"a":1}"#]]);
    reads("---\na: 1\n", expect![[r#"{"a":1}"#]]);
    reads("a: &x [*x]\n", expect!["error: yaml: anchor 'x' value contains itself"]);
    reads(
        "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n",
        expect![[
            r#"{"a":3,"b":{"c":2}} ["yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map"]"#
        ]],
    );
}

#[test]
fn broken_documents() {
    reads("a: [b\n", expect!["error: yaml: line 1: did not find expected ',' or ']'"]);
    reads("a: *b", expect!["error: yaml: unknown anchor 'b' referenced"]);
    reads("a: [", expect!["error: yaml: line 1: did not find expected node content"]);
    reads("a: 1\nb: {c,\n\n", expect!["error: yaml: line 3: did not find expected node content"]);
    reads("a: \"x\n", expect!["error: yaml: line 2: found unexpected end of stream"]);
    reads("a: 1\n\tb: 2\n", expect!["error: yaml: line 2: found a tab character that violates indentation"]);
    reads("- a\nb: 1\n", expect!["error: yaml: line 1: did not find expected '-' indicator"]);
    reads("a: 1\n- b\n", expect!["error: yaml: line 1: did not find expected key"]);
    reads("a\nb: 1\n", expect!["error: yaml: line 2: mapping values are not allowed in this context"]);
    reads("a: 'x' y\n", expect!["error: yaml: did not find expected key"]);
    reads("%x", expect!["error: yaml: found unknown directive name"]);
    reads("a: b: c", expect!["error: yaml: mapping values are not allowed in this context"]);
    assert_eq!(decode_yaml("[".repeat(2000).as_bytes()), Err(DecodeError::TooDeep));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{},", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
    }
    reads(&bomb, expect!["error: yaml: document contains excessive aliasing"]);
}

fn writes(value: Value, expected: Expect) {
    let text = encode_yaml(&value);
    expected.assert_eq(&text);
    assert_eq!(decode_yaml(text.as_bytes()).unwrap().value, value, "reads back");
}

#[test]
fn output_is_gos() {
    writes(
        json!({"b": [1, {"x": "y", "z": []}, ["n"]], "a": {}, "c": null, "d": {"e": "f: g", "h": "- i", "j": "#k", "l": " m"}}),
        expect![[r#"
            a: {}
            b:
            - 1
            - x: "y"
              z: []
            - - "n"
            c: null
            d:
              e: 'f: g'
              h: '- i'
              j: '#k'
              l: ' m'
        "#]],
    );
    writes(
        json!({"s": ["true", "1", "1.5", "~", "", "2001-01-01", "1:20", "it's", "a\tb", "*x", "a: 'b'", "x:", "-", "é", "😀"]}),
        expect![[r#"
            s:
            - "true"
            - "1"
            - "1.5"
            - "~"
            - ""
            - "2001-01-01"
            - "1:20"
            - it's
            - "a\tb"
            - '*x'
            - 'a: ''b'''
            - 'x:'
            - '-'
            - é
            - "\U0001F600"
        "#]],
    );
    writes(
        json!({"<<": ["<<"], "<": 1}),
        expect![[r#"
            <: 1
            "<<":
            - <<
        "#]],
    );
    writes(
        json!({"m": ["two\nlines\n", "no end\nhere", "many\n\n\n", "  lead\nx\n", "\n"]}),
        expect![[r#"
            m:
            - |
              two
              lines
            - |-
              no end
              here
            - |+
              many


            - |2
                lead
              x
            - |2+

        "#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_yaml(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in "[-a-c:?&*!|>'\"%@{}\\[\\], \n\t#0-1<.~]{0,60}") {
        let _ = decode_yaml(text.as_bytes());
    }

    #[test]
    fn what_is_written_reads_back(text in "[ -~\n\té\u{0}]{0,200}", key in "[ -~]{0,20}") {
        let value = json!({key: [text]});
        prop_assert_eq!(decode_yaml(encode_yaml(&value).as_bytes()).map(|d| d.value), Ok(value));
    }
}
