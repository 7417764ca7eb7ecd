//! Changes of a service's type: what was allocated for the old one stays or goes, and what a client changed too is told.

use super::*;
use expect_test::expect;

const PATH: &str = "v1/services";

/// A service of a type as a server has stored it.
fn stored(more: Value) -> Value {
    let base = json!({"spec": {"type": "ClusterIP", "ports": [{"port": 1}], "clusterIP": "10.96.0.5",
        "clusterIPs": ["10.96.0.5"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}});
    with(&base, more)
}

/// What is prepared of a change, without what is always there.
fn changed(old: &Value, change: &Value) -> String {
    let row = row(PATH);
    let old = decoded(row, old);
    let mut new = decoded(row, &with(&old, change.clone()));
    row.strategy.prepare_for_update(&mut new, &old, None);
    let mut spec = new["spec"].as_object().unwrap().clone();
    spec.retain(|field, _| field != "sessionAffinity" && field != "type");
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut().unwrap().retain(|field, _| field == "nodePort" || field == "name");
    }
    format!("{} {}", Value::Object(spec), new["status"])
}

#[test]
fn a_balancer_loses_what_only_balancers_have() {
    let old = stored(json!({"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 30002, "loadBalancerClass": "a.b/c", "ports": [{"port": 1, "nodePort": 30001}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}));
    let kept = r#"{"clusterIP":"10.96.0.5","clusterIPs":["10.96.0.5"],"internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{}]} {"loadBalancer":{}}"#;
    assert_eq!(changed(&old, &json!({"spec": {"type": "ClusterIP"}})), kept);
    expect![[r#"{"externalName":"a.b","ports":[{}]} {"loadBalancer":{}}"#]]
        .assert_eq(&changed(&old, &json!({"spec": {"type": "ExternalName", "externalName": "a.b"}})));
    // What the client changed as well is not dropped but refused, each port that it left alone too.
    let change = json!({"spec": {"type": "ClusterIP", "loadBalancerClass": "d.e/f", "ports": [
        {"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "nodePort": 30009}]}});
    expect![[r#"
        spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'
        spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'
        spec.ports[1].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'
        spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"#]]
    .assert_eq(&updated(PATH, &old, &change));
}

#[test]
fn ports_keep_their_node_port_by_name() {
    let old = stored(json!({"spec": {"type": "NodePort", "ports": [
        {"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "nodePort": 30002}]}}));
    let change = json!({"spec": {"ports": [
        {"name": "b", "port": 1}, {"name": "c", "port": 2}, {"name": "a", "port": 3, "nodePort": 30005}]}});
    expect![[r#"{"clusterIP":"10.96.0.5","clusterIPs":["10.96.0.5"],"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"name":"b","nodePort":30002},{"name":"c"},{"name":"a","nodePort":30005}]} {"loadBalancer":{}}"#]]
    .assert_eq(&changed(&old, &change));
}

#[test]
fn addresses_that_a_client_leaves_out_stay() {
    let old = stored(json!({}));
    let fields = |change: Value| {
        let text = changed(&old, &json!({"spec": change}));
        text.split(",\"internal").next().unwrap().to_owned()
    };
    let same = r#"{"clusterIP":"10.96.0.5","clusterIPs":["10.96.0.5"]"#;
    assert_eq!(fields(json!({"clusterIP": null, "clusterIPs": null})), same);
    assert_eq!(fields(json!({"clusterIP": null})), same);
    assert_eq!(fields(json!({"clusterIPs": null})), same);
    // A client that knows the one field alone means both.
    assert_eq!(fields(json!({"clusterIP": "None"})), r#"{"clusterIP":"None","clusterIPs":["None"]"#);
    // Families are not kept but found again from the addresses, by the server that knows its own.
    assert!(!changed(&old, &json!({"spec": {"ipFamilies": null}})).contains("ipFamilies"));
}

#[test]
fn a_name_elsewhere_has_no_internal_traffic() {
    let external = |policy: &str| json!({"spec": {"type": "ExternalName", "externalName": "a.b", "internalTrafficPolicy": policy}});
    assert!(prepared(PATH, &external("Local"))["spec"].get("internalTrafficPolicy").is_none());
    expect![[r#"spec.internalTrafficPolicy: Unsupported value: "X": supported values: "Cluster", "Local""#]]
        .assert_eq(&created(PATH, &external("X")));
}

#[test]
fn both_annotations_of_hints_say_the_same() {
    let service = |mode: &str| {
        json!({"metadata": {"annotations": {"service.kubernetes.io/topology-mode": mode,
            "service.kubernetes.io/topology-aware-hints": "auto"}}, "spec": {"ports": [{"port": 1}]}})
    };
    assert_eq!(created(PATH, &service("auto")), "ok");
    expect![[r#"metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "off": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified"#]]
    .assert_eq(&created(PATH, &service("off")));
}
