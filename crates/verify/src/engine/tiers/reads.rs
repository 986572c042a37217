//! What administrators' policies read: selectors of pods, and networks.

use super::nodes::node_addresses;
use ipnet::IpNet;
use palisade_netmodel::{AdminPeer, NamespacedPods, World};

/// Every selector of pods: of subjects and of peers.
pub(crate) fn pods(world: &World) -> impl Iterator<Item = &NamespacedPods> {
    let subjects = world.admin_policies.iter().map(|p| &p.subject);
    let peers = peers(world).filter_map(|peer| match peer {
        AdminPeer::Pods(pods) => Some(pods),
        _ => None,
    });
    subjects.chain(peers)
}

fn peers(world: &World) -> impl Iterator<Item = &AdminPeer> {
    let policies = world.admin_policies.iter();
    let rules = policies.flat_map(|p| p.ingress.iter().chain(&p.egress));
    rules.flat_map(|rule| &rule.peers)
}

/// Every network that a rule can tell apart, and every address of a node if one asks about nodes.
pub(crate) fn nets(world: &World) -> Vec<IpNet> {
    let mut nets = Vec::new();
    let mut nodes = false;
    for peer in peers(world) {
        match peer {
            AdminPeer::Networks(networks) => nets.extend(networks.iter().map(IpNet::trunc)),
            AdminPeer::Nodes(_) => nodes = true,
            AdminPeer::Pods(_) | AdminPeer::DomainNames(_) | AdminPeer::Unknown => {}
        }
    }
    if nodes {
        let addresses = world.nodes.iter().flat_map(|n| &n.addresses);
        nets.extend(addresses.map(|a| IpNet::from(*a)));
        nets.extend(world.pods.iter().flat_map(node_addresses).map(IpNet::from));
    }
    nets
}
