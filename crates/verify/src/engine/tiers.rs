//! The administrators' policies, evaluated for classes and cells.
//!
//! A tier splits the ports of a pair by what may become of them: accepted, denied, passed on by a rule,
//! or matched by none. Ports with more than one possibility are not decided. Rules refine the split in
//! their order. Classes that the same policies select share a *signature*. Cost: policies and their
//! peers to build, rules of one signature to answer for a pair.

use super::endpoints::{EndpointId, Endpoints, Kind};
use super::peers::{Directory, Peers};
use super::policies::{Passage, representative};
use ipnet::IpNet;
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, Direction,
    NamespacedPods, Node, Pod, PortSet, Protocol, Selector, Tier, World,
};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A rule of an administrator's policy by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminRuleId {
    /// Index in [`World::admin_policies`].
    pub policy: usize,
    /// Index in its rules of the direction.
    pub rule: usize,
}

/// Some of the ports that are asked about: a set of them, or whether the only one is among them.
pub(super) trait Ports: Clone {
    fn none() -> Self;
    fn all() -> Self;
    fn or(&self, other: &Self) -> Self;
    fn and(&self, other: &Self) -> Self;
    fn without(&self, other: &Self) -> Self;
}

impl Ports for PortSet {
    fn none() -> Self {
        Self::empty()
    }
    fn all() -> Self {
        Self::all()
    }
    fn or(&self, other: &Self) -> Self {
        self.union(other)
    }
    fn and(&self, other: &Self) -> Self {
        self.intersection(other)
    }
    fn without(&self, other: &Self) -> Self {
        self.difference(other)
    }
}

impl Ports for bool {
    fn none() -> Self {
        false
    }
    fn all() -> Self {
        true
    }
    fn or(&self, other: &Self) -> Self {
        *self || *other
    }
    fn and(&self, other: &Self) -> Self {
        *self && *other
    }
    fn without(&self, other: &Self) -> Self {
        *self && !*other
    }
}

/// What may become of ports. A port may be in several sets, and is in at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Split<P> {
    accept: P,
    deny: P,
    pass: P,
    /// No rule matches.
    open: P,
}

impl<P: Ports> Split<P> {
    pub(super) fn untouched() -> Self {
        Self {
            accept: P::none(),
            deny: P::none(),
            pass: P::none(),
            open: P::all(),
        }
    }

    /// A rule takes its ports out of those that are left, if it matches for certain.
    pub(super) fn act(&mut self, action: AdminAction, ports: &P, certain: bool) {
        let taken = self.open.and(ports);
        let set = match action {
            AdminAction::Accept => &mut self.accept,
            AdminAction::Deny => &mut self.deny,
            AdminAction::Pass => &mut self.pass,
        };
        *set = set.or(&taken);
        if certain {
            self.open = self.open.without(&taken);
        }
    }

    /// What comes later acts on the ports that are left.
    pub(super) fn then(&mut self, later: &Self) {
        for (set, more) in [
            (&mut self.accept, &later.accept),
            (&mut self.deny, &later.deny),
            (&mut self.pass, &later.pass),
        ] {
            *set = set.or(&self.open.and(more));
        }
        self.open = self.open.and(&later.open);
    }

    /// Any of two may act on a port that both match; one that matches is enough.
    pub(super) fn beside(&mut self, other: &Self) {
        self.accept = self.accept.or(&other.accept);
        self.deny = self.deny.or(&other.deny);
        self.pass = self.pass.or(&other.pass);
        self.open = self.open.and(&other.open);
    }

    /// What must and may pass, if `next` says the same of ports that go on.
    pub(super) fn before(&self, (must, may): (&P, &P)) -> (P, P) {
        let onward = self.pass.or(&self.open);
        let may = self.accept.or(&onward.and(may));
        let refused = self.deny.or(&onward.without(must));
        (may.without(&refused), may)
    }
}

/// A rule, compiled: who is meant (a number of `Tiers::peers`), and what becomes of it.
#[derive(Debug, Clone, Copy)]
struct Compiled {
    peers: u32,
    action: AdminAction,
}

