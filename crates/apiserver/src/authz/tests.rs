//! Who may do what, as data.

use super::fixture::Objects;
use super::*;
use expect_test::{Expect, expect};
use http::Method;
use serde_json::json;

fn cluster() -> Arc<Objects> {
    let rbac = "rbac.authorization.k8s.io/v1";
    let subject = |kind: &str, name: &str| json!({"kind": kind, "name": name});
    Objects::new(vec![
        json!({"apiVersion": rbac, "kind": "Role", "metadata": {"name": "r", "namespace": "a"}, "rules": [
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps", "pods/log"]},
            {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]},
            {"verbs": ["*"], "apiGroups": [rbac.trim_end_matches("/v1")], "resources": ["roles"]}]}),
        json!({"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "a"},
            "roleRef": {"kind": "Role", "name": "r"}, "subjects": [subject("User", "alice")]}),
        json!({"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "sa", "namespace": "a"},
            "roleRef": {"kind": "ClusterRole", "name": "scales"}, "subjects": [subject("ServiceAccount", "robot")]}),
        json!({"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "broken", "namespace": "a"},
            "roleRef": {"kind": "ClusterRole", "name": "absent"}, "subjects": [subject("User", "bob")]}),
        json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "scales", "labels": {"to": "sum"}},
            "rules": [{"verbs": ["update"], "apiGroups": ["*"], "resources": ["*/scale"]}]}),
        json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "info"},
            "rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"]}]}),
        json!({"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": {"name": "info"},
            "roleRef": {"kind": "ClusterRole", "name": "info"}, "subjects": [subject("Group", "system:authenticated")]}),
        json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "sum"}, "rules": [],
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "sum"}}]}}),
        json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "all"}, "rules": [],
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]}}),
        json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "middle", "labels": {"to": "all"}},
            "rules": [], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "sum"}}, {"matchLabels": {"to": "all"}}]}}),
        json!({"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": {"name": "all"},
            "roleRef": {"kind": "ClusterRole", "name": "all"}, "subjects": [subject("User", "dave")]}),
        json!({"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": {"name": "sum"},
            "roleRef": {"kind": "ClusterRole", "name": "sum"}, "subjects": [subject("User", "carol")]}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"nodeName": "n1",
            "serviceAccountName": "robot", "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}],
            "volumes": [{"configMap": {"name": "c"}}, {"projected": {"sources": [{"secret": {"name": "t"}}]}}]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "d", "namespace": "a"}, "spec": {"nodeName": "n1",
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}],
            "resourceClaims": [{"name": "x", "resourceClaimName": "gpu"}, {"name": "y", "resourceClaimTemplateName": "t"}]},
            "status": {"resourceClaimStatuses": [{"name": "y", "resourceClaimName": "d-y"}]}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {
            "claimRef": {"namespace": "a", "name": "claim"}, "csi": {"driver": "d",
                "nodeStageSecretRef": {"namespace": "system", "name": "stage"},
                "controllerPublishSecretRef": {"namespace": "system", "name": "control"}}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "w"}, "spec": {
            "claimRef": {"namespace": "a", "name": "other"}, "csi": {"driver": "d",
                "nodeStageSecretRef": {"namespace": "system", "name": "unused"}}}}),
        json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "own"},
            "spec": {"nodeName": "n1"}}),
        json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "other"},
            "spec": {"nodeName": "n2"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "q", "namespace": "a"}, "spec": {"nodeName": "n2",
            "volumes": [{"secret": {"secretName": "theirs"}}]}}),
    ])
}

fn ask(user: &UserInfo, method: Method, target: &str) -> String {
    let reader = cluster().reader();
    let all = Authorizers::new(reader.clone(), Arc::new(Rbac::new(reader)));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = RequestInfo::new(&method, path, query);
    match all.authorize(user, &request) {
        Decision::Allow(reason) => format!("yes {reason}"),
        Decision::Deny(reason) | Decision::NoOpinion(reason) => {
            let status = forbidden(user, &request, &reason);
            format!("{} {}", status.message, status.details)
        }
    }
}

fn user(name: &str, method: Method, target: &str, want: Expect) {
    want.assert_eq(&ask(&UserInfo::new(name, &[]), method, target));
}

fn node(name: &str, method: Method, target: &str, want: Expect) {
    want.assert_eq(&ask(&UserInfo::new(format!("system:node:{name}"), &["system:nodes"]), method, target));
}

const CORE: &str = "/api/v1/namespaces/a";

