//! The symbolic engine: for two endpoints, the set of ports that pass and how they are encrypted.
//!
//! It answers for classes of pods and cells of addresses, so its cost follows the number of distinct
//! workloads and CIDRs, not of pods. It must agree with `netmodel::reference` on every flow.

mod ambient;
mod authorization;
mod candidates;
mod cells;
mod client;
mod endpoints;
mod labels;
mod live;
mod mesh;
mod peers;
mod policies;
mod port_table;
mod probe;
mod relation;
mod rows;
mod tiers;
mod ztunnel;

pub use endpoints::{Cuts, EndpointId};
pub use live::{
    Connection, Edit, Effect, Flaw, HalfChange, Live, MeshChange, Moved, Standing, Unfollowed,
};
pub use policies::{Passage, RuleId};
pub(crate) use policies::{namespace_matches, ports_on};
pub(crate) use port_table::PortsId;
pub use relation::Relation;
pub(crate) use relation::Word;
pub use tiers::AdminRuleId;

use ambient::{Ambient, Crossing};
use candidates::Concerned;
use endpoints::Endpoints;
use ipnet::IpNet;
use palisade_netmodel::{
    Direction, Encryption, Endpoint, Flow, MtlsMode, Outcome, Pod, PodId, PolicyPort, PortSet,
    Protocol, Tier, World,
};
use peers::Directory;
use policies::Policies;
use roaring::RoaringBitmap;
use std::net::IpAddr;
use tiers::Tiers;

/// What passes between two endpoints, and what is proven of the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Which ports pass, for certain or perhaps.
    pub passage: Passage,
    /// Ports on which nothing but mesh mTLS is accepted.
    pub mesh_mtls: PortSet,
    /// Ports on which a gateway accepts nothing but TLS.
    pub tls: PortSet,
    /// Ports that no Service leads to and that are reached only if the caller's process uses the mesh
    /// certificate itself: a sidecar sends plaintext to a bare pod address.
    pub by_certificate: PortSet,
}

/// The answers for one world.
#[derive(Debug)]
pub struct Engine<'w> {
    world: &'w World,
    endpoints: Endpoints,
    policies: Policies,
    tiers: Tiers,
    /// Per class: its identity. Empty where nobody has a proxy.
    clients: Vec<mesh::Client<'w>>,
    /// Per class: its proxy, if it has one. Empty where nobody has.
    receivers: Vec<Option<mesh::Receiver<'w>>>,
    /// Captured pods and waypoints.
    ambient: Ambient<'w>,
    /// What finds the objects that matter to a flow.
    concerned: Concerned<'w>,
}

impl<'w> Engine<'w> {
    /// An engine for a world. Cost: linear in pods; distinct peers times distinct workloads.
    #[must_use]
    pub fn new(world: &'w World) -> Self {
        Self::with_cuts(world, &Cuts::default())
    }

    /// An engine whose cells of addresses each lie within or without each block.
    #[must_use]
    pub fn with_blocks(world: &'w World, blocks: &[IpNet]) -> Self {
        let cuts = Cuts {
            blocks: blocks.to_vec(),
            ..Cuts::default()
        };
        Self::with_cuts(world, &cuts)
    }

    /// An engine whose endpoints are also split by what somebody else will ask about.
    #[must_use]
    pub fn with_cuts(world: &'w World, cuts: &Cuts) -> Self {
        let endpoints = Endpoints::new(world, cuts);
        let mut directory = Directory::new(world, &endpoints);
        let policies = Policies::new(world, &endpoints, &mut directory);
        let tiers = Tiers::new(world, &endpoints, &mut directory);
        let meshed = endpoints.ids().any(|e| endpoints.traits(e).proxy);
        let concerned = Concerned::new(world, &endpoints, &mut directory, meshed);
        let classes = endpoints.ids().filter(|_| meshed);
        let pods = classes.filter_map(|e| policies::representative(world, &endpoints, e));
        let mut identities = mesh::Identities::new(world);
        let (clients, receivers) = pods
            .map(|pod| {
                let client = mesh::Client::new(pod, identities.of(pod));
                (client, mesh::Receiver::new(world, pod))
            })
            .unzip();
        let pod = |e| policies::representative(world, &endpoints, e);
        let ambient = Ambient::new(world, endpoints.ids().map(pod));
        Self {
            world,
            policies,
            tiers,
            endpoints,
            clients,
            receivers,
            ambient,
            concerned,
        }
    }

