//! A pod and its own node reach each other whatever policies say; other nodes are peers like others.

use crate::small::small;
use crate::support::with_rights;
use palisade_netlab::{HostId, Layout, Outcome as Seen, Probe};
use palisade_netmodel::{
    Endpoint, Flow, NetworkPolicy, ObjectRef, Origin, Outcome, PodId, Protocol, Selector, reference,
};
use palisade_trial::{Options, Trial};
use std::net::SocketAddr;

const PORT: u16 = 80;

#[test]
fn a_closed_pod_and_its_own_node_reach_each_other() {
    with_rights(
        "own_node::a_closed_pod_and_its_own_node_reach_each_other",
        || {
            for layout in [Layout::Routed, Layout::Bridged] {
                one_layout(layout);
            }
        },
    );
}

fn one_layout(layout: Layout) {
    let mut world = small();
    world.network_policies = vec![NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("lab", "closed"),
        pod_selector: Selector::default(),
        ingress: Some(Vec::new()),
        egress: Some(Vec::new()),
    }];
    let options = Options {
        layout,
        ..Options::default()
    };
    let mut trial = Trial::build(&world, &options).unwrap();
    let (pod, id) = (trial.lab.find("pod-0").unwrap(), Endpoint::Pod(PodId(0)));
    let own = trial.lab.host(pod).unwrap().node.unwrap();
    let other = trial.nodes.iter().copied().find(|n| *n != own).unwrap();
    let all = [pod, own, other];
    let doors = all.map(|host| Protocol::ALL.map(|p| (host, p, PORT)));
    trial.lab.serve(doors.concat()).unwrap();
    trial.enforce(&world).unwrap();
    let located = trial.located(&world, None).unwrap();
    let address = |host: HostId, family: usize| trial.lab.host(host).unwrap().addresses()[family];
    let (mut probes, mut asked) = (Vec::new(), Vec::new());
    for family in [0, 1] {
        for (node, expected) in [(own, Outcome::Allow), (other, Outcome::Deny)] {
            let end = Endpoint::Address(address(node, family));
            for (from, to, source, destination) in [(node, pod, end, id), (pod, node, id, end)] {
                let to = SocketAddr::new(address(to, family), PORT);
                probes.extend(Protocol::ALL.map(|protocol| Probe { from, to, protocol }));
                asked.extend(Protocol::ALL.map(|protocol| {
                    let flow = Flow {
                        source,
                        destination,
                        protocol,
                        port: PORT,
                    };
                    (flow, expected)
                }));
            }
        }
    }
    let answers = trial.lab.probe(&probes).unwrap();
    for ((flow, expected), seen) in asked.into_iter().zip(answers) {
        let said = reference::decide(&located, &flow);
        assert_eq!(said.outcome, expected, "{flow:?}: {said:?}");
        let passed = seen.outcome == Seen::Passed;
        assert_eq!(passed, expected == Outcome::Allow, "{flow:?}: {seen}");
    }
}
