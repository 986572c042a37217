//! What `exposure` says of a pod is what the reference says of all its connections, on random worlds.

use crate::list::{said, wire};
use crate::words::{Meant, is_pods_own, meant};
use palisade_netmodel::{Endpoint, Flow, Phase, PodId, World, reference};
use palisade_testkit::intents::is_own_node;
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::exposure;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Worlds per run.
const WORLDS: u32 = 300;

fn asked(world: &World, flow: &Flow, about: PodId) -> bool {
    let about = Endpoint::Pod(about);
    flow.source != flow.destination
        && (flow.source == about || flow.destination == about)
        && !is_own_node(world, flow)
        && !is_pods_own(world, flow.source)
        && !is_pods_own(world, flow.destination)
}

#[test]
fn exposure_says_what_the_reference_says() {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let compared = std::cell::Cell::new(0_usize);
    let result = runner.run(&world(), |world| {
        let mut live = world
            .pods()
            .filter(|(_, p)| p.phase == Phase::Live && !p.host_group);
        let Some((about, _)) = live.next() else {
            return Ok(());
        };
        let report = exposure(&world, &[about], None, &mut |_, _| {}).unwrap();
        let graph = report.graph.unwrap();
        let nodes = graph.nodes.iter();
        let meant: Vec<Meant> = nodes.map(|n| meant(&world, &n.name, n.outside)).collect();
        for flow in interesting_flows(&world).into_iter().step_by(5) {
            if !asked(&world, &flow, about) {
                continue;
            }
            compared.set(compared.get() + 1);
            let expected = reference::decide(&world, &flow);
            let (outcome, shown) = said(&graph, &meant, &flow);
            let text = || scenario(&world, &flow);
            prop_assert_eq!(outcome, expected.outcome, "{}", text());
            if let Some(shown) = shown {
                prop_assert_eq!(shown, wire(expected.encryption), "{}", text());
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(compared.get() > 10_000, "only {} flows", compared.get());
}