/// The rules of one policy.
#[derive(Debug, Default)]
struct Rules {
    ingress: Vec<Compiled>,
    egress: Vec<Compiled>,
}

/// A rule, what it does, and on which ports.
type Acting = (AdminRuleId, AdminAction, PortSet);

/// Policies of one kind and tier: groups of equal priority, lowest number first.
type Ranked = Vec<Vec<usize>>;

/// The policies that select a group of classes, by tier and kind.
#[derive(Debug, Default)]
struct Signature {
    admin: Vec<Ranked>,
    baseline: Vec<Ranked>,
}

/// All policies of administrators that the network plugin enforces.
#[derive(Debug)]
pub(crate) struct Tiers {
    /// Per policy of the world.
    rules: Vec<Rules>,
    /// Every distinct list of peers.
    peers: Vec<Peers>,
    /// The first one selects nobody.
    signatures: Vec<Signature>,
    /// Per class.
    of: Vec<u32>,
}

/// What rules are asked about: a direction, and who is at the other end.
#[derive(Clone, Copy)]
struct Question<'w> {
    world: &'w World,
    direction: Direction,
    peer: EndpointId,
}

impl Tiers {
    pub(crate) fn new<'w>(
        world: &'w World,
        endpoints: &'w Endpoints,
        directory: &mut Directory<'w>,
    ) -> Self {
        let mut compiler = Compiler {
            world,
            endpoints,
            directory,
            peers: Vec::new(),
            numbers: FxHashMap::default(),
        };
        let mut selecting = vec![Vec::new(); endpoints.classes() as usize];
        let mut rules = Vec::with_capacity(world.admin_policies.len());
        for (index, policy) in world.admin_policies.iter().enumerate() {
            let enforced = world.profile.enforces(policy.kind);
            rules.push(if enforced {
                compiler.rules(policy)
            } else {
                Rules::default()
            });
            if enforced {
                for class in compiler.directory.namespaced(&policy.subject) {
                    if let Some(list) = selecting.get_mut(class as usize) {
                        list.push(index);
                    }
                }
            }
        }
        let peers = compiler.peers;
        let (signatures, of) = signatures(world, selecting);
        Self {
            rules,
            peers,
            signatures,
            of,
        }
    }

    /// The policies that speak of an endpoint, if there are any.
    fn signature(&self, subject: EndpointId) -> Option<&Signature> {
        let id = self.of.get(subject.index()).filter(|id| **id != 0)?;
        self.signatures.get(*id as usize)
    }

    /// What one end lets pass: the tiers around what its NetworkPolicies say, if any isolates it.
    pub(crate) fn passage(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
        isolated: Option<Passage>,
    ) -> Passage {
        let Some(signature) = self.signature(subject) else {
            return isolated.unwrap_or_else(Passage::everything);
        };
        let question = Question {
            world,
            direction,
            peer,
        };
        let on = |rule: &AdminRule| ports_of(rule, destination);
        let next = isolated.map(|passage| (passage.must, passage.may));
        let (must, may) = self.judge(question, signature, &on, next);
        Passage { must, may }
    }

    /// Whether a policy selects an endpoint.
    pub(crate) fn selects(&self, subject: EndpointId) -> bool {
        self.signature_of(subject) != 0
    }

    /// The signature of an endpoint; 0 if no policy selects it.
    pub(crate) fn signature_of(&self, subject: EndpointId) -> u32 {
        self.of.get(subject.index()).copied().unwrap_or_default()
    }

    /// Every distinct list of peers that rules of an endpoint's policies ask about.
    pub(crate) fn peers_of(&self, direction: Direction, subject: EndpointId) -> Vec<&Peers> {
        let rules = self.policies_of(subject).filter_map(|policy| {
            let rules = self.rules.get(policy)?;
            Some(match direction {
                Direction::Ingress => &rules.ingress,
                Direction::Egress => &rules.egress,
            })
        });
        let numbers: BTreeSet<u32> = rules.flatten().map(|rule| rule.peers).collect();
        let peers = numbers.into_iter().map(|n| self.peers.get(n as usize));
        peers.flatten().collect()
    }

    /// Whether a rule of an endpoint's policies names a port.
    pub(crate) fn reads_names(
        &self,
        world: &World,
        direction: Direction,
        subject: EndpointId,
    ) -> bool {
        self.policies_of(subject).any(|policy| {
            let policy = world.admin_policies.get(policy);
            let rules = policy.map_or(&[][..], |p| p.rules(direction));
            let mut ports = rules.iter().flat_map(|r| r.ports.iter().flatten());
            ports.any(|port| matches!(port, AdminPort::Named(_)))
        })
    }

    /// The policies that select an endpoint.
    pub(crate) fn policies_of(&self, subject: EndpointId) -> impl Iterator<Item = usize> {
        let signature = self.signature(subject);
        let tiers = signature
            .into_iter()
            .flat_map(|s| s.admin.iter().chain(&s.baseline));
        tiers.flatten().flatten().copied()
    }

    /// Whether one port passes: certainly, perhaps (`None`), or not.
    pub(crate) fn admits(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        (destination, port): (Option<&Pod>, (Protocol, u16)),
        isolated: Option<Option<bool>>,
    ) -> Option<bool> {
        let Some(signature) = self.signature(subject) else {
            return isolated.unwrap_or(Some(true));
        };
        let question = Question {
            world,
            direction,
            peer,
        };
        let on = |rule: &AdminRule| is_on(rule, destination, port);
        let next = isolated.map(|admits| (admits == Some(true), admits != Some(false)));
        match self.judge(question, signature, &on, next) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        }
    }

    /// Admin, then NetworkPolicy if one isolates, else Baseline, then the default.
    fn judge<P: Ports>(
        &self,
        question: Question<'_>,
        signature: &Signature,
        on: &impl Fn(&AdminRule) -> P,
        isolated: Option<(P, P)>,
    ) -> (P, P) {
        let (must, may) = isolated.unwrap_or_else(|| {
            let baseline = self.split(question, &signature.baseline, on);
            baseline.before((&P::all(), &P::all()))
        });
        let admin = self.split(question, &signature.admin, on);
        admin.before((&must, &may))
    }

    fn split<P: Ports>(
        &self,
        question: Question<'_>,
        kinds: &[Ranked],
        on: &impl Fn(&AdminRule) -> P,
    ) -> Split<P> {
        let mut all = Split::untouched();
        for kind in kinds {
            let mut of_kind = Split::untouched();
            for equal in kind {
                let mut group = Split::untouched();
                for &policy in equal {
                    let mut split = Split::untouched();
                    for (_, action, rule, certain) in self.matching(question, policy) {
                        split.act(action, &on(rule), certain);
                    }
                    group.beside(&split);
                }
                of_kind.then(&group);
            }
            all.beside(&of_kind);
        }
        all
    }

    /// The rules of a policy that match the peer, or may, in order, with what they do.
    fn matching<'w>(
        &self,
        question: Question<'w>,
        policy: usize,
    ) -> impl Iterator<Item = (AdminRuleId, AdminAction, &'w AdminRule, bool)> {
        let direction = question.direction;
        let compiled = self
            .rules
            .get(policy)
            .map_or(&[][..], |rules| match direction {
                Direction::Ingress => &rules.ingress,
                Direction::Egress => &rules.egress,
            });
        let written = question.world.admin_policies.get(policy);
        let written = written.map_or(&[][..], |policy| policy.rules(direction));
        let rules = compiled.iter().zip(written).enumerate();
        rules.filter_map(move |(index, (compiled, rule))| {
            let peers = self.peers.get(compiled.peers as usize)?;
            let certain = peers.yes.contains(question.peer.0);
            let id = AdminRuleId {
                policy,
                rule: index,
            };
            (certain || peers.perhaps.contains(question.peer.0)).then_some((
                id,
                compiled.action,
                rule,
                certain,
            ))
        })
    }

    /// Ports about which rules of policies that nothing ranks disagree, where both match for certain.
    /// `budget` is the number of pairs of rules that may still be compared.
    pub(crate) fn disagreements(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
        budget: &mut usize,
    ) -> Vec<(AdminRuleId, AdminRuleId, PortSet)> {
        let question = Question {
            world,
            direction,
            peer,
        };
        let policies: BTreeSet<usize> = self.policies_of(subject).collect();
        let acting = policies.iter().filter_map(|policy| {
            let written = world.admin_policies.get(*policy)?;
            Some((written, self.acting(question, *policy, destination)?))
        });
        let acting: Vec<(&AdminPolicy, Vec<Acting>)> = acting.collect();
        let mut out = Vec::new();
        for (at, (a, first)) in acting.iter().enumerate() {
            for (b, second) in acting.iter().skip(at + 1) {
                let ranked = a.tier != b.tier || (a.kind == b.kind && a.priority != b.priority);
                let pairs = first.len() * second.len();
                if ranked || *budget < pairs {
                    *budget = if ranked { *budget } else { 0 };
                    continue;
                }
                *budget -= pairs;
                for (one, what, ports) in first {
                    for (other, otherwise, more) in second {
                        let both = ports.intersection(more);
                        if what != otherwise && !both.is_empty() {
                            out.push((*one, *other, both));
                        }
                    }
                }
            }
        }
        out
    }

    /// The rules of a policy with the ports that those before them leave; `None` if a rule only may
    /// match.
    fn acting(
        &self,
        question: Question<'_>,
        policy: usize,
        destination: Option<&Pod>,
    ) -> Option<Vec<Acting>> {
        let mut open = PortSet::all();
        let mut out = Vec::new();
        for (id, action, rule, certain) in self.matching(question, policy) {
            let ports = ports_of(rule, destination).intersection(&open);
            open = open.difference(&ports);
            out.push((id, action, ports));
            if !certain {
                return None;
            }
        }
        Some(out)
    }

    /// The rules of a tier that accept ports, certain ones before possible ones, with the ports that
    /// the rules before them in their policy leave to them.
    pub(crate) fn accepting(
        &self,
        world: &World,
        tier: Tier,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
    ) -> Vec<(AdminRuleId, PortSet)> {
        let Some(signature) = self.signature(subject) else {
            return Vec::new();
        };
        let kinds = match tier {
            Tier::Admin => &signature.admin,
            Tier::Baseline => &signature.baseline,
        };
        let question = Question {
            world,
            direction,
            peer,
        };
        let on = |rule: &AdminRule| ports_of(rule, destination);
        let accepted = self.split(question, kinds, &on).accept;
        let mut found: Vec<(bool, AdminRuleId, PortSet)> = Vec::new();
        for &policy in kinds.iter().flatten().flatten() {
            let mut open = accepted.clone();
            for (id, action, rule, certain) in self.matching(question, policy) {
                let ports = ports_of(rule, destination).intersection(&open);
                if certain {
                    open = open.difference(&ports);
                }
                if action == AdminAction::Accept && !ports.is_empty() {
                    found.push((certain, id, ports));
                }
            }
        }
        found.sort_by_key(|(certain, _, _)| !certain);
        found
            .into_iter()
            .map(|(_, id, ports)| (id, ports))
            .collect()
    }
}

