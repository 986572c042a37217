//! What connects nodes and outside hosts: a bridge in a namespace of its own.

use super::FIRST;
use super::wires::{index, mac, prepare_pod};
use crate::error::Result;
use crate::namespace::{Namespace, sysctl};
use crate::netlink::{BRIDGE, End, Hop, Message, Netlink, OWN, Scope};
use crate::plan::{Plan, node_addresses, underlay, whole};
use std::net::IpAddr;

/// The bridge between nodes and outside hosts, in a namespace of its own, which its socket keeps alive.
#[derive(Debug)]
pub(super) struct Underlay {
    pub(super) netlink: Netlink,
}

impl Underlay {
    pub(super) fn make() -> Result<Self> {
        let _namespace = Namespace::create_and_enter()?;
        // There are no rules here. Kernels without bridge filtering have no such variable.
        for variable in ["iptables", "ip6tables", "arptables"] {
            sysctl(&format!("bridge/bridge-nf-call-{variable}"), "0").ok();
        }
        prepare_pod()?;
        let netlink = Netlink::open()?;
        let bridge = End {
            name: "underlay",
            index: BRIDGE,
            mac: mac(5, usize::MAX, 0),
        };
        netlink.send(vec![Message::bridge(bridge)])?;
        Ok(Self { netlink })
    }

    /// Connects a host.
    pub(super) fn attach(&self, port: usize, namespace: &Namespace) -> Result<()> {
        let here = End {
            name: &format!("host{port}"),
            index: index(port),
            mac: mac(3, port, 0),
        };
        let there = End {
            name: "up0",
            index: OWN,
            mac: mac(4, port, 0),
        };
        self.netlink.send(vec![
            Message::veth(here, there, namespace.file()),
            Message::port(index(port), BRIDGE),
        ])
    }
}

/// Addresses on the underlay, and the way to its hosts.
pub(super) fn on_underlay(own: [IpAddr; 2]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (address, range) in own.into_iter().zip(underlay()) {
        messages.push(Message::address(
            OWN,
            address,
            whole(address),
            Scope::Everywhere,
        ));
        let hop = Hop::Direct {
            source: Some(address),
        };
        messages.push(Message::route(range, OWN, &hop));
    }
    messages
}

/// Everybody on the underlay but the host of a port, which number nodes and then outside hosts.
pub(super) fn underlay_neighbours(plan: &Plan, own: usize) -> Vec<Message> {
    let nodes = (0..plan.nodes.len()).map(node_addresses);
    let outside = plan.outside.iter();
    let outside = outside.map(|host| [IpAddr::from(host.v4), IpAddr::from(host.v6)]);
    let others = (FIRST..).zip(nodes.chain(outside));
    let others = others.filter(|(port, _)| *port != own);
    others
        .flat_map(|(port, addresses)| {
            addresses.map(|address| Message::neighbour(OWN, address, mac(4, port, 0)))
        })
        .collect()
}
