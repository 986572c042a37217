//! NetworkPolicy, evaluated for classes and cells.
//!
//! Every distinct list of peers is looked up once and kept as a set. Classes that the same policies
//! isolate share a *signature*, which holds the rules of all of them. Cost: policies
//! and their peers to build, rules of one signature to answer for a pair; the number of pods does not
//! matter.

use super::endpoints::{EndpointId, Endpoints};
use super::peers::{Directory, Peers};
use super::probe::{Probes, stretch_of};
use palisade_netmodel::{
    Direction, Enforcement, NamespaceMatch, Peer, Pod, PolicyPort, PortSet, Protocol, World,
};
use rustc_hash::FxHashMap;

/// Ports that pass whatever is not known, and ports that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Passage {
    /// Certain.
    pub must: PortSet,
    /// Possible; holds `must`.
    pub may: PortSet,
}

impl Passage {
    /// Every port passes for certain.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            must: PortSet::all(),
            may: PortSet::all(),
        }
    }

    /// Nothing passes.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            must: PortSet::empty(),
            may: PortSet::empty(),
        }
    }

    /// Both must let pass.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            must: self.must.intersection(&other.must),
            may: self.may.intersection(&other.may),
        }
    }
}

/// A rule by position: index of the policy in the world, and of the rule in its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// Index in [`World::network_policies`].
    pub policy: usize,
    /// Index in its rules of the direction.
    pub rule: usize,
}

/// A rule, compiled: whom, on which ports, and where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// The number of its list of peers; `None` is everybody.
    pub(crate) peers: Option<u32>,
    /// The number of its list of ports; `None` is all.
    pub(crate) ports: Option<u32>,
    id: RuleId,
}

/// A list of ports: numbers, and names that each destination resolves for itself.
#[derive(Debug)]
pub(crate) struct Ports {
    /// The numbers.
    pub(crate) fixed: PortSet,
    names: Vec<(Protocol, String)>,
}

impl Ports {
    pub(super) fn of(list: &[PolicyPort]) -> Self {
        let names = list.iter().filter_map(|port| match port {
            PolicyPort::Named { protocol, name } => Some((*protocol, name.clone())),
            PolicyPort::Range { .. } => None,
        });
        Self {
            fixed: ports_on(Some(list), None),
            names: names.collect(),
        }
    }

    /// Whether a name is among them.
    pub(crate) fn reads_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// The ports on a destination; an address has no names.
    pub(crate) fn on(&self, destination: Option<&Pod>) -> PortSet {
        let mut set = self.fixed.clone();
        for (protocol, name) in &self.names {
            for number in numbers(*protocol, name, destination) {
                set = set.union(&PortSet::single(*protocol, number));
            }
        }
        set
    }

    /// The stretch of ports that it is, if it is one and no name is among them.
    pub(super) fn stretch(&self) -> Option<(Protocol, u16, u16)> {
        let fixed = self.names.is_empty().then_some(&self.fixed);
        fixed.and_then(stretch_of)
    }

    /// Whether a port is among them.
    pub(super) fn hold<'p>(
        &self,
        destination: impl FnOnce() -> Option<&'p Pod>,
        (protocol, port): (Protocol, u16),
    ) -> bool {
        if self.fixed.contains(protocol, port) {
            return true;
        }
        if self.names.is_empty() {
            return false;
        }
        let destination = destination();
        let mut names = self.names.iter().filter(|(of, _)| *of == protocol);
        names.any(|(of, name)| numbers(*of, name, destination).any(|n| n == port))
    }
}

/// What a group of classes shares in one direction: the policies that isolate them.
#[derive(Debug)]
pub(crate) struct Signature {
    policies: Vec<usize>,
    rules: Vec<Compiled>,
    /// Whether a rule names a port.
    named: bool,
}

/// The number of a signature in its direction.
pub(crate) type SignatureId = u32;

