//! Who may do what, and whose turn it is: roles, reviews, priority and fairness, API services.

use super::*;
use expect_test::{Expect, expect};

#[test]
fn subjects_of_bindings() {
    let check = |subject: Value, want: Expect| {
        let role = json!({"kind": "ClusterRole", "name": "r"});
        let binding = json!({"roleRef": role, "subjects": [subject]});
        want.assert_eq(&created("rbac.authorization.k8s.io/v1/clusterrolebindings", &binding));
    };
    check(json!({"kind": "User", "name": "jane"}), expect!["ok"]);
    check(json!({"kind": "User", "name": ""}), expect!["subjects[0].name: Required value"]);
    check(
        json!({"kind": "Group", "name": "", "apiGroup": "x"}),
        expect![[r#"
        subjects[0].name: Required value
        subjects[0].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io""#]],
    );
    check(
        json!({"kind": "ServiceAccount", "name": "A", "apiGroup": "x"}),
        expect![[r#"
        subjects[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        subjects[0].apiGroup: Unsupported value: "x": supported values: ""
        subjects[0].namespace: Required value"#]],
    );
    check(
        json!({"kind": "x", "name": "y"}),
        expect![[r#"subjects[0].kind: Unsupported value: "x": supported values: "ServiceAccount", "User", "Group""#]],
    );
}

#[test]
fn access_reviews() {
    let check = |path: &str, metadata: Value, spec: Value, want: Expect| {
        let row = row(path);
        let mut review = json!({"metadata": metadata, "spec": spec});
        api::codec::conform(&mut review, row.schema().expect("every row has a type")).expect("the types fit");
        want.assert_eq(&shown(&row.strategy.validate(&review)));
    };
    const ANY: &str = "authorization.k8s.io/v1/subjectaccessreviews";
    const LOCAL: &str = "authorization.k8s.io/v1/localsubjectaccessreviews";
    let pods = json!({"namespace": "n", "verb": "list", "resource": "pods"});
    let spec = |change: Value| json!({"user": "u", "resourceAttributes": with(&pods, change)});
    check(ANY, json!({}), spec(json!({})), expect!["ok"]);
    check(
        ANY,
        json!({"name": "x", "creationTimestamp": null}),
        spec(json!({})),
        expect![[r#"metadata: Invalid value: {"name":"x"}: must be empty"#]],
    );
    check(LOCAL, json!({"namespace": "n"}), spec(json!({})), expect!["ok"]);
    check(
        LOCAL,
        json!({"namespace": "m", "labels": {"a": "b"}}),
        spec(json!({})),
        expect![[r#"
        metadata: Invalid value: {"namespace":"m","labels":{"a":"b"}}: must be empty except for namespace
        spec.resourceAttributes.namespace: Invalid value: "n": must match metadata.namespace"#]],
    );
    let other = json!({"groups": ["g"], "nonResourceAttributes": {"path": "/", "verb": "get"}});
    check(
        LOCAL,
        json!({"namespace": "n"}),
        other,
        expect![[
            r#"spec.nonResourceAttributes: Invalid value: {"Path":"/","Verb":"get"}: disallowed on this kind of request"#
        ]],
    );
    check(
        ANY,
        json!({}),
        spec(json!({"fieldSelector": {}, "labelSelector": {}})),
        expect![[r#"
        spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required
        spec.resourceAttributes.labelSelector.requirements: Required value: when spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required"#]],
    );
    let requirements = json!([{"key": "", "operator": "In"}, {"key": "a b", "operator": "Exists", "values": ["c d"]},
        {"key": "k", "operator": "Newer"}]);
    let both = json!({"rawSelector": "a=b", "requirements": requirements});
    check(
        ANY,
        json!({}),
        spec(json!({"fieldSelector": both, "labelSelector": both})),
        expect![[r#"
        spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements
        spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified
        spec.resourceAttributes.fieldSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
        spec.resourceAttributes.fieldSelector.requirements[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'
        spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements
        spec.resourceAttributes.labelSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
        spec.resourceAttributes.labelSelector.requirements[0].key: Invalid value: "": name part must be non-empty
        spec.resourceAttributes.labelSelector.requirements[0].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        spec.resourceAttributes.labelSelector.requirements[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'
        spec.resourceAttributes.labelSelector.requirements[1].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        spec.resourceAttributes.labelSelector.requirements[1].values[0]: Invalid value: "c d": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#]],
    );
}

#[test]
fn flow_schemas() {
    const PATH: &str = "flowcontrol.apiserver.k8s.io/v1/flowschemas";
    let rule = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["N", "a.b"]});
    let rules = json!([{"subjects": [{"kind": "User", "user": {"name": "u"}}], "resourceRules": [rule]}]);
    let schema = json!({"spec": {"priorityLevelConfiguration": {"name": "l"}, "rules": rules,
        "distinguisherMethod": {"type": "x"}}});
    expect![[r#"
        spec.distinguisherMethod.type: Unsupported value: {"Type":"x"}: supported values: "ByNamespace", "ByUser"
        spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: "N": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        spec.rules[0].resourceRules[0].namespaces[1]: Invalid value: "a.b": each member of this list must be '*' or a DNS-1123 label; must not contain dots"#]].assert_eq(&created(PATH, &schema));
    let status = json!({"status": {"conditions": [{"status": "True"}, {"type": "a"}, {"type": "a"}]}});
    expect![[r#"
        status.conditions[0].type: Required value: must not be empty
        status.conditions[2].type: Duplicate value: "a""#]]
    .assert_eq(&status_updated(PATH, &schema, &status));
}

#[test]
fn api_services() {
    const PATH: &str = "apiregistration.k8s.io/v1/apiservices";
    let check = |name: &str, change: Value, want: Expect| {
        let spec = json!({"group": "g.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1});
        want.assert_eq(&created(PATH, &json!({"metadata": {"name": name}, "spec": with(&spec, change)})));
    };
    check("v1.g.io", json!({}), expect!["ok"]);
    check(
        "x",
        json!({}),
        expect![[r#"metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g.io""#]],
    );
    check(
        "v1.g.io",
        json!({"caBundle": "YWJj", "insecureSkipTLSVerify": true}),
        expect![[r#"
        spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle
        spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify"#]],
    );
    check(
        "v1.g.io",
        json!({"service": {"port": 70000}, "groupPriorityMinimum": 0, "versionPriority": 1001}),
        expect![[r#"
        spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000
        spec.versionPriority: Invalid value: 1001: must be positive and less than 1000
        spec.service.namespace: Required value
        spec.service.name: Required value
        spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive"#]],
    );
    let spec = json!({"group": "g.io", "version": "v1", "service": {"name": "s", "namespace": "n"}});
    let stored = json!({"metadata": {"name": "v1.g.io"}, "spec": spec});
    let status = json!({"status": {"conditions": [{"type": "Available", "status": "x"}, {"type": "a"}]}});
    expect![[r#"
        status.conditions[0].status: Unsupported value: "x": supported values: "True", "False", "Unknown"
        status.conditions[1].status: Unsupported value: "": supported values: "True", "False", "Unknown""#]]
    .assert_eq(&status_updated(PATH, &stored, &status));
}
