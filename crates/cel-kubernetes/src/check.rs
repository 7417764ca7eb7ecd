//! The types of an expression's parts, and what does not fit, in cel-go's words.

use crate::expression::{Expression, Kind, Loop, LoopKind, Select};
use crate::literals::{Alike, Literals};
use crate::overloads::{AUTHORIZER, Overload, RESOURCE_CHECK, overload};
use crate::parse::located;
use crate::types::{ObjectType, Type};
use crate::value::Value;
use crate::{CompileError, Environment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of the result.
pub(crate) fn check(expression: &Expression, environment: &Environment, source: &str) -> Result<Type, CompileError> {
    let mut checker = Checker::new(environment, Vec::new());
    let ty = checker.of(expression);
    let errors = if checker.errors.is_empty() { &checker.literals.errors } else { &checker.errors };
    if errors.is_empty() {
        return Ok(ty);
    }
    let texts: Vec<String> = errors.iter().map(|(at, words)| located(source, *at, words)).collect();
    Err(CompileError(texts.join("\n")))
}

/// The type of a node, where errors are of no interest: what costs are estimated from.
pub(crate) fn type_of(expression: &Expression, environment: &Environment, locals: &[(String, Type)]) -> Type {
    Checker::new(environment, locals.to_vec()).of(expression)
}

/// The types of a macro's variables over a range.
pub(crate) fn loop_variables(range: &Type, one: &Loop) -> Vec<(String, Type)> {
    let (first, second) = match (range, one.var2.is_some()) {
        (Type::List(items, _), false) => ((**items).clone(), Type::Dyn),
        (Type::List(items, _), true) => (Type::Int, (**items).clone()),
        (Type::Map(key, value, _), _) => ((**key).clone(), (**value).clone()),
        (Type::Object(_), _) => (Type::text(), Type::Dyn),
        _ => (Type::Dyn, Type::Dyn),
    };
    let mut variables = vec![(one.var.clone(), first)];
    variables.extend(one.var2.iter().map(|name| (name.clone(), second.clone())));
    variables
}

struct Checker<'e> {
    environment: &'e Environment,
    locals: Vec<(String, Type)>,
    errors: Vec<(usize, String)>,
    literals: Literals,
}

impl<'e> Checker<'e> {
    fn new(environment: &'e Environment, locals: Vec<(String, Type)>) -> Self {
        Self { environment, locals, errors: Vec::new(), literals: Literals::default() }
    }

    fn error(&mut self, at: usize, words: String) -> Type {
        self.errors.push((at, words));
        Type::Dyn
    }

    fn with<T>(&mut self, variables: Vec<(String, Type)>, inside: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.locals.len();
        self.locals.extend(variables);
        let result = inside(self);
        self.locals.truncate(before);
        result
    }

    fn of(&mut self, expression: &Expression) -> Type {
        match &expression.kind {
            Kind::Literal(value) => type_of_literal(value),
            Kind::Variable(name) => self.variable(expression.at, name),
            Kind::Select { operand, field, how } => {
                if let Some((root, _)) = expression.qualified_type()
                    && !self.locals.iter().any(|(local, _)| local == root)
                    && !self.environment.variables.contains_key(root)
                {
                    return Type::Type;
                }
                let operand = self.of(operand);
                self.select(expression.at, &operand, field, *how)
            }
            Kind::Call { name, target, args } => self.call(expression.at, name, target.as_deref(), args),
            Kind::List(items) => {
                let mut all: Option<Type> = None;
                let mut alike = Alike::default();
                for (item, optional) in items {
                    let mut ty = self.of(item);
                    if *optional && let Type::Optional(inner) = ty {
                        ty = *inner;
                    }
                    self.literals.compare(&mut alike, item.at, &ty);
                    all = Some(match all {
                        None => ty,
                        Some(all) => all.join(&ty),
                    });
                }
                Type::List(Box::new(all.unwrap_or(Type::Dyn)), items.len() as u64)
            }
            Kind::Map(entries) => {
                let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
                let (mut alike_keys, mut alike_values) = (Alike::default(), Alike::default());
                for (key, value, optional) in entries {
                    let places = (key.at, value.at);
                    let (key, value) = (self.of(key), self.of(value));
                    self.literals.compare(&mut alike_keys, places.0, &key);
                    match &value {
                        Type::Optional(inner) if *optional => self.literals.compare(&mut alike_values, places.1, inner),
                        value => self.literals.compare(&mut alike_values, places.1, value),
                    }
                    keys = Some(keys.map_or_else(|| key.clone(), |all| all.join(&key)));
                    values = Some(values.map_or_else(|| value.clone(), |all| all.join(&value)));
                }
                let (key, value) = (keys.unwrap_or(Type::Dyn), values.unwrap_or(Type::Dyn));
                Type::Map(Box::new(key), Box::new(value), entries.len() as u64)
            }
            Kind::Object { name, fields } => {
                for (_, value, _) in fields {
                    self.of(value);
                }
                if self.environment.objects && (name == "Object" || name.starts_with("Object.") || name == "JSONPatch")
                {
                    let object = ObjectType { name: name.clone(), fields: BTreeMap::new() };
                    return Type::Object(Arc::new(object));
                }
                self.error(expression.at, format!("undeclared reference to '{name}' (in container '')"))
            }
            Kind::Loop(one) => self.one_loop(expression.at, one),
            Kind::Bind { name, value, body } => {
                let ty = self.of(value);
                self.with(vec![(name.clone(), ty)], |inside| inside.of(body))
            }
            Kind::OptionalMap { operand, name, body, flat } => {
                let ty = match self.of(operand) {
                    Type::Optional(inner) => *inner,
                    _ => Type::Dyn,
                };
                let body = self.with(vec![(name.clone(), ty)], |inside| inside.of(body));
                if *flat { body } else { Type::Optional(Box::new(body)) }
            }
        }
    }

