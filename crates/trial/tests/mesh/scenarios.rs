//! The scenarios of `specs/istio` with Envoy: every caller calls every receiver of a scenario in plaintext and, if it has a
//! certificate, with mTLS, on every port that somebody names and one that nobody does.

use crate::rights::with_rights;
use palisade_netmodel::{
    Endpoint, Flow, Outcome, Phase, Pod, PodId, PortSet, Protocol, Proxy, TargetPort, World,
};
use palisade_sidecar::{Credentials, configure};
use palisade_testkit::specs::{self, Expectation, Scenario};
use palisade_trial::mesh::{
    Answer, Application, Authority, Call, Envoy, Issued, Wire, asks_for_tokens, call,
    declares_http, identity, mtls, plaintext, redirect, requests,
};
use palisade_trial::{OTHER, Options, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

/// Labs at a time.
const AT_ONCE: usize = 2;
/// More requests than a scenario should need.
const MOST_REQUESTS: usize = 300;
/// What the application says that it is.
pub(crate) const NAME: &str = "receiver";
/// Envoy's own, and what only the inside of a pod sees.
const OWN: [u16; 3] = [
    palisade_sidecar::ADMIN,
    palisade_sidecar::INBOUND,
    palisade_sidecar::OUTBOUND,
];

/// Answers that were compared, by what the reference says; and those that nothing here can show.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    sidecars: usize,
    calls: usize,
    allow: usize,
    deny: usize,
    depends: usize,
    open: usize,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.sidecars += other.sidecars;
        self.calls += other.calls;
        self.allow += other.allow;
        self.deny += other.deny;
        self.depends += other.depends;
        self.open += other.open;
    }
}

#[test]
fn every_scenario_with_envoy() {
    with_rights("scenarios::every_scenario_with_envoy", || {
        let Some(envoy) = envoy() else { return };
        let (scenarios, found) = in_every_scenario(|place, world, receivers, wrong| {
            let mut found = compare(place, world, receivers, &envoy, wrong);
            found.sidecars += receivers.len();
            found
        });
        println!("{scenarios} scenarios: {found:?}");
        assert!(scenarios > 80 && found.allow > 1_000 && found.deny > 1_000);
        assert!(found.depends > 40 && found.open < 10);
    });
}

/// Compares something in every scenario that has a receiver with a sidecar, in some labs at a time, and gives how many
/// there are and what was counted. What was said to be wrong fails the test.
pub(crate) fn in_every_scenario<T: AddAssign + Default + Send>(
    compare: impl Fn(&str, &World, &[PodId], &Mutex<Vec<String>>) -> T + Sync,
) -> (usize, T) {
    let all = all();
    let waiting = Mutex::new(all.iter());
    let totals = Mutex::new(T::default());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap().next();
                while let Some((place, world, receivers)) = next() {
                    let found = compare(place, world, receivers, &wrong);
                    *totals.lock().unwrap() += found;
                }
            });
        }
    });
    none_wrong(wrong);
    (all.len(), totals.into_inner().unwrap())
}

pub(crate) fn none_wrong(wrong: Mutex<Vec<String>>) {
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} disagree:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

pub(crate) fn envoy() -> Option<PathBuf> {
    let path = std::env::var_os("PALISADE_ENVOY").map(PathBuf::from);
    let must = std::env::var("CI").as_deref() == Ok("true");
    assert!(path.is_some() || !must, "PALISADE_ENVOY is not set");
    if path.is_none() {
        println!("skipped: PALISADE_ENVOY is not set; ./test sets it");
    }
    path
}

/// The scenarios that have a receiver with a sidecar.
fn all() -> Vec<(String, World, Vec<PodId>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/istio");
    let mut files: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let page = specs::parse(&name, &std::fs::read_to_string(&file).unwrap());
        for scenario in &page.scenarios {
            let place = format!("{name}:{}: {}", scenario.line, scenario.heading);
            if let Some(world) = specs::world_of(scenario) {
                let world = World {
                    network_policies: Vec::new(),
                    admin_policies: Vec::new(),
                    ..world
                };
                let receivers = receivers(&world, scenario);
                if !receivers.is_empty() {
                    found.push((place, world, receivers));
                }
            }
        }
    }
    found
}

pub(crate) fn on_the_network(pod: &Pod) -> bool {
    pod.phase == Phase::Live && !pod.host_network && !pod.host_group
}

