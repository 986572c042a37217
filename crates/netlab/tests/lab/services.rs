//! Services by address translation in the nodes.

use crate::support::{PORT, lab, line, load, of_kind, with_rights};
use palisade_netlab::{Answer, HostId, HostKind, Lab, Layout, Outcome, Probe, ServicePort};
use palisade_netmodel::Protocol;
use std::net::{IpAddr, SocketAddr};

/// The port of the virtual address, which no pod has.
const VIRTUAL: u16 = 80;

/// A Service of every protocol before two pods, one on each node.
fn publish(lab: &Lab, backends: [HostId; 2]) -> [IpAddr; 2] {
    let port = |protocol| ServicePort {
        protocol,
        port: VIRTUAL,
        backends: backends.map(|pod| (pod, PORT)).to_vec(),
    };
    let ports = Protocol::ALL.map(port).to_vec();
    lab.publish(&[ports]).expect("the Service is published")[0]
}

fn probes(from: &[HostId], to: [IpAddr; 2], times: usize) -> Vec<Probe> {
    let mut probes = Vec::new();
    for from in from.iter().copied() {
        for address in to {
            for protocol in Protocol::ALL {
                let to = SocketAddr::new(address, VIRTUAL);
                probes.extend(vec![Probe { from, to, protocol }; times]);
            }
        }
    }
    probes
}

fn answers(lab: &Lab, probes: &[Probe]) -> Vec<(Probe, Answer)> {
    let answers = lab.probe(probes).expect("the probes are sent");
    probes.iter().copied().zip(answers).collect()
}

fn a_service(layout: Layout) {
    let lab = lab(layout, 2, 3);
    let host = |name| lab.find(name).expect("the host exists");
    let backends = ["pod-0-1", "pod-1-1"].map(host);
    let address = publish(&lab, backends);
    // Pods of both nodes, and a node itself.
    let callers = ["pod-0-0", "pod-1-0", "node-0"].map(host);
    let mut reached = std::collections::BTreeSet::new();
    for (probe, answer) in answers(&lab, &probes(&callers, address, 16)) {
        let good =
            answer.outcome == Outcome::Passed && answer.by.is_some_and(|by| backends.contains(&by));
        assert!(good, "{}", line(&lab, &probe, &answer));
        reached.insert((probe.to, probe.protocol, answer.by));
    }
    // Both backends for each address and protocol: 48 tries do not all fall on one of them.
    let kinds: std::collections::BTreeSet<_> = reached
        .iter()
        .map(|(to, protocol, _)| (*to, *protocol))
        .collect();
    assert_eq!((kinds.len(), reached.len()), (6, 12), "{reached:?}");

    // A rule about the pod's address and port meets what was sent to the Service.
    let denied = host("pod-0-0");
    let [v4, v6] = lab.host(denied).expect("it exists").addresses();
    for node in of_kind(&lab, HostKind::Node) {
        let rules = format!(
            "table inet test {{\nchain f {{ type filter hook forward priority 0;\n\
             ip saddr {v4} th dport {PORT} ct state new drop\n\
             ip6 saddr {v6} th dport {PORT} ct state new drop\n}}\n}}\n"
        );
        load(&lab, node, &rules);
    }
    for (probe, answer) in answers(&lab, &probes(&callers, address, 1)) {
        let expected = if probe.from == denied {
            Outcome::Silent
        } else {
            Outcome::Passed
        };
        assert_eq!(answer.outcome, expected, "{}", line(&lab, &probe, &answer));
    }
}

#[test]
fn a_service_leads_to_its_pods_in_a_routed_lab() {
    let name = "services::a_service_leads_to_its_pods_in_a_routed_lab";
    with_rights(name, || a_service(Layout::Routed));
}

#[test]
fn a_service_leads_to_its_pods_in_a_bridged_lab() {
    let name = "services::a_service_leads_to_its_pods_in_a_bridged_lab";
    with_rights(name, || a_service(Layout::Bridged));
}
