//! The files of a new cluster: certificates, kubeconfigs and what each node's kubelet starts from. What is there is
//! kept, so that a cluster comes back as it was.

use super::layout::{API_PORT, Layout, Node};
use crate::node_files::{self, NodeSettings};
use certs::{CertError, KubeconfigFile, Pki, PkiConfig};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// First address of the service range: the API server as pods see it.
const SERVICE_ADDRESS: &str = "10.96.0.1";

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Certificates, keys, kubeconfigs.
    #[error(transparent)]
    Certificates(#[from] CertError),
    /// Anything else.
    #[error("{path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes what is missing.
pub fn ensure(layout: &Layout, nodes: &[Node], api_port: u16, now: jiff::Timestamp) -> Result<(), FilesError> {
    let Some(master) = nodes.iter().find(|node| node.is_control_plane()) else { return Ok(()) };
    let config = PkiConfig {
        node_name: master.name.clone(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: SERVICE_ADDRESS.to_owned(),
        extra_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), master.address().to_string()],
        etcd_names: Vec::new(),
    };
    let pki = certs::ensure(&layout.node_path(&master.name, "/etc/kubernetes/pki"), &config, now)?;
    let inside = format!("https://{}:{API_PORT}", master.address());
    for which in [KubeconfigFile::Admin, KubeconfigFile::SuperAdmin] {
        let path = layout.node_path(&master.name, &format!("/etc/kubernetes/{}", which.file_name()));
        certs::write_kubeconfig(&path, &which, &inside, &pki.authority, now, false)?;
    }
    // the port on this machine may be another after every start
    let outside = format!("https://127.0.0.1:{api_port}");
    certs::write_kubeconfig(&layout.kubeconfig(), &KubeconfigFile::SuperAdmin, &outside, &pki.authority, now, true)?;
    // a cluster of one node has no other place for ordinary pods
    let tainted = nodes.len() > 1;
    nodes.iter().try_for_each(|node| node_files(layout, node, tainted, &pki, &inside, now))
}

fn node_files(
    layout: &Layout,
    node: &Node,
    tainted: bool,
    pki: &Pki,
    server: &str,
    now: jiff::Timestamp,
) -> Result<(), FilesError> {
    let at = |path: &str| layout.node_path(&node.name, path);
    let settings = NodeSettings {
        name: node.name.clone(),
        address: node.address().to_string(),
        cgroup_root: layout.node_cgroup(&node.name),
        is_tainted: tainted && node.is_control_plane(),
    };
    write_missing(&at(node_files::UNIT_PATH), node_files::KUBELET_SERVICE)?;
    write_missing(&at(node_files::DROP_IN_PATH), node_files::KUBEADM_DROP_IN)?;
    write_missing(&at(node_files::FLAGS_PATH), &node_files::flags_env(&settings))?;
    let config = format!("{:#}\n", node_files::kubelet_config(&settings));
    write_missing(&at(node_files::CONFIG_PATH), &config)?;
    write_missing(&at("/etc/kubernetes/pki/ca.crt"), pki.authority.certificate_pem())?;
    let manifests = at(node_files::MANIFESTS_PATH);
    fs::create_dir_all(&manifests).map_err(|source| FilesError::Write { path: manifests.clone(), source })?;
    let kubelet = KubeconfigFile::Kubelet(node.name.clone());
    certs::write_kubeconfig(&at("/etc/kubernetes/kubelet.conf"), &kubelet, server, &pki.authority, now, false)?;
    certs::write_kubeconfig(
        &at("/etc/kubernetes/kube-proxy.conf"),
        &KubeconfigFile::Proxy,
        server,
        &pki.authority,
        now,
        false,
    )?;
    let (certificate, key) = (at("/var/lib/kubelet/pki/kubelet.crt"), at("/var/lib/kubelet/pki/kubelet.key"));
    if !certificate.exists() {
        let names = [node.name.clone(), node.address().to_string()];
        let pair = pki.kubelet_serving(&node.name, &names, now)?;
        pair.write(&certificate, &key).map_err(CertError::from)?;
    }
    Ok(())
}

/// Each node finds the others by name; written at every start, since the list of nodes is the cluster's.
pub fn write_hosts(layout: &Layout, nodes: &[Node]) -> Result<(), FilesError> {
    let mut hosts = String::from("127.0.0.1\tlocalhost\n");
    nodes.iter().for_each(|node| hosts.push_str(&format!("{}\t{}\n", node.address(), node.name)));
    for node in nodes {
        write(&layout.node_path(&node.name, "/etc/hosts"), &hosts)?;
    }
    Ok(())
}

fn write_missing(path: &Path, text: &str) -> Result<(), FilesError> {
    if path.exists() { Ok(()) } else { write(path, text) }
}

fn write(path: &Path, text: &str) -> Result<(), FilesError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|source| FilesError::Write { path: path.to_owned(), source })
}
