//! What is allowed but hardly meant.

use super::*;
use expect_test::expect;

const POD: &str = "v1/pods";

fn pod(spec: Value) -> Value {
    json!({"spec": with(&json!({"containers": [{"name": "c", "image": "i"}]}), spec)})
}

#[test]
fn names_that_are_no_labels() {
    let named = |path: &str| {
        let template = json!({"spec": {"containers": [{"name": "c", "image": "i"}]}});
        warned(path, &json!({"metadata": {"name": "a.b"}, "spec": {"template": template, "containers": []}}))
    };
    expect!["metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"].assert_eq(&named(POD));
    expect!["metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"].assert_eq(&named("apps/v1/deployments"));
    for path in ["apps/v1/replicasets", "v1/replicationcontrollers", "batch/v1/jobs", "batch/v1/cronjobs"] {
        assert_eq!(named(path), named("apps/v1/deployments"), "{path}");
    }
    assert_eq!(named("apps/v1/daemonsets"), "");
}

#[test]
fn labels_and_annotations_of_old() {
    let key = "beta.kubernetes.io/os";
    let term = json!({"matchExpressions": [{"key": key, "operator": "Exists"}]});
    let spec = json!({
        "nodeSelector": {key: "linux"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]},
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key}]}},
        "topologySpreadConstraints": [{"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
        "terminationGracePeriodSeconds": -1});
    expect![[r#"
        spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead
        spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead
        spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead
        spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead
        spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod
        spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector results in matching no pod"#]].assert_eq(&warned(POD, &pod(spec)));
    let annotations = json!({"seccomp.security.alpha.kubernetes.io/pod": "x", "security.alpha.kubernetes.io/sysctls": "y",
        "container.seccomp.security.alpha.kubernetes.io/c": "z", "container.apparmor.security.beta.kubernetes.io/c": "w"});
    let template = with(&pod(json!({})), json!({"metadata": {"annotations": annotations}}));
    expect![[r#"
        spec.template.metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the "sysctls" field instead
        spec.template.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead
        spec.template.metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional in v1.27+; use the "seccompProfile" field instead
        spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field instead"#]].assert_eq(&warned("apps/v1/daemonsets", &json!({"spec": {"template": template}})));
}

#[test]
fn lists_with_entries_that_come_twice() {
    let spec = json!({
        "hostAliases": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}, {"ip": "2001:DB8::1"}],
        "imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}],
        "dnsConfig": {"nameservers": ["::FFFF"]},
        "overhead": {"memory": "100m"},
        "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"},
            {"name": "A", "value": "$(A)"}, {"name": "A", "value": "3"}]}]});
    expect![[r#"
        spec.hostAliases[1].ip: duplicate ip "1.2.3.4"
        spec.hostAliases[2].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")
        spec.imagePullSecrets[1].name: duplicate name "a"
        spec.imagePullSecrets[2].name: invalid empty name ""
        spec.dnsConfig.nameservers[0]: IPv6 address "::FFFF" should be in RFC 5952 canonical format ("::ffff")
        spec.overhead[memory]: fractional byte value "100m" is invalid, must be an integer
        spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply
        spec.containers[0].env[3]: hides previous definition of "A", which may be dropped when using apply"#]]
    .assert_eq(&warned(POD, &pod(spec)));
}

#[test]
fn ports_in_each_others_way() {
    let ports = |first: Value, second: Value| {
        let container = |name: &str, port: Value| json!({"name": name, "image": "i", "ports": [with(&json!({"containerPort": 80}), port)]});
        warned(POD, &pod(json!({"containers": [container("a", first), container("b", second)]})))
    };
    expect!["spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]"]
        .assert_eq(&ports(json!({}), json!({})));
    expect!["spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]"]
        .assert_eq(&ports(json!({"hostPort": 1}), json!({})));
    expect!["spec.containers[1].ports[0]: dangerously ambiguous port definition with spec.containers[0].ports[0]"]
        .assert_eq(&ports(json!({"hostPort": 1}), json!({"hostPort": 1, "hostIP": "1.2.3.4"})));
    expect!["spec.containers[0].ports[0]: hostIP set without hostPort: {Name:w HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.2.3.4}"].assert_eq(&ports(json!({"hostIP": "1.2.3.4", "name": "w"}), json!({"protocol": "UDP"})));
    assert_eq!(ports(json!({"hostPort": 1}), json!({"hostPort": 2})), "");
}

#[test]
fn files_in_each_others_place() {
    let items = |paths: &[&str]| -> Value { paths.iter().map(|path| json!({"key": "k", "path": path})).collect() };
    let volume = |source: Value| warned(POD, &pod(json!({"volumes": [with(&json!({"name": "v"}), source)]})));
    expect![[r#"volume "v" (ConfigMap "m"): overlapping paths: "a/b" with "a""#]]
        .assert_eq(&volume(json!({"configMap": {"name": "m", "items": items(&["a", "a/b", "ab"])}})));
    expect![[r#"volume "v" (Secret "s"): overlapping paths: "a" with "a""#]]
        .assert_eq(&volume(json!({"secret": {"secretName": "s", "items": items(&["a", "a"])}})));
    let sources = json!([{"configMap": {"name": "m", "items": items(&["a"])}}, {"secret": {"name": "s", "items": items(&["a/b"])}},
        {"serviceAccountToken": {"path": "a"}}]);
    expect![[r#"
        volume "v" (Projected Secret "s"): overlapping paths: "a/b" with "a"
        volume "v" (Projected ServiceAccountToken): overlapping paths: "a" with "a"
        volume "v" (Projected ServiceAccountToken): overlapping paths: "a/b" with "a""#]]
    .assert_eq(&volume(json!({"projected": {"sources": sources}})));
    let claim = json!({"spec": {"resources": {"requests": {"storage": "1500m"}}}});
    expect![[r#"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer"#]].assert_eq(&volume(json!({"ephemeral": {"volumeClaimTemplate": claim}})));
}

#[test]
fn services() {
    let service = |spec: Value| warned("v1/services", &json!({"spec": spec}));
    expect![[r#"
        spec.loadBalancerIP is ignored for headless services
        spec.externalIPs is ignored for headless services
        spec.SessionAffinity is ignored for headless services
        spec.loadBalancerIP: non-standard IP address "::FFFF:1.2.3.4" is invalid: use "1.2.3.4""#]]
    .assert_eq(&service(json!({"clusterIP": "None", "externalIPs": ["1.2.3.4"], "loadBalancerIP": "::FFFF:1.2.3.4",
        "sessionAffinity": "ClientIP"})));
    expect![[r#"
        spec.externalIPs[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")
        spec.externalIPs is ignored when spec.type is "ExternalName""#]]
    .assert_eq(&service(json!({"type": "ExternalName", "externalIPs": ["2001:DB8::1"]})));
    expect![[r#"
        spec.clusterIPs[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")
        spec.loadBalancerSourceRanges[0]: CIDR value "10.1.2.3/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.2.3/32"?)
        spec.loadBalancerSourceRanges[1]: non-standard CIDR value "010.0.0.0/8" is invalid: use "10.0.0.0/8"
        spec.loadBalancerSourceRanges[2]: IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")
        spec.externalName is ignored when spec.type is not "ExternalName"
        spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone""#]].assert_eq(&service(
        json!({"externalName": "x", "clusterIP": "2001:DB8::1", "trafficDistribution": "PreferClose",
        "loadBalancerSourceRanges": ["10.1.2.3/8", "010.0.0.0/8", "2001:DB8::/32"]}),
    ));
}

#[test]
fn storage() {
    let annotated = json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}});
    let resources = json!({"requests": {"storage": "1500m"}, "limits": {"storage": "500m"}});
    expect![[r#"
        metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead
        spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer
        spec.resources.limits[storage]: fractional byte value "500m" is invalid, must be an integer"#]]
        .assert_eq(&warned("v1/persistentvolumeclaims", &with(&annotated, json!({"spec": {"resources": resources}}))));
    let term = json!({"matchExpressions": [{"key": "failure-domain.beta.kubernetes.io/zone", "operator": "Exists"}]});
    let spec = json!({"persistentVolumeReclaimPolicy": "Recycle", "rbd": {}, "storageos": {},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}});
    expect![[r#"
        metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead
        spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.
        spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead
        spec.storageOS: deprecated in v1.22, non-functional in v1.25+
        spec.rbd: deprecated in v1.28, non-functional in v1.31+"#]].assert_eq(&warned("v1/persistentvolumes", &with(&annotated, json!({"spec": spec}))));
    let topologies = json!([{"matchLabelExpressions": [{"key": "beta.kubernetes.io/arch", "values": ["a"]}]}]);
    expect![[
        r#"allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.14; use "kubernetes.io/arch" instead"#
    ]]
    .assert_eq(&warned("storage.k8s.io/v1/storageclasses", &json!({"allowedTopologies": topologies})));
    let topology = with(&term, json!({"matchLabels": {"beta.kubernetes.io/arch": "a"}}));
    expect![[r#"
        nodeTopology.matchExpressions[0].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead
        nodeTopology.matchLabels.beta.kubernetes.io/arch: deprecated since v1.14; use "kubernetes.io/arch" instead"#]].assert_eq(&warned("storage.k8s.io/v1/csistoragecapacities", &json!({"nodeTopology": topology})));
    let class = json!({"handler": "h", "scheduling": {"nodeSelector": {"beta.kubernetes.io/arch": "a"}}});
    expect![[r#"scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/arch" instead"#]]
        .assert_eq(&warned("node.k8s.io/v1/runtimeclasses", &class));
    let claim = json!({"spec": {"resources": resources}});
    expect![[r#"
        spec.volumeClaimTemplates[0].Spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer
        spec.volumeClaimTemplates[0].Spec.resources.limits[storage]: fractional byte value "500m" is invalid, must be an integer"#]].assert_eq(&warned("apps/v1/statefulsets", &json!({"spec": {"volumeClaimTemplates": [claim]}})));
}
