//! What is learnt is a matrix: it parses, it resolves, and the world that it was learnt from does what it
//! says.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

use palisade_diagnostics::{Diagnostic, Severity, Sources, Verdict};
use palisade_learn::{from_seen, from_world, read};
use palisade_matrix::Choice;
use palisade_netmodel::{Endpoint, Flow, Intent, Outcome, Phase, Protocol, World, reference};
use palisade_resources::{Input, Options, Role, load};
use palisade_testkit::intents::{declares, is_own_node};
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::prove;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::BTreeSet;

/// Worlds per run.
const WORLDS: u32 = 1_000;

/// The intent of a matrix, which must be without fault.
fn intent(text: &str) -> Intent {
    let mut sources = Sources::new();
    let file = sources.add("matrix.yaml", text.to_owned());
    let parsed = palisade_matrix::parse_all(&[(file, text)]);
    let faults = |list: &[Diagnostic]| list.iter().any(|d| d.severity == Severity::Error);
    assert!(
        !faults(&parsed.diagnostics),
        "{:?}\n{text}",
        parsed.diagnostics
    );
    let (intent, list) = palisade_matrix::resolve(&parsed.matrix.unwrap(), &Choice::default());
    assert!(!faults(&list), "{list:?}\n{text}");
    intent
}

/// Without what no matrix can tell apart: pods of a namespace with equal labels that are not treated alike
/// (by service account or address), and a host network, whose only name is its namespace's, beside pods.
fn told_apart(mut world: World) -> World {
    let busy: Vec<String> = world
        .pods
        .iter()
        .filter(|pod| !pod.host_group)
        .map(|pod| pod.namespace.clone())
        .collect();
    let apart = |pod: &palisade_netmodel::Pod| !pod.host_group || !busy.contains(&pod.namespace);
    world.pods.retain(apart);
    let mut seen = BTreeSet::new();
    world
        .pods
        .retain(|pod| seen.insert((pod.namespace.clone(), pod.labels.clone())));
    world
}

/// A live pod (whatever runs on a host network is no destination), or an address that no pod has.
fn is_end(world: &World, end: Endpoint) -> bool {
    match end {
        Endpoint::Pod(pod) => world
            .pod(pod)
            .is_some_and(|pod| pod.phase == Phase::Live && !pod.host_group),
        Endpoint::Address(address) => {
            let mut pods = world.pods.iter();
            !pods.any(|pod| pod.addresses.known.contains(&address))
        }
    }
}

#[test]
fn a_matrix_learnt_from_a_world_never_fails_on_it() {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 3_000,
        ..Config::default()
    });
    let (closed, holds, declared) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let worlds = world().prop_map(told_apart);
    let result = runner.run(&worlds, |world| {
        let text = from_world(&world, "learnt").unwrap();
        let intent = intent(&text);
        let proof = prove(&intent, &world, &palisade_verify::Options::default());
        prop_assert_ne!(
            proof.verdict,
            Verdict::Fails,
            "{:?}\n{}",
            proof.findings,
            text
        );
        for flow in interesting_flows(&world).into_iter().step_by(17) {
            let own = flow.source == flow.destination || is_own_node(&world, &flow);
            let ends = is_end(&world, flow.source) && is_end(&world, flow.destination);
            if own || !ends || !intent.grants.iter().any(|g| declares(&world, g, &flow)) {
                continue;
            }
            declared.set(declared.get() + 1);
            let outcome = reference::decide(&world, &flow).outcome;
            prop_assert_eq!(outcome, Outcome::Allow, "{:?}\n{}", flow, text);
        }
        if !intent.claims.is_empty() {
            closed.set(closed.get() + 1);
            holds.set(holds.get() + usize::from(proof.verdict == Verdict::Holds));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(declared.get() > 1_000, "only {} flows", declared.get());
    let (closed, holds) = (closed.get(), holds.get());
    assert!(closed > 150, "only {closed} close something");
    assert!(holds > closed / 2, "only {holds} of {closed} hold");
}

/// Pods with addresses, a node, and nothing that closes anything.
const PODS: &str = "apiVersion: v1
kind: Pod
metadata: {name: web-7d9f8-x2x4z, namespace: shop, labels: {app: web, pod-template-hash: 7d9f8}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-7d9f8, controller: true}]}
spec: {containers: [{name: web}]}
status: {phase: Running, podIP: 10.0.1.4, hostIP: 192.168.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db}]}
status: {phase: Running, podIP: 10.0.1.5, hostIP: 192.168.0.1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: log, namespace: ops}
spec:
  selector: {matchLabels: {app: log}}
  template: {metadata: {labels: {app: log}}, spec: {containers: [{name: log}]}}
";

fn pods() -> World {
    let mut sources = Sources::new();
    let file = sources.add("pods.yaml", PODS.to_owned());
    let input = Input {
        file,
        text: PODS.into(),
        role: Role::Both,
    };
    load(&[input], &Options::default()).world
}

