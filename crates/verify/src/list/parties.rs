//! Sets of ends in words: exactly the set, as short as it goes.

use crate::engine::{EndpointId, Engine};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use palisade_netmodel::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Names for sets of endpoints of one engine.
#[derive(Debug)]
pub(crate) struct Parties<'e> {
    engine: &'e Engine<'e>,
    sources: Tree,
    destinations: Tree,
    /// Workloads whose name alone would mean two.
    shared_names: BTreeSet<(String, String)>,
    by_pod: bool,
}

/// Endpoints by namespace and workload (kind, name).
type Tree = BTreeMap<String, BTreeMap<Owner, BTreeSet<EndpointId>>>;

/// Name and kind of a workload.
type Owner = (String, String);

/// Which ends a set is made of: `every pod` means something else for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Source,
    Destination,
}

impl<'e> Parties<'e> {
    /// Names for an engine's endpoints; `by_pod` names pods and not their workloads.
    pub(crate) fn new(engine: &'e Engine<'e>, by_pod: bool) -> Self {
        let all: Vec<EndpointId> = engine.endpoints().collect();
        let tree = |wanted: &dyn Fn(EndpointId) -> bool| {
            let chosen = all.iter().copied().filter(|e| wanted(*e));
            tree(engine, chosen)
        };
        let sources = tree(&|e| engine.is_source(e));
        let mut kinds: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for pod in all.iter().filter_map(|e| engine.pod(*e)) {
            let name = (pod.namespace.clone(), pod.workload.name.clone());
            kinds
                .entry(name)
                .or_default()
                .insert(pod.workload.kind.clone());
        }
        Self {
            engine,
            destinations: tree(&|e| engine.is_destination(e)),
            sources,
            shared_names: kinds
                .into_iter()
                .filter(|(_, kinds)| kinds.len() > 1)
                .map(|(name, _)| name)
                .collect(),
            by_pod,
        }
    }

    /// The engine whose endpoints are named.
    pub(crate) fn engine(&self) -> &'e Engine<'e> {
        self.engine
    }

    /// The set as a list of names; nobody is an empty list.
    pub(crate) fn describe(&self, set: &[EndpointId], role: Role) -> Vec<String> {
        let pods = set
            .iter()
            .copied()
            .filter(|e| self.engine.pod(*e).is_some());
        let mut out = self.pods(&pods.collect(), role);
        out.extend(self.addresses(set));
        out
    }

    /// The workloads of a role, as endpoints.
    pub(crate) fn workloads(&self, role: Role) -> impl Iterator<Item = &BTreeSet<EndpointId>> {
        self.tree(role).values().flat_map(BTreeMap::values)
    }

    fn tree(&self, role: Role) -> &Tree {
        match role {
            Role::Source => &self.sources,
            Role::Destination => &self.destinations,
        }
    }

    fn pods(&self, set: &BTreeSet<EndpointId>, role: Role) -> Vec<String> {
        if set.is_empty() {
            return Vec::new();
        }
        let all: BTreeSet<EndpointId> = self.workloads(role).flatten().copied().collect();
        let others: BTreeSet<EndpointId> = all.difference(set).copied().collect();
        if others.is_empty() && all.len() > 1 {
            return vec!["every pod".to_owned()];
        }
        let names = self.names(set, role);
        if names.len() > 3 {
            let but = self.names(&others, role);
            if but.len() <= 4 && but.len() + 2 <= names.len() {
                return vec![format!("every pod but {}", but.join(" and "))];
            }
        }
        names
    }

    /// Namespaces, workloads and pods that make up exactly the set.
    fn names(&self, set: &BTreeSet<EndpointId>, role: Role) -> Vec<String> {
        let mut out = Vec::new();
        for (namespace, workloads) in self.tree(role) {
            let whole = workloads.values().flatten().all(|e| set.contains(e));
            if whole && workloads.len() > 1 {
                out.push(format!("{namespace}/*"));
                continue;
            }
            for ((name, kind), members) in workloads {
                let inside: Vec<EndpointId> = members
                    .iter()
                    .copied()
                    .filter(|e| set.contains(e))
                    .collect();
                if inside.is_empty() {
                    continue;
                }
                if inside.len() == members.len() && !self.by_pod {
                    out.push(self.workload(namespace, name, kind, &inside));
                } else {
                    out.extend(inside.iter().flat_map(|e| self.pod_names(*e)));
                }
            }
        }
        out
    }

    fn workload(&self, namespace: &str, name: &str, kind: &str, of: &[EndpointId]) -> String {
        let host_group = of
            .first()
            .and_then(|e| self.engine.pod(*e))
            .is_some_and(|pod| pod.host_group);
        if host_group {
            return format!("the nodes' host network ({namespace})");
        }
        let shared = (namespace.to_owned(), name.to_owned());
        if self.shared_names.contains(&shared) {
            format!("{namespace}/{name} ({kind})")
        } else {
            format!("{namespace}/{name}")
        }
    }

