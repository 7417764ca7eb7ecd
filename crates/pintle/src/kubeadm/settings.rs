//! What a cluster made by `init` looks like: flags and configuration file brought together. Pure.

use crate::roles::images::DEFAULT_ROOT;
use certs::BootstrapToken;
use kubelet::KUBELET_VERSION;
use network::Cidr;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// kubeadm's directory.
pub const KUBERNETES_DIR: &str = "/etc/kubernetes";
/// Where the embedded store of a control plane keeps its file.
pub const EMBEDDED_DIR: &str = "/var/lib/pintle/server";
/// Where a local etcd keeps its files.
pub const ETCD_DIR: &str = "/var/lib/etcd";
/// The image that the control plane's static pods run.
pub const IMAGE: &str = "localhost/pintle";
/// The image of a local etcd.
pub const ETCD_IMAGE: &str = "localhost/etcd";
/// kubeadm's port of the API server.
pub const API_PORT: u16 = 6443;

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datastore {
    /// In the API server's own process, in this directory.
    Embedded(PathBuf),
    /// An etcd of this node, as a static pod, with this data directory.
    LocalEtcd(PathBuf),
    /// An etcd elsewhere.
    ExternalEtcd {
        /// URLs.
        endpoints: Vec<String>,
        /// Who signs its certificate.
        ca_file: Option<PathBuf>,
        /// The certificate and key to show.
        client: Option<(PathBuf, PathBuf)>,
    },
}

/// More flags for a component, or other values: `extraArgs`.
pub type ExtraArgs = Vec<(String, String)>;

/// A directory or file of the host in a component's pod: `extraVolumes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraVolume {
    /// Name of the volume.
    pub name: String,
    /// On the host.
    pub host_path: String,
    /// In the container.
    pub mount_path: String,
    /// Not to be written.
    pub read_only: bool,
    /// `DirectoryOrCreate`, …; empty: anything.
    pub path_type: String,
}

/// What `extraArgs` and `extraVolumes` say about one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentSettings {
    /// Flags.
    pub extra_args: ExtraArgs,
    /// Volumes.
    pub extra_volumes: Vec<ExtraVolume>,
}

/// The cluster.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// This node.
    pub node_name: String,
    /// `localAPIEndpoint.advertiseAddress`
    pub advertise_address: IpAddr,
    /// `localAPIEndpoint.bindPort`
    pub bind_port: u16,
    /// `controlPlaneEndpoint`: a name or address that outlives this node; without a port, [`Self::bind_port`] is meant.
    pub control_plane_endpoint: Option<String>,
    /// `networking.podSubnet`
    pub pod_subnet: String,
    /// `networking.serviceSubnet`
    pub service_subnet: String,
    /// `networking.dnsDomain`
    pub dns_domain: String,
    /// `clusterName`
    pub cluster_name: String,
    /// `apiServer.certSANs`
    pub cert_sans: Vec<String>,
    /// Where objects are kept.
    pub datastore: Datastore,
    /// `bootstrapTokens`; empty: one is made.
    pub tokens: Vec<TokenSettings>,
    /// `apiServer`
    pub api_server: ComponentSettings,
    /// `controllerManager`
    pub controller_manager: ComponentSettings,
    /// `scheduler`
    pub scheduler: ComponentSettings,
    /// `etcd.local.extraArgs`
    pub etcd_extra_args: ExtraArgs,
    /// `nodeRegistration.taints`: `None`: kubeadm's; empty: none.
    pub taints: Option<Vec<Value>>,
    /// `nodeRegistration.kubeletExtraArgs`
    pub kubelet_extra_args: ExtraArgs,
    /// A KubeletConfiguration; its fields win over ours.
    pub kubelet_configuration: Value,
    /// Images and containers.
    pub runtime_root: PathBuf,
    /// `nodeRegistration.ignorePreflightErrors`
    pub ignored_checks: Vec<String>,
}