fn receivers(world: &World, scenario: &Scenario) -> Vec<PodId> {
    let Expectation::Flows(rows) = &scenario.expectation else {
        return Vec::new();
    };
    let named: BTreeSet<&String> = rows.iter().flat_map(|row| &row.to).collect();
    world
        .pods()
        .filter(|(_, pod)| named.contains(&pod.object().to_string()))
        .filter(|(_, pod)| matches!(pod.proxy, Proxy::Sidecar { .. }) && on_the_network(pod))
        .map(|(id, _)| id)
        .collect()
}

fn compare(
    place: &str,
    world: &World,
    receivers: &[PodId],
    envoy: &Path,
    wrong: &Mutex<Vec<String>>,
) -> Totals {
    let options = Options {
        outside: outside(world),
        ..Options::default()
    };
    let trial = Trial::build(world, &options).unwrap_or_else(|e| panic!("{place}: {e}"));
    let world = trial.located(world, Some(false)).unwrap();
    let authority = Authority::new().unwrap();
    let enrolled = world.pods().filter(|(_, pod)| {
        on_the_network(pod) && matches!(pod.proxy, Proxy::Sidecar { .. } | Proxy::Gateway)
    });
    let issued: BTreeMap<PodId, Issued> = enrolled
        .map(|(id, pod)| {
            (
                id,
                authority
                    .issue(&identity(&world.mesh.trust_domain, pod))
                    .unwrap(),
            )
        })
        .collect();
    let mut totals = Totals::default();
    for receiver in receivers {
        let pod = world.pod(*receiver).unwrap();
        let own = &issued[receiver];
        let sidecar = configure(
            &world,
            pod,
            Credentials {
                certificate: &own.certificate,
                key: &own.key,
                authority: &authority.certificate(),
                named: (&own.certificate, &own.key),
            },
            &[],
        );
        if !sidecar.left_out.is_empty() {
            println!("left out: {place}: {}", sidecar.left_out.join("; "));
            continue;
        }
        let ports = ports(&world);
        let host = trial.host(Endpoint::Pod(*receiver)).unwrap();
        let namespace = trial.lab.host(host).unwrap().namespace();
        let Proxy::Sidecar { inbound, .. } = &pod.proxy else {
            panic!("a receiver has a sidecar");
        };
        redirect(namespace, &inbound.bypass, &PortSet::empty()).unwrap();
        let _application = Application::open(namespace, &ports, NAME).unwrap();
        let bootstrap = sidecar.bootstrap.to_string();
        let running = Envoy::start(namespace, envoy, &bootstrap);
        let _running = running.unwrap_or_else(|e| panic!("{place}: {e}\n{bootstrap}"));
        for source in trial.ends().filter(|end| *end != Endpoint::Pod(*receiver)) {
            let certificate = match source {
                Endpoint::Address(address) if address.is_ipv6() => continue,
                Endpoint::Address(_) => None,
                Endpoint::Pod(id) if on_the_network(world.pod(id).unwrap()) => issued.get(&id),
                Endpoint::Pod(_) => continue,
            };
            let caller = trial.host(source).unwrap();
            let to = trial.lab.host(host).unwrap().v4;
            let asked = Asked {
                place,
                world: &world,
                source,
                receiver: *receiver,
                own: certificate,
                shown: own,
                wrong,
            };
            let calls = || {
                let mut totals = Totals::default();
                for port in &ports {
                    totals += asked.on_port(SocketAddr::new(to, *port), &inbound.bypass);
                }
                totals
            };
            totals += trial.lab.inside(caller, calls).unwrap();
        }
    }
    totals
}

/// One caller and one receiver.
struct Asked<'a> {
    place: &'a str,
    world: &'a World,
    source: Endpoint,
    receiver: PodId,
    own: Option<&'a Issued>,
    shown: &'a Issued,
    wrong: &'a Mutex<Vec<String>>,
}

