//! After every edit of random scripts, what is kept current is what is built from scratch.

#[cfg(test)]
mod tests {
    use palisade_netmodel::{
        AdminPeer, Labels, NamedPort, NamespaceMatch, NetworkPolicy, ObjectRef, Origin, Peer,
        Phase, PolicyPort, Protocol, Rule, Selector, World,
    };
    use palisade_nftables::{Built, Change, Live, Node, Settings, build};
    use palisade_testkit::wire::{node_address, wire};
    use palisade_testkit::worlds::world;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use std::cell::Cell;

    /// Scripts per run, and edits of each.
    const SCRIPTS: u32 = 1_500;
    const EDITS: usize = 24;

    /// Which kind of edit, of which object, and how.
    type Choice = (u8, u8, u8);

    /// How many edits changed nothing, elements alone, and more.
    #[derive(Default)]
    struct Counts {
        nothing: Cell<usize>,
        elements: Cell<usize>,
        whole: Cell<usize>,
    }

    impl Counts {
        fn count(&self, change: &Change) {
            let count = match change {
                Change::Elements(all) if all.is_empty() => &self.nothing,
                Change::Elements(_) => &self.elements,
                Change::Whole(_) => &self.whole,
            };
            count.set(count.get() + 1);
        }
    }

    #[test]
    fn edits_leave_what_is_built_from_scratch() {
        let mut runner = TestRunner::new(Config {
            cases: SCRIPTS,
            failure_persistence: None,
            max_shrink_iters: 5_000,
            ..Config::default()
        });
        let counts = Counts::default();
        let choices = prop::collection::vec(any::<Choice>(), EDITS);
        let worlds = (world(), world(), any::<bool>());
        let result = runner.run(
            &(worlds, choices, any::<u8>()),
            |(worlds, choices, form)| {
                let (first, second, v6) = worlds;
                let (mut world, other) = (wire(&first, v6), wire(&second, v6));
                more(&mut world, &other);
                names(&mut world, form);
                let settings = settings(form);
                let node = Node {
                    addresses: vec![node_address(0, v6)],
                    pod_networks: Vec::new(),
                };
                let mut live = Live::of(&world, &node, &settings);
                let Change::Whole(mut built) = live.take() else {
                    return Err(TestCaseError::fail("the first time is not everything"));
                };
                prop_assert_eq!(&built, &build(&world, &node, &settings));
                let mut before: Built;
                for choice in choices {
                    edit(&mut world, &other, &mut live, choice);
                    // Now and then several edits are taken together.
                    if choice.2 % 4 == 3 {
                        continue;
                    }
                    before = built.clone();
                    let change = live.take();
                    counts.count(&change);
                    match change {
                        Change::Whole(new) => built = new,
                        Change::Elements(changed) => {
                            built.ruleset.set_elements(&changed);
                            // What the kernel is told is the difference.
                            let update = palisade_nftables::Update::of_elements(&changed);
                            prop_assert_eq!(update, built.ruleset.update_from(&before.ruleset));
                        }
                    }
                    let expected = build(&world, &node, &settings);
                    prop_assert_eq!(&built, &expected, "after {:?} in\n{:#?}", choice, world);
                }
                Ok(())
            },
        );
        if let Err(error) = result {
            panic!("{error}");
        }
        let Counts {
            nothing,
            elements,
            whole,
        } = counts;
        println!("{nothing:?} edits changed nothing, {elements:?} elements, {whole:?} more");
        let least = SCRIPTS as usize / 2;
        assert!(nothing.get() > least && elements.get() > least && whole.get() > least);
    }

