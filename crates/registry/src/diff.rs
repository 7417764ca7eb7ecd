//! What changed between two objects, as the text that upstream puts below an immutability error
//! (`k8s.io/apimachinery/pkg/util/diff`): a unified diff of both internal structs' indented JSON.
//!
//! Which lines stand in it is decided by [`matcher`], in the way that Go's difflib does.

mod matcher;

use crate::go_text::{go_text, go_text_of, indented};
use matcher::{Matcher, Opcode, Tag};
use serde_json::Value;

/// Lines kept around each change, as in unified diffs.
const CONTEXT_LINES: usize = 3;

/// The difference between two values of the built-in type `definition`, in their internal form.
pub(crate) fn diff(definition: &str, old: &Value, new: &Value) -> String {
    unified(&indented(&go_text(definition, Some(old))), &indented(&go_text(definition, Some(new))))
}

/// The same of some of the type's fields, by their Go names.
pub(crate) fn diff_of(definition: &str, fields: &[&str], old: &Value, new: &Value) -> String {
    unified(&indented(&go_text_of(definition, fields, old)), &indented(&go_text_of(definition, fields, new)))
}

/// A unified diff without file names.
fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut text = String::new();
    for hunk in Matcher::new(&old, &new).hunks(CONTEXT_LINES) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let (was, now) = (range(first.old.start, last.old.end), range(first.new.start, last.new.end));
        text.push_str(&format!("@@ -{was} +{now} @@\n"));
        hunk.iter().for_each(|opcode| write(&mut text, opcode, &old, &new));
    }
    text
}

/// The lines of one opcode, each with its sign.
fn write(text: &mut String, opcode: &Opcode, old: &[&str], new: &[&str]) {
    let mut lines = |sign: char, lines: &[&str]| {
        for line in lines {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    };
    if opcode.tag == Tag::Equal {
        lines(' ', &old[opcode.old.clone()]);
    } else {
        lines('-', &old[opcode.old.clone()]);
        lines('+', &new[opcode.new.clone()]);
    }
}

/// Where a hunk stands in one of the texts: the first line and how many there are.
fn range(start: usize, end: usize) -> String {
    match end - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    #[test]
    fn a_hunk_for_each_change_with_context() {
        let old: Vec<String> = (0..20).map(|line| line.to_string()).collect();
        let mut new = old.clone();
        new[2] = "two".to_owned();
        new.remove(15);
        expect![[r#"
            @@ -1,6 +1,6 @@
             0
             1
            -2
            +two
             3
             4
             5
            @@ -13,7 +13,6 @@
             12
             13
             14
            -15
             16
             17
             18
        "#]]
        .assert_eq(&unified(&old.join("\n"), &new.join("\n")));
        assert_eq!(unified("a\nb", "a\nb"), "");
        assert_eq!(unified("a", "b"), "@@ -1 +1 @@\n-a\n+b\n");
    }

    #[test]
    fn structs_are_shown_in_their_internal_form() {
        let toleration = |seconds: u64| json!({"key": "a", "tolerationSeconds": seconds});
        let check = |text: String, want: Expect| want.assert_eq(&text);
        check(
            diff("io.k8s.api.core.v1.Toleration", &toleration(1), &toleration(2)),
            expect![[r#"
                @@ -3,5 +3,5 @@
                  "Operator": "",
                  "Value": "",
                  "Effect": "",
                - "TolerationSeconds": 1
                + "TolerationSeconds": 2
                 }
            "#]],
        );
        check(
            diff_of("io.k8s.api.core.v1.Toleration", &["Key", "Effect"], &json!({}), &toleration(1)),
            expect![[r#"
                @@ -1,4 +1,4 @@
                 {
                - "Key": "",
                + "Key": "a",
                  "Effect": ""
                 }
            "#]],
        );
    }
}
