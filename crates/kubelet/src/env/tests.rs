//! Cases of variables and expansion.

use super::*;
use expect_test::expect;
use serde_json::json;

#[test]
fn expansion() {
    let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
    for (text, want) in [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$", "$"),
        ("$A", "$A"),
        ("$(B) $(A", "$(B) $(A"),
        ("x$", "x$"),
        ("kill $$$$", "kill $$"),
    ] {
        assert_eq!(expand(text, lookup), want, "{text}");
    }
}

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a": "b\"c"}},
        "spec": {"nodeName": "node", "containers": [{"name": "c", "resources": {"limits": {"cpu": "250m", "memory": "32Mi"}},
            "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "gone", "optional": true}}],
            "env": [
                {"name": "GREETING", "value": "hi"},
                {"name": "EXPANDED", "value": "$(GREETING)-$$(GREETING)-$(MISSING)-$(P_K)"},
                {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                {"name": "REF", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]}]}
    }))
    .unwrap()
}

fn environment_of(references: &References) -> Result<BTreeMap<String, String>, EnvError> {
    let pod = pod();
    environment(&EnvironmentInput {
        pod: &pod,
        container: &pod::spec(&pod).containers[0],
        references,
        pod_addresses: &["10.0.0.1".parse().unwrap()],
        host_addresses: &[],
        allocatable: &Amounts::new(),
        files: &files::EnvFiles::new(),
        services: &BTreeMap::from([("GREETING".to_owned(), "from a service".to_owned())]),
    })
}

#[test]
fn an_environment_of_all_sources() {
    let secret = serde_json::from_value(json!({"data": {"K": "dg=="}})).unwrap();
    let config_map = serde_json::from_value(json!({"data": {"k": "value"}})).unwrap();
    let mut references = References {
        config_maps: BTreeMap::from([("m".to_owned(), Some(Arc::new(config_map)))]),
        secrets: BTreeMap::from([("s".to_owned(), Some(Arc::new(secret)))]),
    };
    expect![[r#"
        {
            "CPU": "1",
            "EXPANDED": "hi-$(GREETING)-$(MISSING)-v",
            "GREETING": "hi",
            "IP": "10.0.0.1",
            "L": "a=\"b\\\"c\"",
            "MEM": "32",
            "P_K": "v",
            "REF": "value",
        }
    "#]]
    .assert_debug_eq(&environment_of(&references).unwrap());
    let config_map = serde_json::from_value(json!({})).unwrap();
    references.config_maps.insert("m".to_owned(), Some(Arc::new(config_map)));
    let error = environment_of(&references).unwrap_err();
    assert_eq!(error.to_string(), "couldn't find key k in ConfigMap n/m");
    references.secrets.clear();
    assert_eq!(environment_of(&references).unwrap_err().to_string(), "secret \"s\" not found");
}

#[test]
fn variables_of_services() {
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "my-svc", "namespace": "n"},
        "spec": {"clusterIP": "10.96.0.5", "ports": [{"name": "web", "port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}
    }))
    .unwrap();
    let names = service_environment(&pod(), &[Arc::new(service)]);
    expect![[r#"
        {
            "MY_SVC_PORT": "tcp://10.96.0.5:80",
            "MY_SVC_PORT_53_UDP": "udp://10.96.0.5:53",
            "MY_SVC_PORT_53_UDP_ADDR": "10.96.0.5",
            "MY_SVC_PORT_53_UDP_PORT": "53",
            "MY_SVC_PORT_53_UDP_PROTO": "udp",
            "MY_SVC_PORT_80_TCP": "tcp://10.96.0.5:80",
            "MY_SVC_PORT_80_TCP_ADDR": "10.96.0.5",
            "MY_SVC_PORT_80_TCP_PORT": "80",
            "MY_SVC_PORT_80_TCP_PROTO": "tcp",
            "MY_SVC_SERVICE_HOST": "10.96.0.5",
            "MY_SVC_SERVICE_PORT": "80",
            "MY_SVC_SERVICE_PORT_WEB": "80",
        }
    "#]]
    .assert_debug_eq(&names);
}

use k8s_openapi::api::core::v1::Service;
