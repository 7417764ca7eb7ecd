//! What kubeadm keeps in a cluster for nodes that come later: roles, their bindings, configMaps. Pure.

use super::settings::{ClusterSettings, NODE_TOKEN_GROUP};
use serde_json::{Value, json};

/// An object with the place of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    prefix: &'static str,
    plural: &'static str,
    /// The object.
    pub value: Value,
}

impl Object {
    /// The object's path.
    pub fn path(&self) -> String {
        let metadata = &self.value["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        match metadata["namespace"].as_str() {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}/{name}", self.prefix, self.plural),
            None => format!("{}/{}/{name}", self.prefix, self.plural),
        }
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const RBAC_PREFIX: &str = "/apis/rbac.authorization.k8s.io/v1";
const NODES_GROUP: &str = "system:nodes";
const REQUESTS: &str = "system:certificates.k8s.io:certificatesigningrequests";
const SYSTEM: &str = "kube-system";
const PUBLIC: &str = "kube-public";

fn group(name: &str) -> Value {
    json!({"apiGroup": RBAC, "kind": "Group", "name": name})
}

fn cluster_binding(name: &str, role: &str, subjects: Value) -> Object {
    let value = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}, "subjects": subjects,
    });
    Object { prefix: RBAC_PREFIX, plural: "clusterrolebindings", value }
}

/// A role that may read one configMap, and who has it.
fn config_map_reader(name: &str, namespace: &str, map: &str, subjects: Value) -> [Object; 2] {
    let role = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "Role", "metadata": {"name": name, "namespace": namespace},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [map], "verbs": ["get"]}],
    });
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name}, "subjects": subjects,
    });
    [
        Object { prefix: RBAC_PREFIX, plural: "roles", value: role },
        Object { prefix: RBAC_PREFIX, plural: "rolebindings", value: binding },
    ]
}

fn config_map(name: &str, namespace: &str, data: Value) -> Object {
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data,
    });
    Object { prefix: "/api/v1", plural: "configmaps", value }
}

/// What makes `admin.conf` an administrator's.
pub fn administrators() -> Object {
    cluster_binding("kubeadm:cluster-admins", "cluster-admin", json!([group("kubeadm:cluster-admins")]))
}

/// The configuration of the cluster, for `join`, and who may read it.
pub fn kubeadm_config(settings: &ClusterSettings) -> Vec<Object> {
    let text = api::codec::encode_yaml(&settings.cluster_configuration());
    let mut objects = vec![config_map("kubeadm-config", SYSTEM, json!({"ClusterConfiguration": text}))];
    let readers = json!([group(NODE_TOKEN_GROUP), group(NODES_GROUP)]);
    objects.extend(config_map_reader("kubeadm:nodes-kubeadm-config", SYSTEM, "kubeadm-config", readers));
    objects
}

/// The configuration of kubelets, for `join`, and who may read it.
pub fn kubelet_config(configuration: &Value) -> Vec<Object> {
    let text = api::codec::encode_yaml(configuration);
    let mut objects = vec![config_map("kubelet-config", SYSTEM, json!({"kubelet": text}))];
    let readers = json!([group(NODES_GROUP), group(NODE_TOKEN_GROUP)]);
    objects.extend(config_map_reader("kubeadm:kubelet-config", SYSTEM, "kubelet-config", readers));
    objects
}

/// What the holder of a token may do: look at nodes, ask for a certificate, and get it without anyone's approval.
pub fn node_bootstrap() -> Vec<Object> {
    let get_nodes = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": "kubeadm:get-nodes"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
    });
    let bootstrappers = json!([group(NODE_TOKEN_GROUP)]);
    vec![
        Object { prefix: RBAC_PREFIX, plural: "clusterroles", value: get_nodes },
        cluster_binding("kubeadm:get-nodes", "kubeadm:get-nodes", bootstrappers.clone()),
        cluster_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", bootstrappers.clone()),
        cluster_binding("kubeadm:node-autoapprove-bootstrap", &format!("{REQUESTS}:nodeclient"), bootstrappers),
        node_rotation(),
    ]
}

/// Nodes get their next certificate without anyone's approval.
pub fn node_rotation() -> Object {
    let name = "kubeadm:node-autoapprove-certificate-rotation";
    cluster_binding(name, &format!("{REQUESTS}:selfnodeclient"), json!([group(NODES_GROUP)]))
}

/// Every kubelet has kube-proxy's part built in, and so reads what kube-proxy reads.
pub fn node_proxier() -> Object {
    cluster_binding("pintle:node-proxier", "system:node-proxier", json!([group(NODES_GROUP)]))
}

/// How a stranger finds the cluster: address and authority, signed with each token by the bootstrap signer.
pub fn cluster_info(server: &str, ca_pem: &str) -> Vec<Object> {
    use base64::Engine;
    let authority = base64::engine::general_purpose::STANDARD.encode(ca_pem);
    let kubeconfig = json!({
        "apiVersion": "v1",
        "clusters": [{"cluster": {"certificate-authority-data": authority, "server": server}, "name": ""}],
        "contexts": null,
        "current-context": "",
        "kind": "Config",
        "users": null,
    });
    let text = api::codec::encode_yaml(&kubeconfig);
    let mut objects = vec![config_map("cluster-info", PUBLIC, json!({"kubeconfig": text}))];
    let anyone = json!([{"apiGroup": RBAC, "kind": "User", "name": "system:anonymous"}]);
    objects.extend(config_map_reader("kubeadm:bootstrap-signer-clusterinfo", PUBLIC, "cluster-info", anyone));
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(
            administrators().path(),
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kubeadm:cluster-admins"
        );
        let info = cluster_info("https://10.0.0.5:6443", "CA");
        assert_eq!(info[0].path(), "/api/v1/namespaces/kube-public/configmaps/cluster-info");
        assert_eq!(
            info[1].path(),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-public/roles/kubeadm:bootstrap-signer-clusterinfo"
        );
    }
}
