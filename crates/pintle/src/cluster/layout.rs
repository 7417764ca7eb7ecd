//! What a cluster of `pintle up` consists of: names, addresses and paths. Pure: everything follows from the data
//! directory and the list of nodes.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// The range that nodes have their addresses from. It exists only inside the cluster's own switch, so all clusters may
/// use the same.
const NODE_NETWORK: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 0);
/// Leading bits of [`NODE_NETWORK`].
pub const NODE_PREFIX_LEN: u8 = 24;
/// The first node's place in the range.
const FIRST_NODE: u8 = 2;
/// More nodes than this do not fit the range with room to spare.
pub const NODES_MAX: usize = 200;
/// kubeadm's port of the API server.
pub const API_PORT: u16 = 6443;
/// A node's name is a DNS label, and a port of the switch (a link name) besides.
const NAME_MAX_BYTES: usize = 63;

/// Why a list of nodes cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NodesError {
    /// No node, or too many.
    #[error("--nodes: must name 1 to {NODES_MAX} nodes, not {0}")]
    Count(usize),
    /// Not a DNS label.
    #[error(
        "--nodes: Invalid value: {0:?}: a node name consists of lower case alphanumeric characters or '-', and starts and ends with an alphanumeric character"
    )]
    Name(String),
    /// Twice the same name.
    #[error("--nodes: Duplicate value: {0:?}")]
    Duplicate(String),
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, which is its host name too.
    pub name: String,
    /// Its place in the list; the first is the control plane.
    pub index: usize,
}

impl Node {
    /// Its address on the switch.
    pub fn address(&self) -> Ipv4Addr {
        let [a, b, c, _] = NODE_NETWORK.octets();
        // NODES_MAX keeps this below 255
        Ipv4Addr::new(a, b, c, FIRST_NODE.saturating_add(u8::try_from(self.index).unwrap_or(u8::MAX)))
    }

    /// Whether it carries the control plane.
    pub fn is_control_plane(&self) -> bool {
        self.index == 0
    }

    /// Its port on the switch: a link name, which has at most 15 bytes.
    pub fn switch_port(&self) -> String {
        format!("node{}", self.index)
    }
}

/// Reads `master,node1,node2`.
pub fn parse_nodes(list: &str) -> Result<Vec<Node>, NodesError> {
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() || names.len() > NODES_MAX {
        return Err(NodesError::Count(names.len()));
    }
    for (index, name) in names.iter().enumerate() {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = name.len() <= NAME_MAX_BYTES
            && name.starts_with(letter)
            && name.ends_with(letter)
            && name.chars().all(|c| letter(c) || c == '-');
        if !valid {
            return Err(NodesError::Name((*name).to_owned()));
        }
        if names[..index].contains(name) {
            return Err(NodesError::Duplicate((*name).to_owned()));
        }
    }
    Ok(names.iter().enumerate().map(|(index, name)| Node { name: (*name).to_owned(), index }).collect())
}

/// Where everything of a cluster is.
#[derive(Clone, Debug)]
pub struct Layout {
    data_dir: PathBuf,
}

impl Layout {
    /// The cluster kept in `data_dir`, an absolute path.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into() }
    }

    /// The directory itself.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What the cluster is made of; there is a cluster where this file is.
    pub fn cluster_file(&self) -> PathBuf {
        self.data_dir.join("cluster.json")
    }

    /// The administrator's kubeconfig, for use on this machine.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data_dir.join("kubeconfig")
    }

    /// Namespaces and pid files: gone after a reboot.
    pub fn run_dir(&self) -> PathBuf {
        self.data_dir.join("run")
    }

    /// The supervisor's and the components' output.
    pub fn log_file(&self, process: &str) -> PathBuf {
        self.data_dir.join("log").join(format!("{process}.log"))
    }

    /// The pid of a running process, and nothing when it does not run.
    pub fn pid_file(&self, process: &str) -> PathBuf {
        self.run_dir().join(format!("{process}.pid"))
    }

    /// The namespace of the switch between the nodes.
    pub fn switch(&self) -> PathBuf {
        self.run_dir().join("switch.net")
    }

    /// The file that holds a node's namespace of one kind: `net`, `mnt`, `uts`.
    pub fn namespace(&self, node: &str, kind: &str) -> PathBuf {
        self.run_dir().join(format!("{node}.{kind}"))
    }

    /// A node's own files: what stands at `path` (absolute) inside the node.
    pub fn node_path(&self, node: &str, path: &str) -> PathBuf {
        self.data_dir.join("nodes").join(node).join(path.trim_start_matches('/'))
    }

    /// The cgroup below which all processes of the cluster live; the same for the same data directory.
    pub fn cgroup(&self) -> String {
        // FNV-1a: short, stable over versions, and no more than a name
        let hash = self
            .data_dir
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        format!("pintle-{hash:08x}")
    }

    /// A node's cgroup.
    pub fn node_cgroup(&self, node: &str) -> String {
        format!("{}/{node}", self.cgroup())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_lists() {
        let nodes = parse_nodes("master, node1,node2").unwrap();
        let shown: Vec<_> = nodes.iter().map(|n| (n.name.as_str(), n.address().to_string())).collect();
        assert_eq!(
            shown,
            [
                ("master", "172.30.0.2".to_owned()),
                ("node1", "172.30.0.3".to_owned()),
                ("node2", "172.30.0.4".to_owned())
            ]
        );
        for (list, error) in [
            ("", NodesError::Count(0)),
            ("a,b,a", NodesError::Duplicate("a".into())),
            ("a,B", NodesError::Name("B".into())),
            ("-a", NodesError::Name("-a".into())),
        ] {
            assert_eq!(parse_nodes(list), Err(error), "{list:?}");
        }
    }

    #[test]
    fn two_directories_are_two_cgroups() {
        assert_eq!(Layout::new("/a").cgroup(), Layout::new("/a").cgroup());
        assert_ne!(Layout::new("/a").cgroup(), Layout::new("/b").cgroup());
    }
}
