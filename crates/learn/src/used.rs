//! Connections that were observed, as a matrix: every workload is closed but for what was seen.

use crate::draft::{Draft, Side, Wire};
use crate::seen::{End, Seen};
use crate::write::write;
use palisade_netmodel::{Labels, Phase, PodId, PortSet, World};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// More addresses outside than this, at one end of the same ports, are told as all of them.
const MANY: usize = 8;

/// What could not be placed in the world: how many connections, by a name of the end or by the reason.
pub type Unplaced = BTreeMap<String, usize>;

/// A matrix of observed connections, and those that are not in it.
#[must_use]
pub fn from_seen(world: &World, seen: &[Seen], name: &str) -> (String, Unplaced) {
    let mut draft = Draft::new(world);
    let index = Index::new(world, &draft);
    let mut unplaced = Unplaced::new();
    let mut ends: BTreeMap<(Place, Place), PortSet> = BTreeMap::new();
    for connection in seen {
        let placed = index
            .place(&draft, &connection.from)
            .and_then(|from| Ok((from, index.place(&draft, &connection.to)?)));
        match placed {
            Ok((Place::Address(_), Place::Address(_))) => {
                *unplaced
                    .entry("both ends are outside".to_owned())
                    .or_default() += 1;
            }
            Ok(key) => {
                let ports = ends.entry(key).or_default();
                *ports = ports.union(&PortSet::single(connection.protocol, connection.port));
            }
            Err(why) => *unplaced.entry(why).or_default() += 1,
        }
    }
    draft.claims = draft.groups.iter().map(|g| (g.selectable, false)).collect();
    draft.add(rows(ends));
    (write(&draft, name, false), unplaced)
}

/// An end in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Group(usize),
    Address(IpAddr),
}

type Rows = BTreeMap<(BTreeSet<Side>, PortSet, Wire), BTreeSet<Side>>;

/// Connections with equal ports and callers together.
fn rows(ends: BTreeMap<(Place, Place), PortSet>) -> Rows {
    let mut callers: BTreeMap<(Place, PortSet), BTreeSet<Place>> = BTreeMap::new();
    let mut called: BTreeMap<(Place, PortSet), BTreeSet<Place>> = BTreeMap::new();
    for ((from, to), ports) in ends {
        match to {
            Place::Group(_) => callers.entry((to, ports)).or_default().insert(from),
            Place::Address(_) => called.entry((from, ports)).or_default().insert(to),
        };
    }
    let mut rows = Rows::new();
    for ((to, ports), from) in callers {
        let key = (sides(&from), ports, Wire::Any);
        rows.entry(key)
            .or_default()
            .extend(sides(&BTreeSet::from([to])));
    }
    for ((from, ports), to) in called {
        let key = (sides(&BTreeSet::from([from])), ports, Wire::Any);
        rows.entry(key).or_default().extend(sides(&to));
    }
    rows
}

fn sides(places: &BTreeSet<Place>) -> BTreeSet<Side> {
    let mut out = BTreeSet::new();
    let mut blocks = Vec::new();
    for place in places {
        match place {
            Place::Group(group) => {
                out.insert(Side::Group(*group));
            }
            Place::Address(address) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                blocks.push(format!("{address}/{bits}"));
            }
        }
    }
    if blocks.len() > MANY {
        out.insert(Side::Outside);
    } else if !blocks.is_empty() {
        out.insert(Side::Blocks(blocks));
    }
    out
}

/// Finds the ends of records.
struct Index<'w> {
    group_of: BTreeMap<PodId, usize>,
    pods: BTreeMap<(&'w str, &'w str), PodId>,
    workloads: BTreeMap<(&'w str, &'w str), PodId>,
    addresses: BTreeMap<IpAddr, PodId>,
    nodes: BTreeSet<IpAddr>,
}

impl<'w> Index<'w> {
    fn new(world: &'w World, draft: &Draft) -> Self {
        let mut out = Self {
            group_of: draft.group_of(),
            pods: BTreeMap::new(),
            workloads: BTreeMap::new(),
            addresses: BTreeMap::new(),
            nodes: BTreeSet::new(),
        };
        for (id, pod) in world.pods().filter(|(_, pod)| !pod.host_group) {
            out.pods.insert((&pod.namespace, &pod.name), id);
            out.workloads
                .insert((&pod.namespace, &pod.workload.name), id);
            out.nodes.extend(&pod.node_addresses.known);
            if pod.phase == Phase::Live && !pod.host_network {
                out.addresses
                    .extend(pod.addresses.known.iter().map(|a| (*a, id)));
            }
        }
        out
    }

    /// The place of an end, or a name for what is missing.
    fn place(&self, draft: &Draft, end: &End) -> Result<Place, String> {
        if let Some(pod) = self.pod(end) {
            let group = self.group_of.get(&pod);
            return group.map(|g| Place::Group(*g)).ok_or_else(|| missing(end));
        }
        if let Some(group) = by_labels(draft, end) {
            return Ok(Place::Group(group));
        }
        if end.namespace.is_some() {
            return Err(missing(end));
        }
        match end.address {
            Some(address) if self.nodes.contains(&address) => Err("one end is a node".to_owned()),
            Some(address)
                if address.is_loopback() || address.is_unspecified() || address.is_multicast() =>
            {
                Err("one end is no address of another machine".to_owned())
            }
            Some(address) => Ok(Place::Address(address)),
            None => Err("nothing is known of one end".to_owned()),
        }
    }

    /// By name, by workload, by the name that a workload gives its pods, by address.
    fn pod(&self, end: &End) -> Option<PodId> {
        if let Some(namespace) = end.namespace.as_deref() {
            let of = |map: &BTreeMap<(&str, &str), PodId>, name: Option<&str>| {
                map.get(&(namespace, name?)).copied()
            };
            let named = of(&self.pods, end.pod.as_deref())
                .or_else(|| of(&self.workloads, end.workload.as_deref()));
            if named.is_some() {
                return named;
            }
            // `web-7d9f8-x2x4z` is a pod of `web`: a hash and a suffix, or one of them, are added.
            let mut name = end.pod.as_deref().unwrap_or_default();
            for _ in 0..2 {
                let (shorter, _) = name.rsplit_once('-').unwrap_or_default();
                if let Some(pod) = of(&self.workloads, Some(shorter)) {
                    return Some(pod);
                }
                name = shorter;
            }
        }
        self.addresses.get(&end.address?).copied()
    }
}

/// The one group whose selector means these labels.
fn by_labels(draft: &Draft, end: &End) -> Option<usize> {
    let namespace = end.namespace.as_ref().filter(|_| !end.labels.is_empty())?;
    let labels = Labels::from_iter(&end.labels);
    let groups = draft.groups.iter().enumerate();
    let mut means = groups.filter(|(_, group)| {
        group.namespace == *namespace
            && !group.selector.is_everything()
            && group.selector.matches(&labels)
    });
    let (first, _) = means.next()?;
    means.next().is_none().then_some(first)
}

fn missing(end: &End) -> String {
    let name = end
        .pod
        .as_deref()
        .or(end.workload.as_deref())
        .unwrap_or("a pod");
    let namespace = end.namespace.as_deref().unwrap_or_default();
    format!("the manifests do not hold `{namespace}/{name}`")
}
