//! Two Envoys between a process and an application: what the caller's sidecar makes of a call to a Service, and the
//! receiver's of what that sends. The wire between them is looked at as well.

use crate::rights::with_rights;
use crate::scenarios::{
    NAME, envoy, in_every_scenario, none_wrong, on_the_network, outside, ports,
};
use palisade_netmodel::{
    ClientTls, Encryption, Endpoint, Flow, OutboundMode, Outcome, PodId, Protocol, Proxy, Service,
    TargetPort, World, reference,
};
use palisade_sidecar::{Called, Credentials, configure};
use palisade_testkit::specs;
use palisade_trial::mesh::{
    Answer, Application, Authority, Call, Envoy, Issued, OnWire as Seen, Tap, Wire,
    asks_for_tokens, call, declares_http, identity, mtls, plaintext, redirect, requests,
};
use palisade_trial::{Options, Trial};
use palisade_verify::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::AddAssign;
use std::path::Path;
use std::sync::Mutex;

/// Requests to one port: here it is the way that matters.
const MOST_REQUESTS: usize = 40;

/// A port of a Service, by which one pod is called.
#[derive(Debug, Clone)]
struct Door {
    service: usize,
    port: usize,
    receiver: PodId,
    /// Where the caller calls.
    address: IpAddr,
    /// The pod's own port.
    target: u16,
}

impl Door {
    fn called<'w>(&self, world: &'w World) -> Called<'w> {
        let service = &world.services[self.service];
        Called {
            service,
            port: &service.ports[self.port],
            addresses: vec![self.address],
            receivers: vec![self.receiver],
        }
    }
}

/// Every way by a Service to some pods, each with an address of its own. Callers of a headless Service call its pods.
fn doors(world: &World, receivers: &[PodId]) -> Vec<Door> {
    let mut found = Vec::new();
    for receiver in receivers {
        let pod = world.pod(*receiver).unwrap();
        let leads = |service: &Service| {
            service.object.namespace == pod.namespace
                && !service.selector.is_empty()
                && pod.labels.include(&service.selector)
        };
        for (service, of) in world.services.iter().enumerate().filter(|(_, s)| leads(s)) {
            for (port, its) in of.ports.iter().enumerate() {
                let target = match &its.target {
                    TargetPort::Number(number) => Some(*number),
                    TargetPort::Name(name) => {
                        let mut named = pod.named_ports.iter();
                        let named = named.find(|p| p.name == *name && p.protocol == Protocol::Tcp);
                        named.map(|p| p.port)
                    }
                };
                let Some(target) = target.filter(|_| its.protocol == Protocol::Tcp) else {
                    continue;
                };
                let own = pod.addresses.known.iter().find(|a| a.is_ipv4()).copied();
                let number = u8::try_from(found.len() + 1).unwrap();
                let address = match own {
                    Some(own) if of.headless && its.port == target => own,
                    _ if of.headless => continue,
                    _ => Ipv4Addr::new(172, 30, 200, number).into(),
                };
                found.push(Door {
                    service,
                    port,
                    receiver: *receiver,
                    address,
                    target,
                });
            }
        }
    }
    found
}

/// Callers with a sidecar and receivers, all of them running.
struct Mesh<'a> {
    place: &'a str,
    world: World,
    trial: Trial,
    doors: Vec<Door>,
    callers: Vec<PodId>,
    taps: BTreeMap<PodId, Tap>,
    _running: Vec<(Option<Envoy>, Application)>,
    wrong: &'a Mutex<Vec<String>>,
}

impl<'a> Mesh<'a> {
    fn start(
        place: &'a str,
        world: &World,
        (callers, receivers): (&[PodId], &[PodId]),
        envoy: &Path,
        wrong: &'a Mutex<Vec<String>>,
    ) -> Option<Self> {
        let options = Options {
            outside: outside(world),
            ..Options::default()
        };
        let trial = Trial::build(world, &options).unwrap_or_else(|e| panic!("{place}: {e}"));
        let world = trial.located(world, Some(false)).unwrap();
        let doors = doors(&world, receivers);
        let authority = Authority::new().unwrap();
        let mut mesh = Self {
            place,
            trial,
            doors,
            callers: callers.to_vec(),
            taps: BTreeMap::new(),
            _running: Vec::new(),
            wrong,
            world,
        };
        let pods: BTreeSet<PodId> = callers.iter().chain(receivers).copied().collect();
        for id in pods {
            mesh.start_one(id, envoy, &authority)?;
        }
        Some(mesh)
    }

