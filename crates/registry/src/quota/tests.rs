//! What objects use, as data.

use super::*;
use serde_json::json;

const PODS: Kind<'static> = Kind { group: "", plural: "pods" };

fn check(kind: Kind<'_>, object: &Value, want: &[(&str, &str)]) {
    let got: BTreeMap<String, String> = usage(kind, object).into_iter().map(|(n, q)| (n, q.to_string())).collect();
    let want: BTreeMap<String, String> = want.iter().map(|(n, q)| ((*n).to_owned(), (*q).to_owned())).collect();
    assert_eq!(got, want, "{object}");
}

#[test]
fn pods() {
    let resources =
        json!({"requests": {"cpu": "100m", "memory": "1Gi", "example.com/gpu": "1"}, "limits": {"memory": "2Gi"}});
    let pod =
        json!({"spec": {"containers": [{"name": "a", "resources": resources}, {"name": "b", "resources": resources}]}});
    let want = [
        ("count/pods", "1"),
        ("pods", "1"),
        ("cpu", "200m"),
        ("requests.cpu", "200m"),
        ("memory", "2Gi"),
        ("requests.memory", "2Gi"),
        ("limits.memory", "4Gi"),
        ("requests.example.com/gpu", "2"),
    ];
    check(PODS, &pod, &want);
    let mut ended = pod.clone();
    ended["status"]["phase"] = "Succeeded".into();
    check(PODS, &ended, &[("count/pods", "1")]);
    let required: BTreeSet<&str> = ["limits.cpu", "requests.cpu", "pods"].into();
    assert_eq!(check_constraints(PODS, &required, &pod).unwrap_err(), "must specify limits.cpu for: a,b");
}

#[test]
fn other_kinds() {
    let service = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2}]}});
    let want =
        [("count/services", "1"), ("services", "1"), ("services.loadbalancers", "1"), ("services.nodeports", "2")];
    check(Kind { group: "", plural: "services" }, &service, &want);
    let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "3Gi"}}}});
    let want = [
        ("count/persistentvolumeclaims", "1"),
        ("persistentvolumeclaims", "1"),
        ("requests.storage", "3Gi"),
        ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "1"),
        ("fast.storageclass.storage.k8s.io/requests.storage", "3Gi"),
    ];
    check(Kind { group: "", plural: "persistentvolumeclaims" }, &claim, &want);
    check(Kind { group: "apps", plural: "deployments" }, &json!({}), &[("count/deployments.apps", "1")]);
}

#[test]
fn scopes() {
    let quota = |spec: Value| json!({"spec": spec, "status": {"hard": {"pods": "1"}}});
    let plain = json!({"spec": {"containers": [{"name": "a"}]}});
    let high =
        json!({"spec": {"containers": [{"name": "a"}], "priorityClassName": "high", "activeDeadlineSeconds": 1}});
    let by_class = |operator: &str, values: &[&str]| {
        quota(
            json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}}),
        )
    };
    let cases = [
        (quota(json!({"scopes": ["BestEffort"]})), true, true),
        (quota(json!({"scopes": ["NotBestEffort"]})), false, false),
        (quota(json!({"scopes": ["Terminating"]})), false, true),
        (by_class("In", &["high"]), false, true),
        (by_class("NotIn", &["high"]), true, false),
        (by_class("Exists", &[]), false, true),
    ];
    for (quota, of_plain, of_high) in cases {
        assert_eq!((matches(&quota, PODS, &plain), matches(&quota, PODS, &high)), (of_plain, of_high), "{quota}");
    }
    let services = Kind { group: "", plural: "services" };
    assert!(!matches(&quota(json!({})), services, &json!({})), "pods only");
}
