//! What is deployed: namespaces, pods, services, policies and mesh objects.

use crate::{
    AddressSet, AdminPolicy, AuthorizationPolicy, Capture, DestinationRule, Doors, Gateway, Labels,
    MeshConfig, NetworkPolicy, PeerAuthentication, PortSet, Profile, Protocol, Publication,
    ServiceEntry, SidecarScope, Waypoint,
};
use ipnet::IpNet;
use palisade_diagnostics::Span;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Where something is written; `None` for synthesised things and in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Origin(pub Option<Span>);

/// Namespace and name of an object; cluster-scoped objects have an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// A reference.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Index of a pod in [`World::pods`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub u32);

/// Everything that is deployed. Plain data: same input, same value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// Namespaces by name, with `kubernetes.io/metadata.name` set, also for namespaces that only
    /// appear as the namespace of an object.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Pods: real ones, and those that controllers would make from their templates.
    pub pods: Vec<Pod>,
    /// Services.
    pub services: Vec<Service>,
    /// Nodes, if they were read: either all or none.
    pub nodes: Vec<Node>,
    /// NetworkPolicies.
    pub network_policies: Vec<NetworkPolicy>,
    /// The policies of administrators, of every kind and tier.
    pub admin_policies: Vec<AdminPolicy>,
    /// Mesh-wide settings.
    pub mesh: MeshConfig,
    /// PeerAuthentications, oldest first (creation time if given, else order of reading).
    pub peer_authentications: Vec<PeerAuthentication>,
    /// AuthorizationPolicies.
    pub authorization_policies: Vec<AuthorizationPolicy>,
    /// DestinationRules.
    pub destination_rules: Vec<DestinationRule>,
    /// ServiceEntries.
    pub service_entries: Vec<ServiceEntry>,
    /// Sidecar resources.
    pub sidecars: Vec<SidecarScope>,
    /// Istio Gateways.
    pub gateways: Vec<Gateway>,
    /// What lets the outside in, beside the Services.
    pub doors: Doors,
    /// Waypoints of the ambient mesh.
    pub waypoints: Vec<Waypoint>,
    /// Choices of the network plugin.
    pub profile: Profile,
}

impl World {
    /// The pod of an id, if it exists.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&Pod> {
        self.pods.get(id.0 as usize)
    }

    /// All pods with their ids.
    pub fn pods(&self) -> impl Iterator<Item = (PodId, &Pod)> {
        self.pods
            .iter()
            .enumerate()
            .map(|(i, p)| (PodId(u32::try_from(i).unwrap_or(u32::MAX)), p))
    }

    /// The labels of a namespace; only `kubernetes.io/metadata.name` exists for one without a
    /// manifest, and [`World::namespaces`] already holds it.
    #[must_use]
    pub fn namespace_labels(&self, name: &str) -> Option<&Labels> {
        self.namespaces.get(name).map(|n| &n.labels)
    }

    /// Adds a namespace if it is missing, with the label that the API server sets.
    pub fn ensure_namespace(&mut self, name: &str) {
        if !self.namespaces.contains_key(name) {
            let labels = Labels::from_iter([("kubernetes.io/metadata.name", name)]);
            let namespace = Namespace {
                origin: Origin::default(),
                name: name.to_owned(),
                labels,
            };
            self.namespaces.insert(name.to_owned(), namespace);
        }
    }
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// Where it is written.
    pub origin: Origin,
    /// Name.
    pub name: String,
    /// Labels, `kubernetes.io/metadata.name` included.
    pub labels: Labels,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Where it is written.
    pub origin: Origin,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: Labels,
    /// The IP addresses of `.status.addresses`.
    pub addresses: Vec<IpAddr>,
    /// The networks that its pods get addresses of (`.spec.podCIDRs`).
    pub pod_networks: Vec<IpNet>,
}

/// What made a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, ..., or `Pod` for a bare pod.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Whether a pod is an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Phase {
    /// Running, pending, or to be made from a template.
    #[default]
    Live,
    /// Succeeded or Failed: no endpoint, its address may be reused.
    Completed,
    /// Template of a workload scaled to 0: no endpoint now.
    ScaledToZero,
}

