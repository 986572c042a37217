//! Every pair of a lab, without rules and with one that denies a single pair.

use crate::support::{all_pairs, expect, lab, load, of_kind, target, with_rights};
use palisade_netlab::{HostKind, Layout};

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
