//! A long comparison of an engine with the reference: random worlds, until enough flows bore a verdict
//! of each kind of policy.
//!
//! A flow *bears a verdict* of a kind if the reference answers something else for it once all objects
//! of that kind are gone. Flows that no policy concerns would make any number look large.

use crate::ambient::{ambient_flows, ambient_world};
use crate::print::scenario;
use crate::worlds::{interesting_flows, world};
use crate::{Contract, Reference};
use palisade_netmodel::{
    AdminKind, ClientTls, Encryption, Flow, Labels, MtlsMode, ObjectRef, Origin, Outcome,
    PeerAuthentication, Pod, Protocol, Proxy, TargetPort, World,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A kind of policy, and how a world loses it.
#[derive(Debug, Clone, Copy)]
pub struct PolicyKind {
    /// Its name.
    pub name: &'static str,
    /// Whether a run goes on until the kind has borne enough verdicts. A DestinationRule is no policy, and
    /// bears so few that it is counted only.
    pub awaited: bool,
    remove: fn(&mut World),
    /// If the kind seldom decides: makes a world in which it often does.
    favour: Option<fn(&mut World)>,
}

/// Every kind that is counted.
pub const KINDS: [PolicyKind; 7] = [
    PolicyKind {
        name: "NetworkPolicy",
        awaited: true,
        remove: |world| world.network_policies.clear(),
        favour: None,
    },
    PolicyKind {
        name: "AdminNetworkPolicy",
        awaited: true,
        remove: |world| without(world, AdminKind::AdminNetworkPolicy),
        favour: None,
    },
    PolicyKind {
        name: "BaselineAdminNetworkPolicy",
        awaited: true,
        remove: |world| without(world, AdminKind::BaselineAdminNetworkPolicy),
        favour: None,
    },
    PolicyKind {
        name: "ClusterNetworkPolicy",
        awaited: true,
        remove: |world| without(world, AdminKind::ClusterNetworkPolicy),
        favour: None,
    },
    PolicyKind {
        name: "PeerAuthentication",
        awaited: true,
        remove: |world| world.peer_authentications.clear(),
        favour: Some(meshed),
    },
    PolicyKind {
        name: "AuthorizationPolicy",
        awaited: true,
        remove: |world| world.authorization_policies.clear(),
        favour: Some(meshed),
    },
    PolicyKind {
        name: "DestinationRule",
        awaited: false,
        remove: |world| world.destination_rules.clear(),
        favour: Some(|world| {
            meshed(world);
            strict(world);
            served(world);
        }),
    },
];

fn without(world: &mut World, kind: AdminKind) {
    world.admin_policies.retain(|policy| policy.kind != kind);
}

/// Takes away what decides before the mesh does, and lets every pod have a sidecar that can.
fn meshed(world: &mut World) {
    world.network_policies.clear();
    world.admin_policies.clear();
    let sidecar = world
        .pods
        .iter()
        .find(|pod| matches!(pod.proxy, Proxy::Sidecar { .. }));
    let Some(sidecar) = sidecar.map(|pod| pod.proxy.clone()) else {
        return;
    };
    for pod in &mut world.pods {
        if !pod.host_network && !pod.host_group && matches!(pod.proxy, Proxy::None { .. }) {
            pod.proxy = sidecar.clone();
        }
    }
}

/// Demands mTLS of everybody, so that it matters what callers send.
fn strict(world: &mut World) {
    world.peer_authentications.clear();
    world.authorization_policies.clear();
    world.peer_authentications.push(PeerAuthentication {
        object: ObjectRef::new(world.mesh.root_namespace.clone(), "auth-0"),
        origin: Origin::default(),
        selector: Labels::default(),
        mode: Some(MtlsMode::Strict),
        ports: BTreeMap::new(),
    });
}

/// Lets every Service lead to a pod with a sidecar, so that DestinationRules are about something, and the first
/// of them be in force for every caller and say something else than auto mTLS would.
fn served(world: &mut World) {
    let enrolled =
        |pod: &&Pod| matches!(pod.proxy, Proxy::Sidecar { .. }) && !pod.labels.is_empty();
    let pods: Vec<&Pod> = world.pods.iter().filter(enrolled).collect();
    for (service, pod) in world.services.iter_mut().zip(pods.iter().cycle()) {
        service.object.namespace.clone_from(&pod.namespace);
        service.selector = pod.labels.clone();
        for port in &mut service.ports {
            port.protocol = Protocol::Tcp;
            // The random worlds seldom have a pod with the very name.
            if matches!(port.target, TargetPort::Name(_)) {
                port.target = TargetPort::Number(port.port);
            }
        }
    }
    for (rule, service) in world.destination_rules.iter_mut().zip(&world.services) {
        let ObjectRef { namespace, name } = &service.object;
        rule.host = format!("{name}.{namespace}.svc.cluster.local");
    }
    if let (Some(rule), Some(service)) =
        (world.destination_rules.first_mut(), world.services.first())
    {
        rule.object.namespace.clone_from(&service.object.namespace);
        rule.workload_selector = Labels::default();
        rule.export_to.clear();
        rule.tls = Some(match world.mesh.auto_mtls {
            true => ClientTls::Disable,
            false => ClientTls::IstioMutual,
        });
    }
}

/// Every fourth world has ambient mode in it.
fn is_ambient(seed: u64) -> bool {
    seed % 4 == 2
}

fn flows_of(seed: u64, world: &World) -> Vec<Flow> {
    match is_ambient(seed) {
        true => ambient_flows(world),
        false => interesting_flows(world),
    }
}

/// The world of a tree; every second seed favours a kind that seldom decides, in turn.
fn favoured(seed: u64, mut world: World) -> World {
    let rare: Vec<fn(&mut World)> = KINDS.iter().filter_map(|kind| kind.favour).collect();
    let turn = usize::try_from(seed / 2).unwrap_or_default() % rare.len().max(1);
    if let (1, Some(favour)) = (seed % 2, rare.get(turn)) {
        favour(&mut world);
    }
    world
}

/// What has been compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Worlds.
    pub worlds: u64,
    /// Flows of all of them.
    pub flows: u64,
    /// Flows that bore a verdict of each kind, in the order of [`KINDS`]; counted until there are enough.
    pub bearing: [u64; KINDS.len()],
    /// The first world in which the two disagree, made as small as possible.
    pub disagreement: Option<Disagreement>,
}

