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
//! In a mesh an *AuthorizationPolicy* or *PeerAuthentication* costs each class that it selects twice: its receiver, made from the
//! objects of its namespace, and an answer for each kind of caller that it can tell apart; a pod, that for its two classes.
//! All pods have a sidecar, STRICT is the mode of the mesh, and each workload admits one caller.
//!
//! The second table is of the verdict after each edit, on a cluster that is as declared ([`Standing`]): what the
//! edit costs, the grants of the classes that it changed, and what is suspect then. Each edit is done and undone,
//! so every other verdict is that of a cluster with a flaw (with policies of administrators every verdict is, since these
//! decide what the intent leaves to policies: what failed at the last question is asked first). `cargo bench -p palisade-verify --bench edits -- verdicts`
//! prints it alone, `mesh` the differences that edits of the mesh make, and `short` leaves out the cluster in which no two pods are equal.

use palisade_netmodel::{
    AdminAction, AdminPort, AdminRule, AuthorizationAction, AuthorizationPolicy, AuthorizationRule,
    Labels, MtlsMode, NetworkPolicy, ObjectRef, Origin, Peer, PeerAuthentication, Pod, PolicyPort,
    Protocol, Proxy, Selector, Source, World,
};
use palisade_testkit::clusters::{Shape, intent, world};
use palisade_verify::{Edit, Live, Standing};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many objects of each kind are edited.
const EDITS: usize = 500;
/// The connections of one of so many edits are enumerated.
const ENUMERATED: usize = 10;
/// No edit of a kind begins after this time; what was done is undone.
const PATIENCE: Duration = Duration::from_secs(20);

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
    shapes.extend(
        sizes
            .each_ref()
            .map(|(name, shape)| (*name, governed(shape))),
    );
    if std::env::args().all(|arg| arg != "verdicts") {
        if std::env::args().all(|arg| arg != "mesh") {
            differences(&shapes);
        }
        differences(&sizes.map(|(name, shape)| (name, meshed(&shape))));
    }
    if std::env::args().all(|arg| arg != "mesh") {
        verdicts(&shapes);
    }
}

