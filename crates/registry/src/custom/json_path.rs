//! JSONPath as Kubernetes has it (`k8s.io/client-go/util/jsonpath`), as far as one path without `{}` goes: keys, indices,
//! slices, wildcards, recursive descent, filters.

use serde_json::Value;

/// How long a path may be, in bytes.
const MAX_PATH_BYTES: usize = 4096;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

/// Why a path does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(String);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Keys(Vec<String>),
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Wildcard,
    Recursive,
    Filter { left: Operand, operator: Operator, right: Operand },
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(JsonPath),
    Literal(Value),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Parses a path such as `.spec.conditions[?(@.type=="Ready")].status`.
    ///
    /// # Errors
    /// In words close to upstream's.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        if text.len() > MAX_PATH_BYTES {
            return Err(JsonPathError(format!("path is longer than {MAX_PATH_BYTES} bytes")));
        }
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = next_step(rest)?;
            steps.extend(step);
            rest = after;
        }
        Ok(Self(steps))
    }

    /// All values that the path leads to.
    pub fn find<'v>(&self, object: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![object];
        for step in &self.0 {
            let mut next = Vec::new();
            found.into_iter().for_each(|value| step.apply(value, &mut next));
            found = next;
        }
        found
    }

    /// A value as text: strings as they are, the rest as JSON.
    pub fn print(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

fn next_step(rest: &str) -> Result<(Option<Step>, &str), JsonPathError> {
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

impl Operand {
    fn value<'v>(&'v self, item: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Path(path) => path.find(item).into_iter().next(),
            Self::Literal(value) => Some(value),
            Self::Nothing => None,
        }
    }
}

impl Step {
    fn apply<'v>(&self, value: &'v Value, out: &mut Vec<&'v Value>) {
        match (self, value) {
            (Self::Key(key), Value::Object(map)) => out.extend(map.get(key)),
            (Self::Keys(keys), Value::Object(map)) => out.extend(keys.iter().filter_map(|key| map.get(key))),
            (Self::Wildcard, Value::Object(map)) => out.extend(map.values()),
            (Self::Wildcard, Value::Array(list)) => out.extend(list),
            (Self::Index(index), Value::Array(list)) => {
                out.extend(position(*index, list.len()).and_then(|at| list.get(at)))
            }
            (Self::Slice { start, end, step }, Value::Array(list)) => {
                let bound = |bound: i64| -> usize {
                    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                    let at = if bound < 0 { bound + length } else { bound };
                    usize::try_from(at.clamp(0, length)).unwrap_or(0)
                };
                let (start, end) = (start.map_or(0, bound), end.map_or(list.len(), bound));
                let step = usize::try_from(*step).unwrap_or(1);
                out.extend(list.get(start..end.max(start)).unwrap_or_default().iter().step_by(step));
            }
            (Self::Recursive, value) => descend(value, out),
            (Self::Filter { left, operator, right }, Value::Array(list)) => {
                out.extend(list.iter().filter(|item| holds(left.value(item), *operator, right.value(item))));
            }
            _ => {}
        }
    }
}

fn position(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(at).ok()
}

fn descend<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    out.push(value);
    match value {
        Value::Object(map) => map.values().for_each(|below| descend(below, out)),
        Value::Array(list) => list.iter().for_each(|below| descend(below, out)),
        _ => {}
    }
}

fn holds(left: Option<&Value>, operator: Operator, right: Option<&Value>) -> bool {
    let Some(left) = left else { return false };
    if operator == Operator::Exists {
        return true;
    }
    let Some(right) = right else { return false };
    let order = match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match operator {
        Operator::Equal => left == right || order.is_some_and(std::cmp::Ordering::is_eq),
        Operator::NotEqual => !(left == right || order.is_some_and(std::cmp::Ordering::is_eq)),
        Operator::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Operator::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        Operator::Exists => true,
    }
}
