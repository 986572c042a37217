//! What changes between two worlds with the same pods: connections lost and gained.

use crate::engine::{Cuts, EndpointId, Engine};
use crate::names::{self, Names};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Direction, Intent, Outcome, PortSet, World, reference};
use std::collections::BTreeMap;

/// Connections of one pair that appear or vanish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Source, as people call it.
    pub source: String,
    /// Destination.
    pub destination: String,
    /// Ports.
    pub ports: PortSet,
}

/// The difference of two worlds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// What passed for certain before and does not any more.
    pub lost: Vec<Change>,
    /// What passes for certain now and did not before.
    pub gained: Vec<Change>,
}

impl Difference {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }
}

/// Compares two worlds that have the same pods, in the same order. Cost: pairs of endpoints.
#[must_use]
pub fn difference(before: &World, after: &World) -> Difference {
    let (a, b) = engines(before, after);
    let names = Names::new(&a);
    let (mut lost, mut gained) = (BTreeMap::new(), BTreeMap::new());
    for (source, destination) in pairs(&a) {
        let old = a.pair(source, destination).passage.must;
        let new = b.pair(source, destination).passage.must;
        let ends = || (names.endpoint(source), names.endpoint(destination));
        add(&mut lost, ends, &old.difference(&new));
        add(&mut gained, ends, &new.difference(&old));
    }
    Difference {
        lost: changes(lost),
        gained: changes(gained),
    }
}

/// Ports by the names of the two ends: classes of one workload are told as one.
type ByName = BTreeMap<(String, String), PortSet>;

fn add(map: &mut ByName, ends: impl Fn() -> (String, String), ports: &PortSet) {
    if !ports.is_empty() {
        let slot = map.entry(ends()).or_default();
        *slot = slot.union(ports);
    }
}

fn changes(map: ByName) -> Vec<Change> {
    map.into_iter()
        .map(|((source, destination), ports)| Change {
            source,
            destination,
            ports,
        })
        .collect()
}

/// Engines whose endpoints have equal numbers: each is cut by the other's CIDRs too.
fn engines<'w>(before: &'w World, after: &'w World) -> (Engine<'w>, Engine<'w>) {
    (
        Engine::with_cuts(before, &Cuts::of(after)),
        Engine::with_cuts(after, &Cuts::of(before)),
    )
}

fn pairs<'e>(engine: &'e Engine<'_>) -> impl Iterator<Item = (EndpointId, EndpointId)> + 'e {
    engine.endpoints().flat_map(move |s| {
        engine
            .endpoints()
            .map(move |d| (s, d))
            .filter(|(s, d)| engine.is_pair(*s, *d))
    })
}

/// Ports that stop passing between two endpoints.
type Lost = (EndpointId, EndpointId, PortSet);

/// The policies that newly isolate an end, by direction and index in the world after.
type Culprit = (Direction, Vec<usize>);

/// Names what a candidate would break: connections that pass before and not after, grouped by the
/// policies that isolate the end where they stop. Connections that `intent` declares are errors,
/// others are warnings.
#[must_use]
pub fn impact(intent: &Intent, before: &World, after: &World) -> Vec<Diagnostic> {
    let (a, b) = engines(before, after);
    let declared = crate::prove::granted(intent, &a);
    let mut groups: BTreeMap<(bool, Culprit), Vec<Lost>> = BTreeMap::new();
    for (source, destination) in pairs(&a) {
        let old = a.pair(source, destination).passage.must;
        let lost = old.difference(&b.pair(source, destination).passage.must);
        if lost.is_empty() {
            continue;
        }
        let culprit = culprit(&b, source, destination, &lost);
        let granted = declared(source, destination);
        for (ports, is_declared) in [
            (lost.intersection(&granted), true),
            (lost.difference(&granted), false),
        ] {
            if !ports.is_empty() {
                let key = (!is_declared, culprit.clone());
                groups
                    .entry(key)
                    .or_default()
                    .push((source, destination, ports));
            }
        }
    }
    groups
        .iter()
        .filter_map(|((undeclared, culprit), lost)| describe(&a, &b, *undeclared, culprit, lost))
        .collect()
}

fn culprit(
    after: &Engine<'_>,
    source: EndpointId,
    destination: EndpointId,
    lost: &PortSet,
) -> Culprit {
    let ingress = after.half(Direction::Ingress, source, destination).must;
    if ingress.covers(lost) {
        let list = after.isolating(Direction::Egress, source);
        (Direction::Egress, list.to_vec())
    } else {
        let list = after.isolating(Direction::Ingress, destination);
        (Direction::Ingress, list.to_vec())
    }
}

fn describe(
    before: &Engine<'_>,
    after: &Engine<'_>,
    undeclared: bool,
    (direction, policies): &Culprit,
    lost: &[Lost],
) -> Option<Diagnostic> {
    let (source, destination, ports) = lost.first()?;
    let flow = before.flow(*source, *destination, ports.first()?)?;
    let replayed = reference::decide(before.world(), &flow).outcome == Outcome::Allow
        && reference::decide(after.world(), &flow).outcome != Outcome::Allow;
    if !replayed {
        return Some(
            Diagnostic::warning("PAL0399", "the engine and the reference evaluator disagree")
                .witness(names::flow(before.world(), &flow)),
        );
    }
    let names = Names::new(before);
    let all = lost
        .iter()
        .fold(PortSet::empty(), |set, (_, _, p)| set.union(p));
    let mut diagnostic = if undeclared {
        Diagnostic::warning(
            "PAL0321",
            "the candidate would stop connections that work today and that the matrix does not declare",
        )
    } else {
        Diagnostic::error("PAL0320", "the candidate would stop declared connections")
    };
    let world = after.world();
    for policy in policies
        .iter()
        .filter_map(|i| world.network_policies.get(*i))
        .take(3)
    {
        diagnostic = diagnostic.at_opt(
            policy.origin.0,
            format!(
                "`{}` isolates for {direction} and admits them not",
                policy.object
            ),
        );
    }
    Some(
        diagnostic
            .witness(names::flow(before.world(), &flow))
            .note(format!("from: {}", names.list(lost.iter().map(|l| l.0))))
            .note(format!("to: {}", names.list(lost.iter().map(|l| l.1))))
            .note(format!("ports: {all}"))
            .help("add rules for these peers before applying the candidate, or narrow its podSelector"),
    )
}