/// A flow for which the two disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The seed of its world: a run that begins with it finds it first.
    pub seed: u64,
    /// The answer of the reference.
    pub expected: (Outcome, Encryption),
    /// The answer of the engine.
    pub actual: (Outcome, Encryption),
    /// The world and the flow, as a scenario.
    pub scenario: String,
}

/// Compares worlds of the seeds from `seed` on with all threads, until `flows` bore a verdict of each
/// kind or two answers differ. `told` hears of the totals now and then.
pub fn run(
    engine: &(dyn Contract + Sync),
    (seed, flows, threads): (u64, u64, usize),
    told: &(dyn Fn(&Totals) + Sync),
) -> Totals {
    let shared = Mutex::new((0_u64, Totals::default()));
    let work = || {
        loop {
            let (number, wanted) = {
                let Ok(mut guard) = shared.lock() else { return };
                let (next, totals) = &mut *guard;
                let missing = |(kind, count): (&PolicyKind, &u64)| kind.awaited && *count < flows;
                let mut kinds = KINDS.iter().zip(&totals.bearing);
                if totals.disagreement.is_some() || !kinds.any(missing) {
                    return;
                }
                let wanted = totals.bearing.map(|count| count < flows);
                *next += 1;
                (*next - 1, wanted)
            };
            let found = compare(engine, seed.wrapping_add(number), wanted);
            let Ok(mut guard) = shared.lock() else { return };
            add(&mut guard.1, found);
            told(&guard.1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    shared
        .into_inner()
        .map_or_else(|_| Totals::default(), |s| s.1)
}

fn add(totals: &mut Totals, found: Totals) {
    totals.worlds += found.worlds;
    totals.flows += found.flows;
    for (total, more) in totals.bearing.iter_mut().zip(found.bearing) {
        *total += more;
    }
    // Whichever thread was faster, the first world is told.
    let earlier = |new: &Disagreement| {
        totals
            .disagreement
            .as_ref()
            .is_none_or(|d| new.seed < d.seed)
    };
    if let Some(new) = found.disagreement.filter(earlier) {
        totals.disagreement = Some(new);
    }
}

/// One world; the kinds that are still wanted are counted.
fn compare(engine: &dyn Contract, seed: u64, wanted: [bool; KINDS.len()]) -> Totals {
    let mut totals = Totals {
        worlds: 1,
        ..Totals::default()
    };
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &expanded(seed)),
    );
    let worlds = match is_ambient(seed) {
        true => ambient_world().boxed(),
        false => world().boxed(),
    };
    let Ok(mut tree) = worlds.new_tree(&mut runner) else {
        return totals;
    };
    let world = favoured(seed, tree.current());
    let flows = flows_of(seed, &world);
    totals.flows = flows.len() as u64;
    let expected = Reference.decide(&world, &flows);
    if engine.decide(&world, &flows) != expected {
        shrink(engine, seed, &mut tree);
        totals.disagreement = differ(engine, seed, &favoured(seed, tree.current()));
        return totals;
    }
    for ((count, kind), _) in totals
        .bearing
        .iter_mut()
        .zip(KINDS)
        .zip(wanted)
        .filter(|(_, w)| *w)
    {
        let mut less = world.clone();
        (kind.remove)(&mut less);
        if less != world {
            let answers = Reference.decide(&less, &flows);
            let changed = answers.iter().zip(&expected).filter(|(a, b)| a != b);
            *count = changed.count() as u64;
        }
    }
    totals
}

fn differ(engine: &dyn Contract, seed: u64, world: &World) -> Option<Disagreement> {
    let flows = flows_of(seed, world);
    let both = Reference
        .decide(world, &flows)
        .into_iter()
        .zip(engine.decide(world, &flows));
    let (flow, (expected, actual)) = flows.iter().zip(both).find(|(_, (e, a))| e != a)?;
    Some(Disagreement {
        seed,
        expected,
        actual,
        scenario: scenario(world, flow),
    })
}

/// Makes a world as small as it can be while the two still disagree.
fn shrink(engine: &dyn Contract, seed: u64, tree: &mut impl ValueTree<Value = World>) {
    for _ in 0..5_000 {
        let moved = match differ(engine, seed, &favoured(seed, tree.current())) {
            Some(_) => tree.simplify(),
            None => tree.complicate(),
        };
        if !moved {
            break;
        }
    }
}

/// Seeds that follow each other give worlds that have nothing in common.
fn expanded(seed: u64) -> [u8; 32] {
    let mut out = [0; 32];
    let mut state = seed;
    for chunk in out.chunks_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out
}
