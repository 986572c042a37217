//! Random intents for the random worlds, and the plain meaning of "declared" and "claimed", flow by flow.

use crate::worlds::{NAMESPACES, peer, policy_port, selector};
use palisade_netmodel::{
    Claim, ClaimScope, Direction, Endpoint, Fidelity, Flow, Grant, Hop, Intent, NamespaceMatch,
    Origin, Party, Peer, Peers, Pod, PolicyPort, Requirement, World,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn party() -> impl Strategy<Value = Party> {
    let peers = prop_oneof![
        1 => Just(Peers::Any),
        5 => vec(peer(), 1..3).prop_map(Peers::List),
    ];
    peers.prop_map(|peers| Party {
        name: "party".to_owned(),
        component: Some("party".to_owned()),
        peers,
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    })
}

fn grant() -> impl Strategy<Value = Grant> {
    let halves = prop_oneof![
        3 => Just((true, true)),
        1 => Just((true, false)),
        1 => Just((false, true)),
    ];
    let encryption = prop_oneof![3 => Just(Requirement::None), 1 => Just(Requirement::MeshMtls)];
    (
        party(),
        party(),
        option::of(vec(policy_port(), 1..3)),
        halves,
        encryption,
    )
        .prop_map(|(from, to, ports, (ingress, egress), encryption)| Grant {
            origin: Origin::default(),
            id: String::new(),
            reason: "random".to_owned(),
            from,
            to,
            ports,
            ingress,
            egress,
            encryption,
            exception: None,
            hop: Hop::Direct,
            http: None,
            implied: false,
        })
}

fn claim() -> impl Strategy<Value = Claim> {
    let direction = select(&[Direction::Ingress, Direction::Egress][..]);
    (direction, select(&NAMESPACES[..]), selector()).prop_map(|(direction, namespace, pods)| {
        Claim {
            origin: Origin::default(),
            direction,
            scope: ClaimScope::Zone("zone".to_owned()),
            namespaces: NamespaceMatch::Named(namespace.to_owned()),
            pods,
        }
    })
}

/// Random intents of a few grants and claims.
pub fn intent() -> impl Strategy<Value = Intent> {
    (vec(grant(), 0..4), vec(claim(), 0..3)).prop_map(|(mut grants, claims)| {
        for (index, grant) in grants.iter_mut().enumerate() {
            grant.id = format!("flow-{index}");
        }
        Intent {
            name: "random".to_owned(),
            grants,
            claims,
            ..Intent::default()
        }
    })
}

/// Whether a grant declares a flow.
#[must_use]
pub fn declares(world: &World, grant: &Grant, flow: &Flow) -> bool {
    is_party(world, &grant.from, flow.source)
        && is_party(world, &grant.to, flow.destination)
        && on_ports(world, grant.ports.as_deref(), flow)
}

/// Whether a flow is between a pod and its own node, which no policy can keep out.
#[must_use]
pub fn is_own_node(world: &World, flow: &Flow) -> bool {
    let between = |subject: Endpoint, peer: Endpoint| {
        let Some(subject) = pod(world, subject) else {
            return false;
        };
        let node = &subject.node_addresses.known;
        match peer {
            Endpoint::Address(address) => node.contains(&address),
            Endpoint::Pod(_) => pod(world, peer).is_some_and(|peer| {
                let own = peer.addresses.known.iter();
                peer.host_network
                    && own
                        .chain(&peer.node_addresses.known)
                        .any(|a| node.contains(a))
            }),
        }
    };
    between(flow.source, flow.destination) || between(flow.destination, flow.source)
}

/// Whether some claim excludes undeclared flows at an end.
#[must_use]
pub fn claimed(world: &World, intent: &Intent, flow: &Flow) -> bool {
    let at = |direction, end| {
        pod(world, end).is_some_and(|pod| {
            pod.is_selectable()
                && !pod.host_group
                && intent.claims.iter().any(|c| {
                    c.direction == direction
                        && is_namespace(world, &c.namespaces, pod)
                        && c.pods.matches(&pod.labels)
                })
        })
    };
    at(Direction::Ingress, flow.destination) || at(Direction::Egress, flow.source)
}

fn pod(world: &World, end: Endpoint) -> Option<&Pod> {
    match end {
        Endpoint::Pod(id) => world.pod(id),
        Endpoint::Address(_) => None,
    }
}

fn is_namespace(world: &World, wanted: &NamespaceMatch, pod: &Pod) -> bool {
    match wanted {
        NamespaceMatch::Named(name) => *name == pod.namespace,
        NamespaceMatch::Selector(selector) => world
            .namespace_labels(&pod.namespace)
            .is_some_and(|labels| selector.matches(labels)),
    }
}

fn is_party(world: &World, party: &Party, end: Endpoint) -> bool {
    let Peers::List(peers) = &party.peers else {
        return true;
    };
    peers.iter().any(|peer| match (peer, end) {
        (Peer::Pods { namespaces, pods }, _) => pod(world, end).is_some_and(|pod| {
            let selected = if pod.host_group {
                pods.is_everything()
            } else {
                pods.matches(&pod.labels)
            };
            selected && is_namespace(world, namespaces, pod)
        }),
        (Peer::Block { cidr, except }, Endpoint::Address(address)) => {
            cidr.contains(&address) && !except.iter().any(|e| e.contains(&address))
        }
        (Peer::Block { cidr, except }, Endpoint::Pod(_)) => pod(world, end).is_some_and(|pod| {
            let on_host = pod.host_network || pod.host_group;
            let found = if pod.addresses.known.is_empty() {
                pod.node_addresses.in_block(cidr, except)
            } else {
                pod.addresses.in_block(cidr, except)
            };
            on_host && found == Some(true)
        }),
    })
}

fn on_ports(world: &World, ports: Option<&[PolicyPort]>, flow: &Flow) -> bool {
    let Some(ports) = ports else { return true };
    ports.iter().any(|port| match port {
        PolicyPort::Range {
            protocol,
            first,
            last,
        } => *protocol == flow.protocol && (*first..=*last).contains(&flow.port),
        PolicyPort::Named { protocol, name } => pod(world, flow.destination).is_some_and(|pod| {
            *protocol == flow.protocol
                && pod
                    .named_ports
                    .iter()
                    .any(|n| n.name == *name && n.protocol == *protocol && n.port == flow.port)
        }),
    })
}
