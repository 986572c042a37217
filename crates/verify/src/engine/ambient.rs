//! The ambient mesh between two endpoints, as sets of ports.
//!
//! A connection reaches a captured pod in one of a few *ways*: in a tunnel to port 15008, on the port
//! that is meant, or past ztunnel. Where the input does not show which, all possible ways are answered
//! and what they agree on is certain. In a tunnel NetworkPolicy has one word on all TCP ports, and
//! ztunnel, or a waypoint and ztunnel, judge each stretch of ports. Cost: stretches × (Services +
//! pods of waypoints) per pair.

use super::authorization::{self, Applicable, Caller, GATEWAY_NAME, Judgement, Wire};
use super::client::{self, Door};
use super::endpoints::EndpointId;
use super::mesh::{self, on};
use super::ztunnel::Rules;
use super::{Engine, Pair, Passage, Tunnels};
use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, Capture, Direction, Endpoint, HBONE_PORT, Labels, ObjectRef, Phase, Pod, PortSet,
    Protocol, Proxy, WaypointScope, World, ztunnel_ports,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of the node's probes, as a captured pod sees them.
const PROBES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 7, 127)),
    IpAddr::V6(Ipv6Addr::new(
        0xfd16, 0x9254, 0x7127, 0x1337, 0xffff, 0xffff, 0xffff, 0xffff,
    )),
];

/// All that ambient mode adds to a world.
#[derive(Debug)]
pub(super) struct Ambient<'w> {
    /// Whether any pod is captured, or a waypoint's.
    pub(super) in_use: bool,
    /// Per endpoint: what a captured pod's ztunnel does.
    receivers: Vec<Option<Receiver<'w>>>,
    /// Per waypoint of the world: the endpoints of its live pods.
    members: Vec<Vec<EndpointId>>,
}

/// How a connection reaches its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Tunnel,
    Plain,
    Uncaptured,
}

/// A captured pod.
#[derive(Debug)]
struct Receiver<'w> {
    pod: &'w Pod,
    rules: Rules<'w>,
    /// Plaintext that arrives goes past ztunnel.
    bypass: bool,
    /// The route to the pod's own address.
    bare: Route<'w>,
    stretches: Vec<Stretch<'w>>,
}

/// Ports on which nothing changes.
#[derive(Debug)]
struct Stretch<'w> {
    port: u16,
    ports: PortSet,
    /// Whether plaintext passes the receiver's mode.
    plain: Judgement,
    /// The routes of calls by Services.
    doors: Vec<ServiceRoute<'w>>,
}

#[derive(Debug)]
struct ServiceRoute<'w> {
    route: Route<'w>,
    /// Whether gateways take it, too.
    from_ingress: bool,
}

/// The tunnels that a call runs through.
#[derive(Debug)]
enum Route<'w> {
    Direct,
    /// By a waypoint of the world, which judges the request.
    Through(Box<Waypoint<'w>>),
    /// By a waypoint that the input does not hold.
    Unknown,
}

/// A waypoint for one Service, or for calls to pods.
#[derive(Debug)]
struct Waypoint<'w> {
    /// Its index in the world.
    index: usize,
    policies: Applicable<'w>,
    wires: Vec<Wire>,
    /// The Service's port, if a Service is called.
    port: Option<u16>,
}

/// The blocks at which addresses must be cut where ambient mode is in use.
pub(super) fn blocks(world: &World) -> Vec<IpNet> {
    let captured = |pod: &Pod| matches!(pod.proxy, Proxy::Ambient { .. });
    if world.pods.iter().any(captured) {
        PROBES.map(IpNet::from).to_vec()
    } else {
        Vec::new()
    }
}

impl<'w> Ambient<'w> {
    /// `pods` are the endpoints' representatives.
    pub(super) fn new(world: &'w World, pods: impl Iterator<Item = Option<&'w Pod>>) -> Self {
        let pods: Vec<Option<&Pod>> = pods.collect();
        let member = |pod: &Pod, waypoint: &ObjectRef| {
            pod.proxy == Proxy::Waypoint
                && pod.phase == Phase::Live
                && pod.namespace == waypoint.namespace
                && pod.labels.get(GATEWAY_NAME) == Some(waypoint.name.as_str())
        };
        let members = world.waypoints.iter().map(|waypoint| {
            let ids = (0..).map(EndpointId).zip(&pods);
            ids.filter(|(_, pod)| pod.is_some_and(|pod| member(pod, &waypoint.object)))
                .map(|(id, _)| id)
                .collect()
        });
        let ambient = |pod: &Pod| matches!(pod.proxy, Proxy::Ambient { .. } | Proxy::Waypoint);
        Self {
            in_use: pods.iter().flatten().any(|pod| ambient(pod)),
            receivers: pods
                .iter()
                .map(|pod| Receiver::new(world, (*pod)?))
                .collect(),
            members: members.collect(),
        }
    }

