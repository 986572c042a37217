//! The intent, matched against the endpoints of a world.

use crate::engine::{Bits, EndpointId, Engine, namespace_matches, ports_on};
use ipnet::IpNet;
use palisade_netmodel::{Claim, Direction, Grant, Intent, Party, Peer, Peers, Pod, PortSet, World};

/// Which endpoints each grant, claim and component means.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Per grant: sources and destinations.
    grants: Vec<(Bits, Bits)>,
    /// The same, and the pods of the host network that a declared block means if their unknown address
    /// lies in it. What else their address admits them to is found at the cells of addresses.
    covering: Vec<(Bits, Bits)>,
    /// Per endpoint: the first claim of each direction, as an index into the intent.
    ingress: Vec<Option<usize>>,
    egress: Vec<Option<usize>>,
    /// Per component: its endpoints.
    components: Vec<Bits>,
}

impl Declared {
    pub(crate) fn new(intent: &Intent, engine: &Engine<'_>) -> Self {
        let grants = intent
            .grants
            .iter()
            .map(|g| (party(engine, &g.from), party(engine, &g.to)))
            .collect();
        let covering = intent
            .grants
            .iter()
            .map(|g| (covered(engine, &g.from), covered(engine, &g.to)))
            .collect();
        let claimed = |direction| {
            engine
                .endpoints()
                .map(|e| claim(intent, engine, direction, e))
                .collect()
        };
        let components = intent
            .components
            .iter()
            .map(|c| {
                Bits::of(engine.len(), |i| {
                    pod_at(engine, i).is_some_and(|pod| {
                        !pod.host_group
                            && pod.namespace == c.namespace
                            && c.selector.matches(&pod.labels)
                    })
                })
            })
            .collect();
        Self {
            grants,
            covering,
            ingress: claimed(Direction::Ingress),
            egress: claimed(Direction::Egress),
            components,
        }
    }

    /// Sources and destinations of a grant.
    pub(crate) fn ends(&self, grant: usize) -> Option<&(Bits, Bits)> {
        self.grants.get(grant)
    }

    /// The endpoints of a component.
    pub(crate) fn component(&self, index: usize) -> Option<&Bits> {
        self.components.get(index)
    }

    /// The claim that excludes undeclared connections at an endpoint.
    pub(crate) fn claim(&self, direction: Direction, endpoint: EndpointId) -> Option<usize> {
        let list = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        list.get(endpoint.index()).copied().flatten()
    }

    /// Every grant between two endpoints, with its ports on the destination.
    pub(crate) fn between<'i>(
        &self,
        intent: &'i Intent,
        engine: &Engine<'_>,
        ends: (EndpointId, EndpointId),
    ) -> Vec<(&'i Grant, PortSet)> {
        Self::among(&self.grants, intent, engine, ends)
    }

    /// The same, with those that may mean an end by an address that is not known.
    pub(crate) fn perhaps_between<'i>(
        &self,
        intent: &'i Intent,
        engine: &Engine<'_>,
        ends: (EndpointId, EndpointId),
    ) -> Vec<(&'i Grant, PortSet)> {
        Self::among(&self.covering, intent, engine, ends)
    }

    fn among<'i>(
        sides: &[(Bits, Bits)],
        intent: &'i Intent,
        engine: &Engine<'_>,
        (source, destination): (EndpointId, EndpointId),
    ) -> Vec<(&'i Grant, PortSet)> {
        let target = engine.pod(destination);
        intent
            .grants
            .iter()
            .zip(sides)
            .filter(|(_, (from, to))| {
                from.contains(source.index()) && to.contains(destination.index())
            })
            .map(|(grant, _)| (grant, ports_on(grant.ports.as_deref(), target)))
            .collect()
    }
}

fn pod_at<'w>(engine: &Engine<'w>, index: usize) -> Option<&'w Pod> {
    let id = u32::try_from(index).ok()?;
    engine.pod(EndpointId(id))
}

/// The first claim of a direction over an endpoint. Only pods that a policy can select can be
/// claimed: nothing isolates the host network.
fn claim(
    intent: &Intent,
    engine: &Engine<'_>,
    direction: Direction,
    endpoint: EndpointId,
) -> Option<usize> {
    let pod = engine
        .pod(endpoint)
        .filter(|pod| pod.is_selectable() && !pod.host_group)?;
    intent
        .claims
        .iter()
        .position(|claim| claim.direction == direction && claims(engine.world(), claim, pod))
}

/// Whether a claim is about a pod.
pub(crate) fn claims(world: &World, claim: &Claim, pod: &Pod) -> bool {
    namespace_matches(world, &claim.namespaces, &pod.namespace) && claim.pods.matches(&pod.labels)
}

/// The endpoints that a party means. Pods on the host network count by their labels: the matrix
/// speaks of components, however their packets look.
fn party(engine: &Engine<'_>, party: &Party) -> Bits {
    Bits::of(engine.len(), |index| match &party.peers {
        Peers::Any => true,
        Peers::List(peers) => peers.iter().any(|peer| means(engine, peer, index)),
    })
}

/// The endpoints that a party means, or may mean.
fn covered(engine: &Engine<'_>, whole: &Party) -> Bits {
    let mut bits = party(engine, whole);
    let Peers::List(peers) = &whole.peers else {
        return bits;
    };
    for index in 0..engine.len() {
        let Some(pod) = pod_at(engine, index) else {
            continue;
        };
        let in_some = peers.iter().any(|peer| match peer {
            Peer::Block { cidr, except } => {
                host_in_block(pod, cidr, except).is_none_or(|inside| inside)
            }
            Peer::Pods { .. } => false,
        });
        if (pod.host_network || pod.host_group) && in_some {
            bits.insert(index);
        }
    }
    bits
}

fn means(engine: &Engine<'_>, peer: &Peer, index: usize) -> bool {
    match (peer, pod_at(engine, index)) {
        (Peer::Pods { namespaces, pods }, Some(pod)) => {
            let selected = if pod.host_group {
                pods.is_everything()
            } else {
                pods.matches(&pod.labels)
            };
            selected && namespace_matches(engine.world(), namespaces, &pod.namespace)
        }
        (Peer::Block { cidr, except }, None) => {
            let id = u32::try_from(index).unwrap_or(u32::MAX);
            engine
                .address(EndpointId(id))
                .is_some_and(|a| cidr.contains(&a) && !except.iter().any(|e| e.contains(&a)))
        }
        // A pod on the host network has its node's address, which a block can mean.
        (Peer::Block { cidr, except }, Some(pod)) if pod.host_network || pod.host_group => {
            host_in_block(pod, cidr, except) == Some(true)
        }
        _ => false,
    }
}

/// Whether the address of a pod on the host network lies in a block; `None` if it is not known.
fn host_in_block(pod: &Pod, cidr: &IpNet, except: &[IpNet]) -> Option<bool> {
    if pod.addresses.known.is_empty() {
        pod.node_addresses.in_block(cidr, except)
    } else {
        pod.addresses.in_block(cidr, except)
    }
}