    /// The parts of one workload (or of the addresses) that are shown as one node: name, endpoints, and
    /// whether there are several.
    pub(crate) fn nodes(&self, part: &[EndpointId]) -> Vec<(String, Vec<EndpointId>, bool)> {
        let Some(pod) = part.first().and_then(|e| self.engine.pod(*e)) else {
            return vec![(self.addresses(part).join(", "), part.to_vec(), true)];
        };
        let owner = (pod.workload.name.clone(), pod.workload.kind.clone());
        let whole = self.sources.get(&pod.namespace).and_then(|w| w.get(&owner));
        if self.by_pod {
            let all = part
                .iter()
                .flat_map(|e| self.pod_names(*e).into_iter().map(|n| (n, *e)));
            return all.map(|(name, e)| (name, vec![e], false)).collect();
        }
        let pods: Vec<String> = part.iter().flat_map(|e| self.pod_names(*e)).collect();
        let many = pods.len() > 1;
        let name = if whole.is_some_and(|whole| whole.len() == part.len()) {
            self.workload(&pod.namespace, &owner.0, &owner.1, part)
        } else {
            pods.join(", ")
        };
        vec![(name, part.to_vec(), many)]
    }

    /// The pods of a class by name.
    pub(crate) fn pod_names(&self, class: EndpointId) -> Vec<String> {
        let world = self.engine.world();
        let members = self.engine.members(class).iter();
        members
            .filter_map(|id| world.pod(*id))
            .map(|pod: &Pod| {
                if pod.host_group {
                    format!("the nodes' host network ({})", pod.namespace)
                } else {
                    pod.object().to_string()
                }
            })
            .collect()
    }

    /// The addresses of a set, those that are no ends being neither in nor out.
    fn addresses(&self, set: &[EndpointId]) -> Vec<String> {
        let chosen: BTreeSet<EndpointId> = set
            .iter()
            .copied()
            .filter(|e| self.engine.address(*e).is_some())
            .collect();
        if chosen.is_empty() {
            return Vec::new();
        }
        let cells = self.engine.endpoints().filter_map(|e| {
            let is_end = self.engine.address(e).is_some();
            let inside = is_end.then(|| chosen.contains(&e));
            Some((self.engine.range(e)?, inside))
        });
        let (v6, v4): (Vec<_>, Vec<_>) = cells.partition(|((first, _), _)| first.is_ipv6());
        let whole = |cells: &[Cell]| cells.iter().all(|(_, inside)| *inside != Some(false));
        if whole(&v4) && whole(&v6) {
            return vec!["anywhere outside".to_owned()];
        }
        let mut out = family(&v4, "IPv4");
        out.extend(family(&v6, "IPv6"));
        out
    }
}

/// A range of addresses, and whether it is in the set; `None`: it does not matter.
type Cell = ((IpAddr, IpAddr), Option<bool>);

/// The addresses of one family as blocks, or as all but some blocks.
fn family(cells: &[Cell], name: &str) -> Vec<String> {
    if cells.iter().all(|(_, inside)| *inside != Some(true)) {
        return Vec::new();
    }
    let blocks = blocks(cells, true);
    let others = self::blocks(cells, false);
    if others.is_empty() {
        return vec![format!("every {name} address outside")];
    }
    if others.len() < blocks.len() {
        return vec![format!(
            "every {name} address outside but {}",
            others.join(" and ")
        )];
    }
    blocks
}

/// The cells that are in (or out) as few blocks; cells that do not matter join their neighbours.
fn blocks(cells: &[Cell], wanted: bool) -> Vec<String> {
    let mut ranges: Vec<(IpAddr, IpAddr)> = Vec::new();
    // The range under way, and the last address of the don't-matter cells behind it.
    let mut open: Option<(IpAddr, IpAddr)> = None;
    for ((first, last), inside) in cells {
        match inside {
            Some(inside) if *inside == wanted => {
                let start = open.map_or(*first, |(start, _)| start);
                open = Some((start, *last));
            }
            Some(_) => ranges.extend(open.take()),
            None => {}
        }
    }
    ranges.extend(open);
    ranges
        .into_iter()
        .flat_map(|(first, last)| subnets(first, last))
        .map(|net| match net.prefix_len() == net.max_prefix_len() {
            true => net.addr().to_string(),
            false => net.to_string(),
        })
        .collect()
}

/// A range of addresses of one family as blocks.
pub(crate) fn subnets(first: IpAddr, last: IpAddr) -> Vec<IpNet> {
    match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Ipv4Subnets::new(a, b, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(a), IpAddr::V6(b)) => Ipv6Subnets::new(a, b, 0).map(IpNet::V6).collect(),
        _ => Vec::new(),
    }
}

fn tree(engine: &Engine<'_>, endpoints: impl Iterator<Item = EndpointId>) -> Tree {
    let mut tree = Tree::new();
    for endpoint in endpoints {
        if let Some(pod) = engine.pod(endpoint) {
            let owner = (pod.workload.name.clone(), pod.workload.kind.clone());
            let workloads = tree.entry(pod.namespace.clone()).or_default();
            workloads.entry(owner).or_default().insert(endpoint);
        }
    }
    tree
}