    fn receiver(&self, endpoint: EndpointId) -> Option<&Receiver<'w>> {
        self.receivers.get(endpoint.index())?.as_ref()
    }

    /// The ways of a pair that ambient mode has a part in; none for all others.
    fn ways(source: Option<&Pod>, destination: Option<&Pod>) -> &'static [Way] {
        let caller = source.map(|pod| &pod.proxy);
        let tunnels = match caller {
            Some(Proxy::Waypoint) => Some(true),
            Some(Proxy::Ambient { capture, .. }) => (*capture != Capture::Unclear).then_some(true),
            Some(Proxy::Sidecar { .. } | Proxy::Gateway) => None,
            Some(Proxy::None { .. }) | None => Some(false),
        };
        match destination.map(|pod| &pod.proxy) {
            Some(Proxy::Sidecar { .. }) => match caller {
                Some(Proxy::Ambient { .. } | Proxy::Waypoint) => &[Way::Tunnel, Way::Plain],
                _ => &[],
            },
            Some(Proxy::Ambient { capture, .. }) => match (tunnels, capture) {
                (Some(true), Capture::Unclear) => &[Way::Tunnel, Way::Uncaptured],
                (Some(true), _) => &[Way::Tunnel],
                (Some(false), Capture::Unclear) => &[Way::Plain, Way::Uncaptured],
                (Some(false), _) => &[Way::Plain],
                (None, Capture::Unclear) => &[Way::Tunnel, Way::Plain, Way::Uncaptured],
                (None, _) => &[Way::Tunnel, Way::Plain],
            },
            _ => &[],
        }
    }
}

/// One pair of ends and what it is judged with.
pub(super) struct Crossing<'e, 'w> {
    engine: &'e Engine<'w>,
    ends: (EndpointId, EndpointId),
    ways: &'static [Way],
    /// Whether the caller is the receiver's own node.
    own_node: bool,
}

impl<'e, 'w> Crossing<'e, 'w> {
    /// The pair, if ambient mode has a part in it.
    pub(super) fn new(engine: &'e Engine<'w>, ends: (EndpointId, EndpointId)) -> Option<Self> {
        if !engine.ambient.in_use || !engine.endpoints.traits(ends.1).proxy {
            return None;
        }
        let ways = Ambient::ways(engine.pod(ends.0), engine.pod(ends.1));
        (!ways.is_empty()).then(|| Self {
            engine,
            ends,
            ways,
            own_node: engine.shares_node(ends.1, ends.0),
        })
    }

    /// The same for one flow, whose ends may share a node although not all pods of theirs do.
    pub(super) fn with(self, own_node: bool) -> Self {
        Self { own_node, ..self }
    }

    /// What passes, and how.
    pub(super) fn pair(&self) -> Pair {
        let (source, destination) = self.ends;
        let network = self
            .network(Direction::Egress)
            .and(&self.network(Direction::Ingress));
        self.united(&network, self.tunnel_network(source, destination))
    }

    /// What the mesh adds to the network's halves; by waypoints, the network's word on each tunnel.
    pub(super) fn mesh(&self) -> Pair {
        let (source, destination) = self.ends;
        let tunnel = if self.has_waypoint() {
            self.tunnel_network(source, destination)
        } else {
            Judgement::Allow
        };
        self.united(&Passage::everything(), tunnel)
    }

    /// What the network lets pass at one end.
    pub(super) fn half(&self, direction: Direction) -> Passage {
        let plain = self.network(direction);
        let tunnel = if self.has_waypoint() {
            Judgement::Allow
        } else {
            at_tunnel(&plain)
        };
        let mut sum = Sum::default();
        for way in self.ways {
            match way {
                Way::Tunnel => sum.add(&tcp_as(&plain, tunnel), true),
                Way::Plain | Way::Uncaptured => sum.add(&plain, false),
            }
        }
        sum.passage
    }

