//! The objects of admission, compiled.

use super::evaluation::Expression;
use super::matching::Matcher;
use cel_kubernetes::{Lazy, Type};
use registry::admission::{Scope, Wanted};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All of it, each kind in the order of names.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) mutating: Vec<Policy>,
    pub(super) mutating_webhooks: Vec<Webhook>,
    pub(super) validating: Vec<Policy>,
    pub(super) validating_webhooks: Vec<Webhook>,
}

/// A policy and what binds it.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) policy: Arc<Compiled>,
    pub(super) bindings: Vec<Binding>,
}

/// A policy.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: String,
    revision: String,
    /// Errors refuse the request.
    pub(super) fails: bool,
    pub(super) reinvokes: bool,
    pub(super) matcher: Matcher,
    pub(super) conditions: Vec<Expression>,
    pub(super) param_kind: Option<(String, String)>,
    variables: Vec<(String, Expression)>,
    pub(super) validations: Vec<Validation>,
    pub(super) annotations: Vec<(String, Expression)>,
    pub(super) mutations: Vec<Mutation>,
}

/// One check.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) message: String,
    pub(super) message_expression: Option<Expression>,
    pub(super) reason: &'static str,
    pub(super) code: u16,
}

/// One change.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) expression: Expression,
    pub(super) is_json_patch: bool,
}

/// Where a policy holds.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) matcher: Matcher,
    pub(super) param_ref: Value,
    pub(super) denies: bool,
    pub(super) warns: bool,
    pub(super) audits: bool,
}

/// A webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    /// Unique among all webhooks.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) matcher: Matcher,
    pub(super) conditions: Vec<Expression>,
    pub(super) fails: bool,
    pub(super) reinvokes: bool,
    pub(super) has_side_effects: bool,
    pub(super) timeout_seconds: u64,
    /// `admission.k8s.io/v1`
    pub(super) review_version: &'static str,
    pub(super) client: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn name_of(object: &Value) -> String {
    text(&object["metadata"]["name"])
}

impl Policy {
    /// Unique among policies and webhooks.
    pub(super) fn key(&self) -> String {
        format!("policy/{}", self.policy.name)
    }
}

impl Configuration {
    /// Compiles all; policies that have not changed are taken from the last configuration.
    pub(super) fn compile(objects: [Vec<Value>; 6], last: &Self) -> Self {
        let [mutating, mutating_bindings, mutating_hooks, validating, validating_bindings, validating_hooks] = objects;
        Self {
            mutating: policies(&mutating, &mutating_bindings, &last.mutating),
            mutating_webhooks: webhooks(&mutating_hooks, "mutating"),
            validating: policies(&validating, &validating_bindings, &last.validating),
            validating_webhooks: webhooks(&validating_hooks, "validating"),
        }
    }
}

fn policies(policies: &[Value], bindings: &[Value], last: &[Policy]) -> Vec<Policy> {
    let mut bound: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
    for object in bindings {
        bound.entry(text(&object["spec"]["policyName"])).or_default().push(binding(object));
    }
    let mut compiled: Vec<Policy> = Vec::new();
    for object in policies {
        let revision = text(&object["metadata"]["resourceVersion"]);
        let name = name_of(object);
        let known = last.iter().map(|one| &one.policy).find(|one| one.name == name && one.revision == revision);
        let policy = known.cloned().unwrap_or_else(|| Arc::new(Compiled::of(object)));
        compiled.push(Policy { policy, bindings: bound.remove(&name).unwrap_or_default() });
    }
    compiled
}

fn binding(object: &Value) -> Binding {
    let spec = &object["spec"];
    let acts = |action: &str| list(&spec["validationActions"]).any(|one| one == action);
    Binding {
        name: name_of(object),
        matcher: Matcher::of_binding(&spec["matchResources"]),
        param_ref: spec["paramRef"].clone(),
        denies: acts("Deny"),
        warns: acts("Warn"),
        audits: acts("Audit"),
    }
}

fn conditions(value: &Value, has_params: bool) -> Vec<Expression> {
    let scope = Scope::of_conditions(has_params);
    list(value).map(|one| Expression::compile(&one["expression"], &scope, Wanted::Bool)).collect()
}

