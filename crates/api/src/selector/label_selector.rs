//! Label selectors in their two forms: the string of queries, and `matchLabels` with `matchExpressions` of objects.

use super::lexer::{Token, words};
use super::requirement::{Operator, Requirement};
use super::{MAX_SELECTOR_BYTES, SelectorError};
use crate::field::{Error, ErrorList, Path};
use crate::names;
use serde_json::{Map, Value};
use std::fmt;

/// All of its requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    /// `None`: nothing matches.
    requirements: Option<Vec<Requirement>>,
}

impl LabelSelector {
    /// Matches all.
    pub fn everything() -> Self {
        Self { requirements: Some(Vec::new()) }
    }

    /// Matches none.
    pub fn nothing() -> Self {
        Self { requirements: None }
    }

    /// `labels.Parse`: `a=b,c in (d,e),!f`.
    ///
    /// # Errors
    /// In upstream's words.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(SelectorError(format!("selector is longer than {MAX_SELECTOR_BYTES} bytes")));
        }
        let mut requirements = Parser { words: words(text), at: 0 }.parse()?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements: Some(requirements) })
    }

    /// `LabelSelectorAsSelector`: an object's selector. Missing (or `null`) matches nothing, an empty one everything.
    ///
    /// # Errors
    /// For an operator that does not exist, and for what no label can be.
    pub fn from_object(selector: Option<&Value>) -> Result<Self, SelectorError> {
        let Some(Value::Object(selector)) = selector else {
            return Ok(Self::nothing());
        };
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement::checked(key, Operator::In, true, vec![value])?);
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
            let operator = match text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(SelectorError(format!("{other:?} is not a valid label selector operator")));
                }
            };
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(Requirement::new(text("key"), operator, values)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements: Some(requirements) })
    }

    /// `SelectorFromSet`: each label with its value, as a Service's or ReplicationController's selector. Not validated.
    pub fn from_set(labels: &Map<String, Value>) -> Self {
        let requirement = |(key, value): (&String, &Value)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            exact: true,
            values: vec![value.as_str().unwrap_or_default().to_owned()],
        };
        Self { requirements: Some(labels.iter().map(requirement).collect()) }
    }

    /// Whether labels match.
    pub fn matches(&self, labels: &Map<String, Value>) -> bool {
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|one| one.matches(labels)))
    }

    /// Whether labels match that are looked up by `lookup`.
    pub fn matches_by<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|one| one.matches_value(lookup(&one.key))))
    }

    /// Whether it restricts nothing.
    pub fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// The conditions, sorted by key; none for [`LabelSelector::nothing`] too.
    pub fn requirements(&self) -> &[Requirement] {
        self.requirements.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.requirements().iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

/// Reads along upstream's grammar, so that errors are the same.
struct Parser {
    words: Vec<(Token, String)>,
    at: usize,
}

fn found(literal: &str, expected: &str) -> SelectorError {
    SelectorError(format!("found '{literal}', expected: {expected}"))
}

impl Parser {
    /// The current word; `in` and `notin` may be values.
    fn peek(&self) -> (Token, &str) {
        let (token, literal) = &self.words[self.at.min(self.words.len() - 1)];
        let token = if matches!(token, Token::In | Token::NotIn) { Token::Identifier } else { *token };
        (token, literal)
    }

    fn next(&mut self) -> (Token, String) {
        let (token, literal) = self.peek();
        let word = (token, literal.to_owned());
        self.at += 1;
        word
    }

    fn parse(&mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                (Token::Identifier | Token::Not, _) => {
                    let requirement = self.requirement();
                    requirements
                        .push(requirement.map_err(|e| SelectorError(format!("unable to parse requirement: {e}")))?);
                    match self.next() {
                        (Token::End, _) => return Ok(requirements),
                        (Token::Comma, _) => match self.peek() {
                            (Token::Identifier | Token::Not, _) => {}
                            (_, literal) => return Err(found(literal, "identifier after ','")),
                        },
                        (_, literal) => return Err(found(&literal, "',' or 'end of string'")),
                    }
                }
                (Token::End, _) => return Ok(requirements),
                (_, literal) => return Err(found(literal, "!, identifier, or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (mut token, mut key) = self.next();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.next();
        }
        if token != Token::Identifier {
            return Err(found(&key, "identifier"));
        }
        let wrong = names::qualified_name(&key);
        if !wrong.is_empty() {
            return Err(SelectorError(Error::invalid(&Path::default(), key, wrong.join("; ")).to_string()));
        }
        if negated {
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Requirement::new(&key, Operator::Exists, Vec::new());
        }
        // Here `in` and `notin` are operators.
        let (token, literal) = self.words[self.at.min(self.words.len() - 1)].clone();
        self.at += 1;
        let (operator, exact) = match token {
            Token::In => (Operator::In, false),
            Token::NotIn => (Operator::NotIn, false),
            Token::Equals | Token::DoubleEquals => (Operator::In, true),
            Token::NotEquals => (Operator::NotIn, true),
            Token::Greater => (Operator::GreaterThan, true),
            Token::Less => (Operator::LessThan, true),
            _ => return Err(found(&literal, "in, notin, =, ==, !=, gt, lt")),
        };
        let values = if exact { self.exact_value()? } else { self.values()? };
        Requirement::checked(&key, operator, exact, values)
    }

    fn exact_value(&mut self) -> Result<Vec<String>, SelectorError> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(vec![String::new()]);
        }
        match self.next() {
            (Token::Identifier, literal) => Ok(vec![literal]),
            (_, literal) => Err(found(&literal, "identifier")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        match self.next() {
            (Token::Open, _) => {}
            (_, literal) => return Err(SelectorError(format!("found '{literal}' expected: '('"))),
        }
        match self.peek() {
            (Token::Identifier | Token::Comma, _) => {
                let mut values = self.identifiers()?;
                self.next();
                values.sort();
                values.dedup();
                Ok(values)
            }
            (Token::Close, _) => {
                self.next();
                Ok(vec![String::new()])
            }
            (_, literal) => Err(found(literal, "',', ')' or identifier")),
        }
    }

    /// The values before `)`; where two commas or a comma and a parenthesis meet, there is an empty one.
    fn identifiers(&mut self) -> Result<Vec<String>, SelectorError> {
        let mut values = Vec::new();
        loop {
            match self.next() {
                (Token::Identifier, literal) => {
                    values.push(literal);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, literal) => return Err(found(literal, "',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    let next = self.peek().0;
                    if values.is_empty() || matches!(next, Token::Close | Token::Comma) {
                        values.push(String::new());
                    }
                    if next == Token::Close {
                        return Ok(values);
                    }
                }
                (_, literal) => return Err(found(&literal, "',', or identifier")),
            }
        }
    }
}

/// `ValidateLabelSelector`: all that is wrong with an object's selector.
pub fn validate_label_selector(selector: Option<&Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let Some(selector) = selector.and_then(Value::as_object) else {
        return errors;
    };
    if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
        errors.extend(crate::objectmeta::validate_labels(labels, &path.child("matchLabels")));
    }
    let path = path.child("matchExpressions");
    for (index, expression) in
        selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        let path = path.index(index);
        let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
        let values: Vec<&str> = expression
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match text("operator") {
            "In" | "NotIn" if values.is_empty() => {
                errors.push(Error::required(
                    &path.child("values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                ));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(Error::forbidden(&path.child("values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(Error::invalid(&path.child("operator"), other, "not a valid selector operator")),
        }
        let key = text("key");
        errors
            .extend(names::qualified_name(key).into_iter().map(|wrong| Error::invalid(&path.child("key"), key, wrong)));
        for (at, value) in values.into_iter().enumerate() {
            let path = path.child("values").index(at);
            errors.extend(names::label_value(value).into_iter().map(|wrong| Error::invalid(&path, value, wrong)));
        }
    }
    errors
}