/// The signature of classes that nothing isolates, and of addresses.
pub(crate) const OPEN: SignatureId = 0;

/// One direction of all policies.
#[derive(Debug)]
struct Half {
    /// Per class: its signature.
    of: Vec<SignatureId>,
    signatures: Vec<Signature>,
}

impl Half {
    /// Lays the rules of all signatures out, and tells each class where its own lie.
    fn seat(&self, direction: Direction, ports: &[Ports], probes: &mut Probes) {
        // Of those that nothing isolates there are no rules.
        let signatures = self.signatures.iter().skip(1);
        let stretches: Vec<_> = signatures
            .map(|signature| probes.signature(&signature.rules, ports))
            .collect();
        for (class, signature) in self.of.iter().enumerate() {
            let stretch = signature.checked_sub(1);
            let stretch = stretch.and_then(|at| stretches.get(at as usize));
            if let Some(stretch) = stretch {
                probes.seat(direction, class, *stretch);
            }
        }
    }
}

/// All policies of a world.
#[derive(Debug)]
pub(crate) struct Policies {
    ingress: Half,
    egress: Half,
    /// Every distinct list of peers.
    peers: Vec<Peers>,
    /// Every distinct list of ports.
    ports: Vec<Ports>,
    /// The same, for questions about one port.
    probes: Probes,
    enforced: bool,
}

/// The rules of all policies, and every distinct list of peers and ports.
struct Compiler<'w, 'd> {
    directory: &'d mut Directory<'w>,
    peers: Vec<Peers>,
    peer_numbers: FxHashMap<&'w [Peer], u32>,
    ports: Vec<Ports>,
    port_numbers: FxHashMap<&'w [PolicyPort], u32>,
}