#[test]
fn rbac_allows() {
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/a/configmaps",
        expect![[r#"yes RBAC: allowed by RoleBinding "b/a" of Role "r" to User "alice""#]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/a/pods/x/log",
        expect![[r#"yes RBAC: allowed by RoleBinding "b/a" of Role "r" to User "alice""#]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/a/secrets/one",
        expect![[r#"yes RBAC: allowed by RoleBinding "b/a" of Role "r" to User "alice""#]],
    );
    user(
        "alice",
        Method::GET,
        "/healthz",
        expect![[
            r#"yes RBAC: allowed by ClusterRoleBinding "info" of ClusterRole "info" to Group "system:authenticated""#
        ]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v9",
        expect![[
            r#"yes RBAC: allowed by ClusterRoleBinding "info" of ClusterRole "info" to Group "system:authenticated""#
        ]],
    );
    user(
        "carol",
        Method::PUT,
        "/apis/apps/v1/namespaces/z/deployments/d/scale",
        expect![[r#"yes RBAC: allowed by ClusterRoleBinding "sum" of ClusterRole "sum" to User "carol""#]],
    );
    user(
        "system:serviceaccount:a:robot",
        Method::PUT,
        "/apis/apps/v1/namespaces/a/deployments/d/scale",
        expect![[r#"yes RBAC: allowed by RoleBinding "sa/a" of ClusterRole "scales" to ServiceAccount "robot/a""#]],
    );
    let boss = UserInfo::new("boss", &["system:masters"]);
    assert_eq!(ask(&boss, Method::DELETE, "/api/v1/nodes"), "yes ");
}

#[test]
fn what_a_gathered_role_gathers_counts_too() {
    let path = "/apis/apps/v1/namespaces/a/deployments/x/scale";
    user(
        "dave",
        Method::PUT,
        path,
        expect![[r#"yes RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "all" to User "dave""#]],
    );
}

#[test]
fn rbac_refuses_in_upstreams_words() {
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/a/secrets/two",
        expect![[
            r#"secrets "two" is forbidden: User "alice" cannot get resource "secrets" in API group "" in the namespace "a" {"kind":"secrets","name":"two"}"#
        ]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/a/secrets",
        expect![[
            r#"secrets is forbidden: User "alice" cannot list resource "secrets" in API group "" in the namespace "a" {"kind":"secrets"}"#
        ]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/a/pods/x",
        expect![[
            r#"pods "x" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "a" {"kind":"pods","name":"x"}"#
        ]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v1/namespaces/z/configmaps",
        expect![[
            r#"configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" in the namespace "z" {"kind":"configmaps"}"#
        ]],
    );
    user(
        "alice",
        Method::GET,
        "/api/v1/nodes",
        expect![[
            r#"nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope {"kind":"nodes"}"#
        ]],
    );
    user("alice", Method::GET, "/metrics", expect![[r#"forbidden: User "alice" cannot get path "/metrics" {}"#]]);
    user(
        "bob",
        Method::GET,
        "/api/v1/namespaces/a/pods",
        expect![[
            r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "a": RBAC: clusterrole.rbac.authorization.k8s.io "absent" not found {"kind":"pods"}"#
        ]],
    );
}

#[test]
fn nodes_reach_what_their_pods_refer_to() {
    for path in [
        "secrets/s",
        "secrets/t",
        "configmaps/c",
        "pods/p",
        "pods/gone",
        "secrets?fieldSelector=metadata.name%3Ds",
        "pods?fieldSelector=spec.nodeName%3Dn1",
    ] {
        node("n1", Method::GET, &format!("{CORE}/{path}"), expect!["yes "]);
    }
    node("n1", Method::POST, "/api/v1/namespaces/a/serviceaccounts/robot/token", expect!["yes "]);
    node("n1", Method::GET, "/api/v1/nodes/n1", expect!["yes "]);
    node("n1", Method::PATCH, "/api/v1/nodes/n1/status", expect!["yes "]);
    node("n1", Method::POST, "/api/v1/namespaces/z/events", expect!["yes "]);
    node("n1", Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", expect!["yes "]);
}

#[test]
fn nodes_reach_the_devices_and_the_secrets_of_volumes_that_their_pods_use() {
    let slices = "/apis/resource.k8s.io/v1/resourceslices";
    let claims = "/apis/resource.k8s.io/v1/namespaces/a/resourceclaims";
    for path in [
        "/api/v1/namespaces/system/secrets/stage",
        "/api/v1/namespaces/a/serviceaccounts/robot",
        "/api/v1/persistentvolumes/v",
        &format!("{claims}/gpu"),
        &format!("{claims}/d-y"),
        &format!("{slices}/own"),
        &format!("{slices}?fieldSelector=spec.nodeName%3Dn1"),
    ] {
        node("n1", Method::GET, path, expect!["yes "]);
    }
    node("n1", Method::POST, slices, expect!["yes "]);
    node("n1", Method::DELETE, &format!("{slices}/own"), expect!["yes "]);
    let refused = |path: &str, why: &str| {
        let user = UserInfo::new("system:node:n1", &["system:nodes"]);
        let answer = ask(&user, Method::GET, path);
        assert!(answer.contains(why), "{path}: {answer}");
    };
    let unrelated = "no relationship found between node 'n1' and this object";
    for path in [
        "/api/v1/namespaces/system/secrets/control",
        "/api/v1/namespaces/system/secrets/unused",
        "/api/v1/namespaces/a/serviceaccounts/other",
        &format!("{claims}/theirs"),
        &format!("{slices}/other"),
    ] {
        refused(path, unrelated);
    }
    refused(slices, "can only list/watch/deletecollection resourceslices with nodeName field selector");
    refused(claims, "can only get individual resources of this type");
}

#[test]
fn nodes_reach_nothing_else() {
    node(
        "n1",
        Method::GET,
        "/api/v1/namespaces/a/secrets/theirs",
        expect![[
            r#"secrets "theirs" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the namespace "a": no relationship found between node 'n1' and this object {"kind":"secrets","name":"theirs"}"#
        ]],
    );
    node(
        "n1",
        Method::GET,
        "/api/v1/namespaces/a/secrets",
        expect![[
            r#"secrets is forbidden: User "system:node:n1" cannot list resource "secrets" in API group "" in the namespace "a": No Object name found {"kind":"secrets"}"#
        ]],
    );
    node(
        "n1",
        Method::GET,
        "/api/v1/namespaces/a/pods/q",
        expect![[
            r#"pods "q" is forbidden: User "system:node:n1" cannot get resource "pods" in API group "" in the namespace "a": no relationship found between node 'n1' and this object {"kind":"pods","name":"q"}"#
        ]],
    );
    node(
        "n1",
        Method::GET,
        "/api/v1/pods",
        expect![[
            r#"pods is forbidden: User "system:node:n1" cannot list resource "pods" in API group "" at the cluster scope: can only list/watch pods with spec.nodeName field selector {"kind":"pods"}"#
        ]],
    );
    node(
        "n1",
        Method::GET,
        "/api/v1/nodes/n2",
        expect![[
            r#"nodes "n2" is forbidden: User "system:node:n1" cannot get resource "nodes" in API group "" at the cluster scope: node 'n1' cannot read 'n2', only its own Node object {"kind":"nodes","name":"n2"}"#
        ]],
    );
    node(
        "n1",
        Method::DELETE,
        "/api/v1/nodes/n1",
        expect![[
            r#"nodes "n1" is forbidden: User "system:node:n1" cannot delete resource "nodes" in API group "" at the cluster scope {"kind":"nodes","name":"n1"}"#
        ]],
    );
    node(
        "n1",
        Method::PUT,
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2",
        expect![[
            r#"leases.coordination.k8s.io "n2" is forbidden: User "system:node:n1" cannot update resource "leases" in API group "coordination.k8s.io" in the namespace "kube-node-lease": can only access node lease with the same name as the requesting node {"group":"coordination.k8s.io","kind":"leases","name":"n2"}"#
        ]],
    );
    let outsider = UserInfo::new("system:node:n1", &[]);
    assert!(!ask(&outsider, Method::GET, "/api/v1/nodes/n1").starts_with("yes"));
}

#[test]
fn granting_needs_having() {
    let rbac = Rbac::new(cluster().reader());
    let alice = UserInfo::new("alice", &[]);
    let rule = |value: Value| vec![rule::Rule::read(&value)];
    let confirm = |value: Value| match escalation::confirm(&rbac, &alice, "a", &rule(value)) {
        Ok(()) => "fine".to_owned(),
        Err(words) => words,
    };
    let fine = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x"]});
    assert_eq!(confirm(fine), "fine");
    let named = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]});
    assert_eq!(confirm(named), "fine");
    expect![[r#"
        user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:[""], Resources:["configmaps"], Verbs:["delete" "update"]}
        {APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete" "update"]}"#]]
    .assert_eq(&confirm(
        json!({"verbs": ["get", "delete", "update"], "apiGroups": [""], "resources": ["configmaps", "secrets"]}),
    ));
}

#[test]
fn a_changed_role_counts_at_once() {
    let objects = cluster();
    let rbac = Rbac::new(objects.reader());
    let request = RequestInfo::new(&Method::GET, "/api/v1/namespaces/a/pods", "");
    let alice = UserInfo::new("alice", &[]);
    assert!(matches!(rbac.authorize(&alice, &request), Decision::NoOpinion(_)));
    objects.put(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "a"},
        "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}));
    assert!(matches!(rbac.authorize(&alice, &request), Decision::Allow(_)));
    objects.remove("rbac.authorization.k8s.io", "rolebindings", &json!("a"), &json!("b"));
    assert!(matches!(rbac.authorize(&alice, &request), Decision::NoOpinion(_)));
}
