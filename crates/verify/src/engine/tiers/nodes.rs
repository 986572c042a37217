//! Nodes as peers: their addresses, and the pods that live on their host network.

use palisade_netmodel::{Node, Pod, Selector, World};
use std::net::IpAddr;

/// Whether a pod lives on a node with these labels, by the address that others see, if it is known which
/// addresses are those of such nodes.
pub(in crate::engine) fn lives_on(
    labels: &Selector,
    pod: &Pod,
    of_node: impl Fn(IpAddr) -> Option<bool>,
) -> Option<bool> {
    if !pod.host_network {
        return Some(false);
    }
    if labels.is_everything() {
        return Some(true);
    }
    let known = match pod.addresses.known.as_slice() {
        [] => &pod.node_addresses.known,
        own => own,
    };
    let found: Vec<_> = known.iter().map(|a| of_node(*a)).collect();
    if found.contains(&Some(true)) {
        Some(true)
    } else if found.is_empty() || found.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// Whether an address is one of a node with these labels; `None`: the node is not known.
pub(super) fn of_node(world: &World, labels: &Selector, address: IpAddr) -> Option<bool> {
    let some_node = || {
        world
            .pods
            .iter()
            .any(|pod| node_addresses(pod).any(|a| a == address))
    };
    is_node(&world.nodes, labels, address, some_node)
}

/// The same; `some_node` says whether it is the address of any node, as far as pods tell.
pub(in crate::engine) fn is_node(
    nodes: &[Node],
    labels: &Selector,
    address: IpAddr,
    some_node: impl FnOnce() -> bool,
) -> Option<bool> {
    let mut found = nodes
        .iter()
        .filter(|n| n.addresses.contains(&address))
        .peekable();
    if found.peek().is_some() {
        return Some(found.any(|n| labels.matches(&n.labels)));
    }
    match (some_node(), nodes.is_empty()) {
        (true, _) => labels.is_everything().then_some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}

/// The addresses of nodes that a pod tells of.
pub(in crate::engine) fn node_addresses(pod: &Pod) -> impl Iterator<Item = IpAddr> {
    let host = pod.host_network.then_some(&pod.addresses.known);
    let own = host.into_iter().flatten();
    own.chain(&pod.node_addresses.known).copied()
}
