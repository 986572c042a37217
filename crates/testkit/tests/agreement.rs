//! The symbolic engine agrees with the reference on random worlds, flow by flow.

use palisade_netmodel::{AdminKind, Flow, Outcome, PortSet, Profile, Protocol, World};
use palisade_testkit::ambient::{ambient_flows, ambient_world};
use palisade_testkit::intents::is_own_node;
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_testkit::{Contract, Reference, Symbolic};
use palisade_verify::Engine;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Worlds per run and kind.
const WORLDS: u32 = 3_000;

#[test]
fn engine_agrees_with_reference() {
    println!(
        "{WORLDS} worlds, {} flows",
        agree(&world(), interesting_flows).unwrap()
    );
}

#[test]
fn engine_agrees_with_reference_in_ambient_mode() {
    println!(
        "{WORLDS} worlds of ambient mode, {} flows",
        agree(&ambient_world(), ambient_flows).unwrap()
    );
}

/// The number of flows compared.
fn agree(
    worlds: &impl Strategy<Value = World>,
    flows_of: fn(&World) -> Vec<Flow>,
) -> Result<usize, String> {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let flows_seen = std::cell::Cell::new(0_usize);
    let result = runner.run(worlds, |world| {
        // All pairs of a few ends, every border port: thousands of flows. Each world gives its pods'
        // flows; the engine keeps pairs apart, so asking for all costs little.
        let flows: Vec<Flow> = flows_of(&world).into_iter().step_by(3).collect();
        flows_seen.set(flows_seen.get() + flows.len());
        let expected = Reference.decide(&world, &flows);
        let actual = Symbolic.decide(&world, &flows);
        for ((flow, expected), actual) in flows.iter().zip(&expected).zip(&actual) {
            prop_assert_eq!(actual, expected, "{}", scenario(&world, flow));
        }
        Ok(())
    });
    result.map_err(|error| error.to_string())?;
    Ok(flows_seen.get())
}

/// Worlds in which policies of administrators change an answer, of each run.
const ADMINISTERED: usize = 1_000;

/// The same where administrators have a say: that they do is seen by leaving their policies out.
#[test]
fn engine_agrees_with_reference_about_administrators() {
    let mut runner = TestRunner::new(Config {
        cases: 3_500,
        failure_persistence: None,
        ..Config::default()
    });
    let administered = Cell::new(0_usize);
    let kinds = RefCell::new(BTreeMap::<AdminKind, usize>::new());
    let result = runner.run(&world(), |mut world| {
        if world.admin_policies.is_empty() {
            return Ok(());
        }
        // Plugins that ignore them are judged elsewhere.
        world.profile = Profile::default();
        let flows: Vec<Flow> = interesting_flows(&world).into_iter().step_by(5).collect();
        let expected = Reference.decide(&world, &flows);
        let actual = Symbolic.decide(&world, &flows);
        for ((flow, expected), actual) in flows.iter().zip(&expected).zip(&actual) {
            prop_assert_eq!(actual, expected, "{}", scenario(&world, flow));
        }
        for policy in &world.admin_policies {
            *kinds.borrow_mut().entry(policy.kind).or_default() += 1;
        }
        let without = World {
            admin_policies: Vec::new(),
            ..world
        };
        let changes = Symbolic.decide(&without, &flows) != expected;
        administered.set(administered.get() + usize::from(changes));
        Ok(())
    });
    let (administered, kinds) = (administered.get(), kinds.take());
    println!("{administered} worlds in which administrators change an answer; {kinds:?}");
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(administered >= ADMINISTERED, "only {administered}");
    let often = |kind| kinds.get(kind) >= Some(&200);
    assert!(AdminKind::ALL.iter().all(often), "{kinds:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn pairs_agree_with_flows(world in world()) {
        pairs(&world)?;
    }

    #[test]
    fn pairs_agree_with_flows_in_ambient_mode(world in ambient_world()) {
        pairs(&world)?;
    }
}

/// The sets of ports of a pair say what the engine says of each port. The own node is no part of them,
/// where only some pods of a class share it.
fn pairs(world: &World) -> Result<(), TestCaseError> {
    let engine = Engine::new(world);
    for source in engine.endpoints() {
        for destination in engine.endpoints().filter(|d| engine.is_pair(source, *d)) {
            let passage = engine.pair(source, destination).passage;
            for protocol in Protocol::ALL {
                for port in [1, 2, 79, 80, 8080, 8081, 8082, 9000, 15008, 65534, 65535] {
                    let Some(flow) = engine.flow(source, destination, (protocol, port)) else {
                        continue;
                    };
                    if is_own_node(world, &flow) {
                        continue;
                    }
                    let at = |set: &PortSet| set.contains(protocol, port);
                    let expected = match (at(&passage.must), at(&passage.may)) {
                        (true, _) => Outcome::Allow,
                        (false, true) => Outcome::Depends,
                        (false, false) => Outcome::Deny,
                    };
                    let found = engine.decide(&flow).0;
                    prop_assert_eq!(found, expected, "{}", scenario(world, &flow));
                }
            }
        }
    }
    Ok(())
}
