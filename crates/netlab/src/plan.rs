//! What a lab consists of, and the addresses that follow from it. Pure data.

use crate::error::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How pods hang on their node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Layout {
    /// Host routes; everything between two pods goes through the node's IP stack.
    #[default]
    Routed,
    /// A bridge and a subnet for each node; between pods of one node the IP hooks see
    /// packets only where `bridge-nf-call-iptables` is on, as it is here.
    Bridged,
}

/// The nodes, pods and outside hosts of a lab. Names are unique over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// How pods hang on their node.
    pub layout: Layout,
    /// Nodes, at most [`Plan::MAX_NODES`].
    pub nodes: Vec<NodePlan>,
    /// Hosts outside of the cluster, with the addresses that they shall have.
    pub outside: Vec<OutsidePlan>,
}

/// A node and its pods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodePlan {
    /// Name.
    pub name: String,
    /// The names of its pods, at most [`Plan::MAX_PODS`].
    pub pods: Vec<String>,
}

/// A host outside of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsidePlan {
    /// Name.
    pub name: String,
    /// IPv4 address, outside of 10.0.0.0/8 and 172.16.0.0/12.
    pub v4: Ipv4Addr,
    /// IPv6 address, outside of fd00::/16.
    pub v6: Ipv6Addr,
}

/// What a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostKind {
    /// A node.
    Node,
    /// A pod.
    Pod,
    /// A host outside of the cluster.
    Outside,
}

impl Plan {
    /// The most nodes: as many as have an address range in 10.0.0.0/8.
    pub const MAX_NODES: usize = 250;
    /// The most pods of a node: a namespace and a veth pair each, half a megabyte.
    pub const MAX_PODS: usize = 10_000;
    /// The most outside hosts.
    pub const MAX_OUTSIDE: usize = 250;

    /// A plan of so many nodes with so many pods each: `node-0`, `pod-0-0` and so on.
    #[must_use]
    pub fn uniform(layout: Layout, nodes: usize, pods: usize) -> Self {
        let node = |n| NodePlan {
            name: format!("node-{n}"),
            pods: (0..pods).map(|k| format!("pod-{n}-{k}")).collect(),
        };
        Self {
            layout,
            nodes: (0..nodes).map(node).collect(),
            outside: Vec::new(),
        }
    }

    /// Every name, in the order in which hosts are made.
    fn names(&self) -> Vec<&str> {
        let pods = |node: &'_ NodePlan| node.pods.len();
        let mut names = Vec::with_capacity(self.nodes.iter().map(pods).sum());
        for node in &self.nodes {
            names.push(node.name.as_str());
            names.extend(node.pods.iter().map(String::as_str));
        }
        names.extend(self.outside.iter().map(|host| host.name.as_str()));
        names
    }

    /// Says what makes a plan impossible.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::because("reading the plan of a lab", why));
        let limits = [
            ("nodes", self.nodes.len(), Self::MAX_NODES),
            ("outside hosts", self.outside.len(), Self::MAX_OUTSIDE),
        ];
        let pods = self.nodes.iter().map(|n| ("pods of a node", n.pods.len()));
        let pods = pods.map(|(what, count)| (what, count, Self::MAX_PODS));
        for (what, count, most) in limits.into_iter().chain(pods) {
            if count > most {
                return refuse(format!("{count} {what}, more than {most}"));
            }
        }
        let mut names = self.names();
        names.sort_unstable();
        let mut pairs = names.iter().zip(names.iter().skip(1));
        if let Some((name, _)) = pairs.find(|(a, b)| a == b) {
            return refuse(format!("two hosts are named `{name}`"));
        }
        for host in &self.outside {
            let [first, second, ..] = host.v4.octets();
            let ours = first == 10 || (first == 172 && (16..32).contains(&second));
            if ours || host.v6.octets().starts_with(&[0xfd, 0]) {
                return refuse(format!(
                    "the address of `{}` is one of the lab's own",
                    host.name
                ));
            }
        }
        Ok(())
    }
}

/// An address range.
pub(crate) type Range = (IpAddr, u8);

