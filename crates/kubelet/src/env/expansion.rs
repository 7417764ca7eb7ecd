//! `$(VAR)` in commands, arguments and values (`third_party/forked/golang/expansion`): `$$` stands for `$`, an unknown
//! reference stays as it is. Pure.

/// Replaces the references in `text`.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('(') {
            match after.split_once(')') {
                Some((name, after)) => {
                    match lookup(name) {
                        Some(value) => result.push_str(&value),
                        None => result.push_str(&format!("$({name})")),
                    }
                    rest = after;
                }
                None => {
                    // not closed: as it is
                    result.push_str("$(");
                    rest = after;
                }
            }
        } else {
            result.push('$');
        }
    }
    result.push_str(rest);
    result
}
