//! Worlds as a network of machines could show them: every end has one address, of one version of IP, and
//! every pod a node. What enforces policies on packets is compared with the reference on these.

use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, Endpoint, Flow, MeshConfig, Phase, Pod, PodId, Profile, World,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of nodes.
pub const NODES: usize = 2;

/// A flow as packets, and the nodes that forward them to or from a pod of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wired {
    /// The flow.
    pub flow: Flow,
    /// The address of its source.
    pub source: IpAddr,
    /// The address of its destination.
    pub destination: IpAddr,
    /// The nodes, by number, each once.
    pub forwarded_by: BTreeSet<usize>,
}

/// The address of a node.
#[must_use]
pub fn node_address(node: usize, v6: bool) -> IpAddr {
    let low = u8::try_from(node + 1).unwrap_or(u8::MAX);
    if v6 {
        Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, low.into()).into()
    } else {
        Ipv4Addr::new(192, 168, 0, low).into()
    }
}

/// The node of a pod, by its number in the world.
#[must_use]
pub fn node_of(pod: usize) -> usize {
    pod % NODES
}

/// The same world without a mesh, with an address for each pod, in turn from one of two networks that
/// generated policies tell apart. Of pods on the host network each node keeps the first; the nodes' host
/// network as an end of its own (OpenShift) is left out.
#[must_use]
pub fn wire(world: &World, v6: bool) -> World {
    let mut host = BTreeSet::new();
    let mut pods: Vec<Pod> = world
        .pods
        .iter()
        .filter(|p| !p.host_group)
        .cloned()
        .collect();
    let mut number = 0;
    pods.retain(|pod| {
        let node = node_of(number);
        let keep = !pod.host_network || host.insert(node);
        number += usize::from(keep);
        keep
    });
    for (number, pod) in pods.iter_mut().enumerate() {
        let node = node_address(node_of(number), v6);
        pod.node_addresses = AddressSet::from([node]);
        let own = if pod.host_network {
            node
        } else {
            pod_address(number, v6)
        };
        let live = pod.phase == Phase::Live;
        pod.addresses.known = live.then_some(own).into_iter().collect();
    }
    let mut nodes = world.nodes.clone();
    nodes.truncate(NODES);
    // Either all nodes are known, or none.
    if nodes.len() < NODES {
        nodes.clear();
    }
    for (number, node) in nodes.iter_mut().enumerate() {
        node.addresses = vec![node_address(number, v6)];
    }
    World {
        namespaces: world.namespaces.clone(),
        pods,
        nodes,
        network_policies: world.network_policies.clone(),
        admin_policies: world.admin_policies.clone(),
        mesh: MeshConfig::default(),
        profile: Profile::palisade(),
        ..World::default()
    }
}

fn pod_address(number: usize, v6: bool) -> IpAddr {
    let low = u8::try_from(number + 1).unwrap_or(u8::MAX);
    match (v6, (number / NODES).is_multiple_of(2)) {
        (false, true) => Ipv4Addr::new(10, 0, 0, low).into(),
        (false, false) => Ipv4Addr::new(10, 1, 0, low).into(),
        (true, true) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low.into()).into(),
        (true, false) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, low.into()).into(),
    }
}

/// A flow of a wired world as packets; `None` if none of its nodes forwards it: the ends are one pod, a pod
/// and its own node, both outside or on the host network, or do not exist.
#[must_use]
pub fn packets(world: &World, flow: &Flow) -> Option<Wired> {
    let (source, from) = end(world, flow.source)?;
    let (destination, to) = end(world, flow.destination)?;
    if source == destination || source.is_ipv4() != destination.is_ipv4() {
        return None;
    }
    let nodes: Vec<IpAddr> = (0..NODES)
        .map(|n| node_address(n, source.is_ipv6()))
        .collect();
    let own_node =
        |pod: Option<usize>, other: &IpAddr| pod.is_some_and(|n| nodes.get(n) == Some(other));
    if own_node(from, &destination) || own_node(to, &source) {
        return None;
    }
    // A node's address is asked about as the pod on its host network, if it has one.
    let outside = |end: Endpoint, address: &IpAddr| {
        matches!(end, Endpoint::Address(_)) && nodes.contains(address)
    };
    if outside(flow.source, &source) || outside(flow.destination, &destination) {
        return None;
    }
    let forwarded_by: BTreeSet<usize> = from.into_iter().chain(to).collect();
    (!forwarded_by.is_empty()).then_some(Wired {
        flow: *flow,
        source,
        destination,
        forwarded_by,
    })
}

/// The address of an end, and its node if policies can select it.
fn end(world: &World, end: Endpoint) -> Option<(IpAddr, Option<usize>)> {
    match end {
        Endpoint::Address(address) => {
            let of_a_pod = world
                .pods
                .iter()
                .any(|p| p.addresses.known.contains(&address));
            (!of_a_pod && usable(&address)).then_some((address, None))
        }
        Endpoint::Pod(PodId(number)) => {
            let number = usize::try_from(number).ok()?;
            let pod = world.pods.get(number)?;
            let address = *pod.addresses.known.first()?;
            Some((address, (!pod.host_network).then(|| node_of(number))))
        }
    }
}

/// Whether a machine can have an address.
fn usable(address: &IpAddr) -> bool {
    let broadcast: IpNet = IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32));
    !broadcast.contains(address)
}