    /// `None` if policies ask for what the model does not contain.
    fn start_one(&mut self, id: PodId, envoy: &Path, authority: &Authority) -> Option<()> {
        let (world, trial) = (&self.world, &self.trial);
        let pod = world.pod(id).unwrap();
        let host = trial.host(Endpoint::Pod(id)).unwrap();
        let namespace = trial.lab.host(host).unwrap().namespace();
        let application = Application::open(namespace, &ports(world), NAME).unwrap();
        let mut running = None;
        if let Proxy::Sidecar {
            inbound,
            outbound_excluded,
            ..
        } = &pod.proxy
        {
            let own: Issued = authority
                .issue(&identity(&world.mesh.trust_domain, pod))
                .unwrap();
            // Whoever signs it is nobody whom the mesh knows.
            let stranger = Authority::new().unwrap();
            let named = stranger.issue("spiffe://elsewhere/ns/x/sa/x").unwrap();
            let credentials = Credentials {
                certificate: &own.certificate,
                key: &own.key,
                authority: &authority.certificate(),
                named: (&named.certificate, &named.key),
            };
            let called: Vec<Called<'_>> = self.doors.iter().map(|d| d.called(world)).collect();
            let sidecar = configure(world, pod, credentials, &called);
            if !sidecar.left_out.is_empty() {
                println!("left out: {}: {}", self.place, sidecar.left_out.join("; "));
                return None;
            }
            let bootstrap = sidecar.bootstrap.to_string();
            let started = Envoy::start(namespace, envoy, &bootstrap);
            running = Some(started.unwrap_or_else(|e| panic!("{}: {e}\n{bootstrap}", self.place)));
            redirect(namespace, &inbound.bypass, outbound_excluded).unwrap();
        }
        self.taps.insert(id, Tap::open(&trial.lab, host).unwrap());
        self._running.push((running, application));
        Some(())
    }

    fn say(&self, what: &str) {
        self.wrong
            .lock()
            .unwrap()
            .push(format!("{}: {what}", self.place));
    }

    /// What comes of calls to an address by a caller's sidecar (or by nothing, where it has none), and what was seen on
    /// the wire to a pod's port.
    fn calls(&self, caller: PodId, to: SocketAddr, flow: &Flow) -> Found {
        let Endpoint::Pod(receiver) = flow.destination else {
            panic!("pods are called");
        };
        let pod = self.world.pod(receiver).unwrap();
        let (mut wires, _) = requests(&self.world, pod, MOST_REQUESTS);
        if !declares_http(&self.world, pod, flow.port) {
            wires.push(Wire::Bytes);
        }
        let tap = &self.taps[&receiver];
        let from = self.address(caller);
        tap.look(from, flow.port);
        let host = self.trial.host(Endpoint::Pod(caller)).unwrap();
        let answers = || {
            let mut answers = Vec::new();
            for wire in wires {
                let one = Call {
                    to,
                    mtls: None,
                    wire: wire.clone(),
                    through: true,
                };
                let answer = call(&one).unwrap_or_else(|e| panic!("{}: {flow:?}: {e}", self.place));
                answers.push((wire, answer));
            }
            answers
        };
        let answers = self.trial.lab.inside(host, answers).unwrap();
        Found {
            passed: answers
                .iter()
                .filter(|(_, a)| *a != Answer::Refused)
                .count(),
            refused: answers
                .iter()
                .filter(|(_, a)| *a == Answer::Refused)
                .count(),
            seen: tap.look(from, flow.port),
        }
    }

    fn flow(&self, caller: PodId, receiver: PodId, port: u16) -> Flow {
        Flow {
            source: Endpoint::Pod(caller),
            destination: Endpoint::Pod(receiver),
            protocol: Protocol::Tcp,
            port,
        }
    }

    /// The pod's own address.
    fn address(&self, pod: PodId) -> IpAddr {
        let host = self.trial.host(Endpoint::Pod(pod)).unwrap();
        self.trial.lab.host(host).unwrap().v4
    }
}

