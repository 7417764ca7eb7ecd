//! The network between the nodes of `pintle up`: one namespace with a bridge, the switch, and a veth pair to each
//! node's namespace. The machine's own links and routes are not touched.

use crate::{LinkError, Links, Namespace, NamespaceError};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// The switch that nodes are plugged into.
#[derive(Debug)]
pub struct Switch {
    path: PathBuf,
}

/// What can go wrong with the network between nodes.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A netlink request.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// How a node hangs on the switch.
#[derive(Clone, Debug)]
pub struct NodeLink {
    /// The file that holds the node's namespace.
    pub namespace: PathBuf,
    /// Name of the port on the switch; at most 15 bytes, one for each node.
    pub port: String,
    /// The node's address.
    pub address: Ipv4Addr,
    /// Leading bits of the range that all nodes share.
    pub prefix_len: u8,
}

/// Name of the bridge inside the switch, and of the link inside a node.
const SWITCH_BRIDGE: &str = "switch";
const NODE_LINK: &str = "eth0";

impl Switch {
    /// The switch held by `path`, made when it is not there.
    pub async fn ensure(path: &Path) -> Result<Self, SwitchError> {
        let namespace = ensure_namespace(path)?;
        let links = Links::open(&namespace)?;
        links.up("lo").await?;
        links.ensure_bridge(SWITCH_BRIDGE).await?;
        Ok(Self { path: path.to_owned() })
    }

    /// Makes the node's namespace when it is missing, and plugs it in. A second time changes nothing.
    pub async fn attach(&self, node: &NodeLink) -> Result<(), SwitchError> {
        let namespace = ensure_namespace(&node.namespace)?;
        let outside = Links::open(&Namespace::open(&self.path)?)?;
        let inside = Links::open(&namespace)?;
        inside.up("lo").await?;
        if inside.index(NODE_LINK).await?.is_none() {
            outside.remove(&node.port).await?; // left over from a node that is gone
            outside.add_veth(&node.port, SWITCH_BRIDGE, NODE_LINK, &namespace).await?;
        }
        inside.ensure_address(NODE_LINK, node.address, node.prefix_len).await?;
        Ok(inside.up(NODE_LINK).await?)
    }

    /// Unplugs a node: its link goes down with the cable.
    pub async fn detach(&self, port: &str) -> Result<(), SwitchError> {
        Ok(Links::open(&Namespace::open(&self.path)?)?.remove(port).await?)
    }

    /// Ends the switch.
    pub fn remove(path: &Path) -> Result<(), SwitchError> {
        Ok(Namespace::remove(path)?)
    }
}

/// The namespace held by `path`: the one that is there if it is alive, else a new one.
fn ensure_namespace(path: &Path) -> Result<Namespace, NamespaceError> {
    // a plain file left over from before a reboot opens too, but cannot be entered
    match Namespace::open(path).and_then(|namespace| namespace.run(|| ()).map(|()| namespace)) {
        Ok(namespace) => Ok(namespace),
        Err(_) => Namespace::create(path),
    }
}
