//! Pods: new ones, and what may change of their specs. What their subresources change is in `pod_resizes` and `pod_status`.

use super::*;
use expect_test::{Expect, expect};

pub const PODS: &str = "v1/pods";

pub fn pod(spec: Value) -> Value {
    let spec = with(&json!({"containers": [{"name": "c", "image": "i"}]}), spec);
    json!({"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": spec})
}

fn check(spec: Value, want: Expect) {
    want.assert_eq(&created(PODS, &pod(spec)));
}

/// A change of the spec through the pod itself or one of its subresources.
pub fn changed(spec: Value, change: Value, subresource: Option<Subresource>, want: Expect) {
    want.assert_eq(&written(PODS, &pod(spec), &json!({"spec": change}), subresource));
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
    let old = json!({"metadata": {}, "spec": {}, "status": {}});
    let mut new =
        with(&old, json!({"status": {"nodeAllocatableResourceClaimStatuses": [{"name": "c"}], "message": "m"}}));
    row(PODS).strategy.prepare_for_update(&mut new, &old, Some(Subresource::Status));
    assert_eq!(new["status"], json!({"message": "m"}));
}

#[test]
fn annotations_of_old() {
    const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/c";
    const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
    let annotated =
        |name: &str, value: &str, spec: Value| with(&pod(spec), json!({"metadata": {"annotations": {name: value}}}));
    let check = |value: &str, want: Expect| want.assert_eq(&created(PODS, &annotated(TOLERATIONS, value, json!({}))));
    check(r#"[{"key": "a", "operator": "Exists"}]"#, expect!["ok"]);
    check("", expect!["ok"]);
    check(
        r#"[{"key": "a", "operator": "Exists", "value": "b"}]"#,
        expect![[
            r#"metadata.annotations.scheduler.alpha.kubernetes.io/tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is 'Exists'"#
        ]],
    );
    check(
        "x",
        expect![[
            r#"metadata.annotations: Invalid value: "scheduler.alpha.kubernetes.io/tolerations": invalid character 'x' looking for beginning of value"#
        ]],
    );
    check(
        "{}",
        expect![[
            r#"metadata.annotations: Invalid value: "scheduler.alpha.kubernetes.io/tolerations": json: cannot unmarshal object into Go value of type []core.Toleration"#
        ]],
    );
    let profile = |kind: &str, more: Value| {
        let of_pod = with(&json!({"securityContext": {"appArmorProfile": {"type": kind}}}), more);
        prepared(PODS, &annotated(APPARMOR, "unconfined", of_pod))["spec"]["containers"][0]["securityContext"].clone()
    };
    assert_eq!(profile("RuntimeDefault", json!({})), json!({"appArmorProfile": {"type": "Unconfined"}}));
    // what the pod says already is not said again, and Windows knows no profiles
    assert_eq!(profile("Unconfined", json!({})), Value::Null);
    assert_eq!(profile("RuntimeDefault", json!({"os": {"name": "windows"}})), Value::Null);
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

/// The resources of a pod as a whole, after defaults.
fn own(spec: Value) -> String {
    prepared(PODS, &pod(spec))["spec"]["resources"].to_string()
}

#[test]
fn huge_pages_of_containers_are_limits_of_the_pod() {
    let of = |container: Value, own: Value| json!({"resources": own, "containers": [{"name": "c", "image": "i", "resources": container}]});
    let pages = json!({"limits": {"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "2Mi"}});
    expect![[r#"{"limits":{"hugepages-2Mi":"2Mi"},"requests":{"cpu":"2","hugepages-2Mi":"2Mi","memory":"1Gi"}}"#]]
        .assert_eq(&own(of(pages.clone(), json!({"requests": {"cpu": "2"}}))));
    expect![[
        r#"{"limits":{"cpu":"2","hugepages-2Mi":"2Mi"},"requests":{"cpu":"1","hugepages-2Mi":"2Mi","memory":"1Gi"}}"#
    ]]
    .assert_eq(&own(of(pages.clone(), json!({"limits": {"cpu": "2"}}))));
    // What the pod says of them itself stands: its limit is its request.
    expect![[r#"{"limits":{"hugepages-2Mi":"4Mi"},"requests":{"cpu":"1","hugepages-2Mi":"4Mi","memory":"1Gi"}}"#]]
        .assert_eq(&own(of(pages.clone(), json!({"limits": {"hugepages-2Mi": "4Mi"}}))));
    expect![[r#"{"requests":{"hugepages-2Mi":"4Mi"}}"#]]
        .assert_eq(&own(of(pages, json!({"requests": {"hugepages-2Mi": "4Mi"}}))));
    expect![[r#"{"requests":{"cpu":"2"}}"#]]
        .assert_eq(&own(of(json!({"limits": {"cpu": "1"}}), json!({"requests": {"cpu": "2"}}))));
    expect!["{}"].assert_eq(&own(of(json!({"limits": {"cpu": "1"}}), json!({}))));
}