/// What came of calls, and what was seen.
#[derive(Debug, Clone)]
struct Found {
    passed: usize,
    refused: usize,
    seen: BTreeSet<Seen>,
}

impl Found {
    fn fits(&self, expected: Outcome) -> Option<bool> {
        match expected {
            Outcome::Allow => Some(self.passed > 0 && self.refused == 0),
            Outcome::Deny => Some(self.passed == 0),
            Outcome::Depends => (self.passed > 0 && self.refused > 0).then_some(true),
        }
    }
}

/// Whether a rule asks for TLS that is not the mesh's.
fn other_tls(world: &World) -> bool {
    let other = |tls: &ClientTls| matches!(tls, ClientTls::Simple | ClientTls::Mutual);
    let mut rules = world.destination_rules.iter();
    rules.any(|r| r.tls.iter().chain(r.ports.values().flatten()).any(other))
}

/// What was compared.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    scenarios: usize,
    mesh: usize,
    clear: usize,
    passed: usize,
    refused: usize,
    depends: usize,
    open: usize,
    bare: usize,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.mesh += other.mesh;
        self.clear += other.clear;
        self.passed += other.passed;
        self.refused += other.refused;
        self.depends += other.depends;
        self.open += other.open;
        self.bare += other.bare;
    }
}

impl Mesh<'_> {
    fn compare(&self) -> Totals {
        let mut totals = Totals::default();
        let engine = Engine::new(&self.world);
        for caller in &self.callers {
            for door in self.doors.iter().filter(|door| door.receiver != *caller) {
                let flow = self.flow(*caller, door.receiver, door.target);
                let decision = reference::decide(&self.world, &flow);
                if engine.decide(&flow) != (decision.outcome, decision.encryption) {
                    self.say(&format!(
                        "{flow:?}: the engine says {:?}",
                        engine.decide(&flow)
                    ));
                }
                totals += self.by_door(*caller, door, &flow);
                totals += self.by_address(*caller, door, &flow);
            }
        }
        totals
    }

    fn by_door(&self, caller: PodId, door: &Door, flow: &Flow) -> Totals {
        let mut totals = Totals::default();
        let port = &self.world.services[door.service].ports[door.port];
        let to = SocketAddr::new(door.address, port.port);
        let excluded = match &self.world.pod(caller).unwrap().proxy {
            Proxy::Sidecar {
                outbound_excluded, ..
            } => outbound_excluded.contains(Protocol::Tcp, port.port),
            _ => false,
        };
        // Past the caller's sidecar it is the node that leads a call to a pod.
        if excluded {
            return totals;
        }
        let service = &self.world.services[door.service];
        let by_mesh = reference::sends_mtls(&self.world, flow, service, port);
        let found = self.calls(caller, to, flow);
        let wanted = if by_mesh { Seen::Mesh } else { Seen::Clear };
        let other = !by_mesh && other_tls(&self.world);
        let only = |wire| found.seen == BTreeSet::from([wire]);
        let fits = only(wanted) || (other && only(Seen::Tls));
        if !fits {
            self.say(&format!(
                "{flow:?} by {to}: expected {wanted:?} on the wire, and {found:?}"
            ));
        }
        *if by_mesh {
            &mut totals.mesh
        } else {
            &mut totals.clear
        } += 1;
        let pod = self.world.pod(door.receiver).unwrap();
        let expected = match (by_mesh, &pod.proxy) {
            // Nobody is there who could end it.
            (true, Proxy::None { .. }) => Outcome::Deny,
            (true, _) => mtls(&self.world, flow),
            (false, _) => plaintext(&self.world, flow),
        };
        // The application does not speak TLS.
        if only(Seen::Tls) {
            return totals;
        }
        let count = match expected {
            Outcome::Allow => &mut totals.passed,
            Outcome::Deny => &mut totals.refused,
            Outcome::Depends => &mut totals.depends,
        };
        match found.fits(expected) {
            Some(true) => *count += 1,
            None if asks_for_tokens(&self.world, pod) => totals.open += 1,
            _ => self.say(&format!(
                "{flow:?} by {to}: expected {expected:?}, and {found:?}"
            )),
        }
        totals
    }

    /// Past every Service the sidecar sends what the process wrote, or nothing if only what it knows may be called.
    fn by_address(&self, caller: PodId, door: &Door, flow: &Flow) -> Totals {
        let mut totals = Totals::default();
        let own = self.address(door.receiver);
        if self.doors.iter().any(|door| door.address == own) {
            return totals;
        }
        let found = self.calls(caller, SocketAddr::new(own, flow.port), flow);
        let registry = self.world.mesh.outbound == OutboundMode::RegistryOnly;
        let expected = if registry {
            Outcome::Deny
        } else {
            plaintext(&self.world, flow)
        };
        let clear = found.seen == BTreeSet::from([Seen::Clear]);
        if found.fits(expected) == Some(false) || clear == registry {
            self.say(&format!(
                "{flow:?} by {own}: expected {expected:?}, and {found:?}"
            ));
        }
        totals.bare += 1;
        totals
    }
}

