//! What is declared: a traffic matrix after toggles, parameters and platform are resolved.
//!
//! Nothing conditional is left: `matrix` produces it, `verify` proves against it, `compile` writes it out.

use crate::{Direction, NamespaceMatch, Origin, Peer, PolicyPort, PortSet, Protocol, Selector};
use std::fmt;

/// A closed matrix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// `metadata.name`.
    pub name: String,
    /// `spec.title`.
    pub title: String,
    /// The resolution, for people and proofs: `platform=openshift`, `toggle jaeger=on`, in a fixed order.
    pub resolution: Vec<(String, String)>,
    /// Zones.
    pub zones: Vec<Zone>,
    /// Components whose policies are on, and those switched off ([`Component::managed`]).
    pub components: Vec<Component>,
    /// Every connection that may be made.
    pub grants: Vec<Grant>,
    /// Where undeclared connections are excluded.
    pub claims: Vec<Claim>,
    /// The zone matrix.
    pub cells: Vec<Cell>,
    /// What the proof depends on.
    pub prerequisites: Vec<Prerequisite>,
    /// Trust domain of the mesh.
    pub trust_domain: String,
    /// Root namespace of the mesh.
    pub mesh_root: String,
}

/// Kind of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneKind {
    /// Outside the cluster.
    External,
    /// User workloads.
    Apps,
    /// The platform itself.
    System,
}

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Where it is declared.
    pub origin: Origin,
    /// Name.
    pub name: String,
    /// Title for documents.
    pub title: String,
    /// Kind.
    pub kind: ZoneKind,
    /// Its namespaces; empty for External.
    pub namespaces: Vec<NamespaceMatch>,
    /// Mesh of its pods.
    pub mesh: MeshMode,
    /// What receivers of the zone accept, if `mesh` is Sidecar.
    pub mtls: MtlsMode,
    /// `outbound`.
    pub outbound: Option<OutboundMode>,
    /// Whether the matrix writes the injection label of the zone's (named) namespaces.
    pub inject_namespaces: bool,
}

/// How pods take part in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MeshMode {
    /// Not at all.
    #[default]
    None,
    /// With a sidecar.
    Sidecar,
}

/// What a receiver accepts (`PeerAuthentication.mtls.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MtlsMode {
    /// Plaintext only.
    Disable,
    /// Both.
    #[default]
    Permissive,
    /// Mesh mTLS only.
    Strict,
}

impl fmt::Display for MtlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
        })
    }
}

/// `outboundTrafficPolicy.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboundMode {
    /// Unknown destinations pass.
    AllowAny,
    /// Unknown destinations are not routed by the sidecar (no firewall).
    RegistryOnly,
}

/// What the component itself does on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Serves {
    /// Nothing is said.
    #[default]
    Plain,
    /// The application terminates TLS: asserted, not proven.
    Tls,
}

/// A port of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPort {
    /// Name within the component.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// First port.
    pub port: u16,
    /// Last port, equal to `port` unless it is a range.
    pub end_port: u16,
    /// What the component serves.
    pub serves: Serves,
    /// The port bypasses the sidecar (by annotation, or 15020, 15021, 15090).
    pub mesh_bypass: bool,
    /// Secret with the certificate, for a gateway's port.
    pub credentials: Vec<String>,
    /// Hosts that a gateway's port serves.
    pub hosts: Vec<String>,
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Where it is declared.
    pub origin: Origin,
    /// Name.
    pub name: String,
    /// Title for documents.
    pub title: String,
    /// Zone.
    pub zone: String,
    /// Namespace.
    pub namespace: String,
    /// Pods.
    pub selector: Selector,
    /// Service account, if given.
    pub service_account: Option<String>,
    /// Declared ports.
    pub ports: Vec<DeclaredPort>,
    /// Whether objects are emitted for it (`policies.when` holds).
    pub managed: bool,
    /// Mesh of its pods.
    pub mesh: MeshMode,
    /// What it accepts, if `mesh` is Sidecar.
    pub mtls: MtlsMode,
    /// `role: Gateway`.
    pub gateway: bool,
    /// `open`: a class that others join by label.
    pub open: bool,
}

/// One side of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Name of the component, endpoint or zone.
    pub name: String,
    /// The component, if it is one.
    pub component: Option<String>,
    /// Who it is.
    pub peers: Peers,
    /// How well `peers` says what is meant.
    pub fidelity: Fidelity,
    /// Names with no address form (`Hosts`), for Istio and documents.
    pub hosts: Vec<String>,
}

