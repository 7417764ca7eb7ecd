//! Pods: new ones, and what may change of them by the pod itself and by its subresources.

use super::*;
use expect_test::{Expect, expect};

const PODS: &str = "v1/pods";

fn pod(spec: Value) -> Value {
    let spec = with(&json!({"containers": [{"name": "c", "image": "i"}]}), spec);
    json!({"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": spec})
}

fn check(spec: Value, want: Expect) {
    want.assert_eq(&created(PODS, &pod(spec)));
}

/// A change of the spec through the pod itself or one of its subresources.
fn changed(spec: Value, change: Value, subresource: Option<Subresource>, want: Expect) {
    want.assert_eq(&written(PODS, &pod(spec), &json!({"spec": change}), subresource));
}

/// A change of the status.
fn reported(spec: Value, old: Value, new: Value, want: Expect) {
    let old = with(&pod(spec), json!({"status": old}));
    want.assert_eq(&status_updated(PODS, &old, &json!({"status": new})));
}

/// A spread constraint with these keys and this selector.
fn spread(keys: Value, selector: Value) -> Value {
    json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector, "matchLabelKeys": keys}]})
}

#[test]
fn keys_of_spread_constraints_become_part_of_their_selectors() {
    let web = json!({"matchLabels": {"app": "web"}});
    let made = prepared(PODS, &pod(spread(json!(["none", "tier"]), web.clone())));
    assert_eq!(
        made["spec"]["topologySpreadConstraints"][0]["labelSelector"],
        json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]})
    );
    check(spread(json!(["tier"]), web.clone()), expect!["ok"]);
    check(
        spread(json!(["app"]), web.clone()),
        expect![[
            r#"spec.topologySpreadConstraints[0][0]: Invalid value: "app": exists in both matchLabelKeys and labelSelector"#
        ]],
    );
    check(
        spread(json!(["tier"]), json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]})),
        expect![[
            r#"spec.topologySpreadConstraints[0][0]: Invalid value: "tier": exists in both matchLabelKeys and labelSelector"#
        ]],
    );
    check(
        spread(json!(["tier"]), Value::Null),
        expect![
            "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"
        ],
    );
    // whoever makes pods of a template may repeat a key: there is nothing to merge yet
    let template = |spec: Value| json!({"template": {"spec": pod(spec)["spec"]}});
    assert_eq!(created("v1/podtemplates", &template(spread(json!(["app"]), web))), "ok");
}

#[test]
fn what_pods_ask_for_as_a_whole() {
    let container = |requests: Value| json!({"name": "c", "image": "i", "resources": {"requests": requests}});
    // what the pod does not name is free
    check(
        json!({"containers": [container(json!({"cpu": "1", "ephemeral-storage": "1Gi"}))],
            "resources": {"requests": {"memory": "1Gi"}}}),
        expect!["ok"],
    );
    check(
        json!({"containers": [container(json!({"cpu": "2"}))], "resources": {"requests": {"cpu": "1"}}}),
        expect![[
            r#"spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2"#
        ]],
    );
    check(
        json!({"os": {"name": "windows"}, "resources": {"requests": {"cpu": "1"}}}),
        expect!["spec.resources: Forbidden: may not be set for a windows pod"],
    );
}

