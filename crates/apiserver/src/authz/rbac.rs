//! RBAC (`k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac`): bindings indexed by subject, compiled anew only when one
//! of the four resources has changed.

use crate::SharedReader;
use crate::authz::aggregation;
use crate::authz::rule::Rule;
use crate::chain::{Authorizer, Decision};
use crate::reader::Generation;
use crate::request::RequestInfo;
use crate::user::UserInfo;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The API group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";
const RESOURCES: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// Rules and bindings, compiled and cached.
#[derive(Debug)]
pub struct Rbac {
    reader: SharedReader,
    generations: [Generation; RESOURCES.len()],
    compiled: RwLock<Option<Arc<Compiled>>>,
}

#[derive(Debug)]
struct Compiled {
    generations: [u64; 4],
    cluster_roles: HashMap<String, Arc<[Rule]>>,
    roles: HashMap<(String, String), Arc<[Rule]>>,
    cluster_bindings: Bindings,
    bindings: HashMap<String, Bindings>,
}

/// Bindings of one namespace (or of the cluster) with an index of whom they bind.
#[derive(Debug, Default)]
struct Bindings {
    all: Vec<Binding>,
    by_subject: HashMap<Subject, Vec<(usize, usize)>>,
}

#[derive(Debug)]
struct Binding {
    name: String,
    namespace: String,
    role: RoleRef,
    subjects: Vec<Subject>,
}

/// What a binding refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleRef {
    pub kind: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name:?}"),
            Self::Group(name) => write!(f, "Group {name:?}"),
            Self::ServiceAccount { namespace, name } => write!(f, "ServiceAccount {:?}", format!("{name}/{namespace}")),
        }
    }
}

/// A role that a binding names and that is not there.
pub(crate) fn not_found(role: &RoleRef) -> String {
    format!("{}.{GROUP} {:?} not found", role.kind.to_ascii_lowercase(), role.name)
}

impl Rbac {
    /// RBAC over this view of the cluster.
    pub fn new(reader: SharedReader) -> Self {
        let generations = RESOURCES.map(|plural| reader.generation(GROUP, plural));
        Self { reader, generations, compiled: RwLock::new(None) }
    }

    fn compiled(&self) -> Arc<Compiled> {
        let generations = self.generations.each_ref().map(Generation::now);
        if let Some(compiled) = &*self.compiled.read().unwrap_or_else(PoisonError::into_inner)
            && compiled.generations == generations
        {
            return compiled.clone();
        }
        let compiled = Arc::new(Compiled::new(&self.reader, generations));
        *self.compiled.write().unwrap_or_else(PoisonError::into_inner) = Some(compiled.clone());
        compiled
    }

    /// The rules of a role: for bindings in `namespace`, or cluster-wide ones where it is empty.
    pub(crate) fn role_rules(&self, role: &RoleRef, namespace: &str) -> Option<Arc<[Rule]>> {
        self.compiled().role_rules(role, namespace)
    }

    /// All rules that a user has in a namespace, and what went wrong while finding them.
    pub(crate) fn user_rules(&self, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        self.compiled().visit(user, namespace, |found| {
            match found {
                Ok((_, _, found)) => rules.extend_from_slice(found),
                Err(error) => errors.push(error),
            }
            true
        });
        (rules, errors)
    }
}

impl Authorizer for Rbac {
    fn authorize(&self, user: &UserInfo, request: &RequestInfo) -> Decision {
        let namespace = if request.is_resource_request { request.namespace.as_str() } else { "" };
        let mut allowed = None;
        let mut errors: Vec<String> = Vec::new();
        self.compiled().visit(user, namespace, |found| {
            match found {
                Err(error) => errors.push(error),
                Ok((binding, subject, rules)) if rules.iter().any(|rule| rule.allows(request)) => {
                    allowed = Some(reason(binding, subject));
                }
                Ok(_) => {}
            }
            allowed.is_none()
        });
        match (allowed, errors.as_slice()) {
            (Some(reason), _) => Decision::Allow(reason),
            (None, []) => Decision::NoOpinion(String::new()),
            (None, [one]) => Decision::NoOpinion(format!("RBAC: {one}")),
            (None, many) => Decision::NoOpinion(format!("RBAC: [{}]", many.join(", "))),
        }
    }

    fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Value>, Vec<Value>) {
        let (mut resource, mut other) = (Vec::new(), Vec::new());
        for rule in self.user_rules(user, namespace).0 {
            if !rule.resources.is_empty() {
                resource.push(rule.to_value());
            }
            if !rule.non_resource_urls.is_empty() {
                other.push(rule.to_value());
            }
        }
        (resource, other)
    }
}

