//! A connection ends when its permission goes, and only then, even if the server pushes and the client says nothing.

use crate::small::{one_node, small};
use crate::support::{bare_nodes, nft, tables, with_rights};
use palisade_agent::{Conntrack, Enforcer, InForce, Keeper, Log, Revoker, Shared};
use palisade_netlab::{Stream, StreamState};
use palisade_netmodel::{Protocol, World};
use palisade_nftables::Settings;
use palisade_trial::Trial;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Tries of a run.
const TRIES: usize = 20;
/// Tries at a time: each waits most of its time.
const AT_ONCE: usize = 4;
/// How long a stream may go on after its permission is gone, and how long silence must last.
const MOST: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn streams_end_with_their_permission() {
    with_rights("revocation::streams_end_with_their_permission", || {
        thread::scope(|scope| {
            for first in 0..AT_ONCE {
                scope.spawn(move || (first..TRIES).step_by(AT_ONCE).for_each(one_try));
            }
        });
    });
}

fn one_try(number: usize) {
    let base = small();
    let mut trial = trial(&base);
    let [same, fewer, again] =
        [unrelated(&base), without(&base), base].map(|w| trial.located(&w, None).unwrap());
    let node = trial.node(trial.nodes[0]).unwrap();
    let streams = [("pod-2", 0), ("pod-2", 1), ("pod-3", 0)];
    let wanted: Vec<(Protocol, SocketAddr, &str)> = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .flat_map(|p| streams.map(|(from, family)| (p, server(&trial, family), from)))
        .collect();
    let Trial { lab, enforcers, .. } = &mut trial;
    let open = |(protocol, to, from): &(Protocol, SocketAddr, &str)| {
        lab.stream(lab.find(from).unwrap(), *to, *protocol).unwrap()
    };
    let mut open: Vec<Stream<'_>> = wanted.iter().map(open).collect();
    let mut enforce = |world: &World| {
        enforcers[0].enforce(world, &node).unwrap();
        enforcers[0].revoke().unwrap()
    };

    // Something else changes: all go on.
    let revoked = enforce(&same);
    assert_eq!((revoked.revoked, revoked.restored), (0, 0), "{revoked:?}");
    for stream in &mut open {
        let seen = stream.watch(QUIET, QUIET).unwrap();
        assert_eq!(seen.state, StreamState::Flowing, "try {number}: {seen:?}");
    }

    // `pod-2` is no friend any more.
    let revoked = enforce(&fewer);
    assert_eq!(revoked.revoked, 4, "{revoked:?}");
    for (stream, (protocol, _, from)) in open.iter_mut().zip(&wanted) {
        // A client that has nothing more to acknowledge meets silence: the reset goes to who sends.
        let (expected, most): (&[StreamState], _) = match (*from, protocol) {
            ("pod-3", _) => (&[StreamState::Flowing], QUIET),
            (_, Protocol::Tcp) => (&[StreamState::Reset, StreamState::Silent], MOST),
            _ => (&[StreamState::Silent], MOST),
        };
        let seen = stream.watch(most, QUIET).unwrap();
        assert!(
            expected.contains(&seen.state),
            "try {number}, {protocol} from {from}: {seen:?}"
        );
    }

    // It is one again: what was not reset goes on.
    let revoked = enforce(&again);
    assert!(revoked.restored >= 2, "{revoked:?}");
    for (stream, (protocol, ..)) in open.iter_mut().zip(&wanted) {
        if *protocol == Protocol::Udp {
            let seen = stream.watch(QUIET, QUIET).unwrap();
            assert_eq!(seen.state, StreamState::Flowing, "try {number}: {seen:?}");
        }
    }
}

/// Removing the entry of a connection does not end it: the probe would see a revocation that does nothing.
#[test]
fn a_stream_goes_on_without_revocation() {
    with_rights("revocation::a_stream_goes_on_without_revocation", || {
        let base = small();
        let mut trial = trial(&base);
        let fewer = trial.located(&without(&base), None).unwrap();
        let node = trial.node(trial.nodes[0]).unwrap();
        let to = server(&trial, 0);
        let Trial { lab, enforcers, .. } = &mut trial;
        let mut stream = lab
            .stream(lab.find("pod-2").unwrap(), to, Protocol::Tcp)
            .unwrap();
        enforcers[0].enforce(&fewer, &node).unwrap();
        let seen = stream.watch(Duration::from_millis(700), QUIET).unwrap();
        assert_eq!(seen.state, StreamState::Flowing, "{seen:?}");
    });
}