/// Gives classes that the same policies select one signature.
fn signatures(world: &World, selecting: Vec<Vec<usize>>) -> (Vec<Signature>, Vec<u32>) {
    let mut all = vec![Signature::default()];
    let mut seen: FxHashMap<Vec<usize>, u32> = FxHashMap::default();
    seen.insert(Vec::new(), 0);
    let of = selecting.into_iter().map(|policies| {
        if let Some(known) = seen.get(&policies) {
            return *known;
        }
        let id = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.push(Signature {
            admin: ranked(world, &policies, Tier::Admin),
            baseline: ranked(world, &policies, Tier::Baseline),
        });
        seen.insert(policies, id);
        id
    });
    let of = of.collect();
    (all, of)
}

/// Per kind with policies in the tier: groups of equal priority.
fn ranked(world: &World, policies: &[usize], tier: Tier) -> Vec<Ranked> {
    let mut kinds: BTreeMap<AdminKind, BTreeMap<u16, Vec<usize>>> = BTreeMap::new();
    for &index in policies {
        let policy = world.admin_policies.get(index);
        if let Some(policy) = policy.filter(|policy| policy.tier == tier) {
            let priorities = kinds.entry(policy.kind).or_default();
            priorities.entry(policy.priority).or_default().push(index);
        }
    }
    let ranked = kinds.into_values();
    ranked
        .map(|groups| groups.into_values().collect())
        .collect()
}

