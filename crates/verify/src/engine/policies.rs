//! NetworkPolicy, evaluated for classes and cells.
//!
//! Every distinct peer is matched once against all endpoints; a rule is then the union of its peers'
//! sets. Cost: distinct peers × endpoints to build, isolating rules of one class per pair to answer.

use super::bits::Bits;
use super::endpoints::{EndpointId, Endpoints, Kind};
use ipnet::IpNet;
use palisade_netmodel::{
    Direction, Enforcement, NamespaceMatch, Peer, Pod, PolicyPort, PortSet, Protocol, Rule, World,
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

/// Who a rule's peers are: for certain, and perhaps (an address that is not known).
#[derive(Debug, Clone)]
struct Peers {
    yes: Bits,
    perhaps: Bits,
}

/// One direction of all policies.
#[derive(Debug)]
struct Half {
    /// Per policy: its rules' peers, `None` if it does not isolate in this direction.
    rules: Vec<Option<Vec<Peers>>>,
    /// Per endpoint: the policies that isolate it.
    isolating: Vec<Vec<usize>>,
}

/// All policies of a world.
#[derive(Debug)]
pub(crate) struct Policies {
    ingress: Half,
    egress: Half,
    enforced: bool,
}

impl Policies {
    pub(crate) fn new(world: &World, endpoints: &Endpoints) -> Self {
        let mut matcher = Matcher {
            world,
            endpoints,
            seen: FxHashMap::default(),
        };
        let selected = selected(world, endpoints);
        Self {
            ingress: half(world, &mut matcher, &selected, Direction::Ingress),
            egress: half(world, &mut matcher, &selected, Direction::Egress),
            enforced: world.profile.cni.enforcement != Enforcement::NotEnforced,
        }
    }

    fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The policies that isolate an endpoint.
    pub(crate) fn isolating(&self, direction: Direction, subject: EndpointId) -> &[usize] {
        let list = self.half(direction).isolating.get(subject.index());
        list.filter(|_| self.enforced).map_or(&[], Vec::as_slice)
    }

    /// What `subject`'s policies let pass to or from `peer`; `destination` resolves named ports.
    pub(crate) fn passage(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
    ) -> Passage {
        let isolating = self.isolating(direction, subject);
        if isolating.is_empty() {
            return Passage::everything();
        }
        let mut passage = Passage::nothing();
        for (_, rule, certain) in self.admitting(world, direction, isolating, peer) {
            let ports = ports_on(rule.ports.as_deref(), destination);
            if certain {
                passage.must = passage.must.union(&ports);
            }
            passage.may = passage.may.union(&ports);
        }
        passage
    }

    /// The rules of `isolating` whose peers hold `peer`, and whether they do so for certain.
    fn admitting<'w>(
        &self,
        world: &'w World,
        direction: Direction,
        isolating: &[usize],
        peer: EndpointId,
    ) -> Vec<(RuleId, &'w Rule, bool)> {
        let mut out = Vec::new();
        for &policy in isolating {
            let peers = self.half(direction).rules.get(policy);
            let rules = world.network_policies.get(policy);
            let Some((peers, rules)) = peers
                .and_then(Option::as_ref)
                .zip(rules.and_then(|p| p.rules(direction)))
            else {
                continue;
            };
            for (index, (peers, rule)) in peers.iter().zip(rules).enumerate() {
                let certain = peers.yes.contains(peer.index());
                if certain || peers.perhaps.contains(peer.index()) {
                    let id = RuleId {
                        policy,
                        rule: index,
                    };
                    out.push((id, rule, certain));
                }
            }
        }
        out
    }

    /// The first rule that lets a port pass, certain ones before possible ones.
    pub(crate) fn admitting_rule(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
        (protocol, port): (Protocol, u16),
    ) -> Option<RuleId> {
        let isolating = self.isolating(direction, subject);
        let mut rules = self.admitting(world, direction, isolating, peer);
        rules.sort_by_key(|(_, _, certain)| !certain);
        rules
            .into_iter()
            .find(|(_, rule, _)| {
                ports_on(rule.ports.as_deref(), destination).contains(protocol, port)
            })
            .map(|(id, _, _)| id)
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
                let named = destination.map_or(&[][..], |pod| &pod.named_ports);
                for n in named
                    .iter()
                    .filter(|n| n.name == *name && n.protocol == *protocol)
                {
                    set = set.union(&PortSet::single(*protocol, n.port));
                }
            }
        }
    }
    set
}

