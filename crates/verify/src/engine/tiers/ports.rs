//! The ports of a rule on a destination.

use palisade_netmodel::{AdminPeer, AdminPort, AdminRule, Pod, PortSet, Protocol};

/// A rule with an unknown peer fails closed: it refuses everything, or accepts nothing.
pub(super) fn fails_closed(rule: &AdminRule) -> bool {
    rule.peers.contains(&AdminPeer::Unknown)
}

/// A rule's ports as numbers on a destination: a name is looked up there, with any protocol.
pub(super) fn ports_of(rule: &AdminRule, destination: Option<&Pod>) -> PortSet {
    let ports = rule.ports.as_deref().filter(|_| !fails_closed(rule));
    ports_on(ports, destination)
}

/// Ports as numbers on a destination; `None` is all.
pub(in crate::engine) fn ports_on(
    ports: Option<&[AdminPort]>,
    destination: Option<&Pod>,
) -> PortSet {
    let Some(ports) = ports else {
        return PortSet::all();
    };
    let mut set = PortSet::empty();
    for port in ports {
        match port {
            AdminPort::Range {
                protocol,
                first,
                last,
            } => set = set.union(&PortSet::range(*protocol, *first, *last)),
            AdminPort::Named(name) => {
                let named = destination.map_or(&[][..], |pod| &pod.named_ports);
                for n in named.iter().filter(|n| n.name == *name) {
                    set = set.union(&PortSet::single(n.protocol, n.port));
                }
            }
        }
    }
    set
}

/// The same for one port.
pub(super) fn is_on(rule: &AdminRule, destination: Option<&Pod>, wanted: (Protocol, u16)) -> bool {
    let Some(ports) = rule.ports.as_ref().filter(|_| !fails_closed(rule)) else {
        return true;
    };
    ports.iter().any(|port| match port {
        AdminPort::Range {
            protocol,
            first,
            last,
        } => *protocol == wanted.0 && (*first..=*last).contains(&wanted.1),
        AdminPort::Named(name) => destination.is_some_and(|pod| {
            let mut named = pod.named_ports.iter().filter(|n| n.name == *name);
            named.any(|n| (n.protocol, n.port) == wanted)
        }),
    })
}