    /// Has the policies of two worlds in one, so that there are peers to change.
    fn more(world: &mut World, other: &World) {
        for policy in &other.network_policies {
            let mut all = world.network_policies.iter();
            if all.all(|p| p.object != policy.object) {
                world.ensure_namespace(&policy.object.namespace);
                world.network_policies.push(policy.clone());
            }
        }
        let labels: Vec<Selector> = world.pods.iter().map(|p| one(&p.labels)).collect();
        let names: Vec<String> = world.namespaces.keys().cloned().collect();
        for (number, name) in names.iter().enumerate() {
            let peer = |namespaces: NamespaceMatch, pods: Option<Selector>| Rule {
                origin: Origin::default(),
                peers: Some(vec![Peer::Pods {
                    namespaces,
                    pods: pods.unwrap_or_default(),
                }]),
                ports: None,
            };
            let everywhere = || NamespaceMatch::Selector(Selector::everything());
            let labelled = world.namespaces.get(name).map(|n| one(&n.labels));
            let there = NamespaceMatch::Selector(labelled.unwrap_or_default());
            let named = NamespaceMatch::Named(some(&names, number + 1).unwrap());
            world.network_policies.push(NetworkPolicy {
                origin: Origin::default(),
                object: ObjectRef::new(name.clone(), "wide"),
                pod_selector: Selector::everything(),
                ingress: Some(vec![
                    peer(everywhere(), some(&labels, number)),
                    peer(named, None),
                ]),
                egress: Some(vec![
                    peer(there, some(&labels, number + 1)),
                    peer(everywhere(), None),
                ]),
            });
        }
    }

    /// Those with one of some labels.
    fn one(labels: &Labels) -> Selector {
        Selector::of(labels.iter().take(1))
    }

    /// With and without a log, and with limits that are reached.
    fn settings(form: u8) -> Settings {
        Settings {
            log: form.is_multiple_of(2).then_some((9, 10)),
            most_elements: [1_000, 1_000, 1_000, 2][usize::from(form / 2 % 4)],
            ..Settings::default()
        }
    }

    /// Has egress rules ask for names of ports, in half of the worlds, and for every node, in a quarter.
    fn names(world: &mut World, form: u8) {
        if form & 8 == 0 {
            let policies = world.network_policies.iter_mut();
            for rule in policies.flat_map(|p| p.egress.iter_mut().flatten()) {
                rule.ports = Some(vec![PolicyPort::Named {
                    protocol: Protocol::Tcp,
                    name: "web".to_owned(),
                }]);
            }
            for policy in &mut world.admin_policies {
                for rule in &mut policy.egress {
                    let web = palisade_netmodel::AdminPort::Named("web".to_owned());
                    rule.ports = Some(vec![web]);
                }
            }
        }
        if form & 16 == 0 {
            let policies = world.admin_policies.iter_mut();
            for rule in policies.flat_map(|p| &mut p.egress).step_by(2) {
                rule.peers.push(AdminPeer::Nodes(Selector::everything()));
            }
        }
    }

    fn edit(world: &mut World, other: &World, live: &mut Live, (kind, object, how): Choice) {
        let object = usize::from(object);
        match kind % 8 {
            0..4 => pod(world, other, live, object, how),
            4 => namespace(world, other, live, object, how),
            5 => network_policy(world, other, live, object, how),
            6 => admin_policy(world, other, live, object, how),
            _ => node(world, live, object, how),
        }
    }

    /// One of a list, by a number.
    fn some<T: Clone>(all: &[T], number: usize) -> Option<T> {
        all.get(number % all.len().max(1)).cloned()
    }

