//! From source to [`Expression`], by the `cel` crate's parser; its macros stay unexpanded and are recognized here.

use crate::CompileError;
use crate::expression::{Expression, Kind, Loop, LoopKind, Select};
use crate::value::Value;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

/// How deep expressions may nest; upstream's parser allows more, but nobody writes more.
const MAX_DEPTH: u16 = 64;

/// Words under which cel-go's message for a place is known: `ERROR: <input>:LINE:COLUMN: WORDS`, the line, a mark.
pub(crate) fn located(source: &str, at: usize, words: &str) -> String {
    let mut line_number = 1;
    let mut left = at;
    let mut shown = "";
    for line in source.split('\n') {
        shown = line;
        let length = line.chars().count();
        if left <= length {
            break;
        }
        left -= length + 1;
        line_number += 1;
    }
    format!("ERROR: <input>:{line_number}:{}: {words}\n | {shown}\n | {}^", left + 1, ".".repeat(left))
}

/// Parses an expression; `bindings`: there is `cel.bind`.
pub(crate) fn parse(source: &str, bindings: bool) -> Result<Expression, CompileError> {
    let parser = cel::Env::default().with_optional_support(true).parser();
    let parser = parser.enable_optional_syntax(true).enable_ident_escape_syntax(true).max_recursion_depth(MAX_DEPTH);
    let (tree, info) = parser.parse_with_source_info(source).map_err(|errors| {
        let texts: Vec<String> = errors
            .errors
            .iter()
            .map(|error| {
                let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
                let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
                let before: usize = source.split('\n').take(line - 1).map(|line| line.chars().count() + 1).sum();
                located(source, before + column - 1, &error.msg)
            })
            .collect();
        CompileError(texts.join("\n"))
    })?;
    Builder { source, info, bindings }.build(&tree)
}

struct Builder<'s> {
    source: &'s str,
    info: SourceInfo,
    bindings: bool,
}