/// A policy set comes into force while connections are still judged by the one before, and that ends then.
#[test]
fn an_update_is_enforced_while_a_revocation_runs() {
    with_rights(
        "revocation::an_update_is_enforced_while_a_revocation_runs",
        || {
            let (lab, nodes) = bare_nodes(1);
            let open = || Enforcer::new(Settings::default());
            let enforcer = lab.inside(nodes[0], open).unwrap().unwrap();
            let (begun, begins) = channel();
            let (release, released) = channel::<()>();
            let revoker = Revoker::with(move |order, holds| {
                let rules = order.ruleset.to_string();
                begun.send((rules, holds())).unwrap();
                let _ = released.recv();
                begun.send((String::new(), holds())).unwrap();
            })
            .unwrap();
            let log = Arc::new(Log::new(Box::new(std::io::sink())));
            let (status, in_force) = (Shared::default(), InForce::default());
            let name = "here".to_owned();
            let ending = revoker.clone();
            let mut keeper = Keeper::new(enforcer, name, status, log, in_force, revoker);
            let mut enforce = |port: u16| {
                keeper.texts.put("all", Ok(manifests(port)));
                keeper.turn();
                assert!(!keeper.is_held());
                let table = tables(&lab, nodes[0]);
                assert!(table.contains(&format!("tcp dport {port} ")), "{table}");
            };
            let next = || begins.recv_timeout(Duration::from_secs(30)).unwrap();
            enforce(81);
            let (rules, holds) = next();
            assert!(rules.contains("tcp dport 81 ") && holds);
            // The job sits there. Two more come into force; only the last of them is judged by.
            enforce(82);
            enforce(83);
            release.send(()).unwrap();
            assert_eq!(next(), (String::new(), false));
            let (rules, holds) = next();
            assert!(rules.contains("tcp dport 83 ") && holds);
            release.send(()).unwrap();
            assert_eq!(next(), (String::new(), true));
            ending.end();
        },
    );
}

/// A policy set that the kernel refuses is not in force, so connections are still judged by the one that is: whether
/// that is being done already, or waits for its turn.
#[test]
fn a_refused_policy_set_stops_no_revocation() {
    with_rights(
        "revocation::a_refused_policy_set_stops_no_revocation",
        || {
            let (lab, nodes) = bare_nodes(1);
            let open = || Enforcer::new(Settings::default());
            let enforcer = lab.inside(nodes[0], open).unwrap().unwrap();
            let (begun, begins) = channel();
            let (release, released) = channel::<()>();
            let revoker = Revoker::with(move |order, holds| {
                begun.send((order.ruleset.to_string(), holds())).unwrap();
                let _ = released.recv();
                begun.send((String::new(), holds())).unwrap();
            })
            .unwrap();
            let log = Arc::new(Log::new(Box::new(std::io::sink())));
            let ending = revoker.clone();
            let mut keeper = Keeper::new(
                enforcer,
                "here".to_owned(),
                Shared::default(),
                log,
                InForce::default(),
                revoker,
            );
            let next = || begins.recv_timeout(Duration::from_secs(30)).unwrap();
            let mut turn = |manifests: String| {
                keeper.texts.put("all", Ok(manifests));
                keeper.turn();
                !keeper.is_held()
            };
            assert!(turn(manifests(81)));
            assert!(next().0.contains("tcp dport 81 "));
            assert!(turn(manifests(82)));
            // The set of known pods has a name of its own, and somebody took it for something else.
            let name = ["ip", "palisade", "known4"];
            let add = [&["add", "set"], &name[..], &["{ type inet_service; }"]].concat();
            nft(&lab, nodes[0], &add, "");
            let networks = "spec: {podCIDRs: [10.0.0.0/24]}\nstatus: {addresses";
            let refused = |port| manifests(port).replace("status: {addresses", networks);
            assert!(!turn(refused(83)));
            release.send(()).unwrap();
            assert_eq!(next(), (String::new(), false));
            let (rules, holds) = next();
            assert!(rules.contains("tcp dport 82 ") && holds, "{rules}");
            assert!(!turn(refused(84)));
            release.send(()).unwrap();
            assert_eq!(next(), (String::new(), true));
            nft(
                &lab,
                nodes[0],
                &[&["delete", "set"], &name[..]].concat(),
                "",
            );
            assert!(turn(refused(85)));
            let (rules, holds) = next();
            assert!(rules.contains("tcp dport 85 ") && holds, "{rules}");
            release.send(()).unwrap();
            assert_eq!(next(), (String::new(), true));
            // What packets of this node do not notice is no reason to judge its connections anew.
            let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: other}}\n";
            assert!(turn(refused(85) + namespace));
            let asked = begins.recv_timeout(Duration::from_millis(300));
            assert!(asked.is_err(), "{asked:?}");
            ending.end();
        },
    );
}

