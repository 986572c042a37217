//! The words of the system, and the plain definition of "may this flow pass?".
//!
//! [`World`] is what is deployed, [`Intent`] is what is declared, both without any Kubernetes object
//! or YAML. [`reference`] answers questions about single flows from the words of the specifications;
//! every faster engine must agree with it.

mod address;
mod admin;
mod ambient;
mod doors;
mod flow;
mod intent;
mod labels;
mod mesh;
mod policy;
mod ports;
mod profile;
pub mod reference;
mod world;
mod written;

pub use address::AddressSet;
pub use admin::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, NamespacedPods, Tier,
};
pub use ambient::{Capture, HBONE_PORT, PolicyTarget, Waypoint, WaypointScope, ztunnel_ports};
pub use doors::{
    ApiGateway, Backend, BackendPort, DoorTls, Doors, EndpointSlice, IngressClass, Listener,
    Parent, Publication, ReferenceGrant, Route, RouteKind, RouteNamespaces, ServiceType, Way,
};
pub use flow::{Cause, Decision, Encryption, Endpoint, Flow, Layer, Outcome, Subject};
pub use intent::{
    Cell, CellPosture, Claim, ClaimScope, Component, DeclaredPort, Fidelity, Grant, Hop, Intent,
    MeshMode, MtlsMode, OutboundMode, Party, Peers, Prerequisite, Requirement, Serves, Zone,
    ZoneKind,
};
pub use labels::{Labels, Operator, Requirement as LabelRequirement, Selector};
pub use mesh::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, ClientTls, Condition,
    DestinationRule, Gateway, GatewayServer, MeshConfig, Operation, PeerAuthentication, ServerTls,
    ServiceEntry, SidecarScope, Source, always_bypassed,
};
pub use policy::{Direction, NamespaceMatch, NetworkPolicy, Peer, PolicyPort, Rule};
pub use ports::{PortSet, Protocol};
pub use profile::{Cni, Enforcement, OwnNode, Profile};
pub use smol_str::SmolStr;
pub use world::{
    InboundCapture, NamedPort, Namespace, Node, ObjectRef, Origin, Phase, Pod, PodId, Proxy,
    Service, ServicePort, TargetPort, Template, Workload, World,
};
pub use written::{
    Announced, OldField, Skip, Webhook, Written, WrittenPolicy, WrittenRule, WrittenWorkload,
};
