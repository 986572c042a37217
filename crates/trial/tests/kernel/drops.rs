//! A refused packet becomes a line that names who refuses it, and nothing else becomes one.

use crate::small::{floods, small};
use crate::support::with_rights;
use palisade_agent::{Drops, InForce, Log, Shared};
use palisade_netlab::{Expected, Patience, Probe};
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, NamespacedPods,
    NetworkPolicy, ObjectRef, Origin, Protocol, Selector, Tier, World,
};
use palisade_nftables::Settings;
use palisade_trial::{Options, Trial};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GROUP: u16 = 2711;
/// A name that no API server takes.
const HOSTILE: &str = "also\n{\"event\":\"drop\"}\u{1b}[2J\u{202e}日\"";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// What was written since the last time, each line by itself.
    fn take(&self) -> Vec<Value> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        assert!(
            text.bytes()
                .all(|b| b == b'\n' || (0x20..0x7f).contains(&b)),
            "{text:?}"
        );
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }
}

/// Two policies isolate the server, one the guests in the other direction; an administrator denies a port of friends.
fn world() -> World {
    let mut world = small();
    let policy = |name: &str, role: &str, ingress, egress| NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("lab", name),
        pod_selector: Selector::of([("role", role)]),
        ingress,
        egress,
    };
    let nothing = || Some(Vec::new());
    world.network_policies.extend([
        policy(HOSTILE, "server", nothing(), None),
        policy("guests", "guest", None, nothing()),
        policy("unrelated", "friend", None, Some(vec![anything()])),
    ]);
    world.admin_policies = vec![admin("first", 8), admin("second", 9)];
    world
}

fn anything() -> palisade_netmodel::Rule {
    palisade_netmodel::Rule {
        origin: Origin::default(),
        peers: None,
        ports: None,
    }
}

/// Accepts a port of friends, and denies the next one.
fn admin(name: &str, port: u16) -> AdminPolicy {
    let friends = NamespacedPods {
        pods: Selector::of([("role", "friend")]),
        ..NamespacedPods::default()
    };
    let rule = |action, port| AdminRule {
        origin: Origin::default(),
        name: String::new(),
        action,
        peers: vec![AdminPeer::Pods(NamespacedPods::default())],
        ports: Some(vec![AdminPort::Range {
            protocol: Protocol::Tcp,
            first: port,
            last: port,
        }]),
    };
    AdminPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("", name),
        kind: AdminKind::ClusterNetworkPolicy,
        tier: Tier::Admin,
        priority: port,
        subject: friends,
        ingress: vec![
            rule(AdminAction::Accept, port + 100),
            rule(AdminAction::Deny, port),
        ],
        egress: Vec::new(),
    }
}

struct Heard {
    trial: Trial,
    drops: Drops,
    lines: Lines,
    status: Shared,
}

fn heard(world: &World, rate: u32) -> Heard {
    let options = Options {
        nodes: 1,
        settings: Settings {
            log: Some((GROUP, rate)),
            ..Settings::default()
        },
        ..Options::default()
    };
    let mut trial = Trial::build(world, &options).unwrap();
    let (lines, status, in_force) = (Lines::default(), Shared::default(), InForce::default());
    let log = Arc::new(Log::new(Box::new(lines.clone())));
    let shared = (in_force.clone(), status.clone());
    let open = || Drops::open(GROUP, shared.0, log, shared.1);
    let drops = trial.lab.inside(trial.nodes[0], open).unwrap().unwrap();
    trial.enforce(world).unwrap();
    let located = trial.located(world, None).unwrap();
    in_force.put(Arc::new(located), trial.enforcers[0].denials());
    Heard {
        trial,
        drops,
        lines,
        status,
    }
}

/// A flow, and what its line must say.
struct Case {
    from: usize,
    to: usize,
    protocol: Protocol,
    port: u16,
    direction: &'static str,
    policies: Value,
}

fn cases() -> Vec<Case> {
    let network = |name: &str, direction: &str| {
        json!({"kind": "NetworkPolicy", "namespace": "lab", "name": name,
            "why": format!("isolates for {direction}, and none of its rules admits it")})
    };
    let server = || json!([network("server", "ingress"), network(HOSTILE, "ingress")]);
    let guests = || json!([network("guests", "egress")]);
    let admin = |name: &str| {
        json!([{"kind": "ClusterNetworkPolicy", "name": name,
            "why": "ingress rule 2 denies it"}])
    };
    let case = |(from, to), protocol, port, direction, policies| Case {
        from,
        to,
        protocol,
        port,
        direction,
        policies,
    };
    use Protocol::{Sctp, Tcp, Udp};
    vec![
        case((1, 0), Tcp, 80, "ingress", server()),
        case((1, 0), Udp, 53, "ingress", server()),
        case((1, 0), Sctp, 7, "ingress", server()),
        case((4, 1), Udp, 80, "egress", guests()),
        // Neither end lets it pass: the source is asked first.
        case((5, 0), Tcp, 80, "egress", guests()),
        case((1, 2), Tcp, 8, "ingress", admin("first")),
        case((0, 3), Tcp, 9, "ingress", admin("second")),
    ]
}