/// A number as two bytes. Counts are bounded by the limits of a plan.
fn low(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// The addresses of a node on the underlay.
pub(crate) fn node_addresses(node: usize) -> [IpAddr; 2] {
    let [high, byte] = (low(node) + 2).to_be_bytes();
    [
        Ipv4Addr::new(172, 31, high, byte).into(),
        Ipv6Addr::new(0xfd00, 0xf, 0, 0, 0, 0, 0, low(node) + 2).into(),
    ]
}

/// The underlay.
pub(crate) fn underlay() -> [Range; 2] {
    [
        (Ipv4Addr::new(172, 31, 0, 0).into(), 16),
        (Ipv6Addr::new(0xfd00, 0xf, 0, 0, 0, 0, 0, 0).into(), 64),
    ]
}

/// The `number`th address of a node's pods: 0 is the range itself, 1 the bridge, 2 the first pod.
fn of_node(node: usize, number: usize) -> [IpAddr; 2] {
    let [_, n] = low(node).to_be_bytes();
    let [high, byte] = low(number).to_be_bytes();
    [
        Ipv4Addr::new(10, n, high, byte).into(),
        Ipv6Addr::new(0xfd00, 0xa, low(node), 0, 0, 0, 0, low(number)).into(),
    ]
}

/// The addresses of a node's pods.
pub(crate) fn pod_ranges(node: usize) -> [Range; 2] {
    let [v4, v6] = of_node(node, 0);
    [(v4, 16), (v6, 64)]
}

/// The addresses of a node's bridge.
pub(crate) fn bridge_addresses(node: usize) -> [IpAddr; 2] {
    of_node(node, 1)
}

/// The addresses of a pod.
pub(crate) fn pod_addresses(node: usize, pod: usize) -> [IpAddr; 2] {
    of_node(node, pod + 2)
}

/// The virtual addresses of Services.
pub(crate) fn service_ranges() -> [Range; 2] {
    [
        (Ipv4Addr::new(172, 30, 0, 0).into(), 16),
        (Ipv6Addr::new(0xfd00, 5, 0, 0, 0, 0, 0, 0).into(), 64),
    ]
}

/// The virtual addresses of a Service.
pub(crate) fn service_addresses(number: usize) -> [IpAddr; 2] {
    let [high, byte] = (low(number) + 1).to_be_bytes();
    [
        Ipv4Addr::new(172, 30, high, byte).into(),
        Ipv6Addr::new(0xfd00, 5, 0, 0, 0, 0, 0, low(number) + 1).into(),
    ]
}

/// The gateways of a routed pod.
pub(crate) fn gateways() -> [IpAddr; 2] {
    [
        Ipv4Addr::new(169, 254, 1, 1).into(),
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(),
    ]
}

/// The length of a single address.
pub(crate) fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_plans_are_refused() {
        let mut plan = Plan::uniform(Layout::Routed, 2, 2);
        assert!(plan.check().is_ok());
        plan.nodes[1].pods[0] = "pod-0-1".into();
        let said = plan.check().unwrap_err().to_string();
        assert!(said.ends_with("two hosts are named `pod-0-1`"), "{said}");
        assert!(Plan::uniform(Layout::Routed, 251, 0).check().is_err());
        let mut plan = Plan::uniform(Layout::Routed, 1, 1);
        plan.outside.push(OutsidePlan {
            name: "far".into(),
            v4: Ipv4Addr::new(172, 31, 0, 9),
            v6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        });
        assert!(plan.check().is_err());
    }

    #[test]
    fn addresses_are_distinct_and_in_their_range() {
        let pods = [(0, 0), (0, 300), (1, 0), (249, 9_999)];
        let texts: Vec<String> = pods
            .iter()
            .flat_map(|(n, k)| pod_addresses(*n, *k))
            .map(|address| address.to_string())
            .collect();
        assert_eq!(
            texts,
            [
                "10.0.0.2",
                "fd00:a::2",
                "10.0.1.46",
                "fd00:a::12e",
                "10.1.0.2",
                "fd00:a:1::2",
                "10.249.39.17",
                "fd00:a:f9::2711",
            ]
        );
    }
}
