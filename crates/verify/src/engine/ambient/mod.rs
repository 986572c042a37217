//! The ambient mesh between two endpoints, as sets of ports.
//!
//! A connection reaches a captured pod in one of a few *ways*: in a tunnel to port 15008, on the port
//! that is meant, or past ztunnel. Where the input does not show which, all possible ways are answered
//! and what they agree on is certain. In a tunnel NetworkPolicy has one word on all TCP ports, and
//! ztunnel, or a waypoint and ztunnel, judge each stretch of ports. Cost: stretches × (Services +
//! pods of waypoints) per pair.

mod receiver;
mod ways;

pub(super) use receiver::Receiver;
pub(super) use ways::{Sum, Way, at_tunnel, tcp_as, ways};

use super::authorization::{self, Caller, GATEWAY_NAME, Judgement};
use super::endpoints::EndpointId;
use super::mesh::on;
use super::{Engine, Pair, Passage, Tunnels};
use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, Direction, Endpoint, ObjectRef, Phase, Pod, PortSet, Protocol, Proxy, World,
};
use receiver::{Route, Waypoint};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of the node's probes, as a captured pod sees them.
pub(super) const PROBES: [IpAddr; 2] = [
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
        let ways = ways(engine.pod(ends.0), engine.pod(ends.1));
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
        sum.pair()
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
        network.and(&receiver.plain(caller))
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
        let last = |from| receiver.at_end(self.engine.mesh_end(from), port);
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
