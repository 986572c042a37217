//! The ends of connections that behave differently: classes of equal pods, and cells of addresses.
//!
//! Pods that agree in everything a policy or the mesh can see share a class. Addresses outside are
//! cut by every CIDR that occurs, for IPv4 and IPv6: all addresses of a cell behave alike, so one
//! address of it stands for all. Cost: linear in pods, `n log n` in CIDRs.

use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, AuthorizationPolicy, Endpoint, NamedPort, Peer, Phase, Pod, PodId, Proxy, World,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Index of a class or cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(crate) u32);

impl EndpointId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a number in [`Endpoints`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pods that behave alike, at least one.
    Pods(Vec<PodId>),
    /// Addresses `first..=last` that behave alike, as numbers; `sample` is one of them.
    Addresses {
        /// One address of the cell.
        sample: IpAddr,
        /// Whether they are no pod's and so ends of their own.
        outside: bool,
    },
}

/// All endpoints of a world.
#[derive(Debug)]
pub(crate) struct Endpoints {
    kinds: Vec<Kind>,
    class_of: Vec<EndpointId>,
    v4: Vec<(u128, EndpointId)>,
    v6: Vec<(u128, EndpointId)>,
}

/// All of a pod that any layer can see. A pod's name is not part of it.
#[derive(PartialEq, Eq, Hash)]
struct Signature<'w> {
    namespace: &'w str,
    labels: Vec<(&'w str, &'w str)>,
    service_account: &'w str,
    named_ports: Vec<&'w NamedPort>,
    host: (bool, bool),
    phase: Phase,
    addresses: &'w AddressSet,
    node_addresses: &'w AddressSet,
    proxy: &'w Proxy,
    workload: (&'w str, &'w str),
}

impl<'w> Signature<'w> {
    /// The workload is part of it although no layer sees it: findings name workloads.
    fn of(pod: &'w Pod) -> Self {
        let mut named_ports: Vec<_> = pod.named_ports.iter().collect();
        named_ports.sort_unstable();
        Self {
            namespace: &pod.namespace,
            labels: pod
                .labels
                .0
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect(),
            service_account: &pod.service_account,
            named_ports,
            host: (pod.host_network, pod.host_group),
            phase: pod.phase,
            addresses: &pod.addresses,
            node_addresses: &pod.node_addresses,
            proxy: &pod.proxy,
            workload: (&pod.workload.kind, &pod.workload.name),
        }
    }
}

