//! Nodes, outside hosts, closed ports, rules that reject, and pods that come and go.

use crate::support::{PORT, expect, lab, line, load, pair, serve, with_rights};
use palisade_netlab::{Evidence, Lab, Layout, Outcome, OutsidePlan, Plan, Probe};
use palisade_netmodel::Protocol;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Every host to every other: nodes to pods and back, and an address outside of the cluster.
fn everybody(layout: Layout) {
    let mut plan = Plan::uniform(layout, 2, 2);
    plan.outside.push(OutsidePlan {
        name: "internet".into(),
        v4: Ipv4Addr::new(203, 0, 113, 7),
        v6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7),
    });
    let lab = Lab::build(&plan).expect("the lab is built");
    let hosts: Vec<_> = lab.hosts().map(|(id, _)| id).collect();
    serve(&lab, hosts.clone());
    let mut probes = Vec::new();
    for from in &hosts {
        for to in &hosts {
            probes.extend(pair(&lab, *from, *to));
        }
    }
    assert_eq!(probes.len(), 7 * 7 * 6);
    expect(&lab, &probes, |_| false);
}

#[test]
fn everybody_reaches_everybody_in_a_routed_lab() {
    let name = "places::everybody_reaches_everybody_in_a_routed_lab";
    with_rights(name, || everybody(Layout::Routed));
}

#[test]
fn everybody_reaches_everybody_in_a_bridged_lab() {
    let name = "places::everybody_reaches_everybody_in_a_bridged_lab";
    with_rights(name, || everybody(Layout::Bridged));
}

/// What a probe to one pod's port says, for every protocol and family.
fn outcomes(lab: &Lab, port: u16) -> Vec<(Outcome, Evidence)> {
    let [from, to] = ["pod-0-0", "pod-0-1"].map(|name| lab.find(name).expect("it exists"));
    let mut probes = pair(lab, from, to);
    for probe in &mut probes {
        probe.to.set_port(port);
    }
    let answers = lab.probe(&probes).expect("the probes are sent");
    answers.iter().map(|a| (a.outcome, a.evidence)).collect()
}

#[test]
fn a_closed_port_and_a_rejecting_rule_refuse() {
    with_rights("places::a_closed_port_and_a_rejecting_rule_refuse", || {
        let lab = lab(Layout::Routed, 1, 2);
        let refused = Evidence::System(nix::errno::Errno::ECONNREFUSED as i32);
        let closed = outcomes(&lab, PORT + 1);
        assert_eq!(closed[..4], [(Outcome::Refused, refused); 4]);
        assert_eq!(closed[4..], [(Outcome::Refused, Evidence::Abort); 2]);

        let node = lab.find("node-0").expect("it exists");
        let rules = "table inet test {\nchain f { type filter hook forward priority 0;\n\
                     meta l4proto tcp reject with tcp reset\n\
                     meta l4proto udp reject with icmpx admin-prohibited\n}\n}\n";
        load(&lab, node, rules);
        let rejected = outcomes(&lab, PORT);
        assert_eq!(rejected[..2], [(Outcome::Refused, refused); 2]);
        for (outcome, _) in &rejected[2..4] {
            assert_eq!(*outcome, Outcome::Refused, "{rejected:?}");
        }
    });
}

#[test]
fn a_packet_that_arrives_has_passed_even_if_no_answer_comes() {
    let name = "places::a_packet_that_arrives_has_passed_even_if_no_answer_comes";
    with_rights(name, || {
        let lab = lab(Layout::Routed, 1, 2);
        let node = lab.find("node-0").expect("it exists");
        let rules = "table inet test {\nchain f { type filter hook forward priority 0;\n\
                     ct direction reply drop\n}\n}\n";
        load(&lab, node, rules);
        let said = outcomes(&lab, PORT);
        assert_eq!(said[..2], [(Outcome::Silent, Evidence::Nothing); 2]);
        assert_eq!(said[2..], [(Outcome::Passed, Evidence::Arrived); 4]);
    });
}

#[test]
fn pods_come_and_go() {
    with_rights("places::pods_come_and_go", || {
        let mut lab = lab(Layout::Routed, 2, 2);
        let node = lab.find("node-1").expect("it exists");
        let old = lab.find("pod-1-0").expect("it exists");
        let from = lab.find("pod-0-0").expect("it exists");
        let probes = pair(&lab, from, old);
        let new = lab.add_pod(node, "late").expect("the pod is added");
        assert!(lab.add_pod(node, "late").is_err(), "the name is taken");
        serve(&lab, [new]);
        lab.remove_pod(old).expect("the pod is removed");
        assert!(lab.remove_pod(node).is_err(), "a node is no pod");
        expect(&lab, &pair(&lab, from, new), |_| false);
        let answers = lab.probe(&probes).expect("the probes are sent");
        for (probe, answer) in probes.iter().zip(&answers) {
            assert_ne!(answer.outcome, Outcome::Passed, "{probe:?} {answer}");
        }
    });
}

#[test]
fn what_cannot_be_sent_is_the_labs_error() {
    with_rights("places::what_cannot_be_sent_is_the_labs_error", || {
        let lab = lab(Layout::Routed, 1, 1);
        let probe = |protocol| Probe {
            from: lab.find("node-0").expect("it exists"),
            to: SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 9),
            protocol,
        };
        let probes = Protocol::ALL.map(probe);
        for (probe, answer) in probes.iter().zip(lab.probe(&probes).expect("it runs")) {
            assert_eq!(
                answer.outcome,
                Outcome::Error,
                "{}",
                line(&lab, probe, &answer)
            );
        }
    });
}

#[test]
fn a_port_that_cannot_be_opened_is_not_taken_for_open() {
    let name = "places::a_port_that_cannot_be_opened_is_not_taken_for_open";
    with_rights(name, || {
        let lab = lab(Layout::Routed, 1, 1);
        let pod = lab.find("pod-0-0").expect("it exists");
        let port = (pod, Protocol::Tcp, 9_000);
        let holder = lab.inside(pod, || std::net::TcpListener::bind(("::", 9_000)));
        let holder = holder.expect("it runs").expect("the port is free");
        assert!(lab.serve([port]).is_err());
        drop(holder);
        lab.serve([port]).expect("the port is free again");
        let to = SocketAddr::new(lab.host(pod).expect("it exists").v4, 9_000);
        let from = lab.find("node-0").expect("it exists");
        let probe = Probe {
            from,
            to,
            protocol: Protocol::Tcp,
        };
        let answers = lab.probe(&[probe]).expect("it is sent");
        assert_eq!(answers[0].evidence, Evidence::Named);
    });
}
