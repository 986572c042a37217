//! A ruleset means what the reference says of its policies, on random worlds, for IPv4 and IPv6.

use palisade_netmodel::{
    AdminPort, Flow, NamedPort, Outcome, PolicyPort, Protocol, World, reference,
};
use palisade_nftables::{Built, Judgement, Node, Packet, Settings, build};
use palisade_testkit::print::scenario;
use palisade_testkit::wire::{NODES, Wired, node_address, packets, wire};
use palisade_testkit::worlds::{interesting_flows, world};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

/// Worlds per run.
const WORLDS: u32 = 3_000;

#[test]
fn rulesets_agree_with_the_reference() {
    let (passed, refused) = agree(&world().boxed()).unwrap();
    println!("{WORLDS} worlds: {passed} flows pass, {refused} are refused");
    assert!(
        passed > 100_000 && refused > 100_000,
        "the worlds are too plain"
    );
}

/// Names of ports are looked up on each destination, pods on the host network among them.
#[test]
fn rulesets_agree_with_the_reference_about_named_ports() {
    let (passed, refused) = agree(&world().prop_map(with_named_ports).boxed()).unwrap();
    assert!(
        passed > 100_000 && refused > 100_000,
        "the worlds are too plain"
    );
}

/// The same world, in which every pod has ports with names, and every egress rule asks for names only.
fn with_named_ports(mut world: World) -> World {
    for (number, pod) in world.pods.iter_mut().enumerate() {
        let port = |name: &str, protocol, port| NamedPort {
            name: name.to_owned(),
            protocol,
            port,
        };
        let web = if number % 2 == 0 { 80 } else { 8080 };
        pod.named_ports = vec![
            port("web", Protocol::Tcp, web),
            port("admin", Protocol::Udp, 9000),
        ];
    }
    let policies = world.network_policies.iter_mut();
    for rule in policies.flat_map(|p| p.egress.iter_mut().flatten()) {
        let name = |protocol, name: &str| PolicyPort::Named {
            protocol,
            name: name.to_owned(),
        };
        rule.ports = Some(vec![
            name(Protocol::Tcp, "web"),
            name(Protocol::Sctp, "admin"),
        ]);
    }
    let policies = world.admin_policies.iter_mut();
    for rule in policies.flat_map(|p| &mut p.egress) {
        rule.ports = Some(vec![AdminPort::Named("admin".to_owned())]);
    }
    world
}

/// The number of flows that pass and that are refused, on all of which both agree.
fn agree(worlds: &BoxedStrategy<World>) -> Result<(usize, usize), String> {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let counts = Counts::default();
    let result = runner.run(&(worlds, any::<bool>()), |(world, v6)| {
        let world = wire(&world, v6);
        let rulesets: Vec<Built> = (0..NODES).map(|node| built(&world, node, v6)).collect();
        for flow in interesting_flows(&world).into_iter().step_by(2) {
            if let Some(wired) = packets(&world, &flow) {
                compare(&world, &rulesets, &wired, &counts)?;
            }
        }
        Ok(())
    });
    result.map_err(|error| error.to_string())?;
    Ok((counts.passed.get(), counts.refused.get()))
}

#[derive(Default)]
struct Counts {
    passed: Cell<usize>,
    refused: Cell<usize>,
}

fn built(world: &World, node: usize, v6: bool) -> Built {
    let node = Node {
        addresses: vec![node_address(node, v6)],
        pod_networks: Vec::new(),
    };
    build(world, &node, &Settings::default())
}

fn compare(
    world: &World,
    rulesets: &[Built],
    wired: &Wired,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let Flow { protocol, port, .. } = wired.flow;
    let packet = Packet {
        source: wired.source,
        destination: wired.destination,
        protocol,
        port,
    };
    let judgements: Vec<Judgement> = wired
        .forwarded_by
        .iter()
        .filter_map(|node| rulesets.get(*node))
        .map(|built| built.ruleset.judge(&packet))
        .collect();
    prop_assert_eq!(judgements.len(), wired.forwarded_by.len());
    prop_assert!(!judgements.contains(&Judgement::Broken));
    let passes = judgements.iter().all(|j| *j == Judgement::Passes);
    match reference::decide(world, &wired.flow).outcome {
        Outcome::Depends => return Ok(()),
        expected => prop_assert_eq!(
            passes,
            expected == Outcome::Allow,
            "{}\n{}",
            scenario(world, &wired.flow),
            rulesets
                .iter()
                .map(|b| b.ruleset.to_string())
                .collect::<String>()
        ),
    }
    let count = if passes {
        &counts.passed
    } else {
        &counts.refused
    };
    count.set(count.get() + 1);
    Ok(())
}
