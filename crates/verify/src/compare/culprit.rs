//! The object that made the difference, from the reference's reasoning in both worlds.

use super::ends::Key;
use super::profile::Difference;
use super::{Changed, Groups, Kind, Side};
use crate::names;
use palisade_diagnostics::Span;
use palisade_netmodel::{
    Cause, Decision, Encryption, Endpoint, Flow, Layer, Outcome, Pod, PortSet, Protocol, World,
    reference,
};
use std::collections::BTreeSet;

/// A place that a finding shows, and what it did.
pub(crate) type Place = (Option<Span>, String);

/// Adds a difference to the group of its cause.
pub(crate) fn add(
    groups: &mut Groups,
    (a, b): (&Side<'_>, &Side<'_>),
    (from, to): (&Key, &Key),
    difference: &Difference,
) {
    let kind = difference.kind;
    let side = if kind == Kind::Lost { a } else { b };
    let port = telling_port(side, to, &difference.ports);
    let seen = port.and_then(|port| example((a, b), kind, (from, to), port));
    let changed = parts((from, to), difference);
    let Some(example) = seen else {
        // Only which pods pass has changed, or no two flows show the difference alone.
        let group = groups.entry((kind, Vec::new())).or_default();
        group.changed.extend(changed);
        return;
    };
    let (objects, places) = causes(&example);
    let group = groups.entry((kind, objects)).or_default();
    if group.changed.is_empty() {
        group.places = places;
        group.witness = Some(example.text.clone());
    }
    if !example.confirmed {
        group.disputed.get_or_insert(example.text);
    }
    group.changed.extend(changed);
}

/// What passes for certain, and what depends.
fn parts((from, to): (&Key, &Key), difference: &Difference) -> impl Iterator<Item = Changed> {
    let depends = difference.ports.difference(&difference.certain);
    let parts = [(difference.certain.clone(), true), (depends, false)];
    let (from, to) = (from.clone(), to.clone());
    parts
        .into_iter()
        .filter(|(ports, _)| !ports.is_empty())
        .map(move |(ports, certain)| Changed {
            from: from.clone(),
            to: to.clone(),
            ports,
            certain,
        })
}

/// A port of the set that the destination declares, if there is one: people know it.
fn telling_port(side: &Side<'_>, to: &Key, ports: &PortSet) -> Option<(Protocol, u16)> {
    let pods = side.ends.of(to).iter().filter_map(|e| side.engine.pod(*e));
    let known = pods.map(|pod| pod.container_ports.intersection(ports));
    let known = known.filter_map(|set| set.first()).min();
    known.or_else(|| ports.first())
}

/// One flow in both worlds.
struct Example {
    text: String,
    before: Decision,
    after: Decision,
    confirmed: bool,
    /// Ends whose labels differ between the worlds.
    relabelled: Vec<(Option<Span>, String)>,
}

/// The first two pods of each world that show the difference.
fn example(
    (a, b): (&Side<'_>, &Side<'_>),
    kind: Kind,
    ends: (&Key, &Key),
    port: (Protocol, u16),
) -> Option<Example> {
    if kind == Kind::OtherPods {
        return None;
    }
    let (old, new) = (flows(a, ends, port), flows(b, ends, port));
    let mut best = None;
    for x in &old {
        for y in &new {
            let before = reference::decide(a.engine.world(), x);
            let after = reference::decide(b.engine.world(), y);
            let confirmed = shows(kind, &before, &after);
            if confirmed || best.is_none() {
                let worlds = (a.engine.world(), b.engine.world());
                let (world, flow) = if kind == Kind::Lost {
                    (worlds.0, x)
                } else {
                    (worlds.1, y)
                };
                best = Some(Example {
                    text: names::flow(world, flow),
                    before,
                    after,
                    confirmed,
                    relabelled: relabelled(worlds, (x, y)),
                });
            }
            if confirmed {
                return best;
            }
        }
    }
    best
}

/// How many flows of each world are tried.
const TRIED: usize = 16;

/// A flow for each pair of classes of the two ends.
fn flows(side: &Side<'_>, (from, to): (&Key, &Key), port: (Protocol, u16)) -> Vec<Flow> {
    let engine = side.engine;
    let pairs = side
        .ends
        .of(from)
        .iter()
        .flat_map(|s| side.ends.of(to).iter().map(move |d| (*s, *d)));
    pairs
        .filter(|(s, d)| engine.is_pair(*s, *d))
        .filter_map(|(s, d)| engine.flow(s, d, port))
        .take(TRIED)
        .collect()
}

