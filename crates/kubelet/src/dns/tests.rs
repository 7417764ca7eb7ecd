//! Resolvers and host names, case by case.

use super::*;
use serde_json::{Value, json};

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})).unwrap()
}

/// The file and the warnings.
fn resolver(spec: Value) -> String {
    let node = parse_resolv_conf("nameserver 192.0.2.1\nsearch example.com. .\noptions timeout:1\n");
    let (conf, warnings) = pod_dns(&pod(spec), &["10.96.0.10".to_owned()], "cluster.local", &node);
    let warnings = warnings.iter().map(|warning| format!("! {warning}\n"));
    render_resolv_conf(&conf) + &warnings.collect::<String>()
}

#[test]
fn policies() {
    let cluster = "search n.svc.cluster.local svc.cluster.local cluster.local example.com .\n\
                   nameserver 10.96.0.10\noptions ndots:5\n";
    let node = "search example.com .\nnameserver 192.0.2.1\noptions timeout:1\n";
    assert_eq!(resolver(json!({"containers": []})), cluster);
    assert_eq!(resolver(json!({"containers": [], "dnsPolicy": "ClusterFirst", "hostNetwork": true})), node);
    assert_eq!(
        resolver(json!({"containers": [], "dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true})),
        cluster
    );
    assert_eq!(resolver(json!({"containers": [], "dnsPolicy": "Default"})), node);
    let own = json!({"nameservers": ["192.0.2.9"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]});
    let none = resolver(json!({"containers": [], "dnsPolicy": "None", "dnsConfig": own}));
    assert_eq!(none, "nameserver 192.0.2.9\noptions ndots:2 edns0\n");
}

#[test]
fn what_a_resolver_cannot_take_is_left_out_and_told() {
    let own = |own: Value| resolver(json!({"containers": [], "dnsPolicy": "None", "dnsConfig": own}));
    let servers = ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"];
    let three = "192.0.2.1 192.0.2.2 192.0.2.3";
    assert!(!own(json!({"nameservers": servers})).contains('!'), "the same one twice is one");
    let told = own(json!({"nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]}));
    let words =
        "! Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ";
    assert!(told.ends_with(&format!("{words}{three}\n")), "{told}");
    let words = "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ";
    let searches = |searches: Vec<String>| {
        let told = own(json!({"nameservers": ["192.0.2.1"], "searches": searches}));
        told.split_once(words).map(|(_, applied)| applied.trim_end().split(' ').map(str::to_owned).collect::<Vec<_>>())
    };
    let many = |count: usize, length: usize| (0..count).map(|n| format!("{n:0>length$}")).collect::<Vec<_>>();
    assert_eq!(searches(many(32, 63)), None, "32 times 63 and the blanks are 2047");
    assert_eq!(searches(many(33, 3)), Some(many(32, 3)));
    assert_eq!(searches(many(10, 250)), Some(many(8, 250)));
    assert_eq!(searches(vec!["a".repeat(254), "b".to_owned()]), Some(vec!["b".to_owned()]));
}

#[test]
fn a_full_name_that_the_kernel_does_not_take() {
    let check = |length: usize, full: bool, host_network: bool| {
        let spec = json!({"containers": [], "hostname": "h".repeat(length), "subdomain": "s",
            "setHostnameAsFQDN": full, "hostNetwork": host_network});
        check_sandbox_hostname(&pod(spec), "cluster.local").err().map(|error| error.to_string()).unwrap_or_default()
    };
    // with .s.n.svc.cluster.local, 22 characters
    assert_eq!(check(42, true, false), "");
    let name = format!("{}.s.n.svc.cluster.local", "h".repeat(43));
    let words = format!(
        "failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long \
         (64 characters is the max, 65 characters requested)"
    );
    assert_eq!(check(43, true, false), words);
    assert_eq!(check(43, false, false), "");
    assert_eq!(check(43, true, true), "");
}
