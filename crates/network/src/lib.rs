//! Links, addresses, routes and packet rules: network namespaces, the pod network of one node, and the little
//! networks between the nodes of `pintle up`.
//!
//! A mechanism: it knows addresses and namespaces, no Kubernetes objects. Plans (rule sets, route changes, address
//! choices) are pure functions; executing them is netlink, and `nft` for packet rules.

mod cidr;
mod ipam;
mod links;
mod namespace;
mod pod_network;
mod routes;
mod rules;
mod topology;

pub use cidr::{Cidr, CidrError};
pub use ipam::{AddressPool, PoolError};
pub use links::{LinkError, Links};
pub use namespace::{Namespace, NamespaceError};
pub use pod_network::{HostPort, NetworkError, PodNetwork, PodNetworkConfig, Protocol};
pub use routes::{NodeRoute, RouteChange, plan_routes};
pub use topology::{NodeLink, Switch, SwitchError};