    /// The world that is answered for.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is no endpoint (never: both address families are there).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.len() == 0
    }

    /// Every endpoint, pods before addresses.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointId> + use<> {
        self.endpoints.ids()
    }

    /// One pod of the endpoint, if it is a class of pods.
    #[must_use]
    pub fn pod(&self, endpoint: EndpointId) -> Option<&'w Pod> {
        policies::representative(self.world, &self.endpoints, endpoint)
    }

    /// All pods of the endpoint.
    #[must_use]
    pub fn members(&self, endpoint: EndpointId) -> &[PodId] {
        self.endpoints.members(endpoint)
    }

    /// One address of the endpoint, if it is a cell of addresses that are no pod's.
    #[must_use]
    pub fn address(&self, endpoint: EndpointId) -> Option<IpAddr> {
        let sample = self.endpoints.sample(endpoint)?;
        sample.outside.then_some(sample.address)
    }

    /// First and last address of a cell of addresses, also of one that belongs to a pod and so is no
    /// end of its own; `None` for a class of pods.
    #[must_use]
    pub fn range(&self, endpoint: EndpointId) -> Option<(IpAddr, IpAddr)> {
        self.endpoints.range(endpoint)
    }

    /// The class or cell of an end of a flow.
    pub(crate) fn endpoint_of(&self, end: Endpoint) -> Option<EndpointId> {
        self.endpoints.locate(end)
    }

    /// Whether the endpoint can start connections: addresses outside, live pods.
    #[must_use]
    pub fn is_source(&self, endpoint: EndpointId) -> bool {
        self.endpoints.traits(endpoint).source
    }

    /// Whether the endpoint can accept connections.
    #[must_use]
    pub fn is_destination(&self, endpoint: EndpointId) -> bool {
        self.endpoints.traits(endpoint).destination
    }

    /// A flow between two different members, if there is one: a pod reaches itself whatever the
    /// policies say. If possible the members do not share a node, for the same reason.
    #[must_use]
    pub fn flow(
        &self,
        source: EndpointId,
        destination: EndpointId,
        (protocol, port): (Protocol, u16),
    ) -> Option<Flow> {
        let ends = |endpoint| -> Vec<Endpoint> {
            match self.address(endpoint) {
                Some(address) => vec![Endpoint::Address(address)],
                None => {
                    let members = self.members(endpoint).iter();
                    members.take(TRIED).map(|pod| Endpoint::Pod(*pod)).collect()
                }
            }
        };
        let destinations = ends(destination);
        let mut flows = ends(source).into_iter().flat_map(|source| {
            let others = destinations.iter().filter(move |d| **d != source);
            others.map(move |destination| Flow {
                source,
                destination: *destination,
                protocol,
                port,
            })
        });
        let first = flows.next()?;
        let apart = |flow: &Flow| {
            !self.share_node(flow.destination, flow.source)
                && !self.share_node(flow.source, flow.destination)
        };
        if apart(&first) {
            return Some(first);
        }
        Some(flows.find(apart).unwrap_or(first))
    }

    /// Whether two endpoints can form a pair of different ends, at least one of them a pod.
    #[must_use]
    pub fn is_pair(&self, source: EndpointId, destination: EndpointId) -> bool {
        self.is_source(source)
            && self.is_destination(destination)
            && !(self.address(source).is_some() && self.address(destination).is_some())
            && (source != destination || self.members(source).len() > 1)
    }

    /// What passes from one endpoint to a different member of another.
    #[must_use]
    pub fn pair(&self, source: EndpointId, destination: EndpointId) -> Pair {
        if !self.is_source(source) || !self.is_destination(destination) {
            return Pair::closed();
        }
        if let Some(crossing) = Crossing::new(self, (source, destination)) {
            return crossing.pair();
        }
        let network = self
            .half(Direction::Egress, source, destination)
            .and(&self.half(Direction::Ingress, source, destination));
        let mut pair = self.mesh_half(source, destination);
        pair.passage = network.and(&pair.passage);
        pair
    }

    /// Everything that the policies of all tiers let pass, factored: for questions about all pairs at
    /// once.
    #[must_use]
    pub fn relation(&self) -> Relation {
        Relation::new(self)
    }

    /// What the policies of all tiers let pass at one end. Between captured pods they see the tunnel only,
    /// and have one word on all TCP ports.
    #[must_use]
    pub fn half(
        &self,
        direction: Direction,
        source: EndpointId,
        destination: EndpointId,
    ) -> Passage {
        if let Some(crossing) = Crossing::new(self, (source, destination)) {
            return crossing.half(direction);
        }
        let (subject, peer) = match direction {
            Direction::Ingress => (destination, source),
            Direction::Egress => (source, destination),
        };
        if self.world.profile.exempts_own_node(direction) && self.shares_node(subject, peer) {
            return self.carried(Passage::everything());
        }
        self.policed(direction, source, destination)
    }

    /// The policies of administrators that select an endpoint, as a number: 0 for none.
    pub(crate) fn administrators_of(&self, endpoint: EndpointId) -> u32 {
        self.tiers.signature_of(endpoint)
    }

    /// Ports of a pair about which policies of administrators disagree that nothing ranks, in one
    /// direction, as far as the `budget` of comparisons goes.
    pub(crate) fn disagreements(
        &self,
        direction: Direction,
        source: EndpointId,
        destination: EndpointId,
        budget: &mut usize,
    ) -> Vec<(AdminRuleId, AdminRuleId, PortSet)> {
        let ends = match direction {
            Direction::Ingress => (destination, source),
            Direction::Egress => (source, destination),
        };
        let target = self.pod(destination);
        self.tiers
            .disagreements(self.world, direction, ends, target, budget)
    }

    /// Without certainty for protocols that the network plugin may not carry.
    fn carried(&self, mut passage: Passage) -> Passage {
        for protocol in Protocol::ALL {
            if !self.world.profile.carries(protocol) {
                passage.must = passage.must.difference(&PortSet::protocol(protocol));
            }
        }
        passage
    }

    /// What the policies of all tiers say at one end, whatever node it is on.
    pub(crate) fn policed(
        &self,
        direction: Direction,
        source: EndpointId,
        destination: EndpointId,
    ) -> Passage {
        let ends = match direction {
            Direction::Ingress => (destination, source),
            Direction::Egress => (source, destination),
        };
        let target = self.pod(destination);
        let isolated = self.policies.passage(direction, ends, target);
        let passage = self
            .tiers
            .passage(self.world, direction, ends, target, isolated);
        self.carried(passage)
    }

    /// Whether a pair is up to the policies of all tiers alone: no mesh proxy receives it, and its ends do not
    /// share a node.
    pub(crate) fn is_up_to_policies(&self, source: EndpointId, destination: EndpointId) -> bool {
        !self.endpoints.traits(destination).proxy
            && !self.shares_node(source, destination)
            && !self.shares_node(destination, source)
    }

    /// Whether a proxy of the mesh receives connections to an endpoint.
    pub(crate) fn is_proxied(&self, endpoint: EndpointId) -> bool {
        self.endpoints.traits(endpoint).proxy
    }

    /// Whether ambient mode may have a part in connections to an endpoint.
    pub(crate) fn may_cross(&self, destination: EndpointId) -> bool {
        self.ambient.in_use && self.is_proxied(destination)
    }

    /// Every such endpoint.
    pub(crate) fn crossed(&self) -> RoaringBitmap {
        let all = self.endpoints().filter(|_| self.ambient.in_use);
        all.filter(|e| self.may_cross(*e)).map(|e| e.0).collect()
    }

    /// Whether `peer` is the node of `subject`, or lives on its host network: always admitted
    /// (`Kubernetes documentation, Network Policies: traffic to and from the node`). For classes: whether
    /// that is so for all their pods.
    fn shares_node(&self, subject: EndpointId, peer: EndpointId) -> bool {
        let member = |endpoint| match self.address(endpoint) {
            Some(address) => Some(Endpoint::Address(address)),
            None => self.members(endpoint).first().copied().map(Endpoint::Pod),
        };
        // A cell is on a node only if it is that one address.
        let whole = |endpoint| match self.range(endpoint) {
            Some((first, last)) => first == last,
            None => self.endpoints.on_one_node(endpoint),
        };
        let ends = member(subject).zip(member(peer));
        whole(subject) && whole(peer) && ends.is_some_and(|(s, p)| self.share_node(s, p))
    }

    /// The same for two ends.
    fn share_node(&self, subject: Endpoint, peer: Endpoint) -> bool {
        let Endpoint::Pod(subject) = subject else {
            return false;
        };
        let node = |pod: PodId| self.world.pod(pod).map(|p| &p.node_addresses.known);
        let Some(node) = node(subject).filter(|known| !known.is_empty()) else {
            return false;
        };
        match peer {
            Endpoint::Address(address) => node.contains(&address),
            Endpoint::Pod(peer) => self.world.pod(peer).is_some_and(|pod| {
                let mut own = pod.addresses.known.iter().chain(&pod.node_addresses.known);
                pod.host_network && own.any(|a| node.contains(a))
            }),
        }
    }

    /// What the mesh lets pass, and how.
    #[must_use]
    pub fn mesh_half(&self, source: EndpointId, destination: EndpointId) -> Pair {
        match Crossing::new(self, (source, destination)) {
            Some(crossing) => crossing.mesh(),
            None => self.without_tunnels(source, destination),
        }
    }

    /// What a sidecar or gateway lets pass that is reached on the port that is meant.
    fn without_tunnels(&self, source: EndpointId, destination: EndpointId) -> Pair {
        match self.receivers.get(destination.index()) {
            Some(Some(receiver)) => receiver.pair(self.mesh_end(source)),
            _ => mesh::untouched(),
        }
    }

    fn mesh_end(&self, endpoint: EndpointId) -> mesh::Source<'_> {
        let client = self.clients.get(endpoint.index());
        match (client, self.endpoints.sample(endpoint)) {
            (Some(client), _) => mesh::Source::Pod(client),
            (_, Some(sample)) => mesh::Source::Address(sample.address),
            _ => mesh::Source::Nobody,
        }
    }

    /// The policies that isolate an endpoint in a direction, as indices into the world.
    #[must_use]
    pub fn isolating(&self, direction: Direction, subject: EndpointId) -> &[usize] {
        self.policies.isolating(direction, subject)
    }

    /// The first rule that admits a port at one end; `None` if no policy isolates, or none admits.
    #[must_use]
    pub fn admitting_rule(
        &self,
        direction: Direction,
        source: EndpointId,
        destination: EndpointId,
        port: (Protocol, u16),
    ) -> Option<RuleId> {
        let ends = match direction {
            Direction::Ingress => (destination, source),
            Direction::Egress => (source, destination),
        };
        let target = self.pod(destination);
        self.policies.admitting_rule(direction, ends, target, port)
    }

    /// The rules of administrators' policies that accept ports at one end, with these ports.
    #[must_use]
    pub fn accepting_rules(
        &self,
        direction: Direction,
        source: EndpointId,
        destination: EndpointId,
    ) -> Vec<(AdminRuleId, PortSet)> {
        let ends = match direction {
            Direction::Ingress => (destination, source),
            Direction::Egress => (source, destination),
        };
        let target = self.pod(destination);
        let of = |tier| {
            self.tiers
                .accepting(self.world, tier, direction, ends, target)
        };
        let mut rules = of(Tier::Admin);
        if self.isolating(direction, ends.0).is_empty() {
            rules.extend(of(Tier::Baseline));
        }
        rules
    }

    /// The ports of a rule on a destination, named ports looked up there.
    #[must_use]
    pub fn rule_ports(
        &self,
        direction: Direction,
        rule: RuleId,
        destination: EndpointId,
    ) -> PortSet {
        let policy = self.world.network_policies.get(rule.policy);
        let rule = policy.and_then(|p| p.rules(direction)?.get(rule.rule));
        rule.map_or_else(PortSet::empty, |r| {
            self.ports_at(r.ports.as_deref(), destination)
        })
    }

    /// Policy ports as numbers on a destination, named ports looked up there; `None` is all ports.
    #[must_use]
    pub fn ports_at(&self, ports: Option<&[PolicyPort]>, destination: EndpointId) -> PortSet {
        ports_on(ports, self.pod(destination))
    }

    /// What the sidecar of an endpoint accepts on a TCP port; `None` if no sidecar receives it.
    #[must_use]
    pub fn mtls_mode(&self, endpoint: EndpointId, port: u16) -> Option<MtlsMode> {
        mesh::mode(self.world, self.pod(endpoint)?, port)
    }

    /// The answer for one flow. A pod reaches itself whatever the policies say
    /// (`Kubernetes documentation, Network Policies: a Pod cannot block access to itself`).
    #[must_use]
    pub fn decide(&self, flow: &Flow) -> (Outcome, Encryption) {
        let denied = (Outcome::Deny, Encryption::None);
        let ends = self.endpoints.locate(flow.source);
        let Some((source, destination)) = ends.zip(self.endpoints.locate(flow.destination)) else {
            return denied;
        };
        let (from, to) = (
            self.endpoints.traits(source),
            self.endpoints.traits(destination),
        );
        if !from.source || !to.destination {
            return denied;
        }
        if flow.source == flow.destination && from.pod {
            return (Outcome::Allow, Encryption::None);
        }
        if let Some(crossing) = Crossing::new(self, (source, destination)) {
            let own_node = self.share_node(flow.destination, flow.source);
            if flow.protocol == Protocol::Tcp {
                return crossing.with(own_node).pair().at(flow.protocol, flow.port);
            }
        }
        let mut outcome = Outcome::Allow;
        for (direction, ends, own, peer, traits) in [
            (
                Direction::Egress,
                (source, destination),
                flow.source,
                flow.destination,
                to,
            ),
            (
                Direction::Ingress,
                (destination, source),
                flow.destination,
                flow.source,
                from,
            ),
        ] {
            // Only an address, or a pod on the host network, can be somebody's node.
            let exempt = self.world.profile.exempts_own_node(direction);
            if exempt && (traits.host || !traits.pod) && self.share_node(own, peer) {
                continue;
            }
            let port = (flow.protocol, flow.port);
            let admits = self.admits(direction, ends, port);
            outcome = outcome.and(verdict(admits));
        }
        if !self.world.profile.carries(flow.protocol) {
            outcome = outcome.and(Outcome::Depends);
        }
        if outcome == Outcome::Deny {
            return denied;
        }
        if !to.proxy {
            return (outcome, Encryption::None);
        }
        let pair = self.mesh_half(source, destination);
        match pair.at(flow.protocol, flow.port) {
            (Outcome::Deny, _) => denied,
            (mesh, encryption) => (outcome.and(mesh), encryption),
        }
    }

    /// Whether the policies of a subject let one port pass: certainly, perhaps (`None`), or not.
    fn admits(
        &self,
        direction: Direction,
        ends: (EndpointId, EndpointId),
        port: (Protocol, u16),
    ) -> Option<bool> {
        let destination = match direction {
            Direction::Ingress => ends.0,
            Direction::Egress => ends.1,
        };
        let target = || self.pod(destination);
        let admits = self.policies.admits(direction, ends, target, port);
        if !self.tiers.selects(ends.0) {
            return admits.unwrap_or(Some(true));
        }
        self.tiers
            .admits(self.world, direction, ends, (target(), port), admits)
    }

    /// How TCP connections of a pair run in tunnels, so that NetworkPolicies do not see their ports.
    #[must_use]
    pub fn tunnels(&self, source: EndpointId, destination: EndpointId) -> Tunnels {
        match Crossing::new(self, (source, destination)) {
            None => Tunnels::None,
            Some(crossing) => crossing.tunnels(),
        }
    }
}