impl Builder<'_> {
    fn at(&self, id: u64) -> usize {
        self.info.offset_for(id).map_or(0, |(start, _)| start as usize)
    }

    fn error(&self, at: usize, words: &str) -> CompileError {
        CompileError(located(self.source, at, words))
    }

    fn boxed(&self, tree: &IdedExpr) -> Result<Box<Expression>, CompileError> {
        self.build(tree).map(Box::new)
    }

    fn build(&self, tree: &IdedExpr) -> Result<Expression, CompileError> {
        let at = self.at(tree.id);
        let kind = match &tree.expr {
            Expr::Unspecified | Expr::Comprehension(_) => return Err(self.error(at, "unsupported expression")),
            Expr::Ident(name) => Kind::Variable(name.clone()),
            Expr::Literal(literal) => Kind::Literal(literal_value(literal)),
            Expr::Select(select) => {
                let how = if select.test { Select::Test } else { Select::Plain };
                Kind::Select { operand: self.boxed(&select.operand)?, field: select.field.clone(), how }
            }
            Expr::List(list) => {
                let item =
                    |(at, item): (usize, &IdedExpr)| Ok((self.build(item)?, list.optional_indices.contains(&at)));
                Kind::List(list.elements.iter().enumerate().map(item).collect::<Result<_, CompileError>>()?)
            }
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        entries.push((self.build(&entry.key)?, self.build(&entry.value)?, entry.optional));
                    }
                }
                Kind::Map(entries)
            }
            Expr::Struct(object) => {
                let mut fields = Vec::new();
                for entry in &object.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        fields.push((field.field.clone(), self.build(&field.value)?, field.optional));
                    }
                }
                Kind::Object { name: object.type_name.clone(), fields }
            }
            Expr::Call(call) => return self.call(at, &call.func_name, call.target.as_deref(), &call.args),
        };
        Ok(Expression { kind, at })
    }

    fn call(
        &self,
        at: usize,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Result<Expression, CompileError> {
        if let Some(kind) = self.macro_call(at, name, target, args)? {
            return Ok(Expression { kind, at });
        }
        let target = target.map(|target| self.boxed(target)).transpose()?;
        let args = args.iter().map(|arg| self.build(arg)).collect::<Result<_, _>>()?;
        Ok(Expression { kind: Kind::Call { name: name.to_owned(), target, args }, at })
    }

    /// The name of a macro's variable.
    fn variable(&self, tree: &IdedExpr) -> Result<String, CompileError> {
        match &tree.expr {
            Expr::Ident(name) => Ok(name.clone()),
            _ => Err(self.error(self.at(tree.id), "argument must be a simple name")),
        }
    }

    fn macro_call(
        &self,
        at: usize,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Result<Option<Kind>, CompileError> {
        let is_cel = |tree: &IdedExpr| matches!(&tree.expr, Expr::Ident(name) if name == "cel");
        match (name, target, args) {
            ("has", None, [arg]) => {
                let Expr::Select(select) = &arg.expr else {
                    return Err(self.error(self.at(arg.id), "invalid argument to has() macro"));
                };
                let operand = self.boxed(&select.operand)?;
                Ok(Some(Kind::Select { operand, field: select.field.clone(), how: Select::Test }))
            }
            // `a.?b`
            ("_?._", None, [operand, field]) => {
                let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                    return Err(self.error(at, "unsupported optional field selection"));
                };
                let operand = self.boxed(operand)?;
                Ok(Some(Kind::Select { operand, field: field.inner().to_string(), how: Select::Optional }))
            }
            ("bind", Some(target), [var, value, body]) if self.bindings && is_cel(target) => {
                let name = self.variable(var)?;
                Ok(Some(Kind::Bind { name, value: self.boxed(value)?, body: self.boxed(body)? }))
            }
            ("optMap" | "optFlatMap", Some(target), [var, body]) => {
                let operand = self.boxed(target)?;
                let (name_of, body) = (self.variable(var)?, self.boxed(body)?);
                Ok(Some(Kind::OptionalMap { operand, name: name_of, body, flat: name == "optFlatMap" }))
            }
            (_, Some(target), _) => self.loop_call(name, target, args),
            _ => Ok(None),
        }
    }

    fn loop_call(&self, name: &str, target: &IdedExpr, args: &[IdedExpr]) -> Result<Option<Kind>, CompileError> {
        let kind = match name {
            "all" => LoopKind::All,
            "exists" => LoopKind::Exists,
            "exists_one" | "existsOne" => LoopKind::ExistsOne,
            "map" => LoopKind::Map,
            "filter" => LoopKind::Filter,
            "transformList" => LoopKind::TransformList,
            "transformMap" => LoopKind::TransformMap,
            "transformMapEntry" => LoopKind::TransformMapEntry,
            "sortBy" => LoopKind::SortBy,
            _ => return Ok(None),
        };
        let two = matches!(kind, LoopKind::TransformList | LoopKind::TransformMap | LoopKind::TransformMapEntry);
        let (var, var2, filter, body) = match (kind, args) {
            (LoopKind::Map, [var, filter, body]) => (var, None, Some(filter), body),
            (LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne, [var, var2, body]) => {
                (var, Some(var2), None, body)
            }
            (_, [var, var2, body]) if two => (var, Some(var2), None, body),
            (_, [var, var2, filter, body]) if two => (var, Some(var2), Some(filter), body),
            (_, [var, body]) if !two => (var, None, None, body),
            _ => return Ok(None),
        };
        Ok(Some(Kind::Loop(Box::new(Loop {
            kind,
            range: self.build(target)?,
            var: self.variable(var)?,
            var2: var2.map(|var| self.variable(var)).transpose()?,
            filter: filter.map(|filter| self.build(filter)).transpose()?,
            body: self.build(body)?,
        }))))
    }
}

fn literal_value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
        LiteralValue::Bytes(value) => Value::Bytes(value.inner().to_vec().into()),
        LiteralValue::Double(value) => Value::Double(*value.inner()),
        LiteralValue::Int(value) => Value::Int(*value.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(value) => Value::String(value.inner().to_string().into()),
        LiteralValue::UInt(value) => Value::Uint(*value.inner()),
    }
}