impl Endpoints {
    /// The classes and cells of a world, the address space cut by `more` as well.
    pub(crate) fn new(world: &World, more: &[IpNet]) -> Self {
        let mut kinds: Vec<Kind> = Vec::new();
        let mut class_of = Vec::with_capacity(world.pods.len());
        let mut seen: FxHashMap<Signature<'_>, EndpointId> = FxHashMap::default();
        for (pod_id, pod) in world.pods() {
            let next = id(kinds.len());
            let class = *seen.entry(Signature::of(pod)).or_insert(next);
            class_of.push(class);
            match kinds.get_mut(class.index()) {
                Some(Kind::Pods(members)) => members.push(pod_id),
                _ => kinds.push(Kind::Pods(vec![pod_id])),
            }
        }
        let (nets, taken) = nets(world, more);
        let v4 = cells(&nets, false, &taken, &mut kinds);
        let v6 = cells(&nets, true, &taken, &mut kinds);
        Self {
            kinds,
            class_of,
            v4,
            v6,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = EndpointId> + use<> {
        (0..self.kinds.len()).map(id)
    }

    pub(crate) fn kind(&self, endpoint: EndpointId) -> Option<&Kind> {
        self.kinds.get(endpoint.index())
    }

    /// The pods of a class; none for a cell.
    pub(crate) fn members(&self, endpoint: EndpointId) -> &[PodId] {
        match self.kind(endpoint) {
            Some(Kind::Pods(members)) => members,
            _ => &[],
        }
    }

    /// First and last address of a cell, those of pods included; `None` for a class of pods.
    pub(crate) fn range(&self, endpoint: EndpointId) -> Option<(IpAddr, IpAddr)> {
        let families = [
            (&self.v4, u128::from(u32::MAX), false),
            (&self.v6, u128::MAX, true),
        ];
        families.into_iter().find_map(|(starts, max, v6)| {
            let at = starts
                .binary_search_by_key(&endpoint, |(_, cell)| *cell)
                .ok()?;
            let first = starts.get(at)?.0;
            let last = starts.get(at + 1).map_or(max, |next| next.0 - 1);
            Some((address(first, v6), address(last, v6)))
        })
    }

    /// The class or cell of an end of a flow.
    pub(crate) fn locate(&self, end: Endpoint) -> Option<EndpointId> {
        match end {
            Endpoint::Pod(pod) => self.class_of.get(pod.0 as usize).copied(),
            Endpoint::Address(address) => {
                let (starts, at) = match address {
                    IpAddr::V4(a) => (&self.v4, u128::from(a.to_bits())),
                    IpAddr::V6(a) => (&self.v6, a.to_bits()),
                };
                let after = starts.partition_point(|(start, _)| *start <= at);
                starts.get(after.checked_sub(1)?).map(|(_, cell)| *cell)
            }
        }
    }
}

fn id(index: usize) -> EndpointId {
    EndpointId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// Every CIDR that some rule can tell apart, and the addresses that belong to pods.
fn nets(world: &World, more: &[IpNet]) -> (BTreeSet<IpNet>, BTreeSet<IpAddr>) {
    let mut nets: BTreeSet<IpNet> = more.iter().map(IpNet::trunc).collect();
    let rules = world
        .network_policies
        .iter()
        .flat_map(|p| p.ingress.iter().chain(&p.egress).flatten());
    for peer in rules.flat_map(|r| r.peers.iter().flatten()) {
        if let Peer::Block { cidr, except } = peer {
            nets.insert(cidr.trunc());
            nets.extend(except.iter().map(IpNet::trunc));
        }
    }
    nets.extend(
        world
            .authorization_policies
            .iter()
            .flat_map(authorization_nets),
    );
    let mut taken = BTreeSet::new();
    for pod in &world.pods {
        nets.extend(pod.addresses.known.iter().map(|a| IpNet::from(*a)));
        nets.extend(pod.node_addresses.known.iter().map(|a| IpNet::from(*a)));
        if pod.phase == Phase::Live && !pod.host_network {
            taken.extend(pod.addresses.known.iter().copied());
        }
    }
    (nets, taken)
}

/// `ipBlocks`, `remoteIpBlocks` and the address conditions of an AuthorizationPolicy.
fn authorization_nets(policy: &AuthorizationPolicy) -> Vec<IpNet> {
    let sources = policy.rules.iter().flat_map(|r| &r.from).flat_map(|s| {
        [
            &s.ip_blocks,
            &s.not_ip_blocks,
            &s.remote_ip_blocks,
            &s.not_remote_ip_blocks,
        ]
    });
    let conditions = policy
        .rules
        .iter()
        .flat_map(|r| &r.when)
        .flat_map(|c| [&c.values, &c.not_values]);
    sources
        .chain(conditions)
        .flatten()
        .filter_map(|text| parse_block(text))
        .collect()
}

/// A CIDR or a single address.
pub(crate) fn parse_block(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .map(|net| net.trunc())
}

/// Cuts one address family at the borders of every CIDR. Returns the first address of each cell
/// with its number, in order. Addresses of pods are cells, but not ends of their own.
fn cells(
    nets: &BTreeSet<IpNet>,
    v6: bool,
    taken: &BTreeSet<IpAddr>,
    kinds: &mut Vec<Kind>,
) -> Vec<(u128, EndpointId)> {
    let mut starts = BTreeSet::from([0_u128]);
    let max = if v6 { u128::MAX } else { u128::from(u32::MAX) };
    for net in nets.iter().filter(|n| n.addr().is_ipv6() == v6) {
        starts.insert(number(net.network()));
        let last = number(net.broadcast());
        if last < max {
            starts.insert(last + 1);
        }
    }
    let mut starts = starts.into_iter().peekable();
    let mut out = Vec::new();
    while let Some(start) = starts.next() {
        let last = starts.peek().map_or(max, |next| next - 1);
        let sample = sample(start, last, v6);
        let outside = !(start == last && taken.contains(&sample));
        out.push((start, id(kinds.len())));
        kinds.push(Kind::Addresses { sample, outside });
    }
    out
}

/// An address of the cell that people recognise as an example (RFC 5737, RFC 3849) if there is one.
fn sample(first: u128, last: u128, v6: bool) -> IpAddr {
    let example = if v6 {
        number(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10)))
    } else {
        number(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)))
    };
    let chosen = if (first..=last).contains(&example) {
        example
    } else {
        first + u128::from(first < last)
    };
    address(chosen, v6)
}

fn address(number: u128, v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::from_bits(number))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(
            u32::try_from(number).unwrap_or(u32::MAX),
        ))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoints;
    use palisade_netmodel::{Endpoint, World};

    #[test]
    fn addresses_are_cut_where_blocks_begin_and_end() {
        let nets = ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"].map(|n| n.parse().unwrap());
        let endpoints = Endpoints::new(&World::default(), &nets);
        // 0-, 10.0-, 10.1-, 10.2-, 11- and three of IPv6.
        assert_eq!(endpoints.len(), 8);
        let at = |a: &str| endpoints.locate(Endpoint::Address(a.parse().unwrap()));
        assert_eq!(at("10.0.0.1"), at("10.0.255.255"));
        assert_ne!(at("10.0.255.255"), at("10.1.0.0"));
        assert_ne!(at("10.0.0.1"), at("10.2.0.1"));
        assert_ne!(at("2001:db8::1"), at("2001:db9::1"));
        assert_ne!(at("255.255.255.255"), at("::"));
        let range = |a: &str| {
            endpoints
                .range(at(a).unwrap())
                .map(|(a, b)| format!("{a}-{b}"))
        };
        assert_eq!(range("10.0.0.1").unwrap(), "10.0.0.0-10.0.255.255");
        assert_eq!(range("255.0.0.1").unwrap(), "11.0.0.0-255.255.255.255");
        assert_eq!(
            range("::1").unwrap(),
            "::-2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"
        );
    }
}
