//! resource.k8s.io

use super::*;
use expect_test::expect;

const CLASS: &str = "resource.k8s.io/v1/deviceclasses";
const CLAIM: &str = "resource.k8s.io/v1/resourceclaims";
const TEMPLATE: &str = "resource.k8s.io/v1/resourceclaimtemplates";
const SLICE: &str = "resource.k8s.io/v1/resourceslices";

fn selector(expression: &str) -> Value {
    json!({"spec": {"selectors": [{"cel": {"expression": expression}}]}})
}

#[test]
fn selectors_compile_to_bool() {
    let fine = [
        r#"device.driver == "gpu.example.com""#,
        r#"device.attributes["gpu.example.com"].model == "a100" && device.capacity["gpu.example.com"].memory.isGreaterThan(quantity("10Gi"))"#,
        r#"cel.bind(dra, device.attributes["dra.example.com"], dra.oneBool && dra.anotherBool)"#,
        r#"device.attributes["gpu.example.com"].ready"#,
        r#""gpu.example.com" in device.attributes && device.attributes["gpu.example.com"].version.isGreaterThan(semver("1.2.3"))"#,
        "device.allowMultipleAllocations",
        r#"device.attributes["a"].name.matches("^[a-z]+(-[a-z0-9]+)*[.]example[.]com$")"#,
    ];
    for expression in fine {
        assert_eq!(created(CLASS, &selector(expression)), "ok", "{expression}");
    }
    let wrong = |expression: &str| created(CLASS, &selector(expression));
    expect![[r#"spec.selectors[0].cel.expression: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string"#]].assert_eq(&wrong("device.driver"));
    expect![[r#"
        spec.selectors[0].cel.expression: Invalid value: "device.nothing == 1": compilation failed: ERROR: <input>:1:7: undefined field 'nothing'
         | device.nothing == 1
         | ......^"#]].assert_eq(&wrong("device.nothing == 1"));
    expect![[r#"
        spec.selectors[0].cel.expression: Invalid value: "noDevice": compilation failed: ERROR: <input>:1:1: undeclared reference to 'noDevice' (in container '')
         | noDevice
         | ^"#]].assert_eq(&wrong("noDevice"));
    expect![[r#"
        spec.selectors[0].cel.expression: Invalid value: "": compilation failed: ERROR: <input>:1:1: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | 
         | ^"#]].assert_eq(&wrong(""));
    expect!["spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes"]
        .assert_eq(&wrong(&"a".repeat(10 * 1024 + 1)));
    expect!["spec.selectors[0].cel.expression: Forbidden: too complex, exceeds cost limit"].assert_eq(&wrong(
        "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a == b))))",
    ));
    // What is stored is not compiled again.
    let stored = selector("device.driver");
    expect!["ok"].assert_eq(&updated(CLASS, &stored, &json!({"metadata": {"labels": {"a": "b"}}})));
    expect![[r#"spec.selectors[0].cel.expression: Invalid value: "device.driver + ''": must evaluate to bool or the unknown type, not string"#]].assert_eq(&updated(CLASS, &stored, &selector("device.driver + ''")));
}

#[test]
fn classes() {
    let class = |spec: Value| created(CLASS, &json!({"spec": spec}));
    expect!["spec.selectors[0].cel: Required value"].assert_eq(&class(json!({"selectors": [{}]})));
    expect!["spec.selectors: Too many: 33: must have at most 32 items"]
        .assert_eq(&class(json!({"selectors": vec![json!({}); 33]})));
    expect![[r#"
        spec.config[0].opaque: Required value
        spec.config[1].opaque.driver: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        spec.config[2].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object
        spec.config[3].opaque.parameters: Required value"#]].assert_eq(&class(json!({"config": [{}, {"opaque": {"driver": "A_", "parameters": {}}},
        {"opaque": {"driver": "ok.example.com", "parameters": [1]}}, {"opaque": {"driver": "ok.example.com"}}]})));
    let large = json!({"opaque": {"driver": "d", "parameters": {"a": "x".repeat(10 * 1024)}}});
    expect!["spec.config[0].opaque.parameters: Too long: may not be more than 10240 bytes"]
        .assert_eq(&class(json!({"config": [large]})));
    expect![[r#"spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name"#]]
        .assert_eq(&class(json!({"extendedResourceName": "cpu"})));
    expect!["ok"].assert_eq(&class(json!({"extendedResourceName": "example.com/gpu"})));
}

fn claim(devices: Value) -> Value {
    json!({"spec": {"devices": devices}})
}

fn request() -> Value {
    json!({"name": "r", "exactly": {"deviceClassName": "gpu"}})
}

#[test]
fn claims_get_defaults() {
    let devices = json!({"requests": [
        {"name": "a", "exactly": {"deviceClassName": "c", "tolerations": [{"key": "k"}]}},
        {"name": "b", "firstAvailable": [{"name": "s", "deviceClassName": "c", "allocationMode": "All"}]}]});
    let object = prepared(CLAIM, &claim(devices));
    expect![[r#"{"devices":{"requests":[{"exactly":{"allocationMode":"ExactCount","count":1,"deviceClassName":"c","tolerations":[{"key":"k","operator":"Equal"}]},"name":"a"},{"firstAvailable":[{"allocationMode":"All","deviceClassName":"c","name":"s"}],"name":"b"}]}}"#]].assert_eq(&object["spec"].to_string());
    assert_eq!(object["status"], json!({}));
}

#[test]
fn requests() {
    let wrong = |request: Value| created(CLAIM, &claim(json!({"requests": [request]})));
    assert_eq!(wrong(request()), "ok");
    expect![[r#"
        spec.devices.requests[0].name: Invalid value: "B_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"#]].assert_eq(&wrong(json!({"name": "B_"})));
    let exactly = json!({"deviceClassName": "c"});
    let alternative = json!({"name": "s", "deviceClassName": "c"});
    expect!["spec.devices.requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"].assert_eq(&wrong(json!({"name": "r", "exactly": exactly, "firstAvailable": [alternative]})));
    expect![[r#"spec.devices.requests[0].firstAvailable[1]: Duplicate value: "s""#]]
        .assert_eq(&wrong(json!({"name": "r", "firstAvailable": [alternative, alternative]})));
    expect!["spec.devices.requests[0].firstAvailable: Too many: 9: must have at most 8 items"]
        .assert_eq(&wrong(json!({"name": "r", "firstAvailable": vec![alternative; 9]})));
    expect!["spec.devices.requests[0].exactly.deviceClassName: Required value"]
        .assert_eq(&wrong(json!({"name": "r", "exactly": {}})));
    let mode = |mode: &str, count: i64| {
        wrong(json!({"name": "r", "exactly": {"deviceClassName": "c", "allocationMode": mode, "count": count}}))
    };
    expect![
        "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"
    ]
    .assert_eq(&mode("All", 2));
    expect!["spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero"]
        .assert_eq(&mode("ExactCount", -1));
    expect![[r#"spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount""#]].assert_eq(&mode("Some", 1));
    let tolerations = json!([{"key": "a b", "operator": "Exists", "value": "v"}, {"operator": "In", "effect": "Never"},
        {"key": "k", "value": "a b"}]);
    expect![[r#"
        spec.devices.requests[0].exactly.tolerations[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "v": must be empty for operator `Exists`
        spec.devices.requests[0].exactly.tolerations[1].operator: Unsupported value: "In": supported values: "Equal", "Exists"
        spec.devices.requests[0].exactly.tolerations[1].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"
        spec.devices.requests[0].exactly.tolerations[2].value: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#]]
        .assert_eq(&wrong(json!({"name": "r", "exactly": {"deviceClassName": "c", "tolerations": tolerations}})));
    expect![[r#"spec.devices.requests[1]: Duplicate value: "r""#]]
        .assert_eq(&created(CLAIM, &claim(json!({"requests": [request(), request()]}))));
}

#[test]
fn constraints_and_configurations() {
    let wrong = |constraint: Value| {
        let requests = json!([request(), {"name": "f", "firstAvailable": [{"name": "s", "deviceClassName": "c"}]}]);
        created(CLAIM, &claim(json!({"requests": requests, "constraints": [constraint]})))
    };
    let attribute = "example.com/numa";
    assert_eq!(wrong(json!({"requests": ["r", "f", "f/s"], "matchAttribute": attribute})), "ok");
    assert_eq!(wrong(json!({"distinctAttribute": attribute})), "ok");
    expect![[r#"
        spec.devices.constraints[0].requests[2]: Invalid value: "x": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'
        spec.devices.constraints[0].requests[3]: Invalid value: "f/t": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'
        spec.devices.constraints[0].requests[4]: Invalid value: "a/b/c": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'
        spec.devices.constraints[0].requests[1]: Duplicate value: "r""#]]
        .assert_eq(&wrong(json!({"requests": ["r", "r", "x", "f/t", "a/b/c"], "matchAttribute": attribute})));
    expect![[r#"spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set"#]].assert_eq(&wrong(json!({})));
    for (name, want) in [
        (
            "numa",
            expect![[
                r#"spec.devices.constraints[0].matchAttribute: Invalid value: "numa": a fully qualified name must be a domain and a name separated by a slash"#
            ]],
        ),
        (
            "/numa",
            expect![[r#"spec.devices.constraints[0].matchAttribute: Invalid value: "": the domain must not be empty"#]],
        ),
        (
            "example.com/",
            expect![[r#"spec.devices.constraints[0].matchAttribute: Invalid value: "": the name must not be empty"#]],
        ),
        (
            "example.com/a-b",
            expect![[
                r#"spec.devices.constraints[0].matchAttribute: Invalid value: "a-b": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"#
            ]],
        ),
        (
            "a/b/c",
            expect![[
                r#"spec.devices.constraints[0].matchAttribute: Invalid value: "a/b/c": must not contain more than one slash"#
            ]],
        ),
        (
            "Ex_ample.com/abcdefghijklmnopqrstuvwxyz0123456",
            expect![[r#"
            spec.devices.constraints[0].matchAttribute: Invalid value: "Ex_ample.com": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.devices.constraints[0].matchAttribute: Too long: may not be more than 32 bytes"#]],
        ),
    ] {
        want.assert_eq(&wrong(json!({"matchAttribute": name})));
    }
    let devices = json!({"requests": [request()], "config": [{"requests": ["s"]}]});
    expect![[r#"
        spec.devices.config[0].requests[0]: Invalid value: "s": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'
        spec.devices.config[0].opaque: Required value"#]].assert_eq(&created(CLAIM, &claim(devices)));
}

#[test]
fn what_is_asked_for_stays() {
    let old = claim(json!({"requests": [request()]}));
    expect![[
        r#"spec: Invalid value: {"Devices":{"Requests":[],"Constraints":null,"Config":null}}: field is immutable"#
    ]]
    .assert_eq(&updated(CLAIM, &old, &claim(json!({"requests": []}))));
    let template = json!({"spec": {"spec": old["spec"]}});
    assert_eq!(created(TEMPLATE, &template), "ok");
    expect![[r#"spec: Invalid value: {"labels":{"a":"b"},"Spec":{"Devices":{"Requests":[{"Name":"r","Exactly":{"DeviceClassName":"gpu","Selectors":null,"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null},"FirstAvailable":null}],"Constraints":null,"Config":null}}}: field is immutable"#]].assert_eq(&updated(TEMPLATE, &template, &json!({"spec": {"metadata": {"labels": {"a": "b"}}}})));
    let wrong = with(
        &template,
        json!({"spec": {"metadata": {"labels": {"a b": "c"}}, "spec": {"devices": {"requests": [{"name": "r"}]}}}}),
    );
    expect![[r#"
        spec.metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"#]].assert_eq(&created(TEMPLATE, &wrong));
}

fn allocated() -> Value {
    let result = json!({"request": "r", "driver": "d.example.com", "pool": "p", "device": "g0"});
    with(
        &claim(json!({"requests": [request()]})),
        json!({"status": {"allocation": {"devices": {"results": [result]}}}}),
    )
}

#[test]
fn status_of_claims() {
    let change = |status: Value| status_updated(CLAIM, &allocated(), &json!({"status": status}));
    let new = |allocation: Value| {
        status_updated(CLAIM, &claim(json!({"requests": [request()]})), &json!({"status": {"allocation": allocation}}))
    };
    let user = json!({"resource": "pods", "name": "p", "uid": "u"});
    assert_eq!(change(json!({"reservedFor": [user]})), "ok");
    expect![[r#"
        status.reservedFor[2].resource: Required value
        status.reservedFor[2].name: Required value
        status.reservedFor[2].uid: Required value
        status.reservedFor[1]: Duplicate value: "u""#]]
    .assert_eq(&change(json!({"reservedFor": [user, user, {}]})));
    expect!["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"]
        .assert_eq(&change(json!({"reservedFor": [user], "allocation": null})));
    expect![[r#"status.allocation: Invalid value: {"Devices":{"Results":null,"Config":null},"NodeSelector":null,"AllocationTimestamp":null}: field is immutable"#]].assert_eq(&change(json!({"allocation": {"devices": {"results": []}}})));
    let result = |change: Value| {
        let result = json!({"request": "r", "driver": "d", "pool": "p", "device": "g"});
        new(json!({"devices": {"results": [with(&result, change)]}}))
    };
    assert_eq!(result(json!({"pool": "a/b", "shareID": "8a2c0f2e-27b5-4d0a-8d7c-0b5b7a1c1f00"})), "ok");
    expect![[r#"
        status.allocation.devices.results[0].request: Invalid value: "x": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'
        status.allocation.devices.results[0].driver: Required value
        status.allocation.devices.results[0].pool: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        status.allocation.devices.results[0].pool: Invalid value: "B": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        status.allocation.devices.results[0].device: Invalid value: "G_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        status.allocation.devices.results[0].shareID: Invalid value: "1": error validating uid: invalid UUID length: 1"#]]
        .assert_eq(&result(json!({"request": "x", "driver": "", "pool": "a//B", "device": "G_", "shareID": "1"})));
    expect![[r#"status.allocation.devices.results[0].shareID: Invalid value: "8A2C0F2E-27b5-4d0a-8d7c-0b5b7a1c1f00": uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"#]].assert_eq(&result(json!({"shareID": "8A2C0F2E-27b5-4d0a-8d7c-0b5b7a1c1f00"})));
    expect![[r#"status.allocation.devices.results[0].shareID: Invalid value: "8a2c0f2e-27b5-4d0a-8d7c_0b5b7a1c1f00": error validating uid: invalid UUID format"#]].assert_eq(&result(json!({"shareID": "8a2c0f2e-27b5-4d0a-8d7c_0b5b7a1c1f00"})));
    expect![[r#"
        status.allocation.devices.results[0].bindingConditions[1]: Duplicate value: "a"
        status.allocation.devices.results[0].bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions"#]].assert_eq(&result(json!({"bindingConditions": ["a", "a"], "bindingFailureConditions": ["a"]})));
    expect!["status.allocation.devices.results[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions"].assert_eq(&result(json!({"bindingConditions": ["a"]})));
    expect![[r#"
        status.allocation.devices.config[0].source: Unsupported value: "FromMe": supported values: "FromClaim", "FromClass"
        status.allocation.devices.config[0].requests[0]: Invalid value: "x": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'
        status.allocation.devices.config[0].opaque: Required value
        status.allocation.nodeSelector.nodeSelectorTerms: Required value: must have at least one node selector term"#]].assert_eq(&new(json!({"devices": {"config": [{"source": "FromMe", "requests": ["x"]}]},
        "nodeSelector": {"nodeSelectorTerms": []}})));
}

#[test]
fn status_of_devices() {
    let device = json!({"driver": "d.example.com", "pool": "p", "device": "g0"});
    let told =
        |change: Value| status_updated(CLAIM, &allocated(), &json!({"status": {"devices": [with(&device, change)]}}));
    let condition = json!({"type": "Ready", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"});
    assert_eq!(
        told(json!({"conditions": [condition], "data": {"a": 1}, "networkData": {"ips": ["10.9.8.7/24"]}})),
        "ok"
    );
    expect![[r#"status.devices[0]: Invalid value: {"Driver":{},"Pool":{},"Device":{},"ShareID":{}}: must be an allocated device in the claim"#]].assert_eq(&told(json!({"device": "g1"})));
    expect![[r#"
        status.devices[0].conditions[1].type: Duplicate value: "Ready"
        status.devices[0].conditions[1].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"
        status.devices[0].conditions[1].lastTransitionTime: Required value
        status.devices[0].conditions[1].reason: Invalid value: "a b": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"#]]
        .assert_eq(&told(json!({"conditions": [condition, {"type": "Ready", "status": "Maybe", "reason": "a b"}]})));
    expect![[r#"
        status.devices[0].networkData.interfaceName: Too long: may not be more than 256 bytes
        status.devices[0].networkData.hardwareAddress: Too long: may not be more than 128 bytes
        status.devices[0].networkData.ips[0]: Invalid value: "10.9.8.7": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)
        status.devices[0].networkData.ips[1]: Invalid value: "2001:DB8::1/64": must be in canonical form ("2001:db8::1/64")
        status.devices[0].networkData.ips[3]: Duplicate value: "10.0.0.1/8""#]]
        .assert_eq(&told(json!({"networkData": {"interfaceName": "i".repeat(257), "hardwareAddress": "h".repeat(129),
        "ips": ["10.9.8.7", "2001:DB8::1/64", "10.0.0.1/8", "10.0.0.1/8"]}})));
    // What drivers told goes with the devices.
    let old = with(&allocated(), json!({"status": {"devices": [device]}}));
    let row = row(CLAIM);
    let (old, mut new) = (decoded(row, &old), decoded(row, &with(&old, json!({"status": {"allocation": null}}))));
    row.strategy.prepare_for_update(&mut new, &old, Some(Subresource::Status));
    assert_eq!(new["status"], json!({}));
}

fn slice(change: Value) -> Value {
    let spec = json!({"driver": "d.example.com", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "nodeName": "n"});
    json!({"spec": with(&spec, change)})
}

#[test]
fn slices() {
    let wrong = |change: Value| created(SLICE, &slice(change));
    assert_eq!(wrong(json!({"devices": [{"name": "g0"}]})), "ok");
    expect![[r#"
        spec.driver: Required value
        spec.pool.name: Required value
        spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero
        spec.pool.generation: Invalid value: -1: must be greater than or equal to zero"#]]
    .assert_eq(&wrong(json!({"driver": "", "pool": {"name": "", "generation": -1, "resourceSliceCount": 0}})));
    expect!["spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"].assert_eq(&wrong(json!({"nodeName": null})));
    expect![[r#"spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"#]].assert_eq(&wrong(json!({"allNodes": true})));
    expect![[r#"
        spec.nodeName: Invalid value: "": must be either unset or set to a non-empty string
        spec.allNodes: Invalid value: false: must be either unset or set to true
        spec.perDeviceNodeSelection: Invalid value: false: must be either unset or set to true
        spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"#]].assert_eq(&wrong(json!({"nodeName": "", "allNodes": false, "perDeviceNodeSelection": false})));
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]});
    expect![[r#"spec.nodeSelector.nodeSelectorTerms: Invalid value: [{"MatchExpressions":null,"MatchFields":[{"Key":"metadata.name","Operator":"In","Values":["n"]}]},{"MatchExpressions":null,"MatchFields":[{"Key":"metadata.name","Operator":"In","Values":["n"]}]}]: must have exactly one node selector term"#]].assert_eq(&wrong(json!({"nodeName": null, "nodeSelector": {"nodeSelectorTerms": [term, term]}})));
    expect![[r#"
        spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed
        spec.sharedCounters[0].counters: Required value"#]]
    .assert_eq(&wrong(json!({"devices": [{"name": "g0"}], "sharedCounters": [{"name": "c"}]})));
    expect![[r#"
        spec.sharedCounters[0].counters: Invalid value: "A_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        spec.sharedCounters[1]: Duplicate value: "c""#]].assert_eq(&wrong(json!({"sharedCounters": [{"name": "c", "counters": {"A_": {"value": "1"}}}, {"name": "c", "counters": {"a": {"value": "1"}}}]})));
    expect![[r#"
        spec.pool.name: Invalid value: "q": field is immutable
        spec.driver: Invalid value: "e": field is immutable
        spec.nodeName: Invalid value: "m": field is immutable"#]]
    .assert_eq(&updated(
        SLICE,
        &slice(json!({})),
        &json!({"spec": {"driver": "e", "nodeName": "m", "pool": {"name": "q"}}}),
    ));
    expect![[r#"spec.driver: driver names should be lowercase; "D.example.com" contains uppercase characters"#]]
        .assert_eq(&warned(SLICE, &slice(json!({"driver": "D.example.com"}))));
    let many = |count: usize, device: Value| {
        let devices: Vec<Value> = (0..count).map(|n| with(&device, json!({"name": format!("g{n}")}))).collect();
        wrong(json!({"devices": devices}))
    };
    assert_eq!(many(128, json!({})), "ok");
    expect!["spec.devices: Too many: 129: must have at most 128 items"].assert_eq(&many(129, json!({})));
    expect!["spec.devices: Too many: 65: must have at most 64 items"]
        .assert_eq(&many(65, json!({"taints": [{"key": "k", "effect": "None"}]})));
}

#[test]
fn devices() {
    let wrong = |device: Value| created(SLICE, &slice(json!({"devices": [with(&json!({"name": "g0"}), device)]})));
    let attributes = json!({"a": {"bool": true}, "example.com/b": {"int": 1}, "c": {"string": "x"}, "d": {"version": "1.2.3-rc.1+b.2"}});
    assert_eq!(wrong(json!({"attributes": attributes})), "ok");
    expect![[r#"
        spec.devices[0].name: Invalid value: "G_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        spec.devices[0].attributes: Invalid value: "a-b": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')
        spec.devices[0].attributes[a-b]: Invalid value: {"IntValue":1,"BoolValue":true,"StringValue":null,"VersionValue":null,"IntValues":null,"BoolValues":null,"StringValues":null,"VersionValues":null}: exactly one value must be specified
        spec.devices[0].attributes[x]: Invalid value: "": exactly one value must be specified"#]].assert_eq(&wrong(
        json!({"name": "G_", "attributes": {"a-b": {"bool": true, "int": 1}, "x": {"bools": [true]}}}),
    ));
    expect![[r#"
        spec.devices[0].attributes[a].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0
        spec.devices[0].attributes[b].version: Invalid value: "01.2.3": must be a string compatible with semver.org spec 2.0.0
        spec.devices[0].attributes[c].string: Too long: may not be more than 64 bytes
        spec.devices[0].attributes[d].version: Invalid value: "1.2.3-01": must be a string compatible with semver.org spec 2.0.0"#]].assert_eq(&wrong(json!({"attributes": {"a": {"version": "1.2"}, "b": {"version": "01.2.3"},
        "c": {"string": "x".repeat(65)}, "d": {"version": "1.2.3-01"}}})));
    let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("a{n}"), json!({"int": n}))).collect();
    expect!["spec.devices[0]: Invalid value: 33: the total number of attributes and capacities must not exceed 32"]
        .assert_eq(&wrong(json!({"attributes": many})));
    expect![[r#"
        spec.devices[0].taints[0].key: Invalid value: "": name part must be non-empty
        spec.devices[0].taints[0].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        spec.devices[0].taints[0].value: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        spec.devices[0].taints[0].effect: Required value
        spec.devices[0].taints[1].effect: Unsupported value: "Maybe": supported values: "NoExecute", "NoSchedule", "None""#]].assert_eq(&wrong(
        json!({"taints": [{"key": "", "value": "a b", "effect": ""}, {"key": "k", "effect": "Maybe"}]}),
    ));
    expect![[r#"
        spec.devices[0].consumesCounters[0].counterSet: Required value
        spec.devices[0].consumesCounters[0].counters: Required value
        spec.devices[0].consumesCounters[1].counterSet: Required value
        spec.devices[0].consumesCounters[1]: Duplicate value: """#]]
    .assert_eq(&wrong(
        json!({"consumesCounters": [{"counterSet": ""}, {"counterSet": "", "counters": {"a": {"value": "1"}}}]}),
    ));
    expect!["spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"].assert_eq(&wrong(json!({"nodeName": "n"})));
    let itself = |device: Value| {
        let device = with(&json!({"name": "g0"}), device);
        created(SLICE, &slice(json!({"nodeName": null, "perDeviceNodeSelection": true, "devices": [device]})))
    };
    assert_eq!(itself(json!({"allNodes": true})), "ok");
    expect![[r#"
        spec.devices[0].nodeName: Invalid value: "": must not be empty
        spec.devices[0].allNodes: Invalid value: false: must be either unset or set to true
        spec.devices[0]: Required value: exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec"#]].assert_eq(&itself(json!({"nodeName": "", "allNodes": false})));
    expect![[r#"spec.devices[0]: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec"#]].assert_eq(&itself(json!({"nodeName": "n", "allNodes": true})));
    let taints =
        prepared(SLICE, &slice(json!({"devices": [{"name": "g", "taints": [{"key": "k", "effect": "None"}]}]})));
    assert_eq!(taints["spec"]["devices"][0]["taints"][0]["timeAdded"], "2026-01-02T03:04:05Z");
}

#[test]
fn capacities() {
    let wrong = |policy: Value, shared: bool| {
        let capacity = json!({"memory": {"value": "10", "requestPolicy": policy}});
        let device = json!({"name": "g0", "allowMultipleAllocations": shared, "capacity": capacity});
        created(SLICE, &slice(json!({"devices": [device]})))
    };
    assert_eq!(wrong(json!({"default": "2", "validRange": {"min": "2", "max": "10", "step": "2"}}), true), "ok");
    assert_eq!(wrong(json!({"default": "2", "validValues": ["1", "2"]}), true), "ok");
    expect!["spec.devices[0].capacity[memory].requestPolicy: Forbidden: allowMultipleAllocations must be true"]
        .assert_eq(&wrong(json!({"default": "1"}), false));
    expect![
        "spec.devices[0].capacity[memory].requestPolicy.default: Required value: required when validValues is defined"
    ]
    .assert_eq(&wrong(json!({"validValues": ["1"]}), true));
    expect![
        "spec.devices[0].capacity[memory].requestPolicy.default: Required value: required when validRange is defined"
    ]
    .assert_eq(&wrong(json!({"validRange": {"min": "1"}}), true));
    expect![[r#"spec.devices[0].capacity[memory].requestPolicy: Forbidden: exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time"#]].assert_eq(&wrong(json!({"validValues": ["1"], "validRange": {"min": "1"}}), true));
    expect![[r#"
        spec.devices[0].capacity[memory].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order
        spec.devices[0].capacity[memory].requestPolicy.validValues[3]: Invalid value: "11": option is larger than capacity value: 10
        spec.devices[0].capacity[memory].requestPolicy.validValues[2]: Duplicate value: "1"
        spec.devices[0].capacity[memory].requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy"#]].assert_eq(&wrong(json!({"default": "3", "validValues": ["2", "1", "1", "11"]}), true));
    expect![[r#"
        spec.devices[0].capacity[memory].requestPolicy.validRange.min: Invalid value: "12": min is larger than capacity value: 10
        spec.devices[0].capacity[memory].requestPolicy.validRange.default: Invalid value: "1": default is less than min: 12
        spec.devices[0].capacity[memory].requestPolicy.validRange.max: Invalid value: "12": min is larger than max: 11
        spec.devices[0].capacity[memory].requestPolicy.validRange.max: Invalid value: "11": max is larger than capacity value: 10"#]].assert_eq(&wrong(json!({"default": "1", "validRange": {"min": "12", "max": "11"}}), true));
    expect![[r#"
        spec.devices[0].capacity[memory].requestPolicy.validRange.default: Invalid value: "9": default is more than max: 5
        spec.devices[0].capacity[memory].requestPolicy.validRange.step: Invalid value: "0": must be greater than zero"#]]
        .assert_eq(&wrong(json!({"default": "9", "validRange": {"min": "2", "max": "5", "step": "0"}}), true));
    expect![[r#"
        spec.devices[0].capacity[memory].requestPolicy.validRange.step: Invalid value: "10": one step 11 is larger than capacity value: 10
        spec.devices[0].capacity[memory].requestPolicy.validRange.step: Invalid value: "4": value is not a multiple of a given step (10) from (1)
        spec.devices[0].capacity[memory].requestPolicy.validRange.step: Invalid value: "5": value is not a multiple of a given step (10) from (1)"#]]
        .assert_eq(&wrong(json!({"default": "4", "validRange": {"min": "1", "max": "5", "step": "10"}}), true));
}
