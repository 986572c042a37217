//! Who a peer of a policy is, as a set of endpoints: each distinct selector is looked up once.

use super::endpoints::Endpoints;
use super::labels::LabelIndex;
use super::policies::representative;
use super::tiers;
use ipnet::IpNet;
use palisade_netmodel::{
    Labels, NamespaceMatch, NamespacedPods, NetworkPolicy, Peer, Selector, World,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// Who is meant: for certain, and perhaps (an address that is not known).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Peers {
    /// Certainly.
    pub(crate) yes: RoaringBitmap,
    /// Perhaps, and not certainly.
    pub(crate) perhaps: RoaringBitmap,
}

impl Peers {
    /// Whether an endpoint is meant: certainly, perhaps (`None`), or not.
    pub(crate) fn mean(&self, endpoint: u32) -> Option<bool> {
        if self.yes.contains(endpoint) {
            Some(true)
        } else if self.perhaps.contains(endpoint) {
            None
        } else {
            Some(false)
        }
    }
}

/// The classes of one namespace.
#[derive(Debug, Default)]
struct Residents {
    /// Those that a selector can take.
    selectable: RoaringBitmap,
    /// Those that stand for the nodes' host network: only a selector without requirements means them.
    groups: RoaringBitmap,
}

/// Looks peers up.
#[derive(Debug)]
pub(crate) struct Directory<'w> {
    world: &'w World,
    endpoints: &'w Endpoints,
    namespaces: LabelIndex,
    /// Those of the world, which alone have labels.
    labelled: RoaringBitmap,
    labels: Vec<&'w Labels>,
    /// Numbers of namespaces, and their classes.
    numbers: FxHashMap<&'w str, u32>,
    residents: Vec<Residents>,
    pods: LabelIndex,
    /// Classes by the place of a visible address: those on the host network, and the others.
    at_place: BTreeMap<u32, (RoaringBitmap, RoaringBitmap)>,
    /// The same of classes without a known address.
    nowhere: (RoaringBitmap, RoaringBitmap),
    found: FxHashMap<&'w NamespaceMatch, Rc<Residents>>,
    /// Classes by selectors of administrators.
    selected: FxHashMap<&'w NamespacedPods, RoaringBitmap>,
}

impl<'w> Directory<'w> {
    /// A directory of all endpoints. Cost: classes times labels that selectors read.
    pub(crate) fn new(world: &'w World, endpoints: &'w Endpoints) -> Self {
        let (of_namespaces, of_pods) = selectors(world);
        let mut directory = Self {
            world,
            endpoints,
            namespaces: LabelIndex::new(of_namespaces),
            labelled: (0..u32::try_from(world.namespaces.len()).unwrap_or(u32::MAX)).collect(),
            labels: world.namespaces.values().map(|n| &n.labels).collect(),
            numbers: FxHashMap::default(),
            residents: Vec::with_capacity(world.namespaces.len()),
            pods: LabelIndex::new(of_pods),
            at_place: BTreeMap::new(),
            nowhere: Default::default(),
            found: FxHashMap::default(),
            selected: FxHashMap::default(),
        };
        for (number, (name, namespace)) in (0..).zip(&world.namespaces) {
            directory.numbers.insert(name, number);
            directory.namespaces.insert(number, &namespace.labels);
            directory.residents.push(Residents::default());
        }
        for class in 0..endpoints.classes() {
            directory.enter(class);
        }
        directory
    }