/// The pods of a scenario that call and are called.
fn ends(world: &World) -> (Vec<PodId>, Vec<PodId>) {
    let of = |is: &dyn Fn(&Proxy) -> bool| -> Vec<PodId> {
        let pods = world.pods();
        let pods = pods.filter(|(_, pod)| on_the_network(pod) && is(&pod.proxy));
        pods.map(|(id, _)| id).collect()
    };
    let sidecar = |proxy: &Proxy| matches!(proxy, Proxy::Sidecar { .. });
    let called = |proxy: &Proxy| sidecar(proxy) || matches!(proxy, Proxy::None { .. });
    (of(&sidecar), of(&called))
}

#[test]
fn every_scenario_between_two_envoys() {
    with_rights("sending::every_scenario_between_two_envoys", || {
        let Some(envoy) = envoy() else { return };
        let (_, found) = in_every_scenario(|place, world, _, wrong| {
            let (callers, receivers) = ends(world);
            let ends = (&callers[..], &receivers[..]);
            let mesh = Mesh::start(place, world, ends, &envoy, wrong);
            let found = mesh.map(|mesh| Totals {
                scenarios: 1,
                ..mesh.compare()
            });
            found.unwrap_or_default()
        });
        println!("{found:?}");
        assert!(found.scenarios > 80 && found.bare > 300);
        assert!(found.mesh > 300 && found.clear > 20);
        assert!(found.passed > 150 && found.refused > 100 && found.depends > 20 && found.open < 10);
    });
}

/// A server with a sidecar and one without, in a namespace of a mode.
fn servers(mode: &str) -> String {
    let name = mode.to_lowercase();
    let pod = |pod: &str, inject: bool| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {name}, labels: {{app: {pod}, sidecar.istio.io/inject: \"{inject}\"}}}}\n\
             spec: {{serviceAccountName: {pod}, containers: [{{name: c}}]}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: {pod}, namespace: {name}}}\n\
             spec:\n  selector: {{app: {pod}}}\n  ports:\n  - {{name: tcp-a, port: 5432}}\n  - {{name: http-b, port: 80, targetPort: 8080}}\n  - {{name: c, port: 7000}}\n"
        )
    };
    [
        pod("inside", true),
        pod("outside", false),
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default, namespace: {name}}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
        ),
    ]
    .concat()
}

/// A client with a sidecar and one without, in a namespace whose DestinationRule is about every Service.
fn clients(name: &str, tls: Option<&str>) -> String {
    let pod = |pod: &str, inject: bool| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {name}, labels: {{app: {pod}, sidecar.istio.io/inject: \"{inject}\"}}}}\n\
             spec: {{serviceAccountName: {pod}, containers: [{{name: c}}]}}\n"
        )
    };
    let rule = tls.map_or_else(String::new, |mode| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: all, namespace: {name}}}\n\
             spec: {{host: \"*.local\", trafficPolicy: {{tls: {{mode: {mode}}}}}}}\n"
        )
    });
    [pod("inside", true), pod("outside", false), rule].concat()
}

