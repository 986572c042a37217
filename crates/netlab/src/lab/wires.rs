//! How a namespace is set up: its variables, hardware addresses, addresses, routes and neighbours.

use super::underlay::{on_underlay, underlay_neighbours};
use crate::error::{Error, Result};
use crate::namespace::sysctl;
use crate::netlink::{BRIDGE, End, Hop, Mac, Message, Netlink, OWN, Scope, everywhere, only};
use crate::plan::{
    Layout, Plan, bridge_addresses, gateways, node_addresses, pod_ranges, service_ranges, whole,
};
use std::net::{IpAddr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

/// How long links may take to come up.
const LINKS: Duration = Duration::from_secs(30);

/// Waits until the links of a namespace carry packets: a few milliseconds after their making.
pub(super) fn wait_for_links(netlink: &Netlink) -> Result<()> {
    let begun = Instant::now();
    while !netlink.carries()? {
        if begun.elapsed() > LINKS {
            return Err(Error::because("waiting for links", "they do not come up"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

pub(super) fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A hardware address of our own, by what the interface is for.
pub(super) fn mac(purpose: u8, node: usize, place: usize) -> Mac {
    let bytes = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let ([a, b], [c, d]) = (bytes(node), bytes(place));
    [2, purpose, a, b, c, d]
}

/// That of a pod's interface, inside of it.
pub(crate) fn inner_mac(node: usize, place: usize) -> Mac {
    mac(2, node, place)
}

/// That of a node's bridge.
fn bridge_mac(node: usize) -> Mac {
    mac(5, node, 0)
}

/// No waiting for addresses, and no link-local ones that nobody asked for.
pub(super) fn prepare_pod() -> Result<()> {
    sysctl("ipv6/conf/default/addr_gen_mode", "1")?;
    sysctl("ipv6/conf/default/accept_dad", "0")?;
    sysctl("ipv6/conf/default/accept_ra", "0")
}

/// What a node of a cluster does: forward, and filter what passes its bridge. No limit for ICMP errors: the answers
/// of thousands of probes are wanted.
pub(super) fn prepare_router(layout: Layout) -> Result<()> {
    prepare_pod()?;
    for (name, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv4/icmp_ratelimit", "0"),
        ("ipv6/icmp/ratelimit", "0"),
    ] {
        sysctl(name, value)?;
    }
    if layout == Layout::Bridged {
        for variable in ["iptables", "ip6tables"] {
            sysctl(&format!("bridge/bridge-nf-call-{variable}"), "1")?;
        }
    }
    Ok(())
}

/// A router's address on a link, from which it looks for the neighbours to forward to.
fn link_local(index: u32, number: usize) -> Message {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number);
    Message::address(index, address.into(), 64, Scope::Link)
}

/// The way to the pods of another node.
pub(super) fn to_pods(node: usize) -> impl Iterator<Item = Message> {
    let gateways = node_addresses(node).into_iter();
    let ways = gateways.zip(pod_ranges(node));
    ways.map(|(gateway, range)| Message::route(range, OWN, &Hop::Gateway(gateway)))
}

/// The node's side of a routed pod.
pub(super) fn host_routes(index: u32, node: usize, own: [IpAddr; 2], inner: Mac) -> Vec<Message> {
    let mut messages = Vec::new();
    for (address, source) in own.into_iter().zip(node_addresses(node)) {
        let source = Some(source);
        messages.push(Message::route(
            only(address),
            index,
            &Hop::Direct { source },
        ));
        messages.push(Message::neighbour(index, address, inner));
    }
    messages
}

/// The pod's side of a routed pod.
pub(super) fn routed(own: [IpAddr; 2], outer: Mac) -> Vec<Message> {
    let mut messages = vec![Message::up(1), Message::up(OWN)];
    for (address, gateway) in own.into_iter().zip(gateways()) {
        messages.push(Message::address(
            OWN,
            address,
            whole(address),
            Scope::Everywhere,
        ));
        messages.push(Message::neighbour(OWN, gateway, outer));
        if gateway.is_ipv4() {
            let hop = Hop::Direct { source: None };
            messages.push(Message::route(only(gateway), OWN, &hop));
        }
        messages.push(Message::route(
            everywhere(address),
            OWN,
            &Hop::Gateway(gateway),
        ));
    }
    messages
}

/// The pod's side of a bridged pod.
pub(super) fn bridged(own: [IpAddr; 2], node: usize) -> Vec<Message> {
    let mut messages = vec![Message::up(1), Message::up(OWN)];
    let there = bridge_addresses(node).into_iter().zip(pod_ranges(node));
    for (address, (gateway, (_, prefix))) in own.into_iter().zip(there) {
        messages.push(Message::address(OWN, address, prefix, Scope::Everywhere));
        messages.push(Message::neighbour(OWN, gateway, bridge_mac(node)));
        messages.push(Message::route(
            everywhere(address),
            OWN,
            &Hop::Gateway(gateway),
        ));
    }
    messages
}

/// What a node is told: its addresses, the ways to others' pods and to outside hosts, and a bridge if pods share one.
pub(super) fn of_node(number: usize, port: usize, plan: &Plan) -> Vec<Message> {
    let own = node_addresses(number);
    let mut messages = vec![Message::up(1), Message::up(OWN)];
    let [gateway, _] = gateways();
    messages.push(Message::address(1, gateway, whole(gateway), Scope::Link));
    messages.extend(on_underlay(own));
    messages.push(link_local(OWN, port));
    // Where a node's own connection to a Service begins, before it is translated.
    for (source, range) in own.into_iter().zip(service_ranges()) {
        let source = Some(source);
        messages.push(Message::route(range, OWN, &Hop::Direct { source }));
    }
    for (other, _) in plan.nodes.iter().enumerate().filter(|(n, _)| *n != number) {
        messages.extend(to_pods(other));
    }
    messages.extend(underlay_neighbours(plan, port));
    for host in &plan.outside {
        for (address, own) in [host.v4.into(), host.v6.into()].into_iter().zip(own) {
            let hop = Hop::Direct { source: Some(own) };
            messages.push(Message::route(only(address), OWN, &hop));
        }
    }
    if plan.layout == Layout::Bridged {
        let bridge = End {
            name: "pods",
            index: BRIDGE,
            mac: bridge_mac(number),
        };
        messages.push(Message::bridge(bridge));
        messages.push(link_local(BRIDGE, 1));
        for (address, (_, prefix)) in bridge_addresses(number).into_iter().zip(pod_ranges(number)) {
            messages.push(Message::address(BRIDGE, address, prefix, Scope::Everywhere));
        }
    }
    messages
}