    /// What the network lets pass at one end, on the port that is meant.
    fn network(&self, direction: Direction) -> Passage {
        if direction == Direction::Ingress && self.own_node {
            return Passage::everything();
        }
        self.engine.policed(direction, self.ends.0, self.ends.1)
    }

    /// How the pair's TCP connections run in tunnels.
    pub(super) fn tunnels(&self) -> Tunnels {
        match self.ways {
            _ if self.has_waypoint() => Tunnels::ByWaypoint,
            [Way::Tunnel] => Tunnels::Direct,
            ways if ways.contains(&Way::Tunnel) => Tunnels::Perhaps,
            _ => Tunnels::None,
        }
    }

    /// Whether some call of the pair goes by a waypoint.
    fn has_waypoint(&self) -> bool {
        let receiver = self.engine.ambient.receiver(self.ends.1);
        receiver.is_some_and(|receiver| {
            let doors = receiver.stretches.iter().flat_map(|s| &s.doors);
            let taken = |route: &Route<'_>| !matches!(route, Route::Direct);
            taken(self.taken(&receiver.bare, false))
                || doors
                    .into_iter()
                    .any(|d| taken(self.taken(&d.route, d.from_ingress)))
        })
    }

    fn united(&self, network: &Passage, tunnel: Judgement) -> Pair {
        let mut sum = Sum::default();
        for way in self.ways {
            match way {
                Way::Uncaptured => sum.add(network, false),
                Way::Plain => sum.add(&self.plain(network), false),
                Way::Tunnel => sum.add(&self.tunnel(network, tunnel), true),
            }
        }
        let tcp = sum
            .passage
            .may
            .intersection(&PortSet::protocol(Protocol::Tcp));
        Pair {
            mesh_mtls: tcp.difference(&sum.plain),
            passage: sum.passage,
            tls: PortSet::empty(),
            by_certificate: PortSet::empty(),
        }
    }

    /// On the port that is meant.
    fn plain(&self, network: &Passage) -> Passage {
        let (source, destination) = self.ends;
        let caller = self.engine.mesh_end(source);
        let Some(receiver) = self.engine.ambient.receiver(destination) else {
            return network.and(&self.engine.without_tunnels(source, destination).passage);
        };
        if self.own_node {
            return self.of_own_node(network);
        }
        let probe = self.engine.address(source);
        if probe.is_some_and(|address| PROBES.contains(&address)) {
            return network.clone();
        }
        let caller = Caller {
            source: caller,
            mtls: false,
        };
        let mut passage = network.clone();
        for stretch in &receiver.stretches {
            let judgement = if receiver.bypass && stretch.port != HBONE_PORT {
                Judgement::Allow
            } else {
                let rules = receiver.rules.judge(receiver.pod, stretch.port, &caller);
                stretch.plain.and(rules)
            };
            passage = passage.and(&on(&stretch.ports, judgement));
        }
        passage
    }

    /// The node's packets arrive from the address of its probes: certain is what passes from there, too.
    fn of_own_node(&self, network: &Passage) -> Passage {
        let is_v6 = |a: IpAddr| a.is_ipv6();
        let v6 = self.engine.address(self.ends.0).is_some_and(is_v6);
        let [first, second] = PROBES;
        let probe = if v6 { second } else { first };
        let seen = self.engine.endpoints.locate(Endpoint::Address(probe));
        let seen = seen.map(|probe| self.engine.policed(Direction::Ingress, probe, self.ends.1));
        let tcp = PortSet::protocol(Protocol::Tcp);
        let certain = seen.map_or_else(PortSet::empty, |seen| seen.must);
        Passage {
            must: network.must.difference(&tcp.difference(&certain)),
            may: network.may.clone(),
        }
    }

    /// What the network says to a tunnel.
    fn tunnel_network(&self, source: EndpointId, destination: EndpointId) -> Judgement {
        let half = |direction| at_tunnel(&self.engine.policed(direction, source, destination));
        half(Direction::Egress).and(half(Direction::Ingress))
    }

