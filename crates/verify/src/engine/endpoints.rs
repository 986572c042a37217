//! The ends of connections that behave differently: classes of equal pods, and cells of addresses.
//!
//! Pods that agree in everything a policy or the mesh can see share a class. Addresses outside are
//! cut by every CIDR that occurs, for IPv4 and IPv6: all addresses of a cell behave alike, so one
//! address of it stands for all. What a pod's own address can do is told by its cell, so pods whose
//! addresses differ only inside a cell still share a class. The node of a pod is no part of it: that
//! a pod and its own node always reach each other is judged flow by flow ([`super::Engine::decide`]).
//!
//! Cost: linear in pods, `n log n` in CIDRs and in addresses of pods.

use super::cells::{Addresses, Cells, Place};
use super::tiers;
use ipnet::IpNet;
use palisade_netmodel::{
    AuthorizationPolicy, Endpoint, NamedPort, Peer, Phase, Pod, PodId, Proxy, Selector, World,
};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// Index of a class or cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(crate) u32);

impl EndpointId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Addresses that behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// One address of the cell, if possible one that is no pod's.
    pub(crate) address: IpAddr,
    /// Whether some of them are no pod's and so ends of their own.
    pub(crate) outside: bool,
}

/// What is asked of an endpoint most often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits {
    /// Whether it is a class of pods.
    pub(crate) pod: bool,
    /// Whether it can start connections: addresses outside, live pods.
    pub(crate) source: bool,
    /// Whether it can accept them.
    pub(crate) destination: bool,
    /// Whether it lives on the host network.
    pub(crate) host: bool,
    /// Whether it has a mesh proxy.
    pub(crate) proxy: bool,
}

impl Traits {
    pub(super) fn of_pod(pod: &Pod) -> Self {
        let live = pod.phase == Phase::Live;
        Self {
            pod: true,
            source: live,
            destination: live && !pod.host_group,
            host: pod.host_network || pod.host_group,
            proxy: !matches!(pod.proxy, Proxy::None { .. }),
        }
    }

    pub(super) fn of_cell(outside: bool) -> Self {
        Self {
            source: outside,
            destination: outside,
            ..Self::default()
        }
    }
}

/// What splits endpoints beside the policies of a world: what somebody else will ask about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    /// CIDRs: every cell lies within or without each of them.
    pub blocks: Vec<IpNet>,
    /// Label keys that are read although no object of the world reads them.
    pub keys: BTreeSet<String>,
}

impl Cuts {
    /// What the policies of a world read.
    #[must_use]
    pub fn of(world: &World) -> Self {
        Self {
            blocks: blocks(world),
            keys: Self::of_labels(world),
        }
    }

    fn of_labels(world: &World) -> BTreeSet<String> {
        keys_read(world)
            .filter(|key| PER_POD_KEYS.contains(key))
            .map(str::to_owned)
            .collect()
    }

    /// Adds what a selector reads.
    pub fn read(&mut self, selector: &Selector) {
        let keys = selector.requirements.iter().map(|r| r.key.to_string());
        self.keys.extend(keys);
    }
}

/// Labels that controllers give each pod a value of its own (`Kubernetes documentation, Well-Known Labels`).
/// They tell pods apart only if something reads them.
pub(super) const PER_POD_KEYS: &[&str] = &[
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// All endpoints of a world: classes before cells.
#[derive(Debug)]
pub(crate) struct Endpoints {
    traits: Vec<Traits>,
    class_of: Vec<EndpointId>,
    classes: u32,
    /// Pods by class, at least one of each.
    members: Vec<PodId>,
    /// Per class: where its members begin, and where the last ones end.
    bounds: Vec<u32>,
    cells: Cells,
    /// Per cell.
    samples: Vec<Sample>,
    /// Per class: where the addresses lie by which others see its pods.
    places: Vec<SmallVec<[Place; 2]>>,
    /// Per class: whether all its pods run on one node.
    one_node: Vec<bool>,
    /// Addresses of live pods: no ends of their own.
    taken: Addresses,
}

/// All of a pod that any layer can see; its name is not part of it. The workload is, although no layer
/// sees it: findings name workloads.
pub(super) struct Seen<'r> {
    pub(super) read: &'r FxHashSet<String>,
}

