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

fn flows_of(reader: SharedReader) -> Flows {
    Flows::new(reader, [Turns::new(400), Turns::new(200)])
}

impl Flows {
    /// The level of a request, by name.
    fn level_name(&self, class: &Class) -> String {
        let levels = self.reader.list(GROUP, RESOURCES[1], None);
        let is = |object: &&Arc<Value>| {
            let name = text(&object["metadata"]["name"]);
            class.compiled.plan.level(&name, object) == class.level()
        };
        levels.iter().find(is).map(|object| text(&object["metadata"]["name"])).unwrap_or_default()
    }
}

fn uids(class: &Class) -> (&str, &str) {
    let (schema, level) = class.schema().unwrap().uids.as_ref().unwrap();
    (schema.to_str().unwrap(), level.to_str().unwrap())
}

fn request(path: &str) -> RequestInfo {
    RequestInfo::new(&http::Method::PUT, path, "")
}

/// The UID of the schema, which here says its name.
fn schema_of(flows: &Flows, name: &str, groups: &[&str], path: &str) -> String {
    let class = flows.classify(&UserInfo::new(name, groups), &request(path));
    uids(&class).0.trim_start_matches("FlowSchema-").to_owned()
}

#[test]
fn levels_are_upstreams() {
    let flows = flows_of(cluster().reader());
    let level = |name: &str, groups: &[&str], path: &str| {
        flows.level_name(&flows.classify(&UserInfo::new(name, groups), &request(path)))
    };
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a";
    assert_eq!(level("system:node:a", &["system:nodes"], lease), "node-high");
    assert_eq!(level("system:node:a", &["system:nodes"], "/api/v1/nodes/a/status"), "node-high");
    assert_eq!(level("system:node:a", &["system:nodes"], "/api/v1/namespaces/d/pods/p/status"), "system");
    let election = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler";
    assert_eq!(level("system:kube-scheduler", &[], election), "leader-election");
    let pods = "/api/v1/namespaces/d/pods/p";
    assert_eq!(level("system:kube-scheduler", &[], pods), "workload-high");
    let account = |name: &str| level(name, &["system:serviceaccounts"], pods);
    assert_eq!(account("system:serviceaccount:kube-system:job-controller"), "workload-high");
    assert_eq!(account("system:serviceaccount:default:default"), "workload-low");
    assert_eq!(level("jane", &[], pods), "global-default");
    assert_eq!(level("admin", &["system:masters"], pods), "exempt");
}

#[test]
fn the_first_schema_that_fits_counts_and_others_may_be_added() {
    let objects = cluster();
    let flows = flows_of(objects.reader());
    let of_jane = |path: &str| schema_of(&flows, "jane", &[], path);
    assert_eq!(of_jane("/api/v1/nodes/a"), "global-default");
    assert_eq!(schema_of(&flows, "system:anonymous", &["system:unauthenticated"], "/readyz"), "global-default");
    let probe = flows.classify(&UserInfo::anonymous(), &RequestInfo::new(&http::Method::GET, "/readyz", ""));
    assert_eq!((probe.level(), uids(&probe).0), (Level::Exempt, "FlowSchema-probes"));
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
    let class = flows.classify(&UserInfo::new("jane", &[]), &request("/healthz"));
    assert_eq!(flows.level_name(&class), "system");
}

#[test]
fn without_schemas_masters_are_exempt() {
    let flows = flows_of(Objects::new(Vec::new()).reader());
    let class = |groups: &[&str]| flows.classify(&UserInfo::new("u", groups), &request("/api/v1/nodes/a"));
    assert_eq!(class(&["system:masters"]).level(), Level::Exempt);
    let mut headers = HeaderMap::new();
    class(&[]).tell(&mut headers);
    assert_eq!((class(&[]).level(), headers.len()), (Level::Seats(levels::FALLBACK), 0));
}

#[test]
fn flows_are_told_apart_as_the_schema_says() {
    let flows = flows_of(cluster().reader());
    let flow = |name: &str, groups: &[&str], path: &str| {
        let (user, request) = (UserInfo::new(name, groups), request(path));
        let class = flows.classify(&user, &request);
        let flow = class.flow(&user, &request);
        (flow.schema.to_owned(), flow.of.to_owned())
    };
    let pods = "/api/v1/namespaces/d/pods/p";
    assert_eq!(flow("jane", &["system:authenticated"], pods), ("global-default".to_owned(), "jane".to_owned()));
    let account = flow("system:serviceaccount:kube-system:a", &["system:serviceaccounts"], pods);
    assert_eq!(account, ("kube-system-service-accounts".to_owned(), "d".to_owned()));
    assert_eq!(flow("system:kube-scheduler", &[], pods), ("kube-scheduler".to_owned(), "d".to_owned()));
}
