//! Which requests are how urgent: by the flow schemas of a new cluster, and by others.

use super::*;
use crate::authz::fixture::Objects;
use serde_json::json;

fn cluster() -> Arc<Objects> {
    let mut objects = registry::bootstrap::flow_control();
    for object in &mut objects {
        object["metadata"]["uid"] =
            format!("{}-{}", object["kind"], object["metadata"]["name"]).replace('"', "").into();
    }
    Objects::new(objects)
}

fn request(path: &str) -> RequestInfo {
    RequestInfo::new(&http::Method::PUT, path, "")
}

/// The UID of the schema, which here says its name.
fn schema_of(flows: &Flows, name: &str, groups: &[&str], path: &str) -> String {
    let class = flows.classify(&UserInfo::new(name, groups), &request(path));
    class.uids.unwrap().0.to_str().unwrap().trim_start_matches("FlowSchema-").to_owned()
}

#[test]
fn levels_are_upstreams() {
    let flows = Flows::new(cluster().reader());
    let level =
        |name: &str, groups: &[&str], path: &str| flows.classify(&UserInfo::new(name, groups), &request(path)).level;
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a";
    assert_eq!(level("system:node:a", &["system:nodes"], lease), Level::NodeHigh);
    assert_eq!(level("system:node:a", &["system:nodes"], "/api/v1/nodes/a/status"), Level::NodeHigh);
    assert_eq!(level("system:node:a", &["system:nodes"], "/api/v1/namespaces/d/pods/p/status"), Level::System);
    let election = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler";
    assert_eq!(level("system:kube-scheduler", &[], election), Level::LeaderElection);
    let pods = "/api/v1/namespaces/d/pods/p";
    assert_eq!(level("system:kube-scheduler", &[], pods), Level::WorkloadHigh);
    let account = |name: &str| level(name, &["system:serviceaccounts"], pods);
    assert_eq!(account("system:serviceaccount:kube-system:job-controller"), Level::WorkloadHigh);
    assert_eq!(account("system:serviceaccount:default:default"), Level::WorkloadLow);
    assert_eq!(level("jane", &[], pods), Level::GlobalDefault);
    assert_eq!(level("admin", &["system:masters"], pods), Level::Exempt);
}

#[test]
fn the_first_schema_that_fits_counts_and_others_may_be_added() {
    let objects = cluster();
    let flows = Flows::new(objects.reader());
    let of_jane = |path: &str| schema_of(&flows, "jane", &[], path);
    assert_eq!(of_jane("/api/v1/nodes/a"), "global-default");
    assert_eq!(schema_of(&flows, "system:anonymous", &["system:unauthenticated"], "/readyz"), "global-default");
    let probe = flows.classify(&UserInfo::anonymous(), &RequestInfo::new(&http::Method::GET, "/readyz", ""));
    assert_eq!((probe.level, probe.uids.unwrap().0.to_str().unwrap()), (Level::Exempt, "FlowSchema-probes"));
    let rules = json!([{"subjects": [{"kind": "User", "user": {"name": "jane"}}],
        "resourceRules": [{"verbs": ["update"], "apiGroups": [""], "resources": ["pods/status"], "namespaces": ["a"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/healthz"]}]}]);
    let own = |level: &str, precedence: u32| {
        json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
            "metadata": {"name": "own", "uid": "FlowSchema-own"}, "spec": {"matchingPrecedence": precedence, "rules": rules,
            "priorityLevelConfiguration": {"name": level}}})
    };
    // of a level that is not there, and later than the one that fits too
    for (level, precedence) in [("none", 100), ("system", 9950)] {
        objects.put(own(level, precedence));
        assert_eq!(of_jane("/api/v1/namespaces/a/pods/p/status"), "global-default");
    }
    objects.put(own("system", 100));
    let found: Vec<String> = [
        "/api/v1/namespaces/a/pods/p/status",
        "/api/v1/namespaces/a/pods/p",
        "/api/v1/namespaces/b/pods/p/status",
        "/healthz/ping",
        "/healthzz",
    ]
    .map(of_jane)
    .into();
    assert_eq!(found, ["own", "global-default", "global-default", "own", "global-default"]);
    let level = flows.classify(&UserInfo::new("jane", &[]), &request("/healthz")).level;
    assert_eq!(level, Level::System);
}

#[test]
fn without_schemas_masters_are_exempt() {
    let flows = Flows::new(Objects::new(Vec::new()).reader());
    let class = |groups: &[&str]| flows.classify(&UserInfo::new("u", groups), &request("/api/v1/nodes/a"));
    assert_eq!(class(&["system:masters"]).level, Level::Exempt);
    let mut headers = HeaderMap::new();
    class(&[]).tell(&mut headers);
    assert_eq!((class(&[]).level, headers.len()), (Level::GlobalDefault, 0));
}
