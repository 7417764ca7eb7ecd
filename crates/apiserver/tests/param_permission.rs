//! Parameters of policies are read by those only who may read them.

mod harness;

use apiserver::{InProcess, UserInfo};
use harness::{JSON, MERGE, admin, send, start};
use http::Method;
use serde_json::{Value, json};

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn refusal(service: &InProcess, method: Method, path: &str, kind: &str, body: Value) -> String {
    let (code, answer) = send(service, method, &format!("{ADMISSION}/{path}"), kind, body.to_string()).await;
    let cause = answer["details"]["causes"][0]["message"].as_str().unwrap_or_default();
    if code < 300 {
        "fine".to_owned()
    } else {
        format!("{code} {} {cause}", answer["details"]["causes"][0]["field"].as_str().unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_policies_must_be_allowed_to_read_their_parameters() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let grant = async |name: &str, user: &str, rules: Value| {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        let bound = json!({"metadata": {"name": name}, "subjects": [{"kind": "User", "name": user}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}});
        for (plural, object) in [("clusterroles", role), ("clusterrolebindings", bound)] {
            assert_eq!(send(&admin, Method::POST, &format!("{RBAC}/{plural}"), JSON, object.to_string()).await.0, 201);
        }
    };
    let all = json!({"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]});
    grant("a", "alice", json!([all])).await;
    grant("b", "bob", json!([all, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])).await;
    let (alice, bob) = (server.service(UserInfo::new("alice", &[])), server.service(UserInfo::new("bob", &[])));
    let policy = |name: &str, kind: Value| {
        json!({"metadata": {"name": name}, "spec": {"paramKind": kind,
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]},
        "validations": [{"expression": "true"}]}})
    };
    let maps = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let policies = "validatingadmissionpolicies";
    let words = r#"422 spec.paramKind Forbidden: user &{alice  [system:authenticated] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)"#;
    assert_eq!(refusal(&alice, Method::POST, policies, JSON, policy("p", maps.clone())).await, words);
    assert_eq!(refusal(&alice, Method::POST, policies, JSON, policy("free", Value::Null)).await, "fine");
    let changed = json!({"spec": {"paramKind": maps}});
    assert_eq!(refusal(&alice, Method::PATCH, "validatingadmissionpolicies/free", MERGE, changed).await, words);
    assert_eq!(refusal(&bob, Method::POST, policies, JSON, policy("p", maps)).await, "fine");
    // what it is already is nobody's business
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(refusal(&alice, Method::PATCH, "validatingadmissionpolicies/p", MERGE, label).await, "fine");
    let binding = |name: &str, policy: &str, reference: Value| {
        let mut reference = reference;
        reference["parameterNotFoundAction"] = "Deny".into();
        json!({"metadata": {"name": name}, "spec": {"policyName": policy, "paramRef": reference, "validationActions": ["Deny"]}})
    };
    let bindings = "validatingadmissionpolicybindings";
    let named = || json!({"name": "c", "namespace": "default"});
    assert_eq!(
        refusal(&alice, Method::POST, bindings, JSON, binding("b", "p", named())).await,
        r#"422 spec.paramRef Forbidden: user get does not have "&{alice  [system:authenticated] map[]}" permission on the object referenced by paramRef"#
    );
    assert_eq!(refusal(&bob, Method::POST, bindings, JSON, binding("b", "p", named())).await, "fine");
    let selected = json!({"selector": {"matchLabels": {"a": "b"}}});
    let refused = refusal(&bob, Method::POST, bindings, JSON, binding("s", "p", selected)).await;
    assert!(refused.starts_with("422 spec.paramRef Forbidden: user list does not have"), "{refused}");
    let refused = refusal(&bob, Method::POST, bindings, JSON, binding("n", "none", named())).await;
    assert!(refused.starts_with("422 spec.paramRef Forbidden: unable to get policy none to determine"), "{refused}");
    server.shutdown().await;
}
