//! The roles and bindings that every cluster starts with (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).
//!
//! They are data: one line per rule. The API server creates what is missing, and adds rules and subjects that are
//! missing to those that still carry the `autoupdate` annotation.

mod cluster_roles;
mod controller_roles;
mod rule;
mod volume_controller_roles;

use serde_json::{Map, Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";
/// Labels with this prefix make a role part of another: `…/aggregate-to-view`.
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// A role as it is written down.
struct RoleSpec {
    name: &'static str,
    /// The roles that it is part of.
    part_of: &'static [&'static str],
    /// Collects the rules of the roles that are part of it.
    aggregates: bool,
    rules: &'static [&'static str],
}

/// A plain role.
const fn role(name: &'static str, rules: &'static [&'static str]) -> RoleSpec {
    RoleSpec { name, part_of: &[], aggregates: false, rules }
}

/// Who a binding is for.
enum Subject {
    User(&'static str),
    Group(&'static str),
    /// A service account of kube-system.
    Account(&'static str),
}

/// Every bootstrap object: ClusterRoles, ClusterRoleBindings, then Roles and RoleBindings with their namespaces. The
/// aggregated roles (`admin`, `edit`, `view`) already hold what they collect.
pub fn bootstrap() -> Vec<Value> {
    let of_controllers = || controller_roles::ROLES.iter().chain(volume_controller_roles::ROLES);
    let mut objects: Vec<Value> = cluster_roles::ROLES.iter().chain(of_controllers()).map(cluster_role).collect();
    objects.extend(cluster_roles::BINDINGS.iter().map(|(name, subjects)| cluster_role_binding(name, subjects)));
    objects.extend(of_controllers().map(|spec| {
        let account = spec.name.rsplit(':').next().unwrap_or(spec.name);
        cluster_role_binding(spec.name, &[Subject::Account(account)])
    }));
    objects.extend(cluster_roles::NAMESPACED_ROLES.iter().map(|(namespace, spec)| {
        let mut object = object("Role", spec.name, &[], json!({"rules": rules_of(spec)}));
        object["metadata"]["namespace"] = (*namespace).into();
        object
    }));
    objects.extend(cluster_roles::NAMESPACED_BINDINGS.iter().map(|(namespace, name, role, subjects)| {
        let role = json!({"apiGroup": GROUP, "kind": "Role", "name": role});
        let mut object = object("RoleBinding", name, &[], json!({"roleRef": role, "subjects": subjects_of(subjects)}));
        object["metadata"]["namespace"] = (*namespace).into();
        object
    }));
    objects
}

fn object(kind: &str, name: &str, part_of: &[&str], body: Value) -> Value {
    let mut labels = Map::from_iter([("kubernetes.io/bootstrapping".to_owned(), json!("rbac-defaults"))]);
    labels.extend(part_of.iter().map(|role| (format!("{AGGREGATE}{role}"), json!("true"))));
    let mut object = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
    });
    if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
        object.extend(body);
    }
    object
}

fn cluster_role(spec: &RoleSpec) -> Value {
    let mut rules = Vec::new();
    collect_rules(spec, &mut rules);
    let mut body = json!({"rules": rules});
    if spec.aggregates {
        let label = format!("{AGGREGATE}{}", spec.name);
        body["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    }
    object("ClusterRole", spec.name, spec.part_of, body)
}

/// A role's own rules and those of its parts, by name, each rule once.
fn collect_rules(spec: &RoleSpec, rules: &mut Vec<Value>) {
    if !spec.aggregates {
        for rule in rules_of(spec) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        return;
    }
    let mut parts: Vec<&RoleSpec> =
        cluster_roles::ROLES.iter().filter(|part| part.part_of.contains(&spec.name)).collect();
    parts.sort_by_key(|part| part.name);
    parts.into_iter().for_each(|part| collect_rules(part, rules));
}

fn rules_of(spec: &RoleSpec) -> Vec<Value> {
    spec.rules.iter().map(|text| rule::parse(text)).collect()
}

fn cluster_role_binding(name: &str, subjects: &[Subject]) -> Value {
    let role = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name});
    let mut body = json!({"roleRef": role});
    if !subjects.is_empty() {
        body["subjects"] = subjects_of(subjects);
    }
    object("ClusterRoleBinding", name, &[], body)
}

fn subjects_of(subjects: &[Subject]) -> Value {
    let subject = |subject: &Subject| match subject {
        Subject::User(name) => json!({"apiGroup": GROUP, "kind": "User", "name": name}),
        Subject::Group(name) => json!({"apiGroup": GROUP, "kind": "Group", "name": name}),
        Subject::Account(name) => json!({"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}),
    };
    subjects.iter().map(subject).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find_kind;
    use std::collections::BTreeSet;

    #[test]
    fn every_object_is_valid_and_named_once() {
        let mut names = BTreeSet::new();
        for mut object in bootstrap() {
            let kind = object["kind"].as_str().unwrap().to_owned();
            let row = find_kind(GROUP, "v1", &kind).unwrap();
            row.strategy.default(&mut object);
            assert!(row.strategy.validate(&object).is_empty(), "{object:#}");
            let metadata = &object["metadata"];
            let name = format!("{kind}/{}/{}", metadata["namespace"], metadata["name"]);
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }

    #[test]
    fn every_binding_has_its_role() {
        let objects = bootstrap();
        for binding in objects.iter().filter(|o| o["kind"].as_str().unwrap().ends_with("Binding")) {
            let role = |o: &&Value| {
                o["kind"] == binding["roleRef"]["kind"]
                    && o["metadata"]["name"] == binding["roleRef"]["name"]
                    && o["metadata"].get("namespace") == binding["metadata"].get("namespace")
            };
            assert!(objects.iter().any(|o| role(&o)), "{binding:#}");
        }
    }

    #[test]
    fn admin_holds_what_edit_and_view_hold() {
        let objects = bootstrap();
        let rules = |name: &str| {
            let role = objects.iter().find(|o| o["kind"] == "ClusterRole" && o["metadata"]["name"] == name).unwrap();
            role["rules"].as_array().unwrap().clone()
        };
        let admin = rules("admin");
        assert!(rules("edit").iter().chain(&rules("view")).all(|rule| admin.contains(rule)));
        assert!(admin.len() > rules("edit").len());
    }
}
