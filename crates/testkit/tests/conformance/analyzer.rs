//! The cases of netpol-analyzer: the whole relation of a directory, computed by the engine, equals
//! the expected lines in both directions; the reference repeats samples of it.
//!
//! The conventions of that project that are no rule of ours: ends are workloads, addresses are IPv4
//! ranges, pairs without a port have no line, and `ipBlock` means addresses outside only. What it
//! says against the specification is in the list of exceptions: a case is compared as that project
//! sees the world, all lines, and as it is, all lines but the exceptions.

use crate::exceptions::{EXCEPTIONS, kind};
use crate::expected::{End, Lines, parse};
use ipnet::{IpNet, Ipv4Subnets};
use palisade_diagnostics::{Diagnostic, FileId, Severity};
use palisade_netmodel::{AddressSet, Outcome, Pod, PortSet, World, reference};
use palisade_resources::{Input, Options, Role, load};
use palisade_verify::{Behind, DoorKind, EndpointId, Engine, ways_in};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What the README of the cases promises.
const CASES: usize = 52;
/// Pairs of a case that the reference repeats, on a port that passes and on one that does not.
const SAMPLES: usize = 500;

#[test]
fn every_line_of_netpol_analyzer() {
    let home = crate::home().join("netpol-analyzer/cases");
    let mut total = Checked::default();
    let (mut cases, mut lines, mut used) = (0, 0, BTreeSet::new());
    for path in entries(&home) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut expected = parse(&crate::text(&path.join("expected.txt")));
        let (controller, rest) = std::mem::take(&mut expected)
            .into_iter()
            .partition(|((from, _), _): &(_, PortSet)| *from == End::Controller);
        (lines, expected) = (lines + Lines::len(&controller), rest);
        assert_eq!(behind_a_controller(name, &path), controller, "{name}");
        let ours = world(name, &path, "");
        let case = Case {
            name,
            expected: &expected,
        };
        case.check(&as_they_see_it(&ours), &mut |_, _| false, &mut total);
        case.check(
            &ours,
            &mut |source, destination| {
                kind(source, destination).is_some_and(|rows| {
                    used.insert((rows, name.to_owned()));
                    true
                })
            },
            &mut total,
        );
        cases += 1;
        lines += expected.len();
    }
    println!(
        "netpol-analyzer: {cases} cases, {lines} lines; {} flows repeated by the reference",
        total.repeated
    );
    let wrong = total.wrong;
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(cases, CASES);
    let listed = EXCEPTIONS
        .iter()
        .flat_map(|e| e.cases.iter().map(|c| (e.rows, (*c).to_owned())));
    assert_eq!(
        used,
        listed.collect(),
        "the list of exceptions says what differs"
    );
}

/// The paths in a directory, sorted.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = entries(directory).into_iter();
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// What the API server refuses in the manifests of some cases, and what is read instead: names with
/// `_`, an owner without its kind, a misspelt field, ports of a Service without names, the name of a
/// port beside an address.
const REPAIRS: [(&str, &str); 8] = [
    (
        "name: \"allow-egress\"
    to:
    - networks:
      - 104.154.164.170/32
",
        "name: \"allow-egress-networks\"
    to: [{networks: [104.154.164.170/32]}]
    ports:
    - portRange: {protocol: UDP, start: 5000, end: 6000}
    - portNumber: {protocol: TCP, port: 8080}
  - action: \"Allow\"
    name: \"allow-egress\"
    to:
",
    ),
    (
        "use_match_exp_with_all_gap_values_of_app",
        "use-match-exp-with-all-gap-values-of-app",
    ),
    (
        "use_common_labels_same_values",
        "use-common-labels-same-values",
    ),
    (
        "- name: internal-security\n      controller",
        "- name: internal-security\n      kind: Pod\n      controller",
    ),
    ("containerport: 3535", "containerPort: 3535"),
    (
        "port: 8000\n      targetPort",
        "port: 8000\n      name: a\n      targetPort",
    ),
    (
        "port: 8050\n      targetPort",
        "port: 8050\n      name: b\n      targetPort",
    ),
    (
        "port: 8090\n      targetPort",
        "port: 8090\n      name: c\n      targetPort",
    ),
];

fn repaired(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = REPAIRS
        .iter()
        .fold(text, |text, (wrong, right)| text.replace(wrong, right));
    let (pods, namespaces) = ("podSelector:", "namespaceSelector:");
    match (text.contains(pods), text.contains(namespaces)) {
        _ if !text.contains("AdminNetworkPolicy") => text,
        (true, false) => beside(&text, pods, "namespaceSelector: {}"),
        (false, true) => beside(&text, namespaces, "podSelector: {}"),
        _ => text,
    }
}

