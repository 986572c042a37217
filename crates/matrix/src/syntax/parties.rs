//! Who takes part: components, which are declared pods, and endpoints, which are none.

use super::inputs::When;
use super::peers::{Number, Peer, Selector};
use super::zones::{Isolation, Mesh};
use super::{Listed, Text};
use palisade_diagnostics::Span;
use palisade_netmodel::Protocol;

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
