//! Rules that the kernel does not take close the pods that they are for, and nobody else.

use crate::support::{bare_nodes, nft, tables, with_rights};
use palisade_agent::{Enforcer, Kernel, Texts, Wanted, own};
use palisade_netmodel::World;
use palisade_nftables::{
    Built, Command, Family, Node, Operation, Refused, Rule, Settings, Verdict, build,
};
use std::net::IpAddr;

/// Pods, each selected by a policy of its own.
fn world(pods: u8) -> World {
    let text = (1..=pods).map(|number| {
        format!(
            r"
apiVersion: v1
kind: Pod
metadata: {{name: pod-{number}, namespace: shop, labels: {{app: a{number}}}}}
spec: {{containers: [{{name: c}}]}}
status: {{phase: Running, podIPs: [{{ip: 10.0.0.{number}}}, {{ip: '2001:db8::{number}'}}], hostIPs: [{{ip: 192.168.0.1}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: policy-{number}, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: a{number}}}}}, ingress: [{{ports: [{{port: {number}}}]}}]}}
---
"
        )
    });
    let mut texts = Texts::default();
    texts.put("world", Ok(text.collect()));
    let reading = texts.read();
    let world = reading
        .world
        .unwrap_or_else(|| panic!("{:?}", reading.told));
    World::clone(&world)
}

fn addresses(number: u8) -> [IpAddr; 2] {
    [
        [10, 0, 0, number].into(),
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()].into(),
    ]
}

/// A ruleset in which the rules of some pods jump to where there is nothing.
fn broken(world: &World, node: &Node, pods: &[u8]) -> Built {
    let mut built = build(world, node, &Settings::default());
    for number in pods {
        for (map, address) in ["ingress4", "ingress6"].into_iter().zip(addresses(*number)) {
            let head = built.ruleset.maps[map].elements[&address].clone();
            let nowhere = Rule::new(vec![], Verdict::Jump("nowhere".to_owned()));
            let chain = built.ruleset.chains.get_mut(&head).unwrap();
            chain.rules.push(nowhere);
        }
    }
    built
}

#[test]
fn rules_that_the_kernel_does_not_take_close_their_own_pods() {
    with_rights(
        "refusal::rules_that_the_kernel_does_not_take_close_their_own_pods",
        || {
            let (lab, nodes) = bare_nodes(1);
            let mut enforcer = lab
                .inside(nodes[0], || Enforcer::new(Settings::default()))
                .unwrap()
                .unwrap();
            let world = world(9);
            let node = Node {
                addresses: vec!["192.168.0.1".parse().unwrap()],
                pod_networks: Vec::new(),
            };
            let list = || tables(&lab, nodes[0]);
            // From nothing, after a good one, and after one with other culprits.
            for bad in [&[2, 7][..], &[], &[3], &[3, 4, 9]] {
                let report = enforcer
                    .put(&world, &node, broken(&world, &node, bad))
                    .unwrap();
                let closed: Vec<String> = report
                    .refused
                    .iter()
                    .map(|refused| match refused {
                        Refused::Pod(pod, why) => {
                            let number = pod.name.trim_start_matches("pod-");
                            assert!(why.contains(&format!("shop/policy-{number}")), "{why}");
                            number.to_owned()
                        }
                        Refused::Rule(..) => panic!("{refused:?}"),
                    })
                    .collect();
                let expected: Vec<String> = bad.iter().map(u8::to_string).collect();
                assert_eq!(closed, expected);
                let table = list();
                for number in 1..=9 {
                    for address in addresses(number) {
                        let refused = table.contains(&format!("{address} : jump deny"));
                        assert_eq!(refused, bad.contains(&number), "{address} in {table}");
                    }
                    let rule = table.contains(&format!("tcp dport {number} "));
                    assert_ne!(rule, bad.contains(&number), "{number} in {table}");
                }
            }
        },
    );
}

const PEERS: &str = r"
apiVersion: v1
kind: Node
metadata: {name: here}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}], hostIPs: [{ip: 192.168.0.1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}
";

/// A client on another node.
fn client(low: u8) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: client-{low}, namespace: shop, labels: {{app: client}}}}\n\
         spec: {{containers: [{{name: c}}]}}\n\
         status: {{phase: Running, podIPs: [{{ip: 10.1.0.{low}}}], hostIPs: [{{ip: 192.168.0.2}}]}}\n"
    )
}

