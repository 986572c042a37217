//! One edit in a large cluster. Run with `cargo bench -p palisade-verify --bench edits`.
//!
//! Cost model: a *policy* costs the classes of its namespace, a few bitmap operations for each rule of
//! the classes that it selects, and for each list of peers that is new the classes it means; the *label of
//! a pod* costs the lists that can mean pods of its namespace and the policies that use those which mean
//! one of its classes and not the other; the *label of a namespace* costs its classes times the lists whose
//! selector it meets or leaves, and the policies that use these. Nothing costs all pods or all policies,
//! unless it changes something for all of them.
//!
//! One thread, wall clock: an edit is too short for the clock of a thread. Each edit is done and undone;
//! both are measured, with the exact difference at both ends (`Effect::halves`). `pairs us` is the time
//! to enumerate the connections that changed, which grows with their number; both are those of the edit at p90.
//!
//! The second table is of the verdict after each edit, on a cluster that is as declared ([`Standing`]): what the
//! edit costs, the grants of the classes that it changed, and what is suspect then. Each edit is done and undone,
//! so every other verdict is that of a cluster with a flaw. `cargo bench -p palisade-verify --bench edits -- verdicts`
//! prints it alone.

use palisade_netmodel::{Labels, NetworkPolicy, Peer, Pod, PolicyPort, Protocol, Selector, World};
use palisade_testkit::clusters::{Shape, intent, world};
use palisade_verify::{Edit, Live, Standing};
use std::hint::black_box;
use std::time::Instant;

/// How many objects of each kind are edited.
const EDITS: usize = 500;
/// The connections of one of so many edits are enumerated.
const ENUMERATED: usize = 10;

fn main() {
    let largest = Shape::largest();
    let shapes = [
        ("a hundredth of the largest", Shape::part(100)),
        ("a tenth of the largest", Shape::part(10)),
        ("the largest", largest.clone()),
        (
            "every pod its own class",
            Shape {
                unique_labels: true,
                ..largest
            },
        ),
    ];
    if std::env::args().all(|arg| arg != "verdicts") {
        differences(&shapes);
    }
    verdicts(&shapes);
}