fn reason(binding: &Binding, subject: &Subject) -> String {
    let (kind, name) = if binding.namespace.is_empty() {
        ("ClusterRoleBinding", binding.name.clone())
    } else {
        ("RoleBinding", format!("{}/{}", binding.name, binding.namespace))
    };
    format!("RBAC: allowed by {kind} {name:?} of {} {:?} to {subject}", binding.role.kind, binding.role.name)
}

type Found<'a> = Result<(&'a Binding, &'a Subject, &'a [Rule]), String>;

impl Compiled {
    fn new(reader: &SharedReader, generations: [u64; 4]) -> Self {
        let all = reader.list(GROUP, "clusterroles", None);
        let cluster_roles = all
            .iter()
            .map(|role| (text(&role["metadata"]["name"]), aggregation::rules_of(role, &all).into()))
            .collect();
        let key = |role: &Value| (text(&role["metadata"]["namespace"]), text(&role["metadata"]["name"]));
        let roles = reader.list(GROUP, "roles", None);
        let roles = roles.iter().map(|role| (key(role), Rule::read_all(role).into())).collect();
        let mut cluster_bindings = Bindings::default();
        for binding in reader.list(GROUP, "clusterrolebindings", None) {
            cluster_bindings.add(&binding);
        }
        let mut bindings: HashMap<String, Bindings> = HashMap::new();
        for binding in reader.list(GROUP, "rolebindings", None) {
            bindings.entry(text(&binding["metadata"]["namespace"])).or_default().add(&binding);
        }
        Self { generations, cluster_roles, roles, cluster_bindings, bindings }
    }

    fn role_rules(&self, role: &RoleRef, namespace: &str) -> Option<Arc<[Rule]>> {
        match role.kind.as_str() {
            "ClusterRole" => self.cluster_roles.get(&role.name).cloned(),
            "Role" => self.roles.get(&(namespace.to_owned(), role.name.clone())).cloned(),
            _ => None,
        }
    }

    /// Calls `visit` for each binding that binds the user, cluster-wide ones first, until it returns false.
    fn visit(&self, user: &UserInfo, namespace: &str, mut visit: impl FnMut(Found<'_>) -> bool) {
        let local = if namespace.is_empty() { None } else { self.bindings.get(namespace) };
        for bindings in std::iter::once(&self.cluster_bindings).chain(local) {
            for (binding, subject) in bindings.of(user) {
                let rules = self.role_rules(&binding.role, &binding.namespace);
                let found = match &rules {
                    Some(rules) => Ok((binding, subject, &**rules)),
                    None => Err(not_found(&binding.role)),
                };
                if !visit(found) {
                    return;
                }
            }
        }
    }
}

impl Bindings {
    fn add(&mut self, value: &Value) {
        let namespace = text(&value["metadata"]["namespace"]);
        let index = self.all.len();
        let mut subjects = Vec::new();
        for subject in value["subjects"].as_array().into_iter().flatten() {
            let name = text(&subject["name"]);
            let subject = match subject["kind"].as_str() {
                Some("User") => Subject::User(name),
                Some("Group") => Subject::Group(name),
                Some("ServiceAccount") => {
                    let own = text(&subject["namespace"]);
                    let namespace = if own.is_empty() { namespace.clone() } else { own };
                    Subject::ServiceAccount { namespace, name }
                }
                _ => continue,
            };
            self.by_subject.entry(subject.clone()).or_default().push((index, subjects.len()));
            subjects.push(subject);
        }
        let role = RoleRef { kind: text(&value["roleRef"]["kind"]), name: text(&value["roleRef"]["name"]) };
        self.all.push(Binding { name: text(&value["metadata"]["name"]), namespace, role, subjects });
    }

    /// The bindings of a user in their order, each with the first of its subjects that is the user.
    fn of(&self, user: &UserInfo) -> impl Iterator<Item = (&Binding, &Subject)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut look = |subject: Subject| found.extend(self.by_subject.get(&subject).into_iter().flatten());
        look(Subject::User(user.name.clone()));
        user.groups.iter().for_each(|group| look(Subject::Group(group.clone())));
        if let Some((namespace, name)) = service_account(&user.name) {
            look(Subject::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() });
        }
        found.sort_unstable();
        found.dedup_by_key(|(binding, _)| *binding);
        found.into_iter().map(|(binding, subject)| (&self.all[binding], &self.all[binding].subjects[subject]))
    }
}

/// `system:serviceaccount:NAMESPACE:NAME` taken apart.
pub(crate) fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':').filter(|(_, name)| !name.contains(':'))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
