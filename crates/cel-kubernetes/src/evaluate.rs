//! Evaluation, with a budget: each step costs what upstream's runtime cost tracker says, and when the budget is used up
//! nothing goes on.

use crate::PER_CALL_LIMIT;
use crate::expression::{Expression, Kind, Loop, LoopKind, Select};
use crate::functions;
use crate::host::Lazy;
use crate::value::{Key, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why there is no result, in cel-go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The expression went wrong: `no such key: x`, `divide by zero`.
    #[error("{0}")]
    Failed(String),
    /// No function for values of these types.
    #[error("no such overload")]
    NoOverload,
    /// One call cost more than it may.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostExceeded,
}

/// What may still be spent.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// A budget.
    pub fn new(left: u64) -> Self {
        Self { left }
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.left
    }
}

/// Evaluates an expression.
pub(crate) fn evaluate(
    expression: &Expression,
    variables: &BTreeMap<String, Value>,
    lazy: &mut Lazy<'_>,
    budget: &mut Budget,
) -> Result<Value, EvaluateError> {
    let limit = budget.left.min(PER_CALL_LIMIT);
    let mut run = Run { variables, lazy, locals: Vec::new(), spent: 0, limit };
    let result = run.value(expression);
    budget.left -= run.spent.min(budget.left);
    result
}

/// One evaluation.
pub(crate) struct Run<'v, 'p> {
    variables: &'v BTreeMap<String, Value>,
    lazy: &'v mut Lazy<'p>,
    locals: Vec<(String, Value)>,
    spent: u64,
    limit: u64,
}

fn failed<T>(words: impl Into<String>) -> Result<T, EvaluateError> {
    Err(EvaluateError::Failed(words.into()))
}

