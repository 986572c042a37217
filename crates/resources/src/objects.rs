//! What the documents hold, before it is put together as a world.

use crate::head::Head;
use crate::pods::PodShape;
use crate::waypoints;
use palisade_netmodel::{
    AddressSet, AdminPolicy, AuthorizationPolicy, DestinationRule, Doors, Gateway, Namespace,
    NetworkPolicy, Node, ObjectRef, OutboundMode, PeerAuthentication, Phase, Service, ServiceEntry,
    SidecarScope,
};
use std::collections::BTreeSet;

/// How an accepted object joins the others.
pub(crate) type Add = Box<dyn FnOnce(&mut Objects) + Send>;

/// Accepted objects, in the order of reading.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) templates: Vec<Template>,
    pub(crate) pods: Vec<RealPod>,
    pub(crate) services: Vec<Service>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network_policies: Vec<NetworkPolicy>,
    pub(crate) admin_policies: Vec<AdminPolicy>,
    /// With their creation time.
    pub(crate) peer_authentications: Vec<(Option<String>, PeerAuthentication)>,
    pub(crate) authorization_policies: Vec<AuthorizationPolicy>,
    pub(crate) destination_rules: Vec<DestinationRule>,
    pub(crate) service_entries: Vec<ServiceEntry>,
    pub(crate) sidecars: Vec<SidecarScope>,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) doors: Doors,
    pub(crate) waypoints: Vec<waypoints::Written>,
    pub(crate) mesh_settings: Vec<MeshSettings>,
    /// Whether Istio's injection webhook was read.
    pub(crate) injector: bool,
    /// Namespaces that an accepted object is in.
    pub(crate) used_namespaces: BTreeSet<String>,
}

/// A workload that makes pods.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Kind of the workload.
    pub(crate) kind: &'static str,
    /// Its metadata.
    pub(crate) head: Head,
    /// Its pods.
    pub(crate) shape: PodShape,
    /// How many pods stand for it.
    pub(crate) copies: u32,
    /// Whether it makes no pod now.
    pub(crate) at_zero: bool,
}

/// A pod that is written as such.
#[derive(Debug, Clone)]
pub(crate) struct RealPod {
    pub(crate) head: Head,
    pub(crate) shape: PodShape,
    pub(crate) phase: Phase,
    pub(crate) addresses: AddressSet,
    pub(crate) node_addresses: AddressSet,
    /// Whether the cluster reports a phase: the pod exists, injection is over.
    pub(crate) exists: bool,
}

/// The ConfigMap of the mesh.
#[derive(Debug, Clone, Default)]
pub(crate) struct MeshSettings {
    pub(crate) object: ObjectRef,
    pub(crate) root_namespace: Option<String>,
    pub(crate) trust_domain: Option<String>,
    pub(crate) trust_domain_aliases: Vec<String>,
    pub(crate) auto_mtls: Option<bool>,
    pub(crate) outbound: Option<OutboundMode>,
}