/// The kinds of edits.
type Kinds = [(&'static str, fn(&World) -> Vec<Edit>); 5];

const KINDS: Kinds = [
    ("port of a policy", ports),
    ("peer of a policy", peers),
    ("policy removed", removals),
    ("label of a pod", pods),
    ("label of a namespace", namespaces),
];

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn verdicts(shapes: &[(&str, Shape)]) {
    println!(
        "{:<28} {:>8} {:<22} {:>9} {:>9} {:>9} {:>9}",
        "verdict", "new ms", "edit", "p50 us", "p99 us", "max us", "fails %"
    );
    for (name, shape) in shapes {
        let world = world(shape);
        let intent = intent(&world);
        let start = Instant::now();
        let Some(mut standing) = Standing::new(&intent, &world) else {
            continue;
        };
        let built = start.elapsed().as_secs_f64() * 1e3;
        for (kind, edits) in KINDS {
            let mut times = Vec::new();
            let mut failing = 0;
            for step in edits(&world) {
                let start = Instant::now();
                standing.apply(step);
                let verdict = black_box(standing.verdict());
                times.push(start.elapsed().as_secs_f64() * 1e6);
                failing += usize::from(verdict != palisade_diagnostics::Verdict::Holds);
            }
            println!(
                "{name:<28} {built:>8.0} {kind:<22} {:>9.1} {:>9.1} {:>9.1} {:>9}",
                part(&mut times, 50),
                part(&mut times, 99),
                part(&mut times, 100),
                failing * 100 / times.len().max(1),
            );
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn differences(shapes: &[(&str, Shape)]) {
    println!(
        "{:<28} {:>8} {:<22} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "shape", "new ms", "edit", "p50 us", "p99 us", "max us", "pairs", "pairs us"
    );
    for (name, shape) in shapes {
        let world = world(shape);
        let start = Instant::now();
        let mut live = Live::new(&world);
        let built = start.elapsed().as_secs_f64() * 1e3;
        for (kind, edits) in KINDS {
            let mut edit = Vec::new();
            let mut pairs = Vec::new();
            let mut count = Vec::new();
            for (index, step) in edits(&world).into_iter().enumerate() {
                let start = Instant::now();
                let effect = black_box(live.apply(step));
                edit.push(start.elapsed().as_secs_f64() * 1e6);
                if index % ENUMERATED == 0 {
                    let start = Instant::now();
                    let connections = effect.connections(&live).len();
                    count.push(f64::from(u32::try_from(connections).unwrap_or(u32::MAX)));
                    pairs.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            println!(
                "{name:<28} {built:>8.0} {kind:<22} {:>9.1} {:>9.1} {:>9.1} {:>9.0} {:>9.1}",
                part(&mut edit, 50),
                part(&mut edit, 99),
                part(&mut edit, 100),
                part(&mut count, 90),
                part(&mut pairs, 90),
            );
        }
    }
}

/// The value below which so many of a hundred lie.
fn part(values: &mut [f64], of_hundred: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get(last * of_hundred / 100)
        .copied()
        .unwrap_or_default()
}

/// Some of many, spread over all.
fn some<T>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().step_by((all.len() / EDITS).max(1)).take(EDITS)
}

fn both(old: &NetworkPolicy, new: NetworkPolicy) -> [Edit; 2] {
    [Edit::SetPolicy(new), Edit::SetPolicy(old.clone())]
}

fn ports(world: &World) -> Vec<Edit> {
    let edits = some(&world.network_policies).flat_map(|old| {
        let mut new = old.clone();
        for rule in new.ingress.iter_mut().chain(&mut new.egress).flatten() {
            rule.ports = Some(vec![PolicyPort::Range {
                protocol: Protocol::Tcp,
                first: 9443,
                last: 9443,
            }]);
        }
        both(old, new)
    });
    edits.collect()
}

fn peers(world: &World) -> Vec<Edit> {
    let edits = some(&world.network_policies).flat_map(|old| {
        let mut new = old.clone();
        for rule in new.ingress.iter_mut().chain(&mut new.egress).flatten() {
            if let Some(Peer::Pods { pods, .. }) = rule.peers.iter_mut().flatten().next() {
                *pods = Selector::of([("app.kubernetes.io/name", "somebody-else")]);
            }
        }
        both(old, new)
    });
    edits.collect()
}

fn removals(world: &World) -> Vec<Edit> {
    let edits = some(&world.network_policies).flat_map(|old| {
        [
            Edit::RemovePolicy(old.object.clone()),
            Edit::SetPolicy(old.clone()),
        ]
    });
    edits.collect()
}

/// A pod gets the labels of its neighbour, which is another workload or the same.
fn pods(world: &World) -> Vec<Edit> {
    let edits = some(&world.pods).flat_map(|old: &Pod| {
        let others = world.pods.iter().filter(|p| p.namespace == old.namespace);
        let mut new = old.clone();
        if let Some(other) = others.into_iter().find(|p| p.labels != old.labels) {
            new.labels = other.labels.clone();
        }
        [Edit::SetPod(new), Edit::SetPod(old.clone())]
    });
    edits.collect()
}

fn namespaces(world: &World) -> Vec<Edit> {
    let all: Vec<(&String, &Labels)> = world
        .namespaces
        .iter()
        .map(|(n, of)| (n, &of.labels))
        .collect();
    let edits = some(&all).flat_map(|(name, old)| {
        let mut teams = all.iter().filter_map(|(_, labels)| labels.get("team"));
        let mut new: Labels = (*old).clone();
        if let Some(team) = teams.find(|team| Some(*team) != old.get("team")) {
            new.0.insert("team".to_owned(), team.to_owned());
        }
        let set = |labels: &Labels| Edit::SetNamespace {
            name: (*name).clone(),
            labels: labels.clone(),
        };
        [set(&new), set(old)]
    });
    edits.collect()
}
