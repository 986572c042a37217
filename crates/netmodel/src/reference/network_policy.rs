//! NetworkPolicy at one end (`Kubernetes API reference, networking.k8s.io/v1 NetworkPolicy`).

use super::{Half, View, pod};
use crate::{
    Cause, Direction, Endpoint, Flow, Layer, NamespaceMatch, NetworkPolicy, Origin, Outcome, Peer,
    Pod, PolicyPort, Rule, Subject,
};

/// The policies that select a pod and isolate it in a direction.
pub(super) fn isolating<'w>(
    world: View<'w>,
    direction: Direction,
    subject: &Pod,
) -> Vec<&'w NetworkPolicy> {
    let policies = world.network_policies();
    policies
        .filter(|p| p.rules(direction).is_some())
        .filter(|p| p.selects(&subject.namespace, &subject.labels))
        .collect()
}

/// Policies are additive: a flow passes if any rule of any policy admits it.
pub(super) fn union(
    world: View<'_>,
    direction: Direction,
    flow: &Flow,
    isolating: &[&NetworkPolicy],
) -> Half {
    let mut best: Option<(Outcome, Cause)> = None;
    for policy in isolating {
        for (index, rule) in policy
            .rules(direction)
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            let outcome = admits(world, direction, flow, rule);
            let better = best.as_ref().is_none_or(|(found, _)| outcome < *found);
            if outcome != Outcome::Deny && better {
                let number = index + 1;
                let text = if outcome == Outcome::Allow {
                    format!("{direction} rule {number} admits it")
                } else {
                    format!(
                        "{direction} rule {number} admits it if an address that is not known lies in its ipBlock"
                    )
                };
                best = Some((
                    outcome,
                    cause(direction, outcome, policy, rule.origin, text),
                ));
            }
        }
    }
    match best {
        Some((outcome, cause)) => Half {
            outcome,
            because: vec![cause],
        },
        None => Half {
            outcome: Outcome::Deny,
            because: isolating
                .iter()
                .map(|policy| {
                    let text = format!("isolates for {direction}, and none of its rules admits it");
                    cause(direction, Outcome::Deny, policy, policy.origin, text)
                })
                .collect(),
        },
    }
}

fn layer(direction: Direction) -> Layer {
    match direction {
        Direction::Ingress => Layer::Ingress,
        Direction::Egress => Layer::Egress,
    }
}

fn cause(
    direction: Direction,
    outcome: Outcome,
    policy: &NetworkPolicy,
    origin: Origin,
    text: String,
) -> Cause {
    Cause {
        layer: layer(direction),
        outcome,
        subject: Some(Subject {
            kind: "NetworkPolicy",
            object: policy.object.clone(),
        }),
        origin: Origin(origin.0.or(policy.origin.0)),
        text,
    }
}

/// `.spec.ingress[]`, `.spec.egress[]`: one of the peers, and one of the ports.
fn admits(world: View<'_>, direction: Direction, flow: &Flow, rule: &Rule) -> Outcome {
    if !port_matches(world, flow, rule) {
        return Outcome::Deny;
    }
    let peer = match direction {
        Direction::Ingress => flow.source,
        Direction::Egress => flow.destination,
    };
    // `from`, `to`: "If this field is empty or missing, this rule matches all sources".
    let Some(peers) = &rule.peers else {
        return Outcome::Allow;
    };
    peers.iter().fold(Outcome::Deny, |found, p| {
        found.or(peer_matches(world, p, peer))
    })
}

/// `.ports[]`: "If this field is empty or missing, this rule matches all ports". A named port is
/// looked up on the destination pod; its protocol must match too. Addresses have no named ports.
fn port_matches(world: View<'_>, flow: &Flow, rule: &Rule) -> bool {
    let Some(ports) = &rule.ports else {
        return true;
    };
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

/// `NetworkPolicyPeer`.
fn peer_matches(world: View<'_>, peer: &Peer, end: Endpoint) -> Outcome {
    let found = match (peer, end) {
        (Peer::Pods { .. }, Endpoint::Address(_)) => Some(false),
        (Peer::Pods { namespaces, pods }, Endpoint::Pod(id)) => {
            Some(world.pod(id).is_some_and(|pod| {
                let selected = if pod.host_group {
                    pods.is_everything()
                } else {
                    pod.is_selectable() && pods.matches(&pod.labels)
                };
                selected && in_namespaces(world, namespaces, &pod.namespace)
            }))
        }
        (Peer::Block { cidr, except }, Endpoint::Address(address)) => {
            Some(cidr.contains(&address) && !except.iter().any(|e| e.contains(&address)))
        }
        (Peer::Block { cidr, except }, Endpoint::Pod(id)) => match world.pod(id) {
            None => Some(false),
            // A pod on the host network has its node's address.
            Some(pod) if pod.host_network || pod.host_group => pod
                .addresses
                .in_block(cidr, except)
                .or_else(|| pod.node_addresses.in_block(cidr, except)),
            // Whether ipBlock means pods is left to the implementation; the profile says it.
            Some(pod) if world.profile.ip_block_matches_pods => {
                pod.addresses.in_block(cidr, except)
            }
            Some(_) => Some(false),
        },
    };
    match found {
        Some(true) => Outcome::Allow,
        Some(false) => Outcome::Deny,
        None => Outcome::Depends,
    }
}

fn in_namespaces(world: View<'_>, wanted: &NamespaceMatch, namespace: &str) -> bool {
    match wanted {
        NamespaceMatch::Named(name) => name == namespace,
        NamespaceMatch::Selector(selector) => world
            .namespace_labels(namespace)
            .is_some_and(|labels| selector.matches(labels)),
    }
}
