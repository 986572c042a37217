//! What the policies at a pod say to each kind of source. Every verdict with a flow is confirmed by the
//! reference evaluator.

use crate::engine::{EndpointId, Engine};
use ipnet::IpNet;
use palisade_netmodel::{
    Direction, Endpoint, Enforcement, Flow, NetworkPolicy, Outcome, Pod, PodId, Protocol, World,
    reference,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A port of the destination.
type Port = (Protocol, u16);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) clients: Vec<(IpAddr, IpAddr)>,
    pub(super) flow: Option<Flow>,
    pub(super) notes: Vec<String>,
}

impl Verdict {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            clients: Vec::new(),
            flow: None,
            notes: Vec::new(),
        }
    }

    /// Nothing here can refuse it.
    pub(super) fn open() -> Self {
        Self::of(Outcome::Allow)
    }

    /// Not known, and why.
    pub(super) fn unknown(why: &str) -> Self {
        Self {
            notes: vec![why.to_owned()],
            ..Self::of(Outcome::Depends)
        }
    }
}

/// Judges sources of one world.
#[derive(Debug)]
pub(super) struct Judge<'w> {
    engine: &'w Engine<'w>,
    /// Cells of addresses outside: no pod's, and no node's.
    outside: Vec<(EndpointId, IpAddr)>,
}

impl<'w> Judge<'w> {
    pub(super) fn new(engine: &'w Engine<'w>) -> Self {
        let world = engine.world();
        let own = world.pods.iter().flat_map(|pod| &pod.node_addresses.known);
        let all = world.nodes.iter().flat_map(|node| &node.addresses);
        let nodes: BTreeSet<IpAddr> = own.chain(all).copied().collect();
        let cells = engine
            .endpoints()
            .filter_map(|e| Some((e, engine.address(e)?)));
        Self {
            engine,
            outside: cells
                .filter(|(_, address)| !nodes.contains(address))
                .collect(),
        }
    }

