//! `--config`: kubeadm.k8s.io/v1beta4 documents, as far as their fields mean something here. Fields that mean nothing are
//! named in a warning; unknown ones and other kinds of documents are refused. Pure but for [`read`].

pub mod join;
mod strict;

use super::settings::{ClusterSettings, ComponentSettings, Datastore, ExtraArgs, ExtraVolume, TokenSettings};
use kubelet::parse_duration;
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const VERSION: &str = "kubeadm.k8s.io/v1beta4";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// Reading.
    #[error("unable to read config from {path:?}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// YAML.
    #[error("error unmarshaling configuration: {0}")]
    Yaml(String),
    /// A kind or version that is none of ours.
    #[error("no kind {kind:?} is registered for version {version:?}")]
    Kind {
        /// `apiVersion`
        version: String,
        /// `kind`
        kind: String,
    },
    /// A field of a wrong type.
    #[error("error unmarshaling configuration {kind}: {source}")]
    Decode {
        /// Of which document.
        kind: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Fields that upstream does not have either.
    #[error(
        "error unmarshaling configuration schema.GroupVersionKind{{Group:\"kubeadm.k8s.io\", Version:\"v1beta4\", Kind:\"{kind}\"}}: strict decoding error: {fields}"
    )]
    Unknown {
        /// Of which document.
        kind: &'static str,
        /// `unknown field "a.b"`, separated by commas.
        fields: String,
    },
    /// A value that cannot be.
    #[error("{field}: Invalid value: {value:?}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What it is.
        value: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InitConfiguration {
    bootstrap_tokens: Vec<Token>,
    node_registration: NodeRegistration,
    #[serde(rename = "localAPIEndpoint")]
    local_api_endpoint: Endpoint,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    token: String,
    ttl: Option<String>,
    usages: Vec<String>,
    groups: Vec<String>,
    description: String,
}

/// `nodeRegistration`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeRegistration {
    /// The node's name; empty: the host's.
    pub name: String,
    /// `None`: kubeadm's.
    pub taints: Option<Vec<Value>>,
    /// Preflight checks whose errors are warnings.
    pub ignore_preflight_errors: Vec<String>,
    kubelet_extra_args: Vec<Argument>,
}

