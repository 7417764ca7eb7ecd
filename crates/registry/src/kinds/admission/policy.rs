//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy.

use super::{
    FAILURE_POLICIES, Phase, REINVOCATION_POLICIES, compile, compile_as, compile_trimmed, conditions, defaults,
    matching,
};
use crate::admission::{Scope, Wanted};
use crate::conditions::validate_conditions;
use crate::custom::JsonPath;
use crate::object::{child, child_or_new, default_str};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::ErrorList;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MAX_AUDIT_ANNOTATIONS: usize = 20;
/// Longest expression of an audit annotation, in bytes.
const MAX_VALUE_EXPRESSION_BYTES: usize = 5 << 10;
/// The documentation of the API speaks of `Unauthorized` too; upstream's validation has never taken it.
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const PATCH_TYPES: [&str; 2] = ["ApplyConfiguration", "JSONPatch"];

/// The strategy of both.
#[derive(Debug)]
pub(crate) struct Policy(pub(crate) Phase);

impl Strategy for Policy {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        crate::object::keep_metadata_of_status(new, old, subresource, &crate::object::WRITABLE_METADATA);
    }

    fn default(&self, object: &mut Value) {
        let Value::Object(policy) = object else { return };
        let spec = child_or_new(policy, "spec");
        default_str(spec, "failurePolicy", "Fail");
        if let Some(constraints) = child(spec, "matchConstraints") {
            defaults::matching(constraints, &["resourceRules", "excludeResourceRules"]);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        if self.0 == Phase::Validating {
            crate::object::reset_status(object, json!({}));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        match self.0 {
            Phase::Validating => validating(&spec, root.at("metadata").at("name").str(), &mut errors),
            Phase::Mutating => mutating(&spec, &mut errors),
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            return validate_status(&At::root(update.new).at("status"));
        }
        self.validate(update.new)
    }
}

/// What both have before their variables; the scope of what follows.
fn common(spec: &At, makes_objects: bool, errors: &mut ErrorList) -> Scope {
    spec.at("failurePolicy").require_one_of(errors, &FAILURE_POLICIES);
    let kind = spec.at("paramKind");
    if kind.exists() {
        param_kind(&kind, errors);
    }
    let constraints = spec.at("matchConstraints");
    if constraints.exists() {
        matching::match_resources(&constraints, errors);
        let rules = constraints.at("resourceRules");
        if rules.is_empty() {
            errors.push(rules.required(""));
        }
        if makes_objects {
            matching::no_deletions(&constraints, errors);
        }
    } else {
        errors.push(constraints.required(""));
    }
    conditions::validate(&spec.at("matchConditions"), kind.exists(), errors);
    let mut scope = Scope::of_policy(kind.exists(), makes_objects);
    for variable in spec.at("variables").items() {
        validate_variable(&variable, &mut scope, errors);
    }
    scope
}

fn param_kind(kind: &At, errors: &mut ErrorList) {
    let (version, name) = (kind.at("apiVersion"), kind.at("kind"));
    match version.str().split_once('/').unwrap_or(("", version.str())) {
        ("", "") => errors.push(version.required("")),
        (_, rest) if rest.contains('/') => {
            errors.push(version.invalid(format!("unexpected GroupVersion string: {}", version.str())));
        }
        (group, rest) => {
            let wrong = if group.is_empty() { Vec::new() } else { names::dns1123_subdomain(group) };
            if !wrong.is_empty() {
                errors.push(version.invalid_value(group, wrong.join(",")));
            }
            let wrong = names::dns1035_label(rest);
            if rest.is_empty() {
                errors.push(version.invalid("version must be specified"));
            } else if !wrong.is_empty() {
                errors.push(version.invalid_value(rest, wrong.join(",")));
            }
        }
    }
    if name.is_empty() {
        errors.push(name.required(""));
        return;
    }
    let wrong = names::dns1035_label(&name.str().to_lowercase());
    if !wrong.is_empty() {
        errors.push(name.invalid(format!("may have mixed case, but should otherwise match: {}", wrong.join(","))));
    }
}

fn is_cel_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && cel_kubernetes::escape(name).is_some_and(|escaped| escaped == name)
}

fn validate_variable(variable: &At, scope: &mut Scope, errors: &mut ErrorList) {
    let (name, expression) = (variable.at("name"), variable.at("expression"));
    if name.str().trim().is_empty() {
        errors.push(name.required("name is not specified"));
    } else if !is_cel_identifier(name.str()) {
        errors.push(name.invalid("must be a valid CEL identifier"));
    }
    if expression.str().trim().is_empty() {
        errors.push(expression.required("expression is not specified"));
        return;
    }
    // What does not compile has been told of; what uses it need not be.
    let ty = compile(&expression, scope, Wanted::Anything, errors);
    scope.declare(name.str(), ty.unwrap_or(cel_kubernetes::Type::Dyn));
}