#[test]
fn lines_name_the_policies_that_refuse() {
    with_rights("drops::lines_name_the_policies_that_refuse", || {
        let world = world();
        let Heard {
            trial,
            mut drops,
            lines,
            status,
        } = heard(&world, 1_000);
        let host = |pod: usize| trial.lab.find(&format!("pod-{pod}")).unwrap();
        let address = |pod, family: usize| trial.lab.host(host(pod)).unwrap().addresses()[family];
        let end = |pod: usize, family| json!({"address": address(pod, family), "namespace": "lab", "pod": world.pods[pod].name});
        let probe = |from, to, family, protocol, port| Probe {
            from: host(from),
            to: SocketAddr::new(address(to, family), port),
            protocol,
        };
        let (mut probes, mut expected) = (Vec::new(), BTreeSet::new());
        for family in [0, 1] {
            for case in cases() {
                let Case {
                    from,
                    to,
                    protocol,
                    port,
                    ..
                } = case;
                probes.push(probe(from, to, family, protocol, port));
                let line = json!({
                    "source": end(from, family), "destination": end(to, family), "protocol": protocol.to_string(),
                    "port": port, "direction": case.direction, "policies": case.policies,
                });
                expected.insert(line.to_string());
            }
            // What passes is told by nobody.
            probes.push(probe(2, 0, family, Protocol::Udp, 80));
            probes.push(probe(1, 2, family, Protocol::Tcp, 80));
        }
        let patience = Patience(vec![Duration::from_millis(100); 2]);
        trial.lab.probe_with(&probes, &patience).unwrap();
        drops.turn(Duration::from_secs(2)).unwrap();
        drops.turn(Duration::from_millis(300)).unwrap();
        let mut found = BTreeSet::new();
        for mut line in lines.take() {
            let map = line.as_object_mut().unwrap();
            assert_eq!(map.remove("event"), Some(json!("drop")));
            assert_eq!(map.remove("level"), Some(json!("info")));
            assert_eq!(map.remove("packets"), Some(json!(1)));
            let time = map.remove("time").unwrap();
            assert!(time.as_str().unwrap().starts_with("20"), "{time}");
            let rules = map.remove("rules").unwrap();
            let (rules, direction) = (rules.as_str().unwrap(), map["direction"].as_str().unwrap());
            let start = [4, 6].map(|family| format!("deny_{direction}{family}_"));
            assert!(start.iter().any(|s| rules.starts_with(s)), "{rules}");
            // Each flow is one line, though it was tried twice.
            assert!(found.insert(line.to_string()), "twice: {line}");
        }
        assert_eq!(found, expected);
        let told = status.with(|s| s.drops);
        assert!(told.seen > found.len() as u64 && told.lost == 0, "{told:?}");
    });
}

#[test]
fn closed_ends_are_told_and_what_is_lost_is_counted() {
    with_rights(
        "drops::closed_ends_are_told_and_what_is_lost_is_counted",
        || {
            let world = world();
            let Heard {
                mut trial,
                mut drops,
                lines,
                status,
            } = heard(&world, 10_000);
            // Nobody listens during a flood.
            let mut floods = floods(&trial);
            floods.retain(|flood| flood.expected == Expected::Silence);
            let wait = || std::thread::sleep(Duration::from_secs(2));
            let ((), counts) = trial.lab.flood(&floods, wait).unwrap();
            assert!(counts[0].sent > 1_000, "{counts:?}");
            let seen = || status.with(|s| s.drops.seen);
            let mut before = u64::MAX;
            while std::mem::replace(&mut before, seen()) != before {
                drops.turn(Duration::from_secs(1)).unwrap();
            }

            // Two pods have one address.
            let mut located = trial.located(&world, None).unwrap();
            located.pods[5].addresses = located.pods[4].addresses.clone();
            let node = trial.node(trial.nodes[0]).unwrap();
            trial.enforcers[0].enforce(&located, &node).unwrap();
            lines.take();
            let to = trial.lab.host(trial.lab.find("pod-4").unwrap()).unwrap();
            let probes = to.addresses().map(|to| Probe {
                from: trial.lab.find("pod-1").unwrap(),
                to: SocketAddr::new(to, 80),
                protocol: Protocol::Tcp,
            });
            let patience = Patience(vec![Duration::from_millis(100)]);
            trial.lab.probe_with(&probes, &patience).unwrap();
            drops.turn(Duration::from_secs(2)).unwrap();
            drops.turn(Duration::from_millis(300)).unwrap();
            let found = lines.take();
            let found: BTreeSet<&str> = found
                .iter()
                .map(|line| {
                    let why = line["why"].as_str().unwrap();
                    assert!(why.contains("closed"), "{why}");
                    line["destination"]["address"].as_str().unwrap()
                })
                .collect();
            let expected = probes.map(|probe| probe.to.ip().to_string());
            assert_eq!(found, expected.iter().map(String::as_str).collect());
            let told = status.with(|s| s.drops);
            assert!(told.lost > 0 && told.seen > 1_000, "{told:?}");

            // Somebody else hears the group already.
            let again = || {
                let log = Arc::new(Log::new(Box::new(io::sink())));
                Drops::open(GROUP, InForce::default(), log, Shared::default()).map(drop)
            };
            let again = trial.lab.inside(trial.nodes[0], again).unwrap();
            let why = again.unwrap_err().to_string();
            assert!(why.contains("group 2711"), "{why}");
        },
    );
}
