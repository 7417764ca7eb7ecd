//! Kinds with a few rules each.

use super::*;
use expect_test::expect;

#[test]
fn ingress_classes() {
    let wrong = |spec: Value| created("networking.k8s.io/v1/ingressclasses", &json!({"spec": spec}));
    assert_eq!(wrong(json!({"controller": "acme.io/foo"})), "ok");
    expect!["spec.controller: Required value"].assert_eq(&wrong(json!({})));
    expect![[r#"spec.controller: Invalid value: "acme": must be a domain-prefixed path (such as "acme.io/foo")"#]]
        .assert_eq(&wrong(json!({"controller": "acme"})));
    expect![[r#"
        spec.controller: Invalid value: "Acme.io": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        spec.controller: Invalid value: "a b": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')"#]].assert_eq(&wrong(json!({"controller": "Acme.io/a b"})));
    expect!["spec.controller: Too long: may not be more than 250 bytes"]
        .assert_eq(&wrong(json!({"controller": format!("a/{}", "x".repeat(250))})));
    expect![[r#"
        spec.parameters.apiGroup: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        spec.parameters.kind: Invalid value: "a/b": may not contain '/'
        spec.parameters.name: Invalid value: "..": may not be '..'
        spec.parameters.namespace: Invalid value: "N_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"#]].assert_eq(&wrong(json!({"controller": "a/b",
        "parameters": {"apiGroup": "A_", "kind": "a/b", "name": "..", "scope": "Namespace", "namespace": "N_"}})));
}

#[test]
fn ingresses() {
    const PATH: &str = "networking.k8s.io/v1/ingresses";
    let backend = |backend: Value| created(PATH, &json!({"spec": {"defaultBackend": backend}}));
    expect![[r#"spec.defaultBackend: Invalid value: "": cannot set both port name & port number"#]]
        .assert_eq(&backend(json!({"service": {"name": "s", "port": {"name": "p", "number": 1}}})));
    expect!["spec.defaultBackend: Required value: port name or number is required"]
        .assert_eq(&backend(json!({"service": {"name": "s"}})));
    expect![[r#"
        spec.defaultBackend.resource.apiGroup: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        spec.defaultBackend.resource.kind: Invalid value: "a/b": may not contain '/'
        spec.defaultBackend.resource.name: Required value"#]].assert_eq(&backend(json!({"resource": {"apiGroup": "", "kind": "a/b"}})));
    let fine = json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}},
        "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 1}}}}});
    expect![[r#"annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead"#]]
        .assert_eq(&warned(PATH, &fine));
    let ingress = json!([{"ip": "1.2.3"}, {"hostname": "1.2.3.4"}, {"ip": "01.2.3.4"}, {"ip": "::ffff:1.2.3.4"}]);
    expect![[r#"
        status.loadBalancer.ingress[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
        status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address
        status.loadBalancer.ingress[2].ip: Invalid value: "01.2.3.4": must not have leading 0s
        status.loadBalancer.ingress[3].ip: Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address"#]].assert_eq(&status_updated(PATH, &fine, &json!({"status": {"loadBalancer": {"ingress": ingress}}})));
}

#[test]
fn network_policies() {
    const PATH: &str = "networking.k8s.io/v1/networkpolicies";
    let policy = |block: Value| json!({"spec": {"ingress": [{"from": [{"ipBlock": block}]}]}});
    assert_eq!(created(PATH, &policy(json!({"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}))), "ok");
    expect![[r#"
        spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length
        spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.01.0.0/16": must not have leading 0s in IP or prefix length"#]].assert_eq(&created(PATH, &policy(json!({"cidr": "10.0.0.1/8", "except": ["10.01.0.0/16"]}))));
    expect![[r#"spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "::ffff:10.0.0.0/104": must not have an IPv4-mapped IPv6 address"#]].assert_eq(&created(PATH, &policy(json!({"cidr": "::ffff:10.0.0.0/104"}))));
    expect![[r#"
        spec.ingress[0].from[0].ipBlock.cidr: IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")
        spec.ingress[0].from[0].ipBlock.except[0]: IPv6 CIDR value "2001:DB8:1::/48" should be in RFC 5952 canonical format ("2001:db8:1::/48")"#]].assert_eq(&warned(PATH, &policy(json!({"cidr": "2001:DB8::/32", "except": ["2001:DB8:1::/48"]}))));
}

#[test]
fn storage() {
    let class =
        |class: Value| created("storage.k8s.io/v1/storageclasses", &with(&json!({"provisioner": "a.b/c"}), class));
    let many: serde_json::Map<String, Value> = (0..513).map(|n| (n.to_string(), "x".into())).collect();
    expect!["parameters: Too long: may not be more than 512 bytes"].assert_eq(&class(json!({"parameters": many})));
    expect![[r#"
        provisioner: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        parameters: Invalid value: "": field can not be empty."#]].assert_eq(&class(json!({"parameters": {"": "x"}, "provisioner": "A B"})));
    let term = json!({"matchLabelExpressions": [{"key": "a", "values": ["x", "x"]}, {"key": "a"}]});
    expect![[r#"
        allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "x"
        allowedTopologies[0].matchLabelExpressions[1].values: Required value
        allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"
        allowedTopologies[1].matchLabelExpressions[0].values[1]: Duplicate value: "x"
        allowedTopologies[1].matchLabelExpressions[1].values: Required value
        allowedTopologies[1].matchLabelExpressions[1].key: Duplicate value: "a"
        allowedTopologies[1].matchLabelExpressions: Duplicate value: """#]]
    .assert_eq(&class(json!({"allowedTopologies": [term, term]})));

    const ATTRIBUTES: &str = "storage.k8s.io/v1/volumeattributesclasses";
    let attributes = json!({"driverName": "d", "parameters": {"a": "b"}});
    expect![[r#"
        driverName: Required value
        parameters: Required value: must contain at least one key/value pair"#]]
    .assert_eq(&created(ATTRIBUTES, &json!({})));
    expect![[r#"
        driverName: Forbidden: updates to driverName are forbidden.
        parameters: Forbidden: updates to parameters are forbidden."#]]
    .assert_eq(&updated(ATTRIBUTES, &attributes, &json!({"driverName": "e", "parameters": {"a": "c"}})));

    const ATTACHMENT: &str = "storage.k8s.io/v1/volumeattachments";
    let attachment = |spec: Value| created(ATTACHMENT, &json!({"spec": spec}));
    expect![[r#"
        spec.attacher: Required value
        spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName
        spec.nodeName: Invalid value: "N_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        spec.attacher: Required value"#]].assert_eq(&attachment(json!({"attacher": "", "nodeName": "N_", "source": {}})));
    expect!["spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"].assert_eq(
        &attachment(
            json!({"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v", "inlineVolumeSpec": {}}}),
        ),
    );
    let inline = json!({"hostPath": {"path": "/x"}, "capacity": {"storage": "1"}, "storageClassName": "c", "volumeMode": "Block",
        "persistentVolumeReclaimPolicy": "Delete", "nodeAffinity": {}});
    expect![[r#"
        spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes
        spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes
        spec.source.inlineVolumeSpec.accessModes: Required value
        spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes
        spec.source.inlineVolumeSpec.nodeAffinity: Forbidden: may not be specified in the context of inline volumes
        spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes
        spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes"#]]
        .assert_eq(&attachment(json!({"attacher": "a", "nodeName": "n", "source": {"inlineVolumeSpec": inline}})));

    const NODE: &str = "storage.k8s.io/v1/csinodes";
    let node = json!({"spec": {"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["a", "a", ""]}]}});
    expect![[r#"
        spec.drivers[0]: Duplicate value: "a"
        spec.drivers[0]: Required value
        spec.drivers[0]: Invalid value: "": name part must be non-empty
        spec.drivers[0]: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#]].assert_eq(&created(NODE, &node));
    let node = json!({"spec": {"drivers": [{"name": "d", "nodeID": "n", "allocatable": {"count": 1}}]}});
    let change = json!({"spec": {"drivers": [{"name": "d", "nodeID": "m", "allocatable": {"count": 2}}]}});
    expect![[r#"spec.drivers: Invalid value: {"Name":"d","NodeID":"m","TopologyKeys":null,"Allocatable":null}: field is immutable"#]].assert_eq(&updated(NODE, &node, &change));

    const DRIVER: &str = "storage.k8s.io/v1/csidrivers";
    let requests = json!([{"audience": "a", "expirationSeconds": 1}, {"audience": "a", "expirationSeconds": 1}]);
    expect![[r#"
        spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes
        spec.tokenRequests[1].audience: Duplicate value: "a"
        spec.volumeLifecycleModes: Unsupported value: "Never": supported values: "Persistent", "Ephemeral""#]]
    .assert_eq(&created(DRIVER, &json!({"spec": {"volumeLifecycleModes": ["Never"], "tokenRequests": requests}})));
    expect!["spec.attachedRequired: Invalid value: false: field is immutable"].assert_eq(&updated(
        DRIVER,
        &json!({"spec": {}}),
        &json!({"spec": {"attachRequired": false}}),
    ));
}

#[test]
fn runtime_classes() {
    let wrong = |class: Value| created("node.k8s.io/v1/runtimeclasses", &with(&json!({"handler": "h"}), class));
    assert_eq!(wrong(json!({"overhead": {"podFixed": {"cpu": "1"}}})), "ok");
    expect![[r#"
        overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0
        overhead.limits[gold]: Invalid value: "gold": must be a standard resource type or fully qualified
        overhead.limits[gold]: Invalid value: "gold": must be a standard resource for containers"#]]
    .assert_eq(&wrong(json!({"overhead": {"podFixed": {"cpu": "-1", "gold": "1"}}})));
    expect![[r#"
        overhead.limits[hugepages-2Mi]: Invalid value: "1Mi": 1Mi is not positive integer multiple of hugepages-2Mi
        overhead: Forbidden: HugePages require cpu or memory"#]]
    .assert_eq(&wrong(json!({"overhead": {"podFixed": {"hugepages-2Mi": "1Mi"}}})));
    let tolerations = json!([{"operator": "Exists", "value": "x"}]);
    expect![[r#"
        scheduling.nodeSelector: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        scheduling.tolerations[0].operator: Invalid value: "x": value must be empty when `operator` is 'Exists'"#]].assert_eq(&wrong(json!({"scheduling": {"nodeSelector": {"a b": "c"}, "tolerations": tolerations}})));
}

#[test]
fn leases_without_coordination() {
    let lease =
        json!({"spec": {"strategy": "OldestEmulationVersion", "preferredHolder": "x", "leaseDurationSeconds": 1}});
    assert_eq!(prepared("coordination.k8s.io/v1/leases", &lease)["spec"], json!({"leaseDurationSeconds": 1}));
}

#[test]
fn budgets() {
    let budget = json!({"spec": {"minAvailable": 1}});
    let status = json!({"conditions": [{"type": "DisruptionAllowed", "status": "Maybe"}], "expectedPods": -1});
    expect![[r#"
        status.expectedPods: Invalid value: -1: must be greater than or equal to 0
        status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"
        status.conditions[0].lastTransitionTime: Required value
        status.conditions[0].reason: Required value"#]]
    .assert_eq(&status_updated("policy/v1/poddisruptionbudgets", &budget, &json!({"status": status})));
}

#[test]
fn ingresses_keep_old_names_of_secrets() {
    const PATH: &str = "networking.k8s.io/v1/ingresses";
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let ingress = |secret: &str| json!({"spec": {"defaultBackend": backend, "tls": [{"secretName": secret}]}});
    assert!(updated(PATH, &ingress("ok"), &ingress("A_")).starts_with("spec.tls[0].secretName: Invalid value"));
    assert_eq!(updated(PATH, &ingress("A_"), &json!({"metadata": {"labels": {"a": "b"}}})), "ok");
    // The same of what stands below a host with a wildcard, and of that alone.
    let rule = |host: &str, path: &str| json!({"host": host, "http": {"paths": [{"path": path, "pathType": "Exact", "backend": backend}]}});
    let rules = |rules: Value| json!({"spec": {"rules": rules}});
    let old = rules(json!([rule("*.a.b", "x")]));
    assert_eq!(updated(PATH, &old, &rules(json!([rule("*.a.b", "y")]))), "ok");
    expect![[r#"spec.rules[0].http.paths[0].path: Invalid value: "y": must be an absolute path"#]].assert_eq(&updated(
        PATH,
        &old,
        &rules(json!([rule("a.b", "y"), rule("*.a.b", "y")])),
    ));
    assert!(updated(PATH, &rules(json!([rule("*.a.b", "/x")])), &old).contains("must be an absolute path"));
}

#[test]
fn endpoints_by_name_are_domains() {
    let wrong = |name: &str| {
        created(
            "discovery.k8s.io/v1/endpointslices",
            &json!({"addressType": "FQDN", "endpoints": [{"addresses": [name]}]}),
        )
    };
    assert_eq!(wrong("a.example.com."), "ok");
    expect![[r#"endpoints[0].addresses[0]: Invalid value: "local": should be a domain with at least two segments separated by dots"#]]
    .assert_eq(&wrong("local"));
    expect!["endpoints[0].addresses[0]: Required value"].assert_eq(&wrong(""));
    let label = "a".repeat(64);
    assert_eq!(
        wrong(&format!("{label}.com")),
        format!("endpoints[0].addresses[0]: Invalid value: \"{label}\": must be no more than 63 characters")
    );
}

#[test]
fn credentials_of_registries_are_json() {
    let secret = |text: &str| {
        let secret = json!({"type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": text}});
        let errors = created("v1/secrets", &secret);
        errors.replace("data[.dockercfg]: Invalid value: \"<secret contents redacted>\": ", "")
    };
    let all = ["{}", "null", "{} x", r#"{"a" 1}"#, r#"{"a":1 "b":2}"#, "[1 2]", "tru", "", "[]", "1"].map(secret);
    expect![[r#"
        ok
        ok
        invalid character 'x' after top-level value
        invalid character '1' after object key
        invalid character '"' after object key:value pair
        invalid character '2' after array element
        unexpected end of JSON input
        unexpected end of JSON input
        json: cannot unmarshal array into Go value of type map[string]interface {}
        json: cannot unmarshal number into Go value of type map[string]interface {}"#]]
    .assert_eq(&all.join("\n"));
}

/// Of those, the endpoint of the status changes no metadata; of others it does.
#[test]
fn some_kinds_put_metadata_back_where_the_status_is_written() {
    let after = |path: &str, subresource: Option<Subresource>| {
        let old = json!({"metadata": {"labels": {"own": "1"}}, "spec": {}});
        let mut new = json!({"metadata": {"labels": {"x": "1"}, "annotations": {"x": "1"}}, "spec": {}});
        row(path).strategy.prepare_for_update(&mut new, &old, subresource);
        new["metadata"].clone()
    };
    let changed = json!({"labels": {"x": "1"}, "annotations": {"x": "1"}});
    for path in [
        "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "apiregistration.k8s.io/v1/apiservices",
        "flowcontrol.apiserver.k8s.io/v1/flowschemas",
        "flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations",
        "networking.k8s.io/v1/servicecidrs",
        "resource.k8s.io/v1/resourceclaims",
        "storage.k8s.io/v1/volumeattachments",
    ] {
        assert_eq!(after(path, Some(Subresource::Status)), json!({"labels": {"own": "1"}}), "{path}");
        assert_eq!(after(path, None), changed, "{path}");
    }
    let labels_only = json!({"labels": {"own": "1"}, "annotations": {"x": "1"}});
    assert_eq!(after("apps/v1/deployments", Some(Subresource::Status)), labels_only);
    assert_eq!(after("batch/v1/jobs", Some(Subresource::Status)), changed);
}

#[test]
fn changed_classes_are_looked_at_as_new_ones() {
    let class = json!({"provisioner": "a.b/c"});
    let topologies = json!({"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": []}]}]});
    expect!["allowedTopologies[0].matchLabelExpressions[0].values: Required value"].assert_eq(&updated(
        "storage.k8s.io/v1/storageclasses",
        &class,
        &topologies,
    ));
    let policy = json!({"reclaimPolicy": "Shred"});
    expect![[r#"
        reclaimPolicy: Unsupported value: "Shred": supported values: "Delete", "Retain"
        reclaimPolicy: Invalid value: "Shred": field is immutable"#]]
    .assert_eq(&updated("storage.k8s.io/v1/storageclasses", &class, &policy));
    let overhead = json!({"overhead": {"podFixed": {"cpu": "-1"}}});
    expect![[r#"overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0"#]].assert_eq(&updated(
        "node.k8s.io/v1/runtimeclasses",
        &json!({"handler": "h"}),
        &overhead,
    ));
}

#[test]
fn events_with_a_time_may_be_about_what_is_elsewhere() {
    const CORE: &str = "v1/events";
    let event = |namespace: &str, of: &str, time: Option<&str>| {
        let mut event = json!({"metadata": {"name": "e", "namespace": namespace}, "involvedObject": {"namespace": of},
            "reason": "r", "action": "a", "reportingComponent": "c", "reportingInstance": "i"});
        if let Some(time) = time {
            event["eventTime"] = time.into();
        }
        event
    };
    let time = Some("2020-01-01T00:00:00.000000Z");
    let refused =
        |of: &str| format!("involvedObject.namespace: Invalid value: \"{of}\": does not match event.namespace");
    assert_eq!(created(CORE, &event("a", "b", None)), refused("b"));
    assert_eq!(created(CORE, &event("a", "b", time)), "ok");
    assert_eq!(created(CORE, &event("a", "", time)), refused(""));
    assert_eq!(created(CORE, &event("kube-system", "", None)), refused(""));
    assert_eq!(created(CORE, &event("kube-system", "", time)), "ok");
    const NEW: &str = "events.k8s.io/v1/events";
    let old = json!({"eventTime": "2020-01-01T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i",
        "action": "a", "reason": "r", "type": "Normal", "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}});
    let mut new = old.clone();
    new["regarding"]["name"] = "q".into();
    new["related"] = json!({"name": "r"});
    new["deprecatedSource"] = json!({"component": "d"});
    expect![[r#"
        involvedObject: Invalid value: {"Kind":"Pod","Namespace":"default","Name":"q","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable
        source: Invalid value: {"Component":"d","Host":""}: field is immutable
        related: Invalid value: {"Kind":"","Namespace":"","Name":"r","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable"#]]
    .assert_eq(&updated(NEW, &old, &new));
}
