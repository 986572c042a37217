//! The syntax tree: a matrix as written, with the place of each item. Conditions and parameters are
//! still in it; [`crate::resolve`] takes them out.

use palisade_diagnostics::Span;
use palisade_netmodel::{
    CellPosture, MeshMode, MtlsMode, OutboundMode, Protocol, Requirement, ZoneKind,
};
use palisade_yaml::Spanned;

/// A string that may hold `${name}`.
pub type Text = Spanned<String>;

/// One `TrafficMatrix`, its fragments merged in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// `metadata.name`.
    pub name: String,
    /// `spec.title`.
    pub title: Option<String>,
    /// `spec.docs.introduction`.
    pub introduction: Option<String>,
    /// Typed inputs.
    pub parameters: Vec<Parameter>,
    /// Named switches.
    pub toggles: Vec<Toggle>,
    /// Named variants.
    pub platforms: Vec<Platform>,
    /// What the proof depends on.
    pub requires: Vec<Requires>,
    /// Facts of the whole mesh.
    pub istio: Istio,
    /// Zones.
    pub zones: Vec<Zone>,
    /// Peers that are no declared pods.
    pub endpoints: Vec<Endpoint>,
    /// Declared pods.
    pub components: Vec<Component>,
    /// Zone by zone.
    pub cells: Vec<Cell>,
    /// Connections that may be made.
    pub flows: Vec<Flow>,
    /// Accepted findings.
    pub exceptions: Vec<Exception>,
}

/// The one condition. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// Where it is written.
    pub span: Span,
    /// The toggle is on.
    pub toggle: Option<Text>,
    /// The platform is chosen.
    pub platform: Option<Text>,
    /// The network plugin is one of these.
    pub cni: Vec<Text>,
    /// The parameter has a value.
    pub parameter: Option<Text>,
    /// The nested condition does not hold.
    pub not: Option<Box<When>>,
}

/// A list, or the name of a parameter that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed<T> {
    /// Items.
    Items(Vec<T>),
    /// `${name}`.
    Parameter(Text),
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self::Items(Vec::new())
    }
}

/// How people set a toggle or parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBy {
    /// When this way applies.
    pub when: Option<When>,
    /// `HelmValue`, `Env`, `Field` or `Command`.
    pub kind: String,
    /// Helm value path, variable, field or command.
    pub name: String,
    /// The object that carries it.
    pub object: Option<String>,
    /// A remark.
    pub note: Option<String>,
}

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum ParameterType {
    Port,
    Namespace,
    String,
    StringList,
    CidrList,
    PeerList,
    SecretRef,
    SecretRefList,
    Bool,
}

/// Value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// Port, Namespace, String, SecretRef, Bool.
    Text(String),
    /// StringList, CIDRList, SecretRefList.
    List(Vec<String>),
    /// PeerList.
    Peers(Vec<Peer>),
}

/// A typed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// Type.
    pub kind: ParameterType,
    /// Value if none is given.
    pub default: Option<ParameterValue>,
    /// Whether a value must be given.
    pub required: bool,
    /// Documents print "User Supplied".
    pub user_supplied: bool,
    /// Value for proofs and examples when none is given.
    pub placeholder: Option<ParameterValue>,
    /// Documents show one row for each value.
    pub each: bool,
    /// What it is.
    pub description: Option<String>,
    /// How people set it.
    pub set_by: Vec<SetBy>,
}

/// A named switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toggle {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// On or off.
    pub default: bool,
    /// Why it is a choice.
    pub reason: String,
    /// Whether pods must be restarted after enabling it.
    pub restart: bool,
    /// How people set it.
    pub set_by: Vec<SetBy>,
}

/// A named variant of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// An API group that only it serves.
    pub api_group: Option<String>,
    /// Where cluster DNS runs.
    pub dns: Option<Dns>,
}

/// Cluster DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Namespace.
    pub namespace: Text,
    /// Pods.
    pub pods: Selector,
    /// Ports besides 53 UDP and TCP.
    pub ports: Vec<Port>,
}

/// `requires[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requires {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// What must be so.
    pub capability: String,
    /// Least version.
    pub min: Option<String>,
    /// Why.
    pub reason: String,
}

/// `spec.mesh.istio`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Istio {
    /// Root namespace.
    pub root_namespace: String,
    /// Trust domain.
    pub trust_domain: String,
    /// Mode of the whole mesh.
    pub mode: Option<MtlsMode>,
    /// `enableAutoMtls`.
    pub auto_mtls: bool,
}

impl Default for Istio {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            mode: None,
            auto_mtls: true,
        }
    }
}

