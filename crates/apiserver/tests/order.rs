//! In which order a write is judged: what may change it, who may write it, its revision, its fields.

mod harness;

use apiserver::{InProcess, Server, UserInfo};
use harness::{JSON, MERGE, admin, send, start};
use http::Method;
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";

/// A user who may write roles, bindings, config maps and pods, and has nothing that they could grant.
async fn writer(server: &Server) -> InProcess {
    let role = json!({"metadata": {"name": "w"}, "rules": [
        {"apiGroups": ["", "rbac.authorization.k8s.io"], "verbs": ["create", "update", "patch", "get"],
         "resources": ["roles", "clusterroles", "rolebindings", "configmaps", "pods"]}]});
    let bound = json!({"metadata": {"name": "w"}, "subjects": [{"kind": "User", "name": "writer"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "w"}});
    for (plural, object) in [("clusterroles", role), ("clusterrolebindings", bound)] {
        let path = format!("{RBAC}/{plural}");
        assert_eq!(send(&admin(server), Method::POST, &path, JSON, object.to_string()).await.0, 201);
    }
    server.service(UserInfo::new("writer", &[]))
}

fn words(answer: (u16, Value)) -> String {
    format!("{} {}", answer.0, answer.1["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_grant_is_told_so_before_what_is_wrong_with_the_role() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let (admin, writer) = (admin(&server), writer(&server).await);
    // no verbs but one that does not go with URLs of a namespaced role: invalid
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "nonResourceURLs": ["/x"], "verbs": ["get"]}]);
    let role = |name: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}).to_string()
    };
    let refusal = r#"403 roles.rbac.authorization.k8s.io "r" is forbidden: user "writer" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#;
    let valid = json!({"metadata": {"name": "r"}, "rules": []}).to_string();
    for query in ["", "?dryRun=All"] {
        let path = format!("{ROLES}{query}");
        assert_eq!(words(send(&writer, Method::POST, &path, JSON, role("r")).await), refusal);
        assert!(words(send(&admin, Method::POST, &path, JSON, role("r")).await).starts_with("422 Role"));
        // a PUT and an apply that would create it
        let path = format!("{ROLES}/r{query}");
        assert_eq!(words(send(&writer, Method::PUT, &path, JSON, role("r")).await), refusal);
        let path = format!("{path}{}fieldManager=m", if query.is_empty() { "?" } else { "&" });
        let apply = "application/apply-patch+yaml";
        assert_eq!(words(send(&writer, Method::PATCH, &path, apply, role("r")).await), refusal);
    }
    assert_eq!(send(&admin, Method::POST, ROLES, JSON, valid).await.0, 201);
    let one = format!("{ROLES}/r");
    let patch = json!({"rules": rules}).to_string();
    assert_eq!(words(send(&writer, Method::PATCH, &one, MERGE, patch.clone()).await), refusal);
    assert!(words(send(&admin, Method::PATCH, &one, MERGE, patch).await).starts_with("422 Role"));
    // nor does a stale revision come first
    let stale = json!({"metadata": {"name": "r", "resourceVersion": "1"}, "rules": rules}).to_string();
    assert_eq!(words(send(&writer, Method::PUT, &one, JSON, stale.clone()).await), refusal);
    assert!(words(send(&admin, Method::PUT, &one, JSON, stale).await).starts_with("409 Operation cannot"));
    // a name that is still to be made is none
    let generated = json!({"metadata": {"generateName": "r-"}, "rules": rules}).to_string();
    let nameless = words(send(&writer, Method::POST, ROLES, JSON, generated).await);
    assert!(nameless.starts_with("403 roles.rbac.authorization.k8s.io is forbidden: user"), "{nameless}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admission_that_may_change_an_object_sees_it_before_it_has_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"generateName": "web-"}, "spec": {"serviceAccountName": "absent",
        "containers": [{"name": "c", "image": "i"}]}});
    let refused = words(send(&admin, Method::POST, pods, JSON, pod.to_string()).await);
    let want = r#"403 pods "web-" is forbidden: error looking up service account default/absent: serviceaccount "absent" not found"#;
    assert_eq!(refused, want);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_makes_an_object_by_put_or_apply_must_be_allowed_to_create_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let changes = json!({"metadata": {"name": "c"}, "rules": [{"apiGroups": ["", "coordination.k8s.io"],
        "resources": ["leases", "configmaps"], "verbs": ["update", "patch"]}]});
    let bound = json!({"metadata": {"name": "c"}, "subjects": [{"kind": "User", "name": "changer"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "c"}});
    for (plural, object) in [("clusterroles", changes), ("clusterrolebindings", bound)] {
        assert_eq!(send(&admin, Method::POST, &format!("{RBAC}/{plural}"), JSON, object.to_string()).await.0, 201);
    }
    let changer = server.service(UserInfo::new("changer", &[]));
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let map = "/api/v1/namespaces/default/configmaps/m?fieldManager=m";
    let apply = "application/apply-patch+yaml";
    let lease_body = json!({"metadata": {"name": "l"}, "spec": {}}).to_string();
    let map_body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}).to_string();
    let invalid = json!({"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": -1}}).to_string();
    assert_eq!(
        words(send(&changer, Method::PUT, lease, JSON, lease_body.clone()).await),
        r#"403 leases.coordination.k8s.io "l" is forbidden: User "changer" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "default""#
    );
    assert_eq!(
        words(send(&changer, Method::PATCH, map, apply, map_body.clone()).await),
        r#"403 configmaps "m" is forbidden: User "changer" cannot create resource "configmaps" in API group "" in the namespace "default""#
    );
    // after what is wrong with it
    assert!(words(send(&changer, Method::PUT, lease, JSON, invalid).await).starts_with("422 Lease"));
    for (method, path, kind, body, code) in
        [(Method::PUT, lease, JSON, lease_body, 200), (Method::PATCH, map, apply, map_body, 200)]
    {
        assert_eq!(send(&admin, method.clone(), path, kind, body.clone()).await.0, 201);
        let version = send(&admin, Method::GET, lease, JSON, "").await.1["metadata"]["resourceVersion"].clone();
        let mut object: Value = serde_json::from_str(&body).unwrap();
        if method == Method::PUT {
            object["metadata"]["resourceVersion"] = version;
        }
        assert_eq!(send(&changer, method, path, kind, object.to_string()).await.0, code);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_runs_something_in_a_pod_must_be_allowed_to_create_that_by_get_too() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let reads = json!({"metadata": {"name": "c"}, "rules": [{"apiGroups": [""], "verbs": ["get"],
        "resources": ["pods/exec", "pods/attach", "pods/portforward", "pods/log"]}]});
    let bound = json!({"metadata": {"name": "c"}, "subjects": [{"kind": "User", "name": "reader"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "c"}});
    for (plural, object) in [("clusterroles", reads), ("clusterrolebindings", bound)] {
        assert_eq!(send(&admin, Method::POST, &format!("{RBAC}/{plural}"), JSON, object.to_string()).await.0, 201);
    }
    let reader = server.service(UserInfo::new("reader", &[]));
    let get = async |service: &InProcess, part: &str| {
        let path = format!("/api/v1/namespaces/default/pods/p/{part}?command=ls");
        words(send(service, Method::GET, &path, JSON, "").await)
    };
    for part in ["exec", "attach", "portforward"] {
        assert_eq!(get(&reader, part).await, r#"403 pods "p" is forbidden: "#);
        assert_eq!(get(&admin, part).await, r#"404 pods "p" not found"#);
    }
    assert_eq!(get(&reader, "log").await, r#"404 pods "p" not found"#);
    server.shutdown().await;
}
