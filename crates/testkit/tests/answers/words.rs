//! Reads the names and ports of an answer back, as a person would.

use palisade_netmodel::{Endpoint, Phase, PodId, Protocol, World};
use std::net::IpAddr;

/// The ends that the name of a node means.
pub(crate) enum Meant {
    Pods(Vec<PodId>),
    Addresses(String),
}

/// Reads a name.
pub(crate) fn meant(world: &World, name: &str, outside: bool) -> Meant {
    if outside {
        return Meant::Addresses(name.to_owned());
    }
    let pods = name.split(", ").flat_map(|part| {
        let exact: Vec<PodId> = world
            .pods()
            .filter(|(_, pod)| {
                let host = format!("the nodes' host network ({})", pod.namespace);
                let shown = if pod.host_group {
                    host
                } else {
                    pod.object().to_string()
                };
                pod.phase == Phase::Live && part == shown
            })
            .map(|(id, _)| id)
            .collect();
        if !exact.is_empty() {
            return exact;
        }
        let live = world.pods().filter(|(_, pod)| {
            let name = format!("{}/{}", pod.namespace, pod.workload.name);
            let with_kind = format!("{name} ({})", pod.workload.kind);
            pod.phase == Phase::Live && (part == name || part == with_kind)
        });
        live.map(|(id, _)| id).collect()
    });
    let pods: Vec<PodId> = pods.collect();
    assert!(!pods.is_empty(), "{name} is nobody");
    Meant::Pods(pods)
}

/// Whether the words for a set of addresses hold one.
fn names_address(words: &str, address: IpAddr) -> bool {
    let within = |block: &str| {
        let one = block.parse::<IpAddr>().map(ipnet::IpNet::from);
        let net = block.parse::<ipnet::IpNet>().or(one);
        net.is_ok_and(|net| net.contains(&address))
    };
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    words.split(", ").any(|part| {
        let (head, but) = part.split_once(" but ").unwrap_or((part, ""));
        match head
            .strip_prefix("every ")
            .and_then(|h| h.strip_suffix(" address outside"))
        {
            Some(of) => of == family && !but.split(" and ").any(|b| !b.is_empty() && within(b)),
            None => part == "anywhere outside" || within(part),
        }
    })
}

/// Whether some of these nodes mean an end.
pub(crate) fn holds(meant: &[Meant], nodes: &[usize], end: Endpoint) -> bool {
    nodes.iter().any(|node| match (&meant[*node], end) {
        (Meant::Pods(pods), Endpoint::Pod(pod)) => pods.contains(&pod),
        (Meant::Addresses(words), Endpoint::Address(address)) => names_address(words, address),
        _ => false,
    })
}

/// Whether an end is an address that a pod has: such an address is not outside.
pub(crate) fn is_pods_own(world: &World, end: Endpoint) -> bool {
    let Endpoint::Address(address) = end else {
        return false;
    };
    world.pods.iter().any(|pod| {
        pod.phase == Phase::Live && !pod.host_network && pod.addresses.known.contains(&address)
    })
}

/// Whether the words for ports hold one.
pub(crate) fn names_port(words: &str, protocol: Protocol, port: u16) -> bool {
    words.split(", ").any(|part| {
        if part == "all ports" || part == format!("all {protocol} ports") {
            return true;
        }
        let Some((numbers, of)) = part.split_once('/') else {
            return false;
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let range = first.parse::<u16>().unwrap()..=last.parse().unwrap();
        of == protocol.name() && range.contains(&port)
    })
}
