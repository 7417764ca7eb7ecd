//! What may be reported of pods.

use super::pods::{PODS, pod};
use super::*;
use expect_test::{Expect, expect};

/// A change of the status.
fn reported(spec: Value, old: Value, new: Value, want: Expect) {
    let old = with(&pod(spec), json!({"status": old}));
    want.assert_eq(&status_updated(PODS, &old, &json!({"status": new})));
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
