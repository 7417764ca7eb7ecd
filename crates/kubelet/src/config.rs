//! The kubelet's settings: upstream's `KubeletConfiguration` file and flags. Pure: whoever calls has read the file.
//!
//! Precedence as upstream: defaults, then the file, then flags.

use crate::paths::Paths;
pub use api::duration::parse_positive as parse_duration;
use k8s_openapi::api::core::v1::Taint;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

mod retention;

pub use retention::{Retention, RetentionFields};

/// The version that nodes report.
pub const KUBELET_VERSION: &str = "v1.36.2";

/// A URL that serves manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestUrl {
    /// `http://…` or `https://…`
    pub url: String,
    /// Headers of the request, in order.
    pub headers: Vec<(String, String)>,
}

/// How the kubelet runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The node's name.
    pub node_name: String,
    /// `--node-ip`: the node's addresses; empty: found out by the caller.
    pub node_ips: Vec<IpAddr>,
    /// Where things are kept.
    pub paths: Paths,
    /// `staticPodPath`, `--pod-manifest-path`: a file or directory.
    pub static_pod_path: Option<PathBuf>,
    /// `staticPodURL`, `--manifest-url` with its headers.
    pub static_pod_url: Option<ManifestUrl>,
    /// `fileCheckFrequency`
    pub file_check_frequency: Duration,
    /// `httpCheckFrequency`
    pub http_check_frequency: Duration,
    /// `clusterDNS`
    pub cluster_dns: Vec<String>,
    /// `clusterDomain`
    pub cluster_domain: String,
    /// `resolvConf`: the node's resolver settings.
    pub resolv_conf: PathBuf,
    /// `podCIDR`: the pods' range where there is no API server that gives the node one.
    pub pod_cidr: String,
    /// `maxPods`
    pub max_pods: i64,
    /// `podPidsLimit`; -1: none.
    pub pod_pids_limit: i64,
    /// `registerNode`
    pub register_node: bool,
    /// `registerWithTaints`
    pub register_with_taints: Vec<Taint>,
    /// `--node-labels`
    pub node_labels: BTreeMap<String, String>,
    /// `nodeStatusUpdateFrequency`: how often conditions are looked at.
    pub node_status_update_frequency: Duration,
    /// `nodeStatusReportFrequency`: how often an unchanged status is sent.
    pub node_status_report_frequency: Duration,
    /// `nodeLeaseDurationSeconds`
    pub node_lease_duration_seconds: i32,
    /// `cgroupDriver`: `cgroupfs` or `systemd`; handed on to the runtime.
    pub cgroup_driver: String,
    /// `cgroupRoot`: the cgroup above `kubepods`; empty for the top.
    pub cgroup_root: String,
    /// `systemReserved` and `kubeReserved`, added up: not allocatable.
    pub reserved: BTreeMap<String, String>,
    /// `port` of the HTTPS API.
    pub port: u16,
    /// `address` of the HTTPS API.
    pub address: IpAddr,
    /// `providerID`
    pub provider_id: String,
    /// `serializeImagePulls`
    pub serialize_image_pulls: bool,
    /// Amounts to report in place of the machine's: for tests and for nodes that share a machine.
    pub capacity: BTreeMap<String, String>,
    /// `allowedUnsafeSysctls`
    pub allowed_unsafe_sysctls: Vec<String>,
    /// How long images and logs are kept.
    pub retention: Retention,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            node_ips: Vec::new(),
            paths: Paths {
                root: PathBuf::from("/var/lib/kubelet"),
                pod_logs: PathBuf::from("/var/log/pods"),
                container_logs: PathBuf::from("/var/log/containers"),
            },
            static_pod_path: None,
            static_pod_url: None,
            file_check_frequency: Duration::from_secs(20),
            http_check_frequency: Duration::from_secs(20),
            cluster_dns: Vec::new(),
            cluster_domain: String::new(),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            pod_cidr: "10.244.0.0/24".to_owned(),
            max_pods: 110,
            pod_pids_limit: -1,
            register_node: true,
            register_with_taints: Vec::new(),
            node_labels: BTreeMap::new(),
            node_status_update_frequency: Duration::from_secs(10),
            node_status_report_frequency: Duration::from_secs(300),
            node_lease_duration_seconds: 40,
            cgroup_driver: "cgroupfs".to_owned(),
            cgroup_root: String::new(),
            reserved: BTreeMap::new(),
            port: 10250,
            address: IpAddr::from([0, 0, 0, 0]),
            provider_id: String::new(),
            serialize_image_pulls: false,
            capacity: BTreeMap::new(),
            allowed_unsafe_sysctls: Vec::new(),
            retention: Retention::default(),
        }
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not a KubeletConfiguration of a version that we know.
    #[error("no kind \"KubeletConfiguration\" is registered for version {api_version:?} and kind {kind:?}")]
    Kind {
        /// What the file says.
        api_version: String,
        /// What the file says.
        kind: String,
    },
    /// A field of a wrong type.
    #[error("decode KubeletConfiguration: {0}")]
    Decode(#[from] serde_json::Error),
    /// A value that cannot be.
    #[error("invalid configuration: {field}: Invalid value: {value:?}: {reason}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What it is.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// Values that do not go together, in upstream's words.
    #[error("invalid configuration: {0}")]
    Rule(String),
}

