//! What every lint sees: the world, its engine, how the objects are written, and what is switched
//! off. Lookups that several lints need are made once.

use super::Lint;
use crate::engine::{EndpointId, Engine, namespace_matches};
use crate::names::{Names, flow as flow_text};
use palisade_diagnostics::{Diagnostic, Sources, Span};
use palisade_netmodel::{
    Direction, Encryption, Endpoint, Flow, Labels, NamespaceMatch, NetworkPolicy, ObjectRef,
    Outcome, Peer, Pod, PortSet, Protocol, Proxy, Rule, Service, World, Written, WrittenPolicy,
    WrittenRule, reference,
};
use rustc_hash::FxHashMap;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// A workload: namespace, kind, name.
pub(super) type WorkloadKey<'w> = (&'w str, &'w str, &'w str);

/// A rule of a NetworkPolicy with its surroundings.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuleView<'a> {
    /// Index of the policy in the world.
    pub(super) index: usize,
    /// Its policy.
    pub(super) policy: &'a NetworkPolicy,
    /// Its direction.
    pub(super) direction: Direction,
    /// The rule.
    pub(super) rule: &'a Rule,
    /// How it is written.
    pub(super) written: Option<&'a WrittenRule>,
}

impl RuleView<'_> {
    /// The place of a peer, else of the rule.
    pub(super) fn peer_span(&self, peer: usize) -> Option<Span> {
        let written = self.written.and_then(|w| w.peers.get(peer).copied());
        written.or(self.rule.origin.0)
    }

    /// The place of a port, else of the rule.
    pub(super) fn port_span(&self, port: usize) -> Option<Span> {
        let written = self.written.and_then(|w| w.ports.get(port).copied());
        written.or(self.rule.origin.0)
    }
}

/// What a witness must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// The flow passes for certain.
    Passes,
    /// The flow passes for certain, and plaintext can.
    PassesInPlaintext,
    /// The flow is refused for certain.
    Refused,
}

/// See the module.
pub(super) struct Context<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) world: &'a World,
    pub(super) written: &'a Written,
    pub(super) sources: &'a Sources,
    /// Live pods that policies can select, by policy.
    subjects: Vec<Vec<EndpointId>>,
    /// Endpoints that are pods, by namespace.
    by_namespace: BTreeMap<&'a str, Vec<EndpointId>>,
    peers: RefCell<FxHashMap<Peer, Rc<[EndpointId]>>>,
    /// Services by namespace.
    services: BTreeMap<&'a str, Vec<&'a Service>>,
    addresses: OnceCell<Vec<EndpointId>>,
    sidecars: OnceCell<Vec<EndpointId>>,
    /// Classes by the names of the workloads of their pods.
    owned: OnceCell<FxHashMap<Span, Vec<EndpointId>>>,
    /// Which annotation has switched off which lint: index into `written.skips`, name.
    used: RefCell<BTreeSet<(usize, &'static str)>>,
    /// The lints that have run.
    pub(super) ran: RefCell<BTreeSet<&'static str>>,
    /// How often the engine and the reference have disagreed.
    disagreements: Cell<usize>,
}

impl<'a> Context<'a> {
    pub(super) fn new(engine: &'a Engine<'a>, written: &'a Written, sources: &'a Sources) -> Self {
        let world = engine.world();
        let mut by_namespace: BTreeMap<&str, Vec<EndpointId>> = BTreeMap::new();
        for endpoint in engine.endpoints() {
            if let Some(pod) = engine.pod(endpoint) {
                by_namespace
                    .entry(&pod.namespace)
                    .or_default()
                    .push(endpoint);
            }
        }
        let mut services: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
        for service in &world.services {
            let here = services.entry(&service.object.namespace).or_default();
            here.push(service);
        }
        let subjects = world.network_policies.iter().map(|policy| {
            let here = by_namespace.get(policy.object.namespace.as_str());
            let here = here.into_iter().flatten().copied();
            here.filter(|e| {
                engine.pod(*e).is_some_and(|pod| {
                    pod.is_selectable()
                        && !pod.host_group
                        && policy.pod_selector.matches(&pod.labels)
                })
            })
            .collect()
        });
        Self {
            subjects: subjects.collect(),
            engine,
            world,
            written,
            sources,
            by_namespace,
            peers: RefCell::default(),
            services,
            addresses: OnceCell::new(),
            sidecars: OnceCell::new(),
            owned: OnceCell::new(),
            used: RefCell::default(),
            ran: RefCell::default(),
            disagreements: Cell::new(0),
        }
    }

