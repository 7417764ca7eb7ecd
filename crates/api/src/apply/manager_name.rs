//! Names of field managers.

use crate::field::{Error, Path};
use serde_json::Value;

/// The longest name, in bytes; upstream's `FieldManagerMaxLength`.
pub const MAX_MANAGER_BYTES: usize = 128;

/// The manager of a request without `fieldManager`: the user agent up to its first slash, without characters that do
/// not print, cut at [`MAX_MANAGER_BYTES`] (upstream's `prefixFromUserAgent`).
pub fn manager_from_user_agent(user_agent: &str) -> String {
    let prefix = user_agent.split('/').next().unwrap_or_default();
    let mut name = String::with_capacity(prefix.len());
    for character in prefix.chars().filter(|&character| prints(character)) {
        if name.len() + character.len_utf8() > MAX_MANAGER_BYTES {
            break;
        }
        name.push(character);
    }
    name
}

/// What is wrong with a `fieldManager` parameter (upstream's `ValidateFieldManager`); empty names are checked elsewhere.
pub fn validate_manager(name: &str, path: &Path) -> Vec<Error> {
    let mut errors = Vec::new();
    if name.len() > MAX_MANAGER_BYTES {
        errors.push(Error::too_long(path, MAX_MANAGER_BYTES));
    }
    for (position, character) in name.char_indices() {
        if !prints(character) {
            let detail = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
            errors.push(Error::invalid(path, Value::from(name), detail));
        }
    }
    errors
}

/// Go's `unicode.IsPrint`, near enough: no control, format, private or separator characters but the plain space.
fn prints(character: char) -> bool {
    if character == ' ' {
        return true;
    }
    let invisible = matches!(character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{ffff}' | '\u{e0000}'..='\u{10ffff}');
    !character.is_control() && !character.is_whitespace() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_user_agents() {
        assert_eq!(manager_from_user_agent("kubectl/v1.36.0 (linux/amd64) kubernetes/$Format"), "kubectl");
        assert_eq!(manager_from_user_agent("my tool"), "my tool");
        assert_eq!(manager_from_user_agent("a\u{1}b\u{200b}c/1"), "abc");
        assert_eq!(manager_from_user_agent(&"é".repeat(100)).len(), MAX_MANAGER_BYTES);
        assert_eq!(manager_from_user_agent(""), "");
    }

    #[test]
    fn bad_names() {
        let check = |name: &str| validate_manager(name, &Path::new("fieldManager"));
        assert!(check("kubectl-client-side-apply").is_empty());
        assert_eq!(check(&"m".repeat(129))[0].to_string(), "fieldManager: Too long: may not be more than 128 bytes");
        assert!(check("bad\u{1}")[0].to_string().ends_with(": invalid character U+0001 (at position 3)"));
    }
}
