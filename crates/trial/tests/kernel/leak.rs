//! No packet of a refused flow passes and none of an accepted flow is lost, however often policies change. The
//! control, a table that is replaced in one transaction as other engines do it, must show that the probe would see it.

use crate::support::{nft, small, with_rights};
use palisade_netlab::{Count, Expected, Flood, Flows};
use palisade_netmodel::{Peer, Phase, PolicyPort, Protocol, Rule, World};
use palisade_trial::{Options, Trial};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Updates of a run.
const UPDATES: usize = 10_000;
/// How long the control may take to leak.
const CONTROL: Duration = Duration::from_secs(120);

#[test]
fn nothing_leaks_and_nothing_is_lost() {
    with_rights("leak::nothing_leaks_and_nothing_is_lost", || {
        let base = small();
        let mut trial = trial(&base);
        let variants: Vec<World> = (0..16).map(|number| variant(&base, number)).collect();
        let located: Vec<World> = variants
            .iter()
            .map(|w| trial.located(w, None).unwrap())
            .collect();
        trial.enforce(&base).unwrap();
        let floods = floods(&trial);
        let Trial { lab, enforcers, .. } = &mut trial;
        let node = lab
            .nodes()
            .map(|(_, host)| host.addresses().to_vec())
            .next()
            .unwrap();
        let node = palisade_nftables::Node {
            addresses: node,
            pod_networks: Vec::new(),
        };
        let (anew, counts) = lab
            .flood(&floods, || {
                let mut anew = 0;
                for number in 0..UPDATES {
                    let world = &located[number * 7 % located.len()];
                    let report = enforcers[0].enforce(world, &node).unwrap();
                    assert!(report.refused.is_empty(), "{report:?}");
                    anew += usize::from(report.filled_anew);
                }
                anew
            })
            .unwrap();
        assert_eq!(anew, 0, "tables were filled anew");
        told(&counts, UPDATES);
        for (flood, count) in floods.iter().zip(&counts) {
            assert!(count.sent > 10_000, "{count:?}");
            match flood.expected {
                Expected::Silence => assert_eq!(count.delivered, 0, "leaked: {count:?}"),
                Expected::Arrival => assert_eq!(count.lost, 0, "lost: {count:?}"),
            }
        }
    });
}

/// The probe sees what a replaced table lets through; if it did not, it would be too weak.
#[test]
fn a_replaced_table_leaks() {
    with_rights("leak::a_replaced_table_leaks", || {
        let base = small();
        let mut trial = trial(&base);
        trial.enforce(&base).unwrap();
        let table = trial.enforcers[0].applied().unwrap().to_string();
        let replace = format!("add table inet palisade\ndelete table inet palisade\n{table}");
        let floods = floods(&trial);
        let (begun, node) = (Instant::now(), trial.nodes[0]);
        let mut all = (0, 0);
        while begun.elapsed() < CONTROL && all.0 == 0 {
            let (replaced, counts) = trial
                .lab
                .flood(&floods, || {
                    for _ in 0..200 {
                        nft(&trial.lab, node, &["-f", "-"], &replace);
                    }
                    200
                })
                .unwrap();
            told(&counts, replaced);
            all.0 += counts.iter().take(2).map(|c| c.delivered).sum::<u64>();
            all.1 += counts.iter().skip(2).map(|c| c.lost).sum::<u64>();
        }
        println!("control: {} leaked, {} lost", all.0, all.1);
        assert!(all.0 > 0, "the probe is too weak to see a replaced table");
    });
}

fn told(counts: &[Count], updates: usize) {
    for (number, count) in counts.iter().enumerate() {
        let Count {
            sent,
            delivered,
            lost,
            ..
        } = count;
        println!(
            "{updates} updates, flood {number}: {sent} sent, {delivered} delivered, {lost} lost"
        );
    }
}

fn trial(world: &World) -> Trial {
    let options = Options {
        nodes: 1,
        ..Options::default()
    };
    Trial::build(world, &options).unwrap()
}

/// Refused and accepted floods to the server, over both versions of IP.
fn floods(trial: &Trial) -> Vec<Flood> {
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
fn variant(base: &World, number: usize) -> World {
    let mut world = base.clone();
    let bit = |bit: usize| number >> bit & 1 == 1;
    // Another rule for the server: its chain is another one.
    if bit(0) {
        let guest = Peer::Pods {
            namespaces: palisade_netmodel::NamespaceMatch::Named("lab".to_owned()),
            pods: palisade_netmodel::Selector::of([("role", "guest")]),
        };
        let rule = Rule {
            origin: palisade_netmodel::Origin::default(),
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
        policy.pod_selector = palisade_netmodel::Selector::of([("role", "guest")]);
        policy.egress = Some(Vec::new());
        world.network_policies.push(policy);
    }
    world
}