/// A rule with an unknown peer fails closed: it refuses everything, or accepts nothing.
fn fails_closed(rule: &AdminRule) -> bool {
    rule.peers.contains(&AdminPeer::Unknown)
}

/// A rule's ports as numbers on a destination: a name is looked up there, with any protocol.
fn ports_of(rule: &AdminRule, destination: Option<&Pod>) -> PortSet {
    let ports = rule.ports.as_deref().filter(|_| !fails_closed(rule));
    ports_on(ports, destination)
}

/// Ports as numbers on a destination; `None` is all.
pub(super) fn ports_on(ports: Option<&[AdminPort]>, destination: Option<&Pod>) -> PortSet {
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
fn is_on(rule: &AdminRule, destination: Option<&Pod>, wanted: (Protocol, u16)) -> bool {
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

/// Compiles policies; each distinct list of peers is looked up once.
struct Compiler<'w, 'd> {
    world: &'w World,
    endpoints: &'w Endpoints,
    directory: &'d mut Directory<'w>,
    peers: Vec<Peers>,
    numbers: FxHashMap<(bool, &'w [AdminPeer]), u32>,
}

impl<'w> Compiler<'w, '_> {
    fn rules(&mut self, policy: &'w AdminPolicy) -> Rules {
        let mut list = |rules: &'w [AdminRule]| {
            let compiled = rules.iter().map(|rule| self.rule(rule));
            compiled.collect()
        };
        Rules {
            ingress: list(&policy.ingress),
            egress: list(&policy.egress),
        }
    }

    fn rule(&mut self, rule: &'w AdminRule) -> Compiled {
        let closed = fails_closed(rule);
        let accepts = rule.action == AdminAction::Accept;
        let key = (closed && accepts, rule.peers.as_slice());
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
                let peers = match (closed, accepts) {
                    (true, true) => Peers::default(),
                    (true, false) => self.everybody(),
                    (false, _) => self.union(&rule.peers),
                };
                self.peers.push(peers);
                self.numbers.insert(key, number);
                number
            }
        };
        Compiled {
            peers: number,
            action: if closed {
                AdminAction::Deny
            } else {
                rule.action
            },
        }
    }

    fn everybody(&self) -> Peers {
        let mut out = Peers::default();
        out.yes.extend(self.endpoints.ids().map(|e| e.0));
        out
    }

    fn union(&mut self, peers: &'w [AdminPeer]) -> Peers {
        let mut out = Peers::default();
        for peer in peers {
            match peer {
                AdminPeer::Pods(pods) => out.yes |= self.directory.namespaced(pods),
                AdminPeer::Networks(networks) => {
                    let found = self.directory.networks(networks);
                    out.yes |= found.yes;
                    out.perhaps |= found.perhaps;
                }
                AdminPeer::Nodes(labels) => self.nodes(labels, &mut out),
                AdminPeer::DomainNames(_) => {
                    let cells = self.endpoints.ids().map(|e| e.0);
                    out.perhaps
                        .extend(cells.skip(self.endpoints.classes() as usize));
                }
                AdminPeer::Unknown => {}
            }
        }
        out.perhaps -= &out.yes;
        out
    }

    /// Addresses of nodes, and pods that live on their host network.
    fn nodes(&self, labels: &Selector, out: &mut Peers) {
        for endpoint in self.endpoints.ids() {
            let matches = match self.endpoints.kind(endpoint) {
                Some(Kind::Addresses { sample, .. }) => of_node(self.world, labels, *sample),
                _ => representative(self.world, self.endpoints, endpoint)
                    .map_or(Some(false), |pod| {
                        lives_on(labels, pod, |at| of_node(self.world, labels, at))
                    }),
            };
            match matches {
                Some(true) => out.yes.insert(endpoint.0),
                Some(false) => false,
                None => out.perhaps.insert(endpoint.0),
            };
        }
    }
}