    /// Names for endpoints.
    pub(super) fn names(&self) -> Names<'a> {
        Names::new(self.engine)
    }

    /// Every NetworkPolicy with its index and how it is written.
    pub(super) fn policies(
        &self,
    ) -> impl Iterator<Item = (usize, &'a NetworkPolicy, Option<&'a WrittenPolicy>)> + use<'a> {
        let written = self.written;
        let list = self.world.network_policies.iter().enumerate();
        list.map(move |(i, p)| (i, p, written.policies.get(&p.object)))
    }

    /// Every rule of every policy in the directions that the policy isolates.
    pub(super) fn rules(&self) -> Vec<RuleView<'a>> {
        let mut out = Vec::new();
        for (index, _, _) in self.policies() {
            for direction in [Direction::Ingress, Direction::Egress] {
                out.extend(self.rules_of(index, direction));
            }
        }
        out
    }

    /// The rules of one direction of a policy.
    pub(super) fn rules_of(&self, index: usize, direction: Direction) -> Vec<RuleView<'a>> {
        let Some(policy) = self.world.network_policies.get(index) else {
            return Vec::new();
        };
        let written = self.written.policies.get(&policy.object);
        let written = written.map(|w| match direction {
            Direction::Ingress => &w.ingress,
            Direction::Egress => &w.egress,
        });
        let rules = policy.rules(direction).unwrap_or_default().iter();
        rules
            .enumerate()
            .map(|(nth, rule)| RuleView {
                index,
                policy,
                direction,
                rule,
                written: written.and_then(|w| w.get(nth)),
            })
            .collect()
    }

    /// The live pods that a policy selects.
    pub(super) fn subjects(&self, policy: usize) -> &[EndpointId] {
        self.subjects.get(policy).map_or(&[], Vec::as_slice)
    }

    /// The classes of pods of a namespace, whatever their phase.
    pub(super) fn pods_in(&self, namespace: &str) -> &[EndpointId] {
        self.by_namespace.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The live pods of a namespace that policies can select.
    pub(super) fn selectable_in(&self, namespace: &str) -> Vec<EndpointId> {
        let here = self.pods_in(namespace).iter().copied();
        here.filter(|e| {
            self.engine
                .pod(*e)
                .is_some_and(|pod| pod.is_selectable() && !pod.host_group)
        })
        .collect()
    }

    /// The pods that a peer by selectors means, whatever their phase; none for a block.
    pub(super) fn peer(&self, peer: &Peer) -> Rc<[EndpointId]> {
        if let Some(known) = self.peers.borrow().get(peer) {
            return Rc::clone(known);
        }
        let found: Rc<[EndpointId]> = self.find_peer(peer).into();
        self.peers
            .borrow_mut()
            .insert(peer.clone(), Rc::clone(&found));
        found
    }

    fn find_peer(&self, peer: &Peer) -> Vec<EndpointId> {
        let Peer::Pods { namespaces, pods } = peer else {
            return Vec::new();
        };
        let places: Vec<&Vec<EndpointId>> = match namespaces {
            NamespaceMatch::Named(name) => {
                self.by_namespace.get(name.as_str()).into_iter().collect()
            }
            NamespaceMatch::Selector(_) => {
                let all = self.by_namespace.iter();
                all.filter(|(name, _)| namespace_matches(self.world, namespaces, name))
                    .map(|(_, list)| list)
                    .collect()
            }
        };
        let all = places.into_iter().flatten().copied();
        all.filter(|e| {
            self.engine.pod(*e).is_some_and(|pod| {
                if pod.host_group {
                    pods.is_everything()
                } else {
                    !pod.host_network && pods.matches(&pod.labels)
                }
            })
        })
        .collect()
    }

    /// The Services of a namespace.
    pub(super) fn services_in(&self, namespace: &str) -> &[&'a Service] {
        self.services.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The classes with a pod of the pod or workload whose name stands here.
    pub(super) fn owned_by(&self, owner: Span) -> Vec<EndpointId> {
        let owned = self.owned.get_or_init(|| {
            let mut found: FxHashMap<Span, Vec<EndpointId>> = FxHashMap::default();
            for endpoint in self.engine.endpoints() {
                let members = self.engine.members(endpoint).iter();
                let spans = members.filter_map(|id| self.world.pod(*id)?.origin.0);
                for span in spans.collect::<BTreeSet<Span>>() {
                    found.entry(span).or_default().push(endpoint);
                }
            }
            found
        });
        let all = owned.get(&owner).into_iter().flatten().copied();
        all.filter(|e| self.engine.is_destination(*e)).collect()
    }

    /// Whether the policies of administrators let something pass at one end that `wanted` looks for,
    /// whatever NetworkPolicies say.
    pub(super) fn administrators_open(
        &self,
        direction: Direction,
        subject: EndpointId,
        wanted: impl Fn(&PortSet) -> bool,
    ) -> bool {
        !self.world.admin_policies.is_empty()
            && self.engine.endpoints().any(|other| {
                let (source, destination) = match direction {
                    Direction::Ingress => (other, subject),
                    Direction::Egress => (subject, other),
                };
                self.engine.is_pair(source, destination)
                    && wanted(&self.engine.half(direction, source, destination).may)
            })
    }

    /// Whether the policies of administrators let a pod out to no address.
    pub(super) fn administrators_lock_in(&self, pod: EndpointId) -> bool {
        let refused = |address: &EndpointId| {
            let half = self.engine.half(Direction::Egress, pod, *address);
            half.may.is_empty()
        };
        !self.world.admin_policies.is_empty() && self.addresses().iter().all(refused)
    }

    /// Whether a namespace is in the input with pods.
    pub(super) fn has_pods(&self, namespace: &str) -> bool {
        !self.selectable_in(namespace).is_empty()
    }

    /// The pods behind a Service, live and selectable by it.
    pub(super) fn behind(&self, service: &Service) -> Vec<EndpointId> {
        if service.selector.is_empty() {
            return Vec::new();
        }
        let wanted = |pod: &Pod| pod.labels.include(&service.selector);
        let here = self.pods_in(&service.object.namespace).iter().copied();
        here.filter(|e| {
            let pod = self.engine.pod(*e);
            pod.is_some_and(|pod| !pod.host_group && self.engine.is_destination(*e) && wanted(pod))
        })
        .collect()
    }

    /// The workload of a class of pods.
    pub(super) fn workload(&self, endpoint: EndpointId) -> Option<WorkloadKey<'a>> {
        let pod = self.engine.pod(endpoint)?;
        let made_by = &pod.template.workload;
        Some((&pod.template.namespace, &made_by.kind, &made_by.name))
    }

    /// The distinct workloads of some endpoints.
    pub(super) fn workloads(
        &self,
        endpoints: impl IntoIterator<Item = EndpointId>,
    ) -> BTreeSet<WorkloadKey<'a>> {
        let keys = endpoints.into_iter().filter_map(|e| self.workload(e));
        keys.collect()
    }

    /// Whether an annotation on the object around `span` switches a lint off. Remembered, so that an
    /// annotation without effect is told.
    pub(super) fn skips(&self, lint: &Lint, span: Option<Span>) -> bool {
        let Some(span) = span else { return false };
        let mut found = false;
        for (index, skip) in self.written.skips.iter().enumerate() {
            let around = skip.object;
            let inside =
                around.file == span.file && around.start <= span.start && span.end <= around.end;
            if inside && skip.reason.is_some() && skip.lints.iter().any(|name| name == lint.name) {
                self.used.borrow_mut().insert((index, lint.name));
                found = true;
            }
        }
        found
    }

    /// Whether an annotation has switched off a lint.
    pub(super) fn has_skipped(&self, skip: usize, lint: &str) -> bool {
        let used = self.used.borrow();
        used.iter()
            .any(|(index, name)| *index == skip && *name == lint)
    }

    /// Adds a witness that the reference has confirmed. Where it refutes the finding, what is told
    /// instead is a defect of our own.
    pub(super) fn shown(
        &self,
        finding: Diagnostic,
        (source, destination): (EndpointId, EndpointId),
        port: (Protocol, u16),
        expect: Expect,
    ) -> Diagnostic {
        let Some(mut flow) = self.engine.flow(source, destination, port) else {
            return finding;
        };
        flow.source = self.familiar(source).unwrap_or(flow.source);
        flow.destination = self.familiar(destination).unwrap_or(flow.destination);
        self.replayed(finding, &flow, expect)
    }

    /// An address that people know as an example, if the endpoint holds it (`RFC 5737`, `RFC 3849`).
    fn familiar(&self, endpoint: EndpointId) -> Option<Endpoint> {
        self.engine.address(endpoint)?;
        let (first, last) = self.engine.range(endpoint)?;
        let examples = [
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10)),
        ];
        let known = examples.into_iter().find(|a| first <= *a && *a <= last);
        known.map(Endpoint::Address)
    }

    /// The same for a finding that is no less true where another layer decides otherwise.
    pub(super) fn shown_if_refused(
        &self,
        finding: Diagnostic,
        pair: (EndpointId, EndpointId),
        port: (Protocol, u16),
    ) -> Diagnostic {
        match self.outcome(pair.0, pair.1, port) {
            Some(Outcome::Deny) => self.shown(finding, pair, port, Expect::Refused),
            _ => finding,
        }
    }

    /// The same for one flow.
    pub(super) fn replayed(&self, finding: Diagnostic, flow: &Flow, expect: Expect) -> Diagnostic {
        let decision = reference::decide(self.world, flow);
        let agrees = match expect {
            Expect::Passes => decision.outcome == Outcome::Allow,
            Expect::PassesInPlaintext => {
                decision.outcome == Outcome::Allow && decision.encryption == Encryption::None
            }
            Expect::Refused => decision.outcome == Outcome::Deny,
        };
        let text = flow_text(self.world, flow);
        if agrees {
            let ending = match expect {
                Expect::Passes => "passes",
                Expect::PassesInPlaintext => "passes in plaintext",
                Expect::Refused => "is refused",
            };
            return finding.witness(format!("{text} {ending}"));
        }
        self.disagreements.set(self.disagreements.get() + 1);
        Diagnostic::warning(
            "PAL0399",
            "a lint and the reference evaluator disagree; nothing is claimed about this flow",
        )
        .note(format!(
            "{}: expected {expect:?}, the reference says {:?} with {:?}",
            finding.code.0, decision.outcome, decision.encryption
        ))
        .help("this is a defect of Palisade: please report it with the manifests")
        .witness(text)
    }

    /// What the reference says of a connection.
    pub(super) fn outcome(
        &self,
        source: EndpointId,
        destination: EndpointId,
        port: (Protocol, u16),
    ) -> Option<Outcome> {
        let flow = self.engine.flow(source, destination, port)?;
        Some(reference::decide(self.world, &flow).outcome)
    }

    /// Some source and port whose connection to `destination` the reference lets pass: pods first,
    /// then addresses that people know.
    pub(super) fn open_to(
        &self,
        destination: EndpointId,
        ports: &[(Protocol, u16)],
        wanted: impl Fn(EndpointId) -> bool,
    ) -> Option<(EndpointId, (Protocol, u16))> {
        let pods = self.engine.endpoints();
        let pods = pods.filter(|e| self.engine.pod(*e).is_some());
        let mut sources = pods
            .chain(self.addresses().iter().copied())
            .filter(|e| *e != destination && self.engine.is_pair(*e, destination) && wanted(*e));
        sources.find_map(|source| {
            let mut ports = ports.iter();
            let port =
                ports.find(|p| self.outcome(source, destination, **p) == Some(Outcome::Allow))?;
            Some((source, *port))
        })
    }

    /// Whether the reference lets a connection pass for certain.
    pub(super) fn passes(
        &self,
        source: EndpointId,
        destination: EndpointId,
        port: (Protocol, u16),
    ) -> bool {
        self.engine.is_pair(source, destination)
            && self.outcome(source, destination, port) == Some(Outcome::Allow)
    }

    /// A port of a rule on a destination: one that the destination declares, if there is one.
    pub(super) fn sample_port(
        &self,
        rule: &Rule,
        destination: EndpointId,
    ) -> Option<(Protocol, u16)> {
        let ports = self.engine.ports_at(rule.ports.as_deref(), destination);
        let declared = self
            .engine
            .pod(destination)?
            .container_ports
            .intersection(&ports);
        declared.first().or_else(|| ports.first())
    }

    /// A connection that shows that nothing closes a pod: on a port that it declares, else by UDP, which
    /// no mesh receives.
    pub(super) fn way_in(&self, pod: EndpointId) -> Option<(EndpointId, (Protocol, u16))> {
        let ports = [self.any_port(pod), (Protocol::Udp, 8080)];
        let mut ports = ports.iter();
        ports.find_map(|port| self.open_to(pod, &[*port], |_| true))
    }

    /// A port that a pod declares, else 80.
    pub(super) fn any_port(&self, endpoint: EndpointId) -> (Protocol, u16) {
        let declared = self
            .engine
            .pod(endpoint)
            .and_then(|pod| pod.container_ports.first());
        declared.unwrap_or((Protocol::Tcp, 80))
    }

    /// The TCP ports that a pod declares, at most a few, else 8080.
    pub(super) fn tcp_ports(&self, endpoint: EndpointId) -> Vec<(Protocol, u16)> {
        let declared = self
            .engine
            .pod(endpoint)
            .map(|pod| pod.container_ports.ranges(Protocol::Tcp));
        let firsts = declared
            .unwrap_or_default()
            .iter()
            .take(8)
            .map(|range| (Protocol::Tcp, range.0));
        let found: Vec<(Protocol, u16)> = firsts.collect();
        if found.is_empty() {
            vec![(Protocol::Tcp, 8080)]
        } else {
            found
        }
    }

    /// The endpoints that are addresses outside, those with an address that people know first.
    pub(super) fn addresses(&self) -> &[EndpointId] {
        self.addresses.get_or_init(|| {
            let all = self.engine.endpoints();
            let mut found: Vec<EndpointId> =
                all.filter(|e| self.engine.address(*e).is_some()).collect();
            found.sort_by_key(|e| self.familiar(*e).is_none());
            found
        })
    }

    /// A source without a proxy and a TCP port whose connection to `destination` passes in
    /// plaintext, as the reference sees it.
    pub(super) fn plaintext_to(
        &self,
        destination: EndpointId,
        ports: &[(Protocol, u16)],
    ) -> Option<(EndpointId, (Protocol, u16))> {
        let outside = |e: &EndpointId| match self.engine.pod(*e) {
            Some(pod) => matches!(pod.template.proxy, Proxy::None { .. }),
            None => true,
        };
        let mut sources = self
            .engine
            .endpoints()
            .filter(|e| *e != destination && outside(e) && self.engine.is_pair(*e, destination));
        sources.find_map(|source| {
            let plain = |port: &&(Protocol, u16)| {
                let flow = self.engine.flow(source, destination, **port);
                flow.is_some_and(|flow| {
                    let decision = reference::decide(self.world, &flow);
                    decision.outcome == Outcome::Allow && decision.encryption == Encryption::None
                })
            };
            Some((source, *ports.iter().find(plain)?))
        })
    }

    /// Live pods with a sidecar.
    pub(super) fn sidecars(&self) -> &[EndpointId] {
        self.sidecars.get_or_init(|| {
            let sidecar = |e: &EndpointId| {
                let pod = self.engine.pod(*e);
                pod.is_some_and(|pod| matches!(pod.template.proxy, Proxy::Sidecar { .. }))
            };
            let all = self.engine.endpoints();
            all.filter(|e| self.engine.is_source(*e) && sidecar(e))
                .collect()
        })
    }

    /// The live pods with a sidecar that a mesh policy applies to: by its labels in its namespace,
    /// everywhere from the root namespace.
    pub(super) fn in_mesh(&self, object: &ObjectRef, selector: &Labels) -> Vec<EndpointId> {
        let everywhere = object.namespace == self.world.mesh.root_namespace;
        let all = self.sidecars().iter().copied();
        all.filter(|e| {
            self.engine.pod(*e).is_some_and(|pod| {
                (everywhere || pod.template.namespace == object.namespace)
                    && pod.labels.include(selector)
            })
        })
        .collect()
    }
}
