//! Which flow schema a request belongs to, and so which level of priority (`k8s.io/apiserver/pkg/util/flowcontrol/rule.go`):
//! compiled anew only when a FlowSchema or a PriorityLevelConfiguration has changed.
//!
//! Its answer carries the UIDs of both, not their names, which are nobody's business. What not: how many seats a level
//! has, which is not read from its object.

use super::Level;
use crate::SharedReader;
use crate::authz::service_account;
use crate::request::RequestInfo;
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const RESOURCES: [&str; 2] = ["flowschemas", "prioritylevelconfigurations"];
const FLOW_SCHEMA_UID: &str = "x-kubernetes-pf-flowschema-uid";
const PRIORITY_LEVEL_UID: &str = "x-kubernetes-pf-prioritylevel-uid";
/// Any name, verb, group, resource, namespace or path.
const ALL: &str = "*";

/// What a request was found to be.
#[derive(Clone, Debug)]
pub struct Class {
    /// How urgent it is.
    pub level: Level,
    /// Of the flow schema and the level; none before a cluster has these objects.
    uids: Option<(HeaderValue, HeaderValue)>,
}

impl Class {
    /// Tells the client.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if let Some((schema, level)) = &self.uids {
            headers.insert(FLOW_SCHEMA_UID, schema.clone());
            headers.insert(PRIORITY_LEVEL_UID, level.clone());
        }
    }
}

/// The flow schemas as they are now.
#[derive(Debug)]
pub struct Flows {
    reader: SharedReader,
    compiled: RwLock<Option<Arc<Compiled>>>,
}

#[derive(Debug)]
struct Compiled {
    generations: [u64; 2],
    /// In the order in which they are asked.
    schemas: Vec<Schema>,
}

#[derive(Debug)]
struct Schema {
    class: Class,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<ResourceRule>,
    urls: Vec<UrlRule>,
}

#[derive(Debug)]
enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

#[derive(Debug)]
struct ResourceRule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    cluster_scope: bool,
}

#[derive(Debug)]
struct UrlRule {
    verbs: Vec<String>,
    urls: Vec<String>,
}

impl Flows {
    /// Those of this cluster.
    pub fn new(reader: SharedReader) -> Self {
        Self { reader, compiled: RwLock::new(None) }
    }

    /// What a request is. Where no schema fits, as before the mandatory ones are there, masters are exempt.
    pub fn classify(&self, user: &UserInfo, request: &RequestInfo) -> Class {
        let compiled = self.compiled();
        let found = compiled.schemas.iter().find(|schema| schema.rules.iter().any(|rule| rule.fits(user, request)));
        found.map(|schema| schema.class.clone()).unwrap_or_else(|| {
            let is_master = user.in_group(SYSTEM_PRIVILEGED_GROUP);
            Class { level: if is_master { Level::Exempt } else { Level::GlobalDefault }, uids: None }
        })
    }

    fn compiled(&self) -> Arc<Compiled> {
        let generations = RESOURCES.map(|plural| self.reader.generation(GROUP, plural));
        if let Some(compiled) = &*self.compiled.read().unwrap_or_else(PoisonError::into_inner)
            && compiled.generations == generations
        {
            return compiled.clone();
        }
        let compiled = Arc::new(Compiled { generations, schemas: compile(&self.reader) });
        *self.compiled.write().unwrap_or_else(PoisonError::into_inner) = Some(compiled.clone());
        compiled
    }
}

/// The schemas whose level exists, by precedence and then by name.
fn compile(reader: &SharedReader) -> Vec<Schema> {
    let name = |object: &Value| text(&object["metadata"]["name"]);
    let levels = reader.list(GROUP, RESOURCES[1], None);
    let levels: HashMap<String, &Arc<Value>> = levels.iter().map(|level| (name(level), level)).collect();
    let mut all = reader.list(GROUP, RESOURCES[0], None);
    all.sort_by_key(|schema| (schema["spec"]["matchingPrecedence"].as_i64(), name(schema)));
    let schemas = all.iter().filter_map(|schema| {
        let level_name = text(&schema["spec"]["priorityLevelConfiguration"]["name"]);
        let level = levels.get(&level_name)?;
        let uid = |object: &Value| HeaderValue::from_str(&text(&object["metadata"]["uid"])).ok();
        let class = Class { level: level_of(&level_name, level), uids: uid(schema).zip(uid(level)) };
        Some(Schema { class, rules: list(&schema["spec"]["rules"]).map(rule).collect() })
    });
    schemas.collect()
}