/// Every mode of a server, every setting of a client, with and without a sidecar at either end, on a port of TCP, one of
/// HTTP and one of which nothing is known: what is on the wire, and whether the application answers.
#[test]
fn modes_and_rules_in_every_combination() {
    with_rights("sending::modes_and_rules_in_every_combination", || {
        let Some(envoy) = envoy() else { return };
        let modes = ["STRICT", "PERMISSIVE", "DISABLE"];
        let rules = [
            ("auto", None),
            ("plain", Some("DISABLE")),
            ("mutual", Some("ISTIO_MUTUAL")),
            ("simple", Some("SIMPLE")),
            ("own", Some("MUTUAL")),
        ];
        let texts = modes.iter().map(|mode| servers(mode));
        let texts = texts.chain(rules.iter().map(|(name, tls)| clients(name, *tls)));
        let world = specs::world(&texts.collect::<String>()).unwrap();
        let named = |id: PodId| {
            let pod = world.pod(id).unwrap();
            (pod.namespace.clone(), pod.name.clone())
        };
        let of = |places: &[&str]| -> Vec<PodId> {
            let ids = world.pods().map(|(id, _)| id);
            ids.filter(|id| places.contains(&named(*id).0.as_str()))
                .collect()
        };
        let callers = of(&rules.map(|(name, _)| name));
        let receivers = of(&["strict", "permissive", "disable"]);
        assert_eq!((callers.len(), receivers.len()), (10, 6));
        let wrong = Mutex::new(Vec::new());
        let ends = (&callers[..], &receivers[..]);
        let mesh = Mesh::start("matrix", &world, ends, &envoy, &wrong).unwrap();
        let mut cases = 0;
        for caller in &callers {
            let (rule, end) = named(*caller);
            for door in &mesh.doors {
                let (mode, other) = named(door.receiver);
                let meshed = (end == "inside", other == "inside");
                let (wire, passes) = expected(&rule, &mode, meshed);
                mesh.one_case(*caller, door, meshed.0, (wire, passes));
                cases += 1;
            }
        }
        drop(mesh);
        none_wrong(wrong);
        assert_eq!(cases, 10 * 6 * 3);
    });
}

/// What Istio documents of a call: what is on the wire, and whether the application can answer, which does not speak TLS
/// itself (Istio, Security, Authentication; DestinationRule, ClientTLSSettings).
fn expected(rule: &str, mode: &str, (client, server): (bool, bool)) -> (Seen, bool) {
    if !client {
        return (Seen::Clear, !server || mode != "strict");
    }
    match (rule, server) {
        ("auto", true) if mode != "disable" => (Seen::Mesh, true),
        ("auto", _) => (Seen::Clear, true),
        ("plain", _) => (Seen::Clear, !server || mode != "strict"),
        // Where nobody ends it, the application has the bytes and makes nothing of them.
        ("mutual", _) => (Seen::Mesh, server && mode != "disable"),
        _ => (Seen::Tls, false),
    }
}

impl Mesh<'_> {
    fn one_case(&self, caller: PodId, door: &Door, meshed: bool, (wire, passes): (Seen, bool)) {
        let flow = self.flow(caller, door.receiver, door.target);
        let decision = reference::decide(&self.world, &flow);
        let engine = Engine::new(&self.world).decide(&flow);
        if engine != (decision.outcome, decision.encryption) {
            self.say(&format!(
                "{flow:?}: {decision:?}, and the engine says {engine:?}"
            ));
        }
        // Nobody translates addresses for a caller without a sidecar: it calls the pod.
        let bare = SocketAddr::new(self.address(door.receiver), door.target);
        let port = self.world.services[door.service].ports[door.port].port;
        let by_name = SocketAddr::new(door.address, port);
        let found = self.calls(caller, if meshed { by_name } else { bare }, &flow);
        if found.seen != BTreeSet::from([wire])
            || (found.passed > 0, found.refused == 0) != (passes, passes)
        {
            self.say(&format!("{flow:?}: expected {wire:?}, {passes}; {found:?}"));
        }
        let by_address = self.calls(caller, bare, &flow);
        let any_clear = [&found, &by_address]
            .iter()
            .any(|found| found.passed > 0 && found.seen.contains(&Seen::Clear));
        let fits = match decision.outcome {
            Outcome::Allow => found.passed + by_address.passed > 0,
            Outcome::Deny => found.passed + by_address.passed == 0,
            // What the sidecar sends by itself is refused, and what a process sends past every Service is not.
            Outcome::Depends => found.passed == 0 && by_address.passed > 0,
        };
        let encrypted = decision.encryption == Encryption::MeshMtls;
        if !fits || (encrypted && any_clear) {
            self.say(&format!(
                "{flow:?}: {decision:?}; {found:?}, by address {by_address:?}"
            ));
        }
    }
}