/// A label selector whose values may hold `${name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Where it is written.
    pub span: Option<Span>,
    /// `matchLabels`.
    pub labels: Vec<(Text, Text)>,
    /// `matchExpressions`.
    pub expressions: Vec<Expression>,
}

/// `matchExpressions[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Where it is written.
    pub span: Span,
    /// Key.
    pub key: Text,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values.
    pub values: Vec<Text>,
}

/// Namespaces of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// Names.
    pub names: Listed<Text>,
    /// Labels.
    pub selector: Option<Selector>,
}

/// Default deny of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum IsolationWord {
    /// None.
    #[default]
    None,
    /// The pods of each managed component.
    Component,
    /// Every pod of the zone's namespaces.
    Namespace,
}

/// `isolation`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Isolation {
    /// Where it is written.
    pub span: Option<Span>,
    /// Ingress.
    pub ingress: IsolationWord,
    /// Egress.
    pub egress: IsolationWord,
    /// Values that depend on a condition.
    pub overrides: Vec<IsolationOverride>,
}

/// `isolation.overrides[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationOverride {
    /// Condition.
    pub when: When,
    /// Ingress.
    pub ingress: Option<IsolationWord>,
    /// Egress.
    pub egress: Option<IsolationWord>,
}

/// `mesh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Sidecar or none.
    pub mode: MeshMode,
    /// What receivers accept.
    pub mtls: Option<MtlsMode>,
    /// `outboundTrafficPolicy`.
    pub outbound: Option<OutboundMode>,
    /// Whether the matrix writes the injection label.
    pub inject: bool,
    /// Values that depend on a condition.
    pub overrides: Vec<MeshOverride>,
}

/// `mesh.overrides[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshOverride {
    /// Condition.
    pub when: When,
    /// Sidecar or none.
    pub mode: Option<MeshMode>,
    /// What receivers accept.
    pub mtls: Option<MtlsMode>,
    /// `outboundTrafficPolicy`.
    pub outbound: Option<OutboundMode>,
}

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// Title for documents.
    pub title: Option<String>,
    /// Kind.
    pub kind: ZoneKind,
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// Default deny.
    pub isolation: Isolation,
    /// Mesh.
    pub mesh: Option<Mesh>,
    /// `DNS`, `MeshControlPlane`, `Probes`.
    pub implied: Vec<Text>,
}

/// A port number, or the name of a parameter that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// A number.
    Is(u16),
    /// `${name}`.
    Parameter(Text),
}

/// `{port, endPort, protocol}`, `{protocol}`, or `{name, protocol}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Where it is written.
    pub span: Span,
    /// Name of a container port.
    pub name: Option<Text>,
    /// Number.
    pub port: Option<Number>,
    /// Last number of a range.
    pub end_port: Option<Number>,
    /// Protocol.
    pub protocol: Protocol,
}

/// An item of a flow's ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowPort {
    /// A port of the destination component, by name.
    Declared(Text),
    /// A port in numbers.
    Port(Port),
}

/// A flow's ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowPorts {
    /// Every port of every protocol.
    All,
    /// These.
    Items(Vec<FlowPort>),
}

/// An item of `peers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is written; nowhere for a value of the command line.
    pub span: Option<Span>,
    /// Addresses.
    pub cidr: Option<Text>,
    /// Addresses left out.
    pub except: Vec<Text>,
    /// One namespace.
    pub namespace: Option<Text>,
    /// Namespaces by label.
    pub namespace_selector: Option<Selector>,
    /// Pods by label.
    pub pod_selector: Option<Selector>,
}

/// How well a variant says what is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum FidelityWord {
    Exact,
    Wider,
    Narrower,
}

/// `variants[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Everybody.
    pub any: bool,
    /// Addresses.
    pub cidrs: Listed<Text>,
    /// Peers.
    pub peers: Listed<Peer>,
    /// Every pod of these namespaces.
    pub namespace_selector: Option<Selector>,
    /// How well it says what is meant.
    pub fidelity: Option<FidelityWord>,
    /// What is wider or narrower.
    pub note: Option<String>,
}

/// Kind of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum EndpointKind {
    Any,
    Cidr,
    Hosts,
    KubeApiServer,
    Kubelet,
    Node,
    Dns,
    Peers,
}