/// Pods that are peers come and go as elements. If the table is not as it was left, it is filled anew.
#[test]
fn elements_are_followed_and_a_table_that_differs_is_filled_anew() {
    with_rights(
        "refusal::elements_are_followed_and_a_table_that_differs_is_filled_anew",
        || {
            let (lab, nodes) = bare_nodes(1);
            let open = || Enforcer::new(Settings::default());
            let mut enforcer = lab.inside(nodes[0], open).unwrap().unwrap();
            let list = || tables(&lab, nodes[0]);
            let (mut texts, mut wanted) = (Texts::default(), Wanted::new(Settings::default()));
            let mut clients = |enforcer: &mut Enforcer, there: &[u8]| {
                texts.put("peers", Ok(PEERS.to_owned()));
                texts.retain(|name| name == "peers");
                for low in there {
                    texts.put(&low.to_string(), Ok(client(*low)));
                }
                let world = texts.read().world.unwrap();
                let live = wanted.follow(&mut texts, &world, &own(&world, "here").unwrap());
                let report = enforcer.follow(&world, live).unwrap();
                assert_eq!(report.refused, []);
                let table = list();
                for low in 1..5 {
                    let found = table.contains(&format!("10.1.0.{low}"));
                    assert_eq!(found, there.contains(&low), "{low} in {table}");
                    let kept = enforcer.applied().unwrap().to_string();
                    assert_eq!(kept.contains(&format!("10.1.0.{low}")), found);
                }
                (report.elements_alone, report.filled_anew)
            };
            assert_eq!(clients(&mut enforcer, &[1, 2]), (false, true));
            assert_eq!(clients(&mut enforcer, &[1, 2, 3]), (true, false));
            assert_eq!(clients(&mut enforcer, &[2]), (true, false));
            assert_eq!(clients(&mut enforcer, &[2]), (true, false));
            // Somebody takes an element out, which then cannot go.
            let mut names = enforcer.applied().unwrap().sets.keys();
            let set = names.find(|name| name.starts_with("pods4")).unwrap();
            let words = ["delete", "element", "ip", "palisade", set, "{ 10.1.0.2 }"];
            nft(&lab, nodes[0], &words, "");
            assert_eq!(clients(&mut enforcer, &[4]), (false, true));
            assert_eq!(clients(&mut enforcer, &[]), (true, false));
            enforcer.distrust();
            assert_eq!(clients(&mut enforcer, &[1]), (false, true));
            assert_eq!(clients(&mut enforcer, &[3]), (true, false));
        },
    );
}

/// Whatever is there too much or too little, in either table, is noticed; what others do in theirs is not.
#[test]
fn names_that_somebody_changed_are_noticed() {
    with_rights("refusal::names_that_somebody_changed_are_noticed", || {
        let (lab, nodes) = bare_nodes(1);
        let open = || Enforcer::new(Settings::default());
        let mut enforcer = lab.inside(nodes[0], open).unwrap().unwrap();
        let node = Node {
            addresses: vec!["192.168.0.1".parse().unwrap()],
            pod_networks: Vec::new(),
        };
        enforcer.enforce(&world(3), &node).unwrap();
        for _ in 0..2 {
            assert!(enforcer.is_intact());
        }
        let mut change = |verb: &str, what: &str, intact: bool| {
            let words: Vec<&str> = [verb].into_iter().chain(what.split(' ')).collect();
            nft(&lab, nodes[0], &words, "");
            for _ in 0..2 {
                assert_eq!(enforcer.is_intact(), intact, "{verb} {what}");
            }
        };
        for family in ["ip", "ip6"] {
            for what in ["chain", "set"] {
                let form = if what == "set" { " { type mark; }" } else { "" };
                let name = format!("{what} {family} palisade other");
                change("add", &format!("{name}{form}"), false);
                change("delete", &name, true);
            }
            let other = format!("table {family} other");
            change("add", &other, true);
            change("add", &format!("chain {family} other forward4"), true);
            change("delete", &other, true);
        }
        change("delete", "table ip6 palisade", false);
        enforcer.distrust();
        assert!(enforcer.enforce(&world(3), &node).unwrap().filled_anew);
        assert!(enforcer.is_intact());
    });
}

#[test]
fn a_question_to_the_kernel_changes_nothing() {
    with_rights("refusal::a_question_to_the_kernel_changes_nothing", || {
        let (lab, nodes) = bare_nodes(1);
        let kernel = lab
            .inside(nodes[0], || Kernel::open("palisade"))
            .unwrap()
            .unwrap();
        let of = |command| Operation::new(Family::V6, command);
        let good = [of(Command::AddTable)];
        assert_eq!(kernel.check(&good), Ok(()));
        assert!(
            kernel
                .check(&[of(Command::AddTable), of(Command::FlushChain("nowhere"))])
                .is_err()
        );
        assert!(kernel.check(&[of(Command::DeleteSet("nothing"))]).is_err());
        let all = || nft(&lab, nodes[0], &["list", "tables"], "");
        assert_eq!(all(), "");
        kernel.commit(&good).unwrap();
        assert_eq!(kernel.check(&[of(Command::DeleteTable)]), Ok(()));
        assert!(all().contains("palisade"));
        kernel.remove().unwrap();
        assert_eq!(all(), "");
    });
}
