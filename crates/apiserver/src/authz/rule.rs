//! One RBAC policy rule: reading it, and asking what it allows and covers
//! (`k8s.io/kubernetes/pkg/apis/rbac`, `k8s.io/component-helpers/auth/rbac/validation`).

use crate::request::RequestInfo;
use serde_json::{Map, Value};

/// A `PolicyRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub resource_names: Vec<String>,
    pub non_resource_urls: Vec<String>,
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == wanted)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

impl Rule {
    /// A rule for resources.
    pub fn resources(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Self {
        let own = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
        Self { verbs: own(verbs), api_groups: own(groups), resources: own(resources), ..Self::default() }
    }

    /// From the wire.
    pub fn read(value: &Value) -> Self {
        Self {
            verbs: strings(&value["verbs"]),
            api_groups: strings(&value["apiGroups"]),
            resources: strings(&value["resources"]),
            resource_names: strings(&value["resourceNames"]),
            non_resource_urls: strings(&value["nonResourceURLs"]),
        }
    }

    /// All rules of a role.
    pub fn read_all(role: &Value) -> Vec<Self> {
        role["rules"].as_array().into_iter().flatten().map(Self::read).collect()
    }

    /// To the wire: empty members are left out.
    pub fn to_value(&self) -> Value {
        let members = [
            ("verbs", &self.verbs),
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
            ("resourceNames", &self.resource_names),
            ("nonResourceURLs", &self.non_resource_urls),
        ];
        let filled = members.into_iter().filter(|(_, list)| !list.is_empty());
        filled.map(|(name, list)| (name.to_owned(), Value::from(list.clone()))).collect::<Map<_, _>>().into()
    }

    /// Upstream's `RuleAllows`.
    pub fn allows(&self, request: &RequestInfo) -> bool {
        if !has(&self.verbs, &request.verb) {
            return false;
        }
        if !request.is_resource_request {
            return self.non_resource_urls.iter().any(|pattern| url_matches(pattern, &request.path));
        }
        has(&self.api_groups, &request.api_group)
            && self.allows_resource(&request.resource, &request.subresource)
            && (self.resource_names.is_empty() || self.resource_names.contains(&request.name))
    }

    fn allows_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|entry| match entry.split_once('/') {
            None => entry == "*" || (subresource.is_empty() && entry == resource),
            Some((first, second)) => {
                !subresource.is_empty() && second == subresource && (first == "*" || first == resource)
            }
        })
    }

    /// Splits into rules of one verb and one resource or URL each (`BreakdownRule`).
    pub fn breakdown(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part = Self::resources(&[verb], &[group], &[resource]);
                    if self.resource_names.is_empty() {
                        parts.push(part);
                    } else {
                        let named = |name: &String| Self { resource_names: vec![name.clone()], ..part.clone() };
                        parts.extend(self.resource_names.iter().map(named));
                    }
                }
            }
        }
        for url in &self.non_resource_urls {
            for verb in &self.verbs {
                let (verbs, urls) = (vec![verb.clone()], vec![url.clone()]);
                parts.push(Self { verbs, non_resource_urls: urls, ..Self::default() });
            }
        }
        parts
    }

    /// Whether this rule grants all of a part that [`Rule::breakdown`] made (`ruleCovers`).
    pub fn covers(&self, part: &Self) -> bool {
        let all = |own: &[String], wanted: &[String]| has(own, "*") || wanted.iter().all(|entry| own.contains(entry));
        if !all(&self.verbs, &part.verbs) {
            return false;
        }
        if !part.non_resource_urls.is_empty() {
            let covered = |url: &String| self.non_resource_urls.iter().any(|own| url_covers(own, url));
            return part.non_resource_urls.iter().all(covered);
        }
        let resource_covered = |resource: &String| {
            has(&self.resources, resource)
                || resource.split_once('/').is_some_and(|(_, sub)| self.resources.contains(&format!("*/{sub}")))
        };
        let names_covered = self.resource_names.is_empty()
            || (!part.resource_names.is_empty()
                && part.resource_names.iter().all(|name| self.resource_names.contains(name)));
        !part.resources.is_empty()
            && all(&self.api_groups, &part.api_groups)
            && part.resources.iter().all(resource_covered)
            && names_covered
    }

    /// Upstream's `CompactString`, with Go's `%q` of string lists.
    pub fn compact_string(&self) -> String {
        let members = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let filled = members.into_iter().filter(|(_, list)| !list.is_empty());
        let parts: Vec<String> = filled.map(|(name, list)| format!("{name}:{}", go_quoted(list))).collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// Go's `%q` of a `[]string`.
pub(crate) fn go_quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|entry| format!("{entry:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

fn url_matches(pattern: &str, path: &str) -> bool {
    pattern == "*" || pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

fn url_covers(own: &str, wanted: &str) -> bool {
    own == "*" || own == wanted || own.strip_suffix('*').is_some_and(|prefix| wanted.starts_with(prefix))
}
