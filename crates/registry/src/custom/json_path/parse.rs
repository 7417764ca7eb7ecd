//! From the text of a path to its steps.

use super::{JsonPath, JsonPathError, Operand, Operator, Step};

pub(super) fn next_step(rest: &str) -> Result<(Option<Step>, &str), JsonPathError> {
    if rest.starts_with("..") {
        // The key behind stands after the second dot, as after any.
        let after = &rest[1..];
        return Ok((Some(Step::Recursive), if after == "." { "" } else { after }));
    }
    if let Some(after) = rest.strip_prefix('.') {
        if after.is_empty() || after.starts_with('[') {
            return Ok((None, after));
        }
        return key(after);
    }
    if let Some(after) = rest.strip_prefix('[') {
        let end = closing(after).ok_or_else(|| JsonPathError("unterminated array".to_owned()))?;
        return Ok((Some(bracket(&after[..end])?), &after[end + 1..]));
    }
    let character = rest.chars().next().unwrap_or_default();
    Err(JsonPathError(format!("unrecognized character in action: U+{:04X} '{character}'", u32::from(character))))
}

fn key(text: &str) -> Result<(Option<Step>, &str), JsonPathError> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.extend(characters.next().map(|(_, c)| c)),
            '.' | '[' | ']' | ' ' | '}' | '(' | ')' | '=' | '!' | '<' | '>' => {
                end = at;
                break;
            }
            c => name.push(c),
        }
    }
    let step = match name.as_str() {
        "" => None,
        "*" => Some(Step::Wildcard),
        _ => Some(Step::Key(name)),
    };
    if end == 0 && !text.is_empty() && !text.starts_with(['.', '[']) {
        let character = text.chars().next().unwrap_or_default();
        return Err(JsonPathError(format!(
            "unrecognized character in action: U+{:04X} '{character}'",
            u32::from(character)
        )));
    }
    Ok((step, &text[end..]))
}

/// The place of the bracket that closes, quotes and inner brackets skipped.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str) -> Result<Step, JsonPathError> {
    let inside = inside.trim();
    let invalid = || JsonPathError(format!("invalid array index {inside}"));
    if inside == "*" {
        return Ok(Step::Wildcard);
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return parse_filter(filter);
    }
    if inside.starts_with(['"', '\'']) {
        let keys: Option<Vec<String>> = inside.split(',').map(|part| unquote(part.trim())).collect();
        return keys.map(Step::Keys).ok_or_else(invalid);
    }
    let number = |text: &str| -> Result<Option<i64>, JsonPathError> {
        match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| invalid()),
        }
    };
    let parts: Vec<&str> = inside.split(':').collect();
    match parts.as_slice() {
        [one] => number(one)?.map(Step::Index).ok_or_else(invalid),
        [start, end] => Ok(Step::Slice { start: number(start)?, end: number(end)?, step: 1 }),
        [start, end, step] => {
            let step = number(step)?.unwrap_or(1);
            if step < 1 {
                return Err(JsonPathError("step must be > 0".to_owned()));
            }
            Ok(Step::Slice { start: number(start)?, end: number(end)?, step })
        }
        _ => Err(invalid()),
    }
}

fn unquote(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(inner.replace(&format!("\\{quote}"), &quote.to_string()))
}

fn parse_filter(text: &str) -> Result<Step, JsonPathError> {
    let operators = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            _ => {
                if let Some((token, operator)) = operators.iter().find(|(token, _)| text[at..].starts_with(token)) {
                    let (left, right) = (operand(&text[..at])?, operand(&text[at + token.len()..])?);
                    return Ok(Step::Filter { left, operator: *operator, right });
                }
            }
        }
    }
    Ok(Step::Filter { left: operand(text)?, operator: Operator::Exists, right: Operand::Nothing })
}

fn operand(text: &str) -> Result<Operand, JsonPathError> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix('@') {
        return JsonPath::parse(path).map(Operand::Path);
    }
    if let Some(literal) = unquote(text) {
        return Ok(Operand::Literal(literal.into()));
    }
    match text {
        "true" => Ok(Operand::Literal(true.into())),
        "false" => Ok(Operand::Literal(false.into())),
        number => match number.parse::<i64>() {
            Ok(n) => Ok(Operand::Literal(n.into())),
            Err(_) => number
                .parse::<f64>()
                .map(|n| Operand::Literal(n.into()))
                .map_err(|_| JsonPathError(format!("unrecognized identifier {number}"))),
        },
    }
}