/// Pods of administrators' policies need both selectors; where one is left out, it means all.
fn beside(text: &str, written: &str, missing: &str) -> String {
    let lines = text.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == written {
            format!("{}{missing}\n{line}\n", " ".repeat(indent))
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// The world of a case, and `more` objects.
fn world(name: &str, path: &Path, more: &str) -> World {
    let files = files(&path.join("manifests"));
    let read = |file: &PathBuf| repaired(&std::fs::read_to_string(file).unwrap());
    let mut texts: Vec<String> = files.iter().map(read).collect();
    texts.push(more.to_owned());
    let inputs = texts.iter().zip(0..).map(|(text, id)| Input {
        file: FileId(id),
        text: text.into(),
        role: Role::Both,
    });
    let inputs: Vec<Input<'_>> = inputs.collect();
    let loaded = load(&inputs, &Options::default());
    let is_error = |d: &&Diagnostic| d.severity == Severity::Error;
    let errors: Vec<_> = loaded.diagnostics.iter().filter(is_error).collect();
    assert!(
        errors.is_empty() && loaded.left_out.is_empty(),
        "{name}: {errors:?}"
    );
    loaded.world
}

/// What that project calls `{ingress-controller}`: a pod of a namespace of its own, which the outside
/// reaches, and which serves every Ingress and Route.
const CONTROLLER: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: controller
  namespace: ingress-controller
  labels:
    app.kubernetes.io/name: ingress-nginx
    app.kubernetes.io/component: controller
    ingresscontroller.operator.openshift.io/deployment-ingresscontroller: default
spec: {containers: [{name: a}]}
---
apiVersion: v1
kind: Service
metadata: {name: controller, namespace: ingress-controller}
spec: {type: LoadBalancer, selector: {app.kubernetes.io/name: ingress-nginx}, ports: [{port: 80}]}
";

/// The lines from the controller: what passes for certain through Ingresses and Routes. Nothing there
/// is undecided.
fn behind_a_controller(name: &str, path: &Path) -> Lines {
    let world = world(name, path, CONTROLLER);
    let mut lines = Lines::new();
    for way in ways_in(&world).ways {
        let (DoorKind::Route(_), Behind::Pods(pods), Some((protocol, port))) =
            (way.door.kind, &way.to, way.port)
        else {
            continue;
        };
        assert_ne!(way.outcome, Outcome::Depends, "{name}: {way:?}");
        if way.outcome == Outcome::Allow {
            let pod = world.pod(pods[0]).unwrap();
            let ends = (End::Controller, End::Workload(workload(pod)));
            let ports = lines.entry(ends).or_default();
            *ports = ports.union(&PortSet::single(protocol, port));
        }
    }
    lines
}

/// Without what that project does not know: the host network, and nodes.
fn as_they_see_it(world: &World) -> World {
    let mut world = world.clone();
    for pod in &mut world.pods {
        pod.host_network = false;
        pod.node_addresses = AddressSet::default();
    }
    world
}

/// A case and what it expects.
struct Case<'a> {
    name: &'a str,
    expected: &'a Lines,
}

/// What was found.
#[derive(Default)]
struct Checked {
    repeated: usize,
    wrong: Vec<String>,
}

/// An endpoint, and what the lines call it.
struct Named<'w> {
    id: EndpointId,
    end: End,
    side: Option<&'w Pod>,
}

