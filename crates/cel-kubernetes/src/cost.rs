//! What an evaluation may cost at most, told from the expression and the sizes of its types alone (cel-go's `CostEstimator`
//! with upstream's own costs of functions, in the same units).

use crate::Environment;
use crate::check::{loop_variables, type_of};
use crate::expression::{Expression, Kind};
use crate::types::Type;

/// A cost in cel-go's units; saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub u64);

/// The most that an evaluation costs.
pub(crate) fn estimate(expression: &Expression, environment: &Environment) -> Cost {
    Cost(Estimate { environment, locals: Vec::new() }.of(expression))
}

struct Estimate<'e> {
    environment: &'e Environment,
    locals: Vec<(String, Type)>,
}

/// A tenth of a size, rounded up: what traversing costs.
fn traversal(size: u64) -> u64 {
    size.div_ceil(10)
}

impl Estimate<'_> {
    fn ty(&self, expression: &Expression) -> Type {
        type_of(expression, self.environment, &self.locals)
    }

    /// How many elements or characters a value of the type has at most.
    fn size(&self, ty: &Type) -> u64 {
        match (ty, self.environment.unknown_size) {
            (Type::Dyn, Some(most)) => most,
            _ => ty.max_size(),
        }
    }

    fn sum<'x>(&mut self, parts: impl IntoIterator<Item = &'x Expression>) -> u64 {
        parts.into_iter().fold(0, |sum, part| sum.saturating_add(self.of(part)))
    }

    fn of(&mut self, expression: &Expression) -> u64 {
        match &expression.kind {
            Kind::Literal(_) => 0,
            Kind::Variable(_) => 1,
            Kind::Select { operand, .. } => self.of(operand).saturating_add(1),
            Kind::Call { name, target, args } => self.call(name, target.as_deref(), args),
            Kind::List(items) => self.sum(items.iter().map(|(item, _)| item)).saturating_add(10),
            Kind::Map(entries) => self.sum(entries.iter().flat_map(|(key, value, _)| [key, value])).saturating_add(30),
            Kind::Object { fields, .. } => self.sum(fields.iter().map(|(_, value, _)| value)).saturating_add(40),
            Kind::Loop(one) => {
                let range = self.of(&one.range);
                let ty = self.ty(&one.range);
                let before = self.locals.len();
                self.locals.extend(loop_variables(&ty, one));
                let step = self.sum(one.filter.iter().chain([&one.body])).saturating_add(3);
                self.locals.truncate(before);
                range.saturating_add(self.size(&ty).saturating_mul(step)).saturating_add(2)
            }
            Kind::Bind { name, value, body } | Kind::OptionalMap { operand: value, name, body, .. } => {
                let cost = self.of(value);
                let ty = match self.ty(value) {
                    Type::Optional(inner) => *inner,
                    other => other,
                };
                self.locals.push((name.clone(), ty));
                let body = self.of(body);
                self.locals.pop();
                cost.saturating_add(body).saturating_add(1)
            }
        }
    }

    fn call(&mut self, name: &str, target: Option<&Expression>, args: &[Expression]) -> u64 {
        let inside = self.sum(target.into_iter().chain(args));
        if name == "_?_:_" {
            let costs: Vec<u64> = args.iter().map(|arg| self.of(arg)).collect();
            return match costs.as_slice() {
                [condition, yes, no] => condition.saturating_add(*yes.max(no)),
                _ => inside,
            };
        }
        let sizes: Vec<u64> = target.into_iter().chain(args).map(|part| self.size(&self.ty(part))).collect();
        inside.saturating_add(function_cost(name, &sizes))
    }
}

/// The cost of a function for receiver and arguments of these sizes, without theirs.
fn function_cost(name: &str, sizes: &[u64]) -> u64 {
    let size = |at: usize| sizes.get(at).copied().unwrap_or(1);
    match name {
        "_&&_" | "_||_" => 0,
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => traversal(size(0).min(size(1))).max(1),
        "_+_" => traversal(size(0).saturating_add(size(1))).max(1),
        "@in" => size(1).max(1),
        "matches" | "find" | "findAll" => traversal(size(0)).saturating_mul(size(1).div_ceil(4).max(1)).max(1),
        "contains" => traversal(size(0)).saturating_mul(traversal(size(1))).max(1),
        "sets.contains" | "sets.intersects" | "sets.equivalent" => size(0).saturating_mul(size(1)).max(1),
        "distinct" => size(0).saturating_mul(size(0)).max(1),
        "startsWith" | "endsWith" => traversal(size(1)).max(1),
        "isSorted" | "sum" | "min" | "max" | "indexOf" | "lastIndexOf" | "sort" | "reverse" | "slice" => size(0).max(1),
        "replace" | "split" | "substring" | "lowerAscii" | "upperAscii" | "trim" | "join" | "string" | "bytes"
        | "format" | "url" | "isURL" | "quantity" | "isQuantity" | "ip" | "isIP" | "cidr" | "isCIDR" | "semver"
        | "isSemver" | "validate" | "timestamp" | "duration" => traversal(size(0)).max(1),
        "check" => 350_000,
        _ => 1,
    }
}
