//! A small world, changes of it that do not matter to some of its flows, and floods of these.

use palisade_netlab::{Expected, Flood, Flows};
use palisade_netmodel::{
    AddressSet, Labels, NamespaceMatch, NetworkPolicy, ObjectRef, Origin, Peer, Phase, Pod,
    PolicyPort, PortSet, Protocol, Proxy, Rule, Selector, Template, Workload, World,
};
use palisade_trial::{Options, Trial};
use std::net::SocketAddr;
use std::sync::Arc;

/// A server that lets its friends in, a stranger, two friends and two guests, in this order.
pub(crate) fn small() -> World {
    let mut world = World::default();
    world.ensure_namespace("lab");
    let roles = ["server", "stranger", "friend", "friend", "guest", "guest"];
    for (number, role) in roles.into_iter().enumerate() {
        world.pods.push(pod(&format!("{role}-{number}"), role));
    }
    let friends = Peer::Pods {
        namespaces: NamespaceMatch::Named("lab".to_owned()),
        pods: Selector::of([("role", "friend")]),
    };
    world.network_policies.push(NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("lab", "server"),
        pod_selector: Selector::of([("role", "server")]),
        ingress: Some(vec![Rule {
            origin: Origin::default(),
            peers: Some(vec![friends]),
            ports: None,
        }]),
        egress: None,
    });
    world
}

fn pod(name: &str, role: &str) -> Pod {
    let template = Template {
        namespace: "lab".to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: name.to_owned(),
        },
        labels: Labels::from_iter([("role", role)]),
        service_account: "default".to_owned(),
        named_ports: Vec::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: false,
        proxy: Proxy::None {
            reason: "no mesh".to_owned(),
        },
    };
    Pod {
        origin: Origin::default(),
        name: name.to_owned(),
        phase: Phase::Live,
        addresses: AddressSet::default(),
        node_addresses: AddressSet::default(),
        template: Arc::new(template),
    }
}

/// A world on one node.
pub(crate) fn one_node(world: &World) -> Trial {
    let options = Options {
        nodes: 1,
        ..Options::default()
    };
    Trial::build(world, &options).unwrap()
}

/// Refused and accepted floods to the server, over both versions of IP.
pub(crate) fn floods(trial: &Trial) -> Vec<Flood> {
    let host = |name: &str| trial.lab.find(name).unwrap();
    let [v4, v6] = trial.lab.host(host("pod-0")).unwrap().addresses();
    let flood = |from, address, port, expected| Flood {
        from: host(from),
        to: SocketAddr::new(address, port),
        flows: Flows::New,
        expected,
        per_second: None,
    };
    vec![
        flood("pod-1", v4, 9_000, Expected::Silence),
        flood("pod-1", v6, 9_001, Expected::Silence),
        flood("pod-2", v4, 9_002, Expected::Arrival),
        flood("pod-2", v6, 9_003, Expected::Arrival),
    ]
}

/// A change of policies and pods that changes nothing between server, stranger and friend: each bit of the
/// number is one.
pub(crate) fn variant(base: &World, number: usize) -> World {
    let mut world = base.clone();
    let bit = |bit: usize| number >> bit & 1 == 1;
    // Another rule for the server: its chain is another one.
    if bit(0) {
        let guest = Peer::Pods {
            namespaces: NamespaceMatch::Named("lab".to_owned()),
            pods: Selector::of([("role", "guest")]),
        };
        let rule = Rule {
            origin: Origin::default(),
            peers: Some(vec![guest]),
            ports: Some(vec![PolicyPort::Range {
                protocol: Protocol::Tcp,
                first: 80,
                last: 443,
            }]),
        };
        world.network_policies[0]
            .ingress
            .as_mut()
            .unwrap()
            .push(rule);
    }
    // A friend that comes and goes: an element of the set of friends.
    if bit(1) {
        world.pods[3].phase = Phase::Completed;
        world.pods[3].addresses.known.clear();
    }
    // A policy that selects the server, too, and adds nothing.
    if bit(2) {
        let mut policy = world.network_policies[0].clone();
        policy.object.name = "again".to_owned();
        policy.ingress = Some(Vec::new());
        world.network_policies.push(policy);
    }
    // The others are isolated, or not.
    if bit(3) {
        let mut policy = world.network_policies[0].clone();
        policy.object.name = "others".to_owned();
        policy.pod_selector = Selector::of([("role", "guest")]);
        policy.egress = Some(Vec::new());
        world.network_policies.push(policy);
    }
    world
}
