//! Ways in: what the outside can reach, through which door, and whether the policies let it pass.
//!
//! A door is a Service that is published, or a route behind a controller or gateway. What the policy
//! at a pod sees as the source depends on the door, and is often not defined ("it is not defined
//! whether this happens before or after NetworkPolicy processing", Kubernetes documentation, Network
//! Policies). So each way says which source it takes for granted, and is three-valued.

mod controllers;
mod judge;
mod routes;
mod services;

use crate::Engine;
use ipnet::IpNet;
use judge::{Judge, Verdict};
use palisade_netmodel::{
    DoorTls, Flow, ObjectRef, Origin, Outcome, PodId, Protocol, RouteKind, ServiceType, World,
};
use services::Services;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// The most ways that are told; more are counted.
const MAX_WAYS: usize = 100_000;

/// All ways in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaysIn {
    /// The ways, sorted by door.
    pub ways: Vec<WayIn>,
    /// How many more there are than are told.
    pub left_out: usize,
}

/// One way: through a door, to one port of pods that behave alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayIn {
    /// Where the outside enters.
    pub door: Door,
    /// The Service that leads to the pods; `None` for a pod on the host network.
    pub service: Option<ObjectRef>,
    /// What is behind the door.
    pub to: Behind,
    /// The port there.
    pub port: Option<(Protocol, u16)>,
    /// The source that the policies at the pods see.
    pub seen_as: SeenAs,
    /// Whether something from outside gets through:
    ///
    /// - `Allow`: some of it does, whatever is not known; [`WayIn::clients`] says who, if not everybody.
    /// - `Deny`: nothing does.
    /// - `Depends`: on what [`WayIn::notes`] name, or on a request's path.
    ///
    /// For a route this is the whole path, controller included, as far as the controller's pods are in
    /// the world; where they are not, only the policies at the destination are judged.
    pub outcome: Outcome,
    /// If only some clients pass for certain: their addresses, first and last of each range.
    pub clients: Vec<(IpAddr, IpAddr)>,
    /// A flow that arrives at the pods as `outcome` says, confirmed by the reference; `None` where no
    /// single flow can show it.
    pub flow: Option<Flow>,
    /// What is not known or needs to be, one sentence each without a full stop.
    pub notes: Vec<String>,
}

/// Where the outside enters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    /// What kind of door.
    pub kind: DoorKind,
    /// The object that makes it: the Service, the route, the pod.
    pub object: ObjectRef,
    /// Where that is written.
    pub origin: Origin,
    /// The gateway that a route hangs on.
    pub gateway: Option<ObjectRef>,
    /// Addresses or names to connect to, where they are known.
    pub addresses: Vec<String>,
    /// Port to connect to; `None` if it is assigned later.
    pub port: Option<(Protocol, u16)>,
    /// Hosts; empty: every host.
    pub hosts: Vec<String>,
    /// Paths; empty: every path.
    pub paths: Vec<String>,
    /// What becomes of TLS.
    pub tls: DoorTls,
}

/// What kind of door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DoorKind {
    /// A load balancer in front of the nodes.
    LoadBalancer,
    /// A port of every node.
    NodePort,
    /// An address that the nodes accept (`externalIPs`).
    ExternalIp,
    /// A pod on the host network listens on its node's addresses.
    HostNetwork,
    /// A route behind a controller or gateway.
    Route(RouteKind),
}

impl fmt::Display for DoorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadBalancer => f.write_str("LoadBalancer"),
            Self::NodePort => f.write_str("NodePort"),
            Self::ExternalIp => f.write_str("externalIPs"),
            Self::HostNetwork => f.write_str("hostNetwork"),
            Self::Route(kind) => kind.fmt(f),
        }
    }
}

/// What is behind a door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behind {
    /// Pods of one workload that behave alike.
    Pods(Vec<PodId>),
    /// An address that is no pod's (an EndpointSlice).
    Address(IpAddr),
    /// Nothing that is known: the sentence says why.
    Nothing(String),
}

/// The source that the policies at the pods see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenAs {
    /// The client itself (`externalTrafficPolicy: Local`, or the host network).
    Client,
    /// A node: every node forwards, and puts its own address in place of the client's
    /// (`externalTrafficPolicy: Cluster`).
    Node,
    /// The pods of the controller or gateway.
    Pods(Vec<PodId>),
    /// Not known: the controller's pods are not in the world, or the load balancer goes to pods by
    /// itself.
    Unknown,
}