impl Seen<'_> {
    fn labels<'p>(&self, pod: &'p Pod) -> impl Iterator<Item = (&'p str, &'p str)> {
        let told = |key: &str| !PER_POD_KEYS.contains(&key) || self.read.contains(key);
        pod.labels.iter().filter(move |(key, _)| told(key))
    }

    pub(super) fn hash(&self, pod: &Pod, places: &[Place]) -> u64 {
        let mut hasher = FxHasher::default();
        let plain = (
            &pod.namespace,
            &pod.service_account,
            &pod.workload,
            pod.phase,
        );
        (plain, pod.host_network, pod.host_group, places).hash(&mut hasher);
        self.labels(pod).for_each(|label| label.hash(&mut hasher));
        hasher.finish()
    }

    pub(super) fn equal(&self, a: &Pod, b: &Pod) -> bool {
        (a.namespace == b.namespace && a.workload == b.workload && a.phase == b.phase)
            && (a.service_account == b.service_account && a.proxy == b.proxy)
            && (a.host_network, a.host_group) == (b.host_network, b.host_group)
            && self.labels(a).eq(self.labels(b))
            && named_ports(a) == named_ports(b)
    }
}

/// Named ports in an order of their own.
fn named_ports(pod: &Pod) -> Vec<&NamedPort> {
    let mut ports: Vec<_> = pod.named_ports.iter().collect();
    ports.sort_unstable();
    ports
}

/// The addresses by which others see a pod: on the host network its node's, unless its own are known.
pub(super) fn visible(pod: &Pod) -> &[IpAddr] {
    let host = pod.host_network || pod.host_group;
    if host && pod.addresses.known.is_empty() {
        &pod.node_addresses.known
    } else {
        &pod.addresses.known
    }
}

impl Endpoints {
    /// The classes and cells of a world, split by `cuts` as well.
    pub(crate) fn new(world: &World, cuts: &Cuts) -> Self {
        let mut nets = blocks(world);
        nets.extend(cuts.blocks.iter().map(IpNet::trunc));
        let cells = Cells::new(nets);
        let read = Cuts::of_labels(world);
        let read: FxHashSet<String> = read.union(&cuts.keys).cloned().collect();
        let mut classes = Classes {
            world,
            seen: Seen { read: &read },
            first: Vec::new(),
            places: Vec::new(),
            one_node: Vec::new(),
            by_template: FxHashMap::default(),
            by_hash: FxHashMap::default(),
        };
        let mut places = Vec::new();
        let class_of: Vec<EndpointId> = world
            .pods()
            .map(|(id, pod)| {
                cells.places(visible(pod), &mut places);
                classes.enter(id, pod, &places)
            })
            .collect();
        let representatives = classes.first.iter().filter_map(|pod| world.pod(*pod));
        let mut traits: Vec<Traits> = representatives.map(Traits::of_pod).collect();
        let (bounds, members) = by_class(&class_of, classes.first.len());
        let taken = taken(world);
        let samples = cells.samples(&taken, &nodes(world));
        traits.extend(samples.iter().map(|s| Traits::of_cell(s.outside)));
        Self {
            traits,
            class_of,
            classes: id(classes.first.len()).0,
            members,
            bounds,
            cells,
            samples,
            places: classes.places,
            one_node: classes.one_node,
            taken,
        }
    }

    pub(crate) fn traits(&self, endpoint: EndpointId) -> Traits {
        self.traits
            .get(endpoint.index())
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.traits.len()
    }