/// Levels of an administrator's own share the seats of everyone else.
fn level_of(name: &str, object: &Value) -> Level {
    match name {
        _ if object["spec"]["type"] == "Exempt" => Level::Exempt,
        "node-high" => Level::NodeHigh,
        "leader-election" => Level::LeaderElection,
        "system" => Level::System,
        "workload-high" => Level::WorkloadHigh,
        "workload-low" => Level::WorkloadLow,
        _ => Level::GlobalDefault,
    }
}

fn rule(value: &Value) -> Rule {
    let subject = |subject: &Value| match subject["kind"].as_str()? {
        "User" => Some(Subject::User(text(&subject["user"]["name"]))),
        "Group" => Some(Subject::Group(text(&subject["group"]["name"]))),
        "ServiceAccount" => {
            let account = &subject["serviceAccount"];
            Some(Subject::ServiceAccount { namespace: text(&account["namespace"]), name: text(&account["name"]) })
        }
        _ => None,
    };
    let resources = |rule: &Value| ResourceRule {
        verbs: texts(&rule["verbs"]),
        groups: texts(&rule["apiGroups"]),
        resources: texts(&rule["resources"]),
        namespaces: texts(&rule["namespaces"]),
        cluster_scope: rule["clusterScope"] == true,
    };
    let urls = |rule: &Value| UrlRule { verbs: texts(&rule["verbs"]), urls: texts(&rule["nonResourceURLs"]) };
    Rule {
        subjects: list(&value["subjects"]).filter_map(subject).collect(),
        resources: list(&value["resourceRules"]).map(resources).collect(),
        urls: list(&value["nonResourceRules"]).map(urls).collect(),
    }
}

impl Rule {
    fn fits(&self, user: &UserInfo, request: &RequestInfo) -> bool {
        self.subjects.iter().any(|subject| subject.is(user))
            && if request.is_resource_request {
                self.resources.iter().any(|rule| rule.fits(request))
            } else {
                self.urls.iter().any(|rule| rule.fits(request))
            }
    }
}

impl Subject {
    fn is(&self, user: &UserInfo) -> bool {
        match self {
            Self::User(name) => name == ALL || *name == user.name,
            Self::Group(name) => name == ALL || user.in_group(name),
            Self::ServiceAccount { namespace, name } => service_account(&user.name)
                .is_some_and(|(own, account)| own == namespace && (name == ALL || name == account)),
        }
    }
}

impl ResourceRule {
    fn fits(&self, request: &RequestInfo) -> bool {
        // asked of each rule for each request: nothing is put together for it
        let is_resource = |item: &String| match item.split_once('/') {
            None => request.subresource.is_empty() && *item == request.resource,
            Some((resource, subresource)) => resource == request.resource && subresource == request.subresource,
        };
        has(&self.verbs, &request.verb)
            && has(&self.groups, &request.api_group)
            && (self.resources.iter().any(is_resource) || is_all(&self.resources))
            && if request.namespace.is_empty() { self.cluster_scope } else { has(&self.namespaces, &request.namespace) }
    }
}

impl UrlRule {
    fn fits(&self, request: &RequestInfo) -> bool {
        let below = |url: &str| {
            let prefix = url.strip_suffix('*').unwrap_or(url);
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            request.path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
        };
        has(&self.verbs, &request.verb) && self.urls.iter().any(|url| url == ALL || *url == request.path || below(url))
    }
}

/// Whether a list names `one` or all.
fn has(list: &[String], one: &str) -> bool {
    list.iter().any(|item| item == one) || is_all(list)
}

fn is_all(list: &[String]) -> bool {
    matches!(list, [all] if all == ALL)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).map(text).collect()
}

#[cfg(test)]
mod tests;
