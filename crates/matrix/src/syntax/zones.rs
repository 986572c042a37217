//! Zones: their namespaces, what they isolate, and their part in the mesh.

use super::inputs::When;
use super::peers::Selector;
use super::{Listed, Text};
use palisade_diagnostics::Span;
use palisade_netmodel::{MeshMode, MtlsMode, OutboundMode, ZoneKind};

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
