//! `pintle up --bare`: machines with nothing on them, for `init` and `join` to be tried on. Each is a node's namespaces as
//! `up` makes them; no certificates, no components, no supervisor. `pintle down` ends them.

use super::files;
use super::layout::{Layout, Node, parse_nodes};
use super::lifecycle::{ClusterError, DEFAULT_NODES, make_nodes};
use super::record::Record;
use std::fs;
use std::io;
use std::path::Path;

/// Makes the machines, or finds that they are there.
///
/// # Errors
/// [`ClusterError`]
pub async fn up(layout: &Layout, nodes: Option<&str>) -> Result<(), ClusterError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(ClusterError::NotRoot);
    }
    let wanted = nodes.map(parse_nodes).transpose()?;
    let mut record = Record::ensure(layout, wanted.as_deref(), &parse_nodes(DEFAULT_NODES)?)?;
    record.mark_bare(layout)?;
    let nodes = record.nodes();
    make_nodes(layout, &nodes).await?;
    for node in &nodes {
        keep_in_cgroup(layout, node)
            .map_err(|source| ClusterError::System { what: format!("configure {}", node.name), source })?;
    }
    files::write_hosts(layout, &nodes)?;
    for node in &nodes {
        println!("{}\t{}", node.name, node.address());
    }
    Ok(())
}

/// Pods are to be below the machine's own cgroup, by which `down` finds them. It is said where an administrator would.
fn keep_in_cgroup(layout: &Layout, node: &Node) -> io::Result<()> {
    let path = layout.node_path(&node.name, "/etc/default/kubelet");
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    fs::write(&path, format!("KUBELET_EXTRA_ARGS=--cgroup-root=/{}\n", layout.node_cgroup(&node.name)))
}
