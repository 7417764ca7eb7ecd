//! Which devices will do, as an expression (`k8s.io/dynamic-resource-allocation/cel`).

use crate::At;
use api::field::ErrorList;
use cel_kubernetes::{Environment, Field, ObjectType, Program, Type};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The longest expression, in bytes, and what one may cost at most.
const MAX_EXPRESSION_BYTES: usize = 10 * 1024;
const MAX_COST: u64 = 1_000_000;
/// The longest domain, identifier and value of an attribute, in characters; how many attributes and capacities a device has.
const MAX_DOMAIN: u64 = 63;
const MAX_IDENTIFIER: u64 = 32;
const MAX_VALUE: u64 = 64;
const MAX_ATTRIBUTES: u64 = 32;
const MAX_SELECTORS: usize = 32;

/// `device`, and nothing else.
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    let text = Type::String;
    let by_name = |value: Type| Type::Map(Box::new(text(MAX_IDENTIFIER)), Box::new(value), MAX_ATTRIBUTES);
    let by_domain = |value: Type| Type::Map(Box::new(text(MAX_DOMAIN)), Box::new(by_name(value)), MAX_ATTRIBUTES);
    let fields = [
        ("driver", text(MAX_DOMAIN)),
        ("allowMultipleAllocations", Type::Bool),
        ("attributes", by_domain(Type::Dyn)),
        ("capacity", by_domain(Type::Opaque("kubernetes.Quantity"))),
    ];
    let fields = fields.into_iter().map(|(name, ty)| (name.to_owned(), Field { ty, required: true })).collect();
    let device = Type::Object(Arc::new(ObjectType { name: "kubernetes.DRADevice".to_owned(), fields }));
    let variables = BTreeMap::from([("device".to_owned(), device)]);
    Environment { variables, unknown_size: Some(MAX_VALUE), bindings: true, ..Environment::default() }
});

/// `validateSelectorSlice`. Expressions that are `stored` were fine when they were written.
pub(super) fn validate_selectors(selectors: &At, stored: bool, errors: &mut ErrorList) {
    if selectors.is_too_many(errors, MAX_SELECTORS) {
        return;
    }
    for selector in selectors.items() {
        let cel = selector.at("cel");
        if !cel.exists() {
            errors.push(cel.required(""));
        } else if !stored {
            validate_expression(&cel.at("expression"), errors);
        }
    }
}

fn validate_expression(expression: &At, errors: &mut ErrorList) {
    if expression.len() > MAX_EXPRESSION_BYTES {
        errors.push(expression.too_long(MAX_EXPRESSION_BYTES));
        return;
    }
    let program = match Program::compile(expression.str(), &ENVIRONMENT) {
        Ok(program) => program,
        Err(error) => {
            errors.push(expression.invalid(format!("compilation failed: {error}")));
            return;
        }
    };
    match program.result() {
        Type::Bool | Type::Dyn => {}
        other => {
            errors.push(expression.invalid(format!("must evaluate to bool or the unknown type, not {other}")));
            return;
        }
    }
    if program.cost().0 > MAX_COST {
        errors.push(expression.forbidden("too complex, exceeds cost limit"));
    }
}