/// `validateValidatingAdmissionPolicySpec`
fn validating(spec: &At, policy: &str, errors: &mut ErrorList) {
    let scope = common(spec, false, errors);
    let (validations, annotations) = (spec.at("validations"), spec.at("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let words = "validations or auditAnnotations must contain at least one item";
        errors.push(validations.required(words));
        errors.push(annotations.required(words));
        return;
    }
    validations.items().for_each(|validation| validate_validation(&validation, &scope, errors));
    if annotations.len() > MAX_AUDIT_ANNOTATIONS {
        errors.push(annotations.invalid(format!("must not have more than {MAX_AUDIT_ANNOTATIONS} auditAnnotations")));
    }
    let mut seen = BTreeSet::new();
    for annotation in annotations.items() {
        validate_annotation(&annotation, policy, &scope, errors);
        let key = annotation.at("key");
        if !seen.insert(key.str()) {
            errors.push(key.duplicate());
        }
    }
}

fn validate_validation(validation: &At, scope: &Scope, errors: &mut ErrorList) {
    let expression = validation.at("expression");
    let (message, dynamic) = (validation.at("message"), validation.at("messageExpression"));
    let trimmed = message.str().trim();
    if expression.str().trim().is_empty() {
        errors.push(expression.required("expression is not specified"));
    } else {
        compile(&expression, scope, Wanted::Bool, errors);
    }
    if !dynamic.is_empty() && dynamic.str().trim().is_empty() {
        errors.push(dynamic.invalid("must be non-empty if specified"));
    } else if !dynamic.is_empty() {
        compile(&dynamic, &scope.of_message(), Wanted::Text, errors);
    }
    // That a message is required where the expression has line breaks is documented, but not asked for.
    if !message.is_empty() && trimmed.is_empty() {
        errors.push(message.invalid("must be non-empty if specified"));
    } else if trimmed.contains(['\n', '\r']) {
        errors.push(message.invalid("must not contain line breaks"));
    }
    validation.at("reason").one_of(errors, &REASONS);
}

/// The annotation is written under the policy's name and the key.
fn validate_annotation(annotation: &At, policy: &str, scope: &Scope, errors: &mut ErrorList) {
    let (key, value) = (annotation.at("key"), annotation.at("valueExpression"));
    if policy.is_empty() {
        errors.push(key.invalid_value(key.str(), "requires metadata.name be non-empty"));
    } else {
        let whole = format!("{policy}/{}", key.str());
        errors.extend(names::qualified_name(&whole).into_iter().map(|why| key.invalid_value(whole.as_str(), why)));
    }
    let source = value.str().trim();
    if source.is_empty() {
        errors.push(value.required("valueExpression is not specified"));
    } else if source.len() > MAX_VALUE_EXPRESSION_BYTES {
        errors.push(value.required(&format!("must not exceed {MAX_VALUE_EXPRESSION_BYTES} bytes in length")));
    } else {
        compile_as(&value, (source, value.str()), scope, Wanted::TextOrNull, errors);
    }
}

/// `validateValidatingAdmissionPolicyStatus`: what the type checker found, and conditions.
fn validate_status(status: &At) -> ErrorList {
    let mut errors = ErrorList::new();
    let checking = status.at("typeChecking");
    for warning in checking.at("expressionWarnings").items() {
        warning.at("warning").require(&mut errors);
        let field = warning.at("fieldRef");
        let path = field.str().trim();
        if path.is_empty() {
            errors.push(field.required(""));
        } else if let Err(why) = JsonPath::parse(&format!(".{}", path.trim_start_matches('.'))) {
            errors.push(field.invalid_value(path, format!("invalid JSONPath: {why}")));
        }
    }
    validate_conditions(&status.at("conditions"), &mut errors);
    errors
}

/// `validateMutatingAdmissionPolicySpec`
fn mutating(spec: &At, errors: &mut ErrorList) {
    let scope = common(spec, true, errors);
    let mutations = spec.at("mutations");
    if mutations.is_empty() {
        errors.push(mutations.required("mutations must contain at least one item"));
    }
    mutations.items().for_each(|mutation| validate_mutation(&mutation, &scope, errors));
    spec.at("reinvocationPolicy").require_one_of(errors, &REINVOCATION_POLICIES);
}

/// `validateMutation`: the part that `patchType` names, and no other.
fn validate_mutation(mutation: &At, scope: &Scope, errors: &mut ErrorList) {
    let kind = mutation.at("patchType");
    let (own, wanted) = match kind.str() {
        "" => return errors.push(kind.required("")),
        "ApplyConfiguration" => ("applyConfiguration", Wanted::Object),
        "JSONPatch" => ("jsonPatch", Wanted::Patches),
        _ => return errors.push(kind.not_supported(&PATCH_TYPES)),
    };
    let part = mutation.at(own);
    let expression = part.at("expression");
    if !part.exists() {
        errors.push(part.required(&format!("must be specified when patchType is {}", kind.str())));
    } else if expression.str().trim().is_empty() {
        errors.push(expression.required(""));
    } else {
        compile_trimmed(&expression, scope, wanted, errors);
    }
    for other in ["applyConfiguration", "jsonPatch"] {
        let part = mutation.at(other);
        if other != own && part.exists() {
            let detail = format!("must not be specified when patchType is {}", kind.str());
            errors.push(part.invalid_value(format!("{{{other}}}"), detail));
        }
    }
}
