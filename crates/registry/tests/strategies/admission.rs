//! Admission by configuration: webhooks, policies, bindings.

use super::*;
use expect_test::{Expect, expect};

const HOOKS: &str = "admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const POLICIES: &str = "admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const MUTATING_POLICIES: &str = "admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
const MUTATING_BINDINGS: &str = "admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";

fn rule(change: Value) -> Value {
    let pods = json!({"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]});
    with(&pods, change)
}

/// A webhook with a change.
fn hook(change: Value, want: Expect) {
    let hook = json!({"name": "a.example.com", "rules": [rule(json!({}))], "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "clientConfig": {"service": {"namespace": "n", "name": "s"}}});
    want.assert_eq(&created(HOOKS, &json!({"webhooks": [with(&hook, change)]})));
}

#[test]
fn webhooks() {
    let client = |client: Value, want: Expect| hook(json!({"clientConfig": client}), want);
    client(json!({}), expect!["ok"]);
    hook(
        json!({"name": "a"}),
        expect![[
            r#"webhooks[0].name: Invalid value: "a": should be a domain with at least three segments separated by dots"#
        ]],
    );
    hook(
        json!({"admissionReviewVersions": ["V", "v2", "v2"]}),
        expect![[r#"
        webhooks[0].admissionReviewVersions[0]: Invalid value: "V": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
        webhooks[0].admissionReviewVersions[2]: Invalid value: "v2": duplicate version
        webhooks[0].admissionReviewVersions: Invalid value: ["V","v2","v2"]: must include at least one of v1, v1beta1"#]],
    );
    hook(
        json!({"rules": [rule(json!({"resources": ["*", "pods"]}))]}),
        expect![[
            r#"webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources"#
        ]],
    );
    hook(json!({"rules": [rule(json!({"resources": ["pods", "*"]}))]}), expect!["ok"]);
    hook(
        json!({"rules": [rule(json!({"resources": ["pods/*", "pods/log", "*/*", ""]}))]}),
        expect![[r#"
        webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log
        webhooks[0].rules[0].resources[3]: Required value
        webhooks[0].rules[0].resources: Invalid value: ["pods/*","pods/log","*/*",""]: if '*/*' is present, must not specify other resources"#]],
    );
    hook(
        json!({"timeoutSeconds": 31, "sideEffects": "Some", "failurePolicy": "x", "matchPolicy": "y"}),
        expect![[r#"
        webhooks[0].failurePolicy: Unsupported value: "x": supported values: "Fail", "Ignore"
        webhooks[0].matchPolicy: Unsupported value: "y": supported values: "Equivalent", "Exact"
        webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"
        webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"#]],
    );
    hook(
        json!({"matchConditions": [{"name": "", "expression": " 'a' "}, {"name": "x", "expression": " "}]}),
        expect![[r#"
        webhooks[0].matchConditions[0].expression: Invalid value: "'a'": must evaluate to bool but got string
        webhooks[0].matchConditions[0].name: Required value
        webhooks[0].matchConditions[1].expression: Required value"#]],
    );
}

#[test]
fn clients_of_webhooks() {
    let url = |url: &str, want: Expect| hook(json!({"clientConfig": {"service": null, "url": url}}), want);
    url("https://example.com/x", expect!["ok"]);
    url("https://example.com:8443", expect!["ok"]);
    url(
        "example.com/x",
        expect![[r#"
        webhooks[0].clientConfig.url: Invalid value: "": 'https' is the only allowed URL scheme; desired format: https://host[/path]
        webhooks[0].clientConfig.url: Invalid value: "": host must be specified; desired format: https://host[/path]"#]],
    );
    url(
        "example.com:8443/x",
        expect![[r#"
        webhooks[0].clientConfig.url: Invalid value: "example.com": 'https' is the only allowed URL scheme; desired format: https://host[/path]
        webhooks[0].clientConfig.url: Invalid value: "": host must be specified; desired format: https://host[/path]"#]],
    );
    url(
        "http://u:p@example.com/x?y#z",
        expect![[r#"
        webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]
        webhooks[0].clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL
        webhooks[0].clientConfig.url: Invalid value: "z": fragments are not permitted in the URL
        webhooks[0].clientConfig.url: Invalid value: "y": query parameters are not permitted in the URL"#]],
    );
    url(
        "https:///x",
        expect![[
            r#"webhooks[0].clientConfig.url: Invalid value: "": host must be specified; desired format: https://host[/path]"#
        ]],
    );
    url(
        "https://example.com:x/",
        expect![[
            r#"webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "https://example.com:x/": invalid port ":x" after host; desired format: https://host[/path]"#
        ]],
    );
    url(
        "://x",
        expect![[
            r#"webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "://x": missing protocol scheme; desired format: https://host[/path]"#
        ]],
    );
    url(
        "1a:b/x",
        expect![[
            r#"webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "1a:b/x": first path segment in URL cannot contain colon; desired format: https://host[/path]"#
        ]],
    );
    url(
        "https://a b/",
        expect![[
            r#"webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "https://a b/": invalid character " " in host name; desired format: https://host[/path]"#
        ]],
    );
    url(
        "https://a/%zz",
        expect![[
            r#"webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "https://a/%zz": invalid URL escape "%zz"; desired format: https://host[/path]"#
        ]],
    );
    url(
        "https://[::1/",
        expect![[
            r#"webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse "https://[::1/": missing ']' in host; desired format: https://host[/path]"#
        ]],
    );
    let service = |change: Value, want: Expect| hook(json!({"clientConfig": {"service": change}}), want);
    service(json!({"name": null}), expect!["webhooks[0].clientConfig.service.namespace: Required value"]);
    service(
        json!({"namespace": null, "port": 0}),
        expect![[r#"
        webhooks[0].clientConfig.service.name: Required value
        webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"#]],
    );
    service(json!({"path": "/a/b.c/"}), expect!["ok"]);
    service(json!({"path": "/"}), expect!["ok"]);
    service(
        json!({"path": "//"}),
        expect![[r#"webhooks[0].clientConfig.service.path: Invalid value: "//": segment[0] may not be empty"#]],
    );
    service(
        json!({"path": "a//B/"}),
        expect![[r#"
        webhooks[0].clientConfig.service.path: Invalid value: "a//B/": must start with a '/'
        webhooks[0].clientConfig.service.path: Invalid value: "a//B/": segment[0] may not be empty
        webhooks[0].clientConfig.service.path: Invalid value: "a//B/": segment[1] may not be empty
        webhooks[0].clientConfig.service.path: Invalid value: "a//B/": segment[2]: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#]],
    );
    hook(
        json!({"clientConfig": {"url": "https://a"}}),
        expect!["webhooks[0].clientConfig: Required value: exactly one of url or service is required"],
    );
}

/// A policy with a change of its spec.
fn policy(change: Value, want: Expect) {
    let spec =
        json!({"matchConstraints": {"resourceRules": [rule(json!({}))]}, "validations": [{"expression": "true"}]});
    want.assert_eq(&created(POLICIES, &json!({"metadata": {"name": "p.example.com"}, "spec": with(&spec, change)})));
}

#[test]
fn policies() {
    let validation = |validation: Value, want: Expect| policy(json!({"validations": [validation]}), want);
    validation(json!({"expression": "object.spec.replicas > 1 &&\n  true\n"}), expect!["ok"]);
    validation(
        json!({"expression": "object.spec.replicas\n"}),
        expect![[
            r#"spec.validations[0].expression: Invalid value: "object.spec.replicas\n": must evaluate to bool but got dyn"#
        ]],
    );
    validation(
        json!({"expression": "'a'"}),
        expect![[r#"spec.validations[0].expression: Invalid value: "'a'": must evaluate to bool but got string"#]],
    );
    validation(
        json!({"expression": "null"}),
        expect![[r#"spec.validations[0].expression: Invalid value: "null": must evaluate to bool but got null_type"#]],
    );
    validation(
        json!({"expression": "\n  object.x >\n"}),
        expect![[r#"
        spec.validations[0].expression: Invalid value: "\n  object.x >\n": compilation failed: ERROR: <input>:3:1: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | 
         | ^"#]],
    );
    validation(
        json!({"expression": "true", "message": " ", "messageExpression": " "}),
        expect![[r#"
        spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified
        spec.validations[0].message: Invalid value: " ": must be non-empty if specified"#]],
    );
    validation(
        json!({"expression": "true", "message": "a\rb", "messageExpression": "1"}),
        expect![[r#"
        spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int
        spec.validations[0].message: Invalid value: "a\rb": must not contain line breaks"#]],
    );
    validation(
        json!({"expression": "true", "reason": "Unauthorized"}),
        expect![[
            r#"spec.validations[0].reason: Unsupported value: "Unauthorized": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge""#
        ]],
    );
    policy(
        json!({"matchConstraints": {"matchPolicy": "x", "resourceRules": []}}),
        expect![[r#"
        spec.matchConstraints.matchPolicy: Unsupported value: "x": supported values: "Equivalent", "Exact"
        spec.matchConstraints.resourceRules: Required value"#]],
    );
    policy(
        json!({"variables": [{"name": " ", "expression": "1"}, {"name": "a-b", "expression": "x"}]}),
        expect![[r#"
        spec.variables[0].name: Required value: name is not specified
        spec.variables[1].name: Invalid value: "a-b": must be a valid CEL identifier
        spec.variables[1].expression: Invalid value: "x": compilation failed: ERROR: <input>:1:1: undeclared reference to 'x' (in container '')
         | x
         | ^"#]],
    );
    policy(
        json!({"validations": [], "auditAnnotations": [{"key": "a b", "valueExpression": " 1 "},
        {"key": "", "valueExpression": ""}, {"key": "k", "valueExpression": format!("'{}'", "x".repeat(5200))}]}),
        expect![[r#"
            spec.auditAnnotations[0].key: Invalid value: "p.example.com/a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.auditAnnotations[0].valueExpression: Invalid value: " 1 ": must evaluate to one of [string null_type] but got int
            spec.auditAnnotations[1].key: Invalid value: "p.example.com/": name part must be non-empty
            spec.auditAnnotations[1].key: Invalid value: "p.example.com/": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified
            spec.auditAnnotations[2].valueExpression: Required value: must not exceed 5120 bytes in length"#]],
    );
}

#[test]
fn status_of_policies() {
    let stored = json!({"spec": {}});
    let warnings = json!([{"fieldRef": "spec.validations[0].expression", "warning": "w"}, {"fieldRef": " "}]);
    let status = json!({"typeChecking": {"expressionWarnings": warnings}, "conditions": [{"type": "a"}]});
    expect![[r#"
        status.typeChecking.expressionWarnings[1].warning: Required value
        status.typeChecking.expressionWarnings[1].fieldRef: Required value
        status.conditions[0].status: Unsupported value: "": supported values: "False", "True", "Unknown"
        status.conditions[0].lastTransitionTime: Required value
        status.conditions[0].reason: Required value"#]]
    .assert_eq(&status_updated(POLICIES, &stored, &json!({"status": status})));
}

#[test]
fn bindings() {
    let spec = |change: Value, want: Expect| {
        let spec = with(&json!({"policyName": "p", "validationActions": ["Deny"]}), change);
        want.assert_eq(&created(BINDINGS, &json!({"spec": spec})));
    };
    spec(json!({}), expect!["ok"]);
    spec(
        json!({"validationActions": []}),
        expect!["spec.validationActions: Required value: at least one validation action is required"],
    );
    spec(
        json!({"validationActions": ["x", "x", "Warn", "Deny"]}),
        expect![[r#"
        spec.validationActions[0]: Unsupported value: "x": supported values: "Audit", "Deny", "Warn"
        spec.validationActions[1]: Unsupported value: "x": supported values: "Audit", "Deny", "Warn"
        spec.validationActions[1]: Duplicate value: "x"
        spec.validationActions: Invalid value: ["x","x","Warn","Deny"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"#]],
    );
    spec(
        json!({"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "x"}}),
        expect![[r#"
        spec.paramRef.name: Forbidden: name and selector are mutually exclusive
        spec.paramRef.selector: Forbidden: name and selector are mutually exclusive
        spec.paramRef.parameterNotFoundAction: Unsupported value: "x": supported values: "Deny", "Allow""#]],
    );
}

#[test]
fn mutating_policies() {
    let mutation = |mutation: Value, want: Expect| {
        let spec = json!({"matchConstraints": {"resourceRules": [rule(json!({}))]}, "reinvocationPolicy": "Never",
            "mutations": [mutation]});
        want.assert_eq(&created(MUTATING_POLICIES, &json!({"spec": spec})));
    };
    let patch = |expression: &str| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}});
    let one = "JSONPatch{op: 'add', path: '/x', value: 1}";
    mutation(patch(&format!("object.x ? [{one}] : []")), expect!["ok"]);
    mutation(patch(&format!("object.x.map(y, {one})")), expect!["ok"]);
    mutation(
        patch("[]"),
        expect![[
            r#"spec.mutations[0].jsonPatch.expression: Invalid value: "[]": must evaluate to list(JSONPatch) but got list(dyn)"#
        ]],
    );
    mutation(
        patch(" 1"),
        expect![[
            r#"spec.mutations[0].jsonPatch.expression: Invalid value: "1": must evaluate to list(JSONPatch) but got int"#
        ]],
    );
    mutation(patch(" "), expect!["spec.mutations[0].jsonPatch.expression: Required value"]);
    mutation(
        json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}),
        expect!["ok"],
    );
    mutation(
        json!({"patchType": "ApplyConfiguration", "jsonPatch": {"expression": "[]"}}),
        expect![[r#"
        spec.mutations[0].applyConfiguration: Required value: must be specified when patchType is ApplyConfiguration
        spec.mutations[0].jsonPatch: Invalid value: "{jsonPatch}": must not be specified when patchType is ApplyConfiguration"#]],
    );
    mutation(
        json!({"patchType": "JSONPatch", "applyConfiguration": {"expression": "1"}}),
        expect![[r#"
        spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch
        spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch"#]],
    );
    mutation(
        json!({"patchType": "x"}),
        expect![[
            r#"spec.mutations[0].patchType: Unsupported value: "x": supported values: "ApplyConfiguration", "JSONPatch""#
        ]],
    );
    mutation(json!({}), expect!["spec.mutations[0].patchType: Required value"]);
    let deletions = json!({"resourceRules": [rule(json!({"operations": ["DELETE", "x"]}))]});
    let spec = json!({"matchConstraints": deletions, "mutations": []});
    expect![[r#"
        spec.matchConstraints.resourceRules[0].operations[1]: Unsupported value: "x": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"
        spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"
        spec.matchConstraints.resourceRules.operations: Unsupported value: "x": supported values: "*", "CONNECT", "CREATE", "UPDATE"
        spec.mutations: Required value: mutations must contain at least one item
        spec.reinvocationPolicy: Required value"#]].assert_eq(&created(MUTATING_POLICIES, &json!({"spec": spec})));
    let spec = json!({"policyName": "p", "matchResources": deletions});
    expect![[r#"
        spec.matchResources.resourceRules[0].operations[1]: Unsupported value: "x": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"
        spec.matchResources.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"
        spec.matchResources.resourceRules.operations: Unsupported value: "x": supported values: "*", "CONNECT", "CREATE", "UPDATE""#]].assert_eq(&created(MUTATING_BINDINGS, &json!({"spec": spec})));
}