/// How a node joins.
#[derive(Clone, Debug)]
pub struct JoinSettings {
    /// This node.
    pub node_name: String,
    /// `discovery.bootstrapToken.apiServerEndpoint`: `host:port`.
    pub endpoint: Option<String>,
    /// `discovery.bootstrapToken.token`
    pub token: Option<BootstrapToken>,
    /// `discovery.tlsBootstrapToken`; `None`: [`Self::token`].
    pub tls_bootstrap_token: Option<BootstrapToken>,
    /// `discovery.bootstrapToken.caCertHashes`: `sha256:<hex>`.
    pub ca_cert_hashes: Vec<String>,
    /// `discovery.bootstrapToken.unsafeSkipCAVerification`
    pub skips_ca_verification: bool,
    /// `discovery.file.kubeConfigPath`
    pub file: Option<PathBuf>,
    /// `nodeRegistration.taints`
    pub taints: Option<Vec<Value>>,
    /// `nodeRegistration.kubeletExtraArgs`
    pub kubelet_extra_args: ExtraArgs,
    /// `nodeRegistration.ignorePreflightErrors`
    pub ignored_checks: Vec<String>,
    /// `timeouts.discovery`
    pub discovery_limit: Duration,
}

/// kubeadm's `timeouts.discovery`.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(300);

impl JoinSettings {
    /// kubeadm's defaults for a node.
    pub fn new(node_name: String) -> Self {
        Self {
            node_name,
            endpoint: None,
            token: None,
            tls_bootstrap_token: None,
            ca_cert_hashes: Vec::new(),
            skips_ca_verification: false,
            file: None,
            taints: None,
            kubelet_extra_args: Vec::new(),
            ignored_checks: Vec::new(),
            discovery_limit: DISCOVERY_LIMIT,
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// `None`: a new one.
    pub token: Option<BootstrapToken>,
    /// How long it lives; zero: for ever.
    pub ttl: Duration,
    /// `signing`, `authentication`.
    pub usages: Vec<String>,
    /// `system:bootstrappers:…`
    pub groups: Vec<String>,
    /// For people.
    pub description: String,
}

/// kubeadm's group of joining nodes.
pub const NODE_TOKEN_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";
/// kubeadm's life of a token.
pub const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            token: None,
            ttl: TOKEN_TTL,
            usages: vec!["signing".to_owned(), "authentication".to_owned()],
            groups: vec![NODE_TOKEN_GROUP.to_owned()],
            description: String::new(),
        }
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            advertise_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            bind_port: API_PORT,
            control_plane_endpoint: None,
            pod_subnet: "10.244.0.0/16".to_owned(),
            service_subnet: "10.96.0.0/12".to_owned(),
            dns_domain: "cluster.local".to_owned(),
            cluster_name: "kubernetes".to_owned(),
            cert_sans: Vec::new(),
            datastore: Datastore::Embedded(PathBuf::from(EMBEDDED_DIR)),
            tokens: Vec::new(),
            api_server: ComponentSettings::default(),
            controller_manager: ComponentSettings::default(),
            scheduler: ComponentSettings::default(),
            etcd_extra_args: Vec::new(),
            taints: None,
            kubelet_extra_args: Vec::new(),
            kubelet_configuration: Value::Null,
            runtime_root: PathBuf::from(DEFAULT_ROOT),
            ignored_checks: Vec::new(),
        }
    }
}

impl ClusterSettings {
    /// `https://` and [`Self::endpoint`].
    pub fn server_url(&self) -> String {
        format!("https://{}", self.endpoint())
    }