/// Who of the world is declared to reach whom on a port.
fn declared(world: &World, intent: &Intent, port: u16) -> Vec<String> {
    let outside: Endpoint = Endpoint::Address("203.0.113.9".parse().unwrap());
    let mut ends: Vec<Endpoint> = world.pods().map(|(id, _)| Endpoint::Pod(id)).collect();
    ends.push(outside);
    let name = |end: Endpoint| match end {
        Endpoint::Pod(pod) => world.pod(pod).unwrap().workload.name.clone(),
        Endpoint::Address(address) => address.to_string(),
    };
    let mut out = Vec::new();
    for source in &ends {
        for destination in &ends {
            let flow = Flow {
                source: *source,
                destination: *destination,
                protocol: Protocol::Tcp,
                port,
            };
            let pair = source != destination && name(*source) != name(*destination);
            if pair && intent.grants.iter().any(|g| declares(world, g, &flow)) {
                out.push(format!("{} > {}", name(*source), name(*destination)));
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

#[test]
fn what_was_observed_is_declared_and_nothing_else() {
    let text = r#"tcp 6 9 ESTABLISHED src=10.0.1.4 dst=10.96.0.9 sport=40000 dport=80 src=10.0.1.5 dst=10.0.1.4 sport=5432 dport=40000 [ASSURED]
tcp 6 9 ESTABLISHED src=203.0.113.9 dst=10.0.1.4 sport=40000 dport=8443 src=10.0.1.4 dst=203.0.113.9 sport=8443 dport=40000
tcp 6 9 ESTABLISHED src=192.168.0.1 dst=10.0.1.4 sport=40000 dport=8081 src=10.0.1.4 dst=192.168.0.1 sport=8081 dport=40000
{"verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{"destination_port":3100}},"source":{"namespace":"shop","pod_name":"web-7d9f8-other"},"destination":{"namespace":"ops","labels":["k8s:app=log"],"pod_name":"log-5c6-abc"}}
{"verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{"destination_port":3101}},"source":{"namespace":"shop","labels":["k8s:app=db"]},"destination":{"namespace":"gone","pod_name":"x-1"}}
"#;
    let world = pods();
    let (seen, skipped) = read(text);
    assert!(skipped.is_empty(), "{skipped:?}");
    let (matrix, unplaced) = from_seen(&world, &seen, "seen");
    let intent = intent(&matrix);
    for (port, expected) in [
        (5432, vec!["web > db-0"]),
        (8443, vec!["203.0.113.9 > web"]),
        (3100, vec!["web > log"]),
        (8081, vec![]),
        (3101, vec![]),
        (80, vec![]),
    ] {
        assert_eq!(
            declared(&world, &intent, port),
            expected,
            "{port}\n{matrix}"
        );
    }
    let reasons: Vec<&String> = unplaced.keys().collect();
    let expected = ["one end is a node", "the manifests do not hold `gone/x-1`"];
    assert_eq!(reasons, expected);
    // Nothing closes anything yet, and the matrix says so.
    let proof = prove(&intent, &world, &palisade_verify::Options::default());
    assert_eq!(proof.verdict, Verdict::Fails);
}

proptest! {
    /// Whatever the text, reading ends, and what was read makes a matrix.
    #[test]
    fn any_text_makes_a_matrix(lines in prop::collection::vec(line(), 0..8)) {
        let (seen, _) = read(&lines.join("\n"));
        let (matrix, _) = from_seen(&pods(), &seen, "seen");
        intent(&matrix);
    }
}

/// Lines that are nearly records.
fn line() -> impl Strategy<Value = String> {
    let word = || {
        prop_oneof![
            Just("10.0.1.4"),
            Just("10.0.1.5"),
            Just("203.0.113.9"),
            Just("2001:db8::1"),
            Just("shop"),
            Just("db-0"),
            Just("web-7d9f8-x2x4z"),
            Just("::"),
            Just(""),
            Just("-"),
            Just("${x}"),
        ]
    };
    let port = || {
        prop_oneof![
            Just(0_u32),
            Just(80),
            Just(5432),
            Just(65_535),
            Just(65_536)
        ]
    };
    let conntrack = (word(), word(), port())
        .prop_map(|(a, b, p)| format!("tcp 6 9 ESTABLISHED src={a} dst={b} sport=40000 dport={p}"));
    let hubble = (word(), word(), word(), port()).prop_map(|(a, b, c, p)| {
        format!(r#"{{"IP":{{"source":"{a}"}},"source":{{"namespace":"{b}","pod_name":"{c}"}},"destination":{{"namespace":"shop","labels":["k8s:app=db",1]}},"l4":{{"UDP":{{"destination_port":{p}}}}},"is_reply":false}}"#)
    });
    let gadget = (word(), word(), port()).prop_map(|(a, b, p)| {
        format!(r#"[{{"k8s":{{"namespace":"{a}","podName":"{b}"}},"dst":{{"addr":"{a}","port":"{p}"}}}}]"#)
    });
    prop_oneof![conntrack, hubble, gadget, any::<String>()]
}
