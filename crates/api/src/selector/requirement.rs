//! One condition on labels.

use super::SelectorError;
use crate::field::{Error, ErrorList, Path};
use crate::names;
use serde_json::{Map, Value};
use std::fmt;

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `in`; also `=` and `==`, which have one value.
    In,
    /// `notin`, `!=`; true also where the label is missing.
    NotIn,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `>`, by number.
    GreaterThan,
    /// `<`, by number.
    LessThan,
}

/// One condition on labels: upstream's `labels.Requirement`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    pub(super) key: String,
    pub(super) operator: Operator,
    /// Written as `=`, `==` or `!=`, and printed so.
    pub(super) exact: bool,
    /// Sorted, each once.
    pub(super) values: Vec<String>,
}

impl Requirement {
    /// `NewRequirement`
    ///
    /// # Errors
    /// When key or values are no label's, or their number does not fit the operator.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, SelectorError> {
        Self::checked(key, operator, false, values)
    }

    pub(super) fn checked(
        key: &str,
        operator: Operator,
        exact: bool,
        mut values: Vec<String>,
    ) -> Result<Self, SelectorError> {
        let path = Path::new("values");
        let mut errors = ErrorList::new();
        let wrong = names::qualified_name(key);
        if !wrong.is_empty() {
            errors.push(Error::invalid(&Path::new("key"), key, wrong.join("; ")));
        }
        let fault = match operator {
            Operator::In | Operator::NotIn if exact && values.len() != 1 => {
                "exact-match compatibility requires one single value"
            }
            Operator::In | Operator::NotIn if values.is_empty() => {
                "for 'in', 'notin' operators, values set can't be empty"
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                "values set must be empty for exists and does not exist"
            }
            Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
                "for 'Gt', 'Lt' operators, exactly one value is required"
            }
            _ => "",
        };
        if !fault.is_empty() {
            errors.push(Error::invalid(&path, values.clone(), fault));
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (index, value) in values.iter().enumerate().filter(|(_, v)| v.parse::<i64>().is_err()) {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(Error::invalid(&path.index(index), value.as_str(), detail));
            }
        }
        for (index, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                errors.push(Error::invalid(&path.index(index).key(key), value.as_str(), wrong.join("; ")));
            }
        }
        if !errors.is_empty() {
            return Err(SelectorError(crate::field::aggregate(&errors)));
        }
        values.sort();
        values.dedup();
        Ok(Self { key: key.to_owned(), operator, exact, values })
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How its value is compared.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// With what, sorted.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether labels meet the condition; labels that are no strings are none.
    pub fn matches(&self, labels: &Map<String, Value>) -> bool {
        self.matches_value(labels.get(&self.key).and_then(Value::as_str))
    }

    /// Whether the value of the label with this key (`None` when missing) meets the condition.
    pub fn matches_value(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::In, Some(value)) => self.has(value),
            (Operator::NotIn, Some(value)) => !self.has(value),
            (Operator::NotIn | Operator::DoesNotExist, None) | (Operator::Exists, Some(_)) => true,
            (Operator::GreaterThan, Some(value)) => self.compares(value).is_some_and(|(a, b)| a > b),
            (Operator::LessThan, Some(value)) => self.compares(value).is_some_and(|(a, b)| a < b),
            _ => false,
        }
    }

    fn has(&self, value: &str) -> bool {
        self.values.binary_search_by(|own| own.as_str().cmp(value)).is_ok()
    }

    fn compares(&self, value: &str) -> Option<(i64, i64)> {
        Some((value.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.values.first().map_or("", String::as_str);
        match self.operator {
            Operator::Exists => f.write_str(&self.key),
            Operator::DoesNotExist => write!(f, "!{}", self.key),
            Operator::GreaterThan => write!(f, "{}>{one}", self.key),
            Operator::LessThan => write!(f, "{}<{one}", self.key),
            Operator::In if self.exact => write!(f, "{}={one}", self.key),
            Operator::NotIn if self.exact => write!(f, "{}!={one}", self.key),
            Operator::In => write!(f, "{} in ({})", self.key, self.values.join(",")),
            Operator::NotIn => write!(f, "{} notin ({})", self.key, self.values.join(",")),
        }
    }
}
