//! A captured pod: what its ztunnel says on each stretch of ports, and the routes of calls to it.

use super::super::Passage;
use super::super::authorization::{self, Applicable, Caller, Judgement, Wire};
use super::super::client::{self, Door};
use super::super::mesh::{self, Source, on};
use super::super::ztunnel::Rules;
use super::PROBES;
use palisade_netmodel::{
    HBONE_PORT, Labels, ObjectRef, Pod, PortSet, Protocol, Proxy, Service, WaypointScope, World,
    ztunnel_ports,
};
use std::collections::BTreeSet;

/// A captured pod.
#[derive(Debug)]
pub(in crate::engine) struct Receiver<'w> {
    pub(super) pod: &'w Pod,
    pub(super) rules: Rules<'w>,
    /// Plaintext that arrives goes past ztunnel.
    bypass: bool,
    /// The route to the pod's own address.
    pub(super) bare: Route<'w>,
    pub(super) stretches: Vec<Stretch<'w>>,
}

/// Ports on which nothing changes.
#[derive(Debug)]
pub(super) struct Stretch<'w> {
    pub(super) port: u16,
    pub(super) ports: PortSet,
    /// Whether plaintext passes the receiver's mode.
    plain: Judgement,
    /// The routes of calls by Services.
    pub(super) doors: Vec<ServiceRoute<'w>>,
}

#[derive(Debug)]
pub(super) struct ServiceRoute<'w> {
    pub(super) route: Route<'w>,
    /// Whether gateways take it, too.
    pub(super) from_ingress: bool,
}

/// The tunnels that a call runs through.
#[derive(Debug)]
pub(super) enum Route<'w> {
    Direct,
    /// By a waypoint of the world, which judges the request.
    Through(Box<Waypoint<'w>>),
    /// By a waypoint that the input does not hold.
    Unknown,
}

/// A waypoint for one Service, or for calls to pods.
#[derive(Debug)]
pub(super) struct Waypoint<'w> {
    /// Its index in the world.
    pub(super) index: usize,
    pub(super) policies: Applicable<'w>,
    pub(super) wires: Vec<Wire>,
    /// The Service's port, if a Service is called.
    pub(super) port: Option<u16>,
}

impl<'w> Receiver<'w> {
    /// The receiver of a pod; `None` if it is not captured.
    pub(in crate::engine) fn new(world: &'w World, pod: &'w Pod) -> Option<Self> {
        let Proxy::Ambient { bypass_inbound, .. } = pod.proxy else {
            return None;
        };
        let rules = Rules::of(world, pod);
        let services = client::leading(world, pod);
        let stretches =
            borders(world, pod, (&rules, &services))
                .into_iter()
                .map(|(first, last)| {
                    let doors = client::doors(world, &services, pod, first).into_iter();
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

    /// What ztunnel says on a connection that arrives on the port that is meant. The node's probes pass.
    pub(in crate::engine) fn plain(&self, source: Source<'_>) -> Passage {
        let mut passage = Passage::everything();
        if matches!(source, Source::Address(address) if PROBES.contains(&address)) {
            return passage;
        }
        let caller = Caller {
            source,
            mtls: false,
        };
        for stretch in &self.stretches {
            let judgement = if self.bypass && stretch.port != HBONE_PORT {
                Judgement::Allow
            } else {
                let rules = self.rules.judge(self.pod, stretch.port, &caller);
                stretch.plain.and(rules)
            };
            passage = passage.and(&on(&stretch.ports, judgement));
        }
        passage
    }

    /// What it says on a port of a tunnel that ends there.
    pub(super) fn at_end(&self, source: Source<'_>, port: u16) -> Judgement {
        let caller = Caller { source, mtls: true };
        self.rules.judge(self.pod, port, &caller)
    }

    /// What it says on all ports of a tunnel from end to end.
    pub(in crate::engine) fn tunnel(&self, source: Source<'_>) -> Passage {
        let mut passage = Passage::everything();
        for stretch in &self.stretches {
            let judgement = self.at_end(source, stretch.port);
            passage = passage.and(&on(&stretch.ports, judgement));
        }
        passage
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
fn borders(
    world: &World,
    pod: &Pod,
    (rules, services): (&Rules<'_>, &[&Service]),
) -> Vec<(u16, u16)> {
    let modes = world.peer_authentications.iter();
    let modes = modes.filter(|p| p.object.namespace == pod.namespace);
    let targeted = world.authorization_policies.iter();
    let targeted = targeted.filter(|p| !p.targets.is_empty());
    let mut ports: BTreeSet<u16> = rules.ports.iter().copied().collect();
    ports.extend(modes.flat_map(|p| p.ports.keys()));
    ports.extend(targeted.flat_map(authorization::ports));
    for set in [client::door_ports(services, pod), ztunnel_ports()] {
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