impl NodeRegistration {
    /// `kubeletExtraArgs`
    pub fn extra_args(&self) -> ExtraArgs {
        arguments(&self.kubelet_extra_args)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Endpoint {
    advertise_address: Option<IpAddr>,
    bind_port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterConfiguration {
    etcd: Etcd,
    networking: Networking,
    control_plane_endpoint: String,
    api_server: Component,
    controller_manager: Component,
    scheduler: Component,
    cluster_name: String,
    kubernetes_version: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Etcd {
    local: Option<LocalEtcd>,
    external: Option<ExternalEtcd>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LocalEtcd {
    data_dir: String,
    extra_args: Vec<Argument>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExternalEtcd {
    endpoints: Vec<String>,
    ca_file: String,
    cert_file: String,
    key_file: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Networking {
    pod_subnet: String,
    service_subnet: String,
    dns_domain: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Component {
    extra_args: Vec<Argument>,
    extra_volumes: Vec<Volume>,
    #[serde(rename = "certSANs")]
    cert_sans: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Volume {
    name: String,
    host_path: String,
    mount_path: String,
    read_only: bool,
    path_type: String,
}

fn arguments(all: &[Argument]) -> ExtraArgs {
    all.iter().map(|one| (one.name.clone(), one.value.clone())).collect()
}

/// The documents of a file.
///
/// # Errors
/// [`ConfigFileError`]
pub fn read(path: &Path) -> Result<Vec<Value>, ConfigFileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigFileError::Read { path: path.to_owned(), source })?;
    documents(&text)
}

fn documents(text: &str) -> Result<Vec<Value>, ConfigFileError> {
    let lines: Vec<&str> = text.lines().collect();
    let parts = lines.split(|line| line.trim_end() == "---").map(|part| part.join("\n"));
    let decode = |part: String| {
        api::codec::decode_yaml(part.as_bytes())
            .map(|decoded| decoded.value)
            .map_err(|error| ConfigFileError::Yaml(error.to_string()))
    };
    let all = parts.map(decode).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

/// Takes over what the documents for `init` say.
///
/// # Errors
/// [`ConfigFileError`]
pub fn apply_init(settings: &mut ClusterSettings, documents: &[Value]) -> Result<(), ConfigFileError> {
    for document in documents {
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        match (text("apiVersion").as_str(), text("kind").as_str()) {
            (VERSION, "InitConfiguration") => apply_init_configuration(settings, document)?,
            (VERSION, "ClusterConfiguration") => apply_cluster(settings, document)?,
            ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") => {
                settings.kubelet_configuration = document.clone();
            }
            (VERSION, "JoinConfiguration") | ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration") => {
                eprintln!("warning: {} is not used by init and is ignored", text("kind"));
            }
            (version, kind) => {
                return Err(ConfigFileError::Kind { version: version.to_owned(), kind: kind.to_owned() });
            }
        }
    }
    Ok(())
}

fn apply_init_configuration(settings: &mut ClusterSettings, document: &Value) -> Result<(), ConfigFileError> {
    let file: InitConfiguration = strict::decode("InitConfiguration", document)?;
    if !file.bootstrap_tokens.is_empty() {
        settings.tokens = file.bootstrap_tokens.iter().map(token).collect::<Result<_, _>>()?;
    }
    let endpoint = &file.local_api_endpoint;
    settings.advertise_address = endpoint.advertise_address.unwrap_or(settings.advertise_address);
    settings.bind_port = endpoint.bind_port.unwrap_or(settings.bind_port);
    if !file.node_registration.name.is_empty() {
        settings.node_name.clone_from(&file.node_registration.name);
    }
    settings.taints.clone_from(&file.node_registration.taints);
    settings.kubelet_extra_args = file.node_registration.extra_args();
    settings.ignored_checks.clone_from(&file.node_registration.ignore_preflight_errors);
    Ok(())
}

fn token(from: &Token) -> Result<TokenSettings, ConfigFileError> {
    let mut settings = TokenSettings { description: from.description.clone(), ..TokenSettings::default() };
    let invalid = |field, value: &str| ConfigFileError::Invalid { field, value: value.to_owned() };
    if !from.token.is_empty() {
        let parsed = from.token.parse().map_err(|_| invalid("bootstrapTokens.token", &from.token))?;
        settings.token = Some(parsed);
    }
    if let Some(ttl) = &from.ttl {
        settings.ttl = parse_duration(ttl).ok_or_else(|| invalid("bootstrapTokens.ttl", ttl))?;
    }
    if !from.usages.is_empty() {
        settings.usages.clone_from(&from.usages);
    }
    if !from.groups.is_empty() {
        settings.groups.clone_from(&from.groups);
    }
    Ok(settings)
}

fn apply_cluster(settings: &mut ClusterSettings, document: &Value) -> Result<(), ConfigFileError> {
    let file: ClusterConfiguration = strict::decode("ClusterConfiguration", document)?;
    if let Some(version) = file.kubernetes_version.as_str().filter(|version| *version != kubelet::KUBELET_VERSION) {
        eprintln!("warning: kubernetesVersion: {version:?} is not what this build is: {}", kubelet::KUBELET_VERSION);
    }
    for (to, from) in [
        (&mut settings.pod_subnet, &file.networking.pod_subnet),
        (&mut settings.service_subnet, &file.networking.service_subnet),
        (&mut settings.dns_domain, &file.networking.dns_domain),
        (&mut settings.cluster_name, &file.cluster_name),
    ] {
        if !from.is_empty() {
            to.clone_from(from);
        }
    }
    if !file.control_plane_endpoint.is_empty() {
        settings.control_plane_endpoint = Some(file.control_plane_endpoint.clone());
    }
    settings.cert_sans.extend(file.api_server.cert_sans.iter().cloned());
    settings.api_server = component(&file.api_server);
    settings.controller_manager = component(&file.controller_manager);
    settings.scheduler = component(&file.scheduler);
    let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
    if let Some(external) = &file.etcd.external {
        settings.datastore = Datastore::ExternalEtcd {
            endpoints: external.endpoints.clone(),
            ca_file: path(&external.ca_file),
            client: path(&external.cert_file).zip(path(&external.key_file)),
        };
    } else if let Some(local) = &file.etcd.local {
        let directory = path(&local.data_dir).unwrap_or_else(|| PathBuf::from(super::settings::ETCD_DIR));
        settings.datastore = Datastore::LocalEtcd(directory);
        settings.etcd_extra_args = arguments(&local.extra_args);
    }
    Ok(())
}

fn component(from: &Component) -> ComponentSettings {
    let volumes = from.extra_volumes.iter().map(|v| ExtraVolume {
        name: v.name.clone(),
        host_path: v.host_path.clone(),
        mount_path: v.mount_path.clone(),
        read_only: v.read_only,
        path_type: v.path_type.clone(),
    });
    ComponentSettings { extra_args: arguments(&from.extra_args), extra_volumes: volumes.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
  ttl: 48h0m0s
localAPIEndpoint:
  advertiseAddress: 10.0.0.5
nodeRegistration:
  name: master
  taints: []
  kubeletExtraArgs:
  - name: v
    value: '4'
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking:
  podSubnet: 10.10.0.0/16
apiServer:
  certSANs: [api.example]
  extraArgs:
  - name: event-ttl
    value: 2h
etcd:
  external:
    endpoints: ['https://etcd:2379']
    caFile: /etc/etcd/ca.crt
    certFile: /etc/etcd/c.crt
    keyFile: /etc/etcd/c.key
";

    #[test]
    fn both_documents_are_taken_over() {
        let mut settings = ClusterSettings::default();
        apply_init(&mut settings, &documents(FILE).unwrap()).unwrap();
        assert_eq!((settings.node_name.as_str(), settings.pod_subnet.as_str()), ("master", "10.10.0.0/16"));
        assert_eq!(settings.tokens[0].ttl.as_secs(), 48 * 3600);
        assert_eq!(settings.taints, Some(Vec::new()));
        assert_eq!(settings.kubelet_extra_args, [("v".to_owned(), "4".to_owned())]);
        assert_eq!(settings.api_server.extra_args, [("event-ttl".to_owned(), "2h".to_owned())]);
        assert!(matches!(&settings.datastore, Datastore::ExternalEtcd { client: Some(_), .. }));
        assert_eq!(settings.service_subnet, "10.96.0.0/12", "what the file leaves out stays");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for text in [
            "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n",
            "apiVersion: v1\nkind: Pod\n",
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens: 7\n",
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens:\n- tok: a\n",
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArg: []\n",
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens:\n- token: short\n",
        ] {
            let documents = documents(text).unwrap();
            assert!(apply_init(&mut ClusterSettings::default(), &documents).is_err(), "{text}");
        }
        assert!(documents("a: [").is_err());
    }
}
