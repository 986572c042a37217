//! Doors: the objects that let the outside in, as they are written. What the outside reaches through
//! them is computed elsewhere, with the policies.

use crate::{ObjectRef, Origin, Protocol, Selector};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// How a Service is published (`Kubernetes API, v1 Service, .spec.type` and what belongs to it).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publication {
    /// `.spec.type`.
    pub kind: ServiceType,
    /// `.spec.externalTrafficPolicy: Local`: only the node's own pods are served, and they see the
    /// client's address. Otherwise every node serves every pod.
    pub local: bool,
    /// `.spec.externalIPs`: nodes accept traffic to these addresses, whatever the type.
    pub external_addresses: Vec<IpAddr>,
    /// `.status.loadBalancer.ingress`: addresses or names of the load balancer.
    pub balancer: Vec<String>,
    /// `.spec.loadBalancerSourceRanges`: the load balancer takes no other clients, if it is able to.
    pub source_ranges: Vec<IpNet>,
    /// `.spec.allocateLoadBalancerNodePorts: false`: the load balancer needs no port of the nodes.
    pub without_node_ports: bool,
    /// `.spec.externalName`: a DNS name, for the type that is nothing else.
    pub external_name: Option<String>,
}

/// `.spec.type` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ServiceType {
    /// An address inside the cluster only.
    #[default]
    ClusterIp,
    /// Also a port of every node.
    NodePort,
    /// Also a load balancer in front of the nodes.
    LoadBalancer,
    /// A DNS name for something elsewhere; no pods.
    ExternalName,
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
            Self::ExternalName => "ExternalName",
        })
    }
}

/// Every door but the Services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doors {
    /// Where the endpoints of Services are, as the cluster says.
    pub endpoint_slices: Vec<EndpointSlice>,
    /// Who serves the Ingresses of a class.
    pub ingress_classes: Vec<IngressClass>,
    /// Gateways of the Gateway API.
    pub gateways: Vec<ApiGateway>,
    /// What leads from a controller or gateway to Services.
    pub routes: Vec<Route>,
    /// Permissions for routes to name Services of other namespaces.
    pub grants: Vec<ReferenceGrant>,
}

/// `discovery.k8s.io EndpointSlice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// The Service that it belongs to (label `kubernetes.io/service-name`), in its own namespace.
    pub service: Option<String>,
    /// Ports: name (may be empty), protocol and number.
    pub ports: Vec<(String, Protocol, u16)>,
    /// Addresses of endpoints that are ready, or of which nothing is known.
    pub addresses: Vec<IpAddr>,
}

/// `networking.k8s.io IngressClass`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressClass {
    /// Where it is written.
    pub origin: Origin,
    /// Its name.
    pub name: String,
    /// `.spec.controller`.
    pub controller: String,
    /// Annotation `ingressclass.kubernetes.io/is-default-class: "true"`: for Ingresses without a class.
    pub is_default: bool,
}

/// `gateway.networking.k8s.io Gateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiGateway {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `.spec.gatewayClassName`.
    pub class: String,
    /// Listeners.
    pub listeners: Vec<Listener>,
}

/// `.spec.listeners[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it is written.
    pub origin: Origin,
    /// Name.
    pub name: String,
    /// Port.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one of the implementation.
    pub protocol: String,
    /// Which host; `None` is every host.
    pub host: Option<String>,
    /// What becomes of TLS.
    pub tls: DoorTls,
    /// `allowedRoutes.namespaces`.
    pub namespaces: RouteNamespaces,
    /// `allowedRoutes.kinds`, by kind; empty: those that suit the protocol.
    pub kinds: Vec<String>,
}

/// `allowedRoutes.namespaces`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RouteNamespaces {
    /// `Same`, the default: routes of the Gateway's own namespace.
    #[default]
    Same,
    /// `All`.
    All,
    /// `Selector`.
    Selector(Selector),
    /// `None`.
    None,
}

/// What becomes of TLS at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DoorTls {
    /// No TLS, or none that the door knows of.
    #[default]
    None,
    /// Terminated here.
    Terminated,
    /// Terminated here, and a new TLS connection to the backend.
    Reencrypted,
    /// Passed on as it is.
    Passthrough,
}

/// What a route is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// `networking.k8s.io Ingress`.
    Ingress,
    /// `route.openshift.io Route`.
    Route,
    /// `gateway.networking.k8s.io HTTPRoute`.
    HttpRoute,
    /// `gateway.networking.k8s.io GRPCRoute`.
    GrpcRoute,
    /// `gateway.networking.k8s.io TCPRoute`.
    TcpRoute,
    /// `gateway.networking.k8s.io TLSRoute`.
    TlsRoute,
    /// `gateway.networking.k8s.io UDPRoute`.
    UdpRoute,
    /// `networking.istio.io VirtualService`.
    VirtualService,
}

impl RouteKind {
    /// The word of `kind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Route => "Route",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
            Self::TcpRoute => "TCPRoute",
            Self::TlsRoute => "TLSRoute",
            Self::UdpRoute => "UDPRoute",
            Self::VirtualService => "VirtualService",
        }
    }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What leads from a controller or gateway to Services: an Ingress, an OpenShift Route, a route of the
/// Gateway API, a VirtualService.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it is written.
    pub origin: Origin,
    /// What it is written as.
    pub kind: RouteKind,
    /// Namespace and name.
    pub object: ObjectRef,
    /// The class of an Ingress: `.spec.ingressClassName`, or the annotation before it.
    pub class: Option<String>,
    /// The gateways that it hangs on; none for an Ingress or an OpenShift Route, whose controller
    /// finds them.
    pub parents: Vec<Parent>,
    /// `hostnames` or `hosts` of the whole object; empty: every host.
    pub hosts: Vec<String>,
    /// Where traffic goes.
    pub ways: Vec<Way>,
}

/// `parentRefs[]`, or an entry of `gateways` of a VirtualService.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parent {
    /// Which gateway.
    pub gateway: ObjectRef,
    /// `sectionName`: which listener.
    pub section: Option<String>,
    /// `port`: which listeners.
    pub port: Option<u16>,
}

/// One way of a route: what matches all of it goes to any of its backends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Way {
    /// Where it is written.
    pub origin: Origin,
    /// The hosts of this way alone (a rule of an Ingress, `sniHosts`); empty: those of the route.
    pub hosts: Vec<String>,
    /// Paths, as they are written; empty: every path.
    pub paths: Vec<String>,
    /// What becomes of TLS, where the route says it.
    pub tls: DoorTls,
    /// For which ports of the gateway; empty: all.
    pub ports: Vec<u16>,
    /// For which of the route's gateways; empty: all.
    pub gateways: Vec<ObjectRef>,
    /// The Services that it leads to.
    pub backends: Vec<Backend>,
    /// Whether it also leads to something that is no Service, or that is not read.
    pub elsewhere: bool,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    /// The Service.
    pub service: ObjectRef,
    /// Which of its ports.
    pub port: BackendPort,
}

/// How a route names the port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackendPort {
    /// The Service's port.
    Number(u16),
    /// The name of the Service's port.
    Name(String),
    /// The number of the pods' port (`.spec.port.targetPort` of an OpenShift Route).
    Target(u16),
    /// Any of them: none is named.
    Any,
}

/// `gateway.networking.k8s.io ReferenceGrant`: routes of other namespaces may name Services of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceGrant {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// Kinds of routes, with their namespaces.
    pub from: Vec<(String, String)>,
    /// Services by name; `None` is all.
    pub to: Vec<Option<String>>,
}
