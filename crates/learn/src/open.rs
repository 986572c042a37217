//! What the policies of a world let pass, as a matrix that says the same: each end that policies close is
//! closed, and every connection that passes for certain is declared.
//!
//! Cost: one question to the engine for each two classes of pods or cells of addresses.

use crate::draft::{Draft, Side, Wire};
use crate::write::write;
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Direction, PortSet, World};
use palisade_verify::{EndpointId, Engine, Pair};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Most pairs of ends that are asked about.
const MAX_PAIRS: usize = 16_000_000;

/// A matrix of what a world lets pass, as text.
///
/// # Errors
/// A diagnostic if the world is too large to be written down pair by pair.
pub fn from_world(world: &World, name: &str) -> Result<String, Diagnostic> {
    let engine = Engine::new(world);
    let pairs = engine.len().saturating_mul(engine.len());
    if pairs > MAX_PAIRS {
        return Err(Diagnostic::error(
            "PAL0412",
            format!(
                "{} ends are too many for a matrix that names each",
                engine.len()
            ),
        )
        .help("learn from a part: the manifests of some namespaces"));
    }
    let mut draft = Draft::new(world);
    let parties = Parties::new(&engine, &draft);
    draft.claims = parties.claims(&engine, draft.groups.len());
    let mut rows: BTreeMap<(BTreeSet<Side>, PortSet, Wire), BTreeSet<Side>> = BTreeMap::new();
    for to in 0..parties.all.len() {
        for ((ports, wire), from) in parties.sources(&engine, &draft, to) {
            // A single pod is no caller of itself, so it may be among them or not.
            let own = parties.is_single(&engine, to).then_some(to);
            let from = parties.sides(&engine, &draft, &from, own);
            let to = parties.sides(&engine, &draft, &BTreeSet::from([to]), None);
            rows.entry((from, ports, wire)).or_default().extend(to);
        }
    }
    draft.add(rows);
    Ok(write(&draft, name, true))
}

/// Who can be an end: groups of pods, host networks, cells of addresses.
struct Parties {
    all: Vec<(Party, Vec<EndpointId>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Group(usize),
    /// Whatever runs on the nodes' network, as a namespace stands for it.
    Host(String),
    Cell(EndpointId),
}

impl Parties {
    fn new(engine: &Engine<'_>, draft: &Draft) -> Self {
        let group_of = draft.group_of();
        let mut all: BTreeMap<Party, Vec<EndpointId>> = BTreeMap::new();
        for endpoint in engine.endpoints().filter(|e| engine.is_source(*e)) {
            let party = match engine.pod(endpoint) {
                None => Party::Cell(endpoint),
                Some(pod) if pod.host_group => Party::Host(pod.namespace.clone()),
                Some(_) => {
                    let first = engine.members(endpoint).first();
                    match first.and_then(|pod| group_of.get(pod)) {
                        Some(group) => Party::Group(*group),
                        None => continue,
                    }
                }
            };
            all.entry(party).or_default().push(endpoint);
        }
        Self {
            all: all.into_iter().collect(),
        }
    }

    /// What policies close: a group is closed if all its pods are.
    fn claims(&self, engine: &Engine<'_>, groups: usize) -> Vec<(bool, bool)> {
        let mut out = vec![(false, false); groups];
        for (party, ends) in &self.all {
            let Party::Group(group) = party else { continue };
            let closed = |direction| {
                let pods = ends
                    .iter()
                    .all(|e| engine.pod(*e).is_some_and(|p| !p.host_network));
                pods && ends
                    .iter()
                    .all(|e| !engine.isolating(direction, *e).is_empty())
            };
            if let Some(claims) = out.get_mut(*group) {
                *claims = (closed(Direction::Ingress), closed(Direction::Egress));
            }
        }
        out
    }

    /// The callers of an end by what passes for certain, where one of the two is closed.
    fn sources(
        &self,
        engine: &Engine<'_>,
        draft: &Draft,
        to: usize,
    ) -> BTreeMap<(PortSet, Wire), BTreeSet<usize>> {
        let mut rows: BTreeMap<(PortSet, Wire), BTreeSet<usize>> = BTreeMap::new();
        let Some((destination, targets)) = self.all.get(to) else {
            return rows;
        };
        let claims = |party: &Party| match party {
            Party::Group(group) => draft.claims.get(*group).copied().unwrap_or_default(),
            _ => (false, false),
        };
        for (from, (source, callers)) in self.all.iter().enumerate() {
            if !(claims(destination).0 || claims(source).1) {
                continue;
            }
            for (wire, ports) in certain(engine, callers, targets) {
                if !ports.is_empty() {
                    rows.entry((ports, wire)).or_default().insert(from);
                }
            }
        }
        rows
    }

