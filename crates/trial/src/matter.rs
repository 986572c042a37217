//! Which questions matter: for each pair of kinds, one port for each distinct answer that policies can give.
//!
//! The ports that a policy names cut the 65,535 into cells, and within one cell no rule can tell ports apart. So
//! one port of each cell stands for all of them; the cell that nobody names is one of them.

use crate::kinds::ends_of_kinds;
use crate::mesh::{address_blocks, named_by_mesh};
use crate::{Asked, Trial};
use ipnet::IpNet;
use palisade_netmodel::{
    AdminPeer, AdminPort, Direction, Endpoint, Labels, NetworkPolicy, Peer, Pod, PodId, PolicyPort,
    Protocol, World,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Stands for the ports that nobody names, unless somebody names it.
pub const OTHER: u16 = 64_999;

/// Most hosts outside of the cluster.
const MOST_OUTSIDE: usize = 8;

/// Ports of a protocol, first and last.
pub(crate) type Range = (Protocol, u16, u16);

impl Trial {
    /// The questions that matter, over both versions of IP: every kind of pod to every other and to its own, and
    /// to and from the addresses outside. Pods on the host network are left out: packets cannot tell them apart
    /// from their node.
    #[must_use]
    pub fn questions_that_matter(&self, world: &World) -> Vec<Asked> {
        let pods = self.ends().filter_map(|end| match end {
            Endpoint::Pod(id) => world.pod(id).filter(|p| !p.host_network).map(|_| id),
            Endpoint::Address(_) => None,
        });
        let kinds = ends_of_kinds(world, pods);
        let outside = || {
            self.ends()
                .filter(|end| matches!(end, Endpoint::Address(_)))
        };
        let named = |id: PodId, direction| named_by_policies(world, id, direction);
        let mut sources: Vec<(Endpoint, Vec<Range>)> = Vec::new();
        let mut destinations: Vec<(Endpoint, Vec<Range>)> = Vec::new();
        for (first, last) in kinds {
            sources.push((Endpoint::Pod(first), named(first, Direction::Egress)));
            let mut ranges = named(last, Direction::Ingress);
            ranges.extend(named_by_mesh(world, last));
            ranges.extend(world.pod(last).into_iter().flat_map(own_ports));
            destinations.push((Endpoint::Pod(last), ranges));
        }
        sources.extend(outside().map(|end| (end, Vec::new())));
        destinations.extend(outside().map(|end| (end, Vec::new())));
        let mut all = Vec::new();
        for (source, egress) in &sources {
            for (destination, ingress) in &destinations {
                let ports = cells(egress.iter().chain(ingress).copied());
                all.extend(self.pair(*source, *destination, &ports));
            }
        }
        all
    }
}

/// The ports that the policies of a pod name in a direction. Names of ports are those of the destination.
fn named_by_policies(world: &World, id: PodId, direction: Direction) -> Vec<Range> {
    let Some(pod) = world.pod(id) else {
        return Vec::new();
    };
    let mut ranges = BTreeSet::new();
    let selecting = |policy: &&NetworkPolicy| policy.selects(&pod.namespace, &pod.labels);
    let policies = world.network_policies.iter().filter(selecting);
    for rule in policies.filter_map(|p| p.rules(direction)).flatten() {
        for port in rule.ports.iter().flatten() {
            if let PolicyPort::Range {
                protocol,
                first,
                last,
            } = port
            {
                ranges.insert((*protocol, *first, *last));
            }
        }
    }
    let none = Labels::default();
    let labels = world.namespace_labels(&pod.namespace).unwrap_or(&none);
    let policies = world.admin_policies.iter();
    for policy in policies.filter(|p| p.subject.matches(labels, &pod.labels)) {
        for port in policy
            .rules(direction)
            .iter()
            .flat_map(|rule| rule.ports.iter().flatten())
        {
            if let AdminPort::Range {
                protocol,
                first,
                last,
            } = port
            {
                ranges.insert((*protocol, *first, *last));
            }
        }
    }
    ranges.into_iter().collect()
}

/// The ports that a pod declares, each by itself where there are few.
fn own_ports(pod: &Pod) -> Vec<Range> {
    let named = pod.named_ports.iter();
    let mut ranges: Vec<Range> = named.map(|p| (p.protocol, p.port, p.port)).collect();
    for protocol in Protocol::ALL {
        let declared = pod.container_ports.ranges(protocol).iter();
        for (first, last) in declared {
            // Neighbouring ports are one range of the set.
            let single = (*first..=*last).take(16);
            ranges.extend(single.map(|port| (protocol, port, port)));
        }
    }
    ranges
}

/// A port for each cell.
fn cells(ranges: impl Iterator<Item = Range>) -> Vec<(Protocol, u16)> {
    let ranges: BTreeSet<Range> = ranges.collect();
    let mut ports = Vec::new();
    for protocol in Protocol::ALL {
        let own: Vec<(u16, u16)> = ranges
            .iter()
            .filter(|(p, _, _)| *p == protocol)
            .map(|(_, first, last)| (*first, *last))
            .collect();
        let edges = own
            .iter()
            .flat_map(|(first, last)| [Some(*first), last.checked_add(1)]);
        // The usual one comes first, so that it stands for its cell.
        let mut starts: Vec<u16> = vec![OTHER, 1];
        starts.extend(edges.flatten().filter(|port| *port > 0));
        let mut seen: BTreeMap<Vec<bool>, u16> = BTreeMap::new();
        for port in starts {
            let within = own
                .iter()
                .map(|(first, last)| (*first..=*last).contains(&port));
            seen.entry(within.collect()).or_insert(port);
        }
        ports.extend(seen.into_values().map(|port| (protocol, port)));
    }
    ports.sort_unstable();
    ports
}

/// Addresses outside that policies can tell apart, in pairs of one of each family: somebody whom nobody names, and
/// one of each block and of each exception that the lab can give to a host.
#[must_use]
pub fn addresses_that_matter(world: &World) -> Vec<(Ipv4Addr, Ipv6Addr)> {
    let mut v4 = vec![Ipv4Addr::new(203, 0, 113, 9)];
    let mut v6 = vec![Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9)];
    for block in blocks(world) {
        match inside(&block) {
            Some(IpAddr::V4(address)) if !v4.contains(&address) => v4.push(address),
            Some(IpAddr::V6(address)) if !v6.contains(&address) => v6.push(address),
            _ => {}
        }
    }
    let count = v4.len().max(v6.len()).min(MOST_OUTSIDE);
    // Who has no partner gets one of the ranges for documentation and benchmarks.
    let numbers = (0u8..).take(count);
    let fill4 = numbers.clone().map(|n| Ipv4Addr::new(198, 18, 0, n + 1));
    let fill6 = numbers.map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, u16::from(n) + 1));
    let v4 = v4.into_iter().chain(fill4).take(count);
    v4.zip(v6.into_iter().chain(fill6)).collect()
}

