//! Reference = compiled ruleset = kernel, with real packets, on random worlds.

use crate::support::{random, with_rights};
use palisade_netlab::Layout;
use palisade_netmodel::{Endpoint, Protocol, World, reference};
use palisade_testkit::print::scenario;
use palisade_trial::{Options, Table, Trial};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;
use std::thread;

/// Worlds of a run.
const WORLDS: usize = 200;
/// Worlds at a time: most of the time of one is waiting for silence. The kernel knows 1,024 learned neighbours
/// over all namespaces together, so there cannot be many.
const AT_ONCE: usize = 3;
/// Ports that generated policies and pods name, and neighbours.
const PORTS: [u16; 6] = [80, 81, 8080, 8081, 9000, 65_535];

#[test]
fn the_kernel_does_what_the_reference_says() {
    with_rights("agreement::the_kernel_does_what_the_reference_says", || {
        let worlds = random(palisade_testkit::worlds::world())
            .take(WORLDS)
            .enumerate();
        let worlds = Mutex::new(worlds);
        let totals = Mutex::new((0, 0, 0, 0));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let next = || worlds.lock().unwrap().next();
                    while let Some((number, world)) = next() {
                        let table = trial(&plain(world), number);
                        let (agree, _, open) = table.counts();
                        let refused = refused(&table);
                        let mut totals = totals.lock().unwrap();
                        totals.0 += agree;
                        totals.1 += open;
                        totals.2 += refused;
                        totals.3 += 1;
                    }
                });
            }
        });
        let (agree, open, refused, seen) = totals.into_inner().unwrap();
        println!(
            "{seen} worlds: {agree} answers agree, {refused} of them refuse, {open} are left open"
        );
        assert_eq!(seen, WORLDS);
        assert!(
            refused > 10_000 && agree - refused > 10_000,
            "the worlds are too plain"
        );
        assert!(open * 10 < agree, "too much is left open");
    });
}

/// What of a world a network without a mesh can show.
fn plain(world: World) -> World {
    World {
        namespaces: world.namespaces,
        pods: world.pods,
        nodes: world.nodes,
        network_policies: world.network_policies,
        admin_policies: world.admin_policies,
        ..World::default()
    }
}

fn refused(table: &Table) -> usize {
    use palisade_netmodel::Outcome::Deny;
    table
        .0
        .iter()
        .filter(|a| a.expected == Deny && a.agree == Some(true))
        .count()
}

/// One world, in a network of its own; every disagreement is a failure.
fn trial(world: &World, number: usize) -> Table {
    let options = Options {
        layout: if number.is_multiple_of(3) {
            Layout::Bridged
        } else {
            Layout::Routed
        },
        outside: vec![
            (
                Ipv4Addr::new(203, 0, 113, 9),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5),
            ),
            (
                Ipv4Addr::new(198, 51, 100, 7),
                Ipv6Addr::new(0x2001, 0xdb9, 0, 0, 0, 0, 0, 7),
            ),
        ],
        ..Options::default()
    };
    let mut trial = Trial::build(world, &options).unwrap();
    let every = Protocol::ALL
        .iter()
        .flat_map(|p| PORTS.map(|port| (*p, port)));
    let mut questions = trial.questions(&every.collect::<Vec<_>>());
    questions.retain(|asked| {
        !shared(world, asked.flow.source) && !shared(world, asked.flow.destination)
    });
    trial.serve(&questions).unwrap();
    trial.enforce(world).unwrap();
    let table = trial.compare(world, &questions).unwrap();
    if let Some(wrong) = table.disagreements().next() {
        let located = trial.located(world, Some(wrong.asked.v6)).unwrap();
        panic!(
            "{:?} over {}: {}\n{}\nreference: {:?}",
            wrong.asked.flow,
            if wrong.asked.v6 { "IPv6" } else { "IPv4" },
            wrong.seen,
            scenario(&located, &wrong.asked.flow),
            reference::decide(&located, &wrong.asked.flow),
        );
    }
    table
}

/// Whether several pods have the address of an end: packets cannot tell pods on one host network apart.
fn shared(world: &World, end: Endpoint) -> bool {
    match end {
        Endpoint::Pod(id) => world.pod(id).is_some_and(|p| p.host_network),
        Endpoint::Address(_) => false,
    }
}