    /// How many of the endpoints are classes of pods; they come first.
    pub(crate) fn classes(&self) -> u32 {
        self.classes
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = EndpointId> + use<> {
        (0..self.len()).map(id)
    }

    /// What stands for a cell; `None` for a class of pods.
    pub(crate) fn sample(&self, endpoint: EndpointId) -> Option<Sample> {
        let cell = endpoint.0.checked_sub(self.classes)?;
        self.samples.get(cell as usize).copied()
    }

    /// The pods of a class; none for a cell.
    pub(crate) fn members(&self, endpoint: EndpointId) -> &[PodId] {
        let bound = |n: usize| self.bounds.get(n).map(|at| *at as usize);
        let range = bound(endpoint.index()).zip(bound(endpoint.index() + 1));
        let members = range.and_then(|(from, to)| self.members.get(from..to));
        members.unwrap_or_default()
    }

    /// First and last address of a cell, those of pods included; `None` for a class of pods.
    pub(crate) fn range(&self, endpoint: EndpointId) -> Option<(IpAddr, IpAddr)> {
        self.cells.range(endpoint.0.checked_sub(self.classes)?)
    }

    /// Where the visible addresses of a class lie; empty if none is known.
    pub(crate) fn places(&self, class: u32) -> &[Place] {
        self.places
            .get(class as usize)
            .map_or(&[], SmallVec::as_slice)
    }

    /// Whether all pods of a class run on one node.
    pub(crate) fn on_one_node(&self, class: EndpointId) -> bool {
        self.one_node.get(class.index()).copied().unwrap_or(false)
    }

    /// The cells within a block, as endpoints.
    pub(crate) fn cells_within(&self, block: &IpNet) -> std::ops::Range<u32> {
        let within = self.cells.within(block);
        self.classes + within.start..self.classes + within.end
    }

    /// The class or cell of an end of a flow. An address that is a live pod's is no end.
    pub(crate) fn locate(&self, end: Endpoint) -> Option<EndpointId> {
        match end {
            Endpoint::Pod(pod) => self.class_of.get(pod.0 as usize).copied(),
            Endpoint::Address(address) if self.taken.contains(address) => None,
            Endpoint::Address(address) => {
                Some(EndpointId(self.classes + self.cells.place(address)))
            }
        }
    }
}

/// Classes while they are found.
struct Classes<'w, 'r> {
    world: &'w World,
    seen: Seen<'r>,
    /// Per class: one pod of it.
    first: Vec<PodId>,
    places: Vec<SmallVec<[Place; 2]>>,
    one_node: Vec<bool>,
    /// Pods that share a template differ in phase and place alone, which saves a look at the labels.
    by_template: FxHashMap<(usize, Phase, [Option<Place>; 2]), EndpointId>,
    by_hash: FxHashMap<u64, Vec<EndpointId>>,
}

impl Classes<'_, '_> {
    /// Puts a pod into its class.
    fn enter(&mut self, pod_id: PodId, pod: &Pod, places: &[Place]) -> EndpointId {
        let template = Arc::as_ptr(&pod.template).addr();
        let at = |n: usize| places.get(n).copied();
        let key = (template, pod.phase, [at(0), at(1)]);
        let class = match self.by_template.get(&key).filter(|_| places.len() <= 2) {
            Some(class) => *class,
            None => {
                let class = self.find(pod_id, pod, places);
                if places.len() <= 2 {
                    self.by_template.insert(key, class);
                }
                class
            }
        };
        let first = self.first.get(class.index());
        let first = first.and_then(|first| self.world.pod(*first));
        let same = |first: &Pod| first.node_addresses == pod.node_addresses;
        if let Some(one) = self.one_node.get_mut(class.index()) {
            *one = *one && first.is_none_or(same);
        }
        class
    }

