//! Floods: exact counts while nothing changes, and a gap between two rulesets that they must see.

use crate::support::{lab, load, with_rights};
use palisade_netlab::{Count, Expected, Flood, Flows, HostId, Lab, Layout};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

/// Denied and allowed floods over both families: from `pod-0-0` to `pod-0-1` nothing may pass, from `pod-0-2` all.
fn floods(lab: &Lab) -> Vec<Flood> {
    let host = |name| lab.find(name).expect("it exists");
    let to = lab.host(host("pod-0-1")).expect("it exists").addresses();
    let flood = |from, family: usize, port, expected| Flood {
        from,
        to: SocketAddr::new(to[family], port),
        flows: Flows::New,
        expected,
        per_second: Some(20_000),
    };
    let (denied, allowed) = (host("pod-0-0"), host("pod-0-2"));
    vec![
        flood(denied, 0, 9_000, Expected::Silence),
        flood(denied, 1, 9_001, Expected::Silence),
        flood(allowed, 0, 9_002, Expected::Arrival),
        flood(allowed, 1, 9_003, Expected::Arrival),
    ]
}

fn rules(lab: &Lab, denied: HostId) -> String {
    let [v4, v6] = lab.host(denied).expect("it exists").addresses();
    format!(
        "table inet test {{\nchain f {{ type filter hook forward priority 0;\n\
         ct state established accept\nip saddr {v4} drop\nip6 saddr {v6} drop\n}}\n}}\n"
    )
}

#[test]
fn counts_are_exact_while_nothing_changes() {
    with_rights("floods::counts_are_exact_while_nothing_changes", || {
        let lab = lab(Layout::Routed, 1, 3);
        let [node, denied] = ["node-0", "pod-0-0"].map(|name| lab.find(name).expect("it exists"));
        load(&lab, node, &rules(&lab, denied));
        let run = lab.flood(&floods(&lab), || sleep(Duration::from_millis(400)));
        let ((), counts) = run.expect("it floods");
        for (number, count) in counts.iter().enumerate() {
            let Count {
                sent,
                delivered,
                lost,
                ..
            } = *count;
            assert!(sent > 1_000, "{number}: {count:?}");
            let expected = if number < 2 { (0, sent) } else { (sent, 0) };
            assert_eq!((delivered, lost), expected, "{number}: {count:?}");
        }
    });
}

#[test]
fn a_ruleset_that_is_away_for_a_moment_is_seen() {
    let name = "floods::a_ruleset_that_is_away_for_a_moment_is_seen";
    with_rights(name, || {
        let lab = lab(Layout::Routed, 1, 3);
        let [node, denied] = ["node-0", "pod-0-0"].map(|name| lab.find(name).expect("it exists"));
        let rules = rules(&lab, denied);
        load(&lab, node, &rules);
        let run = lab.flood(&floods(&lab), || {
            for _ in 0..10 {
                load(&lab, node, "delete table inet test\n");
                load(&lab, node, &rules);
            }
        });
        let ((), counts) = run.expect("it floods");
        for count in &counts[..2] {
            assert!(count.delivered > 0, "{count:?}");
            assert!(!count.first.is_empty(), "{count:?}");
        }
    });
}

#[test]
fn one_flow_and_floods_to_nobody() {
    with_rights("floods::one_flow_and_floods_to_nobody", || {
        let lab = lab(Layout::Routed, 1, 3);
        let mut flood = floods(&lab)[2];
        flood.flows = Flows::One;
        let run = lab.flood(&[flood], || sleep(Duration::from_millis(100)));
        let (_, counts) = run.expect("it floods");
        assert!(counts[0].sent > 100 && counts[0].lost == 0, "{counts:?}");
        flood.to = "192.0.2.1:9".parse().expect("an address");
        assert!(lab.flood(&[flood], || ()).is_err());
    });
}
