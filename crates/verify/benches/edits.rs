//! One edit in a large cluster. Run with `cargo bench -p palisade-verify --bench edits`.
//!
//! Cost model: a *policy* costs the classes of its namespace, a few bitmap operations for each rule of
//! the classes that it selects, and for each list of peers that is new the classes it means; the *label of
//! a pod* costs the lists that can mean pods of its namespace and the policies that use those which mean
//! one of its classes and not the other; the *label of a namespace* costs its classes times the lists whose
//! selector it meets or leaves, and the policies that use these; a *policy of administrators* costs its
//! subjects by the rules that they have, each for the peers of the rules that are other ones. Nothing costs all pods
//! or all policies, unless it changes something for all of them. Policies of administrators are edited in clusters
//! that have 20 of them with 6 rules each, of which every one is about all pods of 15 namespaces or a quarter of these.
//!
//! One thread, wall clock: an edit is too short for the clock of a thread. Each edit is done and undone;
//! both are measured, with the exact difference at both ends (`Effect::halves`). `pairs us` is the time
//! to enumerate the connections that changed, which grows with their number; both are those of the edit at p90.
//!
//! The second table is of the verdict after each edit, on a cluster that is as declared ([`Standing`]): what the
//! edit costs, the grants of the classes that it changed, and what is suspect then. Each edit is done and undone,
//! so every other verdict is that of a cluster with a flaw. `cargo bench -p palisade-verify --bench edits -- verdicts`
//! prints it alone, and `short` leaves out the cluster in which no two pods are equal.

use palisade_netmodel::{
    AdminAction, AdminPort, AdminRule, Labels, NetworkPolicy, Peer, Pod, PolicyPort, Protocol,
    Selector, World,
};
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
    let sizes = [
        ("1,000 pods", Shape::part(150)),
        ("10,000 pods", Shape::part(15)),
        ("150,000 pods", largest.clone()),
    ];
    let mut shapes: Vec<(&str, Shape)> = sizes.to_vec();
    if std::env::args().all(|arg| arg != "short") {
        let unique_labels = true;
        shapes.push((
            "every pod its own class",
            Shape {
                unique_labels,
                ..largest
            },
        ));
    }
    shapes.extend(sizes.map(|(name, shape)| (name, governed(&shape))));
    if std::env::args().all(|arg| arg != "verdicts") {
        differences(&shapes);
    }
    verdicts(&shapes);
}

/// With policies of administrators.
fn governed(shape: &Shape) -> Shape {
    Shape {
        admin_policies: 20,
        admin_rules: 6,
        ..shape.clone()
    }
}

/// The kinds of edits.
type Kinds = &'static [(&'static str, fn(&World) -> Vec<Edit>)];

const KINDS: Kinds = &[
    ("port of a policy", ports),
    ("peer of a policy", peers),
    ("policy removed", removals),
    ("label of a pod", pods),
    ("label of a namespace", namespaces),
    ("label that nobody reads", unread),
];

/// The kinds of edits where there are policies of administrators.
const GOVERNED: Kinds = &[
    ("admin: ports of a rule", admin_ports),
    ("admin: action of a rule", admin_actions),
    ("admin: policy removed", admin_removals),
    ("admin: a NetworkPolicy", ports),
    ("admin: label of a pod", pods),
    ("admin: of a namespace", namespaces),
];

fn kinds(world: &World) -> Kinds {
    if world.admin_policies.is_empty() {
        KINDS
    } else {
        GOVERNED
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn verdicts(shapes: &[(&str, Shape)]) {
    println!(
        "{:<24} {:>8} {:<24} {:>9} {:>9} {:>9} {:>9}",
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
        for (kind, edits) in kinds(&world) {
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
                "{name:<24} {built:>8.0} {kind:<24} {:>9.1} {:>9.1} {:>9.1} {:>9}",
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
        "{:<24} {:>8} {:<24} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "shape", "new ms", "edit", "p50 us", "p99 us", "max us", "pairs", "pairs us"
    );
    for (name, shape) in shapes {
        let world = world(shape);
        let start = Instant::now();
        let mut live = Live::new(&world);
        let built = start.elapsed().as_secs_f64() * 1e3;
        for (kind, edits) in kinds(&world) {
            let mut edit = Vec::new();
            let mut pairs = Vec::new();
            let mut count = Vec::new();
            for (index, step) in edits(&world).into_iter().enumerate() {
                let start = Instant::now();
                let effect = black_box(live.apply(step));
                edit.push(start.elapsed().as_secs_f64() * 1e6);
                if index % ENUMERATED == 0 {
                    let start = Instant::now();
                    let connections = effect.connections(&live).map_or(0, |all| all.len());
                    count.push(f64::from(u32::try_from(connections).unwrap_or(u32::MAX)));
                    pairs.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            println!(
                "{name:<24} {built:>8.0} {kind:<24} {:>9.1} {:>9.1} {:>9.1} {:>9.0} {:>9.1}",
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
            new.insert("team", team);
        }
        let set = |labels: &Labels| Edit::SetNamespace {
            name: (*name).clone(),
            labels: labels.clone(),
        };
        [set(&new), set(old)]
    });
    edits.collect()
}

fn unread(world: &World) -> Vec<Edit> {
    let all: Vec<(&String, &Labels)> = world
        .namespaces
        .iter()
        .map(|(n, of)| (n, &of.labels))
        .collect();
    let edits = some(&all).flat_map(|(name, old)| {
        let mut new: Labels = (*old).clone();
        new.insert("cost-centre", "7");
        [new, (*old).clone()].map(|labels| Edit::SetNamespace {
            name: (*name).clone(),
            labels,
        })
    });
    edits.collect()
}

fn administrators(world: &World, edit: impl Fn(&mut AdminRule)) -> Vec<Edit> {
    let edits = some(&world.admin_policies).flat_map(|old| {
        let mut new = old.clone();
        new.ingress.iter_mut().take(1).for_each(&edit);
        [new, old.clone()].map(Edit::SetAdminPolicy)
    });
    edits.collect()
}

fn admin_ports(world: &World) -> Vec<Edit> {
    administrators(world, |rule| {
        rule.ports = Some(vec![AdminPort::Range {
            protocol: Protocol::Tcp,
            first: 9443,
            last: 9443,
        }]);
    })
}

fn admin_actions(world: &World) -> Vec<Edit> {
    administrators(world, |rule| {
        rule.action = match rule.action {
            AdminAction::Deny => AdminAction::Accept,
            AdminAction::Accept | AdminAction::Pass => AdminAction::Deny,
        };
    })
}

fn admin_removals(world: &World) -> Vec<Edit> {
    let edits = some(&world.admin_policies).flat_map(|old| {
        [
            Edit::RemoveAdminPolicy(old.kind, old.object.clone()),
            Edit::SetAdminPolicy(old.clone()),
        ]
    });
    edits.collect()
}