/// Per endpoint: the policies whose `podSelector` takes it.
fn selected(world: &World, endpoints: &Endpoints) -> Vec<Vec<usize>> {
    let mut by_namespace: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (index, policy) in world.network_policies.iter().enumerate() {
        by_namespace
            .entry(&policy.object.namespace)
            .or_default()
            .push(index);
    }
    endpoints
        .ids()
        .map(|endpoint| {
            let Some(pod) = representative(world, endpoints, endpoint) else {
                return Vec::new();
            };
            if !pod.is_selectable() || pod.host_group {
                return Vec::new();
            }
            let here = by_namespace.get(pod.namespace.as_str());
            here.into_iter()
                .flatten()
                .filter(|i| {
                    world
                        .network_policies
                        .get(**i)
                        .is_some_and(|p| p.pod_selector.matches(&pod.labels))
                })
                .copied()
                .collect()
        })
        .collect()
}

/// One pod of a class.
pub(crate) fn representative<'w>(
    world: &'w World,
    endpoints: &Endpoints,
    endpoint: EndpointId,
) -> Option<&'w Pod> {
    world.pod(*endpoints.members(endpoint).first()?)
}

fn half<'w>(
    world: &'w World,
    matcher: &mut Matcher<'w>,
    selected: &[Vec<usize>],
    direction: Direction,
) -> Half {
    let rules: Vec<_> = world
        .network_policies
        .iter()
        .map(|policy| {
            let rules = policy.rules(direction)?;
            Some(rules.iter().map(|rule| matcher.rule(rule)).collect())
        })
        .collect();
    let isolates = |policy: &&usize| rules.get(**policy).is_some_and(Option::is_some);
    let isolating = selected
        .iter()
        .map(|policies| policies.iter().filter(isolates).copied().collect())
        .collect();
    Half { rules, isolating }
}

/// Matches peers against all endpoints, each distinct peer once.
struct Matcher<'w> {
    world: &'w World,
    endpoints: &'w Endpoints,
    seen: FxHashMap<&'w Peer, Peers>,
}

impl<'w> Matcher<'w> {
    fn rule(&mut self, rule: &'w Rule) -> Peers {
        let len = self.endpoints.len();
        let Some(peers) = &rule.peers else {
            return Peers {
                yes: Bits::of(len, |_| true),
                perhaps: Bits::new(len),
            };
        };
        let mut out = Peers {
            yes: Bits::new(len),
            perhaps: Bits::new(len),
        };
        for peer in peers {
            let found = self.peer(peer);
            out.yes.unite(&found.yes);
            out.perhaps.unite(&found.perhaps);
        }
        out
    }

    fn peer(&mut self, peer: &'w Peer) -> &Peers {
        let (world, endpoints) = (self.world, self.endpoints);
        self.seen.entry(peer).or_insert_with(|| {
            let mut found = Peers {
                yes: Bits::new(endpoints.len()),
                perhaps: Bits::new(endpoints.len()),
            };
            for endpoint in endpoints.ids() {
                match matches(world, endpoints, endpoint, peer) {
                    Some(true) => found.yes.insert(endpoint.index()),
                    Some(false) => {}
                    None => found.perhaps.insert(endpoint.index()),
                }
            }
            found
        })
    }
}

/// Whether a peer means an endpoint; `None` if that depends on an address that is not known.
fn matches(
    world: &World,
    endpoints: &Endpoints,
    endpoint: EndpointId,
    peer: &Peer,
) -> Option<bool> {
    let pod = match endpoints.kind(endpoint)? {
        Kind::Addresses { sample, .. } => {
            let Peer::Block { cidr, except } = peer else {
                return Some(false);
            };
            return Some(cidr.contains(sample) && !except.iter().any(|e| e.contains(sample)));
        }
        Kind::Pods(members) => world.pod(*members.first()?)?,
    };
    match peer {
        Peer::Pods { namespaces, pods } => {
            let here = namespace_matches(world, namespaces, &pod.namespace);
            let selected = if pod.host_group {
                pods.is_everything()
            } else {
                pod.is_selectable() && pods.matches(&pod.labels)
            };
            Some(here && selected)
        }
        Peer::Block { cidr, except } => block_matches(world, pod, cidr, except),
    }
}

/// `ipBlock` against a pod: its node's address if it lives on the host network, its own address if
/// the profile says that blocks mean pods, else never.
fn block_matches(world: &World, pod: &Pod, cidr: &IpNet, except: &[IpNet]) -> Option<bool> {
    if pod.host_network || pod.host_group {
        let own = pod.addresses.in_block(cidr, except);
        return own.or_else(|| pod.node_addresses.in_block(cidr, except));
    }
    if world.profile.ip_block_matches_pods {
        pod.addresses.in_block(cidr, except)
    } else {
        Some(false)
    }
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