    /// The class of equal pods, or a new one.
    fn find(&mut self, pod_id: PodId, pod: &Pod, places: &[Place]) -> EndpointId {
        let next = id(self.first.len());
        let candidates = self.by_hash.entry(self.seen.hash(pod, places)).or_default();
        let equal = |class: &&EndpointId| {
            let first = self.first.get(class.index());
            let other = first.and_then(|first| self.world.pod(*first));
            self.places
                .get(class.index())
                .is_some_and(|p| p.as_slice() == places)
                && other.is_some_and(|other| self.seen.equal(pod, other))
        };
        if let Some(known) = candidates.iter().find(equal) {
            return *known;
        }
        candidates.push(next);
        self.first.push(pod_id);
        self.places.push(SmallVec::from_slice(places));
        self.one_node.push(true);
        next
    }
}

/// Pods ordered by class, and where each class begins: by counting, in two looks at all pods.
fn by_class(class_of: &[EndpointId], classes: usize) -> (Vec<u32>, Vec<PodId>) {
    let mut bounds = vec![0; classes + 1];
    for class in class_of {
        if let Some(count) = bounds.get_mut(class.index() + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for bound in &mut bounds {
        sum += *bound;
        *bound = sum;
    }
    let mut next = bounds.clone();
    let mut members = vec![PodId(0); class_of.len()];
    for (pod, class) in (0..).zip(class_of) {
        if let Some(at) = next.get_mut(class.index()) {
            if let Some(member) = members.get_mut(*at as usize) {
                *member = PodId(pod);
            }
            *at += 1;
        }
    }
    (bounds, members)
}

fn id(index: usize) -> EndpointId {
    EndpointId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The addresses of live pods.
fn taken(world: &World) -> Addresses {
    let ends = world
        .pods
        .iter()
        .filter(|pod| pod.phase == Phase::Live && !pod.host_network);
    ends.flat_map(|pod| &pod.addresses.known).copied().collect()
}

/// The addresses of nodes.
fn nodes(world: &World) -> Addresses {
    let known = world.pods.iter().flat_map(|p| &p.node_addresses.known);
    let distinct: FxHashSet<IpAddr> = known.copied().collect();
    distinct.into_iter().collect()
}

/// Every CIDR that some object of the world can tell apart.
fn blocks(world: &World) -> Vec<IpNet> {
    let mut nets = Vec::new();
    let rules = world
        .network_policies
        .iter()
        .flat_map(|p| p.ingress.iter().chain(&p.egress).flatten());
    for peer in rules.flat_map(|r| r.peers.iter().flatten()) {
        if let Peer::Block { cidr, except } = peer {
            nets.push(cidr.trunc());
            nets.extend(except.iter().map(IpNet::trunc));
        }
    }
    nets.extend(tiers::nets(world));
    nets.extend(
        world
            .authorization_policies
            .iter()
            .flat_map(authorization_nets),
    );
    nets.extend(super::ambient::blocks(world));
    nets
}

/// Every label key that some selector of pods reads.
fn keys_read(world: &World) -> impl Iterator<Item = &str> {
    let policies = world.network_policies.iter().flat_map(|policy| {
        let rules = policy.ingress.iter().chain(&policy.egress).flatten();
        let peers = rules.flat_map(|r| r.peers.iter().flatten());
        let pods = peers.filter_map(|peer| match peer {
            Peer::Pods { pods, .. } => Some(pods),
            Peer::Block { .. } => None,
        });
        std::iter::once(&policy.pod_selector).chain(pods)
    });
    let administrators = tiers::pods(world).map(|pods| &pods.pods);
    let selectors = policies.chain(administrators);
    let requirements = selectors.flat_map(|s| s.requirements.iter().map(|r| r.key.as_str()));
    let maps = (world.services.iter().map(|s| &s.selector))
        .chain(world.peer_authentications.iter().map(|p| &p.selector))
        .chain(world.authorization_policies.iter().map(|p| &p.selector))
        .chain(world.destination_rules.iter().map(|r| &r.workload_selector))
        .chain(world.sidecars.iter().map(|s| &s.selector))
        .chain(world.gateways.iter().map(|g| &g.selector));
    requirements.chain(maps.flat_map(|labels| labels.keys()))
}

/// `ipBlocks`, `remoteIpBlocks` and the address conditions of an AuthorizationPolicy.
pub(super) fn authorization_nets(policy: &AuthorizationPolicy) -> Vec<IpNet> {
    let sources = policy.rules.iter().flat_map(|r| &r.from).flat_map(|s| {
        [
            &s.ip_blocks,
            &s.not_ip_blocks,
            &s.remote_ip_blocks,
            &s.not_remote_ip_blocks,
        ]
    });
    let conditions = policy
        .rules
        .iter()
        .flat_map(|r| &r.when)
        .flat_map(|c| [&c.values, &c.not_values]);
    sources
        .chain(conditions)
        .flatten()
        .filter_map(|text| parse_block(text))
        .collect()
}

/// A CIDR or a single address.
pub(crate) fn parse_block(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::{Cuts, Endpoints};
    use palisade_netmodel::{Endpoint, World};

    #[test]
    fn addresses_are_cut_where_blocks_begin_and_end() {
        let cuts = Cuts {
            blocks: ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]
                .map(|n| n.parse().unwrap())
                .to_vec(),
            ..Cuts::default()
        };
        let endpoints = Endpoints::new(&World::default(), &cuts);
        // 0-, 10.0-, 10.1-, 10.2-, 11- and three of IPv6.
        assert_eq!(endpoints.len(), 8);
        let at = |a: &str| endpoints.locate(Endpoint::Address(a.parse().unwrap()));
        assert_eq!(at("10.0.0.1"), at("10.0.255.255"));
        assert_ne!(at("10.0.255.255"), at("10.1.0.0"));
        assert_ne!(at("10.0.0.1"), at("10.2.0.1"));
        assert_ne!(at("2001:db8::1"), at("2001:db9::1"));
        assert_ne!(at("255.255.255.255"), at("::"));
        let range = |a: &str| {
            endpoints
                .range(at(a).unwrap())
                .map(|(a, b)| format!("{a}-{b}"))
        };
        assert_eq!(range("10.0.0.1").unwrap(), "10.0.0.0-10.0.255.255");
        assert_eq!(range("255.0.0.1").unwrap(), "11.0.0.0-255.255.255.255");
        assert_eq!(
            range("::1").unwrap(),
            "::-2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"
        );
    }
}
