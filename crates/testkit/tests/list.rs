//! What `list` says of two ends is what the reference says, on random worlds: every pair that it covers
//! passes so, every pair that it leaves out is denied, and no pair is covered twice for a port.

use palisade_diagnostics::{Graph, Link};
use palisade_netmodel::{
    Encryption, Endpoint, Flow, Outcome, Phase, PodId, Protocol, World, reference,
};
use palisade_testkit::intents::is_own_node;
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::{By, Query, list};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::net::IpAddr;

/// Worlds per run.
const WORLDS: u32 = 500;

/// The ends that the name of a node means.
enum Meant {
    Pods(Vec<PodId>),
    Addresses(String),
}

fn meant(world: &World, name: &str, outside: bool) -> Meant {
    if outside {
        return Meant::Addresses(name.to_owned());
    }
    let pods = name.split(", ").flat_map(|part| {
        let exact: Vec<PodId> = world
            .pods()
            .filter(|(_, pod)| {
                let host = format!("the nodes' host network ({})", pod.namespace);
                part == if pod.host_group {
                    host
                } else {
                    pod.object().to_string()
                }
            })
            .map(|(id, _)| id)
            .collect();
        if !exact.is_empty() {
            return exact;
        }
        let live = world.pods().filter(|(_, pod)| {
            let name = format!("{}/{}", pod.namespace, pod.workload.name);
            let with_kind = format!("{name} ({})", pod.workload.kind);
            pod.phase == Phase::Live && (part == name || part == with_kind)
        });
        live.map(|(id, _)| id).collect()
    });
    let pods: Vec<PodId> = pods.collect();
    assert!(!pods.is_empty(), "{name} is nobody");
    Meant::Pods(pods)
}

/// Whether the words for a set of addresses hold one.
fn names_address(words: &str, address: IpAddr) -> bool {
    let within = |block: &str| {
        let net = block.parse::<ipnet::IpNet>();
        let net = net.unwrap_or_else(|_| block.parse::<IpAddr>().unwrap().into());
        net.contains(&address)
    };
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    words.split(", ").any(|part| {
        let (head, but) = part.split_once(" but ").unwrap_or((part, ""));
        match head
            .strip_prefix("every ")
            .and_then(|h| h.strip_suffix(" address outside"))
        {
            Some(of) => of == family && !but.split(" and ").any(|b| !b.is_empty() && within(b)),
            None => part == "anywhere outside" || within(part),
        }
    })
}

fn holds(meant: &[Meant], nodes: &[usize], end: Endpoint) -> bool {
    nodes.iter().any(|node| match (&meant[*node], end) {
        (Meant::Pods(pods), Endpoint::Pod(pod)) => pods.contains(&pod),
        (Meant::Addresses(words), Endpoint::Address(address)) => names_address(words, address),
        _ => false,
    })
}

/// Whether an end is an address that a pod has: such an address is not outside.
fn is_pods_own(world: &World, end: Endpoint) -> bool {
    let Endpoint::Address(address) = end else {
        return false;
    };
    world.pods.iter().any(|pod| {
        pod.phase == Phase::Live && !pod.host_network && pod.addresses.known.contains(&address)
    })
}

/// Whether the words for ports hold one.
fn names_port(words: &str, protocol: Protocol, port: u16) -> bool {
    words.split(", ").any(|part| {
        if part == "all ports" || part == format!("all {protocol} ports") {
            return true;
        }
        let Some((numbers, of)) = part.split_once('/') else {
            return false;
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let range = first.parse::<u16>().unwrap()..=last.parse().unwrap();
        of == protocol.name() && range.contains(&port)
    })
}

/// What the graph says of a flow.
fn said(graph: &Graph, meant: &[Meant], flow: &Flow) -> (Outcome, Option<String>) {
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

fn wire(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "plaintext possible",
        Encryption::Tls => "TLS",
        Encryption::MeshMtls => "mesh mTLS",
    }
}

#[test]
fn list_says_what_the_reference_says() {
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let result = runner.run(&world(), |world| {
        for by in [By::Pod, By::Workload] {
            let query = Query {
                by,
                ..Query::default()
            };
            let report = list(&world, &query, &mut |_, _| {}).unwrap();
            let graph = report.graph.unwrap();
            let meant: Vec<Meant> = graph
                .nodes
                .iter()
                .map(|n| meant(&world, &n.name, n.outside))
                .collect();
            let flows = interesting_flows(&world).into_iter().step_by(11);
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
    if let Err(error) = result {
        panic!("{error}");
    }
}