#[test]
fn volumes_and_ports_under_upstreams_paths() {
    check(
        json!({"volumes": [{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "A"}}}]}),
        expect![[
            r#"spec.volumes[0].csi.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#
        ]],
    );
    let iscsi = json!({"targetPortal": "p", "iqn": "x", "secretRef": {}, "lun": 0});
    check(
        json!({"volumes": [{"name": "v", "iscsi": iscsi}]}),
        expect![[
            r#"spec.volumes[0].iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa"#
        ]],
    );
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}});
    let metadata = json!({"uid": "u", "name": "n", "labels": {"a": "b"}});
    check(
        json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": metadata, "spec": claim}}}]}),
        expect![[r#"
            spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set
            spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.uID: Forbidden: cannot be set"#]],
    );
    check(
        json!({"volumes": [{"name": "v", "quobyte": {"registry": "a:1,b:1:2,[::1]:3,c", "volume": "v"}}]}),
        expect![[r#"
            spec.volumes[0].quobyte.registry: Invalid value: "a:1,b:1:2,[::1]:3,c": must be a host:port pair or multiple pairs separated by commas
            spec.volumes[0].quobyte.registry: Invalid value: "a:1,b:1:2,[::1]:3,c": must be a host:port pair or multiple pairs separated by commas"#]],
    );
    check(json!({"volumes": [{"name": "v", "image": {}}]}), expect!["spec.volumes[0].image.reference: Required value"]);
    let template = json!({"template": {"spec": pod(json!({"volumes": [{"name": "v", "image": {}}]}))["spec"]}});
    assert_eq!(created("v1/podtemplates", &template), "ok");
    let port = json!({"containerPort": 1, "hostPort": 2});
    let init = |name: &str, ports: Value| json!({"name": name, "image": "i", "ports": ports});
    check(
        json!({"initContainers": [init("a", json!([])), init("b", json!([port, port]))]}),
        expect![[r#"spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//2""#]],
    );
}

#[test]
fn what_v1_36_leaves_off_is_dropped() {
    let group = json!({"schedulingGroup": {"podGroupName": "g"}, "containers": [{"name": "c", "image": "i", "lifecycle":
        {"stopSignal": "SIGTERM"}}]});
    assert!(prepared(PODS, &pod(group.clone()))["spec"].get("schedulingGroup").is_none());
    let template = json!({"spec": {"template": {"spec": pod(group)["spec"]}}});
    let made = &prepared("apps/v1/deployments", &template)["spec"]["template"]["spec"];
    assert!(made.get("schedulingGroup").is_none(), "{made}");
    assert!(made["containers"][0]["lifecycle"].get("stopSignal").is_none(), "{made}");
}

#[test]
fn a_change_is_shown_in_the_internal_form() {
    changed(
        json!({"hostname": "a"}),
        json!({"hostname": "b", "schedulerName": "x"}),
        None,
        expect![[r#"
        spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
        @@ -64,11 +64,11 @@
           "SELinuxChangePolicy": null
          },
          "ImagePullSecrets": null,
        - "Hostname": "a",
        + "Hostname": "b",
          "Subdomain": "",
          "SetHostnameAsFQDN": null,
          "Affinity": null,
        - "SchedulerName": "default-scheduler",
        + "SchedulerName": "x",
          "Tolerations": null,
          "HostAliases": null,
          "PriorityClassName": "",
    "#]],
    );
}

#[test]
fn gated_pods_are_bound_to_fewer_nodes_only() {
    let gated = |more: Value| with(&json!({"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}), more);
    changed(gated(json!({})), json!({"nodeSelector": {"c": "d"}}), None, expect!["ok"]);
    changed(
        gated(json!({})),
        json!({"nodeSelector": {"a": "c"}}),
        None,
        expect![[
            r#"spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)"#
        ]],
    );
    let required = |terms: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
    let term = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]});
    changed(
        gated(required(json!([term]))),
        json!({"affinity": null}),
        None,
        expect![
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value: null: no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        ],
    );
    changed(
        gated(required(json!([{}]))),
        json!({"affinity": null, "nodeSelector": {"x": "y"}}),
        None,
        expect![
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value: null: no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        ],
    );
}

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

#[test]
fn containers_that_ended_for_good_stay_so() {
    let ended = |code: u64| json!({"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code}}}]});
    let running = json!({"containerStatuses": [{"name": "c", "state": {"running": {}}}]});
    let refused = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state";
    let pair = |spec: Value, code: u64| {
        let old = with(&pod(spec), json!({"status": ended(code)}));
        status_updated(PODS, &old, &json!({"status": running}))
    };
    assert_eq!(pair(json!({"restartPolicy": "Always"}), 0), "ok");
    assert_eq!(pair(json!({"restartPolicy": "OnFailure"}), 1), "ok");
    assert_eq!(pair(json!({"restartPolicy": "OnFailure"}), 0), refused);
    assert_eq!(pair(json!({"restartPolicy": "Never"}), 1), refused);
    let own = |policy: &str, codes: Value| {
        json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i", "restartPolicy": policy,
            "restartPolicyRules": [{"action": "Restart", "exitCodes": codes}]}]})
    };
    assert_eq!(pair(own("Never", json!({"operator": "In", "values": [3]})), 3), "ok");
    assert_eq!(pair(own("Never", json!({"operator": "In", "values": [3]})), 4), refused);
    assert_eq!(pair(own("Never", json!({"operator": "NotIn", "values": [3]})), 4), "ok");
    assert_eq!(pair(own("Always", json!({"operator": "In", "values": [3]})), 4), "ok");
}

#[test]
fn addresses_and_generations_of_a_status() {
    reported(
        json!({}),
        json!({}),
        json!({"observedGeneration": -1, "conditions": [{"type": "a b", "status": "True", "observedGeneration": -2}]}),
        expect![[r#"
            status.conditions[0].observedGeneration: Invalid value: -2: must be a non-negative integer
            status.conditions[0].Type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            status.observedGeneration: Invalid value: -1: must be a non-negative integer"#]],
    );
    reported(
        json!({"nodeName": "n"}),
        json!({}),
        json!({"nominatedNodeName": "m"}),
        expect!["status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"],
    );
    reported(
        json!({}),
        json!({}),
        json!({"hostIP": "1.2.3.4", "hostIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}]}),
        expect![[
            r#"status.hostIPs: Invalid value: [{"IP":"1.2.3.4"},{"IP":"1.2.3.4"}]: may specify no more than one IP for each IP family"#
        ]],
    );
    let broken = json!({"podIP": "1.2.3.04", "podIPs": [{"ip": "1.2.3.04"}]});
    reported(json!({}), broken.clone(), with(&broken, json!({"message": "m"})), expect!["ok"]);
}

#[test]
fn claims_users_and_devices_of_a_status() {
    let spec = json!({"resourceClaims": [{"name": "r", "resourceClaimName": "x"}], "containers": [{"name": "c", "image": "i",
        "resources": {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}, "claims": [{"name": "r", "request": "q"}]}}]});
    reported(
        spec.clone(),
        json!({}),
        json!({"resourceClaimStatuses": [{"name": "r", "resourceClaimName": "A"}]}),
        expect![[
            r#"status.resourceClaimStatuses[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#
        ]],
    );
    let user = |uid: i64| json!({"containerStatuses": [{"name": "c", "user": {"linux": {"uid": uid, "gid": 0}}}]});
    reported(
        spec.clone(),
        json!({}),
        user(-1),
        expect![
            "status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive"
        ],
    );
    reported(
        json!({"os": {"name": "windows"}}),
        json!({}),
        user(1),
        expect!["status.containerStatuses[0].user.linux: Forbidden: cannot be set for a windows pod"],
    );
    let devices = json!([{"resourceID": "d", "health": "Healthy"}, {"resourceID": "d", "health": "Sick"}]);
    let allocated = |list: &str| {
        json!({list: [{"name": "c", "allocatedResourcesStatus": [{"name": "claim:r/q"}, {"name": "claim:r"},
            {"name": "example.com/gpu", "resources": devices}, {"name": "cpu"}]}]})
    };
    reported(
        spec.clone(),
        json!({}),
        allocated("containerStatuses"),
        expect![[r#"
            status.containerStatuses[0].allocatedResourcesStatus[1].name: Invalid value: "claim:r": must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty
            status.containerStatuses[0].allocatedResourcesStatus[2].resources[1].health: Unsupported value: "Sick": supported values: "Healthy", "Unhealthy", "Unknown"
            status.containerStatuses[0].allocatedResourcesStatus[2].resources[1].resourceID: Duplicate value: "d"
            status.containerStatuses[0].allocatedResourcesStatus[3].name: Invalid value: "cpu": must match one of the container's resource requests"#]],
    );
    reported(
        spec.clone(),
        json!({}),
        allocated("ephemeralContainerStatuses"),
        expect![
            "status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status"
        ],
    );
    let mapping = |container: &str, resource: &str| json!({"containerName": container, "resourceName": resource, "requestName": "q"});
    let extended = |mappings: Value| json!({"extendedResourceClaimStatus": {"resourceClaimName": "x", "requestMappings": mappings}});
    reported(spec.clone(), json!({}), extended(json!([mapping("c", "example.com/gpu")])), expect!["ok"]);
    reported(
        spec,
        json!({}),
        extended(json!([mapping("d", "x"), mapping("c", "cpu"), mapping("c", "cpu")])),
        expect![[r#"
            status.extendedResourceClaimStatus.requestMappings[0].containerName: Invalid value: "d": must match the name of an entry in spec.initContainers.name or spec.containers.name
            status.extendedResourceClaimStatus.requestMappings[1].resourceName: Invalid value: "cpu": must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests
            status.extendedResourceClaimStatus.requestMappings[2].resourceName: Invalid value: "cpu": must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests
            status.extendedResourceClaimStatus.requestMappings[2].containerName: Duplicate value: "c"
            status.extendedResourceClaimStatus.requestMappings[2].resourceName: Duplicate value: "cpu"
            status.extendedResourceClaimStatus.requestMappings[2].requestName: Duplicate value: "q""#]],
    );
}
