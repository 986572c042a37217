//! Every pair of a lab, without rules and with one that denies a single pair.

use crate::support::{all_pairs, expect, lab, load, of_kind, serve, target, with_rights};
use palisade_netlab::{HostKind, Lab, Layout, Probe};
use palisade_netmodel::Protocol;
use std::process::Command;

/// Thirty pods on two nodes: 870 pairs, three protocols, two families.
fn all_pass(layout: Layout) {
    let lab = lab(layout, 2, 15);
    let probes = all_pairs(&lab);
    assert_eq!(probes.len(), 870 * 6);
    let start = std::time::Instant::now();
    expect(&lab, &probes, |_| false);
    println!("{} probes in {:?}", probes.len(), start.elapsed());
}

#[test]
fn all_pass_in_a_routed_lab() {
    with_rights("pairs::all_pass_in_a_routed_lab", || {
        all_pass(Layout::Routed)
    });
}

#[test]
fn all_pass_in_a_bridged_lab() {
    with_rights("pairs::all_pass_in_a_bridged_lab", || {
        all_pass(Layout::Bridged)
    });
}

/// More pairs on one bridge than the kernel learns neighbours over all namespaces together.
#[test]
fn all_pass_in_a_large_bridged_lab() {
    with_rights("pairs::all_pass_in_a_large_bridged_lab", || {
        let mut lab = lab(Layout::Bridged, 2, 50);
        let tcp = |lab: &Lab| -> Vec<Probe> {
            let all = all_pairs(lab).into_iter();
            all.filter(|probe| probe.protocol == Protocol::Tcp)
                .collect()
        };
        let probes = tcp(&lab);
        assert_eq!(probes.len(), 100 * 99 * 2);
        let start = std::time::Instant::now();
        expect(&lab, &probes, |_| false);
        println!("{} probes in {:?}", probes.len(), start.elapsed());
        // Nobody has learned anything: neither pods nor nodes.
        for host in ["pod-0-0", "pod-1-49", "node-0", "node-1"] {
            let id = lab.find(host).expect("the host exists");
            let namespace = lab.host(id).expect("it exists").namespace();
            let output = namespace
                .command(Command::new("ip").args(["neigh", "show"]), "")
                .expect("ip runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let learned = |line: &&str| !line.trim_end().ends_with("PERMANENT");
            assert!(said.lines().count() > 50, "{host}: {said}");
            assert_eq!(said.lines().find(learned), None, "{host}");
        }
        // A pod that goes and another that comes.
        let [gone, node] = ["pod-0-7", "node-0"].map(|name| lab.find(name).expect("it exists"));
        lab.remove_pod(gone).expect("it is removed");
        let new = lab.add_pod(node, "new").expect("there is room");
        serve(&lab, [new]);
        let probes: Vec<Probe> = tcp(&lab)
            .into_iter()
            .filter(|probe| probe.from == new || target(&lab, probe) == new)
            .collect();
        assert_eq!(probes.len(), 2 * 99 * 2);
        expect(&lab, &probes, |_| false);
    });
}

/// A pair on one node and a pair on two, denied by hand: those are silent, in that direction, and no other.
fn one_is_denied(layout: Layout) {
    let lab = lab(layout, 2, 3);
    let host = |name| lab.find(name).expect("the host exists");
    let denied = [("pod-0-0", "pod-0-1"), ("pod-0-2", "pod-1-2")].map(|(a, b)| (host(a), host(b)));
    for node in of_kind(&lab, HostKind::Node) {
        let mut rules = String::new();
        for (from, to) in denied {
            let [from4, from6] = lab.host(from).expect("it exists").addresses();
            let [to4, to6] = lab.host(to).expect("it exists").addresses();
            rules += &format!(
                "ip saddr {from4} ip daddr {to4} ct state new drop\n\
                 ip6 saddr {from6} ip6 daddr {to6} ct state new drop\n"
            );
        }
        let script = format!(
            "table inet test {{ chain f {{ type filter hook forward priority 0; policy accept;\n{rules}}}\n}}\n"
        );
        load(&lab, node, &script);
    }
    expect(&lab, &all_pairs(&lab), |probe| {
        denied.contains(&(probe.from, target(&lab, probe)))
    });
}

#[test]
fn only_the_denied_pair_is_silent_in_a_routed_lab() {
    let name = "pairs::only_the_denied_pair_is_silent_in_a_routed_lab";
    with_rights(name, || one_is_denied(Layout::Routed));
}

#[test]
fn only_the_denied_pair_is_silent_in_a_bridged_lab() {
    let name = "pairs::only_the_denied_pair_is_silent_in_a_bridged_lab";
    with_rights(name, || one_is_denied(Layout::Bridged));
}