    /// Whether a party forms no pair with itself.
    fn is_single(&self, engine: &Engine<'_>, party: usize) -> bool {
        let ends = self.all.get(party).map_or(&[][..], |(_, ends)| ends);
        let mut pairs = ends.iter().flat_map(|a| ends.iter().map(move |b| (*a, *b)));
        !pairs.any(|(a, b)| engine.is_pair(a, b))
    }

    /// A set of parties by as few names as say exactly it, but for one that may be in it or not.
    fn sides(
        &self,
        engine: &Engine<'_>,
        draft: &Draft,
        set: &BTreeSet<usize>,
        either: Option<usize>,
    ) -> BTreeSet<Side> {
        let all = |index: usize| set.contains(&index) || either == Some(index);
        if set.len() > 1 && (0..self.all.len()).all(all) {
            return BTreeSet::from([Side::Anywhere]);
        }
        let mut out = BTreeSet::new();
        let mut spaces: BTreeMap<&str, (Vec<Side>, bool)> = BTreeMap::new();
        let (mut cells, mut all_cells) = (BTreeSet::new(), true);
        for (index, (party, _)) in self.all.iter().enumerate() {
            let inside = set.contains(&index);
            let (space, side) = match party {
                Party::Cell(cell) => {
                    all_cells &= inside;
                    cells.extend(inside.then_some(*cell));
                    continue;
                }
                Party::Host(space) => (space.as_str(), None),
                Party::Group(group) => {
                    let space = draft
                        .groups
                        .get(*group)
                        .map_or("", |g| g.namespace.as_str());
                    (space, Some(Side::Group(*group)))
                }
            };
            let (sides, whole) = spaces.entry(space).or_insert((Vec::new(), true));
            *whole &= all(index);
            if inside {
                // The host network has no name but its namespace's.
                sides.push(side.unwrap_or_else(|| Side::Namespace(space.to_owned())));
            }
        }
        for (space, (sides, whole)) in spaces {
            let host = Side::Namespace(space.to_owned());
            if whole && (sides.len() > 1 || sides.contains(&host)) && !sides.is_empty() {
                out.insert(host);
            } else {
                out.extend(sides.into_iter().filter(|side| *side != host));
            }
        }
        if !cells.is_empty() && all_cells {
            out.insert(Side::Outside);
        } else if !cells.is_empty() {
            out.insert(Side::Blocks(blocks(engine, &cells)));
        }
        out
    }
}

/// What passes for certain between some two of them, by what is proven of the wire for all.
fn certain(
    engine: &Engine<'_>,
    callers: &[EndpointId],
    targets: &[EndpointId],
) -> [(Wire, PortSet); 3] {
    let [mut any, mut tls, mut mesh] = [(); 3].map(|()| PortSet::empty());
    for source in callers {
        for destination in targets {
            if !engine.is_pair(*source, *destination) {
                continue;
            }
            let Pair {
                passage,
                mesh_mtls,
                tls: proven_tls,
                ..
            } = engine.pair(*source, *destination);
            let by_mesh = passage.must.intersection(&mesh_mtls);
            let by_tls = passage.must.difference(&by_mesh).intersection(&proven_tls);
            any = any.union(&passage.must.difference(&by_mesh).difference(&by_tls));
            tls = tls.union(&by_tls);
            mesh = mesh.union(&by_mesh);
        }
    }
    let tls = tls.difference(&any);
    let mesh = mesh.difference(&any).difference(&tls);
    [(Wire::Any, any), (Wire::Tls, tls), (Wire::Mesh, mesh)]
}

/// Cells of addresses as blocks; addresses of pods, which are no ends, join their neighbours.
fn blocks(engine: &Engine<'_>, chosen: &BTreeSet<EndpointId>) -> Vec<String> {
    let mut ranges: Vec<(IpAddr, IpAddr)> = Vec::new();
    let mut open = false;
    for cell in engine.endpoints() {
        let Some((first, end)) = engine.range(cell) else {
            continue;
        };
        if !chosen.contains(&cell) {
            open &= engine.address(cell).is_none();
            continue;
        }
        match ranges.last_mut() {
            Some(range) if open && range.0.is_ipv4() == first.is_ipv4() => range.1 = end,
            _ => ranges.push((first, end)),
        }
        open = true;
    }
    let nets = ranges.into_iter().flat_map(|ends| -> Vec<IpNet> {
        match ends {
            (IpAddr::V4(a), IpAddr::V4(b)) => Ipv4Subnets::new(a, b, 0).map(IpNet::V4).collect(),
            (IpAddr::V6(a), IpAddr::V6(b)) => Ipv6Subnets::new(a, b, 0).map(IpNet::V6).collect(),
            _ => Vec::new(),
        }
    });
    nets.map(|net| net.to_string()).collect()
}
