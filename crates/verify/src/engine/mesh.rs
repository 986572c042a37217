//! The sidecar mesh between two endpoints, as sets of ports.
//!
//! What a receiver does is the same on every port between two *borders*: ports that some object that
//! concerns it names. One port of each stretch is judged and stands for the stretch. All that does not
//! depend on the caller is worked out once per receiver. Cost: receivers × (Services + policies) to
//! build; stretches × rules of the receiver per pair.

use super::Pair;
use super::Passage;
use super::authorization::{self, Applicable, Judgement, Wire};
use super::client::{self, Door, Way};
use palisade_netmodel::{
    AuthorizationPolicy, GatewayServer, MeshConfig, MtlsMode, PeerAuthentication, Pod, PortSet,
    Protocol, Proxy, ServerTls, Service, World,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'w> {
    Pod(&'w Client<'w>),
    Address(IpAddr),
    Nobody,
}

/// A pod that calls, with the identity of its certificate.
#[derive(Debug)]
pub(crate) struct Client<'w> {
    pub(super) pod: &'w Pod,
    pub(super) identity: Arc<Identity>,
}

impl<'w> Client<'w> {
    /// The client of a pod.
    pub(crate) fn new(pod: &'w Pod, identity: Arc<Identity>) -> Self {
        Self { pod, identity }
    }
}

/// What a certificate says.
#[derive(Debug)]
pub(crate) struct Identity {
    /// `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.
    pub(super) spiffe: String,
    /// The same principal under the other names of the trust domain.
    pub(super) aliases: Vec<String>,
}

impl Identity {
    /// The identity of a service account.
    pub(super) fn new(mesh: &MeshConfig, namespace: &str, account: &str) -> Self {
        let rest = format!("/ns/{namespace}/sa/{account}");
        let names = mesh.trust_domain_aliases.iter().map(String::as_str);
        Self {
            spiffe: format!("spiffe://{}{rest}", mesh.trust_domain),
            aliases: names
                .chain(["cluster.local"])
                .map(|alias| format!("{alias}{rest}"))
                .collect(),
        }
    }
}

/// Identities, each made once.
#[derive(Debug)]
pub(crate) struct Identities<'w> {
    world: &'w World,
    known: FxHashMap<(&'w str, &'w str), Arc<Identity>>,
}

impl<'w> Identities<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self {
            world,
            known: FxHashMap::default(),
        }
    }

    /// The identity of a pod: that of its service account.
    pub(crate) fn of(&mut self, pod: &'w Pod) -> Arc<Identity> {
        let template = &pod.template;
        let (namespace, account) = (template.namespace.as_str(), &template.service_account);
        let mesh = &self.world.mesh;
        let made = self.known.entry((namespace, account));
        let made = made.or_insert_with(|| Arc::new(Identity::new(mesh, namespace, account)));
        Arc::clone(made)
    }
}

/// A pod with a proxy, ready to be asked.
#[derive(Debug)]
pub(crate) struct Receiver<'w> {
    world: &'w World,
    pod: &'w Pod,
    policies: Applicable<'w>,
    stretches: Vec<Stretch<'w>>,
    /// The ports that its sidecar does not receive.
    bypassed: Vec<Stretch<'w>>,
}

/// Ports on which nothing changes.
#[derive(Debug)]
struct Stretch<'w> {
    /// One of them, which is judged.
    port: u16,
    /// All of them.
    ports: PortSet,
    mode: MtlsMode,
    wires: Vec<Wire>,
    doors: Vec<Door<'w>>,
    /// The Gateway servers on the port, for a gateway.
    servers: Vec<&'w GatewayServer>,
    /// Whether nothing but its mode is said of it.
    plain: bool,
}

/// What one port does: may it pass, and how is the wire?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PortAnswer {
    judgement: Judgement,
    mesh_mtls: bool,
    tls: bool,
    by_certificate: bool,
}

/// Everything passes but what is judged otherwise on some ports.
pub(super) fn on(ports: &PortSet, judgement: Judgement) -> Passage {
    let rest = || PortSet::all().difference(ports);
    match judgement {
        Judgement::Allow => Passage::everything(),
        Judgement::Depends => Passage {
            must: rest(),
            may: PortSet::all(),
        },
        Judgement::Deny => Passage {
            must: rest(),
            may: rest(),
        },
    }
}

/// What passes to a destination that no proxy receives for.
pub(crate) fn untouched() -> Pair {
    Pair {
        passage: Passage::everything(),
        mesh_mtls: PortSet::empty(),
        tls: PortSet::empty(),
        by_certificate: PortSet::empty(),
    }
}

