//! A rule or an element that is missing is noticed: the packets meet what the ruleset that is left means, and no
//! longer what the reference says.

use crate::small::{one_node, small};
use crate::support::{random, with_rights};
use palisade_agent::Kernel;
use palisade_netmodel::{Flow, Protocol};
use palisade_nftables::{Judgement, Packet, Ruleset};
use palisade_trial::{Answered, Asked, Table, Trial};
use proptest::sample::Index;

/// Mutants that change the answer to a question, of a run.
const MUTANTS: usize = 30;
const PORTS: [(Protocol, u16); 2] = [(Protocol::Tcp, 80), (Protocol::Udp, 80)];

#[test]
fn what_is_missing_is_noticed() {
    with_rights("mutation::what_is_missing_is_noticed", || {
        let world = small();
        let mut trial = one_node(&world);
        let questions = trial.questions(&PORTS);
        trial.serve(&questions).unwrap();
        trial.enforce(&world).unwrap();
        let before = trial.compare(&world, &questions).unwrap();
        assert_eq!(before.disagreements().count(), 0);
        let whole = trial.enforcers[0].applied().unwrap().clone();
        let kernel = trial
            .lab
            .inside(trial.nodes[0], || Kernel::open("palisade"));
        let kernel = kernel.unwrap().unwrap();
        let mut noticed = 0;
        let mut choices = random(proptest::arbitrary::any::<Index>());
        while noticed < MUTANTS {
            let (what, mutant) = without_one(&whole, choices.next().unwrap());
            let meant: Vec<bool> = before
                .0
                .iter()
                .map(|a| passes(&trial, &mutant, a.asked))
                .collect();
            let differs = before
                .0
                .iter()
                .zip(&meant)
                .any(|(a, passes)| *passes != passed(a));
            if !differs {
                // A rule for packets that are not asked about, or one of two that do the same.
                continue;
            }
            kernel.update(&mutant.update_from(&whole)).unwrap();
            let after: Table = trial.compare(&world, &questions).unwrap();
            kernel.update(&whole.update_from(&mutant)).unwrap();
            for (answered, meant) in after.0.iter().zip(&meant) {
                assert_eq!(
                    passed(answered),
                    *meant,
                    "without {what}: {answered:?}\n{mutant}"
                );
            }
            assert!(
                after.disagreements().next().is_some(),
                "without {what}, nothing is noticed"
            );
            noticed += 1;
        }
        let after = trial.compare(&world, &questions).unwrap();
        assert_eq!(after.disagreements().count(), 0);
    });
}

fn passed(answered: &Answered) -> bool {
    answered.seen.outcome == palisade_netlab::Outcome::Passed
}

/// What a ruleset means for a question.
fn passes(trial: &Trial, ruleset: &Ruleset, asked: Asked) -> bool {
    let Flow {
        source,
        destination,
        protocol,
        port,
    } = asked.flow;
    let address = |end| {
        let host = trial.lab.host(trial.host(end).unwrap()).unwrap();
        if asked.v6 { host.v6 } else { host.v4 }
    };
    let packet = Packet {
        source: address(source),
        destination: address(destination),
        protocol,
        port,
    };
    ruleset.judge(&packet) == Judgement::Passes
}

/// A ruleset without one of its rules or elements.
fn without_one(whole: &Ruleset, choice: Index) -> (String, Ruleset) {
    let mut mutant = whole.clone();
    let (rules, elements) = whole.size();
    let mut number = choice.index(rules + elements);
    for (name, chain) in &mut mutant.chains {
        if number < chain.rules.len() {
            chain.rules.remove(number);
            return (format!("rule {number} of {name}"), mutant);
        }
        number -= chain.rules.len();
    }
    for (name, set) in &mut mutant.sets {
        if number < set.elements.len() {
            let gone = *set.elements.iter().nth(number).unwrap();
            set.elements.remove(&[gone]);
            return (format!("{gone:?} of {name}"), mutant);
        }
        number -= set.elements.len();
    }
    for (name, map) in &mut mutant.maps {
        if number < map.elements.len() {
            let address = *map.elements.keys().nth(number).unwrap();
            map.elements.remove(&address);
            return (format!("{address} of {name}"), mutant);
        }
        number -= map.elements.len();
    }
    panic!("the sizes are those of the ruleset")
}