/// A pod. What replicas have in common is kept once, in [`Template`], whose fields read and write
/// like fields of the pod: `pod.labels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Where it (or its template) is written.
    pub origin: Origin,
    /// Name; for a template the workload's name and an ordinal, as `keycloak-0`.
    pub name: String,
    /// Endpoint or not.
    pub phase: Phase,
    /// Addresses, if known.
    pub addresses: AddressSet,
    /// Addresses of the node it runs on, if known.
    pub node_addresses: AddressSet,
    /// What it has in common with its replicas. Two pods may hold equal templates that are not the
    /// same one; sharing saves memory and is never needed for an answer.
    pub template: Arc<Template>,
}

/// What replicas have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template {
    /// Namespace.
    pub namespace: String,
    /// What made the pod.
    pub workload: Workload,
    /// Labels.
    pub labels: Labels,
    /// `spec.serviceAccountName`, `default` if missing.
    pub service_account: String,
    /// Named container ports of containers and of native sidecars (init containers with
    /// `restartPolicy: Always`).
    pub named_ports: Vec<NamedPort>,
    /// Declared container ports, named or not. Documentation only: undeclared ports are reachable.
    pub container_ports: PortSet,
    /// `spec.hostNetwork`: no policy selects it, as subject or as peer.
    pub host_network: bool,
    /// Whether this stands for the traffic of the nodes' host network on OpenShift (a namespace
    /// labelled `policy-group.network.openshift.io/host-network`). It is only ever a source.
    pub host_group: bool,
    /// Its mesh proxy.
    pub proxy: Proxy,
}

impl Deref for Pod {
    type Target = Template;

    fn deref(&self) -> &Template {
        &self.template
    }
}

impl DerefMut for Pod {
    /// Gives the pod a template of its own if others share it.
    fn deref_mut(&mut self) -> &mut Template {
        Arc::make_mut(&mut self.template)
    }
}

impl Pod {
    /// Namespace and name.
    #[must_use]
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }

    /// Whether policies can select it: live, and not on the host network.
    #[must_use]
    pub fn is_selectable(&self) -> bool {
        !self.host_network && self.phase == Phase::Live
    }
}

/// A named container port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedPort {
    /// Name.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Number.
    pub port: u16,
}

/// How a pod takes part in the mesh.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proxy {
    /// Not enrolled; the reason, for explanations.
    None {
        /// For example `label sidecar.istio.io/inject is "false"`.
        reason: String,
    },
    /// A sidecar.
    Sidecar {
        /// Which inbound TCP ports the sidecar receives.
        inbound: InboundCapture,
        /// Outbound TCP ports that the sidecar does not receive (`excludeOutboundPorts`; or all but
        /// `includeOutboundPorts`).
        outbound_excluded: PortSet,
        /// Whether a running pod shows the proxy container; `false` when only the template and the
        /// injection rules say that it will have one.
        shown: bool,
    },
    /// A gateway: a proxy without an application. Its listeners follow `Gateway`, not
    /// PeerAuthentication.
    Gateway,
    /// No proxy of its own: the node's ztunnel captures its traffic (ambient mode).
    Ambient {
        /// How sure that is.
        capture: Capture,
        /// Annotation `ambient.istio.io/bypass-inbound-capture`: plaintext that arrives goes to the
        /// process, past ztunnel.
        bypass_inbound: bool,
    },
    /// A pod of a waypoint: a proxy without an application that receives HBONE.
    Waypoint,
}

/// Which inbound TCP ports a sidecar receives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundCapture {
    /// Ports that bypass the sidecar: 15020, 15021, 15090 always, plus the annotations
    /// `traffic.sidecar.istio.io/excludeInboundPorts` and, if given, all that
    /// `includeInboundPorts` leaves out.
    pub bypass: PortSet,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// Labels: `istio.io/use-waypoint` stands here.
    pub labels: Labels,
    /// `spec.selector` (missing or empty: the Service selects nothing by itself).
    pub selector: Labels,
    /// `clusterIP: None`: callers get the pods' own addresses.
    pub headless: bool,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// How it is published.
    pub publication: Publication,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Name, may be empty.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// The Service's port.
    pub port: u16,
    /// The pod's port.
    pub target: TargetPort,
    /// `appProtocol`.
    pub app_protocol: Option<String>,
    /// `nodePort`, if it is known: the port of every node that leads here.
    pub node_port: Option<u16>,
}

/// `targetPort`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// A number.
    Number(u16),
    /// A container port's name, resolved per pod.
    Name(String),
}