    /// In tunnels: by every Service that leads to the port, and to the pod's own address.
    fn tunnel(&self, network: &Passage, direct: Judgement) -> Passage {
        let (source, destination) = self.ends;
        let Some(receiver) = self.engine.ambient.receiver(destination) else {
            let sidecar = self.engine.receivers.get(destination.index());
            let source = self.engine.mesh_end(source);
            let passes = sidecar.and_then(|s| Some(s.as_ref()?.tunnel(source)));
            let passes = passes.unwrap_or_else(Passage::nothing);
            return tcp_as(network, direct).and(&passes);
        };
        let mut passage = tcp_as(network, Judgement::Allow);
        for stretch in &receiver.stretches {
            let follow = |route, ingress| {
                self.follow(receiver, stretch.port, (self.taken(route, ingress), direct))
            };
            let bare = follow(&receiver.bare, false);
            let doors = stretch.doors.iter();
            let doors: Vec<Judgement> = doors.map(|d| follow(&d.route, d.from_ingress)).collect();
            let judgement = match doors.iter().min() {
                None => bare,
                Some(Judgement::Allow) => Judgement::Allow,
                Some(Judgement::Deny) if bare == Judgement::Deny => Judgement::Deny,
                Some(_) => Judgement::Depends,
            };
            passage = passage.and(&on(&stretch.ports, judgement));
        }
        passage
    }

    /// The route that this caller takes: only ztunnel knows waypoints, and gateways if they are asked.
    fn taken<'r>(&self, route: &'r Route<'w>, from_ingress: bool) -> &'r Route<'w> {
        match self.engine.pod(self.ends.0).map(|pod| &pod.proxy) {
            Some(Proxy::Ambient { .. }) => route,
            Some(Proxy::Gateway) if from_ingress => route,
            _ => &Route::Direct,
        }
    }

    fn follow(
        &self,
        receiver: &Receiver<'w>,
        port: u16,
        (route, direct): (&Route<'w>, Judgement),
    ) -> Judgement {
        let last = |from| {
            let caller = Caller {
                source: self.engine.mesh_end(from),
                mtls: true,
            };
            receiver.rules.judge(receiver.pod, port, &caller)
        };
        match route {
            Route::Direct => direct.and(last(self.ends.0)),
            Route::Unknown => Judgement::Depends,
            Route::Through(waypoint) => {
                let members = self.engine.ambient.members.get(waypoint.index);
                let all: BTreeSet<Judgement> = members
                    .into_iter()
                    .flatten()
                    .map(|by| {
                        self.tunnel_network(self.ends.0, *by)
                            .and(self.at_waypoint(waypoint, port))
                            .and(self.tunnel_network(*by, self.ends.1))
                            .and(last(*by))
                    })
                    .collect();
                match (all.len(), all.first()) {
                    (1, Some(all)) => *all,
                    _ => Judgement::Depends,
                }
            }
        }
    }

    /// The waypoint sees the caller's certificate and the request; its own address is not the pod's.
    fn at_waypoint(&self, waypoint: &Waypoint<'w>, port: u16) -> Judgement {
        let caller = Caller {
            source: self.engine.mesh_end(self.ends.0),
            mtls: true,
        };
        let mut ports = vec![port];
        ports.extend(waypoint.port);
        let nowhere = AddressSet::default();
        authorization::judge(
            (&nowhere, &waypoint.policies),
            &ports,
            &caller,
            &waypoint.wires,
        )
    }
}

/// Several ways that are possible: certain is what passes by all.
#[derive(Debug)]
struct Sum {
    passage: Passage,
    /// What may pass outside tunnels.
    plain: PortSet,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            passage: Passage {
                must: PortSet::all(),
                may: PortSet::empty(),
            },
            plain: PortSet::empty(),
        }
    }
}

impl Sum {
    fn add(&mut self, passage: &Passage, tunnel: bool) {
        self.passage.must = self.passage.must.intersection(&passage.must);
        self.passage.may = self.passage.may.union(&passage.may);
        if !tunnel {
            self.plain = self.plain.union(&passage.may);
        }
    }
}

fn at_tunnel(passage: &Passage) -> Judgement {
    let at = |set: &PortSet| set.contains(Protocol::Tcp, HBONE_PORT);
    match (at(&passage.must), at(&passage.may)) {
        (true, _) => Judgement::Allow,
        (false, true) => Judgement::Depends,
        (false, false) => Judgement::Deny,
    }
}

/// One word on all TCP ports, and the network's on the rest.
fn tcp_as(network: &Passage, tcp: Judgement) -> Passage {
    let all = PortSet::protocol(Protocol::Tcp);
    Passage {
        must: network.must.union(&all),
        may: network.may.union(&all),
    }
    .and(&on(&all, tcp))
}

