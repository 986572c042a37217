//! The long comparison finds what it is made to find, and a short one of it holds.

#![cfg(test)]

use palisade_netmodel::{Encryption, Flow, Outcome, World};
use palisade_testkit::soak::{KINDS, run};
use palisade_testkit::{Contract, Reference, Symbolic};

/// The reference, but for one mistake that shows in few worlds.
struct Mistaken;

impl Contract for Mistaken {
    fn name(&self) -> &'static str {
        "mistaken"
    }

    fn decide(&self, world: &World, flows: &[Flow]) -> Vec<(Outcome, Encryption)> {
        let mut answers = Reference.decide(world, flows);
        let rare = world.network_policies.len() >= 2 && world.services.len() == 2;
        for (flow, answer) in flows.iter().zip(&mut answers) {
            if rare && flow.port == 8081 && answer.0 == Outcome::Deny {
                answer.0 = Outcome::Allow;
            }
        }
        answers
    }
}

#[test]
fn a_short_run_holds_and_counts_every_kind() {
    let totals = run(&Symbolic, (7, 200, 2), &|_| {});
    assert_eq!(totals.disagreement, None);
    for (kind, count) in KINDS.iter().zip(totals.bearing) {
        assert!(count >= 200 || !kind.awaited, "{} {count}", kind.name);
    }
}

#[test]
fn a_mistake_is_found_made_small_and_found_again_by_its_seed() {
    let totals = run(&Mistaken, (7, 1_000_000, 2), &|_| {});
    let found = totals.disagreement.unwrap();
    assert_eq!(
        (found.expected.0, found.actual.0),
        (Outcome::Deny, Outcome::Allow)
    );
    let policies = found.scenario.matches("kind: NetworkPolicy").count();
    assert_eq!(policies, 2, "{}", found.scenario);
    assert!(found.scenario.contains("| 8081/"), "{}", found.scenario);
    let again = run(&Mistaken, (found.seed, 1_000_000, 1), &|_| {});
    assert_eq!((again.worlds, again.disagreement), (1, Some(found)));
}
