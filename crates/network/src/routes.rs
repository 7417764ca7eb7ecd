//! Routes to the pods of other nodes: which to add and which to take away. Pure.

use crate::Cidr;
use std::net::Ipv4Addr;

/// The pods of another node, reached by that node's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRoute {
    /// The other node's pod range.
    pub destination: Cidr,
    /// The other node's address.
    pub gateway: Ipv4Addr,
}

/// One step from the routes that are to the routes that shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// Add this route.
    Add(NodeRoute),
    /// Take this route away.
    Remove(NodeRoute),
}

/// The changes that lead from `present` to `wanted`. Removals come first, since a range may move to another gateway.
/// Routes outside of `cluster` are not ours and stay.
pub fn plan_routes(cluster: Cidr, present: &[NodeRoute], wanted: &[NodeRoute]) -> Vec<RouteChange> {
    let ours = |route: &&NodeRoute| {
        route.destination.prefix_len() >= cluster.prefix_len() && cluster.contains(route.destination.network())
    };
    let obsolete = present.iter().filter(ours).filter(|route| !wanted.contains(route));
    let missing = wanted.iter().filter(|route| !present.contains(route));
    obsolete.map(|r| RouteChange::Remove(*r)).chain(missing.map(|r| RouteChange::Add(*r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: &str, gateway: &str) -> NodeRoute {
        NodeRoute { destination: destination.parse().unwrap(), gateway: gateway.parse().unwrap() }
    }

    #[test]
    fn only_what_differs_and_is_ours_changes() {
        let cluster = "10.244.0.0/16".parse().unwrap();
        let kept = route("10.244.1.0/24", "172.30.0.3");
        let moved_from = route("10.244.2.0/24", "172.30.0.4");
        let moved_to = route("10.244.2.0/24", "172.30.0.5");
        let foreign = route("0.0.0.0/0", "172.30.0.1");
        assert_eq!(
            plan_routes(cluster, &[kept, moved_from, foreign], &[kept, moved_to]),
            [RouteChange::Remove(moved_from), RouteChange::Add(moved_to)]
        );
        assert_eq!(plan_routes(cluster, &[kept, foreign], &[kept]), []);
    }
}