impl Policies {
    /// Compiles every policy.
    pub(crate) fn new<'w>(
        world: &'w World,
        endpoints: &'w Endpoints,
        directory: &mut Directory<'w>,
    ) -> Self {
        let subjects: Vec<_> = world
            .network_policies
            .iter()
            .map(|policy| directory.subjects(policy))
            .collect();
        let mut compiler = Compiler {
            directory,
            peers: Vec::new(),
            peer_numbers: FxHashMap::default(),
            ports: Vec::new(),
            port_numbers: FxHashMap::default(),
        };
        let mut half = |direction| {
            let mut isolating: Vec<Vec<usize>> = vec![Vec::new(); endpoints.classes() as usize];
            for (index, policy) in world.network_policies.iter().enumerate() {
                if policy.rules(direction).is_none() {
                    continue;
                }
                for class in subjects.get(index).into_iter().flatten() {
                    if let Some(list) = isolating.get_mut(class as usize) {
                        list.push(index);
                    }
                }
            }
            compiler.half(world, direction, isolating)
        };
        let (ingress, egress) = (half(Direction::Ingress), half(Direction::Egress));
        let Compiler { peers, ports, .. } = compiler;
        let mut probes = Probes::new(endpoints.classes() as usize, &peers);
        for (direction, half) in [(Direction::Ingress, &ingress), (Direction::Egress, &egress)] {
            half.seat(direction, &ports, &mut probes);
        }
        Self {
            ingress,
            egress,
            peers,
            ports,
            probes,
            enforced: world.profile.cni.enforcement != Enforcement::NotEnforced,
        }
    }

    fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The signature of an endpoint.
    pub(crate) fn signature_of(&self, direction: Direction, subject: EndpointId) -> SignatureId {
        let signature = self.half(direction).of.get(subject.index());
        signature.filter(|_| self.enforced).copied().unwrap_or(OPEN)
    }

    fn signature(&self, direction: Direction, subject: EndpointId) -> Option<&Signature> {
        let id = self.signature_of(direction, subject);
        self.half(direction)
            .signatures
            .get(id as usize)
            .filter(|_| id != OPEN)
    }

    /// Whether a rule of a signature names a port.
    pub(crate) fn reads_names(&self, direction: Direction, signature: SignatureId) -> bool {
        let signature = self.half(direction).signatures.get(signature as usize);
        signature.is_some_and(|s| s.named)
    }

    /// The rules of a signature.
    pub(crate) fn rules(&self, direction: Direction, signature: SignatureId) -> &[Compiled] {
        let signature = self.half(direction).signatures.get(signature as usize);
        signature.map_or(&[], |s| &s.rules)
    }

    /// A list of ports by its number.
    pub(crate) fn ports(&self, id: u32) -> Option<&Ports> {
        self.ports.get(id as usize)
    }

    /// A list of peers by its number.
    pub(crate) fn peers(&self, id: u32) -> Option<&Peers> {
        self.peers.get(id as usize)
    }

    /// The policies that isolate an endpoint.
    pub(crate) fn isolating(&self, direction: Direction, subject: EndpointId) -> &[usize] {
        let signature = self.signature(direction, subject);
        signature.map_or(&[], |s| s.policies.as_slice())
    }

    /// Whether the rules of a rule hold a peer: certainly, perhaps (`None`), or not.
    fn means(&self, rule: &Compiled, peer: EndpointId) -> Option<bool> {
        let Some(peers) = rule.peers else {
            return Some(true);
        };
        let peers = self.peers.get(peers as usize);
        peers.map_or(Some(false), |peers| peers.mean(peer.0))
    }

    /// What `subject`'s policies let pass to or from `peer`; `destination` resolves named ports. `None`
    /// if no policy isolates it.
    pub(crate) fn passage(
        &self,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
    ) -> Option<Passage> {
        let signature = self.signature(direction, subject)?;
        let mut passage = Passage::nothing();
        for rule in &signature.rules {
            let means = self.means(rule, peer);
            if means == Some(false) {
                continue;
            }
            let ports = match rule.ports {
                None => PortSet::all(),
                Some(id) => self
                    .ports(id)
                    .map(|p| p.on(destination))
                    .unwrap_or_default(),
            };
            passage.may = passage.may.union(&ports);
            if means == Some(true) {
                passage.must = passage.must.union(&ports);
            }
        }
        Some(passage)
    }

    /// Whether one port passes: certainly, perhaps (`None` inside), or not. `None` if no policy isolates
    /// the subject. No set is built.
    pub(crate) fn admits<'p>(
        &self,
        direction: Direction,
        ends: (EndpointId, EndpointId),
        destination: impl Fn() -> Option<&'p Pod>,
        port: (Protocol, u16),
    ) -> Option<Option<bool>> {
        if !self.enforced {
            return None;
        }
        let lists = (self.peers.as_slice(), self.ports.as_slice());
        self.probes
            .admits(direction, ends, destination, port, lists)
    }

    fn on_port<'p>(
        &self,
        rule: &Compiled,
        destination: impl Fn() -> Option<&'p Pod>,
        port: (Protocol, u16),
    ) -> bool {
        rule.ports
            .is_none_or(|id| self.ports(id).is_some_and(|p| p.hold(destination, port)))
    }

    /// The first rule that lets a port pass, certain ones before possible ones.
    pub(crate) fn admitting_rule(
        &self,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
        port: (Protocol, u16),
    ) -> Option<RuleId> {
        let rules = &self.signature(direction, subject)?.rules;
        let admitting = |wanted: Option<bool>| {
            let mut found = rules.iter().filter(|rule| {
                self.means(rule, peer) == wanted && self.on_port(rule, || destination, port)
            });
            found.next().map(|rule| rule.id)
        };
        admitting(Some(true)).or_else(|| admitting(None))
    }
}

