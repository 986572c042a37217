//! What may be connected: flows, cells from zone to zone, and exceptions.

use super::Text;
use super::inputs::When;
use super::peers::Port;
use palisade_diagnostics::Span;
use palisade_netmodel::{CellPosture, Requirement};

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