/// Every block and exception that a policy names.
fn blocks(world: &World) -> BTreeSet<IpNet> {
    let mut found = BTreeSet::new();
    let directions = [Direction::Ingress, Direction::Egress];
    for policy in &world.network_policies {
        let rules = directions.iter().filter_map(|d| policy.rules(*d)).flatten();
        for peer in rules.flat_map(|rule| rule.peers.iter().flatten()) {
            if let Peer::Block { cidr, except } = peer {
                found.insert(*cidr);
                found.extend(except.iter().copied());
            }
        }
    }
    for policy in &world.admin_policies {
        for peer in policy.egress.iter().flat_map(|rule| &rule.peers) {
            if let AdminPeer::Networks(networks) = peer {
                found.extend(networks.iter().copied());
            }
        }
    }
    found.extend(address_blocks(world));
    found
}

/// An address of a block that a host of the lab may have.
fn inside(block: &IpNet) -> Option<IpAddr> {
    match block {
        IpNet::V4(block) => {
            let first = u32::from(block.network());
            let address = Ipv4Addr::from(first | u32::from(block.prefix_len() < 32));
            let [a, b, ..] = address.octets();
            let taken =
                matches!((a, b), (0 | 10 | 127, _) | (172, 16..32) | (169, 254)) || a >= 224;
            (!taken).then_some(address.into())
        }
        IpNet::V6(block) => {
            let first = u128::from(block.network());
            let address = Ipv6Addr::from(first | u128::from(block.prefix_len() < 128));
            // Global addresses alone.
            let [high, ..] = address.octets();
            (high & 0xe0 == 0x20).then_some(address.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: Protocol = Protocol::Tcp;

    fn tcp(ranges: &[(u16, u16)]) -> Vec<u16> {
        let all = cells(ranges.iter().map(|(first, last)| (TCP, *first, *last)));
        let own = all.into_iter().filter(|(protocol, _)| *protocol == TCP);
        own.map(|(_, port)| port).collect()
    }

    #[test]
    fn each_cell_has_one_port() {
        assert_eq!(tcp(&[]), [OTHER]);
        assert_eq!(tcp(&[(80, 80), (8080, 8080)]), [80, 8080, OTHER]);
        // A hole between two ranges inside of a third.
        assert_eq!(tcp(&[(1, 100), (1, 40), (60, 100)]), [1, 41, 60, OTHER]);
        assert_eq!(tcp(&[(1, u16::MAX)]), [OTHER]);
        assert_eq!(tcp(&[(OTHER, OTHER)]), [1, OTHER]);
        // The other protocols are asked about, too.
        assert_eq!(cells(std::iter::empty()).len(), 3);
    }

    #[test]
    fn a_block_gives_an_address_unless_the_lab_needs_it() {
        let inside = |text: &str| inside(&text.parse().unwrap()).map(|a| a.to_string());
        assert_eq!(inside("192.0.2.0/24").as_deref(), Some("192.0.2.1"));
        assert_eq!(inside("192.0.2.7/32").as_deref(), Some("192.0.2.7"));
        assert_eq!(inside("2001:db8:1::/48").as_deref(), Some("2001:db8:1::1"));
        for taken in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "169.254.169.254/32",
            "172.20.0.0/16",
            "::/0",
            "fd00::/8",
        ] {
            assert_eq!(inside(taken), None, "{taken}");
        }
    }
}