impl<'w> Compiler<'w, '_> {
    fn half(&mut self, world: &'w World, direction: Direction, isolating: Vec<Vec<usize>>) -> Half {
        let mut half = Half {
            of: Vec::with_capacity(isolating.len()),
            signatures: vec![self.signature(world, direction, &[])],
        };
        let mut seen: FxHashMap<Vec<usize>, SignatureId> = FxHashMap::default();
        seen.insert(Vec::new(), OPEN);
        for policies in isolating {
            let next = SignatureId::try_from(half.signatures.len()).unwrap_or(SignatureId::MAX);
            let id = match seen.get(&policies) {
                Some(id) => *id,
                None => {
                    half.signatures
                        .push(self.signature(world, direction, &policies));
                    seen.insert(policies, next);
                    next
                }
            };
            half.of.push(id);
        }
        half
    }

    /// The rules of some policies; of rules with equal peers and ports the first.
    fn signature(
        &mut self,
        world: &'w World,
        direction: Direction,
        policies: &[usize],
    ) -> Signature {
        let mut rules = Vec::new();
        let mut named = false;
        for &policy in policies {
            let list = world.network_policies.get(policy);
            let list = list.and_then(|p| p.rules(direction)).unwrap_or_default();
            for (index, rule) in list.iter().enumerate() {
                let id = RuleId {
                    policy,
                    rule: index,
                };
                let peers = rule.peers.as_deref().map(|peers| self.peer_list(peers));
                let ports = rule.ports.as_deref().map(|ports| self.port_list(ports));
                let list = ports.and_then(|id| self.ports.get(id as usize));
                named |= list.is_some_and(Ports::reads_names);
                rules.push(Compiled { peers, ports, id });
            }
        }
        Signature {
            policies: policies.to_vec(),
            rules,
            named,
        }
    }

    fn peer_list(&mut self, peers: &'w [Peer]) -> u32 {
        if let Some(known) = self.peer_numbers.get(peers) {
            return *known;
        }
        let next = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        let found = self.directory.union(peers);
        self.peers.push(found);
        self.peer_numbers.insert(peers, next);
        next
    }

    fn port_list(&mut self, ports: &'w [PolicyPort]) -> u32 {
        if let Some(known) = self.port_numbers.get(ports) {
            return *known;
        }
        let next = u32::try_from(self.ports.len()).unwrap_or(u32::MAX);
        self.ports.push(Ports::of(ports));
        self.port_numbers.insert(ports, next);
        next
    }
}

/// A rule's ports as numbers. A named port is looked up on the destination pod, with its protocol;
/// an address has no names (`Kubernetes NetworkPolicy API, .ports[].port`).
pub(crate) fn ports_on(ports: Option<&[PolicyPort]>, destination: Option<&Pod>) -> PortSet {
    let Some(ports) = ports else {
        return PortSet::all();
    };
    let mut set = PortSet::empty();
    for port in ports {
        match port {
            PolicyPort::Range {
                protocol,
                first,
                last,
            } => set = set.union(&PortSet::range(*protocol, *first, *last)),
            PolicyPort::Named { protocol, name } => {
                for number in numbers(*protocol, name, destination) {
                    set = set.union(&PortSet::single(*protocol, number));
                }
            }
        }
    }
    set
}

fn numbers(protocol: Protocol, name: &str, destination: Option<&Pod>) -> impl Iterator<Item = u16> {
    let named = destination.map_or(&[][..], |pod| &pod.named_ports);
    let matching = named
        .iter()
        .filter(move |n| n.name == *name && n.protocol == protocol);
    matching.map(|n| n.port)
}

/// One pod of a class.
pub(crate) fn representative<'w>(
    world: &'w World,
    endpoints: &Endpoints,
    endpoint: EndpointId,
) -> Option<&'w Pod> {
    world.pod(*endpoints.members(endpoint).first()?)
}

/// Whether a namespace is meant.
pub(crate) fn namespace_matches(world: &World, wanted: &NamespaceMatch, name: &str) -> bool {
    match wanted {
        NamespaceMatch::Named(n) => n == name,
        NamespaceMatch::Selector(selector) => world
            .namespace_labels(name)
            .is_some_and(|labels| selector.matches(labels)),
    }
}
