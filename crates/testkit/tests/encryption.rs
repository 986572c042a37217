//! The proof of encryption against brute force: one flow with a demand at a time, between the pods of two
//! workloads of a random world. It is told as weak if and only if the reference lets a weaker wire pass.

use palisade_netmodel::{
    Encryption, Endpoint, Fidelity, Flow, Grant, Hop, Intent, LabelRequirement, Labels, MtlsMode,
    NamespaceMatch, ObjectRef, Operator, Origin, Outcome, Party, Peer, PeerAuthentication, Peers,
    Pod, PolicyPort, Protocol, Requirement, Selector, World, reference,
};
use palisade_testkit::ambient::ambient_world;
use palisade_testkit::intents::{declares, is_own_node};
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::{Options, prove};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Worlds per run and kind.
const WORLDS: u32 = 1_000;

/// How often each answer must have been met, for the test to mean something.
const LEAST: usize = 30;

fn party(pod: &Pod) -> Party {
    let requirements = pod.labels.iter().map(|(key, value)| LabelRequirement {
        key: key.into(),
        operator: Operator::In(vec![value.into()]),
    });
    Party {
        name: pod.workload.name.clone(),
        component: Some(pod.workload.name.clone()),
        peers: Peers::List(vec![Peer::Pods {
            namespaces: NamespaceMatch::Named(pod.namespace.clone()),
            pods: Selector {
                requirements: requirements.collect(),
            },
        }]),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    }
}

fn demand(from: &Pod, to: &Pod, port: u16) -> Grant {
    Grant {
        origin: Origin::default(),
        id: "flow".to_owned(),
        reason: "random".to_owned(),
        from: party(from),
        to: party(to),
        ports: Some(vec![PolicyPort::Range {
            protocol: Protocol::Tcp,
            first: port,
            last: port,
        }]),
        ingress: true,
        egress: true,
        encryption: Requirement::MeshMtls,
        exception: None,
        hop: Hop::Direct,
        http: None,
        implied: false,
    }
}

/// Whether a flow passes with something weaker than mesh mTLS.
fn weak(world: &World, flow: &Flow) -> bool {
    let decision = reference::decide(world, flow);
    decision.outcome != Outcome::Deny && decision.encryption < Encryption::MeshMtls
}

/// Every flow on a port between different ends of which the destination is a pod.
fn flows(world: &World, port: u16) -> Vec<Flow> {
    let known = interesting_flows(world);
    let mut sources: Vec<Endpoint> = known.iter().map(|flow| flow.source).collect();
    sources.extend(world.pods().map(|(id, _)| Endpoint::Pod(id)));
    sources.sort_unstable();
    sources.dedup();
    let to = |source| {
        world.pods().map(move |(id, _)| Flow {
            source,
            destination: Endpoint::Pod(id),
            protocol: Protocol::Tcp,
            port,
        })
    };
    let all = sources.into_iter().flat_map(to);
    all.filter(|flow| flow.source != flow.destination).collect()
}

/// Half of the worlds demand mTLS everywhere: at random, that is rare.
fn often_strict(worlds: impl Strategy<Value = World>) -> impl Strategy<Value = World> {
    (worlds, any::<bool>()).prop_map(|(mut world, strict)| {
        if strict {
            world.peer_authentications = vec![PeerAuthentication {
                origin: Origin::default(),
                object: ObjectRef::new(&world.mesh.root_namespace, "default"),
                selector: Labels::default(),
                mode: Some(MtlsMode::Strict),
                ports: BTreeMap::new(),
            }];
        }
        world
    })
}

/// The pods of flows that pass, those that are proven to be encrypted if there are any and they are wanted.
fn pairs<'w>(world: &'w World, flows: &[Flow], proven: bool) -> Vec<(&'w Pod, &'w Pod)> {
    let pod = |end| match end {
        Endpoint::Pod(id) => world.pod(id),
        Endpoint::Address(_) => None,
    };
    let judged = flows.iter().filter_map(|flow| {
        let decision = reference::decide(world, flow);
        let pair = pod(flow.source).zip(pod(flow.destination))?;
        (decision.outcome != Outcome::Deny).then_some((decision.encryption, pair))
    });
    let judged: Vec<_> = judged.collect();
    let is_proven = |(wire, _): &&(Encryption, _)| *wire == Encryption::MeshMtls;
    let any = proven && judged.iter().any(|found| is_proven(&found));
    let chosen = judged.iter().filter(|found| !any || is_proven(found));
    chosen.map(|(_, pair)| *pair).collect()
}

fn check(worlds: impl Strategy<Value = World>) -> Result<(), String> {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 5_000,
        ..Config::default()
    });
    let (found_weak, found_proven) = (Cell::new(0_usize), Cell::new(0_usize));
    let port = select(&[80, 8080, 9000, 15008, 15020][..]);
    let cases = (often_strict(worlds), any::<Index>(), any::<bool>(), port);
    let result = runner.run(&cases, |(world, index, proven, port)| {
        let all = flows(&world, port);
        let pairs = pairs(&world, &all, proven);
        if pairs.is_empty() {
            return Ok(());
        }
        let (from, to) = index.get(&pairs);
        let grant = demand(from, to, port);
        let (own, others): (Vec<&Flow>, Vec<&Flow>) =
            all.iter().partition(|flow| declares(&world, &grant, flow));
        let others: Vec<&Flow> = others
            .into_iter()
            .filter(|flow| {
                let towards = Flow {
                    source: own.first().map_or(flow.source, |own| own.source),
                    ..**flow
                };
                declares(&world, &grant, &towards)
            })
            .collect();
        let passes = own
            .iter()
            .any(|flow| reference::decide(&world, flow).outcome != Outcome::Deny);
        let intent = Intent {
            name: "random".to_owned(),
            grants: vec![grant.clone()],
            ..Intent::default()
        };
        let proof = prove(&intent, &world, &Options::default());
        let told = |code: &str| proof.findings.iter().any(|d| d.code.0 == code);
        let text = || format!("{grant:#?}\n{:#?}\n{world:#?}", proof.findings);
        prop_assert!(!told("PAL0399"), "{}", text());
        // What no policy can keep out never leaves its node: no proof is about it, where it is told.
        let leaves = |flow: &&&Flow| !is_own_node(&world, flow);
        let must = own.iter().filter(leaves).any(|flow| weak(&world, flow));
        let may = own.iter().any(|flow| weak(&world, flow));
        prop_assert!(told("PAL0306") || !must, "a weak flow: {}", text());
        prop_assert!(!told("PAL0306") || may, "no flow is weak: {}", text());
        let outside = others.iter().filter(leaves).any(|flow| weak(&world, flow));
        prop_assert!(told("PAL0307") || !outside, "a weak caller: {}", text());
        found_weak.set(found_weak.get() + usize::from(must));
        found_proven.set(found_proven.get() + usize::from(passes && !may));
        Ok(())
    });
    result.map_err(|error| error.to_string())?;
    if found_weak.get().min(found_proven.get()) < LEAST {
        return Err(format!(
            "{found_weak:?} weak, {found_proven:?} proven: too few"
        ));
    }
    Ok(())
}

#[test]
fn encryption_is_told_as_brute_force_finds_it() {
    check(world()).unwrap();
}

#[test]
fn encryption_is_told_as_brute_force_finds_it_in_ambient_mode() {
    check(ambient_world()).unwrap();
}
