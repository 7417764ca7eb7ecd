//! What a rule of a FlowSchema says, compiled, and whether a request is of it
//! (`k8s.io/apiserver/pkg/util/flowcontrol/rule.go`). It is asked of every request, so nothing is put together here.

use crate::authz::service_account;
use crate::request::RequestInfo;
use crate::user::UserInfo;
use serde_json::Value;

/// Any name, verb, group, resource, namespace or path.
const ALL: &str = "*";

/// Whose requests, and which.
#[derive(Debug)]
pub(super) struct Rule {
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

/// A rule of a FlowSchema, compiled.
pub(super) fn rule(value: &Value) -> Rule {
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
    /// Whether the request is of this rule.
    pub(super) fn fits(&self, user: &UserInfo, request: &RequestInfo) -> bool {
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

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).map(text).collect()
}
