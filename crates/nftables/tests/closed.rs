//! What cannot be told or programmed is refused, never let pass, and it is said.

use palisade_netmodel::{
    AddressSet, AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminRule, Direction, Labels,
    NamespaceMatch, NamespacedPods, NetworkPolicy, ObjectRef, Origin, Peer, Phase, Pod, PortSet,
    Protocol, Proxy, Rule, Selector, Template, Tier, Workload, World,
};
use palisade_nftables::{Built, Judgement, Node, Packet, Refused, Settings, build};
use std::net::IpAddr;
use std::sync::Arc;

const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 0, 1));

fn address(low: u8) -> IpAddr {
    [10, 0, 0, low].into()
}

/// `web` with 10.0.0.1, and clients with the addresses after it, all on the node.
fn world() -> World {
    let mut world = World::default();
    world.ensure_namespace("shop");
    for (low, app) in [(1, "web"), (2, "client"), (3, "client")] {
        world.pods.push(pod(app, low));
    }
    world
}

fn pod(app: &str, low: u8) -> Pod {
    Pod {
        origin: Origin::default(),
        name: format!("{app}-{low}"),
        phase: Phase::Live,
        addresses: AddressSet::from([address(low)]),
        node_addresses: AddressSet::from([NODE]),
        template: Arc::new(Template {
            namespace: "shop".to_owned(),
            workload: Workload {
                kind: "Pod".to_owned(),
                name: app.to_owned(),
            },
            labels: Labels::from_iter([("app", app)]),
            service_account: "default".to_owned(),
            named_ports: Vec::new(),
            container_ports: PortSet::empty(),
            host_network: false,
            host_group: false,
            proxy: Proxy::None {
                reason: "no mesh".to_owned(),
            },
        }),
    }
}

/// Lets clients in to `web`.
fn clients_only() -> NetworkPolicy {
    let clients = Peer::Pods {
        namespaces: NamespaceMatch::Named("shop".to_owned()),
        pods: Selector::of([("app", "client")]),
    };
    NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("shop", "web"),
        pod_selector: Selector::of([("app", "web")]),
        ingress: Some(vec![Rule {
            origin: Origin::default(),
            peers: Some(vec![clients]),
            ports: None,
        }]),
        egress: None,
    }
}

fn built(world: &World, networks: &[&str], settings: &Settings) -> Built {
    let node = Node {
        addresses: vec![NODE],
        pod_networks: networks.iter().flat_map(|n| n.parse()).collect(),
    };
    build(world, &node, settings)
}

fn judged(built: &Built, source: IpAddr, destination: IpAddr) -> Judgement {
    built.ruleset.judge(&Packet {
        source,
        destination,
        protocol: Protocol::Tcp,
        port: 80,
    })
}

#[test]
fn an_address_that_no_pod_has_is_refused_until_one_has_it() {
    unknown(&["10.0.0.0/24"], [203, 0, 113, 9].into(), address);
    let v6 = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]);
    let outside = "2001:db8:1::9".parse().unwrap();
    unknown(&["2001:db8::/64"], outside, v6);
}

/// With pods' networks of one family, an address outside, and those of pods.
fn unknown(networks: &[&str], outside: IpAddr, address: impl Fn(u8) -> IpAddr) {
    let mut world = world();
    for (pod, low) in world.pods.iter_mut().zip(1..) {
        pod.addresses = AddressSet::from([address(low)]);
    }
    let before = built(&world, networks, &Settings::default());
    for (source, destination) in [
        (address(9), outside),
        (outside, address(9)),
        (address(9), address(2)),
        (address(2), address(9)),
    ] {
        assert_eq!(judged(&before, source, destination), Judgement::Refused);
        // Without the networks, nothing tells it from an address outside.
        let open = built(&world, &[], &Settings::default());
        assert_eq!(judged(&open, source, destination), Judgement::Passes);
    }
    assert_eq!(judged(&before, address(1), address(2)), Judgement::Passes);
    assert_eq!(judged(&before, address(1), outside), Judgement::Passes);
    let mut new = pod("client", 9);
    new.addresses = AddressSet::from([address(9)]);
    world.pods.push(new);
    let after = built(&world, networks, &Settings::default());
    assert_eq!(judged(&after, address(9), outside), Judgement::Passes);
    assert!(before.refused.is_empty() && after.refused.is_empty());
}

#[test]
fn a_pod_beyond_a_limit_is_closed_and_no_other_is() {
    let mut world = world();
    world.network_policies.push(clients_only());
    let whole = built(&world, &[], &Settings::default());
    assert_eq!(judged(&whole, address(2), address(1)), Judgement::Passes);
    let no_elements = Settings {
        most_elements: 1,
        ..Settings::default()
    };
    let no_rules = Settings {
        most_rules: 1,
        ..Settings::default()
    };
    for settings in [no_elements, no_rules] {
        let built = built(&world, &[], &settings);
        assert_eq!(judged(&built, address(2), address(1)), Judgement::Refused);
        assert_eq!(judged(&built, address(2), address(3)), Judgement::Passes);
        assert_eq!(
            judged(&built, address(1), address(2)),
            Judgement::Passes,
            "egress is free"
        );
        let [Refused::Pod(pod, why)] = &built.refused[..] else {
            panic!("{:?}", built.refused);
        };
        assert_eq!(pod.to_string(), "shop/web-1");
        assert!(why.contains("more than the limit of 1"), "{why}");
    }
}

#[test]
fn an_address_of_two_pods_is_closed() {
    let mut world = world();
    world.pods.push(pod("client", 1));
    let built = built(&world, &[], &Settings::default());
    assert_eq!(judged(&built, address(1), address(2)), Judgement::Refused);
    assert_eq!(judged(&built, address(2), address(1)), Judgement::Refused);
    assert_eq!(judged(&built, address(2), address(3)), Judgement::Passes);
    // Whoever comes first in the world, it is told in the same words.
    let told = format!("{:?}", built.refused);
    assert!(told.contains("also that of pod shop/client-1"), "{told}");
    world.pods.reverse();
    let again = crate::built(&world, &[], &Settings::default());
    assert_eq!(
        (again.refused, again.ruleset),
        (built.refused, built.ruleset)
    );
}

#[test]
fn a_rule_that_cannot_be_enforced_is_told() {
    let mut world = world();
    let rule = |action, peers| AdminRule {
        origin: Origin::default(),
        name: String::new(),
        action,
        peers,
        ports: None,
    };
    world.admin_policies.push(AdminPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("", "names"),
        kind: AdminKind::ClusterNetworkPolicy,
        tier: Tier::Admin,
        priority: 1,
        subject: NamespacedPods::default(),
        ingress: Vec::new(),
        egress: vec![
            rule(
                AdminAction::Accept,
                vec![AdminPeer::DomainNames(vec!["example.com".to_owned()])],
            ),
            rule(AdminAction::Pass, vec![AdminPeer::Unknown]),
        ],
    });
    let built = built(&world, &[], &Settings::default());
    let outside = IpAddr::from([203, 0, 113, 9]);
    assert_eq!(judged(&built, address(1), outside), Judgement::Refused);
    let told: Vec<String> = built
        .refused
        .iter()
        .map(|r| match r {
            Refused::Rule(subject, why) => format!("{subject}: {why}"),
            Refused::Pod(pod, why) => format!("{pod}: {why}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            format!(
                "ClusterNetworkPolicy names: {} rule 1 names domains, whose addresses are not known: \
                 they are not accepted",
                Direction::Egress
            ),
            "ClusterNetworkPolicy names: egress rule 2 has a peer of an unknown kind: it fails closed"
                .to_owned(),
        ]
    );
}