impl Case<'_> {
    fn check(
        &self,
        world: &World,
        excused: &mut dyn FnMut(Option<&Pod>, Option<&Pod>) -> bool,
        checked: &mut Checked,
    ) {
        let starts = self.starts();
        let engine = Engine::with_blocks(world, &blocks(&starts));
        let ends: Vec<Named<'_>> = engine
            .endpoints()
            .filter_map(|e| named(&engine, &starts, e))
            .collect();
        let wanted = self.by_interval(&starts);
        let step = (ends.len() * ends.len() / SAMPLES).max(1);
        let mut met = BTreeSet::new();
        let mut count = 0_usize;
        for source in &ends {
            for destination in &ends {
                if source.end == destination.end || !engine.is_pair(source.id, destination.id) {
                    continue;
                }
                let key = (source.end.clone(), destination.end.clone());
                let expected = wanted.get(&key).cloned().unwrap_or_default();
                let passage = engine.pair(source.id, destination.id).passage;
                let same = passage.must == expected && passage.may == expected;
                if !same && !excused(source.side, destination.side) {
                    checked.wrong.push(format!(
                        "{}: {key:?}: expected {expected}, the engine says {} for certain and perhaps {}",
                        self.name, passage.must, passage.may
                    ));
                }
                if count.is_multiple_of(step) {
                    self.repeat(&engine, (source.id, destination.id), &passage.must, checked);
                }
                count += 1;
                met.insert(key);
            }
        }
        let lines = wanted.keys().filter(|key| !met.contains(*key));
        checked
            .wrong
            .extend(lines.map(|key| format!("{}: no such ends: {key:?}", self.name)));
    }

    /// Where the address ranges of the expected lines begin.
    fn starts(&self) -> BTreeSet<u32> {
        let mut starts = BTreeSet::from([0]);
        for end in self.expected.keys().flat_map(|(from, to)| [from, to]) {
            if let End::Range(first, last) = end {
                starts.insert(*first);
                starts.extend(last.checked_add(1));
            }
        }
        starts
    }

    /// The expected lines, each range cut into its intervals.
    fn by_interval(&self, starts: &BTreeSet<u32>) -> Lines {
        let cut = |end: &End| match end {
            End::Range(first, last) => {
                let starting = starts.range(*first..=*last);
                starting.map(|start| interval(starts, *start)).collect()
            }
            other => vec![other.clone()],
        };
        let mut out = Lines::new();
        for ((from, to), ports) in self.expected {
            for from in cut(from) {
                for to in cut(to) {
                    let before = out.insert((from.clone(), to), ports.clone());
                    assert!(before.is_none(), "{}: ranges overlap", self.name);
                }
            }
        }
        out
    }

    /// The reference says of one port that passes and of one that does not what the engine says.
    fn repeat(
        &self,
        engine: &Engine<'_>,
        (source, destination): (EndpointId, EndpointId),
        passing: &PortSet,
        checked: &mut Checked,
    ) {
        let both = [
            (passing.clone(), Outcome::Allow),
            (passing.complement(), Outcome::Deny),
        ];
        for (ports, expected) in both {
            let flow = ports
                .first()
                .and_then(|port| engine.flow(source, destination, port));
            let Some(flow) = flow else { continue };
            let decision = reference::decide(engine.world(), &flow);
            checked.repeated += 1;
            if decision.outcome != expected {
                let outcome = decision.outcome;
                checked.wrong.push(format!(
                    "{}: {flow:?}: the engine says {expected:?}, the reference {outcome:?}",
                    self.name
                ));
            }
        }
    }
}

/// The interval that begins at `start`.
fn interval(starts: &BTreeSet<u32>, start: u32) -> End {
    let next = starts.range(start..).find(|s| **s > start);
    End::Range(start, next.map_or(u32::MAX, |next| next - 1))
}

/// Blocks whose borders are the borders of the intervals.
fn blocks(starts: &BTreeSet<u32>) -> Vec<IpNet> {
    let subnets = |interval| match interval {
        End::Range(first, last) => {
            Some(Ipv4Subnets::new(first.into(), last.into(), 0).map(IpNet::V4))
        }
        _ => None,
    };
    let intervals = starts.iter().map(|start| interval(starts, *start));
    intervals.filter_map(subnets).flatten().collect()
}

/// What netpol-analyzer calls an endpoint; nothing for IPv6.
fn named<'w>(engine: &Engine<'w>, starts: &BTreeSet<u32>, id: EndpointId) -> Option<Named<'w>> {
    if let Some(pod) = engine.pod(id) {
        return Some(Named {
            id,
            end: End::Workload(workload(pod)),
            side: Some(pod),
        });
    }
    match engine.address(id)? {
        IpAddr::V4(address) => {
            let start = starts.range(..=address.to_bits()).next_back()?;
            Some(Named {
                id,
                end: interval(starts, *start),
                side: None,
            })
        }
        IpAddr::V6(_) => None,
    }
}

/// The owner that the pod itself names: of a pod of a Deployment that is its ReplicaSet.
fn workload(pod: &Pod) -> String {
    let (kind, name) = (&pod.workload.kind, &pod.workload.name);
    match pod.labels.get("pod-template-hash") {
        Some(hash) if kind == "Deployment" => {
            format!("{}/{name}-{hash}[ReplicaSet]", pod.namespace)
        }
        _ => format!("{}/{name}[{kind}]", pod.namespace),
    }
}