    pub(super) fn world(&self) -> &'w World {
        self.engine.world()
    }

    fn ask(&self, source: Endpoint, to: PodId, (protocol, port): Port) -> (Flow, Outcome) {
        let flow = Flow {
            source,
            destination: Endpoint::Pod(to),
            protocol,
            port,
        };
        (flow, self.engine.decide(&flow).0)
    }

    /// Clients outside that a pod's address family can reach, within `ranges` if there are any.
    fn clients(&self, to: PodId, ranges: &[IpNet]) -> impl Iterator<Item = (EndpointId, IpAddr)> {
        let known = self.world().pod(to).map(|pod| &pod.addresses.known);
        let known = known.into_iter().flatten();
        let families: BTreeSet<bool> = known.map(IpAddr::is_ipv6).collect();
        let cells = self.outside.iter().copied();
        cells.filter(move |(_, address)| {
            (families.is_empty() || families.contains(&address.is_ipv6()))
                && (ranges.is_empty() || ranges.iter().any(|range| range.contains(address)))
        })
    }

    /// The client itself.
    pub(super) fn client(&self, to: PodId, port: Port, ranges: &[IpNet]) -> Verdict {
        let mut best: Option<(Flow, Outcome)> = None;
        let (mut passing, mut count) = (Vec::new(), 0_usize);
        for (cell, address) in self.clients(to, ranges) {
            let (flow, outcome) = self.ask(Endpoint::Address(address), to, port);
            count += 1;
            if outcome == Outcome::Allow {
                passing.extend(self.engine.range(cell));
            }
            if best.is_none_or(|(_, found)| outcome < found) {
                best = Some((flow, outcome));
            }
        }
        let mut verdict = self.confirmed(best);
        if passing.len() < count || !ranges.is_empty() {
            verdict.clients = joined(passing);
        }
        verdict
    }

    /// A node's address in place of the client's. Traffic of a pod's own node always passes
    /// (`Kubernetes documentation, Network Policies`), but whether policies see the node or the client
    /// there is not defined.
    pub(super) fn node(&self, to: PodId, port: Port) -> Verdict {
        let known: Vec<IpAddr> = self
            .world()
            .nodes
            .iter()
            .flat_map(|n| n.addresses.clone())
            .collect();
        let candidates: Vec<IpAddr> = if known.is_empty() {
            self.clients(to, &[]).map(|(_, address)| address).collect()
        } else {
            known
        };
        let answers: Vec<(Flow, Outcome)> = candidates
            .into_iter()
            .map(|address| self.ask(Endpoint::Address(address), to, port))
            .collect();
        let worst = answers.iter().copied().max_by_key(|(_, outcome)| *outcome);
        if worst.is_none_or(|(_, outcome)| outcome == Outcome::Allow) {
            return self.confirmed(worst);
        }
        let all_denied = answers.iter().all(|(_, outcome)| *outcome == Outcome::Deny);
        if !self.own_node_passes(to, port) && all_denied {
            return self.confirmed(worst);
        }
        Verdict::unknown(if all_denied {
            "policies refuse other nodes, and cannot refuse a client that enters at the pod's own node"
        } else {
            "it depends on the node at which the client enters, since policies admit some addresses only"
        })
    }

    /// Whether something beside NetworkPolicy, such as the mesh, lets the pod's own node pass.
    fn own_node_passes(&self, to: PodId, port: Port) -> bool {
        let own = self.world().pod(to).map(|pod| &pod.node_addresses.known);
        if let Some(address) = own.and_then(|known| known.first()) {
            return self.ask(Endpoint::Address(*address), to, port).1 != Outcome::Deny;
        }
        let class = self.engine.endpoint_of(Endpoint::Pod(to));
        let cell = self.clients(to, &[]).next();
        cell.zip(class).is_none_or(|((cell, _), class)| {
            let mesh = self.engine.mesh_half(cell, class).passage;
            mesh.may.contains(port.0, port.1)
        })
    }

    /// Pods of a controller, each with what lets the outside in to it.
    pub(super) fn pods(&self, from: &[(PodId, Outcome)], to: PodId, port: Port) -> Verdict {
        let mut classes: BTreeMap<(Option<EndpointId>, Outcome), PodId> = BTreeMap::new();
        for (pod, entry) in from {
            let class = self.engine.endpoint_of(Endpoint::Pod(*pod));
            classes.entry((class, *entry)).or_insert(*pod);
        }
        let answers = classes.into_iter().map(|((_, entry), pod)| {
            let (flow, outcome) = self.ask(Endpoint::Pod(pod), to, port);
            (flow, outcome, outcome.and(entry))
        });
        let Some((flow, last, whole)) = answers.min_by_key(|(_, _, whole)| *whole) else {
            return Verdict::unknown("the controller has no pod");
        };
        let confirmed = self.confirmed(Some((flow, last)));
        Verdict {
            outcome: confirmed.outcome.and(whole),
            ..confirmed
        }
    }

    /// Anybody at all: passes only if no policy looks at the source, and is refused only if no source
    /// passes.
    pub(super) fn anyone(&self, to: PodId, port: Port) -> Verdict {
        let Some(pod) = self.world().pod(to) else {
            return Verdict::unknown("no such pod");
        };
        let outcome = self.by_ports(pod, to, port).and(self.mesh(pod, to, port));
        match outcome {
            Outcome::Depends => {
                Verdict::unknown("policies look at the source, which is not known here")
            }
            Outcome::Allow | Outcome::Deny => {
                let address = self.clients(to, &[]).map(|(_, address)| address).next();
                let answer = address.map(|a| self.ask(Endpoint::Address(a), to, port));
                let agrees = answer.filter(|(_, found)| *found == outcome);
                agrees.map_or_else(
                    || Verdict::unknown("policies look at the source, which is not known here"),
                    |answer| self.confirmed(Some(answer)),
                )
            }
        }
    }

    /// What policies on addresses say to a source that is not known.
    fn by_ports(&self, pod: &Pod, to: PodId, (protocol, port): Port) -> Outcome {
        let world = self.world();
        if world.profile.cni.enforcement == Enforcement::NotEnforced || pod.host_network {
            return Outcome::Allow;
        }
        let namespace = world.namespace_labels(&pod.namespace);
        let admin = world.admin_policies.iter().any(|policy| {
            let subject = &policy.subject;
            let selects = |labels| subject.matches(labels, &pod.labels);
            !policy.ingress.is_empty() && namespace.is_some_and(selects)
        });
        if admin {
            return Outcome::Depends;
        }
        let isolates = |policy: &&NetworkPolicy| {
            policy.ingress.is_some() && policy.selects(&pod.namespace, &pod.labels)
        };
        let policies: Vec<&NetworkPolicy> =
            world.network_policies.iter().filter(isolates).collect();
        if policies.is_empty() {
            return Outcome::Allow;
        }
        let Some(class) = self.engine.endpoint_of(Endpoint::Pod(to)) else {
            return Outcome::Depends;
        };
        let rules = policies
            .iter()
            .flat_map(|p| p.rules(Direction::Ingress).unwrap_or_default());
        let fitting = rules.filter(|rule| {
            let ports = self.engine.ports_at(rule.ports.as_deref(), class);
            ports.contains(protocol, port)
        });
        fitting.fold(Outcome::Deny, |found, rule| {
            found.or(if rule.peers.is_none() {
                Outcome::Allow
            } else {
                Outcome::Depends
            })
        })
    }

    /// What the mesh says to a source that is not known.
    fn mesh(&self, pod: &Pod, to: PodId, (protocol, port): Port) -> Outcome {
        let world = self.world();
        let judged = world.authorization_policies.iter().any(|policy| {
            let namespace = &policy.object.namespace;
            *namespace == pod.namespace || *namespace == world.mesh.root_namespace
        });
        let class = self.engine.endpoint_of(Endpoint::Pod(to));
        let cell = self.clients(to, &[]).next();
        let Some(((cell, _), class)) = cell.zip(class) else {
            return Outcome::Depends;
        };
        let passage = self.engine.mesh_half(cell, class).passage;
        if passage.must.is_all() || (!judged && passage.must.contains(protocol, port)) {
            Outcome::Allow
        } else {
            Outcome::Depends
        }
    }

    /// The verdict of one flow, if the reference says the same.
    fn confirmed(&self, answer: Option<(Flow, Outcome)>) -> Verdict {
        let Some((flow, outcome)) = answer else {
            return Verdict::unknown("no source outside can be named");
        };
        if reference::decide(self.world(), &flow).outcome != outcome {
            return Verdict::unknown("the engine and the reference evaluator disagree (PAL0399)");
        }
        Verdict {
            flow: Some(flow),
            ..Verdict::of(outcome)
        }
    }
}

/// Ranges with neighbours joined.
fn joined(mut ranges: Vec<(IpAddr, IpAddr)>) -> Vec<(IpAddr, IpAddr)> {
    ranges.sort_unstable();
    let mut out: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (first, last) in ranges {
        match out.last_mut() {
            Some(previous) if next(previous.1) == Some(first) => previous.1 = last,
            _ => out.push((first, last)),
        }
    }
    out
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => a.to_bits().checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(a) => a.to_bits().checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}
