//! `Warning` headers (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).

use crate::answer::Answer;
use http::{HeaderValue, header};
use std::collections::HashSet;

/// How many characters all warnings of one answer may have; beyond that each is cut.
const MAX_CHARACTERS: usize = 4 * 1024;
/// How many characters of each are left then.
const MAX_CUT_CHARACTERS: usize = 256;

/// Adds `Warning` headers: each text once, what cannot stand in a header not at all.
pub fn add(response: &mut Answer, warnings: &[String]) {
    let mut seen = HashSet::new();
    let can_stand = |text: &&String| !text.is_empty() && !text.contains(char::is_control);
    // What two stages have to say is said once.
    let texts: Vec<&String> = warnings.iter().filter(can_stand).filter(|text| seen.insert(text.as_str())).collect();
    let total: usize = texts.iter().map(|text| text.chars().count()).sum();
    let most = if total > MAX_CHARACTERS { MAX_CUT_CHARACTERS } else { MAX_CHARACTERS };
    let mut written = 0;
    for text in texts {
        if written >= MAX_CHARACTERS {
            return;
        }
        let text: String = text.chars().take(most).collect();
        written += text.chars().count();
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// Adds one in front of those that are there.
pub fn add_first(response: &mut Answer, warning: &str) {
    let headers = response.headers_mut();
    let others: Vec<HeaderValue> = headers.get_all(header::WARNING).iter().cloned().collect();
    headers.remove(header::WARNING);
    add(response, &[warning.to_owned()]);
    let added = response.headers().get(header::WARNING).cloned();
    for other in others.into_iter().filter(|other| Some(other) != added.as_ref()) {
        response.headers_mut().append(header::WARNING, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(warnings: &[String]) -> Vec<String> {
        let mut response = crate::answer::text(200, "");
        add(&mut response, warnings);
        let values = response.headers().get_all(header::WARNING).iter();
        values.map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_is_said_once_in_any_language() {
        let warnings = ["größer \"x\"", "größer \"x\"", "a\nb", ""].map(str::to_owned);
        assert_eq!(added(&warnings), [r#"299 - "größer \"x\"""#]);
    }

    #[test]
    fn too_many_are_cut() {
        let warnings: Vec<String> = (0..40).map(|n| format!("{n:02}{}", "x".repeat(400))).collect();
        assert_eq!(added(&warnings[..10])[9].len(), "299 - \"\"".len() + 402);
        let cut = added(&warnings);
        assert_eq!(cut.len(), MAX_CHARACTERS / MAX_CUT_CHARACTERS);
        assert!(cut.iter().all(|one| one.len() == "299 - \"\"".len() + MAX_CUT_CHARACTERS));
    }
}