/// With sidecars, and an AuthorizationPolicy for each workload.
fn meshed(shape: &Shape) -> Shape {
    Shape {
        mesh: true,
        ..shape.clone()
    }
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

/// The kinds of edits where all pods have a sidecar.
const MESHED: Kinds = &[
    ("mesh: caller of a policy", callers),
    ("mesh: policy removed", authorization_removals),
    ("mesh: policy, namespace", denials),
    ("mesh: mode of a port", port_modes),
    ("mesh: mode of a namespace", modes),
    ("mesh: policy, whole mesh", denials_of_all),
    ("mesh: mode, whole mesh", mode_of_all),
    ("mesh: label of a pod", pods),
    ("mesh: account of a pod", accounts),
    ("mesh: sidecar of a pod", sidecars),
    ("mesh: a NetworkPolicy", ports),
];

fn kinds(world: &World) -> Kinds {
    match world {
        _ if !world.authorization_policies.is_empty() => MESHED,
        _ if !world.admin_policies.is_empty() => GOVERNED,
        _ => KINDS,
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
            let begin = Instant::now();
            for (index, step) in edits(&world).into_iter().enumerate() {
                if index % 2 == 0 && begin.elapsed() > PATIENCE {
                    break;
                }
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
            let begin = Instant::now();
            for (index, step) in edits(&world).into_iter().enumerate() {
                if index % 2 == 0 && begin.elapsed() > PATIENCE {
                    break;
                }
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

fn principal(policy: &mut AuthorizationPolicy) {
    for source in policy.rules.iter_mut().flat_map(|rule| &mut rule.from) {
        source.principals = vec!["cluster.local/ns/ns-0/sa/app-0".to_owned()];
    }
}

/// Another caller is admitted.
fn callers(world: &World) -> Vec<Edit> {
    let edits = some(&world.authorization_policies).flat_map(|old| {
        let mut new = old.clone();
        principal(&mut new);
        [new, old.clone()].map(Edit::SetAuthorizationPolicy)
    });
    edits.collect()
}

fn authorization_removals(world: &World) -> Vec<Edit> {
    let edits = some(&world.authorization_policies).flat_map(|old| {
        [
            Edit::RemoveAuthorizationPolicy(old.object.clone()),
            Edit::SetAuthorizationPolicy(old.clone()),
        ]
    });
    edits.collect()
}

/// Nobody but one namespace may come, which adds a policy to all workloads of a namespace.
fn denial(namespace: &str) -> [Edit; 2] {
    let object = ObjectRef::new(namespace, "only-ns-0");
    let policy = AuthorizationPolicy {
        origin: Origin::default(),
        object: object.clone(),
        selector: Labels::default(),
        targets: Vec::new(),
        dry_run: false,
        action: AuthorizationAction::Deny,
        rules: vec![AuthorizationRule {
            from: vec![Source {
                not_namespaces: vec!["ns-0".to_owned()],
                ..Source::default()
            }],
            ..AuthorizationRule::default()
        }],
    };
    [
        Edit::SetAuthorizationPolicy(policy),
        Edit::RemoveAuthorizationPolicy(object),
    ]
}

fn denials(world: &World) -> Vec<Edit> {
    let namespaces: Vec<&String> = world.namespaces.keys().collect();
    some(&namespaces).flat_map(|name| denial(name)).collect()
}

fn denials_of_all(world: &World) -> Vec<Edit> {
    denial(&world.mesh.root_namespace).into()
}

fn authentication(namespace: &str, selector: Labels, port: Option<u16>) -> [Edit; 2] {
    let object = ObjectRef::new(namespace, "permissive");
    let mode = Some(MtlsMode::Permissive);
    let policy = PeerAuthentication {
        origin: Origin::default(),
        object: object.clone(),
        selector,
        mode: mode.filter(|_| port.is_none()),
        ports: port.map(|port| (port, mode)).into_iter().collect(),
    };
    [
        Edit::SetPeerAuthentication(policy),
        Edit::RemovePeerAuthentication(object),
    ]
}

/// One port of a workload accepts plaintext.
fn port_modes(world: &World) -> Vec<Edit> {
    let edits = some(&world.authorization_policies).flat_map(|policy| {
        let selector = policy.selector.clone();
        authentication(&policy.object.namespace, selector, Some(8080))
    });
    edits.collect()
}

/// All workloads of a namespace do.
fn modes(world: &World) -> Vec<Edit> {
    let namespaces: Vec<&String> = world.namespaces.keys().collect();
    let edits = some(&namespaces);
    let edits = edits.flat_map(|name| authentication(name, Labels::default(), None));
    edits.collect()
}

fn mode_of_all(world: &World) -> Vec<Edit> {
    let policies = world.peer_authentications.iter();
    let edits = policies.flat_map(|old| {
        let mut new = old.clone();
        new.mode = Some(MtlsMode::Permissive);
        [new, old.clone()].map(Edit::SetPeerAuthentication)
    });
    edits.collect()
}

/// A pod calls as somebody else.
fn accounts(world: &World) -> Vec<Edit> {
    pods_with(world, |pod| {
        "somebody-else".clone_into(&mut pod.service_account)
    })
}

/// A pod is started without its sidecar.
fn sidecars(world: &World) -> Vec<Edit> {
    pods_with(world, |pod| {
        pod.proxy = Proxy::None {
            reason: String::new(),
        };
    })
}

fn pods_with(world: &World, edit: impl Fn(&mut Pod)) -> Vec<Edit> {
    let edits = some(&world.pods).flat_map(|old| {
        let mut new = old.clone();
        edit(&mut new);
        [Edit::SetPod(new), Edit::SetPod(old.clone())]
    });
    edits.collect()
}