/// How connections of a pair run in tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnels {
    /// Not at all.
    None,
    /// All, in one from end to end.
    Direct,
    /// Some may.
    Perhaps,
    /// Some run in one to a waypoint, and in one from there.
    ByWaypoint,
}

impl Pair {
    /// Nothing passes.
    pub(crate) fn closed() -> Self {
        Self {
            passage: Passage::nothing(),
            mesh_mtls: PortSet::empty(),
            tls: PortSet::empty(),
            by_certificate: PortSet::empty(),
        }
    }

    /// The same without a word on ports that do not pass.
    pub(crate) fn of_what_passes(self) -> Self {
        let may = &self.passage.may;
        Self {
            mesh_mtls: self.mesh_mtls.intersection(may),
            tls: self.tls.intersection(may),
            by_certificate: self.by_certificate.intersection(may),
            passage: self.passage,
        }
    }

    /// The answer on one port.
    fn at(&self, protocol: Protocol, port: u16) -> (Outcome, Encryption) {
        let at = |set: &PortSet| set.contains(protocol, port);
        let outcome = match (at(&self.passage.must), at(&self.passage.may)) {
            (true, _) => Outcome::Allow,
            (false, true) => Outcome::Depends,
            (false, false) => return (Outcome::Deny, Encryption::None),
        };
        let encryption = match (at(&self.mesh_mtls), at(&self.tls)) {
            (true, _) => Encryption::MeshMtls,
            (false, true) => Encryption::Tls,
            (false, false) => Encryption::None,
        };
        (outcome, encryption)
    }
}

/// How many pods of a class are tried for an example.
const TRIED: usize = 8;

fn verdict(admits: Option<bool>) -> Outcome {
    match admits {
        Some(true) => Outcome::Allow,
        None => Outcome::Depends,
        Some(false) => Outcome::Deny,
    }
}