/// Who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// Every pod and every address.
    Any,
    /// Any of these; an empty list is nobody.
    List(Vec<Peer>),
}

/// What is enforced, compared with what is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fidelity {
    /// The same set.
    Exact,
    /// More; the excess in words.
    Wider(String),
    /// Fewer; the shortfall in words.
    Narrower(String),
}

/// Minimum encryption. Ordered from weaker to stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Requirement {
    /// Nothing is required.
    #[default]
    None,
    /// TLS.
    Tls,
    /// Mutual TLS, by anybody.
    Mtls,
    /// Mutual TLS of the mesh.
    MeshMtls,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Tls => "TLS",
            Self::Mtls => "MTLS",
            Self::MeshMtls => "MeshMTLS",
        })
    }
}

/// A grant: a flow of the matrix, one hop of a flow that goes through a gateway, a cell of posture
/// Allow, or an implied flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where it is declared.
    pub origin: Origin,
    /// Flow id; implied flows and cells have ids of the form `implied/dns/system`, `cell/apps/external`.
    pub id: String,
    /// Why.
    pub reason: String,
    /// From.
    pub from: Party,
    /// To.
    pub to: Party,
    /// On which ports of the destination. Named ports occur only where the matrix asks for them.
    pub ports: Option<Vec<PolicyPort>>,
    /// Whether the destination's half is claimed.
    pub ingress: bool,
    /// Whether the source's half is claimed.
    pub egress: bool,
    /// Minimum encryption.
    pub encryption: Requirement,
    /// An exception that accepts a weaker wire: its id, owner, expiry and reason in words.
    pub exception: Option<String>,
    /// Which hop of a flow `via` a gateway.
    pub hop: Hop,
    /// HTTP methods and paths, if restricted.
    pub http: Option<(Vec<String>, Vec<String>)>,
    /// Whether the compiler writes rules for it. False for the grant of a component whose policies
    /// are switched off, on that side only; see [`Component::managed`].
    pub implied: bool,
}

impl Grant {
    /// The ports as a set, leaving named ports out; all ports if the grant does not restrict them.
    #[must_use]
    pub fn numeric_ports(&self) -> PortSet {
        let Some(ports) = &self.ports else {
            return PortSet::all();
        };
        ports.iter().fold(PortSet::empty(), |set, port| match port {
            PolicyPort::Range {
                protocol,
                first,
                last,
            } => set.union(&PortSet::range(*protocol, *first, *last)),
            PolicyPort::Named { .. } => set,
        })
    }
}

/// Which part of a two-hop flow a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Hop {
    /// The flow goes straight.
    #[default]
    Direct,
    /// Source to gateway.
    ToGateway,
    /// Gateway to destination.
    FromGateway,
}

/// A place where undeclared connections are excluded: default deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where it is declared.
    pub origin: Origin,
    /// Direction.
    pub direction: Direction,
    /// Whose pods.
    pub scope: ClaimScope,
    /// Which namespaces.
    pub namespaces: NamespaceMatch,
    /// Which pods in them.
    pub pods: Selector,
}

/// Who makes a claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimScope {
    /// A zone, for every pod of its namespaces.
    Zone(String),
    /// A component, for its pods.
    Component(String),
}

/// Posture of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellPosture {
    /// The pair has no meaning.
    NotApplicable,
    /// Nothing.
    Deny,
    /// Declared flows only.
    Listed,
    /// Everything.
    Allow,
}

/// A cell of the zone matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Where it is declared.
    pub origin: Origin,
    /// Source zone.
    pub from: String,
    /// Destination zone.
    pub to: String,
    /// Posture.
    pub posture: CellPosture,
    /// Minimum encryption.
    pub encryption: Requirement,
    /// How the cell is secured, in words, for documents.
    pub mechanism: String,
    /// Footnotes, for documents.
    pub footnotes: Vec<String>,
}

/// `requires[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prerequisite {
    /// Where it is declared.
    pub origin: Origin,
    /// `NetworkPolicyEnforced`, `SidecarInjectionWebhook`, `IstioVersion`, ...
    pub capability: String,
    /// Minimum version, if any.
    pub min: Option<String>,
    /// Why.
    pub reason: String,
}
