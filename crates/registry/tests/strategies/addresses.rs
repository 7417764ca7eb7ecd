//! Addresses and prefixes: strict for new values, but what was stored before the rules may stay (KEP-4858).

use super::*;
use expect_test::expect;

#[test]
fn services_keep_old_addresses() {
    const PATH: &str = "v1/services";
    let old = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 1}], "clusterIP": "10.0.0.01",
        "clusterIPs": ["10.0.0.01"], "externalIPs": ["::ffff:1.2.3.4"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        "loadBalancerSourceRanges": [" 10.0.0.1/8"]}});
    assert_eq!(updated(PATH, &old, &json!({"metadata": {"labels": {"a": "b"}}})), "ok");
    // They may be moved and lose their like, but not be joined by others.
    let external = json!({"spec": {"externalIPs": ["1.2.3.5", "::ffff:1.2.3.4"]}});
    assert_eq!(updated(PATH, &old, &external), "ok");
    expect![[r#"
        spec.externalIPs[0]: Invalid value: "1.2.3.04": must not have leading 0s
        spec.LoadBalancerSourceRanges[1]: Invalid value: "11.0.0.1/8": must not have bits set beyond the prefix length"#]]
    .assert_eq(&updated(
        PATH,
        &old,
        &json!({"spec": {"externalIPs": ["1.2.3.04"], "loadBalancerSourceRanges": ["10.0.0.1/8", "11.0.0.1/8"]}}),
    ));
    let status = |ip: &str| json!({"status": {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]}}});
    let old = with(&old, status("01.2.3.4"));
    let change = json!({"status": {"conditions": [], "loadBalancer": {"ingress": [
        {"ip": "5.6.7.8", "ipMode": "VIP"}, {"ip": "01.2.3.4", "ipMode": "Proxy"}]}}});
    assert_eq!(status_updated(PATH, &old, &change), "ok");
    expect![[r#"status.loadBalancer.ingress[0].ip: Invalid value: "02.2.3.4": must not have leading 0s"#]]
        .assert_eq(&status_updated(PATH, &old, &status("02.2.3.4")));
}

#[test]
fn source_ranges_by_annotation() {
    const PATH: &str = "v1/services";
    let service = |kind: &str, ranges: &str| {
        json!({"metadata": {"annotations": {"service.beta.kubernetes.io/load-balancer-source-ranges": ranges}},
            "spec": {"type": kind, "ports": [{"port": 1}]}})
    };
    assert_eq!(created(PATH, &service("LoadBalancer", " 10.0.0.0/8 , 1.0.0.0/8")), "ok");
    assert_eq!(created(PATH, &service("LoadBalancer", "  ")), "ok");
    expect![[r#"
        metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when `type` is 'LoadBalancer'
        metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "foo": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#]].assert_eq(&created(PATH, &service("ClusterIP", "10.0.0.0/8,foo")));
}

#[test]
fn policies_keep_old_prefixes() {
    const PATH: &str = "networking.k8s.io/v1/networkpolicies";
    let policy =
        |except: Value| json!({"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/8", "except": except}}]}]}});
    let old = policy(json!(["10.01.0.0/16"]));
    assert_eq!(updated(PATH, &old, &json!({"spec": {"policyTypes": ["Egress"]}})), "ok");
    assert_eq!(updated(PATH, &old, &policy(json!(["10.2.0.0/16", "10.01.0.0/16"]))), "ok");
    expect![[r#"
        spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "011.3.0.0/16": must not have leading 0s in IP or prefix length
        spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "011.3.0.0/16": must be a strict subset of `cidr`"#]]
    .assert_eq(&updated(PATH, &old, &policy(json!(["011.3.0.0/16"]))));
}

#[test]
fn endpoints_keep_old_addresses_only_as_a_whole() {
    const ENDPOINTS: &str = "v1/endpoints";
    const SLICES: &str = "discovery.k8s.io/v1/endpointslices";
    let endpoints = |ips: &[&str]| {
        let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"subsets": [{"addresses": addresses}]})
    };
    let slice = |ips: &[&str]| json!({"addressType": "IPv4", "endpoints": [{"addresses": ips}]});
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(updated(ENDPOINTS, &endpoints(&["01.2.3.4"]), &label), "ok");
    expect![[r#"subsets[0].addresses[0].ip: Invalid value: "01.2.3.4": must not have leading 0s"#]]
        .assert_eq(&updated(ENDPOINTS, &endpoints(&["01.2.3.4"]), &endpoints(&["01.2.3.4", "1.2.3.5"])));
    assert_eq!(updated(SLICES, &slice(&["01.2.3.4"]), &label), "ok");
    expect![[r#"endpoints[0].addresses[0]: Invalid value: "01.2.3.4": must not have leading 0s"#]].assert_eq(&updated(
        SLICES,
        &slice(&["01.2.3.4"]),
        &slice(&["01.2.3.4", "1.2.3.5"]),
    ));
}

#[test]
fn pods_and_their_templates_keep_old_addresses() {
    let spec = json!({"containers": [{"name": "c", "image": "i"}], "dnsConfig": {"nameservers": ["010.0.0.1"]},
        "hostAliases": [{"ip": "::ffff:1.2.3.4", "hostnames": ["a"]}]});
    let label = json!({"metadata": {"labels": {"c": "d"}}});
    assert_eq!(updated("v1/pods", &json!({"spec": spec}), &label), "ok");
    let deployment = json!({"spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}});
    assert_eq!(updated("apps/v1/deployments", &deployment, &json!({"spec": {"replicas": 3}})), "ok");
    expect![[r#"spec.template.spec.dnsConfig.nameservers[0]: Invalid value: "010.0.0.2": must not have leading 0s"#]]
        .assert_eq(&updated(
            "apps/v1/deployments",
            &deployment,
            &json!({"spec": {"template": {"spec": {"dnsConfig": {"nameservers": ["010.0.0.2"]}}}}}),
        ));
    let addresses = |ip: &str| json!({"status": {"podIPs": [{"ip": ip}], "podIP": ip, "phase": "Running"}});
    let pod = with(&json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}), addresses("01.2.3.4"));
    assert_eq!(status_updated("v1/pods", &pod, &json!({"status": {"phase": "Failed"}})), "ok");
    expect![[r#"status.podIPs[0]: Invalid value: "02.2.3.4": must not have leading 0s"#]].assert_eq(&status_updated(
        "v1/pods",
        &pod,
        &addresses("02.2.3.4"),
    ));
}

#[test]
fn service_ranges_may_only_get_a_second_family() {
    const PATH: &str = "networking.k8s.io/v1/servicecidrs";
    let range = |cidrs: Value| json!({"spec": {"cidrs": cidrs}});
    let old = range(json!(["10.0.0.0/24"]));
    let change = |cidrs: Value| updated(PATH, &old, &range(cidrs));
    assert_eq!(change(json!(["10.0.0.0/24", "2001:db8::/64"])), "ok");
    expect![[r#"spec.cidrs[0]: Invalid value: "10.0.1.0/24": field is immutable"#]]
        .assert_eq(&change(json!(["10.0.1.0/24"])));
    expect![[r#"
        spec.cidrs[0]: Invalid value: "10.0.1.0/24": field is immutable
        spec.cidrs[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#]]
    .assert_eq(&change(json!(["10.0.1.0/24", "x"])));
    expect![[r#"spec.cidrs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"#]]
        .assert_eq(&change(json!(["10.0.0.0/24", "10.0.1.0/24"])));
    expect![[r#"spec.cidrs: Invalid value: null: field is immutable"#]].assert_eq(&change(json!([])));
    expect![[r#"spec.cidrs: Invalid value: {"CIDRs":["a","b","c"]}: may only hold up to 2 values"#]]
        .assert_eq(&created(PATH, &range(json!(["a", "b", "c"]))));
}

#[test]
fn addresses_are_named_in_one_way_and_ranges_may_come_with_a_status() {
    let row = registry::find("networking.k8s.io", "v1", "ipaddresses").unwrap();
    let wrong = |name: &str| row.strategy.validate_name(name).join("; ");
    assert_eq!(wrong("10.0.0.1"), "");
    assert_eq!(wrong("2001:db8::1"), "");
    assert_eq!(wrong("::ffff:10.0.0.1"), "must not be an IPv4-mapped IPv6 address");
    assert_eq!(wrong("010.0.0.1"), "must not have leading 0s");
    assert_eq!(wrong("2001:DB8::1"), "must be in canonical form (\"2001:db8::1\")");
    let row = registry::find("networking.k8s.io", "v1", "servicecidrs").unwrap();
    let mut range = json!({"spec": {"cidrs": ["10.0.0.0/24"]}, "status": {"conditions": [{"type": "Ready"}]}});
    row.strategy.prepare_for_create(&mut range);
    assert_eq!(range["status"], json!({"conditions": [{"type": "Ready"}]}));
}
