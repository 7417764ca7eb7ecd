//! Whether a pod of a node refers to an object: upstream's graph, asked instead of kept.
//!
//! One question looks at the pods of one namespace that are bound to the node. Secrets are asked for once per pod and
//! watch, so that this is cheap enough; an index of pods by node in the watch cache would make it cheaper.

use crate::SharedReader;
use serde_json::Value;

/// Whether something that `node` runs refers to the object.
pub(super) fn exist(reader: &SharedReader, node: &str, resource: &str, namespace: &str, name: &str) -> bool {
    match resource {
        "pods" => reader.get("", "pods", namespace, name).is_some_and(|pod| pod["spec"]["nodeName"] == node),
        "persistentvolumes" => volume_is_claimed(reader, node, name),
        "volumeattachments" => {
            let attachment = reader.get("storage.k8s.io", "volumeattachments", "", name);
            attachment.is_some_and(|attachment| attachment["spec"]["nodeName"] == node)
        }
        _ => pod_refers(reader, node, resource, namespace, name),
    }
}

fn pod_refers(reader: &SharedReader, node: &str, resource: &str, namespace: &str, name: &str) -> bool {
    let pods = reader.list_where("", "pods", Some(namespace), "spec.nodeName", node);
    pods.iter().any(|pod| {
        // Mirror pods may refer to nothing; and the API must not grant what a node says of itself.
        pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null() && refers(pod, resource, name)
    })
}

fn volume_is_claimed(reader: &SharedReader, node: &str, name: &str) -> bool {
    let Some(volume) = reader.get("", "persistentvolumes", "", name) else {
        return false;
    };
    let claim = &volume["spec"]["claimRef"];
    match (claim["namespace"].as_str(), claim["name"].as_str()) {
        (Some(namespace), Some(claim)) => pod_refers(reader, node, "persistentvolumeclaims", namespace, claim),
        _ => false,
    }
}

/// Whether a pod refers to a secret, config map, claim or service account of its namespace
/// (`podutil.VisitPodSecretNames` and its siblings).
pub(crate) fn refers(pod: &Value, resource: &str, name: &str) -> bool {
    let spec = &pod["spec"];
    match resource {
        "serviceaccounts" => spec["serviceAccountName"] == name,
        "persistentvolumeclaims" => {
            let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
            list(&spec["volumes"]).any(|volume| {
                volume["persistentVolumeClaim"]["claimName"] == name
                    || (volume["ephemeral"].is_object()
                        && volume["name"].as_str().is_some_and(|own| name == format!("{pod_name}-{own}")))
            })
        }
        "secrets" => secret_names(spec).contains(&name),
        "configmaps" => config_map_names(spec).contains(&name),
        _ => false,
    }
}

/// All secrets that a pod's spec names.
pub(crate) fn secret_names(spec: &Value) -> Vec<&str> {
    let mut names: Vec<&Value> = list(&spec["imagePullSecrets"]).map(|reference| &reference["name"]).collect();
    for container in containers(spec) {
        names.extend(list(&container["env"]).map(|env| &env["valueFrom"]["secretKeyRef"]["name"]));
        names.extend(list(&container["envFrom"]).map(|env| &env["secretRef"]["name"]));
    }
    for volume in list(&spec["volumes"]) {
        names.push(&volume["secret"]["secretName"]);
        names.push(&volume["azureFile"]["secretName"]);
        for driver in ["cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"] {
            names.push(&volume[driver]["secretRef"]["name"]);
        }
        names.push(&volume["csi"]["nodePublishSecretRef"]["name"]);
        names.extend(list(&volume["projected"]["sources"]).map(|source| &source["secret"]["name"]));
    }
    names.into_iter().filter_map(Value::as_str).filter(|name| !name.is_empty()).collect()
}

/// All config maps that a pod's spec names.
pub(crate) fn config_map_names(spec: &Value) -> Vec<&str> {
    let mut names: Vec<&Value> = Vec::new();
    for container in containers(spec) {
        names.extend(list(&container["env"]).map(|env| &env["valueFrom"]["configMapKeyRef"]["name"]));
        names.extend(list(&container["envFrom"]).map(|env| &env["configMapRef"]["name"]));
    }
    for volume in list(&spec["volumes"]) {
        names.push(&volume["configMap"]["name"]);
        names.extend(list(&volume["projected"]["sources"]).map(|source| &source["configMap"]["name"]));
    }
    names.into_iter().filter_map(Value::as_str).filter(|name| !name.is_empty()).collect()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|member| list(&spec[member]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