/// What the outside can reach in a world. Cost: doors × pods behind them × cells of addresses.
///
/// Which source the policies see ([`WayIn::seen_as`]):
///
/// - NodePort, LoadBalancer and externalIPs with `externalTrafficPolicy: Cluster`: a node. The pod's own
///   node always passes, so such a way is never `Deny` because of NetworkPolicy: it is `Depends` where
///   other nodes are refused.
/// - The same with `Local`: the client; a load balancer's `loadBalancerSourceRanges` bound it.
/// - A load balancer without node ports: not known.
/// - Ingress and OpenShift Route: the pods of the controller, if known by their labels; else not known.
/// - A route of the Gateway API: pods labelled `gateway.networking.k8s.io/gateway-name`; else not known.
/// - A VirtualService behind an Istio Gateway: the pods that the Gateway selects; else not known.
/// - A pod on the host network: the client, and no policy applies.
///
/// A way through a controller whose pods are in the world passes only if the outside reaches them.
/// Who is outside: every address that is no pod's and no node's. Ports of containers that only
/// `hostPort` publishes are not read.
#[must_use]
pub fn ways_in(world: &World) -> WaysIn {
    let engine = Engine::with_blocks(world, &blocks(world));
    let judge = Judge::new(&engine);
    let services = Services::new(world, &engine);
    let mut out = WaysIn::default();
    host_network(&judge, &mut out);
    for service in &world.services {
        published(&services, &judge, service, &mut out);
    }
    let entries = entries(&out);
    routes::all(&services, &judge, &entries, &mut out);
    out.ways.sort_by(|a, b| {
        (&a.door, &a.service, &a.to, &a.port).cmp(&(&b.door, &b.service, &b.to, &b.port))
    });
    out
}

impl WaysIn {
    fn push(&mut self, way: WayIn) {
        if self.ways.len() < MAX_WAYS {
            self.ways.push(way);
        } else {
            self.left_out += 1;
        }
    }
}

/// What the cells of addresses must not mix: the clients of load balancers, and nodes.
fn blocks(world: &World) -> Vec<IpNet> {
    let ranges = world
        .services
        .iter()
        .flat_map(|s| &s.publication.source_ranges);
    let nodes = world.nodes.iter().flat_map(|node| &node.addresses);
    let own = world.pods.iter().flat_map(|pod| &pod.node_addresses.known);
    let nodes = nodes.chain(own).map(|address| IpNet::from(*address));
    ranges.copied().chain(nodes).collect()
}

/// How the outside reaches pods that may be controllers: port of the door, and verdict.
pub(crate) type Entries = BTreeMap<PodId, Vec<(Option<u16>, Outcome)>>;

fn entries(ways: &WaysIn) -> Entries {
    let mut entries = Entries::new();
    for way in &ways.ways {
        if let Behind::Pods(pods) = &way.to {
            let port = way.door.port.map(|(_, port)| port);
            for pod in pods {
                entries.entry(*pod).or_default().push((port, way.outcome));
            }
        }
    }
    entries
}

/// Pods on the host network, on the ports that they declare.
fn host_network(judge: &Judge<'_>, out: &mut WaysIn) {
    let world = judge.world();
    let mut groups: BTreeMap<_, Vec<PodId>> = BTreeMap::new();
    for (id, pod) in world.pods() {
        if pod.host_network && !pod.host_group && services::is_endpoint(pod) {
            let key = (&pod.namespace, &pod.workload.name, &pod.workload.kind);
            groups.entry(key).or_default().push(id);
        }
    }
    for pods in groups.into_values() {
        let Some((first, pod)) = pods.first().and_then(|id| Some((*id, world.pod(*id)?))) else {
            continue;
        };
        let ports = Protocol::ALL.into_iter().flat_map(|protocol| {
            let ranges = pod.container_ports.ranges(protocol).iter();
            ranges.flat_map(move |(a, b)| (*a..=*b).map(move |port| (protocol, port)))
        });
        for port in ports {
            let Verdict {
                outcome,
                clients,
                flow,
                mut notes,
            } = judge.client(first, port, &[]);
            notes.push("no NetworkPolicy applies to a pod on the host network".to_owned());
            out.push(WayIn {
                door: Door {
                    port: Some(port),
                    ..door(DoorKind::HostNetwork, pod.object(), pod.origin)
                },
                service: None,
                to: Behind::Pods(pods.clone()),
                port: Some(port),
                seen_as: SeenAs::Client,
                outcome,
                clients,
                flow,
                notes,
            });
        }
    }
}

