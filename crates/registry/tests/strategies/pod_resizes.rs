//! What the subresources `resize` and `ephemeralcontainers` may change of pods.

use super::pods::{PODS, changed, pod};
use super::*;
use expect_test::{Expect, expect};

fn resized(spec: Value, change: Value, want: Expect) {
    changed(spec, change, Some(Subresource::Resize), want);
}

#[test]
fn a_resize_changes_cpu_and_memory_alone() {
    let of = |name: &str, requests: Value| json!({"name": name, "image": "i", "resources": {"requests": requests}});
    let containers = |list: Vec<Value>| json!({"containers": list});
    let one = |requests: Value| containers(vec![of("c", requests)]);
    resized(one(json!({"cpu": "1"})), one(json!({"cpu": "2"})), expect!["ok"]);
    resized(
        one(json!({"cpu": "1", "memory": "1"})),
        one(json!({"memory": "1"})),
        expect!["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"],
    );
    resized(
        one(json!({"cpu": "1"})),
        one(json!({"cpu": "1", "ephemeral-storage": "1"})),
        expect!["spec: Forbidden: only cpu and memory resources are mutable"],
    );
    resized(
        one(json!({"cpu": "1"})),
        containers(vec![of("d", json!({"cpu": "1"}))]),
        expect!["spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"],
    );
    resized(
        one(json!({"cpu": "1"})),
        containers(vec![of("c", json!({"cpu": "1"})), of("d", json!({}))]),
        expect!["spec.containers: Forbidden: containers may not be added or removed on resize"],
    );
    let init = |policy: &str, cpu: &str| {
        let resize = json!({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": policy}]});
        json!({"initContainers": [with(&of("a", json!({"cpu": cpu})), resize)]})
    };
    resized(init("NotRequired", "1"), init("NotRequired", "2"), expect!["ok"]);
    resized(
        init("RestartContainer", "1"),
        init("RestartContainer", "2"),
        expect![
            "spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
        ],
    );
    resized(
        init("NotRequired", "1"),
        init("RestartContainer", "1"),
        expect![[r#"
            spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable
            spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized"#]],
    );
}

#[test]
fn a_resize_of_the_pod_as_a_whole() {
    let whole = |requests: Value| json!({"resources": {"requests": requests}});
    resized(whole(json!({"cpu": "1"})), whole(json!({"cpu": "2"})), expect!["ok"]);
    resized(
        whole(json!({"cpu": "1"})),
        json!({"resources": null}),
        expect![[r#"
            spec: Invalid value: "": Pod QOS Class may not change as a result of resizing
            spec.resources: Forbidden: pod-level resources cannot be removed"#]],
    );
    resized(
        whole(json!({"cpu": "1", "memory": "1"})),
        whole(json!({"cpu": null})),
        expect!["spec.resources.requests: Forbidden: pod-level resource requests cannot be removed"],
    );
}

#[test]
fn pods_that_are_not_resized() {
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"nodeName": "n"}});
    let old = with(&pod(json!({})), mirror);
    let change = json!({"spec": {"activeDeadlineSeconds": 3}});
    assert_eq!(written(PODS, &old, &change, Some(Subresource::Resize)), "[]: Forbidden: static pods cannot be resized");
    assert_eq!(
        written(PODS, &old, &change, Some(Subresource::EphemeralContainers)),
        "[]: Forbidden: static pods do not support ephemeral containers"
    );
}

#[test]
fn ephemeral_containers_stay_as_they_are() {
    let list = |image: &str| json!({"ephemeralContainers": [{"name": "e", "image": image}]});
    changed(
        list("a"),
        list("b"),
        Some(Subresource::EphemeralContainers),
        expect![[r#"
        spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be changed
        @@ -1,6 +1,6 @@
         {
          "Name": "e",
        - "Image": "a",
        + "Image": "b",
          "Command": null,
          "Args": null,
          "WorkingDir": "",
    "#]],
    );
}