    fn variable(&mut self, at: usize, name: &str) -> Type {
        if let Some((_, ty)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return ty.clone();
        }
        if let Some(ty) = self.environment.variables.get(name) {
            return ty.clone();
        }
        const TYPES: [&str; 12] = [
            "bool",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "list",
            "map",
            "null_type",
            "type",
            "dyn",
            "optional_type",
        ];
        if TYPES.contains(&name) {
            return Type::Type;
        }
        self.error(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn select(&mut self, at: usize, operand: &Type, field: &str, how: Select) -> Type {
        let found = match operand {
            Type::Object(object) => match object.fields.get(field) {
                Some(field) => field.ty.clone(),
                None => return self.error(at, format!("undefined field '{field}'")),
            },
            Type::Map(_, value, _) => (**value).clone(),
            Type::Dyn => Type::Dyn,
            Type::Opaque(AUTHORIZER) if field == "requestResource" => Type::Opaque(RESOURCE_CHECK),
            Type::Optional(inner) => {
                let inner = (**inner).clone();
                let found = self.select(at, &inner, field, Select::Plain);
                return if how == Select::Test { Type::Bool } else { Type::Optional(Box::new(found)) };
            }
            other => return self.error(at, format!("type '{other}' does not support field selection")),
        };
        match how {
            Select::Plain => found,
            Select::Optional => Type::Optional(Box::new(found)),
            Select::Test => Type::Bool,
        }
    }

    fn call(&mut self, at: usize, name: &str, target: Option<&Expression>, args: &[Expression]) -> Type {
        // `optional.of`, `format.dns1123Label`, …: the target is a namespace, not a value.
        if let Some(Kind::Variable(space)) = target.map(|target| &target.kind)
            && crate::functions::NAMESPACES.contains(&space.as_str())
            && !self.locals.iter().any(|(local, _)| local == space)
            && !self.environment.variables.contains_key(space)
        {
            let full = format!("{space}.{name}");
            return self.function(at, &full, None, args);
        }
        let target = target.map(|target| self.of(target));
        // What is formatted may be of any type.
        let formats = name == "format";
        self.literals.exempt += usize::from(formats);
        let result = self.function(at, name, target, args);
        self.literals.exempt -= usize::from(formats);
        result
    }

    fn function(&mut self, at: usize, name: &str, target: Option<Type>, args: &[Expression]) -> Type {
        let types: Vec<Type> = args.iter().map(|arg| self.of(arg)).collect();
        if let ("_[_]" | "_[?_]", [operand, Type::String(_)], [_, index]) = (name, types.as_slice(), args)
            && let (Type::Object(_), Kind::Literal(Value::String(field))) = (operand, &index.kind)
        {
            let how = if name == "_[_]" { Select::Plain } else { Select::Optional };
            return self.select(at, operand, field, how);
        }
        match overload(name, target.as_ref(), &types) {
            Overload::Found(ty) => {
                self.literals.check_argument(name, args);
                ty
            }
            Overload::Unknown => self.error(at, format!("undeclared reference to '{name}' (in container '')")),
            Overload::NoMatch => {
                let list = |types: &[Type]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let applied = match &target {
                    Some(target) => format!("{target}.({})", list(&types)),
                    None => format!("({})", list(&types)),
                };
                self.error(at, format!("found no matching overload for '{name}' applied to '{applied}'"))
            }
        }
    }

    fn one_loop(&mut self, at: usize, one: &Loop) -> Type {
        let range = self.of(&one.range);
        if !matches!(range, Type::List(..) | Type::Map(..) | Type::Object(_) | Type::Dyn) {
            let words = format!(
                "expression of type '{range}' cannot be range of a comprehension (must be list, map, or dynamic)"
            );
            return self.error(one.range.at, words);
        }
        let variables = loop_variables(&range, one);
        let most = range.max_size();
        let (filter, body) = self.with(variables, |inside| {
            let filter = one.filter.as_ref().map(|filter| inside.of(filter));
            (filter, inside.of(&one.body))
        });
        let wants_bool = matches!(one.kind, LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne | LoopKind::Filter);
        for ty in filter.iter().chain(wants_bool.then_some(&body)) {
            if !ty.fits(&Type::Bool) {
                self.error(at, format!("expected type 'bool' but found '{ty}'"));
            }
        }
        match one.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Type::Bool,
            LoopKind::Map | LoopKind::TransformList => Type::List(Box::new(body), most),
            LoopKind::Filter | LoopKind::SortBy => match range {
                Type::Map(key, ..) => Type::List(key, most),
                other => other,
            },
            LoopKind::TransformMap => match range {
                Type::Map(key, ..) => Type::Map(key, Box::new(body), most),
                _ => Type::Map(Box::new(Type::Int), Box::new(body), most),
            },
            LoopKind::TransformMapEntry => match body {
                map @ Type::Map(..) => map,
                _ => Type::map(Type::Dyn, Type::Dyn),
            },
        }
    }
}

fn type_of_literal(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::String(text) => Type::String(text.len() as u64),
        Value::Bytes(bytes) => Type::Bytes(bytes.len() as u64),
        _ => Type::Dyn,
    }
}
