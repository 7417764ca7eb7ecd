//! Steps of resizes, in their order.

use super::*;
use crate::testing;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

const NODE_MEMORY_BYTES: i64 = 8 << 30;

fn pod_of(containers: &[Value]) -> Arc<Pod> {
    let metadata = json!({"name": "p", "uid": "u", "generation": 2});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": {"containers": containers}})).unwrap())
}

/// A container with cpu and memory limits, and half of both requested.
fn sized(name: &str, cpu_milli: u32, memory_mebibytes: u32) -> Value {
    let requests = json!({"cpu": format!("{}m", cpu_milli / 2), "memory": format!("{}Mi", memory_mebibytes / 2)});
    let limits = json!({"cpu": format!("{cpu_milli}m"), "memory": format!("{memory_mebibytes}Mi")});
    json!({"name": name, "resources": {"requests": requests, "limits": limits}})
}

/// What runs where `pod` was applied.
fn running(pod: &Pod) -> Observed {
    let containers = pod::spec(pod).containers.iter().map(|c| ContainerStatus {
        resources: resources::container_resources(pod, c, NODE_MEMORY_BYTES),
        annotations: to_annotation(c.resources.as_ref()),
        ..testing::instance(&c.name, 0)
    });
    let mut sandbox = testing::sandbox("s1");
    sandbox.resources = resources::pod_cgroup_resources(pod);
    Observed::new(vec![sandbox], containers.collect())
}

fn text(resources: &ContainerResources) -> String {
    let mut out = Vec::new();
    out.extend(resources.cpu_quota_us.map(|quota| format!("quota {quota}")));
    out.extend(resources.cpu_shares.map(|shares| format!("shares {shares}")));
    out.extend(resources.memory_limit_bytes.map(|bytes| format!("memory {}Mi", bytes >> 20)));
    out.join(", ")
}

fn check(before: &[Value], after: &[Value], want: Expect) {
    let observed = running(&pod_of(before));
    let steps = plan(&pod_of(after), &observed, NODE_MEMORY_BYTES);
    let lines: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Pod { resources, .. } => format!("pod: {}", text(resources)),
            Step::Container { name, resources, .. } => format!("{name}: {}", text(resources)),
        })
        .collect();
    want.assert_eq(&lines.join("\n"));
}

#[test]
fn a_pod_grows_before_its_containers_and_shrinks_after_them() {
    check(&[sized("c", 100, 32)], &[sized("c", 100, 32)], expect![""]);
    check(
        &[sized("c", 100, 32)],
        &[sized("c", 200, 64)],
        expect![[r#"
            pod: memory 64Mi
            c: memory 64Mi
            pod: quota 20000, shares 102
            c: quota 20000, shares 102"#]],
    );
    check(
        &[sized("c", 200, 64)],
        &[sized("c", 100, 32)],
        expect![[r#"
            c: memory 32Mi
            pod: memory 32Mi
            c: quota 10000, shares 51
            pod: quota 10000, shares 51"#]],
    );
}

#[test]
fn containers_that_shrink_come_before_those_that_grow() {
    check(
        &[sized("a", 100, 32), sized("b", 300, 64)],
        &[sized("a", 300, 64), sized("b", 100, 32)],
        expect![[r#"
            b: memory 32Mi
            a: memory 64Mi
            b: quota 10000, shares 51
            a: quota 30000, shares 153"#]],
    );
    check(
        &[sized("a", 100, 64), sized("b", 100, 32)],
        &[sized("a", 400, 32), sized("b", 100, 32)],
        expect![[r#"
            a: memory 32Mi
            pod: memory 64Mi
            pod: quota 50000, shares 256
            a: quota 40000, shares 204"#]],
    );
}

#[test]
fn what_has_to_be_started_anew_is_left_alone_and_keeps_the_pods_room() {
    let restarting = |cpu, memory| {
        let mut container = sized("c", cpu, memory);
        container["resizePolicy"] = json!([
            {"resourceName": "cpu", "restartPolicy": "NotRequired"},
            {"resourceName": "memory", "restartPolicy": "RestartContainer"}
        ]);
        container
    };
    check(
        &[restarting(100, 32)],
        &[restarting(200, 32)],
        expect![[r#"
        pod: quota 20000, shares 102
        c: quota 20000, shares 102"#]],
    );
    check(
        &[restarting(100, 32)],
        &[restarting(200, 64)],
        expect![[r#"
        pod: memory 64Mi
        pod: quota 20000, shares 102"#]],
    );
    check(&[restarting(100, 64)], &[restarting(100, 32)], expect![""]);
    let observed = running(&pod_of(&[restarting(100, 64)]));
    let wanted = pod_of(&[restarting(100, 32)]);
    assert!(requires_restart(&wanted.spec.as_ref().unwrap().containers[0], &observed.containers[0]));
    assert!(in_progress(&wanted, &observed, &[]));
}

#[test]
fn a_kubelet_that_was_killed_half_way_goes_on() {
    let (before, after) = (pod_of(&[sized("c", 200, 64)]), pod_of(&[sized("c", 100, 32)]));
    // the container was changed, the pod's cgroup was not
    let mut observed = running(&after);
    observed.sandboxes[0].resources = resources::pod_cgroup_resources(&before);
    let steps = plan(&after, &observed, NODE_MEMORY_BYTES);
    assert!(steps.iter().all(|step| matches!(step, Step::Pod { .. })) && steps.len() == 2, "{steps:?}");
    // what runs is what counts as granted, until more is
    let observed = running(&before);
    assert!(found(&after, &observed).same(&Allocation::of(&before)));
    assert!(Allocation::of(&actual(&after, &observed)).same(&Allocation::of(&before)));
}

#[test]
fn memory_is_not_lowered_below_what_is_used() {
    let (before, after) = (pod_of(&[sized("c", 100, 64)]), pod_of(&[sized("c", 100, 32)]));
    let observed = running(&before);
    let steps = plan(&after, &observed, NODE_MEMORY_BYTES);
    let lowered = memory_lowered(&steps, &observed);
    let refused = |container: u64, pod: u64| memory_refusal(&lowered, &[container << 20, pod << 20]);
    assert_eq!(refused(16, 16), None);
    assert_eq!(
        refused(16, 40).unwrap(),
        "cannot decrease memory limits: attempting to set pod memory limit (33554432) below current usage (41943040)"
    );
    assert_eq!(
        refused(40, 40).unwrap(),
        "cannot decrease memory limits: [attempting to set pod memory limit (33554432) below current usage (41943040), \
         attempting to set container \"c\" memory limit (33554432) below current usage (41943040)]"
    );
}

#[test]
fn events_tell_what_is_asked_for() {
    assert_eq!(
        event_message("Deferred", &pod_of(&[sized("c", 100, 32)]), 3, Some("words")),
        r#"Pod resize Deferred: {"containers":[{"name":"c","resources":{"limits":{"cpu":"100m","memory":"32Mi"},"requests":{"cpu":"50m","memory":"16Mi"}}}],"generation":3,"error":"words"}"#
    );
}
