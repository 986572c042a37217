//! A connection ends when its permission goes, and only then, even if the server pushes and the client says nothing.

use crate::small::{one_node, small};
use crate::support::with_rights;
use palisade_netlab::{Stream, StreamState};
use palisade_netmodel::{Protocol, World};
use palisade_trial::Trial;
use std::net::SocketAddr;
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
        let (expected, most) = match (*from, protocol) {
            ("pod-3", _) => (StreamState::Flowing, QUIET),
            (_, Protocol::Tcp) => (StreamState::Reset, MOST),
            _ => (StreamState::Silent, MOST),
        };
        let seen = stream.watch(most, QUIET).unwrap();
        assert_eq!(
            seen.state, expected,
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
    world.pods[2]
        .labels
        .0
        .insert("role".to_owned(), "stranger".to_owned());
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
