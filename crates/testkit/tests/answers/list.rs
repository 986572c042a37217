//! What `list` says of two ends is what the reference says, on random worlds: every pair that it covers
//! passes so, every pair that it leaves out is denied, and no pair is covered twice for a port.

use crate::words::{Meant, holds, is_pods_own, meant, names_port};
use palisade_diagnostics::{Graph, Link};
use palisade_netmodel::{Encryption, Endpoint, Flow, Outcome, Phase, World, reference};
use palisade_testkit::ambient::{ambient_flows, ambient_world};
use palisade_testkit::intents::is_own_node;
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::{By, Query, list};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Worlds per run.
const WORLDS: u32 = 500;

/// What the graph says of a flow.
pub(crate) fn said(graph: &Graph, meant: &[Meant], flow: &Flow) -> (Outcome, Option<String>) {
    let covering: Vec<&Link> = graph
        .links
        .iter()
        .filter(|link| {
            names_port(&link.ports, flow.protocol, flow.port)
                && holds(meant, &link.from, flow.source)
                && holds(meant, &link.to, flow.destination)
        })
        .collect();
    assert!(covering.len() < 2, "two rows cover {flow:?}");
    match covering.first() {
        Some(link) if link.certain => (Outcome::Allow, link.wire.clone()),
        Some(link) => (Outcome::Depends, link.wire.clone()),
        None => (Outcome::Deny, None),
    }
}

pub(crate) fn wire(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "plaintext possible",
        Encryption::Tls => "TLS",
        Encryption::MeshMtls => "mesh mTLS",
    }
}

#[test]
fn list_says_what_the_reference_says() {
    check(&world(), interesting_flows).unwrap();
}

#[test]
fn list_says_what_the_reference_says_in_ambient_mode() {
    check(&ambient_world(), ambient_flows).unwrap();
}

fn check(
    worlds: &impl Strategy<Value = World>,
    flows_of: fn(&World) -> Vec<Flow>,
) -> Result<(), String> {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let result = runner.run(worlds, |world| {
        for by in [By::Pod, By::Workload] {
            let query = Query {
                by,
                ..Query::default()
            };
            let report = list(&world, &query, &mut |_, _| {}).ok();
            let Some(graph) = report.and_then(|report| report.graph) else {
                return Err(TestCaseError::fail("no graph"));
            };
            let meant: Vec<Meant> = graph
                .nodes
                .iter()
                .map(|n| meant(&world, &n.name, n.outside))
                .collect();
            let flows = flows_of(&world).into_iter().step_by(11);
            for flow in flows.filter(|f| f.source != f.destination) {
                // A pod and its own node always reach each other, and are not listed.
                if is_own_node(&world, &flow)
                    || is_pods_own(&world, flow.source)
                    || is_pods_own(&world, flow.destination)
                {
                    continue;
                }
                let expected = reference::decide(&world, &flow);
                let (outcome, shown) = said(&graph, &meant, &flow);
                prop_assert_eq!(
                    outcome,
                    expected.outcome,
                    "{:?} {}",
                    by,
                    scenario(&world, &flow)
                );
                if let Some(shown) = shown {
                    prop_assert_eq!(
                        shown,
                        wire(expected.encryption),
                        "{}",
                        scenario(&world, &flow)
                    );
                }
            }
        }
        Ok(())
    });
    result.map_err(|error| error.to_string())
}

/// By namespace: what a row says is certain passes between every two ends, and what no row has passes
/// between none.
#[test]
fn namespaces_say_what_the_reference_says_of_their_pods() {
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let result = runner.run(&world(), |world| {
        let query = Query {
            by: By::Namespace,
            ..Query::default()
        };
        let graph = list(&world, &query, &mut |_, _| {}).unwrap().graph.unwrap();
        let name = |end: Endpoint| match end {
            Endpoint::Pod(pod) => world.pod(pod).unwrap().namespace.clone(),
            Endpoint::Address(_) => "addresses outside".to_owned(),
        };
        let within = |nodes: &[usize], end| nodes.iter().any(|n| graph.nodes[*n].name == name(end));
        for flow in interesting_flows(&world).into_iter().step_by(23) {
            let own = [flow.source, flow.destination].map(|end| is_pods_own(&world, end));
            if flow.source == flow.destination || is_own_node(&world, &flow) || own != [false; 2] {
                continue;
            }
            let mut links = graph.links.iter().filter(|link| {
                names_port(&link.ports, flow.protocol, flow.port)
                    && within(&link.from, flow.source)
                    && within(&link.to, flow.destination)
            });
            let (first, more) = (links.next(), links.count());
            prop_assert_eq!(more, 0, "two rows cover {:?}", flow);
            let outcome = reference::decide(&world, &flow).outcome;
            let live = |end| match end {
                Endpoint::Pod(pod) => world
                    .pod(pod)
                    .is_some_and(|p| p.phase == Phase::Live && !p.host_group),
                Endpoint::Address(_) => true,
            };
            let ends = live(flow.source) && live(flow.destination);
            let text = || scenario(&world, &flow);
            match first {
                None => prop_assert_eq!(outcome, Outcome::Deny, "{}", text()),
                Some(link) if link.certain && ends => {
                    prop_assert_eq!(outcome, Outcome::Allow, "{}", text());
                }
                Some(_) => {}
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