/// A peer that is no declared pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Name.
    pub name: Text,
    /// Zone, for cells.
    pub zone: Option<Text>,
    /// Kind.
    pub kind: EndpointKind,
    /// Addresses.
    pub cidrs: Listed<Text>,
    /// Names.
    pub hosts: Listed<Text>,
    /// Port of the hosts.
    pub port: Option<Number>,
    /// Peers.
    pub peers: Listed<Peer>,
    /// Secrets with the CAs of the far end.
    pub ca_bundle: Option<Text>,
    /// What documents call it.
    pub docs: Option<String>,
    /// The first that holds says who it is.
    pub variants: Vec<Variant>,
}

/// A port of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPort {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// Number.
    pub port: Number,
    /// Last number of a range.
    pub end_port: Option<Number>,
    /// Protocol.
    pub protocol: Protocol,
    /// The component terminates TLS itself.
    pub tls: bool,
    /// The port bypasses the sidecar.
    pub mesh_bypass: bool,
    /// Secrets with certificates.
    pub credentials: Listed<Text>,
    /// Hosts.
    pub hosts: Listed<Text>,
}

/// An item of `acceptsFrom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepts {
    /// `zone`, `component` or `endpoint`.
    pub kind: &'static str,
    /// Its name.
    pub name: Text,
}

/// Texts of a component for documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComponentDocs {
    /// Heading of its inbound table.
    pub inbound_title: Option<String>,
    /// Heading of its outbound table.
    pub outbound_title: Option<String>,
    /// Paragraphs below its tables.
    pub notes: Vec<String>,
}

/// Declared pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Name.
    pub name: Text,
    /// Title for documents.
    pub title: Option<String>,
    /// Zone.
    pub zone: Text,
    /// Namespace.
    pub namespace: Text,
    /// Pods.
    pub selector: Selector,
    /// Service account.
    pub service_account: Option<Text>,
    /// Whether it is an Istio gateway.
    pub gateway: bool,
    /// A class that others join by label.
    pub open: bool,
    /// Ports.
    pub ports: Vec<ComponentPort>,
    /// When its objects are written.
    pub policies: Option<When>,
    /// Who may name it as destination; anybody if missing.
    pub accepts_from: Option<Vec<Accepts>>,
    /// Its own isolation.
    pub isolation: Option<Isolation>,
    /// Its own mesh block.
    pub mesh: Option<Mesh>,
    /// Texts for documents.
    pub docs: ComponentDocs,
}

/// `encryption`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// Where it is written.
    pub span: Span,
    /// Least encryption.
    pub require: Requirement,
    /// Why.
    pub reason: Option<String>,
}

/// `hops[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellHop {
    /// Gateway where the hop ends.
    pub at: Option<Text>,
    /// Least encryption of the hop.
    pub require: Requirement,
    /// Secret with the gateway's certificate.
    pub credential: Option<Text>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Source zone.
    pub from: Text,
    /// Destination zone.
    pub to: Text,
    /// What is admitted at most.
    pub posture: CellPosture,
    /// Least encryption.
    pub encryption: Option<Encryption>,
    /// The path through a gateway.
    pub hops: Vec<CellHop>,
    /// How it is secured, in words.
    pub mechanism: Option<String>,
    /// Footnotes: number and text.
    pub footnotes: Vec<(i64, String)>,
    /// Values that depend on a condition.
    pub overrides: Vec<CellOverride>,
}

/// `cells[].overrides[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellOverride {
    /// Condition.
    pub when: When,
    /// What is admitted at most.
    pub posture: Option<CellPosture>,
    /// Least encryption.
    pub encryption: Option<Encryption>,
    /// How it is secured, in words.
    pub mechanism: Option<String>,
}

/// Texts of a flow for documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowDocs {
    /// Origin or Destination.
    pub peer: Option<String>,
    /// Pod Label.
    pub pod_label: Option<String>,
    /// Enabled in policy.
    pub enabled: Option<String>,
}

/// A flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Id.
    pub id: Text,
    /// Sources.
    pub from: Vec<Text>,
    /// Destinations.
    pub to: Vec<Text>,
    /// Gateway.
    pub via: Option<Text>,
    /// Ports.
    pub ports: FlowPorts,
    /// Why.
    pub reason: Text,
    /// Whether the destination's half is claimed.
    pub ingress: bool,
    /// Whether the source's half is claimed.
    pub egress: bool,
    /// Least encryption.
    pub encryption: Option<Encryption>,
    /// Methods and paths.
    pub http: Option<(Vec<String>, Vec<String>)>,
    /// Texts for documents.
    pub docs: FlowDocs,
}

/// An accepted finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// Id.
    pub id: Text,
    /// Flow.
    pub flow: Text,
    /// Owner.
    pub owner: String,
    /// Until when.
    pub expires: Option<String>,
    /// Why.
    pub reason: String,
}