    fn pod(world: &mut World, other: &World, live: &mut Live, object: usize, how: u8) {
        // Of every other node, mostly.
        let object = if how < 192 { object | 1 } else { object };
        let Some(before) = some(&world.pods, object) else {
            return;
        };
        let mut after = before.clone();
        match how % 12 {
            0 if after.addresses.known.is_empty() => {
                after.addresses = some(&other.pods, object)
                    .unwrap_or(before.clone())
                    .addresses;
            }
            0 => after.addresses.known.clear(),
            // That of another pod, too.
            1 => after.addresses = some(&world.pods, object + 1).unwrap().addresses,
            2 => drop(after.labels.insert("app", "web")),
            3 => after.labels = some(&world.pods, object + 1).unwrap().labels.clone(),
            4 => after.phase = Phase::Completed,
            5 => after.phase = Phase::Live,
            6 => after.host_network = !after.host_network,
            7 => after.node_addresses = some(&world.pods, object + 1).unwrap().node_addresses,
            8 => after.named_ports.push(NamedPort {
                name: "web".to_owned(),
                protocol: Protocol::Tcp,
                port: u16::from(how),
            }),
            // A template of its own that is equal.
            9 => after.template = std::sync::Arc::new((*after.template).clone()),
            _ => {
                let Some(new) = some(&other.pods, object) else {
                    return;
                };
                if world.pods.iter().any(|p| p.object() == new.object()) {
                    // It goes.
                    live.remove_pod(&before);
                    world.pods.retain(|p| *p != before);
                    return;
                }
                world.ensure_namespace(&new.namespace);
                live.label(&new.namespace, world.namespace_labels(&new.namespace));
                live.add_pod(&new);
                world.pods.push(new);
                return;
            }
        }
        let mut going = before.clone();
        if how.is_multiple_of(5) {
            going.template = std::sync::Arc::new((*before.template).clone());
        }
        live.remove_pod(&going);
        live.add_pod(&after);
        let place = world.pods.iter().position(|p| *p == before).unwrap();
        world.pods[place] = after;
    }

    fn namespace(world: &mut World, other: &World, live: &mut Live, object: usize, how: u8) {
        let names: Vec<String> = world.namespaces.keys().cloned().collect();
        let Some(name) = some(&names, object) else {
            return;
        };
        let used = world.pods.iter().any(|p| p.namespace == name);
        match how % 4 {
            0 if !used => drop(world.namespaces.remove(&name)),
            0 | 1 => {
                world.namespaces.remove(&name);
                world.ensure_namespace(&name);
            }
            _ => {
                let all: Vec<&Labels> = other.namespaces.values().map(|n| &n.labels).collect();
                let labels = some(&all, object + usize::from(how)).unwrap().clone();
                world.namespaces.get_mut(&name).unwrap().labels = labels;
            }
        }
        live.label(&name, world.namespace_labels(&name));
    }

    fn network_policy(world: &mut World, other: &World, live: &mut Live, object: usize, how: u8) {
        let (old, new) = (
            some(&world.network_policies, object),
            some(&other.network_policies, object),
        );
        if let Some(new) = new.filter(|_| !how.is_multiple_of(3)) {
            let same = world.network_policies.iter();
            if let Some(old) = same.clone().find(|p| p.object == new.object).cloned() {
                live.remove_policy(&old);
                world.network_policies.retain(|p| *p != old);
            }
            live.add_policy(&new);
            world.network_policies.push(new);
        } else if let Some(old) = old {
            live.remove_policy(&old);
            world.network_policies.retain(|p| *p != old);
        }
    }

    fn admin_policy(world: &mut World, other: &World, live: &mut Live, object: usize, how: u8) {
        let (old, new) = (
            some(&world.admin_policies, object),
            some(&other.admin_policies, object),
        );
        if let Some(mut new) = new.filter(|_| !how.is_multiple_of(3)) {
            new.priority = u16::from(how % 5);
            let same = |p: &&palisade_netmodel::AdminPolicy| {
                (p.kind, &p.object) == (new.kind, &new.object)
            };
            if let Some(old) = world.admin_policies.iter().find(same).cloned() {
                live.remove_admin_policy(&old);
                world.admin_policies.retain(|p| *p != old);
            }
            live.add_admin_policy(&new);
            world.admin_policies.push(new);
        } else if let Some(old) = old {
            live.remove_admin_policy(&old);
            world.admin_policies.retain(|p| *p != old);
        }
    }

    fn node(world: &mut World, live: &mut Live, object: usize, how: u8) {
        let Some(before) = some(&world.nodes, object) else {
            return;
        };
        let mut after = before.clone();
        match how % 3 {
            0 => after.labels = Labels::default(),
            1 => after.labels = some(&world.nodes, object + 1).unwrap().labels,
            _ => after.addresses.push([203, 0, 113, how].into()),
        }
        live.remove_node(&before);
        live.add_node(&after);
        let place = world.nodes.iter().position(|n| *n == before).unwrap();
        world.nodes[place] = after;
    }
}