/// The fields of the file that this kubelet knows. Others are let pass, as upstream's lenient decoding does.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    static_pod_path: Option<String>,
    #[serde(rename = "staticPodURL")]
    static_pod_url: Option<String>,
    #[serde(rename = "staticPodURLHeader")]
    static_pod_url_header: Option<BTreeMap<String, Vec<String>>>,
    file_check_frequency: Option<String>,
    http_check_frequency: Option<String>,
    #[serde(rename = "clusterDNS")]
    cluster_dns: Option<Vec<String>>,
    cluster_domain: Option<String>,
    resolv_conf: Option<String>,
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
    max_pods: Option<i64>,
    pod_pids_limit: Option<i64>,
    register_node: Option<bool>,
    register_with_taints: Option<Vec<Taint>>,
    node_status_update_frequency: Option<String>,
    node_status_report_frequency: Option<String>,
    node_lease_duration_seconds: Option<i32>,
    cgroup_driver: Option<String>,
    cgroup_root: Option<String>,
    system_reserved: Option<BTreeMap<String, String>>,
    kube_reserved: Option<BTreeMap<String, String>>,
    port: Option<u16>,
    address: Option<IpAddr>,
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
    serialize_image_pulls: Option<bool>,
    pod_logs_dir: Option<String>,
    allowed_unsafe_sysctls: Option<Vec<String>>,
}

impl Config {
    /// `cgroupDriver`, `--cgroup-driver`.
    ///
    /// # Errors
    /// Neither `cgroupfs` nor `systemd`.
    pub fn set_cgroup_driver(&mut self, driver: String) -> Result<(), ConfigError> {
        if driver != "cgroupfs" && driver != "systemd" {
            let reason = "must be one of cgroupfs, systemd";
            return Err(ConfigError::Invalid { field: "cgroupDriver", value: driver, reason });
        }
        self.cgroup_driver = driver;
        Ok(())
    }

