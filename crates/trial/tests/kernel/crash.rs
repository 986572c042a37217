//! An agent that is killed leaves what it enforced in force, and the next one goes on from there.

use crate::small::{floods, one_node, small, variant};
use crate::support::{random, tables, with_rights};
use palisade_agent::Enforcer;
use palisade_netlab::{Expected, Flood, Lab};
use palisade_netmodel::World;
use palisade_nftables::{Node, Settings};
use palisade_trial::Trial;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Agents that are killed in a run.
const KILLS: usize = 100;
/// Says in a child that it is the agent, and what the addresses of its pods are.
const CHILD: &str = "PALISADE_TEST_AGENT";

/// What a child says once its first policy set is in force.
const IN_FORCE: &str = "in force";

#[test]
fn a_killed_agent_leaves_nothing_open() {
    if let Ok(addresses) = std::env::var(CHILD) {
        enforce_for_ever(&addresses);
    }
    with_rights("crash::a_killed_agent_leaves_nothing_open", || {
        let base = small();
        let mut trial = one_node(&base);
        trial.enforce(&base).unwrap();
        let located = trial.located(&base, None).unwrap();
        let node = trial.node(trial.nodes[0]).unwrap();
        let said = written(&located, &node);
        let floods: Vec<Flood> = floods(&trial);
        let mut delays = random((proptest::bool::ANY, 0..60_u64));
        let ((), counts) = trial
            .lab
            .flood(&floods, || {
                for _ in 0..KILLS {
                    let (working, delay) = delays.next().unwrap();
                    killed_after(&trial.lab, &said, working, Duration::from_millis(delay));
                }
            })
            .unwrap();
        for (flood, count) in floods.iter().zip(&counts) {
            assert!(count.sent > 10_000, "{count:?}");
            match flood.expected {
                Expected::Silence => assert_eq!(count.delivered, 0, "leaked: {count:?}"),
                Expected::Arrival => assert_eq!(count.lost, 0, "lost: {count:?}"),
            }
        }
        // The next agent takes over, and leaves the table that one without a past would make.
        let mut next = trial
            .lab
            .inside(trial.nodes[0], || Enforcer::new(Settings::default()))
            .unwrap()
            .unwrap();
        assert!(next.enforce(&located, &node).unwrap().filled_anew);
        let list = |trial: &Trial| {
            let text = tables(&trial.lab, trial.nodes[0]);
            let mut lines: Vec<String> = text.lines().map(|l| l.trim().to_owned()).collect();
            lines.retain(|line| !line.starts_with("counter"));
            lines.sort();
            lines
        };
        let mut fresh = one_node(&base);
        fresh.enforce(&base).unwrap();
        assert_eq!(list(&trial), list(&fresh));
    });
}

/// Starts an agent inside of the node, and kills it: while it goes from one policy set to the next, or earlier,
/// while it takes over what another one left.
fn killed_after(lab: &Lab, addresses: &str, working: bool, delay: Duration) {
    let node = lab.nodes().map(|(id, _)| id).next().unwrap();
    let own = std::env::current_exe().unwrap();
    let mut child = lab
        .inside(node, || {
            Command::new(own)
                .args([
                    "crash::a_killed_agent_leaves_nothing_open",
                    "--exact",
                    "--nocapture",
                ])
                .env(CHILD, addresses)
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
        })
        .unwrap()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if working {
        assert!(
            lines.any(|line| line.unwrap() == IN_FORCE),
            "the agent ended"
        );
    }
    sleep(delay);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "it ended by itself: {status}");
}

/// The addresses of the pods and of the node: `;` between ends, `,` between addresses.
fn written(world: &World, node: &Node) -> String {
    let words = |addresses: &[IpAddr]| {
        let words: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        words.join(",")
    };
    let pods = world.pods.iter().map(|p| words(&p.addresses.known));
    let all: Vec<String> = pods.chain([words(&node.addresses)]).collect();
    all.join(";")
}

/// Goes from one variant to the next until it is killed.
fn enforce_for_ever(addresses: &str) -> ! {
    let read = |text: &str| {
        text.split(',')
            .map(|a| a.parse::<IpAddr>().unwrap())
            .collect::<Vec<_>>()
    };
    let mut ends: Vec<Vec<IpAddr>> = addresses.split(';').map(read).collect();
    let node = Node {
        addresses: ends.pop().unwrap(),
        pod_networks: Vec::new(),
    };
    let mut base = small();
    base.profile.ip_block_matches_pods = true;
    for (pod, known) in base.pods.iter_mut().zip(ends) {
        pod.addresses = known.into();
        pod.node_addresses = node.addresses.iter().copied().into();
    }
    let mut enforcer = Enforcer::new(Settings::default()).unwrap();
    for number in 0_usize.. {
        enforcer
            .enforce(&variant(&base, number * 7 % 16), &node)
            .unwrap();
        if number == 0 {
            println!("\n{IN_FORCE}");
        }
    }
    panic!("numbers do not end")
}