    fn enter(&mut self, class: u32) {
        let id = super::EndpointId(class);
        let Some(pod) = representative(self.world, self.endpoints, id) else {
            return;
        };
        let next = u32::try_from(self.residents.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(&pod.namespace).or_insert(next);
        if number == next {
            self.residents.push(Residents::default());
        }
        if let Some(home) = self.residents.get_mut(number as usize) {
            if pod.host_group {
                home.groups.insert(class);
            } else if pod.is_selectable() {
                home.selectable.insert(class);
                self.pods.insert(class, &pod.labels);
            }
        }
        let host = pod.host_network || pod.host_group;
        let side = |(on_host, others): &mut (RoaringBitmap, RoaringBitmap)| {
            if host {
                on_host.insert(class);
            } else {
                others.insert(class);
            }
        };
        let places = self.endpoints.places(class);
        if places.is_empty() {
            side(&mut self.nowhere);
        }
        for place in places {
            side(self.at_place.entry(*place).or_default());
        }
    }

    /// The classes that the selector of a policy takes in its namespace.
    pub(crate) fn subjects(&self, policy: &NetworkPolicy) -> RoaringBitmap {
        let number = self.numbers.get(policy.object.namespace.as_str());
        match number.and_then(|n| self.residents.get(*n as usize)) {
            Some(home) => self.select(&policy.pod_selector, &home.selectable),
            None => RoaringBitmap::new(),
        }
    }

    /// Everybody whom one of the peers means.
    pub(crate) fn union(&mut self, peers: &'w [Peer]) -> Peers {
        let mut out = Peers::default();
        let mut cells = Vec::new();
        for peer in peers {
            match peer {
                Peer::Pods { namespaces, pods } => out.yes |= self.pods(namespaces, pods),
                Peer::Block { cidr, except } => self.cells(cidr, except, &mut cells),
            }
        }
        if !cells.is_empty() {
            self.addresses(cells, &mut out);
        }
        out.perhaps -= &out.yes;
        out
    }

    fn pods(&mut self, namespaces: &'w NamespaceMatch, pods: &Selector) -> RoaringBitmap {
        if let NamespaceMatch::Named(name) = namespaces {
            let number = self.numbers.get(name.as_str());
            return match number.and_then(|n| self.residents.get(*n as usize)) {
                Some(home) => self.among(home, pods),
                None => RoaringBitmap::new(),
            };
        }
        let homes = self.homes(namespaces);
        self.among(&homes, pods)
    }

    fn namespaces_of(&self, selector: &Selector) -> RoaringBitmap {
        let labels = |n: u32| self.labels.get(n as usize).copied();
        self.namespaces.select(selector, &self.labelled, labels)
    }

    fn select(&self, pods: &Selector, base: &RoaringBitmap) -> RoaringBitmap {
        let labels = |class| {
            let id = super::EndpointId(class);
            representative(self.world, self.endpoints, id).map(|pod| &pod.template.labels)
        };
        self.pods.select(pods, base, labels)
    }

    fn among(&self, home: &Residents, pods: &Selector) -> RoaringBitmap {
        let mut set = self.select(pods, &home.selectable);
        if pods.is_everything() {
            set |= &home.groups;
        }
        set
    }

    /// The classes of all namespaces that a selector takes, put together once.
    fn homes(&mut self, namespaces: &'w NamespaceMatch) -> Rc<Residents> {
        if let Some(known) = self.found.get(namespaces) {
            return Rc::clone(known);
        }
        let mut out = Residents::default();
        if let NamespaceMatch::Selector(selector) = namespaces {
            for number in self.namespaces_of(selector) {
                if let Some(home) = self.residents.get(number as usize) {
                    out.selectable |= &home.selectable;
                    out.groups |= &home.groups;
                }
            }
        }
        let out = Rc::new(out);
        self.found.insert(namespaces, Rc::clone(&out));
        out
    }

    /// The classes that a policy of administrators means by labels: never the host network.
    pub(crate) fn namespaced(&mut self, wanted: &'w NamespacedPods) -> RoaringBitmap {
        if let Some(known) = self.selected.get(wanted) {
            return known.clone();
        }
        let mut homes = RoaringBitmap::new();
        for number in self.namespaces_of(&wanted.namespaces) {
            if let Some(home) = self.residents.get(number as usize) {
                homes |= &home.selectable;
            }
        }
        let found = self.select(&wanted.pods, &homes);
        self.selected.insert(wanted, found.clone());
        found
    }

    /// Addresses in some networks, and the pods that have one: the node's on the host network.
    pub(crate) fn networks(&self, networks: &[IpNet]) -> Peers {
        let mut out = Peers::default();
        let offset = self.endpoints.classes();
        for network in networks {
            let cells = self.endpoints.cells_within(network);
            let places = cells.start - offset..cells.end - offset;
            for (hosts, others) in self.at_place.range(places).map(|(_, classes)| classes) {
                out.yes |= hosts;
                out.yes |= others;
            }
            out.yes.insert_range(cells);
        }
        // Whatever their address is, it lies in both families together.
        let whole = |v6: bool| {
            let mut all = networks.iter().filter(|n| n.prefix_len() == 0);
            all.any(|n| n.addr().is_ipv6() == v6)
        };
        let unknown = &self.nowhere.0 | &self.nowhere.1;
        if whole(false) && whole(true) {
            out.yes |= unknown;
        } else {
            out.perhaps |= unknown;
        }
        out
    }

    /// `ipBlock`: the cells of its addresses, without those of `except`.
    fn cells(&self, cidr: &IpNet, except: &[IpNet], out: &mut Vec<Range<u32>>) {
        let within = self.endpoints.cells_within(cidr);
        let mut holes: Vec<_> = except
            .iter()
            .map(|e| self.endpoints.cells_within(e))
            .collect();
        holes.sort_unstable_by_key(|hole| hole.start);
        let mut next = within.start;
        for hole in holes {
            if next < hole.start.min(within.end) {
                out.push(next..hole.start.min(within.end));
            }
            next = next.max(hole.end);
        }
        if next < within.end {
            out.push(next..within.end);
        }
    }

    /// Some cells, and pods by the address that others see: that of the node on the host network;
    /// otherwise their own, if the profile says that blocks mean pods.
    fn addresses(&self, mut cells: Vec<Range<u32>>, out: &mut Peers) {
        let pods_too = self.world.profile.ip_block_matches_pods;
        let offset = self.endpoints.classes();
        cells.sort_unstable_by_key(|range| range.start);
        for range in cells {
            let places = range.start - offset..range.end - offset;
            for (hosts, others) in self.at_place.range(places).map(|(_, at)| at) {
                out.yes |= hosts;
                if pods_too {
                    out.yes |= others;
                }
            }
            out.yes.insert_range(range);
        }
        out.perhaps |= &self.nowhere.0;
        if pods_too {
            out.perhaps |= &self.nowhere.1;
        }
    }
}

/// All selectors of namespaces, and all of pods.
fn selectors(world: &World) -> (Vec<&Selector>, Vec<&Selector>) {
    let (mut namespaces, mut pods) = (Vec::new(), Vec::new());
    for policy in &world.network_policies {
        pods.push(&policy.pod_selector);
        let rules = policy.ingress.iter().chain(&policy.egress).flatten();
        for peer in rules.flat_map(|r| r.peers.iter().flatten()) {
            if let Peer::Pods {
                namespaces: of,
                pods: who,
            } = peer
            {
                pods.push(who);
                if let NamespaceMatch::Selector(selector) = of {
                    namespaces.push(selector);
                }
            }
        }
    }
    for wanted in tiers::pods(world) {
        namespaces.push(&wanted.namespaces);
        pods.push(&wanted.pods);
    }
    (namespaces, pods)
}
