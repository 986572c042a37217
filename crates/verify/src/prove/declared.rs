//! The intent, matched against the endpoints of a world.
//!
//! Cost: for each distinct list of peers the endpoints of the namespaces it names and the cells of its
//! blocks, once; for each grant its members. What holds between two ends is an intersection of two sets of
//! grants.

use crate::engine::{EndpointId, Engine, namespace_matches, ports_on};
use ipnet::IpNet;
use palisade_netmodel::{
    Direction, Grant, Intent, NamespaceMatch, Party, Peer, Peers, Pod, PortSet, Selector,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Which endpoints each grant, claim and component means.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Per grant: sources and destinations.
    grants: Vec<(Rc<RoaringBitmap>, Rc<RoaringBitmap>)>,
    from: Covering,
    to: Covering,
    /// Per endpoint: the first claim of each direction, as an index into the intent.
    ingress: Vec<Option<usize>>,
    egress: Vec<Option<usize>>,
    /// Per component: its endpoints.
    components: Vec<RoaringBitmap>,
}

/// The grants that mean an endpoint, on one side.
#[derive(Debug)]
struct Covering {
    /// Those that mean every endpoint.
    all: RoaringBitmap,
    /// Per endpoint: the others.
    of: Vec<RoaringBitmap>,
}

impl Covering {
    fn new<'i>(
        len: usize,
        parties: impl Iterator<Item = (&'i Party, &'i Rc<RoaringBitmap>)>,
    ) -> Self {
        let mut out = Self {
            all: RoaringBitmap::new(),
            of: vec![RoaringBitmap::new(); len],
        };
        for (grant, (party, members)) in (0..).zip(parties) {
            if party.peers == Peers::Any {
                out.all.insert(grant);
                continue;
            }
            for member in members.iter() {
                if let Some(grants) = out.of.get_mut(member as usize) {
                    grants.insert(grant);
                }
            }
        }
        out
    }

    fn with(&self, endpoint: EndpointId) -> Option<&RoaringBitmap> {
        self.of.get(endpoint.index())
    }
}

impl Declared {
    pub(crate) fn new(intent: &Intent, engine: &Engine<'_>) -> Self {
        let mut finder = Finder::new(engine);
        let mut grants = Vec::with_capacity(intent.grants.len());
        for grant in &intent.grants {
            grants.push((finder.party(&grant.from), finder.party(&grant.to)));
        }
        let parties = || intent.grants.iter().zip(&grants);
        let from = Covering::new(engine.len(), parties().map(|(g, of)| (&g.from, &of.0)));
        let to = Covering::new(engine.len(), parties().map(|(g, of)| (&g.to, &of.1)));
        let mut out = Self {
            from,
            to,
            grants,
            ingress: vec![None; engine.len()],
            egress: vec![None; engine.len()],
            components: Vec::with_capacity(intent.components.len()),
        };
        for component in &intent.components {
            let home = NamespaceMatch::Named(component.namespace.clone());
            let mut here = finder.pods(&home, &component.selector);
            here -= &finder.host_groups;
            out.components.push(here);
        }
        for (index, claim) in intent.claims.iter().enumerate() {
            let list = match claim.direction {
                Direction::Ingress => &mut out.ingress,
                Direction::Egress => &mut out.egress,
            };
            // Only pods that a policy can select can be claimed: nothing isolates the host network.
            for endpoint in finder.pods(&claim.namespaces, &claim.pods) {
                let pod = engine.pod(EndpointId(endpoint));
                if pod.is_some_and(|pod| pod.is_selectable() && !pod.host_group)
                    && let Some(first) = list.get_mut(endpoint as usize)
                {
                    first.get_or_insert(index);
                }
            }
        }
        out
    }

    /// Sources and destinations of a grant.
    pub(crate) fn ends(&self, grant: usize) -> Option<(&RoaringBitmap, &RoaringBitmap)> {
        let (from, to) = self.grants.get(grant)?;
        Some((from, to))
    }

    /// The endpoints of a component.
    pub(crate) fn component(&self, index: usize) -> Option<&RoaringBitmap> {
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
        (source, destination): (EndpointId, EndpointId),
    ) -> Vec<(&'i Grant, PortSet)> {
        let target = engine.pod(destination);
        let ends = self.from.with(source).zip(self.to.with(destination));
        let Some((from, to)) = ends else {
            return Vec::new();
        };
        let mut both = from & to;
        both |= &self.from.all & to;
        both |= from & &self.to.all;
        both |= &self.from.all & &self.to.all;
        let grants = both.iter().filter_map(|g| intent.grants.get(g as usize));
        grants
            .map(|grant| (grant, ports_on(grant.ports.as_deref(), target)))
            .collect()
    }

    /// The same, with those that may mean an end by an address that is not known. Cost: all grants.
    pub(crate) fn perhaps_between<'i>(
        &self,
        intent: &'i Intent,
        engine: &Engine<'_>,
        (source, destination): (EndpointId, EndpointId),
    ) -> Vec<(&'i Grant, PortSet)> {
        let target = engine.pod(destination);
        let both = intent.grants.iter().zip(&self.grants);
        let both = both.filter(|(grant, (from, to))| {
            (from.contains(source.0) || may_mean(engine, &grant.from, source))
                && (to.contains(destination.0) || may_mean(engine, &grant.to, destination))
        });
        both.map(|(grant, _)| (grant, ports_on(grant.ports.as_deref(), target)))
            .collect()
    }

    /// The grants that mean an endpoint on one side: as destination for ingress, as source for egress.
    pub(crate) fn grants_of(&self, direction: Direction, endpoint: EndpointId) -> RoaringBitmap {
        let side = match direction {
            Direction::Ingress => &self.to,
            Direction::Egress => &self.from,
        };
        let mut grants = side.with(endpoint).cloned().unwrap_or_default();
        grants |= &side.all;
        grants
    }
}