impl Compiled {
    fn of(object: &Value) -> Self {
        let spec = &object["spec"];
        let kind = &spec["paramKind"];
        let param_kind = kind.is_object().then(|| (text(&kind["apiVersion"]), text(&kind["kind"])));
        let mut scope = Scope::of_policy(param_kind.is_some(), spec["mutations"].is_array());
        let mut variables = Vec::new();
        for variable in list(&spec["variables"]) {
            let expression = Expression::compile(&variable["expression"], &scope, Wanted::Anything);
            let ty = expression.program().map_or(Type::Dyn, |program| program.result().clone());
            scope.declare(variable["name"].as_str().unwrap_or_default(), ty);
            variables.push((text(&variable["name"]), expression));
        }
        Self {
            name: name_of(object),
            revision: text(&object["metadata"]["resourceVersion"]),
            fails: spec["failurePolicy"] != "Ignore",
            reinvokes: spec["reinvocationPolicy"] == "IfNeeded",
            matcher: Matcher::of(&spec["matchConstraints"], "resourceRules"),
            conditions: conditions(&spec["matchConditions"], param_kind.is_some()),
            validations: list(&spec["validations"]).map(|one| validation(one, &scope)).collect(),
            annotations: list(&spec["auditAnnotations"])
                .map(|one| {
                    let value = Expression::compile(&one["valueExpression"], &scope, Wanted::TextOrNull);
                    (text(&one["key"]), value)
                })
                .collect(),
            mutations: list(&spec["mutations"]).map(|one| mutation(one, &scope)).collect(),
            param_kind,
            variables,
        }
    }

    /// The policy's variables, none evaluated yet.
    pub(super) fn lazy(&self) -> Lazy<'_> {
        let compiled = self.variables.iter();
        Lazy::new(compiled.filter_map(|(name, expression)| Some((name.as_str(), expression.program()?))))
    }
}

fn validation(one: &Value, scope: &Scope) -> Validation {
    let (reason, code) = match one["reason"].as_str() {
        Some("Forbidden") => ("Forbidden", 403),
        Some("Unauthorized") => ("Unauthorized", 401),
        Some("RequestEntityTooLarge") => ("RequestEntityTooLarge", 413),
        _ => ("Invalid", 422),
    };
    let dynamic = &one["messageExpression"];
    Validation {
        expression: Expression::compile(&one["expression"], scope, Wanted::Bool),
        message: text(&one["message"]).trim().to_owned(),
        message_expression: dynamic
            .is_string()
            .then(|| Expression::compile(dynamic, &scope.of_message(), Wanted::Text)),
        reason,
        code,
    }
}

fn mutation(one: &Value, scope: &Scope) -> Mutation {
    let is_json_patch = one["patchType"] == "JSONPatch";
    let (part, wanted) =
        if is_json_patch { ("jsonPatch", Wanted::Patches) } else { ("applyConfiguration", Wanted::Object) };
    Mutation { expression: Expression::compile(&one[part]["expression"], scope, wanted), is_json_patch }
}

fn webhooks(configurations: &[Value], phase: &str) -> Vec<Webhook> {
    let mut all = Vec::new();
    for configuration in configurations {
        let owner = name_of(configuration);
        for hook in list(&configuration["webhooks"]) {
            let name = text(&hook["name"]);
            let versions = list(&hook["admissionReviewVersions"]);
            let known = versions.filter_map(|version| match version.as_str() {
                Some("v1") => Some("admission.k8s.io/v1"),
                Some("v1beta1") => Some("admission.k8s.io/v1beta1"),
                _ => None,
            });
            all.push(Webhook {
                key: format!("{phase}/{owner}/{name}"),
                matcher: Matcher::of(hook, "rules"),
                conditions: conditions(&hook["matchConditions"], false),
                fails: hook["failurePolicy"] != "Ignore",
                reinvokes: hook["reinvocationPolicy"] == "IfNeeded",
                has_side_effects: !matches!(hook["sideEffects"].as_str(), Some("None" | "NoneOnDryRun")),
                timeout_seconds: hook["timeoutSeconds"].as_u64().unwrap_or(10),
                review_version: { known }.next().unwrap_or("admission.k8s.io/v1"),
                client: hook["clientConfig"].clone(),
                name,
            });
        }
    }
    all
}