impl<'w> Receiver<'w> {
    fn new(world: &'w World, pod: &'w Pod) -> Option<Self> {
        let Proxy::Ambient { bypass_inbound, .. } = pod.proxy else {
            return None;
        };
        let rules = Rules::of(world, pod);
        let stretches = borders(world, pod, &rules)
            .into_iter()
            .map(|(first, last)| {
                let doors = client::doors(world, pod, first).into_iter();
                Stretch {
                    port: first,
                    ports: PortSet::range(Protocol::Tcp, first, last),
                    plain: mesh::plaintext(world, pod, first),
                    doors: doors.map(|door| by_service(world, &door)).collect(),
                }
            });
        Some(Self {
            stretches: stretches.collect(),
            rules,
            bypass: bypass_inbound,
            bare: route(world, (&pod.labels, pod.namespace.as_str()), None),
            pod,
        })
    }
}

fn by_service<'w>(world: &'w World, door: &Door<'w>) -> ServiceRoute<'w> {
    let service = door.service;
    let object = (&service.labels, service.object.namespace.as_str());
    let label = inherited(world, object, "istio.io/ingress-use-waypoint");
    ServiceRoute {
        route: route(world, object, Some(door)),
        from_ingress: label.is_some_and(|(labels, key)| labels.get(key) == Some("true")),
    }
}

/// The labels that hold a key: the object's, else its namespace's.
fn inherited<'l>(
    world: &'l World,
    (labels, namespace): (&'l Labels, &str),
    key: &'static str,
) -> Option<(&'l Labels, &'static str)> {
    let both = [Some(labels), world.namespace_labels(namespace)];
    let holds = both.into_iter().flatten().find(|l| l.get(key).is_some());
    holds.map(|labels| (labels, key))
}

/// The route of a call to a Service, or to a pod (`istio.io/use-waypoint`).
fn route<'w>(world: &'w World, object: (&Labels, &str), door: Option<&Door<'w>>) -> Route<'w> {
    let namespace = object.1;
    let label = inherited(world, (object.0, namespace), "istio.io/use-waypoint");
    let Some((labels, name)) = label.and_then(|(l, key)| Some((l, l.get(key)?))) else {
        return Route::Direct;
    };
    if name == "none" {
        return Route::Direct;
    }
    let place = labels.get("istio.io/use-waypoint-namespace");
    let wanted = ObjectRef::new(place.unwrap_or(namespace), name);
    let found = world.waypoints.iter().enumerate();
    let Some((index, waypoint)) = found.into_iter().find(|(_, w)| w.object == wanted) else {
        return Route::Unknown;
    };
    let allowed = match &waypoint.allows {
        WaypointScope::Same => wanted.namespace == namespace,
        WaypointScope::All => true,
        WaypointScope::Selector(selector) => {
            let labels = world.namespace_labels(namespace);
            labels.is_some_and(|labels| selector.matches(labels))
        }
    };
    let takes = if door.is_some() {
        waypoint.services
    } else {
        waypoint.workloads
    };
    if !allowed || !takes {
        return Route::Direct;
    }
    Route::Through(Box::new(Waypoint {
        index,
        policies: Applicable::of_waypoint(world, &wanted, door.map(|d| &d.service.object)),
        wires: door.map_or_else(
            || vec![Wire::Http, Wire::Tcp],
            |d| authorization::wires_of(d.name, d.app_protocol),
        ),
        port: door.map(|d| d.port),
    }))
}

/// Stretches of ports on which nothing changes that ztunnel, or a waypoint, judges.
fn borders(world: &World, pod: &Pod, rules: &Rules<'_>) -> Vec<(u16, u16)> {
    let modes = world.peer_authentications.iter();
    let modes = modes.filter(|p| p.object.namespace == pod.namespace);
    let targeted = world.authorization_policies.iter();
    let targeted = targeted.filter(|p| !p.targets.is_empty());
    let mut ports: BTreeSet<u16> = rules.ports.iter().copied().collect();
    ports.extend(modes.flat_map(|p| p.ports.keys()));
    ports.extend(targeted.flat_map(authorization::ports));
    for set in [client::door_ports(world, pod), ztunnel_ports()] {
        let ranges = set.ranges(Protocol::Tcp).iter();
        ports.extend(ranges.flat_map(|(first, last)| *first..=*last));
    }
    let mut starts = BTreeSet::from([1_u16]);
    for port in ports {
        starts.insert(port.max(1));
        starts.extend(port.checked_add(1));
    }
    let ends = starts.iter().skip(1).map(|s| s - 1).chain([u16::MAX]);
    starts.iter().copied().zip(ends).collect()
}
