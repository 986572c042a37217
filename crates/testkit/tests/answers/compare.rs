//! What `compare` says of two worlds with the same pods is what the reference says of both.

use crate::words::{Meant, holds, is_pods_own, meant, names_port};
use palisade_diagnostics::{Change, Verdict};
use palisade_netmodel::{Flow, Outcome, World, reference};
use palisade_testkit::ambient::{ambient_flows, ambient_world};
use palisade_testkit::intents::is_own_node;
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::compare;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Pairs of worlds per run.
const WORLDS: u32 = 400;

/// The pods of one world under the policies of another, with the labels that namespaces and pods have there.
fn under(world: &World, other: &World) -> World {
    let mut pods = world.pods.clone();
    for (pod, other) in pods.iter_mut().zip(&other.pods) {
        pod.labels = other.labels.clone();
    }
    let mut namespaces = other.namespaces.clone();
    for (name, namespace) in &world.namespaces {
        namespaces
            .entry(name.clone())
            .or_insert_with(|| namespace.clone());
    }
    World {
        pods,
        namespaces,
        network_policies: other.network_policies.clone(),
        authorization_policies: other.authorization_policies.clone(),
        peer_authentications: other.peer_authentications.clone(),
        ..world.clone()
    }
}

#[test]
fn compare_says_what_the_reference_says_of_both() {
    check(&world(), interesting_flows).unwrap();
}

#[test]
fn compare_says_what_the_reference_says_of_both_in_ambient_mode() {
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
    let changes = std::cell::Cell::new(0_usize);
    let result = runner.run(&(worlds, worlds), |(before, other)| {
        let after = under(&before, &other);
        let report = compare(&before, &after, &mut |_, _| {});
        let report = report.map_err(|_| TestCaseError::fail("too large"))?;
        let disputed = report.findings.iter().find(|d| d.code.0 == "PAL0399");
        prop_assert!(disputed.is_none(), "{disputed:?}");
        let Some(graph) = report.graph else {
            return Err(TestCaseError::fail("no graph"));
        };
        let nodes = graph.nodes.iter();
        let meant: Vec<Meant> = nodes.map(|n| meant(&before, &n.name, n.outside)).collect();
        for flow in flows_of(&before).into_iter().step_by(23) {
            let own = [flow.source, flow.destination].map(|end| is_pods_own(&before, end));
            if flow.source == flow.destination || is_own_node(&before, &flow) || own != [false; 2] {
                continue;
            }
            let (old, new) = (
                reference::decide(&before, &flow),
                reference::decide(&after, &flow),
            );
            let told: Vec<Change> = graph
                .links
                .iter()
                .filter(|link| names_port(&link.ports, flow.protocol, flow.port))
                .filter(|link| holds(&meant, &link.from, flow.source))
                .filter(|link| holds(&meant, &link.to, flow.destination))
                .filter_map(|link| link.change)
                .collect();
            let passes = |outcome| outcome != Outcome::Deny;
            let text = || format!("{old:?} {new:?} {told:?} {}", scenario(&before, &flow));
            if old.outcome != new.outcome || old.encryption != new.encryption {
                changes.set(changes.get() + 1);
                prop_assert!(!told.is_empty(), "not told: {}", text());
                prop_assert_eq!(report.verdict, Verdict::Fails);
            }
            let gained = told.contains(&Change::Gained);
            prop_assert!(
                !(gained && passes(old.outcome)),
                "passed before: {}",
                text()
            );
            let lost = told.contains(&Change::Lost);
            prop_assert!(!(lost && passes(new.outcome)), "passes after: {}", text());
        }
        Ok(())
    });
    result.map_err(|error| error.to_string())?;
    match changes.get() {
        0..1_000 => Err(format!("the worlds hardly differ: {}", changes.get())),
        _ => Ok(()),
    }
}