impl Run<'_, '_> {
    pub(crate) fn spend(&mut self, cost: u64) -> Result<(), EvaluateError> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(EvaluateError::CostExceeded) } else { Ok(()) }
    }

    fn value(&mut self, expression: &Expression) -> Result<Value, EvaluateError> {
        match &expression.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Variable(name) => {
                self.spend(1)?;
                self.variable(name)
            }
            Kind::Select { operand, field, how } => {
                if let Some((root, name)) = expression.qualified_type()
                    && !self.locals.iter().any(|(local, _)| local == root)
                    && !self.variables.contains_key(root)
                {
                    return Ok(Value::Type(name.into()));
                }
                if let Some(found) = self.lazy_field(operand, field, *how)? {
                    return Ok(found);
                }
                let operand = self.value(operand)?;
                self.spend(1)?;
                select(&operand, &Key::String(field.as_str().into()), *how)
            }
            Kind::Call { name, target, args } => self.call(name, target.as_deref(), args),
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Object { fields, .. } => {
                self.spend(40)?;
                let mut map = BTreeMap::new();
                for (name, value, optional) in fields {
                    if let Some(value) = unwrapped(self.value(value)?, *optional) {
                        map.insert(Key::String(name.as_str().into()), value);
                    }
                }
                Ok(Value::Map(Arc::new(map)))
            }
            Kind::Loop(one) => self.one_loop(one),
            Kind::Bind { name, value, body } => {
                let value = self.value(value)?;
                self.within(vec![(name.clone(), value)], body)
            }
            Kind::OptionalMap { operand, name, body, flat } => match self.value(operand)? {
                Value::Optional(Some(inner)) => {
                    let made = self.within(vec![(name.clone(), *inner)], body)?;
                    Ok(if *flat { made } else { Value::Optional(Some(Box::new(made))) })
                }
                Value::Optional(None) => Ok(Value::Optional(None)),
                _ => Err(EvaluateError::NoOverload),
            },
        }
    }

    fn variable(&self, name: &str) -> Result<Value, EvaluateError> {
        let local = self.locals.iter().rev().find(|(local, _)| local == name).map(|(_, value)| value);
        match local.or_else(|| self.variables.get(name)) {
            Some(value) => Ok(value.clone()),
            None => Ok(Value::Type(name.into())),
        }
    }

    /// A field of the lazy variables; `None`: this is something else.
    fn lazy_field(&mut self, operand: &Expression, field: &str, how: Select) -> Result<Option<Value>, EvaluateError> {
        if !matches!(&operand.kind, Kind::Variable(name) if name == Lazy::NAME)
            || self.locals.iter().any(|(local, _)| local == Lazy::NAME)
        {
            return Ok(None);
        }
        let Some((name, program)) = self.lazy.program(field) else { return Ok(None) };
        self.spend(2)?;
        if how == Select::Test {
            return Ok(Some(Value::Bool(true)));
        }
        let result = match self.lazy.known(name) {
            Some(known) => known,
            None => {
                let locals = std::mem::take(&mut self.locals);
                let result = self.value(&program.expression);
                self.locals = locals;
                self.lazy.learn(name, result.clone());
                result
            }
        };
        let value = result?;
        Ok(Some(if how == Select::Optional { Value::Optional(Some(Box::new(value))) } else { value }))
    }

    fn within(&mut self, variables: Vec<(String, Value)>, body: &Expression) -> Result<Value, EvaluateError> {
        let before = self.locals.len();
        self.locals.extend(variables);
        let result = self.value(body);
        self.locals.truncate(before);
        result
    }

    fn list(&mut self, items: &[(Expression, bool)]) -> Result<Value, EvaluateError> {
        self.spend(10)?;
        let mut list = Vec::with_capacity(items.len());
        for (item, optional) in items {
            list.extend(unwrapped(self.value(item)?, *optional));
        }
        Ok(Value::List(Arc::new(list)))
    }

    fn map(&mut self, entries: &[(Expression, Expression, bool)]) -> Result<Value, EvaluateError> {
        self.spend(30)?;
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = self.value(key)?;
            let Some(key) = Key::of(&key) else { return failed(format!("unsupported key type: {}", key.type_name())) };
            if let Some(value) = unwrapped(self.value(value)?, *optional)
                && map.insert(key.clone(), value).is_some()
            {
                return failed(format!("Failed with repeated key {:?}", key.value().printed().unwrap_or_default()));
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn call(&mut self, name: &str, target: Option<&Expression>, args: &[Expression]) -> Result<Value, EvaluateError> {
        match (name, args) {
            ("_&&_" | "_||_", args) => return self.logical(args, name == "_||_"),
            ("_?_:_", [condition, yes, no]) => {
                return match self.value(condition)? {
                    Value::Bool(true) => self.value(yes),
                    Value::Bool(false) => self.value(no),
                    _ => Err(EvaluateError::NoOverload),
                };
            }
            ("or" | "orValue", [other]) if target.is_some() => {
                let Some(target) = target else { return Err(EvaluateError::NoOverload) };
                return match (self.value(target)?, name) {
                    (Value::Optional(Some(inner)), "orValue") => Ok(*inner),
                    (some @ Value::Optional(Some(_)), _) => Ok(some),
                    (Value::Optional(None), _) => self.value(other),
                    _ => Err(EvaluateError::NoOverload),
                };
            }
            _ => {}
        }
        if let Some(Kind::Variable(space)) = target.map(|target| &target.kind)
            && functions::NAMESPACES.contains(&space.as_str())
            && !self.locals.iter().any(|(local, _)| local == space)
            && !self.variables.contains_key(space)
        {
            let args = self.values(args)?;
            return functions::call(self, &format!("{space}.{name}"), None, &args);
        }
        let target = target.map(|target| self.value(target)).transpose()?;
        let args = self.values(args)?;
        match (name, args.as_slice()) {
            ("_[_]" | "_[?_]", [operand, index]) => {
                self.spend(1)?;
                let how = if name == "_[_]" { Select::Plain } else { Select::Optional };
                index_into(operand, index, how)
            }
            _ => functions::call(self, name, target.as_ref(), &args),
        }
    }

    fn values(&mut self, args: &[Expression]) -> Result<Vec<Value>, EvaluateError> {
        args.iter().map(|arg| self.value(arg)).collect()
    }

    /// `&&` and `||`: what decides, decides, even beside an error.
    fn logical(&mut self, args: &[Expression], decides: bool) -> Result<Value, EvaluateError> {
        let mut error = None;
        for arg in args {
            match self.value(arg) {
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => error = error.or(Some(EvaluateError::NoOverload)),
                Err(EvaluateError::CostExceeded) => return Err(EvaluateError::CostExceeded),
                Err(other) => error = error.or(Some(other)),
            }
        }
        error.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn one_loop(&mut self, one: &Loop) -> Result<Value, EvaluateError> {
        let range = self.value(&one.range)?;
        let pairs: Vec<(Value, Value)> = match &range {
            Value::List(list) => list.iter().zip(0..).map(|(item, at)| (Value::Int(at), item.clone())).collect(),
            Value::Map(map) => map.iter().map(|(key, value)| (key.value(), value.clone())).collect(),
            _ => return Err(EvaluateError::NoOverload),
        };
        let over_list = matches!(range, Value::List(_));
        let mut state = LoopState::default();
        for (key, value) in pairs {
            self.spend(1)?;
            // With one variable: the item of a list, the key of a map.
            let first = if over_list && one.var2.is_none() { value.clone() } else { key.clone() };
            let mut variables = vec![(one.var.clone(), first.clone())];
            variables.extend(one.var2.iter().map(|name| (name.clone(), value.clone())));
            if let Some(filter) = &one.filter
                && !matches!(self.within(variables.clone(), filter)?, Value::Bool(true))
            {
                continue;
            }
            let made = self.within(variables, &one.body);
            if state.step(one.kind, &key, first, made)? {
                break;
            }
        }
        state.finish(one.kind)
    }
}

/// What a macro has so far.
#[derive(Default)]
struct LoopState {
    decided: Option<bool>,
    error: Option<EvaluateError>,
    count: usize,
    list: Vec<Value>,
    keyed: Vec<(Value, Value)>,
    map: BTreeMap<Key, Value>,
}

impl LoopState {
    /// Takes one result in; `true`: nothing more is needed.
    fn step(
        &mut self,
        kind: LoopKind,
        key: &Value,
        item: Value,
        made: Result<Value, EvaluateError>,
    ) -> Result<bool, EvaluateError> {
        if let LoopKind::All | LoopKind::Exists = kind {
            let decides = kind == LoopKind::Exists;
            match made {
                Ok(Value::Bool(value)) if value == decides => {
                    self.decided = Some(decides);
                    return Ok(true);
                }
                Ok(Value::Bool(_)) => {}
                Ok(_) => self.error = Some(EvaluateError::NoOverload),
                Err(EvaluateError::CostExceeded) => return Err(EvaluateError::CostExceeded),
                Err(other) => self.error = self.error.take().or(Some(other)),
            }
            return Ok(false);
        }
        let made = made?;
        match kind {
            LoopKind::ExistsOne => self.count += usize::from(matches!(made, Value::Bool(true))),
            LoopKind::Filter => self.list.extend(matches!(made, Value::Bool(true)).then_some(item)),
            LoopKind::Map | LoopKind::TransformList => self.list.push(made),
            LoopKind::SortBy => self.keyed.push((made, item)),
            LoopKind::TransformMap => {
                let Some(key) = Key::of(key) else { return Err(EvaluateError::NoOverload) };
                self.map.insert(key, made);
            }
            LoopKind::TransformMapEntry => match made {
                Value::Map(entries) => self.map.extend(entries.iter().map(|(k, v)| (k.clone(), v.clone()))),
                _ => return Err(EvaluateError::NoOverload),
            },
            LoopKind::All | LoopKind::Exists => {}
        }
        Ok(false)
    }

    fn finish(self, kind: LoopKind) -> Result<Value, EvaluateError> {
        Ok(match kind {
            LoopKind::All | LoopKind::Exists => match (self.decided, self.error) {
                (Some(value), _) => Value::Bool(value),
                (None, Some(error)) => return Err(error),
                (None, None) => Value::Bool(kind == LoopKind::All),
            },
            LoopKind::ExistsOne => Value::Bool(self.count == 1),
            LoopKind::Filter | LoopKind::Map | LoopKind::TransformList => Value::List(Arc::new(self.list)),
            LoopKind::SortBy => {
                let mut keyed = self.keyed;
                keyed.sort_by(|a, b| a.0.compare(&b.0).unwrap_or(std::cmp::Ordering::Equal));
                Value::List(Arc::new(keyed.into_iter().map(|(_, item)| item).collect()))
            }
            LoopKind::TransformMap | LoopKind::TransformMapEntry => Value::Map(Arc::new(self.map)),
        })
    }
}

/// What stands in a literal for a value: of an optional one its content, or nothing.
fn unwrapped(value: Value, optional: bool) -> Option<Value> {
    match (value, optional) {
        (Value::Optional(inner), true) => inner.map(|inner| *inner),
        (value, _) => Some(value),
    }
}

fn select(operand: &Value, key: &Key, how: Select) -> Result<Value, EvaluateError> {
    let found = match operand {
        Value::Map(map) => map.get(key).cloned(),
        Value::Host(host) => match (key, host.call(&key.value().printed().unwrap_or_default(), &[])) {
            (_, Err(_)) if how == Select::Test => None,
            (_, result) => Some(result?),
        },
        Value::Optional(None) => {
            return Ok(if how == Select::Test { Value::Bool(false) } else { Value::Optional(None) });
        }
        Value::Optional(Some(inner)) => {
            let how = if how == Select::Plain { Select::Optional } else { how };
            return select(inner, key, how);
        }
        _ => return failed("no such key: ".to_owned() + &key.value().printed().unwrap_or_default()),
    };
    match (how, found) {
        (Select::Test, found) => Ok(Value::Bool(found.is_some())),
        (Select::Optional, found) => Ok(Value::Optional(found.map(Box::new))),
        (Select::Plain, Some(value)) => Ok(value),
        (Select::Plain, None) => failed(format!("no such key: {}", key.value().printed().unwrap_or_default())),
    }
}

fn index_into(operand: &Value, index: &Value, how: Select) -> Result<Value, EvaluateError> {
    match (operand, index) {
        (Value::List(list), index) => {
            let at = match Key::of(index) {
                Some(Key::Int(at)) => usize::try_from(at).ok(),
                _ => return Err(EvaluateError::NoOverload),
            };
            let found = at.and_then(|at| list.get(at)).cloned();
            match (how, found) {
                (Select::Optional, found) => Ok(Value::Optional(found.map(Box::new))),
                (_, Some(value)) => Ok(value),
                (_, None) => failed(format!("index out of bounds: {}", index.printed().unwrap_or_default())),
            }
        }
        (Value::Optional(None), _) => Ok(Value::Optional(None)),
        (Value::Optional(Some(inner)), index) => index_into(inner, index, Select::Optional),
        (operand, index) => match Key::of(index) {
            Some(key) => select(operand, &key, how),
            None => Err(EvaluateError::NoOverload),
        },
    }
}
