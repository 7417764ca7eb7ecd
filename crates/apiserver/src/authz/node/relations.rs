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
        "resourceslices" => {
            let slice = reader.get("resource.k8s.io", "resourceslices", "", name);
            slice.is_some_and(|slice| slice["spec"]["nodeName"] == node)
        }
        "secrets" => {
            pod_refers(reader, node, resource, namespace, name) || volume_refers(reader, node, namespace, name)
        }
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
    let volume = reader.get("", "persistentvolumes", "", name);
    volume.is_some_and(|volume| is_claimed(reader, node, &volume))
}

/// Whether a volume that something on the node has claimed needs the secret to be mounted there.
fn volume_refers(reader: &SharedReader, node: &str, namespace: &str, secret: &str) -> bool {
    let volumes = reader.list("", "persistentvolumes", None);
    let needs = |volume: &&std::sync::Arc<Value>| volume_secrets(volume).contains(&(namespace, secret));
    volumes.iter().filter(needs).any(|volume| is_claimed(reader, node, volume))
}

/// Namespace and name of the secrets that a kubelet needs for a volume (`pvutil.VisitPVSecretNames`). Those that are said
/// without a namespace are of the claim's.
fn volume_secrets(volume: &Value) -> Vec<(&str, &str)> {
    let spec = &volume["spec"];
    let own = spec["claimRef"]["namespace"].as_str().unwrap_or_default();
    let file = &spec["azureFile"];
    let references =
        ["cephfs", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"].map(|driver| &spec[driver]["secretRef"]);
    let of_csi = ["nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"].map(|field| &spec["csi"][field]);
    let mut all: Vec<(&Value, &Value)> = vec![(&file["secretNamespace"], &file["secretName"])];
    all.extend(references.iter().chain(&of_csi).map(|reference| (&reference["namespace"], &reference["name"])));
    let named = all.into_iter().filter_map(|(namespace, name)| {
        let namespace = namespace.as_str().filter(|namespace| !namespace.is_empty()).unwrap_or(own);
        Some((namespace, name.as_str()?))
    });
    named.collect()
}

fn is_claimed(reader: &SharedReader, node: &str, volume: &Value) -> bool {
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
        "resourceclaims" => device_claims(pod).any(|claim| claim == name),
        _ => false,
    }
}

/// The claims of devices that a pod uses: those it names, and those that were made for it.
fn device_claims(pod: &Value) -> impl Iterator<Item = &str> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let named = list(&spec["resourceClaims"]).map(|claim| &claim["resourceClaimName"]);
    let made = list(&status["resourceClaimStatuses"]).map(|claim| &claim["resourceClaimName"]);
    let extended = &status["extendedResourceClaimStatus"]["resourceClaimName"];
    named.chain(made).chain([extended]).filter_map(Value::as_str)
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
