//! In which style a string can be printed in YAML: the analysis that libyaml makes of a scalar.

/// What styles are possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub plain: bool,
    pub single_quoted: bool,
    pub block: bool,
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | '\u{20}'..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Which styles can hold `text` as a value or key in block context.
pub(super) fn allowed(text: &str) -> Allowed {
    if text.is_empty() {
        return Allowed { plain: false, single_quoted: true, block: false };
    }
    let mut plain = !(text.starts_with("---") || text.starts_with("..."));
    let (mut special, mut breaks, mut space_break, mut break_space) = (false, false, false, false);
    let mut previous: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let followed_by_blank = chars.peek().is_none_or(|n| *n == ' ' || *n == '\t' || is_break(*n));
        let indicator = match (previous, c) {
            (None, '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`') => {
                true
            }
            (None, '-' | '?' | ':') => followed_by_blank,
            (Some(_), ':') => followed_by_blank,
            (Some(' ' | '\t'), '#') => true,
            (Some(p), '#') => is_break(p),
            _ => false,
        };
        plain &= !indicator;
        special |= !is_printable(c);
        if is_break(c) {
            breaks = true;
            space_break |= previous == Some(' ');
        } else if c == ' ' {
            break_space |= previous.is_some_and(is_break);
        }
        previous = Some(c);
    }
    let leading = text.starts_with(' ') || text.starts_with(is_break);
    let trailing = text.ends_with(' ') || text.ends_with(is_break);
    Allowed {
        plain: plain && !leading && !trailing && !breaks && !special,
        single_quoted: !special && !space_break && !break_space,
        block: !special && !space_break && !text.ends_with(' '),
    }
}
