//! Links, addresses and routes of one network namespace, by netlink: the few verbs that pintle needs, each idempotent.

use crate::{Cidr, Namespace, NamespaceError};
use futures::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkFlags};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use tokio::task::JoinHandle;

/// A netlink connection into one namespace. The connection ends when this is dropped.
#[derive(Debug)]
pub struct Links {
    handle: Handle,
    connection: JoinHandle<()>,
}

/// A request to the kernel's routing subsystem that failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// No netlink socket could be opened.
    #[error("open netlink socket: {0}")]
    Open(#[source] std::io::Error),
    /// The kernel refused.
    #[error("{action}: {source}")]
    Request {
        /// What was asked.
        action: String,
        /// The kernel's answer.
        source: Box<rtnetlink::Error>,
    },
    /// A link that should be there is not.
    #[error("link {0:?} not found")]
    NoLink(String),
}

/// The kernel's `EEXIST` and `ESRCH`, as netlink errors carry them.
const ALREADY_EXISTS: i32 = -(nix::errno::Errno::EEXIST as i32);
const NO_SUCH_PROCESS: i32 = -(nix::errno::Errno::ESRCH as i32);

fn request(action: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> LinkError {
    let action = action.into();
    move |source| LinkError::Request { action, source: Box::new(source) }
}

/// Success also when the kernel says `code`, which means that the wanted state was there before.
fn unless(code: i32, result: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match result {
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == code => Ok(()),
        other => other,
    }
}

impl Links {
    /// Connects to the routing subsystem of `namespace`. Must be called inside a tokio runtime.
    pub fn open(namespace: &Namespace) -> Result<Self, LinkError> {
        let runtime = tokio::runtime::Handle::current();
        let opened = namespace.run(|| {
            let _entered = runtime.enter(); // the socket registers with the runtime's reactor
            rtnetlink::new_connection()
        })?;
        let (connection, handle, _) = opened.map_err(LinkError::Open)?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    /// The index of the link `name`.
    pub async fn index(&self, name: &str) -> Result<Option<u32>, LinkError> {
        let mut links = self.handle.link().get().match_name(name).execute();
        match links.try_next().await {
            Ok(link) => Ok(link.map(|l| l.header.index)),
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -(nix::errno::Errno::ENODEV as i32) => {
                Ok(None)
            }
            Err(source) => Err(request(format!("get link {name}"))(source)),
        }
    }

    async fn need(&self, name: &str) -> Result<u32, LinkError> {
        self.index(name).await?.ok_or_else(|| LinkError::NoLink(name.to_owned()))
    }

    /// A bridge `name` that is up.
    pub async fn ensure_bridge(&self, name: &str) -> Result<(), LinkError> {
        let add = self.handle.link().add(LinkBridge::new(name).up().build()).execute().await;
        unless(ALREADY_EXISTS, add).map_err(request(format!("add bridge {name}")))?;
        self.up(name).await
    }

    /// Sets the link `name` up.
    pub async fn up(&self, name: &str) -> Result<(), LinkError> {
        let index = self.need(name).await?;
        let message = LinkUnspec::new_with_index(index).up().build();
        self.handle.link().set(message).execute().await.map_err(request(format!("set {name} up")))
    }

    /// Gives the link `name` the address `address` of a range with `prefix_len` leading bits.
    pub async fn ensure_address(&self, name: &str, address: Ipv4Addr, prefix_len: u8) -> Result<(), LinkError> {
        let index = self.need(name).await?;
        let add = self.handle.address().add(index, address.into(), prefix_len).execute().await;
        unless(ALREADY_EXISTS, add).map_err(request(format!("add address {address}/{prefix_len} to {name}")))
    }

    /// A veth pair: `name` here, a port of bridge `bridge` and up; `peer_name` in `peer`.
    pub async fn add_veth(&self, name: &str, bridge: &str, peer_name: &str, peer: &Namespace) -> Result<(), LinkError> {
        let bridge_index = self.need(bridge).await?;
        // the kernel cannot set the peer up before the pair exists (ENOTCONN)
        let peer_message =
            LinkMessageBuilder::<LinkUnspec>::new().name(peer_name).setns_by_fd(peer.fd().as_raw_fd()).build();
        let pair = LinkVeth::new(name, peer_name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer_message)))
            .controller(bridge_index)
            .up()
            .build();
        let added = self.handle.link().add(pair).execute().await;
        added.map_err(request(format!("add veth {name} to {bridge}")))
    }

    /// Lets the bridge send a frame back through the port it came from: a pod reaches itself through its host port.
    pub async fn set_hairpin(&self, name: &str) -> Result<(), LinkError> {
        let index = self.need(name).await?;
        let message = rtnetlink::LinkBridgePort::new(index).hairpin(true).build();
        let set = self.handle.link().set_port(message).execute().await;
        set.map_err(request(format!("set hairpin mode of {name}")))
    }

    /// Removes the link `name`, if it is there.
    pub async fn remove(&self, name: &str) -> Result<(), LinkError> {
        let Some(index) = self.index(name).await? else { return Ok(()) };
        let removed = self.handle.link().del(index).execute().await;
        unless(-(nix::errno::Errno::ENODEV as i32), removed).map_err(request(format!("delete link {name}")))
    }

    /// The names of all links that are up.
    pub async fn names(&self) -> Result<Vec<String>, LinkError> {
        let links: Result<Vec<_>, _> = self.handle.link().get().execute().try_collect().await;
        let links = links.map_err(request("list links"))?;
        let name = |attribute: &LinkAttribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        };
        let up = links.iter().filter(|link| link.header.flags.contains(LinkFlags::Up));
        Ok(up.filter_map(|link| link.attributes.iter().find_map(name)).collect())
    }

    /// A route to `destination` by way of `gateway`. An equal one may be there already.
    pub async fn ensure_route(&self, destination: Cidr, gateway: Ipv4Addr) -> Result<(), LinkError> {
        let route = route_message(destination, gateway);
        let added = self.handle.route().add(route).execute().await;
        unless(ALREADY_EXISTS, added).map_err(request(format!("add route {destination} via {gateway}")))
    }

    /// Takes the route to `destination` by way of `gateway` away, if it is there.
    pub async fn remove_route(&self, destination: Cidr, gateway: Ipv4Addr) -> Result<(), LinkError> {
        let removed = self.handle.route().del(route_message(destination, gateway)).execute().await;
        unless(NO_SUCH_PROCESS, removed).map_err(request(format!("delete route {destination} via {gateway}")))
    }

    /// All routes with a gateway: (destination, gateway).
    pub async fn routes(&self) -> Result<Vec<(Cidr, Ipv4Addr)>, LinkError> {
        let all = self.handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
        let all: Vec<_> = all.try_collect().await.map_err(request("list routes"))?;
        Ok(all
            .iter()
            .filter_map(|route| gateway_route(route.header.destination_prefix_length, &route.attributes))
            .collect())
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn route_message(destination: Cidr, gateway: Ipv4Addr) -> rtnetlink::packet_route::route::RouteMessage {
    RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(destination.network(), destination.prefix_len())
        .gateway(gateway)
        .build()
}

fn gateway_route(prefix_len: u8, attributes: &[RouteAttribute]) -> Option<(Cidr, Ipv4Addr)> {
    let inet = |address: &RouteAddress| match address {
        RouteAddress::Inet(address) => Some(*address),
        _ => None,
    };
    let gateway = attributes.iter().find_map(|a| match a {
        RouteAttribute::Gateway(address) => inet(address),
        _ => None,
    })?;
    let destination = attributes.iter().find_map(|a| match a {
        RouteAttribute::Destination(address) => inet(address),
        _ => None,
    });
    Some((Cidr::new(destination.unwrap_or(Ipv4Addr::UNSPECIFIED), prefix_len)?, gateway))
}