/// The agent's own way: a stream of the daemon's ends soon after its permission goes.
#[test]
fn the_thread_revokes() {
    with_rights("revocation::the_thread_revokes", || {
        let base = small();
        let mut trial = trial(&base);
        let fewer = trial.located(&without(&base), None).unwrap();
        let node = trial.node(trial.nodes[0]).unwrap();
        let to = server(&trial, 0);
        let conntrack = trial.lab.inside(trial.nodes[0], Conntrack::open);
        let conntrack = conntrack.unwrap().unwrap();
        let status = Shared::default();
        let log = Arc::new(Log::new(Box::new(std::io::sink())));
        let bit = Settings::default().revoked;
        let revoker = Revoker::start(conntrack, bit, status.clone(), log).unwrap();
        let Trial { lab, enforcers, .. } = &mut trial;
        let from = lab.find("pod-2").unwrap();
        let mut stream = lab.stream(from, to, Protocol::Tcp).unwrap();
        let mut enforcer = enforcers.remove(0).revoked_by(revoker.clone());
        enforcer.enforce(&fewer, &node).unwrap();
        let seen = stream.watch(MOST, QUIET).unwrap();
        // A client that has nothing to say, not even that it received something, is not told.
        let ended = [StreamState::Reset, StreamState::Silent];
        assert!(ended.contains(&seen.state), "{seen:?}");
        let end = std::time::Instant::now() + MOST;
        while status.with(|s| s.revoked) != 1 {
            assert!(std::time::Instant::now() < end);
            thread::sleep(Duration::from_millis(5));
        }
        revoker.end();
    });
}

/// A pod of the node `here`, and a policy that lets a port in.
fn manifests(port: u16) -> String {
    format!(
        r"
apiVersion: v1
kind: Node
metadata: {{name: here}}
status: {{addresses: [{{type: InternalIP, address: 192.168.0.1}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop}}
spec: {{containers: [{{name: c}}]}}
status: {{phase: Running, podIPs: [{{ip: 10.0.0.7}}], hostIPs: [{{ip: 192.168.0.1}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec: {{podSelector: {{}}, ingress: [{{ports: [{{port: {port}}}]}}]}}
"
    )
}

const PORT: u16 = 8_080;

fn trial(world: &World) -> Trial {
    let mut trial = one_node(world);
    let host = trial.lab.find("pod-0").unwrap();
    let doors = [Protocol::Tcp, Protocol::Udp].map(|p| (host, p, PORT));
    trial.lab.serve(doors).unwrap();
    trial.enforce(world).unwrap();
    trial
}

fn server(trial: &Trial, family: usize) -> SocketAddr {
    let host = trial.lab.find("pod-0").unwrap();
    SocketAddr::new(trial.lab.host(host).unwrap().addresses()[family], PORT)
}

/// `pod-2` is no friend any more.
fn without(base: &World) -> World {
    let mut world = base.clone();
    world.pods[2].labels.insert("role", "stranger");
    world
}

/// A policy about the guests alone.
fn unrelated(base: &World) -> World {
    let mut world = base.clone();
    let mut policy = world.network_policies[0].clone();
    policy.object.name = "guests".to_owned();
    policy.pod_selector = palisade_netmodel::Selector::of([("role", "guest")]);
    world.network_policies.push(policy);
    world
}