/// Whether a pod lives on a node with these labels, by the address that others see, if it is known which
/// addresses are those of such nodes.
pub(super) fn lives_on(
    labels: &Selector,
    pod: &Pod,
    of_node: impl Fn(IpAddr) -> Option<bool>,
) -> Option<bool> {
    if !pod.host_network {
        return Some(false);
    }
    if labels.is_everything() {
        return Some(true);
    }
    let known = match pod.addresses.known.as_slice() {
        [] => &pod.node_addresses.known,
        own => own,
    };
    let found: Vec<_> = known.iter().map(|a| of_node(*a)).collect();
    if found.contains(&Some(true)) {
        Some(true)
    } else if found.is_empty() || found.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// Whether an address is one of a node with these labels; `None`: the node is not known.
fn of_node(world: &World, labels: &Selector, address: IpAddr) -> Option<bool> {
    let some_node = || {
        world
            .pods
            .iter()
            .any(|pod| node_addresses(pod).any(|a| a == address))
    };
    is_node(&world.nodes, labels, address, some_node)
}

/// The same; `some_node` says whether it is the address of any node, as far as pods tell.
pub(super) fn is_node(
    nodes: &[Node],
    labels: &Selector,
    address: IpAddr,
    some_node: impl FnOnce() -> bool,
) -> Option<bool> {
    let mut found = nodes
        .iter()
        .filter(|n| n.addresses.contains(&address))
        .peekable();
    if found.peek().is_some() {
        return Some(found.any(|n| labels.matches(&n.labels)));
    }
    match (some_node(), nodes.is_empty()) {
        (true, _) => labels.is_everything().then_some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}

/// The addresses of nodes that a pod tells of.
pub(super) fn node_addresses(pod: &Pod) -> impl Iterator<Item = IpAddr> {
    let host = pod.host_network.then_some(&pod.addresses.known);
    let own = host.into_iter().flatten();
    own.chain(&pod.node_addresses.known).copied()
}

/// Every selector of pods: of subjects and of peers.
pub(crate) fn pods(world: &World) -> impl Iterator<Item = &NamespacedPods> {
    let subjects = world.admin_policies.iter().map(|p| &p.subject);
    let peers = peers(world).filter_map(|peer| match peer {
        AdminPeer::Pods(pods) => Some(pods),
        _ => None,
    });
    subjects.chain(peers)
}

fn peers(world: &World) -> impl Iterator<Item = &AdminPeer> {
    let policies = world.admin_policies.iter();
    let rules = policies.flat_map(|p| p.ingress.iter().chain(&p.egress));
    rules.flat_map(|rule| &rule.peers)
}

/// Every network that a rule can tell apart, and every address of a node if one asks about nodes.
pub(crate) fn nets(world: &World) -> Vec<IpNet> {
    let mut nets = Vec::new();
    let mut nodes = false;
    for peer in peers(world) {
        match peer {
            AdminPeer::Networks(networks) => nets.extend(networks.iter().map(IpNet::trunc)),
            AdminPeer::Nodes(_) => nodes = true,
            AdminPeer::Pods(_) | AdminPeer::DomainNames(_) | AdminPeer::Unknown => {}
        }
    }
    if nodes {
        let addresses = world.nodes.iter().flat_map(|n| &n.addresses);
        nets.extend(addresses.map(|a| IpNet::from(*a)));
        nets.extend(world.pods.iter().flat_map(node_addresses).map(IpNet::from));
    }
    nets
}
