//! Istio's ambient mode: which pods a node's ztunnel captures, and the waypoints.

use crate::{ObjectRef, Origin, PortSet, Protocol, Selector};

/// How sure it is that the node's ztunnel captures a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capture {
    /// The running pod says so (annotation `ambient.istio.io/redirection: enabled`).
    Shown,
    /// Its labels ask for it and the pod is still to be made; taken as captured, as an injected
    /// sidecar is.
    Assumed,
    /// Its labels ask for it, and the running pod does not show it: both are possible.
    Unclear,
}

/// A `gateway.networking.k8s.io Gateway` of class `istio-waypoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waypoint {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// Whether it takes calls to Services (label `istio.io/waypoint-for`: `service`, the default, or `all`).
    pub services: bool,
    /// Whether it takes calls to pods' own addresses (`workload` or `all`).
    pub workloads: bool,
    /// Which namespaces may use it.
    pub allows: WaypointScope,
}

/// `listeners[].allowedRoutes.namespaces.from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaypointScope {
    /// Its own namespace (default).
    Same,
    /// Every namespace.
    All,
    /// Namespaces with these labels.
    Selector(Selector),
}

/// `targetRefs[]` of a policy: the proxy that enforces it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyTarget {
    /// The pods of a `gateway.networking.k8s.io Gateway`, waypoints included, by name.
    Gateway(String),
    /// Calls to a Service, at its waypoint.
    Service(String),
    /// Calls to a ServiceEntry, at its waypoint.
    ServiceEntry(String),
    /// All waypoints, with the class `istio-waypoint`; only from the root namespace.
    GatewayClass(String),
}

/// The port of HBONE, which carries every connection between two captured pods.
pub const HBONE_PORT: u16 = 15008;

/// The ports on which ztunnel listens in a captured pod: it refuses connections that ask for them
/// (`ztunnel, inbound_passthrough.rs`, `illegal_ports`).
#[must_use]
pub fn ztunnel_ports() -> PortSet {
    [15001, 15006, HBONE_PORT]
        .into_iter()
        .fold(PortSet::empty(), |set, port| {
            set.union(&PortSet::single(Protocol::Tcp, port))
        })
}