fn door(kind: DoorKind, object: ObjectRef, origin: Origin) -> Door {
    Door {
        kind,
        object,
        origin,
        gateway: None,
        addresses: Vec::new(),
        port: None,
        hosts: Vec::new(),
        paths: Vec::new(),
        tls: DoorTls::None,
    }
}

/// The doors that a Service makes by itself (`Kubernetes documentation, Service, Publishing Services`).
fn published(
    services: &Services<'_>,
    judge: &Judge<'_>,
    service: &palisade_netmodel::Service,
    out: &mut WaysIn,
) {
    let publication = &service.publication;
    let source = if publication.local {
        SeenAs::Client
    } else {
        SeenAs::Node
    };
    for port in &service.ports {
        let mut doors = Vec::new();
        let entrance = |kind, number: Option<u16>| Door {
            port: number.map(|number| (port.protocol, number)),
            ..door(kind, service.object.clone(), service.origin)
        };
        if publication.kind == ServiceType::LoadBalancer {
            let seen = if publication.without_node_ports && port.node_port.is_none() {
                SeenAs::Unknown
            } else {
                source.clone()
            };
            let balancer = Door {
                addresses: publication.balancer.clone(),
                ..entrance(DoorKind::LoadBalancer, Some(port.port))
            };
            doors.push((balancer, seen, publication.source_ranges.as_slice()));
        }
        let has_node_port = match publication.kind {
            ServiceType::NodePort => true,
            ServiceType::LoadBalancer => {
                !publication.without_node_ports || port.node_port.is_some()
            }
            ServiceType::ClusterIp | ServiceType::ExternalName => false,
        };
        if has_node_port {
            let node = entrance(DoorKind::NodePort, port.node_port);
            doors.push((node, source.clone(), &[][..]));
        }
        if !publication.external_addresses.is_empty()
            && publication.kind != ServiceType::ExternalName
        {
            let addresses = publication.external_addresses.iter();
            let external = Door {
                addresses: addresses.map(ToString::to_string).collect(),
                ..entrance(DoorKind::ExternalIp, Some(port.port))
            };
            doors.push((external, source.clone(), &[][..]));
        }
        for (door, seen, ranges) in doors {
            for backing in services.behind(service, port) {
                out.push(through(judge, &door, service, backing, &seen, ranges));
            }
        }
    }
}

/// One way through a door that a Service makes.
fn through(
    judge: &Judge<'_>,
    door: &Door,
    service: &palisade_netmodel::Service,
    backing: services::Backing,
    seen: &SeenAs,
    ranges: &[IpNet],
) -> WayIn {
    let mut verdict = match (&backing.to, backing.port) {
        (Behind::Pods(pods), Some(port)) => match (pods.first(), seen) {
            (Some(pod), SeenAs::Client) => judge.client(*pod, port, ranges),
            (Some(pod), SeenAs::Node) => judge.node(*pod, port),
            (Some(pod), _) => judge.anyone(*pod, port),
            (None, _) => Verdict::unknown("no pod is behind it"),
        },
        (Behind::Address(_), _) => Verdict::open(),
        (Behind::Nothing(why), _) => Verdict::unknown(why),
        (_, None) => Verdict::unknown("the port of the pods is not known"),
    };
    if !ranges.is_empty() {
        verdict.notes.push(
            "`loadBalancerSourceRanges` has effect only if the load balancer supports it"
                .to_owned(),
        );
    }
    WayIn {
        door: door.clone(),
        service: Some(service.object.clone()),
        to: backing.to,
        port: backing.port,
        seen_as: seen.clone(),
        outcome: verdict.outcome,
        clients: verdict.clients,
        flow: verdict.flow,
        notes: verdict.notes,
    }
}
