//! Decoding a kubeadm document: fields that upstream does not have are errors, with their paths, in the words of
//! upstream's strict decoder; fields that upstream has and that mean nothing here are warned of. Pure but for the warning.

use super::ConfigFileError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Fields of kubeadm.k8s.io/v1beta4 that mean nothing here; what is below them goes with them.
const WITHOUT_MEANING: [(&str, &[&str]); 3] = [
    (
        "InitConfiguration",
        &[
            "certificateKey",
            "skipPhases",
            "patches",
            "timeouts",
            "dryRun",
            "nodeRegistration.criSocket",
            "nodeRegistration.imagePullPolicy",
            "nodeRegistration.imagePullSerial",
        ],
    ),
    (
        "ClusterConfiguration",
        &[
            "certificatesDir",
            "imageRepository",
            "featureGates",
            "dns",
            "proxy",
            "encryptionAlgorithm",
            "caCertificateValidityPeriod",
            "certificateValidityPeriod",
            "apiServer.extraEnvs",
            "controllerManager.extraEnvs",
            "scheduler.extraEnvs",
            "etcd.local.imageRepository",
            "etcd.local.imageTag",
            "etcd.local.extraEnvs",
            "etcd.local.serverCertSANs",
            "etcd.local.peerCertSANs",
            "etcd.external.httpEndpoints",
        ],
    ),
    (
        "JoinConfiguration",
        &[
            "skipPhases",
            "patches",
            "dryRun",
            "nodeRegistration.criSocket",
            "nodeRegistration.imagePullPolicy",
            "nodeRegistration.imagePullSerial",
            "timeouts.controlPlaneComponentHealthCheck",
            "timeouts.kubeletHealthCheck",
            "timeouts.kubernetesAPICall",
            "timeouts.etcdAPICall",
            "timeouts.tlsBootstrap",
            "timeouts.upgradeManifests",
        ],
    ),
];

/// Takes a document over.
///
/// # Errors
/// [`ConfigFileError::Decode`], [`ConfigFileError::Unknown`]
pub fn decode<T: DeserializeOwned>(kind: &'static str, document: &Value) -> Result<T, ConfigFileError> {
    let mut over = Vec::new();
    let decoded = serde_ignored::deserialize(document, |path| over.push(upstream_path(&path.to_string())))
        .map_err(|source| ConfigFileError::Decode { kind, source })?;
    let known = WITHOUT_MEANING.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, fields)| fields);
    let is_known = |path: &String| {
        known.iter().any(|field| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    over.retain(|path| path != "apiVersion" && path != "kind");
    let (without_meaning, unknown): (Vec<String>, Vec<String>) = over.into_iter().partition(is_known);
    if !unknown.is_empty() {
        let fields = unknown.iter().map(|path| format!("unknown field {path:?}")).collect::<Vec<_>>();
        return Err(ConfigFileError::Unknown { kind, fields: fields.join(", ") });
    }
    for field in without_meaning.iter().filter(|field| *field != "certificatesDir") {
        eprintln!("warning: {kind}: the field {field:?} has no meaning in this build and is ignored");
    }
    Ok(decoded)
}

/// `a.0.?.b` is `a[0].b` with upstream.
fn upstream_path(path: &str) -> String {
    let mut text = String::new();
    for segment in path.split('.').filter(|segment| *segment != "?") {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(&format!("[{segment}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(segment);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_upstreams() {
        assert_eq!(upstream_path("bootstrapTokens.0.?.foo"), "bootstrapTokens[0].foo");
        assert_eq!(upstream_path("etcd.?.local.?.bar"), "etcd.local.bar");
    }
}
