//! JSONPath as Kubernetes has it (`k8s.io/client-go/util/jsonpath`), as far as one path without `{}` goes: keys, indices,
//! slices, wildcards, recursive descent, filters.

mod parse;

use parse::next_step;
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
