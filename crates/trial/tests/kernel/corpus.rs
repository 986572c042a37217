//! The cases of cyclonus and the scenarios of `specs/`, with real packets.

use crate::support::with_rights;
use palisade_netlab::{Outcome as Seen, Probe};
use palisade_netmodel::{Endpoint, Flow, Outcome, World};
use palisade_testkit::cyclonus::{self, Step};
use palisade_testkit::specs;
use palisade_trial::{Asked, Options, Trial, addresses_that_matter, without_mesh};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

/// Networks at a time.
const AT_ONCE: usize = 4;

#[test]
fn every_verdict_of_cyclonus_with_packets() {
    with_rights("corpus::every_verdict_of_cyclonus_with_packets", || {
        let cases = cyclonus::cases(&cases()).unwrap();
        assert_eq!(cases.len(), cyclonus::CASES);
        let waiting = Mutex::new(cases.iter());
        let totals = Mutex::new((0, 0));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let mut networks = BTreeMap::new();
                    let next = || waiting.lock().unwrap().next();
                    while let Some(case) = next() {
                        for step in case {
                            let (v4, v6) = packets(&mut networks, step);
                            let mut totals = totals.lock().unwrap();
                            totals.0 += v4;
                            totals.1 += v6;
                        }
                    }
                });
            }
        });
        let (v4, v6) = totals.into_inner().unwrap();
        println!("cyclonus: {v4} verdicts over IPv4, {v6} over IPv6");
        assert_eq!(v4, cyclonus::VERDICTS);
        assert!(v6 > 30_000);
    });
}

/// The cases, in the addresses of a lab: pods have 10.0.0.2 and so on there, and 192.168.1.1 and so on here, and no
/// block tells these apart.
fn cases() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testkit/conformance/cyclonus/cases.ndjson.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    for line in text.lines() {
        // The one address that a block would tell apart has no block beside it.
        assert!(!line.contains("\"192.168.1.200\"") || !line.contains("cidr"));
    }
    text.replace("192.168.1.", "10.0.0.")
}

/// The verdicts of a step over both versions of IP. A network is kept for the next step with the same pods.
fn packets(networks: &mut BTreeMap<Vec<String>, Trial>, step: &Step) -> (usize, usize) {
    let pods: Vec<String> = step
        .world
        .pods
        .iter()
        .map(|p| p.object().to_string())
        .collect();
    let trial = networks.entry(pods).or_insert_with(|| {
        let options = Options {
            nodes: 1,
            ..Options::default()
        };
        let trial = Trial::build(&step.world, &options).unwrap();
        let questions: Vec<Asked> = step
            .rows
            .iter()
            .map(|(flow, _)| Asked {
                flow: *flow,
                v6: false,
            })
            .collect();
        trial.serve(&questions).unwrap();
        trial
    });
    trial.enforce(&step.world).unwrap();
    // Blocks are about IPv4 alone there.
    let blocks = format!("{:?}", step.world.network_policies).contains("Block");
    let families: &[bool] = if blocks { &[false] } else { &[false, true] };
    let mut counts = [0, 0];
    for v6 in families {
        let probes: Vec<Probe> = step
            .rows
            .iter()
            .map(|(flow, _)| probe(trial, flow, *v6))
            .collect();
        let answers = trial.lab.probe(&probes).unwrap();
        for ((flow, expected), seen) in step.rows.iter().zip(answers) {
            let passed = seen.outcome == Seen::Passed;
            let place = &step.place;
            assert_ne!(seen.outcome, Seen::Error, "{place}: {flow:?}: {seen}");
            assert_eq!(
                passed,
                *expected == Outcome::Allow,
                "{place}: {flow:?}, IPv6 {v6}: {seen}"
            );
        }
        counts[usize::from(*v6)] = step.rows.len();
    }
    (counts[0], counts[1])
}

fn probe(trial: &Trial, flow: &Flow, v6: bool) -> Probe {
    let host = |end: Endpoint| trial.host(end).unwrap();
    let to = trial.lab.host(host(flow.destination)).unwrap();
    Probe {
        from: host(flow.source),
        to: SocketAddr::new(if v6 { to.v6 } else { to.v4 }, flow.port),
        protocol: flow.protocol,
    }
}

/// The folders of `specs/` that are about packets.
const FOLDERS: [&str; 5] = [
    "admin-network-policy",
    "cluster-network-policy",
    "kubernetes-e2e",
    "network-policy",
    "recipes",
];

/// The reference answers each page as it says (`testkit`); here the kernel answers as the reference does, on the
/// page's objects at the addresses of a lab.
#[test]
fn every_scenario_with_packets() {
    with_rights("corpus::every_scenario_with_packets", || {
        let scenarios: Vec<(String, World)> = FOLDERS.into_iter().flat_map(scenarios).collect();
        let waiting = Mutex::new(scenarios.iter());
        let totals = Mutex::new((0, 0, 0));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let next = || waiting.lock().unwrap().next();
                    while let Some((place, world)) = next() {
                        let (agree, refused, open) = scenario(place, world);
                        let mut totals = totals.lock().unwrap();
                        totals.0 += agree;
                        totals.1 += refused;
                        totals.2 += open;
                    }
                });
            }
        });
        let (agree, refused, open) = totals.into_inner().unwrap();
        let count = scenarios.len();
        println!(
            "{count} scenarios: {agree} answers agree, {refused} refuse, {open} are left open"
        );
        assert!(
            count > 100 && agree > 10_000 && refused > 2_000,
            "too little was compared"
        );
    });
}

fn scenarios(folder: &str) -> Vec<(String, World)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../specs")
        .join(folder);
    let mut found = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let page = specs::parse(&name, &std::fs::read_to_string(&file).unwrap());
        for scenario in &page.scenarios {
            let place = format!("{folder}/{name}:{}: {}", scenario.line, scenario.heading);
            found.extend(specs::world_of(scenario).map(|world| (place, without_mesh(&world))));
        }
    }
    found
}

/// How many answers agree, refuse, and are left open.
fn scenario(place: &str, world: &World) -> (usize, usize, usize) {
    let options = Options {
        outside: addresses_that_matter(world),
        ..Options::default()
    };
    let mut trial = Trial::build(world, &options).unwrap_or_else(|e| panic!("{place}: {e}"));
    let questions = trial.questions_that_matter(world);
    trial.serve(&questions).unwrap();
    trial.enforce(world).unwrap();
    let table = trial.compare(world, &questions).unwrap();
    if let Some(wrong) = table.disagreements().next() {
        panic!(
            "{place}: {:?}: expected {:?}, {}",
            wrong.asked, wrong.expected, wrong.seen
        );
    }
    let refuse =
        |a: &&palisade_trial::Answered| a.agree == Some(true) && a.expected == Outcome::Deny;
    let (agree, _, open) = table.counts();
    (agree, table.0.iter().filter(refuse).count(), open)
}
