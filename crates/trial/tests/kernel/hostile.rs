//! Whatever the names are, a ruleset has exactly the objects that are meant, and nft reads it.

use crate::small::small;
use crate::support::{bare_nodes, nft, random, tables, with_rights};
use palisade_agent::Enforcer;
use palisade_netmodel::{
    AddressSet, Labels, NamedPort, NamespaceMatch, NetworkPolicy, ObjectRef, Origin, Peer,
    PolicyPort, Protocol, Rule, Selector, World,
};
use palisade_nftables::{Node, Settings, build};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// Worlds in a run.
const WORLDS: usize = 100;

/// Names that no API server takes, and those that a language of rules could trip over.
fn name() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "fwd",
        "drop",
        "accept",
        "}",
        "\"",
        "\\",
        "\n",
        "\"; flush ruleset; #",
        "{ }",
        "@",
        "$x",
        "deny",
        "cut",
        "forward4",
        "table ip palisade {",
        "elements = { 0.0.0.0/0 }",
        "\u{0}",
        "日本語",
        "\u{202e}",
        "'",
        "*",
        "",
    ];
    prop_oneof![
        proptest::sample::select(WORDS).prop_map(str::to_owned),
        vec(any::<char>(), 0..20).prop_map(|chars| chars.into_iter().collect()),
        (proptest::sample::select(WORDS), any::<char>())
            .prop_map(|(word, c)| format!("{word}{}", String::from(c).repeat(253))),
    ]
}

/// The small world with other names everywhere, and a policy with a thousand ports and a named one.
fn world() -> impl Strategy<Value = World> {
    vec(name(), 8).prop_map(|names| {
        let mut world = small();
        let name = |number: usize| names[number % names.len()].clone();
        world.ensure_namespace(&name(0));
        for (number, pod) in world.pods.iter_mut().enumerate() {
            pod.name = name(number);
            let last = u8::try_from(number + 1).unwrap();
            let known = vec![
                [10, 0, 0, last].into(),
                format!("2001:db8::{last}").parse().unwrap(),
            ];
            pod.addresses = AddressSet::from(known);
            pod.node_addresses = AddressSet::from([[192, 168, 0, 1].into()]);
            let mut template = (*pod.template).clone();
            template.namespace = name(0);
            template.labels = Labels::from_iter([(name(1), name(number % 2))]);
            template.named_ports = vec![NamedPort {
                name: name(3),
                protocol: Protocol::Tcp,
                port: 7,
            }];
            pod.template = Arc::new(template);
        }
        let port = |first| PolicyPort::Range {
            protocol: Protocol::Udp,
            first,
            last: first,
        };
        let mut ports: Vec<PolicyPort> = (1..=1000).map(|n| port(n * 3)).collect();
        ports.push(PolicyPort::Named {
            protocol: Protocol::Tcp,
            name: name(3),
        });
        let rule = Rule {
            origin: Origin::default(),
            peers: Some(vec![Peer::Pods {
                namespaces: NamespaceMatch::Named(name(0)),
                pods: Selector::of([(name(1), name(0))]),
            }]),
            ports: Some(ports),
        };
        world.network_policies = (0..3)
            .map(|number| NetworkPolicy {
                origin: Origin::default(),
                object: ObjectRef::new(name(0), name(number)),
                pod_selector: Selector::of([(name(1), name(number % 2))]),
                ingress: Some(vec![rule.clone()]),
                egress: Some(vec![rule.clone()]),
            })
            .collect();
        world
    })
}

#[test]
fn hostile_names_are_names() {
    with_rights("hostile::hostile_names_are_names", || {
        let (lab, nodes) = bare_nodes(3);
        let node = Node {
            addresses: vec![[192, 168, 0, 1].into()],
            pod_networks: vec!["10.0.0.0/24".parse().unwrap()],
        };
        // Silent, and with prefixes for what is logged.
        let settings = [None, Some((77, 10))].map(|log| Settings {
            log,
            ..Settings::default()
        });
        let mut enforcers: Vec<Enforcer> = settings
            .iter()
            .zip(&nodes)
            .map(|(settings, node)| {
                let open = || Enforcer::new(settings.clone());
                lab.inside(*node, open).unwrap().unwrap()
            })
            .collect();
        for (number, world) in random(world()).take(WORLDS).enumerate() {
            let turn = number % settings.len();
            let (enforcer, place) = (&mut enforcers[turn], nodes[turn]);
            let built = build(&world, &node, &settings[turn]);
            let text = built.ruleset.to_string();
            assert!(text.is_ascii());
            nft(&lab, nodes[2], &["-c", "-f", "-"], &text);
            assert_eq!(built.refused, [], "{text}");
            enforcer.enforce(&world, &node).unwrap();
            let all = nft(&lab, place, &["list", "tables"], "");
            assert_eq!(all, "table ip palisade\ntable ip6 palisade\n");
            // The kernel holds the objects of the model by their names, and no others.
            assert!(enforcer.is_intact());
            let listed = tables(&lab, place);
            let count = |word: &str| {
                listed
                    .lines()
                    .filter(|l| l.trim_start().starts_with(word))
                    .count()
            };
            assert_eq!(count("chain "), built.ruleset.chains.len(), "{listed}");
            assert_eq!(count("set "), built.ruleset.sets.len(), "{listed}");
            assert_eq!(count("map "), built.ruleset.maps.len(), "{listed}");
        }
    });
}