impl Asked<'_> {
    fn on_port(&self, to: SocketAddr, bypass: &PortSet) -> Totals {
        let flow = Flow {
            source: self.source,
            destination: Endpoint::Pod(self.receiver),
            protocol: Protocol::Tcp,
            port: to.port(),
        };
        let mut totals = self.one_way(&flow, to, None, plaintext(self.world, &flow));
        // Past the sidecar nobody ends TLS.
        if let Some(own) = self.own
            && !bypass.contains(Protocol::Tcp, to.port())
        {
            let pair = Some((own, self.shown));
            totals += self.one_way(&flow, to, pair, mtls(self.world, &flow));
        }
        totals
    }

    fn one_way(
        &self,
        flow: &Flow,
        to: SocketAddr,
        mtls: Option<(&Issued, &Issued)>,
        expected: Outcome,
    ) -> Totals {
        let pod = self.world.pod(self.receiver).unwrap();
        let (mut wires, all) = requests(self.world, pod, MOST_REQUESTS);
        assert!(all, "{}: more than {MOST_REQUESTS} requests", self.place);
        if !declares_http(self.world, pod, flow.port) {
            wires.push(Wire::Bytes);
        }
        let mut by_answer: BTreeMap<Answer, Vec<Wire>> = BTreeMap::new();
        let mut totals = Totals::default();
        for wire in wires {
            let one = Call {
                to,
                mtls,
                wire: wire.clone(),
                through: false,
            };
            let answer = call(&one).unwrap_or_else(|e| panic!("{}: {flow:?}: {e}", self.place));
            by_answer.entry(answer).or_default().push(wire);
            totals.calls += 1;
        }
        let passed = by_answer.contains_key(&Answer::Passed(NAME.to_owned()));
        let refused = by_answer.contains_key(&Answer::Refused);
        let (agree, count) = match expected {
            Outcome::Allow => (!refused, &mut totals.allow),
            Outcome::Deny => (!passed, &mut totals.deny),
            Outcome::Depends if passed && refused => (true, &mut totals.depends),
            Outcome::Depends => (asks_for_tokens(self.world, pod), &mut totals.open),
        };
        *count += 1;
        if !agree {
            self.wrong.lock().unwrap().push(format!(
                "{}: {flow:?}, mTLS {}: expected {expected:?}, Envoy: {by_answer:?}",
                self.place,
                mtls.is_some()
            ));
        }
        totals
    }
}

/// Every port that a Service, a policy or a mode names, one that nobody names, and one that goes past the sidecar.
pub(crate) fn ports(world: &World) -> Vec<u16> {
    let mut ports = BTreeSet::from([OTHER, 15020]);
    for port in world.services.iter().flat_map(|service| &service.ports) {
        if let TargetPort::Number(number) = port.target {
            ports.insert(number);
        }
    }
    let named = world.pods.iter().flat_map(|pod| &pod.named_ports);
    ports.extend(named.map(|p| p.port));
    for policy in &world.peer_authentications {
        ports.extend(policy.ports.keys());
    }
    for rule in world.authorization_policies.iter().flat_map(|p| &p.rules) {
        for operation in &rule.to {
            ports.extend(operation.ports.iter().chain(&operation.not_ports));
        }
        for condition in rule.when.iter().filter(|c| c.key == "destination.port") {
            ports.extend(
                condition
                    .values
                    .iter()
                    .filter_map(|v| v.parse::<u16>().ok()),
            );
        }
    }
    ports.retain(|port| !OWN.contains(port));
    ports.into_iter().collect()
}

/// One address outside for each block that a policy names, where the lab has no addresses of its own; and one that
/// nobody names.
pub(crate) fn outside(world: &World) -> Vec<(Ipv4Addr, Ipv6Addr)> {
    let mut found = BTreeSet::from([Ipv4Addr::new(203, 0, 113, 77)]);
    for rule in world.authorization_policies.iter().flat_map(|p| &p.rules) {
        let of_sources = rule
            .from
            .iter()
            .flat_map(|s| s.ip_blocks.iter().chain(&s.not_ip_blocks));
        let conditions = rule.when.iter().filter(|c| c.key == "source.ip");
        let of_conditions = conditions.flat_map(|c| c.values.iter().chain(&c.not_values));
        for block in of_sources.chain(of_conditions) {
            let address = block.split('/').next().unwrap_or_default();
            found.extend(address.parse::<Ipv4Addr>().ok());
        }
    }
    found.retain(|address| !address.is_private() && !address.is_unspecified());
    let numbered = found.into_iter().zip(1u16..);
    numbered
        .map(|(v4, n)| (v4, Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, n)))
        .collect()
}