    /// Where others reach the API server: `host:port`.
    pub fn endpoint(&self) -> String {
        match &self.control_plane_endpoint {
            Some(endpoint) if endpoint.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
                endpoint.clone()
            }
            Some(endpoint) => format!("{endpoint}:{}", self.bind_port),
            None => self.local_endpoint(),
        }
    }

    /// This node's own API server: `address:port`.
    pub fn local_endpoint(&self) -> String {
        std::net::SocketAddr::new(self.advertise_address, self.bind_port).to_string()
    }

    /// Checks what the parser could not.
    ///
    /// # Errors
    /// All problems, each with its field, in kubeadm's words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (field, text) in
            [("networking.podSubnet", &self.pod_subnet), ("networking.serviceSubnet", &self.service_subnet)]
        {
            if text.parse::<Cidr>().is_err() {
                problems.push(format!("{field}: Invalid value: {text:?}: couldn't parse subnet"));
            }
        }
        if !api::names::dns1123_subdomain(&self.node_name).is_empty() {
            problems.push(format!(
                "nodeRegistration.name: Invalid value: {:?}: a lowercase RFC 1123 subdomain must consist of lower case \
                 alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
                self.node_name
            ));
        }
        if self.advertise_address.is_unspecified() || self.advertise_address.is_loopback() {
            problems.push(format!(
                "localAPIEndpoint.advertiseAddress: Invalid value: {:?}: other nodes cannot reach this node by it",
                self.advertise_address.to_string()
            ));
        }
        let tokens = self.tokens.iter().flat_map(|token| &token.groups);
        for group in tokens.filter(|group| !group.starts_with("system:bootstrappers:")) {
            problems.push(format!(
                "bootstrapTokens.groups: Invalid value: {group:?}: must start with \"system:bootstrappers:\""
            ));
        }
        problems
    }

    /// The address at `index` of the service range: 1 is the service `kubernetes`, 10 the cluster's DNS.
    pub fn service_address(&self, index: u32) -> String {
        let base = self.service_subnet.split('/').next().and_then(|text| text.parse::<Ipv4Addr>().ok());
        let base = base.map_or(0, u32::from);
        Ipv4Addr::from(base.saturating_add(index)).to_string()
    }

    /// The ClusterConfiguration, as the configMap `kubeadm-config` keeps it.
    pub fn cluster_configuration(&self) -> Value {
        let args = |args: &ExtraArgs| -> Value {
            args.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
        };
        let component = |component: &ComponentSettings| match component.extra_args.is_empty() {
            true => json!({}),
            false => json!({"extraArgs": args(&component.extra_args)}),
        };
        let etcd = match &self.datastore {
            Datastore::Embedded(_) => Value::Null,
            Datastore::LocalEtcd(dir) => json!({"local": {"dataDir": dir}}),
            Datastore::ExternalEtcd { endpoints, ca_file, client } => {
                let (cert, key) = client.clone().unzip();
                json!({"external": {"endpoints": endpoints, "caFile": ca_file, "certFile": cert, "keyFile": key}})
            }
        };
        let mut api_server = component(&self.api_server);
        if !self.cert_sans.is_empty() {
            api_server["certSANs"] = json!(self.cert_sans);
        }
        let mut document = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "apiServer": api_server,
            "certificatesDir": pki_dir(),
            "clusterName": self.cluster_name,
            "controllerManager": component(&self.controller_manager),
            "kubernetesVersion": KUBELET_VERSION,
            "networking": {
                "dnsDomain": self.dns_domain, "podSubnet": self.pod_subnet, "serviceSubnet": self.service_subnet,
            },
            "scheduler": component(&self.scheduler),
        });
        if !etcd.is_null() {
            document["etcd"] = etcd;
        }
        if let Some(endpoint) = &self.control_plane_endpoint {
            document["controlPlaneEndpoint"] = endpoint.as_str().into();
        }
        document
    }
}

/// `/etc/kubernetes/pki`
pub fn pki_dir() -> PathBuf {
    Path::new(KUBERNETES_DIR).join("pki")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_and_addresses() {
        let mut settings =
            ClusterSettings { advertise_address: "10.0.0.5".parse().unwrap(), ..ClusterSettings::default() };
        assert_eq!(settings.server_url(), "https://10.0.0.5:6443");
        settings.control_plane_endpoint = Some("api.example".to_owned());
        assert_eq!(settings.endpoint(), "api.example:6443");
        settings.control_plane_endpoint = Some("api.example:443".to_owned());
        assert_eq!(
            (settings.endpoint().as_str(), settings.local_endpoint().as_str()),
            ("api.example:443", "10.0.0.5:6443")
        );
        assert_eq!(settings.service_address(10), "10.96.0.10");
    }

    #[test]
    fn what_cannot_be_is_named_with_its_field() {
        let settings = ClusterSettings {
            node_name: "Master_1".to_owned(),
            pod_subnet: "10.0.0.0".to_owned(),
            ..ClusterSettings::default()
        };
        let fields: Vec<String> =
            settings.problems().iter().filter_map(|p| p.split_once(':').map(|(field, _)| field.to_owned())).collect();
        assert_eq!(fields, ["networking.podSubnet", "nodeRegistration.name", "localAPIEndpoint.advertiseAddress"]);
    }
}
