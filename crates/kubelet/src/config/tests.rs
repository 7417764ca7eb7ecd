//! Cases of the configuration file and flags.

use super::*;
use serde_json::json;

#[test]
fn a_file_overrides_defaults() {
    let mut config = Config::default();
    config
        .apply_file(&json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "staticPodPath": "/etc/kubernetes/manifests", "staticPodURL": "http://x/y", "staticPodURLHeader": {"A": ["b", "c"]},
            "fileCheckFrequency": "0s", "httpCheckFrequency": "1m30s", "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
            "systemReserved": {"cpu": "100m"}, "kubeReserved": {"cpu": "200m"}, "unknown": 1,
            "registerWithTaints": [{"key": "k", "effect": "NoSchedule"}],
        }))
        .unwrap();
    assert_eq!(config.static_pod_path, Some("/etc/kubernetes/manifests".into()));
    let headers = config.static_pod_url.unwrap().headers;
    assert_eq!(headers, [("A".to_owned(), "b".to_owned()), ("A".to_owned(), "c".to_owned())]);
    assert_eq!(config.file_check_frequency, Duration::from_secs(20));
    assert_eq!(config.http_check_frequency, Duration::from_secs(90));
    assert_eq!(config.reserved["cpu"], "300m");
    assert_eq!(config.register_with_taints[0].key, "k");
}

#[test]
fn bad_files_are_refused() {
    for document in [
        json!({"kind": "Pod", "apiVersion": "v1"}),
        json!({"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "maxPods": "x"}),
        json!({"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "cgroupDriver": "x"}),
        json!({"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "fileCheckFrequency": "x"}),
    ] {
        assert!(Config::default().apply_file(&document).is_err(), "{document}");
    }
}

#[test]
fn flags() {
    assert_eq!(parse_duration("1h0m1.5s"), Some(Duration::from_millis(3_601_500)));
    assert_eq!(parse_duration("5"), None);
    let taints = parse_taints("node-role.kubernetes.io/control-plane=:NoSchedule,a=b:NoExecute").unwrap();
    assert_eq!((taints[0].value.as_deref(), taints[1].value.as_deref()), (None, Some("b")));
    assert_eq!(parse_taints("a"), None);
    assert_eq!(parse_labels("a=b,c=")["c"], "");
    assert_eq!(parse_header("X-A: b"), Some(("X-A".to_owned(), "b".to_owned())));
}