    /// Takes over what a configuration file says; `document` is the decoded YAML or JSON.
    ///
    /// # Errors
    /// Another kind of document, a field of a wrong type, a value that cannot be.
    pub fn apply_file(&mut self, document: &Value) -> Result<(), ConfigError> {
        let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if kind != "KubeletConfiguration" || api_version != "kubelet.config.k8s.io/v1beta1" {
            return Err(ConfigError::Kind { api_version, kind });
        }
        let file: File = serde_json::from_value(document.clone())?;
        self.retention.apply(&serde_json::from_value(document.clone())?)?;
        self.apply_sources(&file)?;
        let set = |to: &mut String, from: Option<String>| {
            if let Some(from) = from.filter(|f| !f.is_empty()) {
                *to = from;
            }
        };
        set(&mut self.cluster_domain, file.cluster_domain);
        set(&mut self.cgroup_root, file.cgroup_root);
        set(&mut self.pod_cidr, file.pod_cidr);
        set(&mut self.provider_id, file.provider_id);
        if let Some(driver) = file.cgroup_driver {
            self.set_cgroup_driver(driver)?;
        }
        self.cluster_dns = file.cluster_dns.unwrap_or_else(|| self.cluster_dns.clone());
        self.resolv_conf = file.resolv_conf.map_or_else(|| self.resolv_conf.clone(), PathBuf::from);
        self.paths.pod_logs = file.pod_logs_dir.map_or_else(|| self.paths.pod_logs.clone(), PathBuf::from);
        self.max_pods = file.max_pods.filter(|n| *n >= 0).unwrap_or(self.max_pods);
        self.pod_pids_limit = file.pod_pids_limit.unwrap_or(self.pod_pids_limit);
        self.register_node = file.register_node.unwrap_or(self.register_node);
        self.register_with_taints = file.register_with_taints.unwrap_or_else(|| self.register_with_taints.clone());
        self.node_lease_duration_seconds =
            file.node_lease_duration_seconds.filter(|s| *s > 0).unwrap_or(self.node_lease_duration_seconds);
        self.port = file.port.unwrap_or(self.port);
        self.address = file.address.unwrap_or(self.address);
        self.serialize_image_pulls = file.serialize_image_pulls.unwrap_or(self.serialize_image_pulls);
        self.allowed_unsafe_sysctls =
            file.allowed_unsafe_sysctls.unwrap_or_else(|| self.allowed_unsafe_sysctls.clone());
        for reserved in [file.system_reserved, file.kube_reserved].into_iter().flatten() {
            for (name, amount) in reserved {
                let quantity = |text: &str| {
                    crate::amount::Milli::of(&k8s_openapi::apimachinery::pkg::api::resource::Quantity(text.to_owned()))
                };
                let sum = quantity(&amount).0 + self.reserved.get(&name).map_or(0, |have| quantity(have).0);
                self.reserved.insert(name, crate::amount::Milli(sum).to_quantity(false).0);
            }
        }
        Ok(())
    }

    fn apply_sources(&mut self, file: &File) -> Result<(), ConfigError> {
        if let Some(path) = file.static_pod_path.as_ref().filter(|p| !p.is_empty()) {
            self.static_pod_path = Some(PathBuf::from(path));
        }
        if let Some(url) = file.static_pod_url.as_ref().filter(|u| !u.is_empty()) {
            let given = file.static_pod_url_header.iter().flatten();
            let headers = given.flat_map(|(name, values)| values.iter().map(|v| (name.clone(), v.clone()))).collect();
            self.static_pod_url = Some(ManifestUrl { url: url.clone(), headers });
        }
        let durations: [(&'static str, &Option<String>, &mut Duration); 4] = [
            ("fileCheckFrequency", &file.file_check_frequency, &mut self.file_check_frequency),
            ("httpCheckFrequency", &file.http_check_frequency, &mut self.http_check_frequency),
            ("nodeStatusUpdateFrequency", &file.node_status_update_frequency, &mut self.node_status_update_frequency),
            ("nodeStatusReportFrequency", &file.node_status_report_frequency, &mut self.node_status_report_frequency),
        ];
        for (field, text, to) in durations {
            let Some(text) = text else { continue };
            let parsed = parse_duration(text).ok_or_else(|| ConfigError::Invalid {
                field,
                value: text.clone(),
                reason: "must be a duration such as 20s",
            })?;
            // zero stands for the default
            if !parsed.is_zero() {
                *to = parsed;
            }
        }
        Ok(())
    }
}

/// Parses `--register-with-taints`: `key=value:Effect,key:Effect`.
pub fn parse_taints(text: &str) -> Option<Vec<Taint>> {
    let one = |item: &str| {
        let (key_value, effect) = item.rsplit_once(':')?;
        let (key, value) = key_value.split_once('=').unwrap_or((key_value, ""));
        let known = matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute");
        (known && !key.is_empty()).then(|| Taint {
            key: key.to_owned(),
            value: Some(value.to_owned()).filter(|v| !v.is_empty()),
            effect: effect.to_owned(),
            time_added: None,
        })
    };
    text.split(',').filter(|item| !item.is_empty()).map(one).collect()
}

/// Parses `--node-labels`: `key=value,key=value`.
pub fn parse_labels(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(|item| item.split_once('=').unwrap_or((item, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Parses one `--manifest-url-header`: `Name: value`.
pub fn parse_header(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests;
