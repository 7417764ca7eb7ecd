//! Cases of what a node refuses.

use super::*;
use crate::amount::Milli;
use expect_test::expect;
use serde_json::{Value, json};

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
}

fn verdict(spec: Value, active: &[Value]) -> String {
    let active: Vec<Arc<Pod>> = active.iter().map(|spec| Arc::new(pod(spec.clone()))).collect();
    let decision = admit(&AdmissionInput {
        pod: &pod(spec),
        active: &active,
        allocatable: &Amounts::from([("cpu".to_owned(), Milli(2000)), ("pods".to_owned(), Milli(3000))]),
        labels: &BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]),
        node_name: "n",
        allowed_unsafe_sysctls: &[],
    });
    decision.err().map_or("taken".to_owned(), |f| format!("{}: {}", f.reason, f.message))
}

fn cpu(amount: &str) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": amount}}}]})
}

#[test]
fn refusals() {
    let port = json!({"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]});
    expect!["taken"].assert_eq(&verdict(cpu("1"), &[cpu("1")]));
    expect!["OutOfcpu: Node didn't have enough resource: cpu, requested: 999000, used: 500, capacity: 2000"]
        .assert_eq(&verdict(cpu("999"), &[cpu("500m")]));
    expect!["OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"]
        .assert_eq(&verdict(cpu("0"), &[cpu("0"), cpu("0"), cpu("0")]));
    expect!["NodePorts: Predicate NodePorts failed"].assert_eq(&verdict(port.clone(), &[port]));
    expect!["NodeAffinity: Predicate NodeAffinity failed"]
        .assert_eq(&verdict(json!({"containers": [], "nodeSelector": {"disk": "hdd"}}), &[]));
    expect!["taken"].assert_eq(&verdict(json!({"containers": [], "nodeSelector": {"disk": "ssd"}}), &[]));
    expect!["taken"].assert_eq(&verdict(json!({"containers": [], "os": {"name": "linux"}}), &[]));
    expect!["PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS"]
        .assert_eq(&verdict(json!({"containers": [], "os": {"name": "windows"}}), &[]));
    expect![[r#"SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowlisted"#]].assert_eq(&verdict(
        json!({"containers": [], "securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}),
        &[],
    ));
}
