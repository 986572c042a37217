//! An update leads from one ruleset to the other, and packets notice one step of it alone.

use palisade_netmodel::{Flow, World};
use palisade_nftables::{
    Command, Family, Judgement, List, Map, Node, Operation, Packet, Present, Ruleset, Set,
    Settings, Update, build,
};
use palisade_testkit::wire::{NODES, node_address, packets, wire};
use palisade_testkit::worlds::{interesting_flows, world};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::{BTreeMap, BTreeSet};

/// Tables that do what they are told, and refuse what the kernel would refuse.
#[derive(Debug, Clone, Default)]
struct Table(Ruleset, BTreeSet<Family>);

impl Table {
    fn apply(&mut self, operations: &[Operation<'_>]) -> Result<(), String> {
        for operation in operations {
            self.one(operation)
                .ok_or_else(|| format!("refused: {operation:?}"))?;
        }
        Ok(())
    }

    fn one(&mut self, operation: &Operation<'_>) -> Option<()> {
        let family = operation.family;
        if operation.command == Command::AddTable {
            self.1.insert(family);
            return Some(());
        }
        (self.1.contains(&family) && self.place(&operation.command)? == family).then_some(())?;
        let Ruleset {
            sets, maps, chains, ..
        } = &mut self.0;
        match &operation.command {
            // Done already; and no update removes a table.
            Command::AddTable | Command::DeleteTable => return None,
            Command::AddSet(name, set) => {
                let set = Set {
                    kind: set.kind,
                    elements: List::default(),
                };
                new(&sets.insert((*name).to_owned(), set))?;
            }
            Command::AddMap(name, map) => {
                let map = Map {
                    family: map.family,
                    elements: BTreeMap::new(),
                };
                new(&maps.insert((*name).to_owned(), map))?;
            }
            Command::AddChain(name, chain) => {
                let mut chain = (*chain).clone();
                chain.rules.clear();
                new(&chains.insert((*name).to_owned(), chain))?;
            }
            Command::AddRules(name, rules) => chains.get_mut(*name)?.rules.extend_from_slice(rules),
            Command::FlushChain(name) => chains.get_mut(*name)?.rules.clear(),
            Command::FlushElements(name) => match (sets.get_mut(*name), maps.get_mut(*name)) {
                (Some(set), _) => set.elements = List::default(),
                (_, map) => map?.elements.clear(),
            },
            Command::AddElements(name, elements) => {
                let set = sets.get_mut(*name)?;
                let all = [set.elements.to_vec(), elements.clone()].concat();
                set.elements = all.clone().into();
                (set.elements.len() == all.len()).then_some(())?;
            }
            Command::DeleteElements(name, elements) => {
                let set = sets.get_mut(*name)?;
                let mut all = set.elements.to_vec();
                let before = all.len();
                all.retain(|e| !elements.contains(e));
                (before - all.len() == elements.len()).then_some(())?;
                set.elements = all.into();
            }
            Command::AddJumps(name, jumps) => {
                for (address, chain) in jumps {
                    chains.get(*chain)?;
                    let elements = &mut maps.get_mut(*name)?.elements;
                    new(&elements.insert(*address, (*chain).to_owned()))?;
                }
            }
            Command::DeleteJumps(name, jumps) => {
                for (address, _) in jumps {
                    maps.get_mut(*name)?.elements.remove(address)?;
                }
            }
            Command::DeleteChain(name) => {
                chains.remove(*name).filter(|c| c.rules.is_empty())?;
            }
            Command::DeleteSet(name) => {
                sets.remove(*name)?;
            }
        }
        Some(())
    }

    /// The family whose table has what a command is about, or is to get it.
    fn place(&self, command: &Command<'_>) -> Option<Family> {
        let Ruleset {
            sets, maps, chains, ..
        } = &self.0;
        let of_set = |name: &str| Some(sets.get(name)?.kind.family());
        let of_map = |name: &str| Some(maps.get(name)?.family);
        match command {
            Command::AddTable | Command::DeleteTable => None,
            Command::AddSet(_, set) => Some(set.kind.family()),
            Command::AddMap(_, map) => Some(map.family),
            Command::AddChain(_, chain) => Some(chain.family),
            Command::AddRules(name, _) | Command::FlushChain(name) | Command::DeleteChain(name) => {
                Some(chains.get(*name)?.family)
            }
            Command::FlushElements(name) => of_set(name).or_else(|| of_map(name)),
            Command::AddElements(name, _)
            | Command::DeleteElements(name, _)
            | Command::DeleteSet(name) => of_set(name),
            Command::AddJumps(name, _) | Command::DeleteJumps(name, _) => of_map(name),
        }
    }
}

/// Something that was not there before.
fn new<T>(before: &Option<T>) -> Option<()> {
    before.is_none().then_some(())
}

fn ruleset(world: &World, known: bool) -> Ruleset {
    let node = Node {
        addresses: [false, true].map(|v6| node_address(0, v6)).into(),
        pod_networks: ["10.0.0.0/8", "2001:db8::/32"]
            .into_iter()
            .filter(|_| known)
            .flat_map(str::parse)
            .collect(),
    };
    build(world, &node, &Settings::default()).ruleset
}

fn judgements(ruleset: &Ruleset, packets: &[Packet]) -> Vec<Judgement> {
    packets.iter().map(|p| ruleset.judge(p)).collect()
}

/// Packets of flows of either world.
fn sample(worlds: [&World; 2]) -> Vec<Packet> {
    let mut found = Vec::new();
    for world in worlds {
        for flow in interesting_flows(world).into_iter().step_by(7) {
            let Flow { protocol, port, .. } = flow;
            found.extend(packets(world, &flow).map(|wired| Packet {
                source: wired.source,
                destination: wired.destination,
                protocol,
                port,
            }));
        }
    }
    found
}

/// Follows an update: packets are judged as before until it switches, and as meant from then on.
fn follow(
    table: &mut Table,
    update: &Update<'_>,
    new: &Ruleset,
    packets: &[Packet],
) -> Result<(), TestCaseError> {
    let before = judgements(&table.0, packets);
    let after = judgements(new, packets);
    prop_assert!(!before.contains(&Judgement::Broken) && !after.contains(&Judgement::Broken));
    let steps = [
        (&update.publish, &before),
        (&update.switch, &after),
        (&update.collect, &after),
    ];
    for (step, expected) in steps {
        prop_assert_eq!(table.apply(step), Ok(()));
        prop_assert_eq!(&judgements(&table.0, packets), expected);
    }
    table.0.table.clone_from(&new.table);
    prop_assert_eq!(&table.0, new);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn packets_notice_one_step_alone(
        first in world(),
        second in world(),
        known in any::<bool>(),
        same_pods in any::<bool>(),
        v6 in any::<[bool; 2]>(),
    ) {
        let first = wire(&first, v6[0]);
        let mut second = wire(&second, v6[1]);
        if same_pods {
            second.pods.clone_from(&first.pods);
            second.namespaces.clone_from(&first.namespaces);
        }
        let packets = sample([&first, &second]);
        let (first, second) = (ruleset(&first, false), ruleset(&second, known));
        // From nothing, to something else, and by names alone.
        let mut table = Table::default();
        follow(&mut table, &first.update_from_names(&Present::default()), &first, &packets)?;
        follow(&mut table, &second.update_from(&first), &second, &packets)?;
        let present = table.0.names();
        follow(&mut table, &first.update_from_names(&present), &first, &packets)?;
        prop_assert!(first.update_from(&first).is_empty());
    }
}

/// A pod that comes or goes changes elements, and no rule.
#[test]
fn a_pod_changes_elements_alone() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut compared = 0;
    for _ in 0..300 {
        let world = world().new_tree(&mut runner).unwrap().current();
        let all = wire(&world, false);
        let mut fewer = all.clone();
        // Of another node: it is a peer alone.
        let Some(number) = (0..all.pods.len()).find(|n| n % NODES == 1) else {
            continue;
        };
        fewer.pods[number].addresses.known.clear();
        let (all, fewer) = (ruleset(&all, false), ruleset(&fewer, false));
        let update = all.update_from(&fewer);
        assert!(
            update.publish.is_empty() && update.collect.is_empty(),
            "{update:?}"
        );
        let elements = |o: &Operation<'_>| matches!(o.command, Command::AddElements(..));
        assert!(update.switch.iter().all(elements), "{update:?}");
        compared += update.switch.len();
    }
    assert!(compared > 50, "only {compared} changes");
}
