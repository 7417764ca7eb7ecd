//! What changed between two objects, as the text that upstream puts below an immutability error.

use serde_json::Value;

/// Lines kept around the change, as in unified diffs.
const CONTEXT_LINES: usize = 3;

/// A unified diff of both values' pretty JSON, with one hunk around all that differs.
pub(crate) fn diff(old: &Value, new: &Value) -> String {
    let (old, new) = (format!("{old:#}"), format!("{new:#}"));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - same_start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let start = same_start.saturating_sub(CONTEXT_LINES);
    let after = same_end.min(CONTEXT_LINES);
    let (old_end, new_end) = (old.len() - same_end, new.len() - same_end);
    let (old_count, new_count) = (old_end + after - start, new_end + after - start);
    let mut text = format!("@@ -{},{old_count} +{},{new_count} @@\n", start + 1, start + 1);
    let mut line = |sign: char, line: &str| {
        text.push(sign);
        text.push_str(line);
        text.push('\n');
    };
    old[start..same_start].iter().for_each(|l| line(' ', l));
    old[same_start..old_end].iter().for_each(|l| line('-', l));
    new[same_start..new_end].iter().for_each(|l| line('+', l));
    old[old_end..old_end + after].iter().for_each(|l| line(' ', l));
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn one_hunk_with_context() {
        let old = json!({"a": 1, "b": [1, 2, 3], "c": "x"});
        let new = json!({"a": 1, "b": [1, 4, 3], "c": "x"});
        expect![[r#"
            @@ -2,7 +2,7 @@
               "a": 1,
               "b": [
                 1,
            -    2,
            +    4,
                 3
               ],
               "c": "x"
        "#]]
        .assert_eq(&super::diff(&old, &new));
    }
}
