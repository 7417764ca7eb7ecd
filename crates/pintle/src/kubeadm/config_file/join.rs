//! `join --config`: the JoinConfiguration. Pure.

use super::{ConfigFileError, NodeRegistration, VERSION, strict};
use crate::kubeadm::settings::JoinSettings;
use kubelet::parse_duration;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JoinConfiguration {
    discovery: Discovery,
    node_registration: NodeRegistration,
    timeouts: Timeouts,
    #[serde(rename = "caCertPath")]
    ca_cert_path: String,
    control_plane: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Discovery {
    bootstrap_token: Option<BootstrapTokenDiscovery>,
    file: Option<FileDiscovery>,
    tls_bootstrap_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BootstrapTokenDiscovery {
    token: String,
    #[serde(rename = "apiServerEndpoint")]
    api_server_endpoint: String,
    #[serde(rename = "caCertHashes")]
    ca_cert_hashes: Vec<String>,
    #[serde(rename = "unsafeSkipCAVerification")]
    unsafe_skip_ca_verification: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FileDiscovery {
    kube_config_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Timeouts {
    discovery: Option<String>,
}

/// Takes over what the documents for `join` say.
///
/// # Errors
/// [`ConfigFileError`]
pub fn apply(settings: &mut JoinSettings, documents: &[Value]) -> Result<(), ConfigFileError> {
    for document in documents {
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        match (text("apiVersion").as_str(), text("kind").as_str()) {
            (VERSION, "JoinConfiguration") => apply_one(settings, document)?,
            (VERSION, "InitConfiguration" | "ClusterConfiguration") => {
                eprintln!("warning: {} is not used by join and is ignored", text("kind"));
            }
            (version, kind) => {
                return Err(ConfigFileError::Kind { version: version.to_owned(), kind: kind.to_owned() });
            }
        }
    }
    Ok(())
}

fn apply_one(settings: &mut JoinSettings, document: &Value) -> Result<(), ConfigFileError> {
    let file: JoinConfiguration = strict::decode("JoinConfiguration", document)?;
    let invalid = |field, value: &str| ConfigFileError::Invalid { field, value: value.to_owned() };
    if file.control_plane.is_some() {
        return Err(invalid("controlPlane", "further control planes are not part of this build"));
    }
    if !["", "/etc/kubernetes/pki/ca.crt"].contains(&file.ca_cert_path.as_str()) {
        return Err(invalid("caCertPath", &file.ca_cert_path));
    }
    let token = |field, text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| invalid(field, text)),
    };
    if let Some(discovery) = file.discovery.bootstrap_token {
        settings.token = token("discovery.bootstrapToken.token", &discovery.token)?;
        settings.endpoint = Some(discovery.api_server_endpoint).filter(|endpoint| !endpoint.is_empty());
        settings.ca_cert_hashes = discovery.ca_cert_hashes;
        settings.skips_ca_verification = discovery.unsafe_skip_ca_verification;
    }
    settings.tls_bootstrap_token = token("discovery.tlsBootstrapToken", &file.discovery.tls_bootstrap_token)?;
    settings.file = file.discovery.file.map(|file| PathBuf::from(file.kube_config_path));
    let registration = &file.node_registration;
    if !registration.name.is_empty() {
        settings.node_name.clone_from(&registration.name);
    }
    settings.taints.clone_from(&registration.taints);
    settings.kubelet_extra_args = registration.extra_args();
    settings.ignored_checks.clone_from(&registration.ignore_preflight_errors);
    if let Some(limit) = &file.timeouts.discovery {
        settings.discovery_limit = parse_duration(limit).ok_or_else(|| invalid("timeouts.discovery", limit))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str) -> Result<JoinSettings, ConfigFileError> {
        let mut settings = JoinSettings::new("host".to_owned());
        apply(&mut settings, &super::super::documents(text)?)?;
        Ok(settings)
    }

    #[test]
    fn a_whole_file() {
        let settings = applied(
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery:\n  bootstrapToken:\n    \
             apiServerEndpoint: 10.0.0.5:6443\n    token: abcdef.0123456789abcdef\n    caCertHashes: ['sha256:00']\n\
             nodeRegistration:\n  name: worker\n  kubeletExtraArgs: [{name: v, value: '4'}]\n  \
             ignorePreflightErrors: [Swap]\ntimeouts:\n  discovery: 2s\n",
        )
        .unwrap();
        assert_eq!(settings.endpoint.as_deref(), Some("10.0.0.5:6443"));
        assert_eq!((settings.node_name.as_str(), settings.discovery_limit.as_secs()), ("worker", 2));
        assert_eq!(settings.kubelet_extra_args, [("v".to_owned(), "4".to_owned())]);
        assert_eq!(settings.ignored_checks, ["Swap"]);
        assert!(settings.token.is_some() && settings.tls_bootstrap_token.is_none());
    }

    #[test]
    fn what_upstream_does_not_have_is_named_with_its_path() {
        let head = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n";
        let error = applied(&format!("{head}discovery:\n  bootstrapToken:\n    tokn: a\nnodes: 1\n")).unwrap_err();
        let words = "unknown field \"discovery.bootstrapToken.tokn\", unknown field \"nodes\"";
        assert!(error.to_string().contains("Kind:\"JoinConfiguration\"}: strict decoding error: "), "{error}");
        assert!(error.to_string().ends_with(words), "{error}");
        assert!(applied(&format!("{head}controlPlane: {{}}\n")).is_err());
        assert!(applied(&format!("{head}timeouts: {{discovery: soon}}\n")).is_err());
        assert!(applied(&format!("{head}dryRun: false\ntimeouts: {{tlsBootstrap: 1m}}\n")).is_ok());
    }
}
