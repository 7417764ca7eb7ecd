//! Which requests a policy, binding or webhook is about
//! (`k8s.io/apiserver/pkg/admission/plugin/policy/matching`, `…/webhook/predicates`).

use crate::chain::{Attributes, Operation};
use crate::conversion;
use crate::server::Api;
use api::selector::LabelSelector;
use api::status::Status;
use registry::{Resource, Scope};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// One rule. Empty lists match nothing, but for `names`.
#[derive(Debug, Default)]
struct Rule {
    names: Vec<String>,
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

/// Rules and selectors.
#[derive(Debug)]
pub(super) struct Matcher {
    /// `None`: no rules stand in the way (bindings).
    rules: Option<Vec<Rule>>,
    excluded: Vec<Rule>,
    equivalent: bool,
    namespaces: LabelSelector,
    objects: LabelSelector,
}

/// A match: in the form of which version the object is wanted. `None`: that of the request.
#[derive(Clone, Debug)]
pub(super) struct Version(pub(super) Option<Arc<Resource>>);

/// What a request is about, in the version that is wanted.
#[derive(Debug)]
pub(super) struct Objects<'v> {
    pub(super) object: Cow<'v, Value>,
    pub(super) old: Cow<'v, Value>,
}

impl Version {
    pub(super) fn row<'a>(&'a self, attributes: &'a Attributes<'_>) -> &'a Resource {
        self.0.as_deref().unwrap_or(attributes.resource)
    }

    /// An object of the request's version in this one.
    ///
    /// # Errors
    /// A webhook does not convert it.
    pub(super) async fn of<'v>(&self, api: &Api, object: &'v Value, own: &Resource) -> Result<Cow<'v, Value>, Status> {
        match &self.0 {
            Some(other) if !object.is_null() => {
                Ok(Cow::Owned(conversion::between(api, own, other, object.clone()).await?))
            }
            _ => Ok(Cow::Borrowed(object)),
        }
    }

    /// New and old object of a request in this version.
    ///
    /// # Errors
    /// As [`Version::of`].
    pub(super) async fn both<'v>(&self, api: &Api, attributes: &'v Attributes<'_>) -> Result<Objects<'v>, Status> {
        let own = attributes.resource;
        let object = self.of(api, &attributes.object, own).await?;
        Ok(Objects { object, old: self.of(api, attributes.old, own).await? })
    }

    /// The way back.
    ///
    /// # Errors
    /// As [`Version::of`].
    pub(super) async fn back(&self, api: &Api, object: Value, own: &Resource) -> Result<Value, Status> {
        match &self.0 {
            Some(other) => conversion::between(api, other, own, object).await,
            None => Ok(object),
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn rules(value: &Value) -> Vec<Rule> {
    let rule = |rule: &Value| Rule {
        names: strings(&rule["resourceNames"]),
        operations: strings(&rule["operations"]),
        groups: strings(&rule["apiGroups"]),
        versions: strings(&rule["apiVersions"]),
        resources: strings(&rule["resources"]),
        scope: rule["scope"].as_str().unwrap_or("*").to_owned(),
    };
    value.as_array().into_iter().flatten().map(rule).collect()
}

/// What was stored has been validated; what does not parse after all matches nothing.
fn selector(value: &Value) -> LabelSelector {
    if value.is_null() {
        return LabelSelector::everything();
    }
    LabelSelector::from_object(Some(value)).unwrap_or_else(|_| LabelSelector::nothing())
}

impl Matcher {
    /// Of a policy's `matchConstraints` or a webhook, whose rules have this name.
    pub(super) fn of(value: &Value, name: &str) -> Self {
        Self {
            rules: Some(rules(&value[name])),
            excluded: rules(&value["excludeResourceRules"]),
            equivalent: value["matchPolicy"] != "Exact",
            namespaces: selector(&value["namespaceSelector"]),
            objects: selector(&value["objectSelector"]),
        }
    }

    /// Of a binding's `matchResources`, which may say nothing.
    pub(super) fn of_binding(value: &Value) -> Self {
        let mut matcher = Self::of(value, "resourceRules");
        matcher.rules = matcher.rules.filter(|rules| !rules.is_empty());
        matcher
    }

    /// Whether the request is meant, and in the form of which version.
    pub(super) fn matches(&self, api: &Api, attributes: &Attributes<'_>) -> Option<Version> {
        let own = attributes.resource;
        let meets = |rule: &Rule| rule.meets(attributes, own);
        let equal = || {
            let rows = if self.equivalent { api.rows.all() } else { Vec::new() };
            rows.into_iter().filter(|row| row.storage_prefix() == own.storage_prefix() && row.version_differs(own))
        };
        if self.excluded.iter().any(meets)
            || (!self.excluded.is_empty()
                && equal().any(|row| self.excluded.iter().any(|rule| rule.meets(attributes, &row))))
        {
            return None;
        }
        let version = match &self.rules {
            None => Version(None),
            Some(rules) if rules.iter().any(meets) => Version(None),
            Some(rules) if rules.is_empty() || attributes.object_is_other() => return None,
            Some(rules) => {
                let mut found: Vec<Arc<Resource>> =
                    equal().filter(|row| rules.iter().any(|rule| rule.meets(attributes, row))).collect();
                found.sort_by(|a, b| registry::custom::compare_versions(&a.version, &b.version));
                Version(Some(found.into_iter().next()?))
            }
        };
        (self.matches_namespace(api, attributes) && self.matches_object(attributes)).then_some(version)
    }

    fn matches_namespace(&self, api: &Api, attributes: &Attributes<'_>) -> bool {
        if self.namespaces.is_everything() {
            return true;
        }
        let own = attributes.resource;
        let is_namespace = own.group.is_empty() && &*own.plural == "namespaces";
        let labels = if is_namespace {
            let object = if attributes.object.is_null() { attributes.old } else { &attributes.object };
            labels_of(object)
        } else if own.scope == Scope::Cluster {
            return true;
        } else {
            // The namespace may be too new for the cache only if it is too new for NamespaceLifecycle.
            namespace(api, &attributes.namespace).map(|namespace| labels_of(&namespace)).unwrap_or_default()
        };
        self.namespaces.matches(&labels)
    }

    fn matches_object(&self, attributes: &Attributes<'_>) -> bool {
        let fits = |object: &Value| object.is_object() && self.objects.matches(&labels_of(object));
        self.objects.is_everything() || fits(&attributes.object) || fits(attributes.old)
    }
}

fn labels_of(object: &Value) -> Map<String, Value> {
    object["metadata"]["labels"].as_object().cloned().unwrap_or_default()
}

/// A namespace, parsed once for all.
pub(super) fn namespace(api: &Api, name: &str) -> Option<Arc<Value>> {
    api.cache.shelf("", "namespaces").get(name).map(|entry| entry.shared_value())
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|one| one == "*" || one == wanted)
}

impl Rule {
    fn meets(&self, attributes: &Attributes<'_>, row: &Resource) -> bool {
        let scope = match self.scope.as_str() {
            "Namespaced" => row.scope == Scope::Namespaced,
            "Cluster" => row.scope == Scope::Cluster,
            _ => true,
        };
        scope
            && has(&self.operations, operation(attributes.operation))
            && has(&self.groups, &row.group)
            && has(&self.versions, &row.version)
            && self.resources.iter().any(|one| self.names_resource(one, &row.plural, attributes.subresource))
            && (self.names.is_empty() || self.names.contains(&attributes.name))
    }

    fn names_resource(&self, one: &str, plural: &str, subresource: &str) -> bool {
        match one.split_once('/') {
            None => subresource.is_empty() && (one == "*" || one == plural),
            Some((resource, sub)) => (resource == "*" || resource == plural) && (sub == "*" || sub == subresource),
        }
    }
}

/// The operation as rules and reviews name it.
pub(super) fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

trait Differs {
    fn version_differs(&self, other: &Resource) -> bool;
}

impl Differs for Arc<Resource> {
    fn version_differs(&self, other: &Resource) -> bool {
        self.version != other.version || self.group != other.group
    }
}

impl Attributes<'_> {
    /// Whether the object is not of the row's kind: a Binding, an Eviction, a Scale, options of a connection.
    fn object_is_other(&self) -> bool {
        !matches!(self.subresource, "" | "status" | "finalize" | "approval" | "ephemeralcontainers" | "resize")
    }
}
