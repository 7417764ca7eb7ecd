//! What compare.py prints, read into values; and the list of cases that are known to fail.

use std::collections::BTreeMap;

const LIST: &str = include_str!("expected-failures.txt");

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub passed: bool,
    /// The lines that say what differed.
    pub details: String,
}

/// Names of cases that still fail, one a line; a `#` begins a remark.
pub fn expected_failures() -> impl Iterator<Item = &'static str> {
    LIST.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|name| !name.is_empty())
}

/// Lines `ok   NAME (3 s)` and `FAIL NAME (3 s)`, with indented ones after the latter. Skipped cases are failures: this
/// run gives all that a case may need.
pub fn parse(text: &str) -> BTreeMap<String, Case> {
    let mut cases = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [verdict @ ("ok" | "FAIL" | "skip"), name, ..] = words[..]
            && !line.starts_with(' ')
        {
            current = Some(name.to_owned());
            cases.insert(name.to_owned(), Case { passed: verdict == "ok", details: String::new() });
        } else if line.starts_with(' ')
            && let Some(case) = current.as_ref().and_then(|name| cases.get_mut(name))
        {
            case.details.push_str(line);
            case.details.push('\n');
        }
    }
    cases
}

#[test]
fn a_report_is_read() {
    let cases = parse(
        "ok   a-b (3 s)\nFAIL c (12 s)\n      p table: never came\n        more\nskip d (0 s)\n1 passed, 1 failed\n",
    );
    let case = |passed, details: &str| Case { passed, details: details.to_owned() };
    let want = [
        ("a-b".to_owned(), case(true, "")),
        ("c".to_owned(), case(false, "      p table: never came\n        more\n")),
        ("d".to_owned(), case(false, "")),
    ];
    assert_eq!(cases, BTreeMap::from(want));
}