/// Whether a declared block means a pod of the host network if its unknown address lies in it. What else
/// its address admits it to is found at the cells of addresses.
fn may_mean(engine: &Engine<'_>, party: &Party, endpoint: EndpointId) -> bool {
    let (Some(pod), Peers::List(peers)) = (engine.pod(endpoint), &party.peers) else {
        return false;
    };
    let in_some = |peer: &Peer| match peer {
        Peer::Block { cidr, except } => {
            host_in_block(pod, cidr, except).is_none_or(|inside| inside)
        }
        Peer::Pods { .. } => false,
    };
    (pod.host_network || pod.host_group) && peers.iter().any(in_some)
}

/// Finds the endpoints that parties mean.
struct Finder<'e, 'w> {
    engine: &'e Engine<'w>,
    everybody: Rc<RoaringBitmap>,
    /// Classes of pods by namespace.
    homes: FxHashMap<&'w str, Vec<u32>>,
    /// Classes on the host network.
    hosts: Vec<u32>,
    host_groups: RoaringBitmap,
    /// Cells with addresses outside, sorted.
    cells: Vec<(IpAddr, u32)>,
    lists: FxHashMap<Vec<Peer>, Rc<RoaringBitmap>>,
    /// Namespaces by selector.
    selected: FxHashMap<Selector, Rc<Vec<&'w str>>>,
}

impl<'e, 'w> Finder<'e, 'w> {
    fn new(engine: &'e Engine<'w>) -> Self {
        let mut out = Self {
            engine,
            everybody: Rc::new(engine.endpoints().map(|e| e.0).collect()),
            homes: FxHashMap::default(),
            hosts: Vec::new(),
            host_groups: RoaringBitmap::new(),
            cells: Vec::new(),
            lists: FxHashMap::default(),
            selected: FxHashMap::default(),
        };
        for endpoint in engine.endpoints() {
            if let Some(pod) = engine.pod(endpoint) {
                let home = out.homes.entry(&pod.namespace).or_default();
                home.push(endpoint.0);
                if pod.host_network || pod.host_group {
                    out.hosts.push(endpoint.0);
                }
                if pod.host_group {
                    out.host_groups.insert(endpoint.0);
                }
            } else if let Some(address) = engine.address(endpoint) {
                out.cells.push((address, endpoint.0));
            }
        }
        out.cells.sort_unstable();
        out
    }

    fn party(&mut self, party: &Party) -> Rc<RoaringBitmap> {
        let Peers::List(peers) = &party.peers else {
            return Rc::clone(&self.everybody);
        };
        if let Some(known) = self.lists.get(peers) {
            return Rc::clone(known);
        }
        let mut members = RoaringBitmap::new();
        for peer in peers {
            match peer {
                Peer::Pods { namespaces, pods } => members |= self.pods(namespaces, pods),
                Peer::Block { cidr, except } => members |= self.block(cidr, except),
            }
        }
        let members = Rc::new(members);
        self.lists.insert(peers.clone(), Rc::clone(&members));
        members
    }

    /// Pods by their labels. Those on the host network count, too: the matrix speaks of components,
    /// however their packets look.
    fn pods(&mut self, namespaces: &NamespaceMatch, pods: &Selector) -> RoaringBitmap {
        let engine = self.engine;
        let selected;
        let named;
        let names: &[&str] = match namespaces {
            NamespaceMatch::Named(name) => {
                named = [name.as_str()];
                &named
            }
            NamespaceMatch::Selector(selector) => {
                selected = self.namespaces(namespaces, selector);
                &selected
            }
        };
        let residents = names.iter().filter_map(|name| self.homes.get(name));
        let means = |endpoint: &&u32| {
            engine.pod(EndpointId(**endpoint)).is_some_and(|pod| {
                if pod.host_group {
                    pods.is_everything()
                } else {
                    pods.matches(&pod.labels)
                }
            })
        };
        residents.flatten().filter(means).copied().collect()
    }

    fn namespaces(&mut self, wanted: &NamespaceMatch, selector: &Selector) -> Rc<Vec<&'w str>> {
        if let Some(known) = self.selected.get(selector) {
            return Rc::clone(known);
        }
        let world = self.engine.world();
        let names = self.homes.keys().copied();
        let names = names.filter(|name| namespace_matches(world, wanted, name));
        let names = Rc::new(names.collect());
        self.selected.insert(selector.clone(), Rc::clone(&names));
        names
    }

    /// The cells of a block, and pods on the host network, whose node's address it can mean.
    fn block(&self, cidr: &IpNet, except: &[IpNet]) -> RoaringBitmap {
        let first = self.cells.partition_point(|(a, _)| *a < cidr.network());
        let cells = self.cells.iter().skip(first);
        let cells = cells.take_while(|(a, _)| cidr.contains(a));
        let cells = cells.filter(|(a, _)| !except.iter().any(|e| e.contains(a)));
        let hosts = self.hosts.iter().filter(|host| {
            let pod = self.engine.pod(EndpointId(**host));
            pod.is_some_and(|pod| host_in_block(pod, cidr, except) == Some(true))
        });
        cells.map(|(_, cell)| *cell).chain(hosts.copied()).collect()
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