impl<'w> Receiver<'w> {
    /// The receiver of a pod; `None` if it has no proxy.
    pub(crate) fn new(world: &'w World, pod: &'w Pod) -> Option<Self> {
        let listens = match &pod.proxy {
            // `ambient.rs` answers for captured pods; a waypoint has no application.
            Proxy::None { .. } | Proxy::Ambient { .. } | Proxy::Waypoint => return None,
            Proxy::Sidecar { inbound, .. } => {
                PortSet::protocol(Protocol::Tcp).difference(&inbound.bypass)
            }
            Proxy::Gateway => PortSet::protocol(Protocol::Tcp),
        };
        let policies = Applicable::of(world, pod);
        let services = client::leading(world, pod);
        let named: Vec<u16> = policies.iter().flat_map(authorization::ports).collect();
        let (mut stretches, mut bypassed) = (Vec::<Stretch<'_>>::new(), Vec::new());
        for (first, last) in borders(world, pod, (&policies, &services)) {
            let ports = PortSet::range(Protocol::Tcp, first, last);
            let list = if listens.covers(&ports) {
                &mut stretches
            } else {
                &mut bypassed
            };
            let doors = client::doors(world, &services, pod, first);
            let servers = servers_on(world, pod, first, &doors);
            let mode = peer_authentication(world, pod, first);
            // All ports of which no other object speaks behave alike.
            let plain = doors.is_empty() && servers.is_empty() && !named.contains(&first);
            if plain && let Some(like) = list.iter_mut().find(|s| s.plain && s.mode == mode) {
                like.ports = like.ports.union(&ports);
                continue;
            }
            list.push(Stretch {
                port: first,
                ports,
                mode,
                wires: wires(&doors),
                servers,
                doors,
                plain,
            });
        }
        Some(Self {
            world,
            pod,
            policies,
            stretches,
            bypassed,
        })
    }

    /// The policies that tell callers apart.
    pub(super) fn policies(&self) -> impl Iterator<Item = &'w AuthorizationPolicy> + '_ {
        self.policies.iter()
    }

    /// The Service ports by which callers come.
    pub(super) fn doors(&self) -> impl Iterator<Item = &Door<'w>> {
        self.stretches.iter().flat_map(|stretch| &stretch.doors)
    }

    /// What the mesh adds to a call.
    pub(crate) fn pair(&self, source: Source<'_>) -> Pair {
        let mut pair = untouched();
        for stretch in &self.stretches {
            let answer = if self.pod.proxy == Proxy::Gateway {
                self.gateway_port(source, stretch)
            } else {
                self.sidecar_port(source, stretch)
            };
            let ports = &stretch.ports;
            if answer.judgement != Judgement::Allow {
                pair.passage.must = pair.passage.must.difference(ports);
            }
            if answer.judgement == Judgement::Deny {
                pair.passage.may = pair.passage.may.difference(ports);
            }
            if answer.mesh_mtls {
                pair.mesh_mtls = pair.mesh_mtls.union(ports);
            }
            if answer.tls {
                pair.tls = pair.tls.union(ports);
            }
            if answer.by_certificate {
                pair.by_certificate = pair.by_certificate.union(ports);
            }
        }
        pair
    }

    /// What passes of a tunnel (HBONE) that ends at the proxy, for a caller with its certificate. The
    /// proxy receives every port of it.
    pub(crate) fn tunnel(&self, source: Source<'_>) -> Passage {
        let mut passage = Passage::everything();
        for stretch in self.stretches.iter().chain(&self.bypassed) {
            let judgement = self.authorize(source, true, stretch.port, &stretch.wires);
            passage = passage.and(&on(&stretch.ports, judgement));
        }
        passage
    }

    fn sidecar_port(&self, source: Source<'_>, stretch: &Stretch<'_>) -> PortAnswer {
        let on = (stretch.mode, stretch.doors.as_slice());
        let ways = client::ways(self.world, source, self.pod, on);
        let plain = self.judge(source, stretch, Way::Plain);
        let judge = |way: &Way| match way {
            Way::Plain => plain,
            Way::Mtls => self.judge(source, stretch, Way::Mtls),
        };
        let preferred = ways.first().map_or(Judgement::Deny, judge);
        let judgement = if preferred == Judgement::Allow {
            Judgement::Allow
        } else if ways.iter().all(|w| judge(w) == Judgement::Deny) {
            Judgement::Deny
        } else {
            Judgement::Depends
        };
        let enrolled = ways.contains(&Way::Mtls);
        PortAnswer {
            judgement,
            mesh_mtls: plain == Judgement::Deny && judgement != Judgement::Deny,
            tls: false,
            by_certificate: stretch.doors.is_empty()
                && judgement == Judgement::Depends
                && enrolled
                && judge(&Way::Mtls) == Judgement::Allow,
        }
    }

