//! The symbolic engine agrees with the reference on random worlds, flow by flow.

use palisade_netmodel::Flow;
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_testkit::{Contract, Reference, Symbolic};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Worlds per run.
const WORLDS: u32 = 1_500;

#[test]
fn engine_agrees_with_reference() {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let flows_seen = std::cell::Cell::new(0_usize);
    let result = runner.run(&world(), |world| {
        // All pairs of a few ends, every border port: thousands of flows. Each world gives its pods'
        // flows; the engine keeps pairs apart, so asking for all costs little.
        let flows: Vec<Flow> = interesting_flows(&world);
        let flows: Vec<Flow> = flows.into_iter().step_by(3).collect();
        flows_seen.set(flows_seen.get() + flows.len());
        let expected = Reference.decide(&world, &flows);
        let actual = Symbolic.decide(&world, &flows);
        for ((flow, expected), actual) in flows.iter().zip(&expected).zip(&actual) {
            prop_assert_eq!(actual, expected, "{}", scenario(&world, flow));
        }
        Ok(())
    });
    println!("{WORLDS} worlds, {} flows", flows_seen.get());
    if let Err(error) = result {
        panic!("{error}");
    }
}
