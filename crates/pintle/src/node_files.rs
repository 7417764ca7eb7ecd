//! The texts that a node's kubelet starts from, as kubeadm writes them: the unit, its drop-in, the flags file and the
//! kubelet's configuration. Pure.

use serde_json::{Value, json};

/// `/lib/systemd/system/kubelet.service` of kubeadm's packages.
pub const KUBELET_SERVICE: &str = "[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10
KillMode=process

[Install]
WantedBy=multi-user.target
";

/// `/etc/systemd/system/kubelet.service.d/10-kubeadm.conf`: the names of the variables are kubeadm's, since it is these
/// that administrators set.
pub const KUBEADM_DROP_IN: &str = "# The kubelet's command line. Flags of your own belong into KUBELET_EXTRA_ARGS.
[Service]
Environment=\"KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf\"
Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"
# KUBELET_KUBEADM_ARGS: written when the node is made.
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# KUBELET_EXTRA_ARGS: the administrator's last word.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
";

/// Where the unit and the drop-in go. `up` keeps both in /etc, which a node has for itself.
pub const UNIT_PATH: &str = "/etc/systemd/system/kubelet.service";
/// See [`UNIT_PATH`].
pub const DROP_IN_PATH: &str = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf";
/// Flags that belong to this node alone.
pub const FLAGS_PATH: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// The kubelet's configuration file.
pub const CONFIG_PATH: &str = "/var/lib/kubelet/config.yaml";
/// Where static pods come from, as kubeadm has it.
pub const MANIFESTS_PATH: &str = "/etc/kubernetes/manifests";

/// What differs between the nodes of a cluster.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// `--hostname-override`
    pub name: String,
    /// `--node-ip`
    pub address: String,
    /// `cgroupRoot`; empty for the machine's own.
    pub cgroup_root: String,
    /// Whether kubeadm's taint keeps ordinary pods off the node.
    pub is_tainted: bool,
}

/// `KUBELET_KUBEADM_ARGS="…"`.
pub fn flags_env(node: &NodeSettings) -> String {
    format!("KUBELET_KUBEADM_ARGS=\"--hostname-override={} --node-ip={}\"\n", node.name, node.address)
}

/// The KubeletConfiguration; JSON, which is YAML too.
pub fn kubelet_config(node: &NodeSettings) -> Value {
    let mut config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": ["10.96.0.10"],
        "clusterDomain": "cluster.local",
        "rotateCertificates": true,
        "staticPodPath": MANIFESTS_PATH,
    });
    if !node.cgroup_root.is_empty() {
        config["cgroupRoot"] = format!("/{}", node.cgroup_root).into();
    }
    if node.is_tainted {
        config["registerWithTaints"] =
            json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    }
    config
}
