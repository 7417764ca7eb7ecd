//! The files of a new cluster: certificates, kubeconfigs and what each node's kubelet starts from. What is there is
//! kept, so that a cluster comes back as it was; but certificates that near their end are replaced.

use super::layout::{API_PORT, Layout, Node};
use crate::node_files::{self, NodeSettings};
use crate::renewal::{self, RenewalError};
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
    /// A certificate that nears its end.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    /// Anything else.
    #[error("{path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes what is missing, and renews what nears its end.
pub fn ensure(layout: &Layout, nodes: &[Node], api_port: u16, now: jiff::Timestamp) -> Result<(), FilesError> {
    let Some(master) = nodes.iter().find(|node| node.is_control_plane()) else { return Ok(()) };
    let config = PkiConfig {
        node_name: master.name.clone(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: SERVICE_ADDRESS.to_owned(),
        extra_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), master.address().to_string()],
        etcd_names: Vec::new(),
    };
    let directory = layout.node_path(&master.name, "/etc/kubernetes/pki");
    renewal::renew_directory(&directory, now)?;
    let pki = certs::ensure(&directory, &config, now)?;
    let inside = format!("https://{}:{API_PORT}", master.address());
    for which in [KubeconfigFile::Admin, KubeconfigFile::SuperAdmin] {
        let path = layout.node_path(&master.name, &format!("/etc/kubernetes/{}", which.file_name()));
        kubeconfig(&path, &which, &inside, &pki, now)?;
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
    for which in [KubeconfigFile::Kubelet(node.name.clone()), KubeconfigFile::Proxy] {
        kubeconfig(&at(&format!("/etc/kubernetes/{}", which.file_name())), &which, server, pki, now)?;
    }
    let (certificate, key) = (at("/var/lib/kubelet/pki/kubelet.crt"), at("/var/lib/kubelet/pki/kubelet.key"));
    renewal::renew_pair(&certificate, &key, &pki.authority, now)?;
    if !certificate.exists() {
        let names = [node.name.clone(), node.address().to_string()];
        let pair = pki.kubelet_serving(&node.name, &names, now)?;
        pair.write(&certificate, &key).map_err(CertError::from)?;
    }
    Ok(())
}

fn kubeconfig(
    path: &Path,
    which: &KubeconfigFile,
    server: &str,
    pki: &Pki,
    now: jiff::Timestamp,
) -> Result<(), FilesError> {
    renewal::renew_kubeconfig(path, &pki.authority, now)?;
    Ok(certs::write_kubeconfig(path, which, server, &pki.authority, now, false).map(drop)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeadm::token::read_kubeconfig;
    use certs::{Credentials, certificate_info};

    /// The days since `start` on which the certificates of a cluster end, by their files.
    fn ends(data_dir: &Path, start: jiff::Timestamp) -> Vec<(String, i64)> {
        let mut found = Vec::new();
        let mut directories = vec![data_dir.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                let name = entry.file_name().unwrap().to_string_lossy().into_owned();
                let pem = match read_kubeconfig(&entry).map(|config| config.credentials) {
                    _ if entry.is_dir() => {
                        directories.push(entry);
                        continue;
                    }
                    Ok(Credentials::Certificate(pair)) => pair.certificate_pem,
                    _ if name.ends_with(".crt") && !name.contains("ca.") => fs::read_to_string(&entry).unwrap(),
                    _ => continue,
                };
                let end = certificate_info(&pem).unwrap().not_after.as_second();
                found.push((name, (end - start.as_second()) / (24 * 3600)));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_cluster_that_comes_back_after_most_of_a_year_has_new_certificates_and_the_old_settings() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        let nodes: Vec<Node> = ["master", "node1"]
            .into_iter()
            .enumerate()
            .map(|(index, name)| Node { name: name.into(), index })
            .collect();
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let day = |count: i32| start + std::time::Duration::from_secs(24 * 3600 * u64::from(count.unsigned_abs()));
        ensure(&layout, &nodes, 6443, start).unwrap();
        let all = ends(directory.path(), start);
        assert_eq!(all.len(), 3 + 3 + 3 * 2, "pki, administrators, nodes: {all:?}");
        assert!(all.iter().all(|(_, end)| *end == 365), "{all:?}");
        let kubelet = layout.node_path("node1", "/etc/kubernetes/kubelet.conf");
        let text = fs::read_to_string(&kubelet).unwrap().replace("172.30.0.2", "master");
        fs::write(&kubelet, text).unwrap();
        ensure(&layout, &nodes, 6443, day(200)).unwrap();
        let kept = ends(directory.path(), start);
        // the administrator's on this machine is written at every start
        assert!(kept.iter().all(|(name, end)| *end == if name == "kubeconfig" { 565 } else { 365 }), "{kept:?}");
        for count in [300, 3000] {
            ensure(&layout, &nodes, 6443, day(count)).unwrap();
            let all = ends(directory.path(), start);
            assert!(all.iter().all(|(_, end)| *end == i64::from(count) + 365), "{all:?}");
        }
        let config = read_kubeconfig(&kubelet).unwrap();
        assert_eq!(config.server, "https://master:6443");
    }
}