    fn judge(&self, source: Source<'_>, stretch: &Stretch<'_>, way: Way) -> Judgement {
        let accepted = match (stretch.mode, way) {
            (MtlsMode::Strict, Way::Plain) | (MtlsMode::Disable, Way::Mtls) => false,
            (MtlsMode::Strict, Way::Mtls)
            | (MtlsMode::Permissive, _)
            | (MtlsMode::Disable, Way::Plain) => true,
        };
        if !accepted {
            return Judgement::Deny;
        }
        self.authorize(source, way == Way::Mtls, stretch.port, &stretch.wires)
    }

    fn authorize(&self, source: Source<'_>, mtls: bool, port: u16, wires: &[Wire]) -> Judgement {
        let caller = authorization::Caller { source, mtls };
        let receiver = (&self.pod.addresses, &self.policies);
        authorization::judge(receiver, &[port], &caller, wires)
    }

    fn gateway_port(&self, source: Source<'_>, stretch: &Stretch<'_>) -> PortAnswer {
        let served = &stretch.servers;
        let open = PortAnswer {
            judgement: Judgement::Allow,
            mesh_mtls: false,
            tls: false,
            by_certificate: false,
        };
        if served.is_empty() {
            return open;
        }
        let mesh_mtls = served.iter().all(|s| s.tls == ServerTls::IstioMutual);
        let tls = served.iter().all(|s| s.tls != ServerTls::None);
        let enrolled = matches!(source, Source::Pod(c) if matches!(c.pod.proxy, Proxy::Sidecar { .. } | Proxy::Gateway));
        if mesh_mtls && !enrolled {
            return PortAnswer {
                judgement: Judgement::Deny,
                ..open
            };
        }
        let wires: BTreeSet<Wire> = served
            .iter()
            .flat_map(|s| authorization::wires_of_server(s))
            .collect();
        let wires: Vec<Wire> = wires.into_iter().collect();
        PortAnswer {
            judgement: self.authorize(source, mesh_mtls, stretch.port, &wires),
            mesh_mtls,
            tls: tls && !mesh_mtls,
            by_certificate: false,
        }
    }
}