/// Whether two decisions are what the kind says.
fn shows(kind: Kind, before: &Decision, after: &Decision) -> bool {
    let passes = |decision: &Decision| decision.outcome != Outcome::Deny;
    let weaker = |x: &Decision, y: &Decision| passes(x) && passes(y) && y.encryption < x.encryption;
    match kind {
        Kind::Gained => !passes(before) && passes(after),
        Kind::Lost => passes(before) && !passes(after),
        Kind::Weaker => weaker(before, after),
        Kind::Stronger => weaker(after, before),
        Kind::LessCertain => before.outcome == Outcome::Allow && after.outcome != Outcome::Allow,
        Kind::MoreCertain => before.outcome != Outcome::Allow && after.outcome == Outcome::Allow,
        Kind::OtherPods => false,
    }
}

/// The objects whose part in the two decisions differs, and where they stand.
fn causes(example: &Example) -> (Vec<String>, Vec<Place>) {
    let (before, after) = (&example.before, &example.after);
    let telling = telling_layers(before, after);
    let mut objects = BTreeSet::new();
    let mut places = Vec::new();
    for (list, other, when) in [(after, before, "after"), (before, after, "before")] {
        for cause in &list.because {
            let same = |c: &&Cause| {
                c.layer == cause.layer
                    && c.subject == cause.subject
                    && c.outcome == cause.outcome
                    && (c.text == cause.text || list.encryption == other.encryption)
            };
            if !telling.contains(&cause.layer) || other.because.iter().any(|c| same(&c)) {
                continue;
            }
            let subject = cause.subject.as_ref().map(ToString::to_string);
            let name = subject.clone().unwrap_or_else(|| cause.layer.to_string());
            objects.insert(format!("{when} {name}"));
            let text = match &subject {
                Some(subject) => format!("{when}: {subject}: {}", cause.text),
                None => format!("{when}: {}", cause.text),
            };
            places.push((cause.origin.0, text));
        }
    }
    for place in &example.relabelled {
        objects.insert(place.1.clone());
        places.push(place.clone());
    }
    (objects.into_iter().collect(), places)
}

/// The layers that conclude otherwise; all of them if none does alone.
fn telling_layers(before: &Decision, after: &Decision) -> BTreeSet<Layer> {
    let concludes = |decision: &Decision, layer| {
        let steps = decision.because.iter().filter(|c| c.layer == layer);
        steps.map(|c| c.outcome).max().unwrap_or(Outcome::Allow)
    };
    let all: BTreeSet<_> = before
        .because
        .iter()
        .chain(&after.because)
        .map(|c| c.layer)
        .collect();
    let differ: BTreeSet<_> = all
        .iter()
        .copied()
        .filter(|layer| concludes(before, *layer) != concludes(after, *layer))
        .collect();
    let wire_differs = passing_wires(before) != passing_wires(after);
    if wire_differs && before.outcome == after.outcome {
        // What is on the wire is the mesh's matter alone.
        all.into_iter().filter(|layer| is_mesh(*layer)).collect()
    } else if differ.is_empty() {
        all
    } else {
        differ
    }
}

fn is_mesh(layer: Layer) -> bool {
    matches!(
        layer,
        Layer::ClientTls | Layer::PeerAuthentication | Layer::Authorization
    )
}

fn passing_wires(decision: &Decision) -> Option<Encryption> {
    (decision.outcome != Outcome::Deny).then_some(decision.encryption)
}

/// Ends whose labels, or whose namespace's labels, are not what they were.
fn relabelled((a, b): (&World, &World), (x, y): (&Flow, &Flow)) -> Vec<Place> {
    let mut out = Vec::new();
    for (old, new) in [(x.source, y.source), (x.destination, y.destination)] {
        let (Some(old), Some(new)) = (pod(a, old), pod(b, new)) else {
            continue;
        };
        let name = format!("{}/{}", new.namespace, new.workload.name);
        if !same_labels(old, new) {
            let text = format!(
                "labels of {name}: {{{}}} before, {{{}}} after",
                old.labels, new.labels
            );
            out.push((new.origin.0, text));
        }
        let spaces = (
            a.namespaces.get(&old.namespace),
            b.namespaces.get(&new.namespace),
        );
        if let (Some(old), Some(new)) = spaces
            && old.labels != new.labels
        {
            let text = format!(
                "labels of namespace {}: {{{}}} before, {{{}}} after",
                new.name, old.labels, new.labels
            );
            out.push((new.origin.0, text));
        }
        if old.proxy != new.proxy || old.named_ports != new.named_ports {
            let text = format!("{name} has another proxy or other named ports than before");
            out.push((new.origin.0, text));
        }
    }
    out
}

/// Labels that controllers make up for each pod tell nothing.
fn same_labels(old: &Pod, new: &Pod) -> bool {
    let own = |key: &str| !key.ends_with("-hash") && !key.ends_with("pod-name");
    let kept = |(key, _): &(&str, &str)| own(key);
    let (old, new) = (old.labels.iter(), new.labels.iter());
    old.filter(kept).eq(new.filter(kept))
}

fn pod(world: &World, end: Endpoint) -> Option<&Pod> {
    match end {
        Endpoint::Pod(pod) => world.pod(pod),
        Endpoint::Address(_) => None,
    }
}