/// Stretches of ports on which nothing that concerns the receiver changes.
fn borders(
    world: &World,
    pod: &Pod,
    (policies, services): (&Applicable<'_>, &[&Service]),
) -> Vec<(u16, u16)> {
    let mut borders = BTreeSet::from([1_u16]);
    let mut cut = |port: u16| {
        borders.insert(port.max(1));
        borders.extend(port.checked_add(1));
    };
    let own = |p: &&PeerAuthentication| p.object.namespace == pod.namespace;
    for policy in world.peer_authentications.iter().filter(own) {
        policy.ports.keys().for_each(|p| cut(*p));
    }
    for policy in policies.iter() {
        authorization::ports(policy).into_iter().for_each(&mut cut);
    }
    let mut edges = client::door_ports(services, pod);
    for server in servers(world, pod) {
        edges = edges.union(&PortSet::single(Protocol::Tcp, server.port));
    }
    // Neighbouring ports of Services and servers may differ from each other.
    for (first, last) in edges.ranges(Protocol::Tcp) {
        (*first..=*last).for_each(&mut cut);
    }
    if let Proxy::Sidecar { inbound, .. } = &pod.proxy {
        for (first, last) in inbound.bypass.ranges(Protocol::Tcp) {
            cut(*last);
            cut(first.saturating_sub(1));
        }
    }
    // Without a Service, a caller's own exclusions decide what it sends.
    for other in &world.pods {
        if let Proxy::Sidecar {
            outbound_excluded, ..
        } = &other.proxy
        {
            for (first, last) in outbound_excluded.ranges(Protocol::Tcp) {
                cut(*last);
                cut(first.saturating_sub(1));
            }
        }
    }
    let starts: Vec<u16> = borders.into_iter().collect();
    let ends = starts.iter().skip(1).map(|s| s - 1).chain([u16::MAX]);
    starts.iter().copied().zip(ends).collect()
}

/// How the proxy may read a port: by the declared protocol of every Service port that leads to it;
/// undeclared means both.
fn wires(doors: &[Door<'_>]) -> Vec<Wire> {
    if doors.is_empty() {
        return vec![Wire::Http, Wire::Tcp];
    }
    let found: BTreeSet<Wire> = doors
        .iter()
        .flat_map(|door| authorization::wires_of(door.name, door.app_protocol))
        .collect();
    found.into_iter().collect()
}

/// The mode of a pod's port, or `None` if no proxy of the mesh receives it.
pub(crate) fn mode(world: &World, pod: &Pod, port: u16) -> Option<MtlsMode> {
    match &pod.proxy {
        Proxy::Sidecar { inbound, .. } if !inbound.bypass.contains(Protocol::Tcp, port) => {
            Some(peer_authentication(world, pod, port))
        }
        // Towards a captured pod nothing but STRICT refuses plaintext.
        Proxy::Ambient {
            bypass_inbound: false,
            ..
        } => Some(match peer_authentication(world, pod, port) {
            MtlsMode::Disable => MtlsMode::Permissive,
            mode => mode,
        }),
        _ => None,
    }
}

/// `Istio PeerAuthentication`: workload over namespace over mesh, the oldest of a level; the list is
/// sorted oldest first.
fn peer_authentication(world: &World, pod: &Pod, port: u16) -> MtlsMode {
    let [mesh, namespace, workload] = levels(world, pod);
    let mode = [workload, namespace, mesh]
        .into_iter()
        .flatten()
        .find_map(|p| p.mode)
        .unwrap_or(MtlsMode::Permissive);
    let own = workload.and_then(|p| p.ports.get(&port).copied().flatten());
    own.unwrap_or(mode)
}

/// Whether ztunnel lets plaintext to a port pass: STRICT refuses it, DISABLE is PERMISSIVE. A port with
/// DISABLE of a policy without a mode, under a STRICT parent, is translated by halves.
pub(super) fn plaintext(world: &World, pod: &Pod, port: u16) -> Judgement {
    let [mesh, namespace, workload] = levels(world, pod);
    let disabled = workload.filter(|p| p.ports.get(&port) == Some(&Some(MtlsMode::Disable)));
    let parent = namespace.and_then(|p| p.mode).or(mesh.and_then(|p| p.mode));
    if disabled.is_some_and(|p| p.mode.is_none()) && parent == Some(MtlsMode::Strict) {
        return Judgement::Depends;
    }
    match peer_authentication(world, pod, port) {
        MtlsMode::Strict => Judgement::Deny,
        MtlsMode::Permissive | MtlsMode::Disable => Judgement::Allow,
    }
}

/// The mode of a namespace as a whole, by which clients know its Services.
pub(super) fn namespace_mode(world: &World, namespace: &str) -> Option<MtlsMode> {
    let whole = |place: &str| {
        let mut all = world.peer_authentications.iter();
        let first = all.find(|p| p.selector.is_empty() && p.object.namespace == place);
        first.and_then(|p| p.mode)
    };
    whole(namespace).or_else(|| whole(&world.mesh.root_namespace))
}

/// The policies of the mesh, the namespace and the workload.
fn levels<'w>(world: &'w World, pod: &Pod) -> [Option<&'w PeerAuthentication>; 3] {
    let root = &world.mesh.root_namespace;
    let (mut mesh, mut namespace, mut workload) = (None, None, None);
    for policy in &world.peer_authentications {
        let here = policy.object.namespace == pod.namespace;
        let in_root = policy.object.namespace == *root;
        let slot = match (policy.selector.is_empty(), in_root, here) {
            (true, true, _) => &mut mesh,
            (true, false, true) => &mut namespace,
            (false, false, true) if pod.labels.include(&policy.selector) => &mut workload,
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(policy);
        }
    }
    [mesh, namespace, workload]
}

/// The servers of every Gateway that selects a pod.
fn servers<'w>(world: &'w World, pod: &Pod) -> impl Iterator<Item = &'w GatewayServer> {
    let selecting = world
        .gateways
        .iter()
        .filter(|g| pod.labels.include(&g.selector));
    selecting.flat_map(|g| &g.servers)
}

/// The servers on one port: `port.number` is a port of the gateway's Service, or the pod's own if no
/// Service leads to it.
fn servers_on<'w>(
    world: &'w World,
    pod: &Pod,
    port: u16,
    doors: &[Door<'_>],
) -> Vec<&'w GatewayServer> {
    let on = |server: &&GatewayServer| {
        if doors.is_empty() {
            server.port == port
        } else {
            doors.iter().any(|d| d.port == server.port)
        }
    };
    servers(world, pod).filter(on).collect()
}
